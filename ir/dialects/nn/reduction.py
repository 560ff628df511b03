"""Reductions along axes, and ops that look along one axis: extrema's places, running sums, the largest elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E, Index
from ...numpy_body import computing_type, convert, neutral, widen
from ...symbols import Dim
from ...types import Type, i1, i64
from .base import Array, NnOp, bind, require_axis, scalar_type, shape, tensor_type

Kind = Literal["add", "mul", "max", "min", "and", "or", "mean"]

_UFUNCS: dict[str, np.ufunc] = {
    "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "and": np.bitwise_and, "or": np.bitwise_or,
}  # fmt: skip


class Reduce(NnOp, name="nn.reduce"):
    """x combined along `axes`, which stay with size 1 if `keep_dims`. ONNX ReduceSum, ReduceMax, ReduceMean, …

    Floats are added in f32 or wider. A mean is of floats.

    Example: %y = "nn.reduce"(%x) {kind = "add", axes = array<i64: 1>, keep_dims = false}
        : (tensor<2x3xf32>) -> tensor<2xf32>
    """

    x: Value
    kind: Kind
    axes: tuple[int, ...]
    keep_dims: bool = False

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        for axis in self.axes:
            require_axis(self, axis, type.rank)
        self.require(len(set(self.axes)) == len(self.axes), f"names an axis twice: {self.axes}")
        self.require(self.kind != "mean" or type.scalar.is_float, f"takes no mean of {type}")
        self.require(self.kind not in ("and", "or") or type.scalar.is_integer, f"has no bits to combine in {type}")
        kept = [(axis, dim) for axis, dim in enumerate(type.dims) if self.keep_dims or axis not in self.axes]
        return [type.with_shape([1 if axis in self.axes else dim for axis, dim in kept])]

    @property
    def count(self) -> Dim:
        """How many elements each element of the result combines."""
        dims = shape(self.x)
        return symbols.product(dims[axis] for axis in self.axes)

    def evaluate(self, x: Array) -> Array:
        dtype, x = scalar_type(self.x), widen(x)
        if self.kind == "mean":
            with np.errstate(all="ignore"):
                count = np.asarray(np.prod([x.shape[a] for a in self.axes], dtype=np.int64)).astype(x.dtype)
                return convert(np.add.reduce(x, self.axes, keepdims=self.keep_dims) / count, dtype)
        initial = np.asarray(neutral(self.kind, scalar_type(self.x))).astype(x.dtype)[()]
        ufunc = _UFUNCS[self.kind]
        return convert(ufunc.reduce(x, self.axes, dtype=x.dtype, keepdims=self.keep_dims, initial=initial), dtype)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        dims = shape(self.x)

        def term(at: Index) -> E:
            inner, outer = iter(at), iter(index)
            source: list[Dim] = []
            for axis in range(len(dims)):
                if axis in self.axes and self.keep_dims:
                    next(outer)
                source.append(next(inner) if axis in self.axes else next(outer))
            return body.read(self.x, source)

        # The axes' order does not matter; ascending, the innermost loop walks memory in order.
        extents = tuple(dims[axis] for axis in sorted(self.axes))
        if self.kind != "mean":
            return body.reduce(self.kind, extents, term)
        dtype = computing_type(scalar_type(self.x))
        return body.apply("div", body.reduce("add", extents, term), body.number(self.count, dtype))


class _Extremum(NnOp):
    """The place of the largest or smallest element along an axis."""

    x: Value
    axis: int
    keep_dims: bool = False
    select_last: bool = False

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        require_axis(self, self.axis, type.rank)
        dims = list(type.dims)
        dims[self.axis : self.axis + 1] = [1] if self.keep_dims else []
        return [type.with_shape(dims).with_dtype(i64)]

    def _places(self, x: Array, find: Callable[..., Any]) -> Array:
        x = widen(x)
        if self.select_last:
            places = x.shape[self.axis] - 1 - find(np.flip(x, self.axis), axis=self.axis)
        else:
            places = find(x, axis=self.axis)
        return np.asarray(np.expand_dims(places, self.axis) if self.keep_dims else places, np.int64)

    def _search(self, body: Body[E], index: Sequence[Dim], kind: Literal["max", "min"]) -> E:
        """The least (or last) place of an element that equals the best one: two reductions, which any order suits."""
        rest = list(index)
        if self.keep_dims:
            del rest[self.axis]
        size = shape(self.x)[self.axis]
        first: Literal["max", "min"]
        first, none = ("max", body.constant(-1, i64)) if self.select_last else ("min", body.number(size, i64))

        def read(at: Index) -> E:
            return body.read(self.x, (*rest[: self.axis], at[0], *rest[self.axis :]))

        best = body.reduce(kind, (size,), read)

        def place(at: Index) -> E:
            # Not-a-number is the best there is, and equal to nothing.
            value = read(at)
            found = body.apply("or", body.apply("eq", value, best), body.apply("ne", value, value))
            return body.apply("select", found, body.number(at[0], i64), none)

        return body.reduce(first, (size,), place)


class ArgMax(_Extremum, name="nn.arg_max"):
    """Where x is largest along `axis`: the first such place, or the last if `select_last`. ONNX ArgMax.

    Example: %y = "nn.arg_max"(%x) {axis = 1 : i64, keep_dims = false, select_last = false}
        : (tensor<2x3xf32>) -> tensor<2xi64>
    """

    def evaluate(self, x: Array) -> Array:
        return self._places(x, np.argmax)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return self._search(body, index, "max")


class ArgMin(_Extremum, name="nn.arg_min"):
    """Where x is smallest along `axis`: the first such place, or the last if `select_last`. ONNX ArgMin.

    Example: %y = "nn.arg_min"(%x) {axis = 1 : i64, keep_dims = false, select_last = false}
        : (tensor<2x3xf32>) -> tensor<2xi64>
    """

    def evaluate(self, x: Array) -> Array:
        return self._places(x, np.argmin)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return self._search(body, index, "min")


class CumSum(NnOp, name="nn.cumsum"):
    """The sums of the elements up to each along `axis`: without itself if `exclusive`, from the end if `reverse`.
    ONNX CumSum.

    Example: %y = "nn.cumsum"(%x) {axis = 1 : i64, exclusive = false, reverse = false}
        : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    x: Value
    axis: int
    exclusive: bool = False
    reverse: bool = False

    def infer(self) -> list[Type]:
        require_axis(self, self.axis, tensor_type(self.x).rank)
        return [self.x.type]

    def evaluate(self, x: Array) -> Array:
        ordered = np.flip(widen(x), self.axis) if self.reverse else widen(x)
        sums = np.cumsum(ordered, self.axis, dtype=ordered.dtype)
        if self.exclusive:
            sums = np.roll(sums, 1, self.axis)
            sums[(slice(None),) * self.axis + (slice(0, 1),)] = 0
        return convert(np.flip(sums, self.axis) if self.reverse else sums, scalar_type(self.x))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        here = body.number(index[self.axis], i64)
        zero = body.constant(0, scalar_type(self.x))
        before = ("gt" if self.exclusive else "ge") if self.reverse else ("lt" if self.exclusive else "le")

        def term(at: Index) -> E:
            value = body.read(self.x, (*index[: self.axis], at[0], *index[self.axis + 1 :]))
            return body.apply("select", body.apply(before, body.number(at[0], i64), here), value, zero)

        return body.reduce("add", (shape(self.x)[self.axis],), term)


