"""Products whose rows are normalized in the same launch, next to float64 on awkward shapes and numbers of threads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from native import NativeKernel, runs_here
from weights import OneKernel

from kernelwright.compiler.host import host
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel, nn
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import TensorType, f32

SEQ = symbol("seq")


@dataclass
class Problem:
    """layer_norm(a @ w + bias + residual), or its variant by the root mean square; the sum is a result if `keeps`."""

    rows: int
    columns: int
    inner: int
    batch: tuple[int, ...] = ()
    keeps: bool = False
    symbolic: bool = False
    centered: bool = True

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.rows)
        full = (*self.batch, self.rows)
        shapes = [(*full, self.inner), (self.inner, self.columns), (self.columns,), (*full, self.columns)]
        return [rng.standard_normal(s, dtype=np.float32) for s in (*shapes, (self.columns,), (self.columns,))]

    def kernel(self) -> OneKernel:
        arrays = self.arrays()
        types = [TensorType(tuple(map(int, a.shape)), f32) for a in arrays]
        if self.symbolic:
            for number in (0, 3):
                dims: tuple[Dim, ...] = (*self.batch, SEQ, types[number].dims[-1])
                types[number] = types[number].with_shape(dims)

        def build(emit: Any, arguments: Any) -> Any:  # Any: ops of any class
            a, w, bias, residual, scale, shift = arguments
            x = emit(nn.Add(emit(nn.Add(emit(nn.MatMul(a, w)), bias)), residual))
            last = len(self.batch) + 1
            norm = nn.LayerNorm(x, scale, shift, last) if self.centered else nn.RmsNorm(x, scale, last)
            y = norm.decompose(emit)
            return (x, y) if self.keeps else y

        return OneKernel(types, {n: arrays[n] for n in (1, 2, 4, 5)}, build)

    def inputs(self) -> list[np.ndarray]:
        return [self.arrays()[0], self.arrays()[3]]

    def expected(self) -> list[np.ndarray]:
        a, w, bias, residual, scale, shift = (array.astype(np.float64) for array in self.arrays())
        x = a @ w + bias + residual
        centered = x - x.mean(-1, keepdims=True) if self.centered else x
        y = centered / np.sqrt((centered**2).mean(-1, keepdims=True) + 1e-5) * scale + (shift if self.centered else 0)
        return [x, y] if self.keeps else [y]


PROBLEMS = {
    "square": Problem(64, 64, 64),
    "primes": Problem(37, 41, 17),
    "kept": Problem(37, 53, 17, keeps=True),
    "one-row": Problem(1, 100, 33, keeps=True),
    "one-row-kept": Problem(1, 768, 64, keeps=True),
    "batches": Problem(7, 40, 20, batch=(2, 3), keeps=True),
    "rms": Problem(19, 96, 31, centered=False),
    "symbolic": Problem(29, 48, 16, symbolic=True),
    "symbolic-kept": Problem(3, 48, 16, batch=(2,), symbolic=True, keeps=True),
}
LEVELS = [target.builtin(name) for name in ("cpu-avx2", "cpu-neon")]


def check(problem: Problem, found: list[np.ndarray]) -> None:
    for one, expected in zip(found, problem.expected(), strict=True):
        error = np.linalg.norm(one.reshape(expected.shape).astype(np.float64) - expected)
        assert error <= 2e-6 * np.linalg.norm(expected)


def tiled(problem: Problem, level: CpuTarget) -> tuple[kernel.Func, list[np.ndarray]]:
    one = problem.kernel()
    func = one.tile(level)
    assert func.tactic == "gemm_rows"
    return func, one.arrays(problem.inputs())


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", PROBLEMS)
def test_on_this_machine(name: str, threads: int) -> None:
    problem = PROBLEMS[name]
    func, arrays = tiled(problem, host())
    check(problem, NativeKernel(func)(arrays, {"seq": problem.rows}, threads))


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
def test_at_other_levels(level: CpuTarget) -> None:
    problem = PROBLEMS["kept"]
    func, arrays = tiled(problem, level)
    if runs_here(level):
        check(problem, NativeKernel(func, level)(arrays, {"seq": problem.rows}))


@pytest.mark.parametrize("name", ["primes", "symbolic-kept"])
def test_tile_interpreter(name: str) -> None:
    problem = PROBLEMS[name]
    func, arrays = tiled(problem, host())
    check(problem, run_kernel(func, arrays, {"seq": problem.rows}))
