"""Convolutions on [batch, channels, spatial axes…] with any number of spatial axes."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E, Index
from ...numpy_body import computing_type, convert, widen
from ...symbols import Dim
from ...types import Scalar, TensorType, Type, i64
from .base import Array, NnOp, require_same, scalar_type, shape, tensor_type
from .contraction import Precision, exact_matmul


class _Convolution(NnOp):
    """What convolutions share: `pads` has all begins, then all ends; `to` is the result's element type."""

    x: Value
    w: Value
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    dilations: tuple[int, ...]
    bias: Value | None = None
    group: int = 1
    to: Scalar | None = None
    precision: Precision = "ieee"

    @property
    def spatial_rank(self) -> int:
        return tensor_type(self.x).rank - 2

    @property
    def kernel(self) -> tuple[Dim, ...]:
        return shape(self.w)[2:]

    @property
    def out_type(self) -> Scalar:
        return self.to or scalar_type(self.x)

    def _check(self) -> None:
        x, w = tensor_type(self.x), tensor_type(self.w)
        rank = self.spatial_rank
        self.require(x.rank >= 3 and w.rank == x.rank, f"needs x and w of one rank above 2, found {x} and {w}")
        mixed = x.scalar.is_integer and w.scalar.is_integer
        self.require(x.dtype == w.dtype or mixed, f"operand types differ: {x.dtype} and {w.dtype}")
        for name, values, count in (
            ("strides", self.strides, rank),
            ("dilations", self.dilations, rank),
            ("pads", self.pads, 2 * rank),
        ):
            self.require(len(values) == count, f"needs {count} {name} for {rank} spatial axes, found {len(values)}")

    def _check_bias(self, channels: Dim) -> None:
        if self.bias is not None:
            self.require(tensor_type(self.bias).rank == 1, f"needs a bias of rank 1, found {self.bias.type}")
            require_same(self, shape(self.bias)[0], channels, "numbers of output channels and biases")

    def _finish(self, y: Array, bias: Array | None) -> Array:
        if bias is not None:
            y = y + widen(bias).reshape((-1,) + (1,) * (y.ndim - 2)).astype(y.dtype)
        return convert(y, self.out_type)

    def _add_bias(self, body: Body[E], sum: E, channel: Dim) -> E:
        if self.bias is None:
            return sum
        return body.apply("add", sum, body.cast(body.read(self.bias, (channel,)), computing_type(self.out_type)))


