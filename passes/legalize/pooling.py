"""Pooling and resizing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from .content import dims, scalar
from .contraction import padding, window
from .node import Node
from .registry import UnsupportedError, legalize


@legalize("GlobalAveragePool")
def global_average_pool(n: Node) -> Value:
    return n.reduce(n[0], "mean", range(2, len(dims(n[0]))), True)


@legalize("GlobalMaxPool")
def global_max_pool(n: Node) -> Value:
    return n.reduce(n[0], "max", range(2, len(dims(n[0]))), True)


@legalize("GlobalLpPool")
def global_lp_pool(n: Node) -> Value:
    """(sum |x|^p)^(1/p)"""
    x, p = n[0], n.int("p", 2)
    total = n.reduce(n(nn.Pow(n(nn.Abs(x)), n.like(p, x))), "add", range(2, len(dims(x))), True)
    return n(nn.Pow(total, n.like(1 / p, x)))


def _window(n: Node) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Kernel, strides, dilations and pads."""
    kernel = n.ints("kernel_shape") or ()
    strides, dilations = window(n, len(kernel))
    return kernel, strides, dilations, padding(n, dims(n[0])[2:], kernel, strides, dilations)


@legalize("MaxPool")
def max_pool(n: Node) -> list[Value]:
    kernel, strides, dilations, pads = _window(n)
    if n.wants(1):
        raise UnsupportedError("the indices of the maxima")
    y = nn.MaxPool(n[0], kernel=kernel, strides=strides, pads=pads, dilations=dilations, ceil_mode=n.flag("ceil_mode"))
    return [n(y)]


@legalize("AveragePool")
def average_pool(n: Node) -> Value:
    kernel, strides, dilations, pads = _window(n)
    return n(
        nn.AvgPool(
            n[0],
            kernel=kernel,
            strides=strides,
            pads=pads,
            dilations=dilations,
            count_include_pad=n.flag("count_include_pad"),
            ceil_mode=n.flag("ceil_mode"),
        )
    )


@legalize("LpPool")
def lp_pool(n: Node) -> Value:
    """The p-norm of every window: an average of |x|^p that counts padding as zeros, times the window's size."""
    kernel, strides, dilations, pads = _window(n)
    x, p = n[0], n.int("p", 2)
    powers = n(nn.Pow(n(nn.Abs(x)), n.like(p, x)))
    mean = nn.AvgPool(
        powers,
        kernel=kernel,
        strides=strides,
        pads=pads,
        dilations=dilations,
        count_include_pad=True,
        ceil_mode=n.flag("ceil_mode"),
    )
    total = n(nn.Mul(n(mean), n.like(float(np.prod(kernel)), x)))
    return n(nn.Pow(total, n.like(1 / p, x)))


@legalize("Upsample")
def upsample(n: Node) -> Value:
    """Resize as it was before opset 10: scales alone, asymmetric coordinates, the nearest element below."""
    scales = n.floats("scales") if n.opset < 9 else [float(v) for v in n.numbers(1, "'scales'").reshape(-1)]
    assert scales is not None
    return _resize(n, scales, None, n.str("mode", "nearest"), "asymmetric", "floor")


@legalize("Resize")
def resize_10(n: Node) -> Value:
    scales = [float(v) for v in n.numbers(1, "'scales'").reshape(-1)]
    return _resize(n, scales, None, n.str("mode", "nearest"), "asymmetric", "floor")


@legalize("Resize", since=11)
def resize(n: Node) -> Value:
    if n.str("keep_aspect_ratio_policy", "stretch") != "stretch" or n.flag("antialias"):
        raise UnsupportedError("keep_aspect_ratio_policy or antialias")
    rank = len(dims(n[0]))
    axes = [axis + rank if axis < 0 else axis for axis in n.ints("axes") or range(rank)]
    scales = n.constant_of(n.get(2)) if n.get(2) is not None else None
    sizes: list[Dim] | None = None
    full = [1.0] * rank
    if scales is not None and scales.size:
        for axis, scale in zip(axes, scales.reshape(-1), strict=True):
            full[axis] = float(scale)
    elif n.get(3) is not None:
        sizes = list(dims(n[0]))
        for axis, size in zip(axes, n.sizes(3, "'sizes'"), strict=True):
            sizes[axis] = size
    else:
        raise UnsupportedError("'scales' is only known at run time")
    coordinates = n.str("coordinate_transformation_mode", "half_pixel")
    return _resize(n, full, sizes, n.str("mode", "nearest"), coordinates, n.str("nearest_mode", "round_prefer_floor"))


def _resize(
    n: Node, scales: Sequence[float], sizes: Sequence[Dim] | None, mode: str, coordinates: str, rounding: str
) -> Value:
    x = n[0]
    target = [_scaled(d, s) for d, s in zip(dims(x), scales, strict=True)] if sizes is None else list(sizes)
    if list(dims(x)) == target:
        return x
    raise UnsupportedError(f"mode '{mode}' with coordinates '{coordinates}' and rounding '{rounding}'")


def _scaled(dim: Dim, scale: float) -> Dim:
    if isinstance(dim, int):
        return int(np.floor(dim * scale))
    if scale == int(scale):
        return symbols.mul(dim, int(scale))
    raise UnsupportedError(f"size '{dim}' scaled by {scale}")


def element_size(x: Value) -> int:
    return scalar(x).bytes
