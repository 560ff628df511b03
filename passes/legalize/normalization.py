"""Softmax and the normalizations."""

from __future__ import annotations

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.numpy_body import is_narrow
from ...ir.types import f32
from .content import dims, scalar
from .node import Node
from .registry import UnsupportedError, legalize


def _coerced(n: Node, op: type[nn.Softmax | nn.LogSoftmax]) -> Value:
    """Before opset 13: over all dimensions from `axis` on, as one."""
    shape = dims(n[0])
    axis = n.axis(len(shape), default=1)
    if axis == len(shape) - 1:
        return n(op(n[0], axis))
    rows, columns = symbols.product(shape[:axis]), symbols.product(shape[axis:])
    return n.reshape(n(op(n.reshape(n[0], [rows, columns]), 1)), shape)


@legalize("Softmax")
def softmax_coerced(n: Node) -> Value:
    return _coerced(n, nn.Softmax)


@legalize("LogSoftmax")
def log_softmax_coerced(n: Node) -> Value:
    return _coerced(n, nn.LogSoftmax)


@legalize("Softmax", since=13)
def softmax(n: Node) -> Value:
    return n(nn.Softmax(n[0], n.axis(len(dims(n[0])), default=-1)))


@legalize("LogSoftmax", since=13)
def log_softmax(n: Node) -> Value:
    return n(nn.LogSoftmax(n[0], n.axis(len(dims(n[0])), default=-1)))


@legalize("BatchNormalization")
def batch_normalization(n: Node) -> Value:
    if n.wants(1):
        raise UnsupportedError("training mode before opset 14")
    if not n.flag("spatial", True):
        raise UnsupportedError("spatial = 0")
    dtype = scalar(n[0])
    parameters = [n.cast(n[i], dtype) for i in range(1, 5)]
    return n(nn.BatchNorm(n[0], *parameters, epsilon=n.float("epsilon", 1e-5)))


@legalize("BatchNormalization", since=14)
def batch_normalization_14(n: Node) -> list[Value]:
    """In training mode the batch's own mean and variance count; the other results move the given ones towards them."""
    if not n.flag("training_mode"):
        return [batch_normalization(n)]
    x = n[0]
    axes = [axis for axis in range(len(dims(x))) if axis != 1]
    wide = n.cast(x, f32) if is_narrow(scalar(x)) else x
    mean = n.reduce(wide, "mean", axes)
    column = [dims(x)[1] if axis == 1 else 1 for axis in range(len(dims(x)))]
    centered = n(nn.Sub(wide, n.reshape(mean, column)))
    variance = n.reduce(n(nn.Mul(centered, centered)), "mean", axes)
    scale, bias = (n.cast(n[i], scalar(wide)) for i in (1, 2))
    y = n.cast(n(nn.BatchNorm(wide, scale, bias, mean, variance, epsilon=n.float("epsilon", 1e-5))), scalar(x))
    return [y, _moved(n, n[3], mean), _moved(n, n[4], variance)]


def _moved(n: Node, running: Value, batch: Value) -> Value:
    """The running statistic moved towards the batch's."""
    momentum = n.float("momentum", 0.9)
    old = n(nn.Mul(n.cast(running, scalar(batch)), n.like(momentum, batch)))
    return n.cast(n(nn.Add(old, n(nn.Mul(batch, n.like(1 - momentum, batch))))), scalar(running))


@legalize("LayerNormalization")
def layer_normalization(n: Node) -> list[Value | None]:
    x = n[0]
    axis, epsilon = n.axis(len(dims(x)), default=-1), n.float("epsilon", 1e-5)
    y = n(nn.LayerNorm(x, n.get(1), n.get(2), axis=axis, epsilon=epsilon))
    return [y, *_statistics(n, x, axis, epsilon)]


def _statistics(n: Node, x: Value, axis: int, epsilon: float) -> list[Value | None]:
    """The mean and the reciprocal of the standard deviation, where they are asked for."""
    if not n.wants(1) and not n.wants(2):
        return []
    axes = range(axis, len(dims(x)))
    wide = n.cast(x, f32)
    mean = n.reduce(wide, "mean", axes, True)
    centered = n(nn.Sub(wide, mean))
    variance = n.reduce(n(nn.Mul(centered, centered)), "mean", axes, True)
    return [mean, n(nn.Rsqrt(n(nn.Add(variance, n.like(epsilon, variance)))))]


