"""Resampling: Resize in all versions, Upsample, and what is built on it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import TensorType
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


@legalize("Upsample")
def upsample(n: Node) -> Value:
    """Resize as it was before opset 11: by scales alone, asymmetric coordinates, the element below."""
    scales = n.floats("scales") if n.opset < 9 else [float(v) for v in n.numbers(1, "'scales'").reshape(-1)]
    assert scales is not None
    return _by_scales(n, scales, _Mode(n.str("mode", "nearest")))


@legalize("Resize")
def resize_10(n: Node) -> Value:
    return _by_scales(n, [float(v) for v in n.numbers(1, "'scales'").reshape(-1)], _Mode(n.str("mode", "nearest")))


@legalize("Resize", since=11)
def resize(n: Node) -> Value:
    if n.flag("antialias"):
        raise UnsupportedError("'antialias'")
    coordinates = n.str("coordinate_transformation_mode", "half_pixel")
    if coordinates not in ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"):
        raise UnsupportedError(f"coordinate_transformation_mode '{coordinates}'")
    rank = len(dims(n[0]))
    axes = [normal_axis(axis, rank) for axis in n.ints("axes") or range(rank)]
    mode = _Mode(
        n.str("mode", "nearest"),
        coordinates,
        n.str("nearest_mode", "round_prefer_floor"),
        n.float("cubic_coeff_a", -0.75),
        n.flag("exclude_outside"),
    )
    if n.get(3) is not None and n.sizes_of(n[3]) != ():
        return _by_sizes(n, axes, mode)
    scales = [1.0] * rank
    for axis, scale in zip(axes, n.numbers(2, "'scales'").reshape(-1), strict=True):
        scales[axis] = float(scale)
    return _by_scales(n, scales, mode)


def _by_scales(n: Node, scales: Sequence[float], mode: _Mode) -> Value:
    shape = [_scaled(dim, scale) for dim, scale in zip(dims(n[0]), scales, strict=True)]
    return _resize(n, shape, tuple(scales), mode)


def _scaled(dim: Dim, scale: float) -> Dim:
    """floor(dim * scale)"""
    if isinstance(dim, int):
        return math.floor(dim * scale)
    if scale == int(scale):
        return symbols.mul(dim, int(scale))
    if (inverse := 1 / scale) == int(inverse):
        return symbols.floordiv(dim, int(inverse))
    raise UnsupportedError(f"size '{dim}', which is only known at run time, scaled by {scale}")


def _by_sizes(n: Node, axes: Sequence[int], mode: _Mode) -> Value:
    policy = n.str("keep_aspect_ratio_policy", "stretch")
    if policy == "stretch" and n.sizes_of(n[3]) is None and (declared := n.declared()) is not None:
        return _resize(n, declared, (), mode)
    shape, sizes = list(dims(n[0])), n.sizes(3, "'sizes'")
    if policy == "stretch":
        for axis, size in zip(axes, sizes, strict=True):
            shape[axis] = size
        return _resize(n, shape, (), mode)
    own = [n.static(n[0], axis, f"dimension {axis}") for axis in axes]
    if not all(isinstance(size, int) for size in sizes):
        raise UnsupportedError(f"keep_aspect_ratio_policy '{policy}' with sizes that are only known at run time")
    ratios = [size / dim for size, dim in zip(sizes, own, strict=True)]  # type: ignore[operator]
    scale = min(ratios) if policy == "not_larger" else max(ratios)
    scales = [1.0] * len(shape)
    for axis, dim in zip(axes, own, strict=True):
        shape[axis], scales[axis] = math.floor(dim * scale + 0.5), scale
    return _resize(n, shape, tuple(scales), mode)


def _resize(n: Node, shape: Sequence[Dim], scales: tuple[float, ...], mode: _Mode) -> Value:
    x = n[0]
    if tuple(shape) == dims(x) and all(scale == 1 for scale in scales):
        return x
    fields: dict[str, Any] = {**mode.__dict__, "scales": scales}
    return n(nn.Resize(x, **fields, result_types=[TensorType(tuple(shape), scalar(x))]))
