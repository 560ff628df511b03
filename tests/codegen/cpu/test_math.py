"""The polynomials against float64, over all magnitudes and at the special values."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Collection
from typing import Any

import llvmlite.binding as binding
import numpy as np
import pytest

from kernelwright.codegen.cpu import llvm
from kernelwright.codegen.cpu.builder import Lanes
from kernelwright.codegen.cpu.math import FUNCTIONS, definition, function_name

LANES = 16
SPECIAL = [
    0.0,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    1e-45,
    -1e-45,
    1e-39,
    1.0,
    -1.0,
    0.5,
    3.4e38,
    -3.4e38,
    2.0,
    -2.0,
    3.0,
]
RANGES = {"exp": 104.0, "tanh": 20.0, "erf": 6.0, "sin": 1e6, "cos": 1e6, "log": 3e38}
EXACT: dict[str, Callable[..., Any]] = {
    "exp": np.exp, "log": np.log, "tanh": np.tanh, "sin": np.sin, "cos": np.cos, "pow": np.power,
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
}  # fmt: skip


def compiled(name: str, features: Collection[str] = (), count: int = LANES):
    """The function on arrays, and what keeps its code alive."""
    lanes = Lanes("float", count)
    body, declarations = definition(name, lanes, features)
    arity = 2 if name in ("pow", "ratio") else 1
    loads = "".join(f"  %x{i} = load {lanes}, ptr %p{i}, align 4\n" for i in range(arity))
    call = ", ".join(f"{lanes} %x{i}" for i in range(arity))
    parameters = ", ".join(f"ptr %p{i}" for i in range(arity))
    main = (
        f"define void @apply({parameters}, ptr %out) {{\n{loads}"
        f"  %y = call {lanes} @{function_name(name, lanes)}({call})\n"
        f"  store {lanes} %y, ptr %out, align 4\n  ret void\n}}"
    )
    module = llvm.parse("\n".join([*sorted(declarations), body, main]))
    machine = llvm.target_machine(
        binding.get_process_triple(), binding.get_host_cpu_name(), binding.get_host_cpu_features().flatten()
    )
    llvm.optimize(module, machine)
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * (arity + 1))(engine.get_function_address("apply"))

    def apply(*arrays: np.ndarray) -> np.ndarray:
        padded = [np.resize(a, -(-a.size // count) * count) for a in arrays]
        out = np.empty_like(padded[0])
        for start in range(0, out.size, count):
            function(*(a[start:].ctypes.data for a in padded), out[start:].ctypes.data)
        return out[: arrays[0].size]

    return apply, engine


def samples(limit: float, count: int = 20_000) -> np.ndarray:
    """Both signs, uniform and over all magnitudes down to denormals."""
    random = np.random.default_rng(0)
    uniform = random.uniform(-limit, limit, count)
    magnitudes = 2.0 ** random.uniform(-149, math.log2(limit), count) * random.choice([-1, 1], count)
    return np.concatenate([uniform, magnitudes, np.linspace(-2, 2, count), SPECIAL]).astype(np.float32)


def ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Errors in units of the last place of f32; specials must be equal."""
    with np.errstate(over="ignore"):
        rounded = exact.astype(np.float32)
    special = ~np.isfinite(rounded) | ~np.isfinite(found)
    same = (found == rounded) | (np.isnan(found) & np.isnan(rounded))
    unit = np.maximum(np.spacing(np.abs(rounded, where=~special, out=np.zeros_like(rounded))), 1e-45)
    with np.errstate(invalid="ignore"):
        error = np.abs(found.astype(np.float64) - exact) / unit
    return np.where(special, np.where(same, 0.0, np.inf), error)


@pytest.mark.parametrize("name", sorted(set(FUNCTIONS) - {"pow", "ratio"}))
def test_unary(name: str) -> None:
    check_unary(name)


@pytest.mark.parametrize("count", [4, 16, 48, 64])
@pytest.mark.parametrize("name", ["exp", "tanh", "erf"])
def test_unary_with_an_instruction_that_scales(name: str, count: int) -> None:
    need_avx512()
    check_unary(name, ("avx512f",), count)


def need_avx512() -> None:
    if not binding.get_host_cpu_features().get("avx512f"):
        pytest.skip("this processor has no AVX-512")


@pytest.mark.parametrize("features", [(), ("avx512f",)])
def test_ratio(features: Collection[str]) -> None:
    """Divisors of at least 1: infinity gives zero, not-a-number itself."""
    if features:
        need_avx512()
    apply, _engine = compiled("ratio", features)
    random = np.random.default_rng(2)
    x, y = random.uniform(-90, 90, 20_000), 2.0 ** random.uniform(0, 100, 20_000)
    y[:4] = 1.0, math.inf, math.nan, 2.0**125
    x, y = x.astype(np.float32), y.astype(np.float32)
    error = ulps(apply(x, y), x.astype(np.float64) / y.astype(np.float64))
    assert error.max() <= 1


def check_unary(name: str, features: Collection[str] = (), count: int = LANES) -> None:
    apply, _engine = compiled(name, features, count)
    x = samples(RANGES[name])
    if name in ("sin", "cos"):
        x = x[np.isnan(x) | (np.abs(x) < 1e15)]
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
    found = apply(x)
    error = ulps(found, exact)
    worst = int(np.argmax(error))
    assert error[worst] <= 2, f"{name}({x[worst]!r}) = {found[worst]!r}, exactly {exact[worst]!r}"
    if name in ("tanh", "erf", "sin"):
        assert (np.signbit(found) == np.signbit(x))[np.abs(x) == 0].all()


def test_pow() -> None:
    apply, _engine = compiled("pow")
    random = np.random.default_rng(1)
    x = np.concatenate([random.uniform(0, 8, 20_000), random.uniform(-8, 8, 2_000), np.repeat(SPECIAL, len(SPECIAL))])
    y = np.concatenate([random.uniform(-40, 40, 20_000), random.integers(-9, 9, 2_000), np.tile(SPECIAL, len(SPECIAL))])
    x, y = x.astype(np.float32), y.astype(np.float32)
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.float64), y.astype(np.float64))
        exact = np.where(np.isfinite(exact.astype(np.float32)), exact, np.power(x, y))
    found = apply(x, y)
    error = ulps(found, exact)
    worst = int(np.argmax(error))
    assert error[worst] <= 2, f"pow({x[worst]!r}, {y[worst]!r}) = {found[worst]!r}, exactly {exact[worst]!r}"
