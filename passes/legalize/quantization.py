"""Quantization: linear maps between floats and integers, and operators on quantized tensors."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import Scalar, f32, i32, ui8
from .content import dims, scalar
from .contraction import matrix_product, padding, window
from .elementwise import data_type
from .node import Node, normal_axis
from .registry import legalize


@legalize("DequantizeLinear")
def dequantize_linear(n: Node) -> Value:
    """(x - zero_point) * scale, the difference in i32 (or in the scale's type for floats)."""
    x, scale = n[0], n[1]
    result = data_type(n.int("output_dtype")) if n.int("output_dtype") else scalar(scale)
    if (zero := n.get(2)) is not None:
        wide = i32 if scalar(x).is_integer else f32
        difference = n(nn.Sub(n.cast(x, wide), n.cast(_per_axis(n, zero), wide)))
    else:
        difference = x
    factor = n.cast(_per_axis(n, scale), f32)
    return n.cast(n(nn.Mul(n.cast(difference, f32), factor)), result)


@legalize("QuantizeLinear")
def quantize_linear(n: Node) -> Value:
    """Round x / scale to even, add the zero point and saturate."""
    x, scale, zero = n[0], n[1], n.get(2)
    target = scalar(zero) if zero is not None else data_type(n.int("output_dtype") or 2)
    quotient = n(nn.Div(n.cast(x, f32), n.cast(_per_axis(n, scale), f32)))
    if not target.is_integer:
        return n.cast(quotient, target)
    rounded = n(nn.Round(quotient))
    if zero is not None:
        rounded = n(nn.Add(rounded, n.cast(_per_axis(n, zero), f32)))
    low, high = integer_range(target)
    limited = n(nn.Clip(rounded, n.constant(low, f32), n.constant(high, f32)))
    return n.cast(limited, target)


def integer_range(dtype: Scalar) -> tuple[int, int]:
    unsigned = dtype.name.startswith("ui")
    return (0, 2**dtype.bits - 1) if unsigned else (-(2 ** (dtype.bits - 1)), 2 ** (dtype.bits - 1) - 1)


def _per_axis(n: Node, parameter: Value) -> Value:
    """A scale or zero point made to broadcast against the first input: for all, along an axis, or in blocks."""
    shape, own = dims(n[0]), dims(parameter)
    if not own or own == (1,):
        return n.reshape(parameter, ())
    axis = normal_axis(n.int("axis", 1), len(shape))
    if len(own) == 1:
        return n.reshape(parameter, [own[0] if i == axis else 1 for i in range(len(shape))])
    block = n.int("block_size")
    if not block:
        return parameter
    return _repeat(n, parameter, axis, block, shape)


def _repeat(n: Node, x: Value, axis: int, times: int, shape: tuple[Dim, ...]) -> Value:
    """Every entry along `axis` `times` times, cut to `shape`."""
    own = dims(x)
    spread = n.broadcast(n.unsqueeze(x, [axis + 1]), [*own[: axis + 1], times, *own[axis + 1 :]])
    joined = n.reshape(spread, [*own[:axis], own[axis] * times, *own[axis + 1 :]])
    return n.narrow(joined, axis, 0, shape[axis])


def dequantized(n: Node, x: Value, scale: Value, zero: Value | None, axis: int | None = None) -> Value:
    """(x - zero) * scale in f32, the parameters for all or along `axis`."""
    difference = n.cast(x, i32)
    if zero is not None:
        difference = n(nn.Sub(difference, n.cast(_along(n, zero, x, axis), i32)))
    return n(nn.Mul(n.cast(difference, f32), n.cast(_along(n, scale, x, axis), f32)))


def quantized(n: Node, y: Value, scale: Value, zero: Value | None, target: Scalar) -> Value:
    rounded = n(nn.Round(n(nn.Div(n.cast(y, f32), n.cast(n.reshape(scale, ()), f32)))))
    if zero is not None:
        rounded = n(nn.Add(rounded, n.cast(n.reshape(zero, ()), f32)))
    low, high = integer_range(target)
    return n.cast(n(nn.Clip(rounded, n.constant(low, f32), n.constant(high, f32))), target)


def _along(n: Node, parameter: Value, x: Value, axis: int | None) -> Value:
    own = dims(parameter)
    if not own or own == (1,) or axis is None:
        return n.reshape(parameter, ()) if own in ((), (1,)) else parameter
    rank = len(dims(x))
    return n.reshape(parameter, [own[0] if i == axis % rank else 1 for i in range(rank)])


@legalize("QLinearMatMul")
def qlinear_matmul(n: Node) -> Value:
    """Inputs: a, its scale and zero point, b with its own, and those of the result."""
    a = dequantized(n, n[0], _rows(n, n[1]), _rows(n, n[2]))
    b = dequantized(n, n[3], n[4], n[5], -1)
    return quantized(n, matrix_product(n, a, b), n[6], n[7], scalar(n[7]))


def _rows(n: Node, parameter: Value) -> Value:
    """A parameter for each row of a matrix as a column."""
    own = dims(parameter)
    return n.unsqueeze(parameter, [1]) if len(own) == 1 and own != (1,) else parameter


@legalize("QLinearConv")
def qlinear_conv(n: Node) -> Value:
    """As QLinearMatMul, w's parameters for each output channel; the bias is in steps of both scales."""
    x = dequantized(n, n[0], n[1], n[2])
    w = dequantized(n, n[3], n[4], n[5], 0)
    bias = n.get(8)
    if bias is not None:
        step = n(nn.Mul(n.reshape(n[1], ()), n[4] if dims(n[4]) not in ((), (1,)) else n.reshape(n[4], ())))
        bias = n(nn.Mul(n.cast(bias, f32), step))
    kernel = [n.static(w, axis, "the kernel's size") for axis in range(2, len(dims(w)))]
    strides, dilations = window(n, len(kernel))
    pads = padding(n, dims(x)[2:], kernel, strides, dilations)
    group = n.int("group", 1)
    y = n(nn.Conv(x, w, bias=bias, strides=strides, pads=pads, dilations=dilations, group=group))
    return quantized(n, y, n[6], n[7], scalar(n[7]))


def _qlinear_binary(op: type[nn.Add | nn.Mul]) -> Callable[[Node], Value]:
    """Inputs: a, its scale and zero point, b with its own, and those of the result; the zero points may be missing."""

    def function(n: Node) -> Value:
        a, b = dequantized(n, n[0], n[1], n.get(2)), dequantized(n, n[3], n[4], n.get(5))
        return quantized(n, n(op(a, b)), n[6], n.get(7), scalar(n[0]))

    return function


legalize("QLinearAdd", domain="com.microsoft")(_qlinear_binary(nn.Add))
legalize("QLinearMul", domain="com.microsoft")(_qlinear_binary(nn.Mul))
legalize("DequantizeLinear", domain="com.microsoft")(dequantize_linear)
legalize("QuantizeLinear", domain="com.microsoft")(quantize_linear)


@legalize("QLinearSigmoid", domain="com.microsoft")
def qlinear_sigmoid(n: Node) -> Value:
    x = dequantized(n, n[0], n[1], n.get(2))
    return quantized(n, n(nn.Sigmoid(x)), n[3], n.get(4), scalar(n[0]))


@legalize("QLinearLeakyRelu", domain="com.microsoft")
def qlinear_leaky_relu(n: Node) -> Value:
    x = dequantized(n, n[0], n[1], n.get(2))
    return quantized(n, n(nn.LeakyRelu(x, alpha=n.float("alpha", 0.01))), n[3], n.get(4), scalar(n[0]))


@legalize("QLinearGlobalAveragePool", domain="com.microsoft")
def qlinear_global_average_pool(n: Node) -> Value:
    x = dequantized(n, n[0], n[1], n.get(2))
    axes = range(1, len(dims(x)) - 1) if n.flag("channels_last") else range(2, len(dims(x)))
    return quantized(n, n.reduce(x, "mean", axes, True), n[3], n.get(4), scalar(n[0]))


@legalize("DynamicQuantizeLinear")
def dynamic_quantize_linear(n: Node) -> list[Value]:
    return list(_dynamic(n, n[0]))


def _dynamic(n: Node, x: Value) -> tuple[Value, Value, Value]:
    """x in 255 steps of ui8 over its range, 0 included; the step and the zero point."""
    axes, zero = range(len(dims(x))), n.constant(0, f32)
    low = n(nn.Min(n.reduce(x, "min", axes), zero))
    high = n(nn.Max(n.reduce(x, "max", axes), zero))
    scale = n(nn.Div(n(nn.Sub(high, low)), n.constant(255, f32)))
    point = n(nn.Round(n(nn.Div(n(nn.Neg(low)), scale))))
    point = n.cast(n(nn.Clip(point, zero, n.constant(255, f32))), ui8)
    return quantized(n, x, scale, point, ui8), scale, point


@legalize("DynamicQuantizeMatMul", domain="com.microsoft")
def dynamic_quantize_matmul(n: Node) -> Value:
    """Inputs: a of floats, b quantized with its scale and zero point, bias. a is rounded to its own ui8 steps first."""
    quantized, scale, point = _dynamic(n, n[0])
    a = dequantized(n, quantized, scale, point)
    y = matrix_product(n, a, dequantized(n, n[1], n[2], n.get(3), -1))
    return y if n.get(4) is None else n(nn.Add(y, n[4]))


@legalize("MatMulIntegerToFloat", domain="com.microsoft")
def matmul_integer_to_float(n: Node) -> Value:
    """Inputs: a, b, their scales, their zero points, bias."""
    a = dequantized(n, n[0], n[2], n.get(4))
    y = matrix_product(n, a, dequantized(n, n[1], n[3], n.get(5), -1))
    return y if n.get(6) is None else n(nn.Add(y, n[6]))
