"""Resampling: Resize in all versions, Upsample, and what is built on it."""

from __future__ import annotations

import math
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.resample import Coordinates
from ...ir.dialects.nn.resize import Rounding
from ...ir.symbols import Dim
from ...ir.types import TensorType, f32, i64
from .content import dims, scalar
from .node import Node, normal_axis
from .registry import UnsupportedError, legalize


@dataclass(frozen=True)
class _Mode:
    """How places are mapped and elements combined."""

    mode: str
    coordinates: str = "asymmetric"
    rounding: str = "floor"
    cubic_coefficient: float = -0.75
    exclude_outside: bool = False


MODES = ("nearest", "linear", "cubic")
Scale = float | Value
"""A number, or an f32 value without dimensions that only a run knows."""


@legalize("Upsample")
def upsample(n: Node) -> Value:
    """Resize as it was before opset 11: by scales alone, asymmetric coordinates, the element below."""
    mode = _Mode(n.choice("mode", *MODES))
    if n.opset < 9:
        return _by_scales(n, n.floats("scales") or (), mode)
    return _by_scales(n, _scales(n, 1, range(len(dims(n[0])))), mode)


@legalize("Resize")
def resize_10(n: Node) -> Value:
    return _by_scales(n, _scales(n, 1, range(len(dims(n[0])))), _Mode(n.choice("mode", *MODES)))


@legalize("Resize", since=11)
def resize(n: Node) -> Value:
    coordinates = n.choice("coordinate_transformation_mode", *typing.get_args(Coordinates))
    rank = len(dims(n[0]))
    axes = [normal_axis(axis, rank) for axis in n.ints("axes") or range(rank)]
    mode = _Mode(
        n.choice("mode", *MODES),
        coordinates,
        n.choice("nearest_mode", *typing.get_args(Rounding)),
        n.float("cubic_coeff_a", -0.75),
        n.flag("exclude_outside"),
    )
    if n.get(3) is not None and n.sizes_of(n[3]) != ():
        return _by_sizes(n, axes, mode)
    return _by_scales(n, _scales(n, 2, axes), mode)


def _scales(n: Node, index: int, axes: Sequence[int]) -> list[Scale]:
    """A scale for each dimension of x, from an input that has those of `axes`."""
    scales: list[Scale] = [1.0] * len(dims(n[0]))
    known = n.constant_of(n[index])
    right = known is None or (known.size == len(axes) and bool((known > 0).all()))
    n.require(right, f"scales of {None if known is None else known.tolist()}; expected {len(axes)} positive ones")
    for position, axis in enumerate(axes):
        if known is not None:
            scales[axis] = float(known.reshape(-1)[position])
        else:
            scales[axis] = n.cast(n.index(n[index], 0, position), f32)
    return scales


def _by_scales(n: Node, scales: Sequence[Scale], mode: _Mode) -> Value:
    declared = n.declared()
    if declared is not None:
        return _resize(n, declared, scales, mode)
    shape = [_scaled(n, axis, scale) for axis, scale in enumerate(scales)]
    return _resize(n, shape, scales, mode)


def _scaled(n: Node, axis: int, scale: Scale) -> Dim:
    """floor(dim * scale); a run reads what no expression says."""
    dim = dims(n[0])[axis]
    if not isinstance(scale, Value):
        if isinstance(dim, int):
            return math.floor(dim * scale)
        if scale == int(scale):
            return symbols.mul(dim, int(scale))
        if (inverse := 1 / scale) == int(inverse):
            return symbols.floordiv(dim, int(inverse))
        scale = n.constant(scale, f32)
    exact = n(nn.Mul(n.size(n[0], axis, f32), n.reshape(scale, ())))
    return n.read(n.cast(n(nn.Floor(exact)), i64))[0]


