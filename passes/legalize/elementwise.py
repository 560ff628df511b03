"""Element-wise operators: one nn op each, or a few."""

from __future__ import annotations

import functools
from collections.abc import Callable

from ...ir.attributes import UnitAttr
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.numpy_body import is_small
from ...ir.types import SCALARS, Scalar, f32, i1, i8, i32, ui8
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

# Operators whose meaning is one nn op's on the same operands.
_UNARY: dict[str, type[nn.Unary]] = {
    "Abs": nn.Abs, "Neg": nn.Neg, "Exp": nn.Exp, "Log": nn.Log, "Sqrt": nn.Sqrt, "Reciprocal": nn.Reciprocal,
    "Floor": nn.Floor, "Ceil": nn.Ceil, "Round": nn.Round, "Sign": nn.Sign, "Sin": nn.Sin, "Cos": nn.Cos,
    "Tan": nn.Tan, "Asin": nn.Asin, "Acos": nn.Acos, "Atan": nn.Atan, "Sinh": nn.Sinh, "Cosh": nn.Cosh,
    "Tanh": nn.Tanh, "Asinh": nn.Asinh, "Acosh": nn.Acosh, "Atanh": nn.Atanh, "Erf": nn.Erf, "Relu": nn.Relu,
    "Sigmoid": nn.Sigmoid, "HardSwish": nn.HardSwish, "Softplus": nn.Softplus, "Softsign": nn.Softsign,
    "Mish": nn.Mish, "Not": nn.Not, "BitwiseNot": nn.Not, "IsNaN": nn.IsNan,
}  # fmt: skip
_BINARY: dict[str, type[nn.Binary]] = {
    "Add": nn.Add, "Sub": nn.Sub, "Mul": nn.Mul, "Div": nn.Div, "And": nn.And, "Or": nn.Or, "Xor": nn.Xor,
    "BitwiseAnd": nn.And, "BitwiseOr": nn.Or, "BitwiseXor": nn.Xor, "Equal": nn.Eq, "Less": nn.Lt,
    "LessOrEqual": nn.Le, "Greater": nn.Gt, "GreaterOrEqual": nn.Ge,
}  # fmt: skip


def _one_operand(op: type[nn.Unary]) -> Callable[[Node], Value]:
    return lambda n: n(op(n[0]))


def _two_operands(op: type[nn.Binary]) -> Callable[[Node], Value]:
    return lambda n: n(op(n[0], n[1]))


for _name, _unary in _UNARY.items():
    legalize(_name)(_one_operand(_unary))
for _name, _binary in _BINARY.items():
    legalize(_name)(_two_operands(_binary))


@legalize("Identity", "Dropout")
def identity(n: Node) -> list[Value]:
    """Dropout does nothing at inference; its mask keeps everything."""
    if not n.wants(1):
        return [n[0]]
    dtype = i1 if n.opset >= 10 else scalar(n[0])
    return [n[0], n.full(1, dims(n[0]), dtype)]


@legalize("Dropout", since=12)
def dropout(n: Node) -> list[Value]:
    """The ratio and the training mode are inputs; a training mode that does something is not for inference."""
    if (training := n.get(2)) is not None:
        mode, ratio = n.constant_of(training), n.constant_of(n.get(1))
        active = mode is None or bool(mode.any())
        if active and (ratio is None or bool(ratio.any())):
            raise UnsupportedError("training mode")
    return identity(n)


@legalize("Pow")
def pow(n: Node) -> Value:
    """The result has the base's type."""
    base, exponent = n[0], n[1]
    if scalar(base) == scalar(exponent):
        return n(nn.Pow(base, exponent))
    if scalar(base).is_integer and scalar(exponent).is_float:
        power = n(nn.Pow(n.cast(base, scalar(exponent)), exponent))
        return n.cast(power, scalar(base))
    return n(nn.Pow(base, n.cast(exponent, scalar(base))))


@legalize("Mod")
def mod(n: Node) -> Value:
    return n(nn.Fmod(n[0], n[1]) if n.flag("fmod") else nn.Mod(n[0], n[1]))


@legalize("BitShift")
def bit_shift(n: Node) -> Value:
    return n(nn.ShiftLeft(n[0], n[1]) if n.str("direction") == "LEFT" else nn.ShiftRight(n[0], n[1]))


@legalize("Max")
def max(n: Node) -> Value:
    return functools.reduce(lambda a, b: n(nn.Max(a, b)), n.inputs)


@legalize("Min")
def min(n: Node) -> Value:
    return functools.reduce(lambda a, b: n(nn.Min(a, b)), n.inputs)


@legalize("Sum")
def sum(n: Node) -> Value:
    return functools.reduce(lambda a, b: n(nn.Add(a, b)), n.inputs)


