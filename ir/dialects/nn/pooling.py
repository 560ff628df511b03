"""Pooling: windows that slide over the spatial axes of [batch, channels, spatial axes…]."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E, Index, Reduction
from ...numpy_body import computing_type, convert, neutral, widen
from ...symbols import Dim
from ...types import Type
from .base import Array, NnOp, scalar_type, shape, tensor_type


class _Pool(NnOp):
    """What poolings share: `pads` has all begins, then all ends; with `ceil_mode` a window may reach beyond them."""

    x: Value
    kernel: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    ceil_mode: bool = False

    @property
    def spatial_rank(self) -> int:
        return len(self.kernel)

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        rank = self.spatial_rank
        self.require(type.rank == rank + 2, f"has a kernel of {rank} axes for {type}")
        for name, values, count in (
            ("strides", self.strides, rank),
            ("dilations", self.dilations, rank),
            ("pads", self.pads, 2 * rank),
        ):
            self.require(len(values) == count, f"needs {count} {name} for {rank} spatial axes, found {len(values)}")
        return [type.with_shape((*type.dims[:2], *map(self._size, range(rank))))]

    def _reach(self, axis: int) -> int:
        return self.dilations[axis] * (self.kernel[axis] - 1) + 1

    def _size(self, axis: int) -> Dim:
        begin = shape(self.x)[2 + axis] + self.pads[axis]
        free = begin + self.pads[self.spatial_rank + axis] - self._reach(axis)
        size = (symbols.ceildiv if self.ceil_mode else symbols.floordiv)(free, self.strides[axis]) + 1
        if self.ceil_mode:
            # The last window must start inside x or the pads before it.
            size = symbols.minimum(size, symbols.ceildiv(begin, self.strides[axis]))
        self.require(not isinstance(size, int) or size >= 0, f"has a kernel wider than the padded size along {axis}")
        return size

    def _windows(self, x: Array, fill: float) -> Array:
        """[n, c, out…, kernel…], with `fill` outside of x."""
        rank = self.spatial_rank
        padding: list[tuple[int, int]] = []
        for axis, size in enumerate(x.shape[2:]):
            begin, end = self.pads[axis], self.pads[rank + axis]
            # The windows of ceil_mode may reach further than the pads, by less than a stride.
            padding.append((begin, end + (self.strides[axis] - 1 if self.ceil_mode else 0)))
            assert size >= 0
        padded = np.pad(x, [(0, 0), (0, 0), *padding], constant_values=np.asarray(fill).astype(x.dtype))
        reach = tuple(map(self._reach, range(rank)))
        windows = sliding_window_view(padded, reach, axis=tuple(range(2, 2 + rank)))
        windows = windows[(..., *(slice(None, None, step) for step in (*self.strides, *self.dilations)))]
        counts = (self._count(axis, size) for axis, size in enumerate(x.shape[2:]))
        return windows[(slice(None), slice(None), *(slice(0, count) for count in counts))]

    def _count(self, axis: int, size: int) -> int:
        begin, stride = size + self.pads[axis], self.strides[axis]
        free = begin + self.pads[self.spatial_rank + axis] - self._reach(axis)
        return min(-(-free // stride) + 1, -(-begin // stride)) if self.ceil_mode else free // stride + 1

    @property
    def _kernel_axes(self) -> tuple[int, ...]:
        return tuple(range(-self.spatial_rank, 0))

    def _reduce(self, body: Body[E], index: Sequence[Dim], kind: Reduction, outside: float | None) -> E:
        batch, channel, *place = index
        inside = not any(self.pads) and not self.ceil_mode

        def term(at: Index) -> E:
            source = [
                p * s - low + k * d
                for p, s, low, k, d in zip(place, self.strides, self.pads, at, self.dilations, strict=False)
            ]
            return body.read(self.x, (batch, channel, *source), None if inside else outside)

        return body.reduce(kind, self.kernel, term)


class MaxPool(_Pool, name="nn.max_pool"):
    """The largest element of each window; what is outside of x does not count. ONNX MaxPool.

    Example: %y = "nn.max_pool"(%x) {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>,
        dilations = array<i64: 1>, ceil_mode = false} : (tensor<1x3x8xf32>) -> tensor<1x3x4xf32>
    """

    def evaluate(self, x: Array) -> Array:
        windows = self._windows(widen(x), neutral("max", scalar_type(self.x)))
        return convert(windows.max(self._kernel_axes), scalar_type(self.x))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return self._reduce(body, index, "max", neutral("max", scalar_type(self.x)))


class SumPool(_Pool, name="nn.sum_pool"):
    """The sum of each window; what is outside of x adds nothing. In ONNX the inner part of LpPool.

    Example: %y = "nn.sum_pool"(%x) {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>,
        dilations = array<i64: 1>, ceil_mode = true} : (tensor<1x3x9xf32>) -> tensor<1x3x5xf32>
    """

    def evaluate(self, x: Array) -> Array:
        wide = widen(x)
        return convert(self._windows(wide, 0).sum(self._kernel_axes, dtype=wide.dtype), scalar_type(self.x))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return self._reduce(body, index, "add", 0)


class AvgPool(_Pool, name="nn.avg_pool"):
    """The mean of each window: of what is inside x, or with `count_include_pad` also of the zeros of the pads.
    ONNX AveragePool.

    Example: %y = "nn.avg_pool"(%x) {kernel = array<i64: 2>, strides = array<i64: 2>, pads = array<i64: 0, 0>,
        dilations = array<i64: 1>, ceil_mode = false, count_include_pad = false}
        : (tensor<1x3x8xf32>) -> tensor<1x3x4xf32>
    """

    count_include_pad: bool = False

    def infer(self) -> list[Type]:
        self.require(scalar_type(self.x).is_float, f"needs a floating-point operand, found {self.x.type}")
        return super().infer()

    def evaluate(self, x: Array) -> Array:
        wide = widen(x)
        total = self._windows(wide, 0).sum(self._kernel_axes, dtype=wide.dtype)
        for axis, size in enumerate(x.shape[2:]):
            counts = self._numbers(axis, size, total.shape[2 + axis])
            total = total / counts.reshape((-1,) + (1,) * (self.spatial_rank - 1 - axis)).astype(wide.dtype)
        return convert(total, scalar_type(self.x))

    def _numbers(self, axis: int, size: int, windows: int) -> Array:
        """How many elements along `axis` each window averages."""
        taps = np.arange(self.kernel[axis]) * self.dilations[axis] - self.pads[axis]
        places = np.arange(windows)[:, None] * self.strides[axis] + taps
        low, high = self._counted(axis, size)
        return ((places >= low) & (places < high)).sum(1)

    def _counted(self, axis: int, size: int) -> tuple[int, int]:
        if not self.count_include_pad:
            return 0, size
        return -self.pads[axis], size + self.pads[self.spatial_rank + axis]

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        total = self._reduce(body, index, "add", 0)
        dtype = computing_type(scalar_type(self.x))
        fixed: Dim = 1
        for axis in range(self.spatial_rank):
            fixed = fixed * self._number(axis, index[2 + axis])
        if isinstance(fixed, int):
            return (
                body.apply("mul", total, body.constant(1 / fixed, dtype))
                if _is_power(fixed)
                else body.apply("div", total, body.constant(fixed, dtype))
            )
        return body.apply("div", total, body.number(fixed, dtype))

    def _number(self, axis: int, place: Dim) -> Dim:
        """How many elements along `axis` the window at `place` averages, as an index expression."""
        low_pad, high_pad = self.pads[axis], self.pads[self.spatial_rank + axis]
        whole = self.kernel[axis]
        if not self.ceil_mode and (self.count_include_pad or low_pad == high_pad == 0):
            return whole
        step = self.dilations[axis]
        size = shape(self.x)[2 + axis]
        low = -low_pad if self.count_include_pad else 0
        high = size + high_pad if self.count_include_pad else size
        start = symbols.add(place * self.strides[axis], -low_pad)
        # Taps k with low <= start + k step < high.
        first = symbols.maximum(0, symbols.ceildiv(symbols.add(low, -start), step))
        last = symbols.minimum(whole, symbols.ceildiv(symbols.add(high, -start), step))
        return symbols.add(last, -first)


def _is_power(number: int) -> bool:
    """Whether dividing by `number` is multiplying by a float that is exactly its reciprocal."""
    return math.frexp(number)[0] == 0.5