def _by_sizes(n: Node, axes: Sequence[int], mode: _Mode) -> Value:
    policy = n.choice("keep_aspect_ratio_policy", "stretch", "not_larger", "not_smaller")
    shape, sizes, declared = list(dims(n[0])), n.sizes_of(n[3]), n.declared()
    if policy == "stretch":
        if sizes is None and declared is not None:
            return _resize(n, declared, (), mode)
        for axis, size in zip(axes, n.sizes(3), strict=True):
            shape[axis] = size
        return _resize(n, shape, (), mode)
    scales: list[Scale] = [1.0] * len(shape)
    if (sizes is None or not _numbers(sizes, shape, axes)) and declared is not None:
        common = _common_scale(n, axes, policy)
        for axis in axes:
            scales[axis] = common
        return _resize(n, declared, scales, mode)
    if not _numbers(n.sizes(3), shape, axes):
        raise UnsupportedError(f"keep_aspect_ratio_policy '{policy}' with sizes that are only known at run time")
    ratios = [size / shape[axis] for size, axis in zip(sizes or (), axes, strict=True)]  # type: ignore[operator]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    for axis in axes:
        shape[axis], scales[axis] = math.floor(shape[axis] * scale + 0.5), scale  # type: ignore[operator]
    return _resize(n, shape, scales, mode)


def _numbers(sizes: Sequence[Dim], shape: Sequence[Dim], axes: Sequence[int]) -> bool:
    return all(isinstance(dim, int) for dim in (*sizes, *(shape[axis] for axis in axes)))


def _common_scale(n: Node, axes: Sequence[int], policy: str) -> Value:
    """The smallest or largest ratio of the sizes, where these are values."""
    before = n.concat([n.reshape(n.size(n[0], axis, f32), (1,)) for axis in axes], 0)
    ratios = n(nn.Div(n.cast(n[3], f32), before))
    return n.reduce(ratios, "min" if policy == "not_larger" else "max", [0])


def _resize(n: Node, shape: Sequence[Dim], scales: Sequence[Scale], mode: _Mode) -> Value:
    """All axes at once where scales are numbers; one after the other where they are values or many elements count."""
    x, crops = n[0], mode.coordinates == "tf_crop_and_resize"
    if crops or n.flag("antialias") or any(isinstance(scale, Value) for scale in scales):
        return _axis_by_axis(n, shape, scales, mode)
    numbers = tuple(scale for scale in scales if not isinstance(scale, Value))
    if tuple(shape) == dims(x) and all(scale == 1 for scale in numbers):
        return x
    fields: dict[str, Any] = {**mode.__dict__, "scales": numbers}
    return n(nn.Resize(x, **fields, result_types=[TensorType(tuple(shape), scalar(x))]))


def _axis_by_axis(n: Node, shape: Sequence[Dim], scales: Sequence[Scale], mode: _Mode) -> Value:
    x, dtype = n[0], scalar(n[0])
    # Integers are rounded once, at the end.
    y = n.cast(x, f32) if dtype.is_integer and mode.mode != "nearest" else x
    for axis, size in enumerate(shape):
        region = _region(n, axis) if mode.coordinates == "tf_crop_and_resize" else None
        scale = scales[axis] if scales else None
        if size == dims(x)[axis] and region is None and (scale in (None, 1.0) or size == 1):
            continue
        factor = scale if scale is None or isinstance(scale, Value) else n.constant(scale, f32)
        fields: dict[str, Any] = {
            **mode.__dict__,
            "antialias": n.flag("antialias"),
            "extrapolation": n.float("extrapolation_value"),
        }
        result = [*dims(y)[:axis], size, *dims(y)[axis + 1 :]]
        y = n(nn.Resample(y, factor, region, axis, **fields, result_types=[TensorType(tuple(result), scalar(y))]))
    return n.cast(y, dtype)


def _region(n: Node, axis: int) -> Value | None:
    """The first and last place to sample along an axis; None where that is all of it."""
    rank = len(dims(n[0]))
    axes = [normal_axis(a, rank) for a in n.ints("axes") or range(rank)]
    if axis not in axes:
        return n.constant([0.0, 1.0], f32)
    ends = [n.reshape(n.index(n[1], 0, axes.index(axis) + i * len(axes)), (1,)) for i in (0, 1)]
    return n.cast(n.concat(ends, 0), f32)