@legalize("Mean")
def mean(n: Node) -> Value:
    total = sum(n)
    return n(nn.Div(total, n.like(len(n), total)))


@legalize("Where")
def where(n: Node) -> Value:
    return n(nn.Where(n[0], n[1], n[2]))


@legalize("Clip")
def clip_attributes(n: Node) -> Value:
    low = n.like(n.float("min"), n[0]) if n.attribute("min") is not None else None
    high = n.like(n.float("max"), n[0]) if n.attribute("max") is not None else None
    return _clip(n, n[0], low, high)


@legalize("Clip", since=11)
def clip(n: Node) -> Value:
    return _clip(n, n[0], n.get(1), n.get(2))


def _clip(n: Node, x: Value, low: Value | None, high: Value | None) -> Value:
    return x if low is None and high is None else n(nn.Clip(x, low, high))


@legalize("IsInf")
def is_inf(n: Node) -> Value:
    negative, positive = n.flag("detect_negative", True), n.flag("detect_positive", True)
    if negative and positive:
        return n(nn.IsInf(n[0]))
    if not negative and not positive:
        return n.full(False, dims(n[0]), i1)
    side = n.like(0, n[0])
    return n(nn.And(n(nn.IsInf(n[0])), n(nn.Lt(n[0], side) if negative else nn.Gt(n[0], side))))


@legalize("Cast")
def cast(n: Node) -> Value:
    return _cast(n, _target(n))


# The numbers of TensorProto.DataType; strings (8) are no element type of tensors that compute.
_DATA_TYPES = {
    1: "f32", 2: "ui8", 3: "i8", 4: "ui16", 5: "i16", 6: "i32", 7: "i64", 9: "i1", 10: "f16", 11: "f64", 12: "ui32",
    13: "ui64", 14: "complex<f32>", 15: "complex<f64>", 16: "bf16", 17: "f8E4M3FN", 18: "f8E4M3FNUZ", 19: "f8E5M2",
    20: "f8E5M2FNUZ", 21: "ui4", 22: "i4", 23: "f4E2M1FN", 24: "f8E8M0FNU", 25: "ui2", 26: "i2",
}  # fmt: skip


def data_type(number: int) -> Scalar:
    """The element type of a `TensorProto.DataType` number."""
    if number not in _DATA_TYPES:
        if number == 8:
            raise UnsupportedError("strings")
        raise InvalidError(f"{number} is no element type")
    return SCALARS[_DATA_TYPES[number]]


def _target(n: Node) -> Scalar:
    return data_type(n.int("to"))


@legalize("CastLike")
def cast_like(n: Node) -> Value:
    return _cast(n, scalar(n[1]))


def _cast(n: Node, dtype: Scalar) -> Value:
    if dtype.name == "f8E8M0FNU" and scalar(n[0]).is_float:
        return _power_of_two(n, n[0], n.choice("round_mode", "up", "down", "nearest"), n.flag("saturate", True))
    if is_small(dtype) and not n.flag("saturate", True):
        return n(nn.Cast(n[0], dtype, unsaturated=UnitAttr()))
    return n.cast(n[0], dtype)


def _power_of_two(n: Node, x: Value, rounding: str, saturate: bool) -> Value:
    """|x| rounded to a power of two: its code is the exponent of the f32 number, which rounding may raise by one."""
    wide = n.cast(x, f32)
    magnitude = n(nn.Abs(wide))
    bits = n(nn.BitCast(magnitude, i32))
    carry = {"up": (1 << 23) - 1, "nearest": 1 << 22, "down": 0}
    raised = n(nn.Add(bits, n.like(carry[rounding], bits)))
    if rounding == "nearest":  # 2^-127, the least number, is half of f32's least exponent
        raised = n(nn.Where(n(nn.Le(bits, n.like(1 << 22, bits))), n.like(0, bits), raised))
    code = n(nn.ShiftRight(raised, n.like(23, bits)))
    limited = n(nn.Min(code, n.like(254 if saturate else 255, code)))
    infinite = n(nn.Ge(bits, n.like(0x7F800000, bits)))
    code = n(nn.Where(infinite, n.like(255, code), limited))
    return n(nn.BitCast(n.cast(code, ui8), SCALARS["f8E8M0FNU"]))


@legalize("BitCast")
def bit_cast(n: Node) -> Value:
    """Integers of 2 and 4 bits are numbers in a byte each: their bits are those of the number modulo 2 or 4 bits."""
    x, target = n[0], _target(n)
    source = scalar(x)
    if source.bits != target.bits and not (source.is_bool or target.is_bool):
        raise InvalidError(f"the bits of {source} as {target}, which has another width")
    if source.is_bool or target.is_bool:
        return n.cast(x, target)
    if source.name in ("i2", "i4"):
        byte = n.cast(x, i8)
        x = n.cast(n(nn.And(byte, n.like(2**source.bits - 1, byte))), SCALARS[f"u{source.name}"])
    if target.name not in ("i2", "i4"):
        return x if scalar(x) == target else n(nn.BitCast(x, target))
    if scalar(x).is_float:
        x = n(nn.BitCast(x, SCALARS[f"u{target.name}"]))
    byte = n.cast(x, i8)
    sign = n.like(2 ** (target.bits - 1), byte)
    return n.cast(n(nn.Sub(n(nn.Xor(byte, sign)), sign)), target)


