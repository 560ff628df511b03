"""Ops that read and write at indices which are values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E
from ...numpy_body import convert, widen
from ...symbols import Dim
from ...types import TensorType, Type, i1, i64
from .base import (
    Array,
    NnOp,
    bind,
    broadcast_dim,
    require_axis,
    require_same,
    scalar_type,
    shape,
    tensor_type,
)

Combination = Literal["none", "add", "mul", "min", "max"]
_UFUNCS: dict[str, np.ufunc] = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def require_indices(op: NnOp, indices: Value) -> None:
    dtype = scalar_type(indices)
    op.require(dtype.is_integer and not dtype.is_bool, f"needs integer indices, found {indices.type}")


def places(op: NnOp, indices: Array, size: int) -> Array:
    """Indices along an axis of `size` counted from the front. Raises VerifyError for one that is outside."""
    found = indices.astype(np.int64)
    outside = found[(found < -size) | (found >= size)]
    if outside.size:
        op.fail(f"has the index {outside[0]} along an axis of size {size}; expected {-size} to {size - 1}")
    return np.where(found < 0, found + size, found)


def wrapped(body: Body[E], index: E, size: Dim) -> Dim:
    """An i64 element as an index along an axis of `size`; a negative one counts from the end.

    One outside the axis is taken for the nearest inside, so that whatever is fused reads inside its tensors.
    """
    below = body.apply("lt", index, body.constant(0, i64))
    place = body.as_index(body.apply("select", below, body.apply("add", index, body.number(size, i64)), index))
    # An empty axis has no nearest element: kernels check an index of which nothing is known, and read 0.
    return place if size == 0 else symbols.maximum(0, symbols.minimum(place, symbols.add(size, -1)))


class Gather(NnOp, name="nn.gather"):
    """x at `indices` along `axis`, whose place their axes take; a negative one counts from the end. ONNX Gather.

    Example: %y = "nn.gather"(%x, %indices) {axis = 0 : i64} : (tensor<9x4xf32>, tensor<2x3xi64>) -> tensor<2x3x4xf32>
    """

    x: Value
    indices: Value
    axis: int = 0

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        require_axis(self, self.axis, type.rank)
        require_indices(self, self.indices)
        return [type.with_shape((*type.dims[: self.axis], *shape(self.indices), *type.dims[self.axis + 1 :]))]

    def evaluate(self, x: Array, indices: Array) -> Array:
        return np.take(x, places(self, indices, x.shape[self.axis]), self.axis)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        after = self.axis + tensor_type(self.indices).rank
        at = body.cast(body.read(self.indices, index[self.axis : after]), i64)
        place = wrapped(body, at, shape(self.x)[self.axis])
        return body.read(self.x, (*index[: self.axis], place, *index[after:]))


class GatherElements(NnOp, name="nn.gather_elements"):
    """x at each index of `indices` along `axis`, at the same place along the others. ONNX GatherElements.

    Example: %y = "nn.gather_elements"(%x, %indices) {axis = 1 : i64}
        : (tensor<2x9xf32>, tensor<2x3xi64>) -> tensor<2x3xf32>
    """

    x: Value
    indices: Value
    axis: int = 0

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        require_axis(self, self.axis, type.rank)
        require_indices(self, self.indices)
        self.require(tensor_type(self.indices).rank == type.rank, f"has indices {self.indices.type} for {type}")
        return [type.with_shape(shape(self.indices))]

    def evaluate(self, x: Array, indices: Array) -> Array:
        inside = tuple(slice(0, n) if a != self.axis else slice(None) for a, n in enumerate(indices.shape))
        return np.take_along_axis(x[inside], places(self, indices, x.shape[self.axis]), self.axis)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        place = wrapped(body, body.cast(body.read(self.indices, index), i64), shape(self.x)[self.axis])
        return body.read(self.x, (*index[: self.axis], place, *index[self.axis + 1 :]))


class GatherNd(NnOp, name="nn.gather_nd"):
    """The parts of x that the vectors along the last axis of `indices` point to. ONNX GatherND.

    The first `batch_dims` axes are common to both; a vector points into the axes of x after them.

    Example: %y = "nn.gather_nd"(%x, %indices) {batch_dims = 0 : i64}
        : (tensor<5x6x4xf32>, tensor<3x2xi64>) -> tensor<3x4xf32>
    """

    x: Value
    indices: Value
    batch_dims: int = 0

    @property
    def depth(self) -> int:
        """How many axes of x a vector points into."""
        depth = shape(self.indices)[-1] if shape(self.indices) else None
        if not isinstance(depth, int):
            self.fail(f"needs indices with a static last axis, found {self.indices.type}")
        return depth

    def infer(self) -> list[Type]:
        type, indices = tensor_type(self.x), shape(self.indices)
        require_indices(self, self.indices)
        fits = self.batch_dims + self.depth <= type.rank and self.batch_dims < len(indices)
        self.require(fits, f"points beyond {type} with indices {self.indices.type}")
        batch = [broadcast_dim(self, a, b) for a, b in zip(type.dims, indices[: self.batch_dims], strict=False)]
        return [type.with_shape((*batch, *indices[self.batch_dims : -1], *type.dims[self.batch_dims + self.depth :]))]

    def evaluate(self, x: Array, indices: Array) -> Array:
        batch = self.batch_dims
        middle = indices.ndim - 1 - batch
        common = [np.arange(n).reshape((-1,) + (1,) * (batch - 1 - a + middle)) for a, n in enumerate(x.shape[:batch])]
        vectors = np.moveaxis(indices, -1, 0)
        return x[(*common, *(places(self, v, n) for v, n in zip(vectors, x.shape[batch:], strict=False)))]

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        vector = tuple(index[: tensor_type(self.indices).rank - 1])
        rest = index[len(vector) :]
        dims = shape(self.x)[self.batch_dims :]
        place = [
            wrapped(body, body.cast(body.read(self.indices, (*vector, k)), i64), dims[k]) for k in range(self.depth)
        ]
        return body.read(self.x, (*index[: self.batch_dims], *place, *rest))


def _combined(body: Body[E], reduction: Combination, old: E, new: E) -> E:
    return new if reduction == "none" else body.apply(reduction, old, new)


class ScatterElements(NnOp, name="nn.scatter_elements"):
    """x with each element of `updates` put, or combined, at its index along `axis`. ONNX ScatterElements.

    Example: %y = "nn.scatter_elements"(%x, %indices, %updates) {axis = 1 : i64, reduction = "none"}
        : (tensor<2x9xf32>, tensor<2x3xi64>, tensor<2x3xf32>) -> tensor<2x9xf32>
    """

    x: Value
    indices: Value
    updates: Value
    axis: int = 0
    reduction: Combination = "none"

    def infer(self) -> list[Type]:
        type, updates = tensor_type(self.x), tensor_type(self.updates)
        require_axis(self, self.axis, type.rank)
        require_indices(self, self.indices)
        self.require(updates.dtype == type.dtype, f"operand types differ: {type.dtype} and {updates.dtype}")
        same = len(updates.dims) == len(shape(self.indices)) == type.rank
        self.require(same, f"has indices {self.indices.type} and updates {updates} for {type}")
        return [type]

    def evaluate(self, x: Array, indices: Array, updates: Array) -> Array:
        y = widen(x).copy()
        at = list(np.ogrid[tuple(slice(0, n) for n in indices.shape)])
        at[self.axis] = places(self, indices, x.shape[self.axis])
        if self.reduction == "none":
            y[tuple(at)] = updates
        else:
            _UFUNCS[self.reduction].at(y, tuple(at), widen(updates))
        return convert(y, scalar_type(self.x))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        size = shape(self.x)[self.axis]
        here = body.number(index[self.axis], i64)

        def step(k: Dim, state: Sequence[E]) -> Sequence[E]:
            source = (*index[: self.axis], k, *index[self.axis + 1 :])
            # Outside of `indices` there is no update: a place that no element of x has.
            place = body.cast(body.read(self.indices, source, -(1 << 31)), i64)
            below = body.apply("lt", place, body.constant(0, i64))
            place = body.apply("select", below, body.apply("add", place, body.number(size, i64)), place)
            new = _combined(body, self.reduction, state[0], body.read(self.updates, source, 0))
            return (body.apply("select", body.apply("eq", place, here), new, state[0]),)

        return body.fold(shape(self.indices)[self.axis], (body.read(self.x, index),), step)[0]


class ScatterNd(NnOp, name="nn.scatter_nd"):
    """x with the parts of `updates` put, or combined, where the vectors along the last axis of `indices` point.
    ONNX ScatterND.

    Example: %y = "nn.scatter_nd"(%x, %indices, %updates) {reduction = "none"}
        : (tensor<5x4xf32>, tensor<3x1xi64>, tensor<3x4xf32>) -> tensor<5x4xf32>
    """

    x: Value
    indices: Value
    updates: Value
    reduction: Combination = "none"

    @property
    def depth(self) -> int:
        """How many axes of x a vector points into."""
        depth = shape(self.indices)[-1] if shape(self.indices) else None
        if not isinstance(depth, int):
            self.fail(f"needs indices with a static last axis, found {self.indices.type}")
        return depth

    def infer(self) -> list[Type]:
        type, updates = tensor_type(self.x), tensor_type(self.updates)
        require_indices(self, self.indices)
        self.require(updates.dtype == type.dtype, f"operand types differ: {type.dtype} and {updates.dtype}")
        self.require(self.depth <= type.rank, f"points beyond {type} with indices {self.indices.type}")
        expected = (*shape(self.indices)[:-1], *type.dims[self.depth :])
        self.require(len(expected) == updates.rank, f"needs updates of rank {len(expected)}, found {updates}")
        for a, b in zip(expected, updates.dims, strict=True):
            require_same(self, a, b, "sizes of updates")
        return [type]

    def evaluate(self, x: Array, indices: Array, updates: Array) -> Array:
        y = widen(x).copy()
        vectors = np.moveaxis(indices, -1, 0)
        at = tuple(places(self, v, n) for v, n in zip(vectors, x.shape, strict=False))
        if self.reduction == "none":
            y[at] = updates
        else:
            _UFUNCS[self.reduction].at(y, at, widen(updates))
        return convert(y, scalar_type(self.x))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        dims, vectors = shape(self.x), shape(self.indices)[:-1]

        def visit(at: tuple[Dim, ...], value: E) -> E:
            hit = body.constant(True, i1)
            for axis in range(self.depth):
                place = body.cast(body.read(self.indices, (*at, axis)), i64)
                below = body.apply("lt", place, body.constant(0, i64))
                place = body.apply("select", below, body.apply("add", place, body.number(dims[axis], i64)), place)
                hit = body.apply("and", hit, body.apply("eq", place, body.number(index[axis], i64)))
            new = _combined(body, self.reduction, value, body.read(self.updates, (*at, *index[self.depth :])))
            return body.apply("select", hit, new, value)

        def loop(at: tuple[Dim, ...], value: E) -> E:
            if len(at) == len(vectors):
                return visit(at, value)
            return body.fold(vectors[len(at)], (value,), lambda k, state: (loop((*at, k), state[0]),))[0]

        return loop((), body.read(self.x, index))


class OneHot(NnOp, name="nn.one_hot"):
    """values[1] where the place along the new `axis` of size `depth` is the index, values[0] elsewhere. ONNX OneHot.

    A negative index counts from the end; one beyond the axis hits nowhere.

    Example: %y = "nn.one_hot"(%indices, %values) {depth = 5 : i64, axis = 1 : i64}
        : (tensor<3xi64>, tensor<2xf32>) -> tensor<3x5xf32>
    """

    indices: Value
    values: Value
    depth: Dim
    axis: int
    sized = True

    def infer(self) -> list[Type]:
        require_indices(self, self.indices)
        require_axis(self, self.axis, tensor_type(self.indices).rank + 1)
        self.require(shape(self.values) == (2,), f"needs two values, found {self.values.type}")
        dims = list(shape(self.indices))
        dims.insert(self.axis, self.depth)
        return [TensorType(tuple(dims), scalar_type(self.values))]

    def evaluate(self, indices: Array, values: Array, *, sizes: dict[str, int]) -> Array:
        (depth,) = bind([self.depth], sizes)
        indices = np.expand_dims(indices.astype(np.int64), self.axis)
        indices = np.where(indices < 0, indices + depth, indices)
        places = np.arange(depth).reshape((-1,) + (1,) * (indices.ndim - 1 - self.axis))
        return np.where(indices == places, values[1], values[0])

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        place = body.cast(body.read(self.indices, (*index[: self.axis], *index[self.axis + 1 :])), i64)
        below = body.apply("lt", place, body.constant(0, i64))
        place = body.apply("select", below, body.apply("add", place, body.number(self.depth, i64)), place)
        hit = body.apply("eq", place, body.number(index[self.axis], i64))
        return body.apply("select", hit, body.read(self.values, (1,)), body.read(self.values, (0,)))


class SearchSorted(NnOp, name="nn.search_sorted"):
    """How many elements of the ascending vector x are less than each element of `values`, by binary search.
    ONNX NonZero, Compress.

    Example: %y = "nn.search_sorted"(%x, %values) : (tensor<9xi64>, tensor<2x3xi64>) -> tensor<2x3xi64>
    """

    x: Value
    values: Value

    def infer(self) -> list[Type]:
        type, values = tensor_type(self.x), tensor_type(self.values)
        self.require(type.rank == 1 and type.dtype == values.dtype, f"cannot search {values} in {type}")
        return [values.with_dtype(i64)]

    def evaluate(self, x: Array, values: Array) -> Array:
        return np.searchsorted(widen(x), widen(values)).astype(np.int64)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        value, (size,) = body.read(self.values, index), shape(self.x)
        one = body.constant(1, i64)

        def step(_: Dim, state: Sequence[E]) -> Sequence[E]:
            low, high = state
            middle = body.apply("shift_right", body.apply("add", low, high), one)
            before = body.apply("lt", body.read(self.x, (body.as_index(middle),), 0), value)
            goes_on = body.apply("lt", low, high)
            up = body.apply("select", before, body.apply("add", middle, one), low)
            down = body.apply("select", before, high, middle)
            return body.apply("select", goes_on, up, low), body.apply("select", goes_on, down, high)

        steps = size.bit_length() if isinstance(size, int) else _MOST_STEPS
        return body.fold(steps, (body.constant(0, i64), body.number(size, i64)), step)[0]


_MOST_STEPS = 48
"""Halvings that find a place in any vector that memory holds."""
