"""Ops that only move elements: each of the result is one of an operand, at an index that follows from its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E
from ...symbols import Dim
from ...types import TensorType, Type, i64
from .base import (
    Array,
    NnOp,
    bind,
    broadcast_index,
    require_axis,
    require_same,
    result_sizes,
    scalar_type,
    shape,
    tensor_type,
)


class View(NnOp):
    """An op whose result's element at `index` is `x` at `source(index)`."""

    x: Value

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        """Where the result's element at `index` stands in `x`."""
        raise NotImplementedError

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return body.read(self.x, self.source(index))


class Reshape(View, name="nn.reshape"):
    """The elements of x in the same row-major order; the result type says the shape. ONNX Reshape, Flatten, Squeeze.

    Example: %y = "nn.reshape"(%x) : (tensor<2x6xf32>) -> tensor<3x4xf32>
    """

    sized = True

    def verify(self) -> None:
        super().verify()
        before, after = tensor_type(self.x), tensor_type(self.result)
        self.require(before.dtype == after.dtype, f"changes the element type from {before.dtype} to {after.dtype}")
        require_same(self, before.size, after.size, "numbers of elements")

    def evaluate(self, x: Array, *, sizes: Mapping[str, int]) -> Array:
        return x.reshape(result_sizes(self, sizes))

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        return reshape_index(index, shape(self.result), shape(self.x))


def reshape_index(index: Sequence[Dim], dims: Sequence[Dim], target: Sequence[Dim]) -> tuple[Dim, ...]:
    """The index in `target` of what stands at `index` in `dims`, both shapes of the same elements in order.

    Dims are taken in the smallest groups that have equal products, so that what is only split or merged stays simple.
    """
    found: list[Dim] = []
    i = j = 0
    for next_i, next_j in _common_prefixes(dims, target):
        if (next_i - i, next_j - j) == (1, 1):
            found.append(index[i])
        else:
            linear: Dim = 0
            for k in range(i, next_i):
                linear = linear * dims[k] + index[k]
            found += _delinearize(linear, target[j:next_j])
        i, j = next_i, next_j
    return tuple(found)


def splits_dims_only(before: Sequence[Dim], after: Sequence[Dim]) -> bool:
    """Whether a reshape of `before` to `after` only splits dims and adds or drops ones: no index of `before` then needs
    a division."""
    i = 0
    for _, next_i in _common_prefixes(after, before):
        if sum(dim != 1 for dim in before[i:next_i]) > 1:
            return False
        i = next_i
    return True


def _common_prefixes(a: Sequence[Dim], b: Sequence[Dim]) -> list[tuple[int, int]]:
    """The pairs (i, j), growing in both, with the product of a[:i] equal to that of b[:j]; the last is both whole."""
    pairs: list[tuple[int, int]] = []
    i = j = 0
    while (i, j) != (len(a), len(b)):
        steps = ((i + di, j + dj) for di in range(len(a) - i + 1) for dj in range(len(b) - j + 1) if di or dj)
        equal = (p for p in steps if symbols.product(a[i : p[0]]) == symbols.product(b[j : p[1]]))
        both = (p for p in equal if p[0] > i and p[1] > j)
        # A group takes dims of both sides if it can; what is left over then are ones.
        i, j = min(both, key=lambda p: (sum(p), p), default=(len(a), len(b)))
        pairs.append((i, j))
    return pairs


def _delinearize(linear: Dim, dims: Sequence[Dim]) -> list[Dim]:
    """The index in `dims` of the element number `linear`."""
    if 0 in dims:
        return [0] * len(dims)
    result: list[Dim] = []
    first = True
    for axis, dim in enumerate(dims):
        if dim == 1:
            result.append(0)
            continue
        position = symbols.floordiv(linear, symbols.product(dims[axis + 1 :]))
        result.append(position if first else symbols.mod(position, dim))
        first = False
    return result


class Transpose(View, name="nn.transpose"):
    """x with axis perm[i] as axis i. ONNX Transpose.

    Example: %y = "nn.transpose"(%x) {perm = array<i64: 1, 0>} : (tensor<2x3xf32>) -> tensor<3x2xf32>
    """

    perm: tuple[int, ...]

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        self.require(
            sorted(self.perm) == list(range(type.rank)), f"has perm {self.perm}, no permutation of {type.rank} axes"
        )
        return [type.with_shape([type.dims[axis] for axis in self.perm])]

    def evaluate(self, x: Array) -> Array:
        return np.transpose(x, self.perm)

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        return tuple(index[self.perm.index(axis)] for axis in range(len(self.perm)))