@legalize("PRelu")
def prelu(n: Node) -> Value:
    """Before opset 7 a slope of one dimension was one a channel, and ONNX's converter leaves such slopes alone."""
    x, slope = n[0], n[1]
    shape, count = list(dims(x)), dims(slope)[-1] if len(dims(slope)) == 1 else 1
    alone = isinstance(count, int) and len(shape) > 2 and count not in (1, shape[-1])
    if alone and (isinstance(shape[-1], int) or count == shape[1]):
        slope = n.reshape(slope, (count, *(1,) * (len(shape) - 2)))
    return n(nn.Prelu(x, slope))


@legalize("LeakyRelu")
def leaky_relu(n: Node) -> Value:
    return n(nn.LeakyRelu(n[0], alpha=n.float("alpha", 0.01)))


@legalize("Elu")
def elu(n: Node) -> Value:
    return n(nn.Elu(n[0], alpha=n.float("alpha", 1.0)))


@legalize("Celu")
def celu(n: Node) -> Value:
    return n(nn.Celu(n[0], alpha=n.float("alpha", 1.0)))


@legalize("Selu")
def selu(n: Node) -> Value:
    alpha, gamma = n.float("alpha", 1.67326319217681884765625), n.float("gamma", 1.05070102214813232421875)
    return n(nn.Selu(n[0], alpha=alpha, gamma=gamma))


@legalize("HardSigmoid")
def hard_sigmoid(n: Node) -> Value:
    return n(nn.HardSigmoid(n[0], alpha=n.float("alpha", 0.2), beta=n.float("beta", 0.5)))


@legalize("ThresholdedRelu")
def thresholded_relu(n: Node) -> Value:
    x = n[0]
    above = n(nn.Gt(x, n.like(n.float("alpha", 1.0), x)))
    return n(nn.Where(above, x, n.like(0, x)))


@legalize("Shrink")
def shrink(n: Node) -> Value:
    """x + bias below -lambd, x - bias above lambd, 0 between."""
    x = n[0]
    bias, bound = n.float("bias", 0.0), n.float("lambd", 0.5)
    low = n(nn.Lt(x, n.like(-bound, x)))
    high = n(nn.Gt(x, n.like(bound, x)))
    shrunk = n(nn.Where(high, n(nn.Sub(x, n.like(bias, x))), n.like(0, x)))
    return n(nn.Where(low, n(nn.Add(x, n.like(bias, x))), shrunk))


@legalize("Gelu")
def gelu(n: Node) -> Value:
    return n(nn.Gelu(n[0], approximate="tanh" if n.str("approximate") == "tanh" else "none"))


@legalize("Swish")
def swish(n: Node) -> Value:
    x, alpha = n[0], n.float("alpha", 1.0)
    if alpha == 1.0:
        return n(nn.Silu(x))
    return n(nn.Mul(x, n(nn.Sigmoid(n(nn.Mul(x, n.like(alpha, x)))))))


@legalize("QuickGelu", domain="com.microsoft")
def quick_gelu(n: Node) -> Value:
    x = n[0]
    return n(nn.Mul(x, n(nn.Sigmoid(n(nn.Mul(x, n.like(n.float("alpha", 1.702), x)))))))


@legalize("Gelu", domain="com.microsoft")
def microsoft_gelu(n: Node) -> Value:
    return n(nn.Gelu(n[0]))


@legalize("BiasGelu", domain="com.microsoft")
def bias_gelu(n: Node) -> Value:
    return n(nn.Gelu(n(nn.Add(n[0], n[1]))))


@legalize("FastGelu", domain="com.microsoft")
def fast_gelu(n: Node) -> Value:
    x, bias = n[0], n.get(1)
    return n(nn.Gelu(x if bias is None else n(nn.Add(x, bias)), approximate="tanh"))


@legalize("EyeLike")
def eye_like(n: Node) -> Value:
    rows, columns = dims(n[0])
    dtype = data_type(n.int("dtype")) if n.int("dtype") else scalar(n[0])
    shape = (rows, columns)
    row, column = n.iota(shape, 0), n.iota(shape, 1)
    shifted = n(nn.Add(row, n.like(n.int("k"), row)))
    return n.cast(n(nn.Eq(shifted, column)), dtype)
