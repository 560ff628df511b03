"""Convolutions on CPUs that make their input of what they read: scaled, shifted, activated, gated."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import ml_dtypes
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
from kernelwright.ir.types import TensorType, scalar_of


@dataclass(frozen=True)
class Prologue:
    """conv(relu(x * scale + shift), w) + residual; `scale` of shape [c, 1, 1] or, for a gate, [batch, c, 1, 1]."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    group: int = 1
    gated: bool = False
    symbolic: bool = False
    dtype: Any = np.float32

    def conv(self, x: Value, w: Value) -> nn.Conv:
        return nn.Conv(x, w, self.strides, self.pads, self.dilations, None, self.group)

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(sum(self.x))
        channels = self.x[1]
        scale = (self.x[0], channels, 1, 1) if self.gated else (channels, 1, 1)
        # Nothing of a shifted zero is zero: padding has to come after it.
        shapes = (self.x, self.w, scale, (channels, 1, 1))
        x, w, scales, shift = (rng.standard_normal(shape).astype(self.dtype) for shape in shapes)
        residual = rng.standard_normal(self.result_shape()).astype(self.dtype)
        return [x, w, scales, np.abs(shift) + self.dtype(0.5), residual]

    def result_shape(self) -> tuple[int, ...]:
        x, w = Block([TensorType(shape, scalar_of(self.dtype)) for shape in (self.x, self.w)]).arguments
        type = self.conv(x, w).results[0].type
        assert isinstance(type, TensorType)
        return tuple(map(int, type.dims))  # type: ignore[arg-type]

    def kernel(self, arrays: list[np.ndarray]) -> OneKernel:
        types = [TensorType(array.shape, scalar_of(self.dtype)) for array in arrays]
        if self.symbolic:
            for i in (0, 2, 4) if self.gated else (0, 4):
                types[i] = types[i].with_shape((symbol("batch"), *arrays[i].shape[1:]))

        def build(emit, values):  # type: ignore[no-untyped-def]
            x, w, scale, shift, residual = values
            made = emit(nn.Relu(emit(nn.Add(emit(nn.Mul(x, scale)), shift))))
            return emit(nn.Add(emit(self.conv(made, w)), residual))

        return OneKernel(types, {1: arrays[1], 3: arrays[3]}, build)

    def expected(self, arrays: list[np.ndarray]) -> np.ndarray:
        x, w, scale, shift, residual = (array.astype(np.float64) for array in arrays)
        made = np.maximum(x * scale + shift, 0)
        op = self.conv(*Block([TensorType(a.shape, scalar_of(np.float64)) for a in (x, w)]).arguments)
        return op.evaluate(made, w) + residual


PROLOGUES = {
    "pointwise": Prologue((1, 8, 6, 7), (20, 8, 1, 1)),
    "pointwise-of-primes": Prologue((2, 5, 13, 11), (47, 5, 1, 1)),
    "one-pixel": Prologue((1, 33, 1, 1), (19, 33, 1, 1)),
    "many-panels": Prologue((1, 16, 7, 7), (130, 16, 1, 1)),
    "strided-pointwise": Prologue((1, 6, 9, 9), (16, 6, 1, 1), strides=(2, 2)),
    "padded-pointwise": Prologue((1, 6, 5, 7), (16, 6, 1, 1), pads=(1, 0, 2, 1)),
    "padded": Prologue((1, 4, 9, 15), (40, 4, 3, 3), pads=(1, 1, 1, 1)),
    "strided": Prologue((2, 3, 17, 19), (16, 3, 7, 7), strides=(2, 2), pads=(3, 3, 3, 3)),
    "dilated": Prologue((1, 5, 9, 9), (17, 5, 3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)),
    "wide-rows": Prologue((1, 2, 4, 150), (16, 2, 3, 3), pads=(1, 1, 1, 1)),
    "groups": Prologue((1, 6, 13, 11), (40, 3, 3, 3), pads=(1, 1, 1, 1), group=2),
    "gate": Prologue((2, 12, 7, 7), (17, 12, 1, 1), gated=True),
    "symbolic-gate": Prologue((3, 12, 7, 7), (17, 12, 1, 1), gated=True, symbolic=True),
    "f16": Prologue((1, 5, 9, 9), (18, 5, 1, 1), dtype=np.float16),
}


def check(prologue: Prologue, found: np.ndarray, arrays: list[np.ndarray]) -> None:
    expected = prologue.expected(arrays)
    tolerance = 1e-6 if prologue.dtype is np.float32 else 2e-3
    error = np.linalg.norm(found.reshape(expected.shape).astype(np.float64) - expected)
    assert error <= tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("name", PROLOGUES)
def test_native(name: str) -> None:
    prologue = PROLOGUES[name]
    arrays = prologue.arrays()
    one = prologue.kernel(arrays)
    func = one.tile(host())
    assert func.tactic == "conv"
    (found,) = NativeKernel(func)(one.arrays([arrays[0], arrays[2], arrays[4]]), {"batch": prologue.x[0]})
    check(prologue, found, arrays)


@pytest.mark.parametrize("name", PROLOGUES)
def test_smaller_registers(name: str) -> None:
    prologue, avx2 = PROLOGUES[name], target.builtin("cpu-avx2")
    assert isinstance(avx2, CpuTarget)
    arrays = prologue.arrays()
    one = prologue.kernel(arrays)
    func = one.tile(avx2)
    inputs, sizes = one.arrays([arrays[0], arrays[2], arrays[4]]), {"batch": prologue.x[0]}
    found = [run_kernel(func, inputs, sizes)]
    if runs_here(avx2):
        found.append(NativeKernel(func, avx2)(inputs, sizes))
    for (result,) in found:
        check(prologue, result, arrays)


@pytest.mark.parametrize("name", [name for name, one in PROLOGUES.items() if one.dtype is np.float32])
def test_pairs(name: str) -> None:
    """What is computed while pairs of channels are put into local memory."""
    prologue, with_dots = dataclasses.replace(PROLOGUES[name], dtype=ml_dtypes.bfloat16), "cpu-avx512-bf16"
    arrays = prologue.arrays()
    one, level = prologue.kernel(arrays), target.builtin(with_dots)
    func = one.tile(level)
    assert func.tactic == ("conv" if prologue.group > 1 and prologue.w[1] % 2 else "conv_pairs")
    inputs, sizes = one.arrays([arrays[0], arrays[2], arrays[4]]), {"batch": prologue.x[0]}
    found = [run_kernel(func, inputs, sizes)]
    if isinstance(level, CpuTarget) and runs_here(level):
        found.append(NativeKernel(func, level)(inputs, sizes))
    for (result,) in found:
        expected = prologue.expected(arrays)
        error = np.linalg.norm(result.reshape(expected.shape).astype(np.float64) - expected)
        assert error <= 6e-3 * np.linalg.norm(expected)
