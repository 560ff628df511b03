"""Merging of sorted runs, of which sorting long axes consists."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...core import Value
from ...loop_nest import Body, E
from ...symbols import Dim, ceildiv, mul
from ...types import TensorType, Type, i64
from .base import Array, NnOp, shape, tensor_type

BEYOND = 1 << 62
"""More than all elements: what stands behind the end of an axis that is merged. Exact as a float, as fills are."""
_MOST_HALVINGS = 31


class MergeRuns(NnOp, name="nn.merge_runs"):
    """The last axis of x consists of ascending runs of `run` elements, a power of two; neighbours are merged in pairs.

    All elements are less than 2**62, which stands behind them where runs are shorter. With `keep`, which is `run` then,
    only so many of the first elements of each pair stay. In ONNX part of TopK and Unique.

    Example: %y = "nn.merge_runs"(%x, %run) {keep = 0 : i64} : (tensor<3x100xi64>, tensor<i64>) -> tensor<3x100xi64>
    """

    x: Value
    run: Value
    keep: int = 0

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        self.require(type.dtype == i64 and type.rank > 0, f"needs rows of i64, found {type}")
        self.require(self.run.type == TensorType((), i64), f"needs the size of a run, found {self.run.type}")
        self.require(self.keep & (self.keep - 1) == 0, f"keeps {self.keep} elements, which is no power of two")
        if not self.keep:
            return [type]
        pairs = ceildiv(type.dims[-1], 2 * self.keep)
        return [type.with_shape((*type.dims[:-1], mul(pairs, self.keep)))]

    def evaluate(self, x: Array, run: Array) -> Array:
        pair = 2 * int(run)
        size = x.shape[-1]
        padded = np.full((*x.shape[:-1], -(-size // pair), pair), BEYOND, np.int64)
        padded.reshape((*x.shape[:-1], -1))[..., :size] = x
        merged = np.sort(padded, -1)
        if self.keep:
            return merged[..., : self.keep].reshape((*x.shape[:-1], -1))
        return merged.reshape((*x.shape[:-1], -1))[..., :size]

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        """Of the first `at` elements of a pair, a binary search finds how many come from its first run."""
        run, place = body.read(self.run, ()), body.number(index[-1], i64)
        zero, one, beyond = (body.constant(value, i64) for value in (0, 1, BEYOND))
        wide = body.apply("add", run, run)
        width = body.constant(self.keep, i64) if self.keep else wide
        at = body.apply("and", place, body.apply("sub", width, one))
        first = body.apply("sub", place, at)
        first = body.apply("add", first, first) if self.keep else first
        second = body.apply("add", first, run)

        def read(start: E, offset: E) -> E:
            return body.read(self.x, (*index[:-1], body.as_index(body.apply("add", start, offset))), BEYOND)

        def step(_: Dim, state: Sequence[E]) -> Sequence[E]:
            low, high = state
            middle = body.apply("shift_right", body.apply("add", low, high), one)
            other = body.apply("sub", body.apply("sub", at, one), middle)
            is_less = body.apply("lt", read(first, middle), read(second, other))
            goes_on = body.apply("lt", low, high)
            up = body.apply("select", is_less, body.apply("add", middle, one), low)
            down = body.apply("select", is_less, high, middle)
            return body.apply("select", goes_on, up, low), body.apply("select", goes_on, down, high)

        start = body.apply("max", zero, body.apply("sub", at, run)), body.apply("min", at, run)
        count = body.fold(self._halvings, start, step)[0]
        rest = body.apply("sub", at, count)
        left = body.apply("select", body.apply("lt", count, run), read(first, count), beyond)
        right = body.apply("select", body.apply("lt", rest, run), read(second, rest), beyond)
        return body.apply("min", left, right)

    @property
    def _halvings(self) -> int:
        """How often a run is halved until nothing is left of it."""
        value = getattr(self.run.owner, "value", None)
        if self.keep:
            return self.keep.bit_length()
        if (array := getattr(value, "array", None)) is not None:
            return int(array).bit_length()
        size = shape(self.x)[-1]
        return size.bit_length() if isinstance(size, int) else _MOST_HALVINGS
