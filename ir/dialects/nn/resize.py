"""Resampling along axes by interpolation."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Literal

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E
from ...numpy_body import computing_type, evaluate_element
from ...symbols import Dim
from ...types import f32, i64
from .base import Array, NnOp, result_sizes, scalar_type, shape, tensor_type

Coordinates = Literal["half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"]
Rounding = Literal["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


class Resize(NnOp, name="nn.resize"):
    """x resampled to the shape of the result type. ONNX Resize without antialiasing and regions, Upsample.

    `coordinates` says which place of x a place of the result stands for, by the scale of its axis: that of `scales`,
    or where there are none the ratio of the sizes. Interpolation is of f32 or wider.

    Example: %y = "nn.resize"(%x) {mode = "linear", coordinates = "half_pixel"}
        : (tensor<1x3x4xf32>) -> tensor<1x3x8xf32>
    """

    x: Value
    mode: Literal["nearest", "linear", "cubic"] = "nearest"
    coordinates: Coordinates = "half_pixel"
    rounding: Rounding = "round_prefer_floor"
    scales: tuple[float, ...] = ()
    cubic_coefficient: float = -0.75
    exclude_outside: bool = False
    sized = True

    def verify(self) -> None:
        super().verify()
        before, after = tensor_type(self.x), tensor_type(self.result)
        self.require(before.rank == after.rank, f"changes the rank of {before} to that of {after}")
        self.require(before.dtype == after.dtype, f"changes the element type from {before.dtype} to {after.dtype}")
        self.require(len(self.scales) in (0, before.rank), f"has {len(self.scales)} scales for {before}")

    def evaluate(self, x: Array, *, sizes: Mapping[str, int]) -> Array:
        return evaluate_element(self, [x], result_sizes(self, sizes), **sizes)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        taps = [self._taps(body, axis, place) for axis, place in enumerate(index)]
        dtype = computing_type(scalar_type(self.x))
        total: E | None = None
        for choice in itertools.product(*taps):
            weights = [weight for _, weight in choice if weight is not None]
            term = body.read(self.x, [place for place, _ in choice])
            if weights:
                term = body.cast(term, f32 if dtype.is_integer else dtype)
            for weight in weights:
                term = body.apply("mul", term, body.cast(weight, f32 if dtype.is_integer else dtype))
            total = term if total is None else body.apply("add", total, term)
        assert total is not None
        return body.cast(total, dtype)

    def _taps(self, body: Body[E], axis: int, place: Dim) -> list[tuple[Dim, E | None]]:
        """The places of x along `axis` that a place of the result reads, with their weights in f32 (None for 1)."""
        size = shape(self.x)[axis]
        if size == shape(self.result)[axis] and (not self.scales or self.scales[axis] == 1):
            return [(place, None)]
        at = self._coordinate(body, axis, place)
        if self.mode == "nearest":
            return [(self._clamp(body, rounded(body, at, self.rounding), size), None)]
        floor = body.apply("floor", at)
        weights = self._weights(body, body.apply("sub", at, floor))
        first = body.as_index(body.cast(floor, i64)) - (1 if self.mode == "cubic" else 0)
        places = [first + k for k in range(len(weights))]
        if self.exclude_outside:
            weights = self._inside(body, weights, places, size)
        return [
            (symbols.minimum(symbols.maximum(p, 0), size - 1), weight)
            for p, weight in zip(places, weights, strict=True)
        ]

    def _clamp(self, body: Body[E], at: E, size: Dim) -> Dim:
        return symbols.minimum(symbols.maximum(body.as_index(body.cast(at, i64)), 0), size - 1)

    def _scale(self, body: Body[E], axis: int) -> E:
        if self.scales:
            return body.constant(self.scales[axis], f32)
        return body.apply("div", body.number(shape(self.result)[axis], f32), body.number(shape(self.x)[axis], f32))

    def _coordinate(self, body: Body[E], axis: int, place: Dim) -> E:
        before, after = shape(self.x)[axis], shape(self.result)[axis]
        half = body.constant(0.5, f32)
        here = body.number(place, f32)
        if self.coordinates == "align_corners":
            if not self.scales:
                return aligned(body, here, before, body.number(after, f32))
            return aligned(body, here, before, body.apply("mul", self._scale(body, axis), body.number(before, f32)))
        scale = self._scale(body, axis)
        if self.coordinates == "asymmetric":
            return body.apply("div", here, scale)
        centered = body.apply("sub", body.apply("div", body.apply("add", here, half), scale), half)
        if self.coordinates == "pytorch_half_pixel" and after == 1:
            return body.constant(0.0, f32)
        if self.coordinates == "half_pixel_symmetric":
            # The result's exact size may be cut off: keep it centered on x.
            exact = body.apply("mul", scale, body.number(before, f32))
            cut = body.apply("sub", body.constant(1.0, f32), body.apply("div", body.number(after, f32), exact))
            offset = body.apply("mul", body.apply("mul", body.number(before, f32), half), cut)
            return body.apply("add", offset, centered)
        return centered

    def _weights(self, body: Body[E], t: E) -> list[E]:
        """The weights of the two or four places around, `t` beyond the second last of the left ones."""
        one = body.constant(1.0, f32)
        rest = body.apply("sub", one, t)
        if self.mode == "linear":
            return [rest, t]
        a = self.cubic_coefficient
        return [
            cubic_far(body, a, body.apply("add", t, one)),
            cubic_near(body, a, t),
            cubic_near(body, a, rest),
            cubic_far(body, a, body.apply("add", rest, one)),
        ]

    def _inside(self, body: Body[E], weights: list[E], places: list[Dim], size: Dim) -> list[E]:
        """The weights of places inside x, made to add up to 1 again."""
        kept: list[E] = []
        for place, weight in zip(places, weights, strict=True):
            at = body.number(place, i64)
            above = body.apply("ge", at, body.constant(0, i64))
            inside = body.apply("and", above, body.apply("lt", at, body.number(size, i64)))
            kept.append(body.apply("select", inside, weight, body.constant(0.0, f32)))
        total = kept[0]
        for weight in kept[1:]:
            total = body.apply("add", total, weight)
        return [body.apply("div", weight, total) for weight in kept]


def aligned(body: Body[E], here: E, before: Dim, width: E) -> E:
    """The place of one of `width` places (not always a whole number) spread from the first to the last of `before`."""
    zero, one = body.constant(0.0, f32), body.constant(1.0, f32)
    single = body.apply("eq", width, one)
    steps = body.apply("select", single, one, body.apply("sub", width, one))
    at = body.apply("div", body.apply("mul", here, body.number(symbols.add(before, -1), f32)), steps)
    return body.apply("select", single, zero, at)


def rounded(body: Body[E], at: E, rounding: Rounding) -> E:
    """A coordinate as a whole number."""
    half = body.constant(0.5, f32)
    if rounding == "round_prefer_floor":
        return body.apply("ceil", body.apply("sub", at, half))
    if rounding == "round_prefer_ceil":
        return body.apply("floor", body.apply("add", at, half))
    return body.apply(rounding, at)


def cubic_near(body: Body[E], a: float, distance: E) -> E:
    """The weight of cubic convolution at a distance of at most 1."""
    return _polynomial(body, (a + 2, -a - 3, 0.0, 1.0), distance)


def cubic_far(body: Body[E], a: float, distance: E) -> E:
    """The weight of cubic convolution at a distance from 1 to 2."""
    return _polynomial(body, (a, -5 * a, 8 * a, -4 * a), distance)


def _polynomial(body: Body[E], coefficients: Sequence[float], x: E) -> E:
    """The polynomial with `coefficients`, the highest power's first."""
    value = body.constant(coefficients[0], f32)
    for coefficient in coefficients[1:]:
        value = body.apply("add", body.apply("mul", value, x), body.constant(coefficient, f32))
    return value
