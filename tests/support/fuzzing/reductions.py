"""Reductions and normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from .families import family
from .graph import Graph, Tensor
from .numbers import BF16, F16, F32, F64, I32, I64, is_float

_KINDS = ("Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")


def _filled(tensor: Tensor) -> bool:
    return 0 not in tensor.shape


@family(weight=3)
def reduce(g: Graph) -> None:
    kind = g.choose(_KINDS)
    x = g.operand((F32, F32, F64, F16, I32, I64) if kind in ("Sum", "Max", "Min", "Prod") else (F32, F64, F16))
    exact = kind in ("Max", "Min") or not is_float(x.dtype)
    if kind in ("Max", "Min") and np.isnan(x.array.astype(np.float64)).any():
        return  # ONNX Runtime's answer depends on where it stands
    axes = g.axes(x.rank, 1) if x.rank and g.chance(0.85) else None
    if axes and not _filled(x):  # where ONNX Runtime takes negative axes for others
        axes = [axis % x.rank for axis in axes]
    as_input = g.opset >= 18 or (kind == "Sum" and g.opset >= 13)
    flags: dict[str, Any] = {"keepdims": g.random.randint(0, 1)} if g.chance(0.8) else {}
    if as_input:
        if axes is None and g.chance(0.3):
            flags["noop_with_empty_axes"] = 1
        operands = [x] if axes is None else [x, g.given(axes, I64, constant=0.95)]
        g.node(f"Reduce{kind}", operands, exact=exact, **flags)
    else:
        g.node(f"Reduce{kind}", [x], exact=exact, axes=axes, **flags)


@family(since=12)
def arg(g: Graph) -> None:
    x = g.operand((F32, F64, I32), low=1, exact=True, where=_filled)
    if is_float(x.dtype) and np.isnan(x.array).any():
        return
    flags: dict[str, Any] = {"keepdims": g.random.randint(0, 1), "select_last_index": g.random.randint(0, 1)}
    g.node(g.choose(["ArgMax", "ArgMin"]), [x], exact=True, axis=g.axis(x.rank), **flags)


@family(since=13, weight=2)
def softmax(g: Graph) -> None:
    kind = g.choose(["Softmax", "Softmax", "LogSoftmax"])
    # Of bf16 the reference evaluator takes the logarithm of what has become 0.
    # Of infinities ONNX Runtime's has none of the not-a-numbers that its definition has.
    types = (F32, F32, F64, F16, BF16) if kind == "Softmax" else (F32, F64, F16)
    x = g.operand(types, low=1, where=_filled if kind == "Softmax" else _moderate)
    g.node(kind, [x], axis=g.axis(x.rank))


@family(since=13, weight=0.5)
def hardmax(g: Graph) -> None:
    x = g.operand((F32, F64), low=1, exact=True, where=lambda t: _filled(t) and not np.isnan(t.array).any())
    g.node("Hardmax", [x], exact=True, axis=g.axis(x.rank))


def _channels(g: Graph, x: Tensor, positive: bool = False) -> Tensor:
    array = g.rng.standard_normal(x.shape[1])
    return g.given((np.abs(array) + 0.1 if positive else array).astype(x.dtype), constant=0.8)


@family(since=9)
def batch_norm(g: Graph) -> None:
    x = g.operand((F32, F64), low=2)
    operands = [_channels(g, x), _channels(g, x), _channels(g, x), _channels(g, x, positive=True)]
    g.node("BatchNormalization", [x, *operands], epsilon=g.choose([1e-5, 1e-2]))


def _moderate(tensor: Tensor) -> bool:
    """Whether a variance of the numbers is one of the same size."""
    return _filled(tensor) and float(np.abs(tensor.array).max()) < 1e3


@family()
def instance_norm(g: Graph) -> None:
    x = g.operand((F32,), low=3, where=_moderate)
    g.node("InstanceNormalization", [x, _channels(g, x), _channels(g, x)], floor=64, epsilon=g.choose([1e-5, 1e-2]))


@family(since=17)
def layer_norm(g: Graph) -> None:
    x = g.operand((F32, F32, F64, F16), low=1, where=_moderate)
    axis = g.axis(x.rank)
    scale, bias = (g.new(x.dtype, x.shape[axis:], 0.7) for _ in range(2))
    g.node("LayerNormalization", [x, scale, g.choose([bias, None])], axis=axis, epsilon=g.choose([1e-5, 1e-2]))


@family(since=23)
def rms_norm(g: Graph) -> None:
    x = g.operand((F32, F64, F16), low=1, where=_moderate)
    axis = g.axis(x.rank)
    g.node("RMSNormalization", [x, g.new(x.dtype, x.shape[axis:], 0.7)], axis=axis, epsilon=g.choose([1e-5, 1e-2]))


@family(since=21)
def group_norm(g: Graph) -> None:
    groups = g.random.randint(1, 3)
    x = g.new(F32, (g.random.randint(1, 3), groups * g.random.randint(1, 3), *g.shape(1, 2)), 0)
    if 0 not in x.shape:
        operands = [x, _channels(g, x), _channels(g, x)]
        g.node("GroupNormalization", operands, num_groups=groups, epsilon=g.choose([1e-5, 1e-2]))


@family()
def other_norm(g: Graph) -> None:
    kind = g.choose(["LRN", "LpNormalization", "MeanVarianceNormalization"])
    x = g.operand((F32,), low=4, where=_moderate)
    if kind == "LRN":
        g.node(kind, [x], size=g.choose([1, 3, 5]), alpha=0.01, beta=0.75, bias=1.5)
    elif kind == "LpNormalization":
        g.node(kind, [x], axis=g.axis(x.rank), p=g.random.randint(1, 2))
    else:
        # its definition takes the difference of two means
        g.node(kind, [x], floor=64, axes=[a % 4 for a in g.axes(4, 1)])


@family()
def spelled_layer_norm(g: Graph) -> None:
    """Layer normalization as exporters of old opsets write it."""
    x = g.operand((F32, F16), low=2, where=_moderate)
    if g.opset >= 18:
        axes: dict[str, Any] = {}
        extra = [g.constant([-1], I64)]
    else:
        axes, extra = {"axes": [-1]}, []
    (mean,) = g.node("ReduceMean", [x, *extra], **axes)
    (centred,) = g.node("Sub", [x, mean])
    (square,) = g.node("Pow", [centred, g.constant(np.array(2, x.dtype))])
    (variance,) = g.node("ReduceMean", [square, *extra], **axes)
    (safe,) = g.node("Add", [variance, g.constant(np.array(1e-3, x.dtype))])
    (normal,) = g.node("Div", [centred, *g.node("Sqrt", [safe])])
    (scaled,) = g.node("Mul", [normal, g.new(x.dtype, x.shape[-1:], 1)])
    g.node("Add", [scaled, g.new(x.dtype, x.shape[-1:], 1)])