class BroadcastTo(View, name="nn.broadcast_to"):
    """x repeated along axes where it has size 1 or none; the result type says the shape. ONNX Expand.

    Example: %y = "nn.broadcast_to"(%x) : (tensor<3xf32>) -> tensor<2x3xf32>
    """

    sized = True

    def verify(self) -> None:
        super().verify()
        before, after = tensor_type(self.x), tensor_type(self.result)
        self.require(before.dtype == after.dtype, f"changes the element type from {before.dtype} to {after.dtype}")
        self.require(before.rank <= after.rank, f"cannot broadcast {before} to the smaller rank of {after}")
        for size, wanted in zip(before.dims, after.dims[after.rank - before.rank :], strict=True):
            self.require(
                size == 1 or not isinstance(size, int) or wanted == size, f"cannot broadcast {size} to {wanted}"
            )

    def evaluate(self, x: Array, *, sizes: Mapping[str, int]) -> Array:
        return np.broadcast_to(x, result_sizes(self, sizes))

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        return broadcast_index(self.x, index)


class Slice(View, name="nn.slice"):
    """The elements from starts to ends (exclusive) by steps along every axis. ONNX Slice, Split.

    `starts` and `ends` count from the front and lie within x; with a negative step the end may be -1.

    Example: %y = "nn.slice"(%x) {starts = array<i64: 0, 1>, ends = array<i64: 2, 6>, steps = array<i64: 1, 2>}
        : (tensor<2x6xf32>) -> tensor<2x3xf32>
    """

    starts: tuple[Dim, ...]
    ends: tuple[Dim, ...]
    steps: tuple[int, ...]
    sized = True

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        lengths = {len(self.starts), len(self.ends), len(self.steps), type.rank}
        self.require(len(lengths) == 1, f"needs a start, an end and a step for each axis of {type}")
        triples = zip(type.dims, self.starts, self.ends, self.steps, strict=True)
        return [type.with_shape([self._size(*triple) for triple in triples])]

    def _size(self, dim: Dim, start: Dim, end: Dim, step: int) -> Dim:
        self.require(step != 0, "has a step of 0")
        inside = not isinstance(dim, int) or not isinstance(end, int) or end <= dim
        self.require(inside and start != -1, f"reaches from {start} to {end} in an axis of size {dim}")
        length = symbols.add(end, -start) if step > 0 else symbols.add(start, -end)
        size = symbols.ceildiv(length, abs(step))
        return max(size, 0) if isinstance(size, int) else size

    def evaluate(self, x: Array, *, sizes: Mapping[str, int]) -> Array:
        starts, ends = bind(self.starts, sizes), bind(self.ends, sizes)
        slices = (
            slice(start, None if step < 0 and end < 0 else end, step)
            for start, end, step in zip(starts, ends, self.steps, strict=True)
        )
        return x[tuple(slices)]

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        return tuple(start + i * step for i, start, step in zip(index, self.starts, self.steps, strict=True))


