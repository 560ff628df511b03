"""Resampling along one axis, where the scale or the part to sample is a value, or many elements count."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E, Index
from ...numpy_body import computing_type, evaluate_element
from ...symbols import Dim
from ...types import Scalar, f32, i64
from .base import Array, NnOp, require_axis, result_sizes, scalar_type, shape, tensor_type
from .resize import Rounding, aligned, cubic_far, cubic_near, rounded

Coordinates = Literal[
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"
]


class Resample(NnOp, name="nn.resample"):
    """x resampled along `axis` to the size in the result type. ONNX Resize along one axis.

    `scale` (f32, no dimensions) is by default the ratio of the sizes; `region` (f32, two elements) is the part of x
    that `tf_crop_and_resize` samples, 0 and 1 being its ends: what lies outside of x becomes `extrapolation`. With
    `antialias` an element of a shrunk result weighs all elements of x that it covers. Interpolation is in f32 or wider.

    Example: %y = "nn.resample"(%x, %s) {axis = 1 : i64, mode = "linear", operandSegmentSizes = array<i32: 1, 1, 0>}
        : (tensor<3x4xf32>, tensor<f32>) -> tensor<3x8xf32>
    """

    x: Value
    scale: Value | None = None
    region: Value | None = None
    axis: int = 0
    mode: Literal["nearest", "linear", "cubic"] = "nearest"
    coordinates: Coordinates = "half_pixel"
    rounding: Rounding = "round_prefer_floor"
    cubic_coefficient: float = -0.75
    exclude_outside: bool = False
    antialias: bool = False
    extrapolation: float = 0.0
    sized = True

    def verify(self) -> None:
        super().verify()
        before, after = tensor_type(self.x), tensor_type(self.result)
        self.require(before.dtype == after.dtype, f"changes the element type from {before.dtype} to {after.dtype}")
        require_axis(self, self.axis, before.rank)
        others = [d for i, d in enumerate(before.dims) if i != self.axis]
        kept = [d for i, d in enumerate(after.dims) if i != self.axis]
        self.require(others == kept, f"changes other axes than {self.axis}: {before} to {after}")
        crops = self.coordinates == "tf_crop_and_resize"
        self.require(crops == (self.region is not None), "needs a region for 'tf_crop_and_resize' and for nothing else")
        self.require(not self.antialias or self.mode != "nearest", "has no nearest element of many")

    def evaluate(self, x: Array, scale: Array | None, region: Array | None, *, sizes: Mapping[str, int]) -> Array:
        operands = [array for array in (x, scale, region) if array is not None]
        return evaluate_element(self, operands, result_sizes(self, sizes), **sizes)

    @property
    def _sizes(self) -> tuple[Dim, Dim]:
        return shape(self.x)[self.axis], shape(self.result)[self.axis]

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        before, _ = self._sizes
        at = self._coordinate(body, index[self.axis])
        dtype = computing_type(scalar_type(self.x))

        def read(place: Dim) -> E:
            inside = symbols.minimum(symbols.maximum(place, 0), symbols.add(before, -1))
            return body.read(self.x, (*index[: self.axis], inside, *index[self.axis + 1 :]))

        if self.mode == "nearest":
            value = read(body.as_index(body.cast(rounded(body, at, self.rounding), i64)))
        else:
            value = body.cast(self._interpolated(body, at, lambda place: body.cast(read(place), self._wide)), dtype)
        if self.region is None:
            return value
        low, high = body.constant(0.0, f32), body.number(symbols.add(before, -1), f32)
        inside = body.apply("and", body.apply("ge", at, low), body.apply("le", at, high))
        return body.apply("select", inside, value, body.constant(self.extrapolation, dtype))

    def _interpolated(self, body: Body[E], at: E, read: Callable[[Dim], E]) -> E:
        """The weighted mean of the elements around `at`."""
        first = body.as_index(body.cast(body.apply("floor", at), i64))
        reach, shrink = self._reach(body)
        start = symbols.add(first, symbols.add(1, symbols.mul(reach, -1)))

        def weight(place: Dim) -> E:
            distance = body.apply("abs", body.apply("sub", body.number(place, f32), at))
            factor = self._filter(body, distance if shrink is None else body.apply("mul", distance, shrink))
            if self.exclude_outside:
                number = body.number(place, i64)
                inside = body.apply("lt", number, body.number(self._sizes[0], i64))
                inside = body.apply("and", body.apply("ge", number, body.constant(0, i64)), inside)
                factor = body.apply("select", inside, factor, body.constant(0.0, f32))
            return body.cast(factor, self._wide)

        def term(k: Index) -> E:
            place = symbols.add(start, k[0])
            return body.apply("mul", read(place), weight(place))

        taps = (symbols.mul(reach, 2),)
        total = body.reduce("add", taps, term)
        return body.apply("div", total, body.reduce("add", taps, lambda k: weight(symbols.add(start, k[0]))))

    @property
    def _wide(self) -> Scalar:
        """The type in which elements are weighed."""
        dtype = computing_type(scalar_type(self.x))
        return f32 if dtype.is_integer else dtype

    def _reach(self, body: Body[E]) -> tuple[Dim, E | None]:
        """How many elements on each side may have a weight, and what distances are multiplied by."""
        radius = 1 if self.mode == "linear" else 2
        if not self.antialias:
            return radius, None
        before, after = self._sizes
        # A scale is at least the ratio of the sizes, which rounding down has made smaller.
        reach = symbols.maximum(radius, symbols.ceildiv(symbols.mul(before, radius), after))
        return reach, body.apply("min", self._scale(body), body.constant(1.0, f32))

    def _filter(self, body: Body[E], distance: E) -> E:
        """The weight at a distance, not negative, in elements."""
        one = body.constant(1.0, f32)
        if self.mode == "linear":
            return body.apply("max", body.apply("sub", one, distance), body.constant(0.0, f32))
        a = self.cubic_coefficient
        within = body.apply("lt", distance, body.constant(2.0, f32))
        far = body.apply("select", within, cubic_far(body, a, distance), body.constant(0.0, f32))
        return body.apply("select", body.apply("le", distance, one), cubic_near(body, a, distance), far)

    def _scale(self, body: Body[E]) -> E:
        if self.scale is not None:
            return body.read(self.scale, ())
        before, after = self._sizes
        return body.apply("div", body.number(after, f32), body.number(before, f32))

    def _coordinate(self, body: Body[E], place: Dim) -> E:
        """The place of x that a place of the result stands for."""
        before, after = self._sizes
        here, half = body.number(place, f32), body.constant(0.5, f32)
        if self.coordinates == "align_corners":
            return aligned(body, here, before, body.apply("mul", self._scale(body), body.number(before, f32)))
        if self.region is not None:
            return self._cropped(body, here)
        scale = self._scale(body)
        if self.coordinates == "asymmetric":
            return body.apply("div", here, scale)
        if self.coordinates == "pytorch_half_pixel" and after == 1:
            return body.constant(0.0, f32)
        centered = body.apply("sub", body.apply("div", body.apply("add", here, half), scale), half)
        if self.coordinates != "half_pixel_symmetric":
            return centered
        # The result's exact size may be cut off: keep it centered on x.
        exact = body.apply("mul", scale, body.number(before, f32))
        cut = body.apply("sub", body.constant(1.0, f32), body.apply("div", body.number(after, f32), exact))
        offset = body.apply("mul", body.apply("mul", body.number(before, f32), half), cut)
        return body.apply("add", offset, centered)

    def _cropped(self, body: Body[E], here: E) -> E:
        assert self.region is not None
        before, after = self._sizes
        start, end = (body.read(self.region, (i,)) for i in range(2))
        last = body.number(symbols.add(before, -1), f32)
        if after == 1:
            return body.apply("mul", body.apply("mul", body.apply("add", start, end), last), body.constant(0.5, f32))
        step = body.apply("mul", body.apply("sub", end, start), last)
        steps = body.apply("mul", here, body.apply("div", step, body.number(symbols.maximum(after - 1, 1), f32)))
        return body.apply("add", body.apply("mul", start, last), steps)