class Conv(_Convolution, name="nn.conv"):
    """The correlation of x [n, c, …] with w [m, c / group, kernel…], plus a bias per output channel. ONNX Conv.

    Example: %y = "nn.conv"(%x, %w) {strides = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
        dilations = array<i64: 1, 1>} : (tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>) -> tensor<1x4x8x8xf32>
    """

    def infer(self) -> list[Type]:
        self._check()
        x, w = shape(self.x), shape(self.w)
        require_same(self, x[1], symbols.mul(w[1], self.group), "numbers of channels of x and w")
        whole = not isinstance(w[0], int) or w[0] % self.group == 0
        self.require(whole, f"has {w[0]} output channels, no multiple of its {self.group} groups")
        self._check_bias(w[0])
        return [TensorType((x[0], w[0], *map(self._size, range(self.spatial_rank))), self.out_type)]

    def _size(self, axis: int) -> Dim:
        padded = shape(self.x)[2 + axis] + self.pads[axis] + self.pads[self.spatial_rank + axis]
        reach = self.dilations[axis] * (self.kernel[axis] - 1) + 1
        size = symbols.floordiv(symbols.add(padded, -reach), self.strides[axis]) + 1
        self.require(not isinstance(size, int) or size >= 0, f"has a kernel of reach {reach} on a size of {padded}")
        return size

    def evaluate(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        rank, group = self.spatial_rank, self.group
        x, w = widen(x), widen(w)
        padded = np.pad(x, [(0, 0), (0, 0), *zip(self.pads[:rank], self.pads[rank:], strict=True)])
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilations, w.shape[2:], strict=True)]
        windows = sliding_window_view(padded, reach, axis=tuple(range(2, 2 + rank)))
        windows = windows[(..., *(slice(None, None, step) for step in (*self.strides, *self.dilations)))]
        batch, channels, *sizes = windows.shape[: 2 + rank]
        # [n, c, out…, kernel…] to [n, group, c / group, kernel…, out…]: each group one matrix product.
        windows = windows.reshape(batch, group, channels // group, *windows.shape[2:])
        order = (0, 1, 2, *range(3 + rank, 3 + 2 * rank), *range(3, 3 + rank))
        taps = w[0].size
        columns = windows.transpose(order).reshape(batch, group, taps, int(np.prod(sizes)))
        y = exact_matmul(w.reshape(group, w.shape[0] // group, taps), columns, computing_type(self.out_type))
        return self._finish(y.reshape(batch, w.shape[0], *sizes), bias)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        batch, channel, *place = index
        dtype = computing_type(self.out_type)
        outputs, inputs = shape(self.w)[:2]
        outside = 0 if any(self.pads) else None
        first = 0 if self.group == 1 else symbols.floordiv(channel, symbols.floordiv(outputs, self.group)) * inputs

        def term(at: Index) -> E:
            c, *tap = at
            source = [
                p * s - low + k * d
                for p, s, low, k, d in zip(place, self.strides, self.pads, tap, self.dilations, strict=False)
            ]
            x = body.read(self.x, (batch, first + c, *source), outside)
            w = body.read(self.w, (channel, c, *tap))
            return body.apply("mul", body.cast(x, dtype), body.cast(w, dtype))

        return self._add_bias(body, body.reduce("add", (inputs, *self.kernel), term), channel)


class ConvTranspose(_Convolution, name="nn.conv_transpose"):
    """The transpose of conv: x [n, c, …] spread by w [c, m / group, kernel…], plus a bias. ONNX ConvTranspose.

    `output_pads` (empty: none) adds to the end of every spatial axis what the strides leave undetermined.

    Example: %y = "nn.conv_transpose"(%x, %w) {strides = array<i64: 2>, pads = array<i64: 1, 1>,
        dilations = array<i64: 1>, output_pads = array<i64: 1>}
        : (tensor<1x3x8xf32>, tensor<3x4x3xf32>) -> tensor<1x4x16xf32>
    """

    output_pads: tuple[int, ...] = ()

    def infer(self) -> list[Type]:
        self._check()
        x, w = shape(self.x), shape(self.w)
        require_same(self, x[1], w[0], "numbers of channels of x and w")
        channels = symbols.mul(w[1], self.group)
        self._check_bias(channels)
        counts = (0, self.spatial_rank)
        self.require(len(self.output_pads) in counts, f"needs {counts[1]} output_pads, found {len(self.output_pads)}")
        return [TensorType((x[0], channels, *map(self._size, range(self.spatial_rank))), self.out_type)]

    def _output_pads(self) -> tuple[int, ...]:
        return self.output_pads or (0,) * self.spatial_rank

    def _size(self, axis: int) -> Dim:
        spread = symbols.mul(shape(self.x)[2 + axis] - 1, self.strides[axis]) + self._output_pads()[axis]
        reach = self.dilations[axis] * (self.kernel[axis] - 1) + 1
        return spread + reach - self.pads[axis] - self.pads[self.spatial_rank + axis]

    def evaluate(self, x: Array, w: Array, bias: Array | None = None) -> Array:
        rank, group = self.spatial_rank, self.group
        x, w = widen(x), widen(w)
        batch, channels, *sizes = x.shape
        outputs = w.shape[1]
        dtype = computing_type(self.out_type)
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilations, w.shape[2:], strict=True)]
        full = [(n - 1) * s + r + o for n, s, r, o in zip(sizes, self.strides, reach, self._output_pads(), strict=True)]
        y = np.zeros((batch, group * outputs, *full), dtype.numpy)
        columns = x.reshape(batch, group, channels // group, -1)
        weights = w.reshape(group, channels // group, outputs, *w.shape[2:])
        for tap in itertools.product(*map(range, w.shape[2:])):
            matrix = weights[(slice(None), slice(None), slice(None), *tap)].swapaxes(1, 2)
            product = exact_matmul(matrix, columns, dtype).reshape(batch, group * outputs, *sizes)
            places = (
                slice(k * d, k * d + (n - 1) * s + 1, s)
                for k, d, n, s in zip(tap, self.dilations, sizes, self.strides, strict=True)
            )
            y[(slice(None), slice(None), *places)] += product
        inside = (slice(low, n - high) for low, high, n in zip(self.pads[:rank], self.pads[rank:], full, strict=True))
        return self._finish(y[(slice(None), slice(None), *inside)], bias)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        batch, channel, *place = index
        dtype = computing_type(self.out_type)
        channels, outputs = shape(self.w)[:2]
        per_group = symbols.floordiv(channels, self.group)
        first = symbols.floordiv(channel, outputs) * per_group

        def term(at: Index) -> E:
            c, *tap = at
            reached = [p + low - k * d for p, low, k, d in zip(place, self.pads, tap, self.dilations, strict=False)]
            source = [symbols.floordiv(r, s) for r, s in zip(reached, self.strides, strict=True)]
            x = body.cast(body.read(self.x, (batch, first + c, *source), 0), dtype)
            w = body.read(self.w, (first + c, symbols.mod(channel, outputs), *tap))
            product = body.apply("mul", x, body.cast(w, dtype))
            for r, s in zip(reached, self.strides, strict=True):
                if s != 1:
                    hit = body.apply("eq", body.number(symbols.mod(r, s), i64), body.constant(0, i64))
                    product = body.apply("select", hit, product, body.constant(0, dtype))
            return product

        return self._add_bias(body, body.reduce("add", (per_group, *self.kernel), term), channel)