@legalize("RMSNormalization", "SimplifiedLayerNormalization")
def rms_normalization(n: Node) -> Value:
    axis = n.axis(len(dims(n[0])), default=-1)
    return n(nn.RmsNorm(n[0], n.get(1), axis=axis, epsilon=n.float("epsilon", 1e-5)))


legalize("LayerNormalization", domain="com.microsoft")(layer_normalization)
legalize("SimplifiedLayerNormalization", domain="com.microsoft")(rms_normalization)


@legalize("SkipLayerNormalization", domain="com.microsoft")
def skip_layer_normalization(n: Node) -> list[Value | None]:
    """layer_norm(x + skip + bias); the fourth result is the sum."""
    total = n(nn.Add(n[0], n[1]))
    if (bias := n.get(4)) is not None:
        total = n(nn.Add(total, bias))
    axis, epsilon = len(dims(total)) - 1, n.float("epsilon", 1e-12)
    mean, deviation = _statistics(n, total, axis, epsilon) or (None, None)
    return [n(nn.LayerNorm(total, n[2], n.get(3), axis=axis, epsilon=epsilon)), mean, deviation, total]


@legalize("SkipSimplifiedLayerNormalization", domain="com.microsoft")
def skip_rms_normalization(n: Node) -> list[Value | None]:
    total = n(nn.Add(n[0], n[1]))
    if (bias := n.get(3)) is not None:
        total = n(nn.Add(total, bias))
    if n.wants(1) or n.wants(2):
        raise UnsupportedError("the mean or the standard deviation as a result")
    axis = len(dims(total)) - 1
    return [n(nn.RmsNorm(total, n[2], axis=axis, epsilon=n.float("epsilon", 1e-5))), None, None, total]


@legalize("InstanceNormalization")
def instance_normalization(n: Node) -> Value:
    return n(nn.InstanceNorm(n[0], n[1], n[2], epsilon=n.float("epsilon", 1e-5)))


@legalize("GroupNormalization")
def group_normalization(n: Node) -> Value:
    """Up to opset 20 a scale and a bias for each group, from 21 on for each channel."""
    x, scale, bias = n[0], n[1], n[2]
    groups = n.int("num_groups")
    if n.opset < 21:
        channels = n.static(x, 1, "the number of channels")
        scale, bias = (_for_channels(n, parameter, groups, channels) for parameter in (scale, bias))
    return n(nn.GroupNorm(x, scale, bias, groups=groups, epsilon=n.float("epsilon", 1e-5)))


def _for_channels(n: Node, parameter: Value, groups: int, channels: int) -> Value:
    spread = n.broadcast(n.reshape(parameter, [groups, 1]), [groups, channels // groups])
    return n.reshape(spread, [channels])


@legalize("LRN")
def lrn(n: Node) -> Value:
    alpha, beta, bias = n.float("alpha", 1e-4), n.float("beta", 0.75), n.float("bias", 1.0)
    n.require(n.int("size") > 0, f"size {n.int('size')}; expected a positive one")
    return n(nn.Lrn(n[0], size=n.int("size"), alpha=alpha, beta=beta, bias=bias))


@legalize("LpNormalization")
def lp_normalization(n: Node) -> Value:
    """x over its L1 or L2 norm along an axis; 0 where the norm is 0."""
    x = n[0]
    axis, p = n.axis(len(dims(x)), default=-1), n.int("p", 2)
    powers = n(nn.Abs(x)) if p == 1 else n(nn.Mul(x, x))
    norm = n.reduce(powers, "add", [axis], True)
    norm = norm if p == 1 else n(nn.Sqrt(norm))
    zero = n.like(0, x)
    return n(nn.Where(n(nn.Eq(norm, zero)), zero, n(nn.Div(x, norm))))


@legalize("MeanVarianceNormalization")
def mean_variance_normalization(n: Node) -> Value:
    x = n[0]
    rank = len(dims(x))
    axes = sorted(axis + rank if axis < 0 else axis for axis in n.ints("axes") or (0, 2, 3))
    centered = n(nn.Sub(x, n.reduce(x, "mean", axes, True)))
    variance = n.reduce(n(nn.Mul(centered, centered)), "mean", axes, True)
    return n(nn.Div(centered, n(nn.Add(n(nn.Sqrt(variance)), n.like(1e-9, x)))))