class TopK(NnOp, name="nn.top_k"):
    """The k largest (or smallest) elements along `axis` in order, and their places; of equal ones the first. ONNX TopK.

    Example: %v, %i = "nn.top_k"(%x) {k = 2 : i64, axis = 1 : i64, largest = true}
        : (tensor<3x5xf32>) -> (tensor<3x2xf32>, tensor<3x2xi64>)
    """

    x: Value
    k: Dim
    axis: int
    largest: bool = True
    sized = True

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        require_axis(self, self.axis, type.rank)
        size = type.dims[self.axis]
        fits = not (isinstance(self.k, int) and isinstance(size, int)) or self.k <= size
        self.require(fits, f"takes {self.k} of {size} elements")
        values = type.with_shape([self.k if axis == self.axis else d for axis, d in enumerate(type.dims)])
        return [values, values.with_dtype(i64)]

    def evaluate(self, x: Array, *, sizes: dict[str, int]) -> tuple[Array, Array]:
        (k,) = bind([self.k], sizes)
        wide = widen(x)
        if self.largest:
            # A stable ascending sort of the reversed axis, read backwards, keeps the first of equal elements first.
            places = x.shape[self.axis] - 1 - np.argsort(np.flip(wide, self.axis), self.axis, kind="stable")
            places = np.flip(places, self.axis)
        else:
            places = np.argsort(wide, self.axis, kind="stable")
        places = np.take(places, np.arange(k), self.axis)
        return np.take_along_axis(x, places, self.axis), places.astype(np.int64)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        size = shape(self.x)[self.axis]

        def read(k: Dim) -> E:
            return body.read(self.x, (*index[: self.axis], k, *index[self.axis + 1 :]))

        def is_before(other: Dim, place: Dim) -> E:
            a, b = read(other), read(place)
            better = body.apply("gt" if self.largest else "lt", a, b)
            equal = body.apply("eq", a, b)
            if scalar_type(self.x).is_float:  # not-a-number is the largest
                no_a, no_b = body.apply("ne", a, a), body.apply("ne", b, b)
                both = body.apply("and", no_a, no_b)
                one = body.apply("or", no_a if self.largest else no_b, better)
                better = body.apply("and", one, body.apply("eq", both, body.constant(False, i1)))
                equal = body.apply("or", equal, both)
            earlier = body.apply("lt", body.number(other, i64), body.number(place, i64))
            return body.apply("or", better, body.apply("and", equal, earlier))

        def has_rank(at: Index) -> E:
            # The element whose rank, the number of elements before it, is asked for contributes its place.
            rank = body.reduce("add", (size,), lambda other: body.cast(is_before(other[0], at[0]), i64))
            found = body.apply("eq", rank, body.number(index[self.axis], i64))
            return body.apply("select", found, body.number(at[0], i64), body.constant(0, i64))

        place = body.reduce("add", (size,), has_rank)
        return place if result == 1 else read(body.as_index(place))
