"""Pooling."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import nn
from .content import dims
from .contraction import padding, window
from .node import Node
from .registry import legalize
from .sampling import max_pool_with_indices


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
    kernel, rank = n.ints("kernel_shape") or (), len(dims(n[0])) - 2
    n.require(
        len(kernel) == rank and min(kernel, default=1) > 0, f"a kernel of {kernel}; expected {rank} positive sizes"
    )
    strides, dilations = window(n, rank)
    return kernel, strides, dilations, padding(n, dims(n[0])[2:], kernel, strides, dilations)


@legalize("MaxPool")
def max_pool(n: Node) -> list[Value]:
    if n.wants(1):
        return max_pool_with_indices(n)
    kernel, strides, dilations, pads = _window(n)
    return [n(nn.MaxPool(n[0], kernel, strides, pads, dilations, ceil_mode=n.flag("ceil_mode")))]


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
    """The p-norm of every window."""
    kernel, strides, dilations, pads = _window(n)
    x, p = n[0], n.int("p", 2)
    powers = n(nn.Pow(n(nn.Abs(x)), n.like(p, x)))
    total = n(nn.SumPool(powers, kernel, strides, pads, dilations, ceil_mode=n.flag("ceil_mode")))
    return n(nn.Pow(total, n.like(1 / p, x)))