class Flip(View, name="nn.flip"):
    """x backwards along `axes`. ONNX Slice with step -1.

    Example: %y = "nn.flip"(%x) {axes = array<i64: 1>} : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    axes: tuple[int, ...]

    def infer(self) -> list[Type]:
        for axis in self.axes:
            require_axis(self, axis, tensor_type(self.x).rank)
        return [self.x.type]

    def evaluate(self, x: Array) -> Array:
        return np.flip(x, self.axes)

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        dims = shape(self.x)
        return tuple(symbols.add(dims[a] - 1, -i) if a in self.axes else i for a, i in enumerate(index))


class Tile(View, name="nn.tile"):
    """x repeated `repeats` times along every axis. ONNX Tile.

    Example: %y = "nn.tile"(%x) {repeats = array<i64: 2, 1>} : (tensor<2x3xf32>) -> tensor<4x3xf32>
    """

    repeats: tuple[Dim, ...]
    sized = True

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        self.require(len(self.repeats) == type.rank, f"has {len(self.repeats)} repeats for {type}")
        return [type.with_shape([symbols.mul(d, n) for d, n in zip(type.dims, self.repeats, strict=True)])]

    def evaluate(self, x: Array, *, sizes: Mapping[str, int]) -> Array:
        return np.tile(x, bind(self.repeats, sizes))

    def source(self, index: Sequence[Dim]) -> tuple[Dim, ...]:
        dims = shape(self.x)
        return tuple(
            i if n == 1 else 0 if d == 1 else symbols.mod(i, d)
            for i, d, n in zip(index, dims, self.repeats, strict=True)
        )


class Pad(NnOp, name="nn.pad"):
    """x with `low` elements before and `high` after it along every axis. ONNX Pad.

    They are `value`, or by mode copies of the edge, of x mirrored at its edge elements, or of x repeated.

    Example: %y = "nn.pad"(%x) {low = array<i64: 0, 1>, high = array<i64: 0, 2>, mode = "constant", value = 0.0 : f64}
        : (tensor<2x3xf32>) -> tensor<2x6xf32>
    """

    x: Value
    low: tuple[Dim, ...]
    high: tuple[Dim, ...]
    mode: Literal["constant", "edge", "reflect", "wrap"] = "constant"
    value: float = 0.0
    sized = True

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        self.require(
            len(self.low) == len(self.high) == type.rank, f"needs a low and a high pad for each axis of {type}"
        )
        negative = [pad for pad in (*self.low, *self.high) if isinstance(pad, int) and pad < 0]
        self.require(not negative, f"has the negative pad {negative[:1]}; use nn.slice")
        return [type.with_shape([d + a + b for d, a, b in zip(type.dims, self.low, self.high, strict=True)])]

    def evaluate(self, x: Array, *, sizes: Mapping[str, int]) -> Array:
        widths = list(zip(bind(self.low, sizes), bind(self.high, sizes), strict=True))
        if self.mode == "constant":
            return np.pad(x, widths, constant_values=np.asarray(self.value).astype(x.dtype))
        return np.pad(x, widths, mode=self.mode)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        source = tuple(
            i if a == b == 0 else self._source(symbols.add(i, -a), d)
            for i, d, a, b in zip(index, shape(self.x), self.low, self.high, strict=True)
        )
        return body.read(self.x, source, self.value if self.mode == "constant" else None)

    def _source(self, i: Dim, dim: Dim) -> Dim:
        last = dim - 1
        if self.mode == "edge":
            return symbols.minimum(symbols.maximum(i, 0), last)
        if self.mode == "wrap":
            return symbols.mod(i, dim)
        if self.mode == "reflect":
            distance = symbols.maximum(i, -i)
            return last - symbols.maximum(symbols.add(last, -distance), symbols.add(distance, -last))
        return i


class Concat(NnOp, name="nn.concat"):
    """The tensors one after the other along `axis`. ONNX Concat.

    Example: %y = "nn.concat"(%a, %b) {axis = 1 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<2x7xf32>
    """

    tensors: tuple[Value, ...]
    axis: int

    def infer(self) -> list[Type]:
        self.require(self.tensors, "needs an operand")
        first = tensor_type(self.tensors[0])
        require_axis(self, self.axis, first.rank)
        dims = list(first.dims)
        for tensor in self.tensors[1:]:
            other = tensor_type(tensor)
            self.require(other.dtype == first.dtype and other.rank == first.rank, f"cannot join {first} and {other}")
            for axis, size in enumerate(other.dims):
                if axis == self.axis:
                    dims[axis] = symbols.add(dims[axis], size)
                else:
                    require_same(self, dims[axis], size, f"sizes along axis {axis}")
        return [first.with_shape(dims)]

    def evaluate(self, *operands: Array) -> Array:
        return np.concatenate(operands, self.axis)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        at = index[self.axis]
        offsets: list[Dim] = [0]
        for tensor in self.tensors[:-1]:
            offsets.append(offsets[-1] + shape(tensor)[self.axis])
        parts = [
            body.read(t, (*index[: self.axis], symbols.add(at, -o), *index[self.axis + 1 :]), 0)
            for t, o in zip(self.tensors, offsets, strict=True)
        ]
        value = parts[-1]
        for part, end in zip(reversed(parts[:-1]), reversed(offsets[1:]), strict=True):
            before = body.apply("lt", body.number(at, i64), body.number(end, i64))
            value = body.apply("select", before, part, value)
        return value


class DynamicSlice(NnOp, name="nn.dynamic_slice"):
    """As many elements as the result type says from `starts` on, an i64 for each axis. ONNX Slice.

    A start that would reach beyond x is moved back so that it does not.

    Example: %y = "nn.dynamic_slice"(%x, %at) : (tensor<8x3xf32>, tensor<2xi64>) -> tensor<2x3xf32>
    """

    x: Value
    starts: Value
    sized = True

    def verify(self) -> None:
        super().verify()
        type, starts = tensor_type(self.x), self.starts.type
        self.require(starts == TensorType((type.rank,), i64), f"needs {type.rank} starts of i64, found {starts}")
        self.require(tensor_type(self.result).rank == type.rank, "changes the rank")
        self.require(scalar_type(self.result) == type.dtype, "changes the element type")

    def evaluate(self, x: Array, starts: Array, *, sizes: Mapping[str, int]) -> Array:
        counts = result_sizes(self, sizes)
        first = [max(0, min(int(s), d - n)) for s, d, n in zip(starts, x.shape, counts, strict=True)]
        return x[tuple(slice(s, s + n) for s, n in zip(first, counts, strict=True))]

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        counts, dims = shape(self.result), shape(self.x)
        source: list[Dim] = []
        for axis, i in enumerate(index):
            start = body.as_index(body.read(self.starts, (axis,)))
            last = symbols.add(dims[axis], -counts[axis])
            source.append(i + symbols.maximum(0, symbols.minimum(start, last)))
        return body.read(self.x, source)
