"""Convolutions on CPUs next to their meaning on NumPy, on awkward shapes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from native import NativeKernel, runs_here
from weights import OneKernel

from kernelwright.compiler.host import host
from kernelwright.ir import target
from kernelwright.ir.attributes import IntegerAttr
from kernelwright.ir.core import Block
from kernelwright.ir.dialects import nn
from kernelwright.ir.symbols import symbol
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import TensorType, f32, scalar_of
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile import cpu_winograd

BATCH = symbol("batch")


@dataclass
class Convolution:
    """relu(conv(x, w) + bias + residual)."""

    x: tuple[int, ...]
    w: tuple[int, ...]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    dilations: tuple[int, int] = (1, 1)
    group: int = 1
    symbolic: bool = False
    dtype: Any = np.float32
    tactic: str = "conv"
    arrays: list[np.ndarray] = field(default_factory=list)

    def op(self, x: Any, w: Any, bias: Any) -> nn.Conv:
        return nn.Conv(x, w, self.strides, self.pads, self.dilations, bias, self.group)

    def kernel(self) -> OneKernel:
        rng = np.random.default_rng(self.x[1])
        self.arrays = [rng.standard_normal(shape).astype(self.dtype) for shape in (self.x, self.w, self.w[:1])]
        types = [TensorType(array.shape, scalar_of(self.dtype)) for array in self.arrays]
        if self.symbolic:
            types[0] = types[0].with_shape((BATCH, *self.x[1:]))
        arguments = Block(types).arguments
        result = self.op(*arguments).results[0].type
        assert isinstance(result, TensorType)
        shape = (self.x[0], *result.dims[1:])
        self.arrays.append(rng.standard_normal(tuple(map(int, shape))).astype(self.dtype))  # type: ignore[arg-type]

        def build(emit, values):  # type: ignore[no-untyped-def]
            x, w, bias, residual = values
            return emit(nn.Relu(emit(nn.Add(emit(self.op(x, w, bias)), residual))))

        return OneKernel([*types, result], {1: self.arrays[1], 2: self.arrays[2]}, build)

    def expected(self) -> np.ndarray:
        x, w, bias, residual = (array.astype(np.float32) for array in self.arrays)
        op = self.op(*Block([TensorType(a.shape, f32) for a in (x, w, bias)]).arguments)
        return np.maximum(op.evaluate(x, w, bias) + residual, 0)


CONVOLUTIONS = {
    "pointwise": Convolution((1, 8, 6, 7), (20, 8, 1, 1)),
    "pointwise-of-primes": Convolution((2, 5, 13, 11), (17, 5, 1, 1)),
    "pointwise-by-pixel": Convolution((2, 5, 9, 11), (18, 5, 1, 1)),
    "first-by-pixel": Convolution((1, 3, 21, 140), (9, 3, 3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    "panels-of-one-copy": Convolution((1, 3, 19, 141), (47, 3, 3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
    "groups-by-pixel": Convolution((1, 4, 5, 70), (22, 2, 3, 3), pads=(1, 1, 1, 1), group=2),
    "f16-by-pixel": Convolution((1, 4, 13, 11), (17, 4, 1, 1), dtype=np.float16),
    "one-pixel": Convolution((1, 33, 1, 1), (19, 33, 1, 1)),
    "strided-pointwise": Convolution((1, 6, 9, 9), (16, 6, 1, 1), strides=(2, 2)),
    "padded": Convolution((1, 4, 9, 15), (16, 4, 3, 3), pads=(1, 1, 1, 1)),
    "padded-on-one-side": Convolution((1, 3, 5, 5), (33, 3, 2, 2), pads=(0, 1, 1, 0)),
    "not-padded": Convolution((1, 3, 8, 10), (24, 3, 3, 2)),
    "strided": Convolution((2, 3, 17, 19), (16, 3, 7, 7), strides=(2, 2), pads=(3, 3, 3, 3)),
    "uneven-strides": Convolution((1, 4, 11, 12), (16, 4, 3, 5), strides=(1, 3), pads=(1, 2, 1, 2)),
    "dilated": Convolution((1, 5, 9, 9), (17, 5, 3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)),
    "groups": Convolution((1, 6, 13, 11), (40, 3, 3, 3), strides=(2, 2), pads=(1, 1, 1, 1), group=2),
    "symbolic-batch": Convolution((3, 4, 7, 7), (18, 4, 3, 3), pads=(1, 1, 1, 1), symbolic=True),
    "depthwise": Convolution((2, 7, 14, 13), (7, 1, 3, 3), pads=(1, 1, 1, 1), group=7, tactic="depthwise"),
    "strided-depthwise": Convolution(
        (1, 5, 15, 70), (5, 1, 5, 5), strides=(2, 2), pads=(2, 2, 2, 2), group=5, tactic="depthwise"
    ),
    "rows-of-depthwise": Convolution((1, 3, 13, 80), (3, 1, 5, 3), pads=(2, 0, 1, 1), group=3, tactic="depthwise"),
    "even-depthwise": Convolution((2, 3, 9, 7), (6, 1, 3, 4), pads=(1, 2, 1, 1), group=3, tactic="depthwise"),
    "dilated-rows-of-depthwise": Convolution(
        (1, 4, 15, 33), (4, 1, 3, 3), strides=(1, 2), pads=(2, 1, 2, 1), dilations=(2, 1), group=4, tactic="depthwise"
    ),
    "dilated-depthwise": Convolution(
        (1, 3, 11, 9), (6, 1, 3, 2), pads=(0, 1, 2, 0), dilations=(2, 3), group=3, tactic="depthwise"
    ),
    "symbolic-depthwise": Convolution(
        (2, 4, 7, 7), (4, 1, 3, 3), pads=(1, 1, 1, 1), group=4, symbolic=True, tactic="depthwise"
    ),
    "f16": Convolution((1, 5, 9, 9), (18, 5, 3, 3), pads=(1, 1, 1, 1), dtype=np.float16),
    "f16-depthwise": Convolution(
        (1, 5, 9, 9), (5, 1, 3, 3), pads=(1, 1, 1, 1), group=5, dtype=np.float16, tactic="depthwise"
    ),
    "winograd": Convolution((1, 16, 12, 14), (16, 16, 3, 3), pads=(1, 1, 1, 1), tactic="winograd"),
    "winograd-odd": Convolution((2, 17, 7, 9), (19, 17, 3, 3), pads=(0, 1, 1, 0), tactic="winograd"),
    "winograd-two-rows": Convolution((1, 16, 2, 5), (32, 16, 3, 3), pads=(1, 1, 1, 1), tactic="winograd"),
    "winograd-six-rows": Convolution((1, 18, 8, 33), (16, 18, 3, 3), tactic="winograd"),
    "winograd-symbolic": Convolution(
        (3, 16, 6, 7), (16, 16, 3, 3), pads=(1, 1, 1, 1), symbolic=True, tactic="winograd"
    ),
    "winograd-wide": Convolution((1, 16, 5, 70), (20, 16, 3, 3), pads=(2, 1, 2, 1), tactic="winograd"),
    "wide-rows": Convolution((1, 2, 4, 150), (16, 2, 3, 3), pads=(1, 1, 1, 1)),
}


def check(convolution: Convolution, found: np.ndarray) -> None:
    expected = convolution.expected()
    tolerance = {np.float32: 2e-5, np.float16: 4e-2, ml_dtypes.bfloat16: 3e-1}[convolution.dtype]
    if convolution.tactic == "winograd":
        tolerance = 5e-6 * np.abs(expected).max()
    assert np.abs(found.reshape(expected.shape).astype(np.float32) - expected).max() <= tolerance


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_native(name: str) -> None:
    convolution = CONVOLUTIONS[name]
    one = convolution.kernel()
    func = one.tile(host())
    assert func.tactic == convolution.tactic
    inputs = one.arrays([convolution.arrays[0], convolution.arrays[3]])
    (found,) = NativeKernel(func)(inputs, {"batch": convolution.x[0]})
    check(convolution, found)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_smaller_registers(name: str) -> None:
    convolution, avx2 = CONVOLUTIONS[name], target.builtin("cpu-avx2")
    assert isinstance(avx2, CpuTarget)
    one = convolution.kernel()
    func = one.tile(avx2)
    inputs, sizes = one.arrays([convolution.arrays[0], convolution.arrays[3]]), {"batch": convolution.x[0]}
    found = [run_kernel(func, inputs, sizes)]
    if runs_here(avx2):
        found.append(NativeKernel(func, avx2)(inputs, sizes))
    for (result,) in found:
        check(convolution, result)


OF_PAIRS = [
    name for name, one in CONVOLUTIONS.items() if one.tactic in ("conv", "depthwise") and one.dtype is np.float32
]


@pytest.mark.parametrize("name", OF_PAIRS)
def test_pairs(name: str) -> None:
    """Packed in pairs for a processor that multiplies them, and run there and on those that do not."""
    convolution, with_dots = dataclasses.replace(CONVOLUTIONS[name], dtype=ml_dtypes.bfloat16), targets_of_pairs()[0]
    one = convolution.kernel()
    func = one.tile(with_dots)
    without = ("groups", "dilated-depthwise")  # three channels a group, and neighbours apart
    assert func.tactic == convolution.tactic + ("" if name in without else "_pairs")
    inputs, sizes = one.arrays([convolution.arrays[0], convolution.arrays[3]]), {"batch": convolution.x[0]}
    found = [run_kernel(func, inputs, sizes)]
    found += [NativeKernel(func, level)(inputs, sizes) for level in targets_of_pairs() if runs_here(level)]
    expected = convolution.expected()
    for (result,) in found:
        error = np.abs(result.reshape(expected.shape).astype(np.float32) - expected)
        assert (error <= 2.0**-8 * np.abs(expected) + 1e-4).all()


def targets_of_pairs() -> list[CpuTarget]:
    found = [target.builtin(name) for name in ("cpu-avx512-bf16", "cpu-avx512", "cpu-avx2")]
    return [one for one in found if isinstance(one, CpuTarget)]


@pytest.mark.parametrize("name", [name for name in CONVOLUTIONS if name.endswith("by-pixel")])
def test_few_products_have_lanes_of_pixels(name: str) -> None:
    func = CONVOLUTIONS[name].kernel()
    target.builtin("cpu-avx512").attach(func.module)
    lookup("schedule-kernels")().run(func.module, PassContext())
    assert func.func.schedule is not None
    assert dict(func.func.schedule.items)["by_pixel"] == IntegerAttr(1)


def test_many_products_have_lanes_of_channels() -> None:
    func = Convolution((1, 512, 7, 7), (512, 512, 1, 1)).kernel()
    target.builtin("cpu-avx512").attach(func.module)
    lookup("schedule-kernels")().run(func.module, PassContext())
    assert func.func.schedule is not None
    assert dict(func.func.schedule.items)["by_pixel"] == IntegerAttr(0)


@pytest.mark.parametrize("name", ["winograd", "winograd-odd", "winograd-wide"])
def test_rows_in_segments(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that do not fit into local memory are transformed a part at a time."""
    monkeypatch.setattr(cpu_winograd, "SCRATCH_BYTES", 4096)
    convolution = CONVOLUTIONS[name]
    one = convolution.kernel()
    func = one.tile(host())
    assert func.tactic == "winograd"
    (found,) = NativeKernel(func)(one.arrays([convolution.arrays[0], convolution.arrays[3]]), {})
    check(convolution, found)


@pytest.mark.parametrize(
    "convolution",
    [
        Convolution((1, 64, 14, 14), (64, 64, 3, 3), strides=(2, 2), pads=(1, 1, 1, 1)),
        Convolution((1, 64, 14, 14), (64, 64, 3, 3), pads=(2, 2, 2, 2), dilations=(2, 2)),
        Convolution((1, 64, 14, 14), (64, 64, 3, 1)),
        Convolution((1, 64, 14, 14), (64, 32, 3, 3), pads=(1, 1, 1, 1), group=2),
        Convolution((1, 64, 3, 14), (64, 64, 3, 3)),
        Convolution((1, 8, 14, 14), (64, 8, 3, 3), pads=(1, 1, 1, 1)),
        Convolution((1, 64, 14, 14), (64, 64, 3, 3), pads=(1, 1, 1, 1), dtype=np.float16),
    ],
    ids=["strided", "dilated", "3x1", "groups", "one-row", "few-channels", "f16"],
)
def test_other_convolutions_are_summed_directly(convolution: Convolution) -> None:
    assert convolution.kernel().tile(host()).tactic == "conv"
