"""Products of pairs of bf16 and roundings to bf16, with the processor's instructions and without."""

from __future__ import annotations

import re

import ml_dtypes
import numpy as np
import pytest
from native import NativeKernel, runs_here
from tile_programs import program
from weights import OneKernel

from kernelwright.codegen.cpu import kernel_source, llvm
from kernelwright.compiler.host import host
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel, nn
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import SCALARS, TensorType, bf16


def targets() -> list[CpuTarget]:
    named = [target.builtin(name) for name in ("cpu-avx512-bf16", "cpu-avx512", "cpu-avx2")]
    return [one for one in (host(), *named) if isinstance(one, CpuTarget) and runs_here(one)]


def halves(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).standard_normal(shape).astype(ml_dtypes.bfloat16)


def load(name: str, source: str, shape: str, dtype: str = "bf16") -> str:
    return f"""%{name} = "tile.load"(%{source}, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (memref<{shape}x{dtype}>, index, index) -> vector<{shape}x{dtype}>"""


def dots(m: int, k: int, n: int, paired: bool) -> kernel.Func:
    right = f"{k // 2}x{2 * n}" if paired else f"{k}x{n}"
    body = f"""
    {load("a", "x", f"{m}x{k}")}
    {load("b", "y", right)}
    {load("c", "z", f"{m}x{n}", "f32")}
    %d = "tile.mma"(%a, %b, %c) {{instruction = "dpbf16ps", paired = {str(paired).lower()}}}
        : (vector<{m}x{k}xbf16>, vector<{right}xbf16>, vector<{m}x{n}xf32>) -> vector<{m}x{n}xf32>
    "tile.store"(%d, %r, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (vector<{m}x{n}xf32>, memref<{m}x{n}xf32>, index, index) -> ()"""
    arguments = f"%x: memref<{m}x{k}xbf16>, %y: memref<{right}xbf16>, %z: memref<{m}x{n}xf32>, %r: memref<{m}x{n}xf32>"
    shapes = f'"{m}, {k}", "{right.replace("x", ", ")}", "{m}, {n}", "{m}, {n}"'
    return program(arguments, body, shapes)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("sizes", [(6, 2, 64), (14, 4, 32), (3, 2, 48), (1, 2, 1), (5, 6, 7), (2, 2, 128)])
def test_dots(sizes: tuple[int, int, int], paired: bool) -> None:
    m, k, n = sizes
    a, b, c = halves(m, k), halves(k, n), halves(m, n).astype(np.float32)
    given = b.reshape(k // 2, 2, n).swapaxes(1, 2).reshape(k // 2, 2 * n) if paired else b
    func = dots(m, k, n, paired)
    expected = a.astype(np.float64) @ b.astype(np.float64) + c
    found = [run_kernel(func, [a, given, c], {})[0]]
    found += [NativeKernel(func, one)([a, given, c], {})[0] for one in targets()]
    for result in found:
        np.testing.assert_allclose(result, expected, rtol=1e-5, atol=1e-5)


def rounding(count: int) -> kernel.Func:
    body = f"""
    {load("v", "x", f"1x{count}", "f32")}
    %h = "arith.truncf"(%v) : (vector<1x{count}xf32>) -> vector<1x{count}xbf16>
    "tile.store"(%h, %r, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (vector<1x{count}xbf16>, memref<1x{count}xbf16>, index, index) -> ()"""
    return program(f"%x: memref<1x{count}xf32>, %r: memref<1x{count}xbf16>", body, f'"1, {count}", "1, {count}"')


@pytest.mark.parametrize("count", [64, 16, 49, 1])
def test_rounding_to_nearest_and_even(count: int) -> None:
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 3.4e38, 1.0, 1.00390625, 1.01171875, -1.00390626, 2e-38]
    x = np.resize(np.array(special, np.float32), (1, count))
    if count > len(special):
        x[0, len(special) :] = np.random.default_rng(0).standard_normal(count - len(special)).astype(np.float32)
    expected = x.astype(ml_dtypes.bfloat16).astype(np.float32)
    for one in targets():
        (found,) = NativeKernel(rounding(count), one)([x], {})
        np.testing.assert_array_equal(found.astype(np.float32), expected)


@pytest.mark.parametrize(
    ("feature", "instruction"), [("avx512bf16", "dpbf16ps.512"), ("bf16", "neon.bfdot"), ("fma", "llvm.fma")]
)
def test_the_processor_decides_how_pairs_are_multiplied(feature: str, instruction: str) -> None:
    func = dots(6, 2, 64, paired=True)
    assert instruction in kernel_source([func], features=[feature]).text


@pytest.mark.parametrize("dtype", ["bf16", "i16", "i8"])
@pytest.mark.parametrize("count", [16, 33, 48])
def test_a_store_of_one_lane_leaves_its_neighbours(dtype: str, count: int) -> None:
    """Of a vector of `count` lanes all but one are beyond the memref: what lies behind it stays what it was."""
    convert = "arith.truncf" if dtype == "bf16" else "arith.trunci"
    source = "f32" if dtype == "bf16" else "i32"
    body = f"""
    {load("v", "x", f"1x{count}", source)}
    %h = "{convert}"(%v) : (vector<1x{count}x{source}>) -> vector<1x{count}x{dtype}>
    "tile.store"(%h, %r, %i0, %i8) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>, checked = array<i64: 1>}}
        : (vector<1x{count}x{dtype}>, memref<1x9x{dtype}>, index, index) -> ()"""
    arguments = f"%x: memref<1x{count}x{source}>, %r: memref<1x9x{dtype}>"
    func = program(arguments, body, f'"1, {count}", "1, 9"')
    for one in targets():
        source_type, type = SCALARS[source].numpy, SCALARS[dtype].numpy
        table = NativeKernel(func, one).into([np.ones((1, count), source_type)], np.full(16, 7, type))
        assert table[8] == 1 and (table[9:] == 7).all() and (table[:8] == 7).all()


def test_conversions_are_vectors() -> None:
    """Of an element-wise kernel: what is read is moved bits, what is written one instruction a vector."""
    avx512 = target.builtin("cpu-avx512-bf16")
    assert isinstance(avx512, CpuTarget)
    type = TensorType((64, 57), bf16)
    func = OneKernel([type, type], {}, lambda emit, v: emit(nn.Relu(emit(nn.Add(*v))))).tile(avx512)
    machine = llvm.target_machine(avx512.arch, avx512.cpu, ",".join(f"+{name}" for name in avx512.features))
    module = llvm.parse(kernel_source([func], features=avx512.features).text)
    llvm.optimize(module, machine)
    text = machine.emit_assembly(module)
    assert re.search(r"vcvtneps2bf16\s+%zmm", text)
    assert not re.search(r"vcvtneps2bf16\s+%xmm|vpinsrw|vpextrw|callq\s+__truncsfbf2", text)
