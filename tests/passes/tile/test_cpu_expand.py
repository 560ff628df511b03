"""An expanding and a depthwise convolution in one kernel, and means of planes, next to their meaning, on awkward
shapes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from native import NativeKernel, runs_here
from weights import OneKernel

from kernelwright.compiler.host import host
from kernelwright.ir import target
from kernelwright.ir.core import Block, Value
from kernelwright.ir.dialects import nn
from kernelwright.ir.symbols import symbol
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import TensorType, f32


@dataclass
class Planes:
    """relu(depthwise(silu(expand(x) + bias))), and the mean of each plane where `mean`; without `channels` no expand.

    `x` is [batch, inputs, height, width]; `kernel`, `stride` and `pad` are the depthwise convolution's.
    """

    x: tuple[int, int, int, int]
    channels: int | None
    kernel: tuple[int, int]
    stride: int = 1
    pad: int = 1
    mean: bool = True
    symbolic: bool = False
    arrays: list[np.ndarray] = field(default_factory=list)

    def build(self, emit, values):  # type: ignore[no-untyped-def]
        x, w, bias, v = values
        if self.channels is not None:
            x = emit(nn.Silu(emit(nn.Conv(x, w, (1, 1), (0, 0, 0, 0), (1, 1), bias, 1))))
        steps, pads = (self.stride, self.stride), (self.pad,) * 4
        y = emit(nn.Relu(emit(nn.Conv(x, v, steps, pads, (1, 1), None, self.channels or self.x[1]))))
        return (y, emit(nn.Reduce(y, "mean", (2, 3), True))) if self.mean else y

    def one(self) -> OneKernel:
        rng = np.random.default_rng(self.x[1])
        made = self.channels or self.x[1]
        shapes = [self.x, (made, self.x[1], 1, 1), (made,), (made, 1, *self.kernel)]
        self.arrays = [rng.standard_normal(shape).astype(np.float32) for shape in shapes]
        types = [TensorType(shape, f32) for shape in shapes]
        if self.symbolic:
            types[0] = types[0].with_shape((symbol("batch"), *self.x[1:]))
        return OneKernel(types, dict(enumerate(self.arrays[1:], 1)), self.build)

    def expected(self) -> list[np.ndarray]:

        def evaluate(op):  # type: ignore[no-untyped-def]
            found = op.evaluate(*(known[operand] for operand in op.operands))
            known[op.results[0]] = found
            return op.results[0]

        block = Block([TensorType(array.shape, f32) for array in self.arrays])
        wide = [array.astype(np.float64) for array in self.arrays]
        known: dict[Value, np.ndarray] = dict(zip(block.arguments, wide, strict=True))
        built = self.build(evaluate, block.arguments)
        return [known[v] for v in (built if isinstance(built, tuple) else [built])]


PLANES = {
    "expand": Planes((1, 5, 7, 9), 11, (3, 3), mean=False),
    "expand-mean": Planes((1, 8, 14, 14), 48, (3, 3)),
    "strided": Planes((1, 3, 13, 17), 37, (5, 5), stride=2, pad=2),
    "one-pixel": Planes((1, 6, 1, 1), 19, (1, 1), pad=0),
    "many-pixels": Planes((1, 4, 40, 41), 10, (3, 3)),
    "two-images": Planes((2, 7, 5, 6), 33, (3, 3)),
    "symbolic-batch": Planes((3, 7, 5, 6), 18, (3, 3), symbolic=True),
    "mean-alone": Planes((2, 7, 11, 13), None, (3, 3)),
    "mean-of-wide-rows": Planes((1, 5, 6, 70), None, (3, 5), stride=2),
}


def check(planes: Planes, found: list[np.ndarray]) -> None:
    for result, expected in zip(found, planes.expected(), strict=True):
        assert np.abs(result.reshape(expected.shape) - expected).max() <= 2e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("name", PLANES)
def test_native(name: str) -> None:
    planes = PLANES[name]
    one = planes.one()
    func = one.tile(host())
    assert func.tactic == ("depthwise" if planes.channels is None else "expand_depthwise")
    check(planes, NativeKernel(func)(one.arrays([planes.arrays[0]]), {"batch": planes.x[0]}))


@pytest.mark.parametrize("name", PLANES)
def test_smaller_registers(name: str) -> None:
    planes, avx2 = PLANES[name], target.builtin("cpu-avx2")
    assert isinstance(avx2, CpuTarget)
    one = planes.one()
    func = one.tile(avx2)
    inputs, sizes = one.arrays([planes.arrays[0]]), {"batch": planes.x[0]}
    check(planes, run_kernel(func, inputs, sizes))
    if runs_here(avx2):
        check(planes, NativeKernel(func, avx2)(inputs, sizes))


def test_planes_beyond_the_cache_are_not_kept() -> None:
    """A register tile of planes that the L2 cache has no room for."""
    assert Planes((1, 4, 300, 300), 16, (3, 3), mean=False).one().tile(host()).tactic != "expand_depthwise"
