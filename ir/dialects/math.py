"""Mathematical functions on scalars and vectors: upstream's `math`, with its names and operand order.

Evaluated in the operand's type as NumPy does it; types narrower than f32 are computed in f32 and rounded once.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ..attributes import OpaqueAttr
from ..core import Value
from ..scalar import FUNCTIONS
from ..types import Type
from .arith import ArithOp, FloatBinary, IntegerBinary, scalar_or_array


def _in_f32(function: Any, *operands: Any) -> Any:
    """`function` of arrays of one float type, computed in f32 at least."""
    dtype = np.asarray(operands[0]).dtype
    if dtype == np.float32 or dtype == np.float64:
        return scalar_or_array(np.asarray(function(*operands)).astype(dtype, copy=False))
    wide = function(*(np.asarray(x).astype(np.float32) for x in operands))
    return scalar_or_array(np.asarray(wide).astype(dtype))


class FloatUnary(ArithOp):
    """A function of one float."""

    operand: Value
    fastmath: OpaqueAttr | None = None
    function: ClassVar[Any]

    def infer(self) -> list[Type]:
        return [self.float_like(self.operand)]

    def evaluate(self, operand: Any) -> Any:
        return _in_f32(type(self).function, operand)


def _round(x: Any) -> Any:
    whole = np.trunc(x)
    return whole + np.where(np.abs(x - whole) >= 0.5, np.copysign(np.ones_like(x), x), np.zeros_like(x))


class Exp(FloatUnary, name="math.exp"):
    """e to the operand."""

    function = staticmethod(np.exp)


class Exp2(FloatUnary, name="math.exp2"):
    """2 to the operand."""

    function = staticmethod(np.exp2)


class ExpM1(FloatUnary, name="math.expm1"):
    """e to the operand, minus 1, exact near 0."""

    function = staticmethod(np.expm1)


class Log(FloatUnary, name="math.log"):
    """The natural logarithm."""

    function = staticmethod(np.log)


class Log2(FloatUnary, name="math.log2"):
    """The logarithm of base 2."""

    function = staticmethod(np.log2)


class Log10(FloatUnary, name="math.log10"):
    """The logarithm of base 10."""

    function = staticmethod(np.log10)


class Log1p(FloatUnary, name="math.log1p"):
    """The logarithm of 1 + operand, exact near 0."""

    function = staticmethod(np.log1p)


class Sqrt(FloatUnary, name="math.sqrt"):
    """The square root."""

    function = staticmethod(np.sqrt)


class Rsqrt(FloatUnary, name="math.rsqrt"):
    """1 / sqrt(operand)."""

    function = staticmethod(lambda x: 1 / np.sqrt(x))


class Cbrt(FloatUnary, name="math.cbrt"):
    """The cube root."""

    function = staticmethod(np.cbrt)


class Erf(FloatUnary, name="math.erf"):
    """The error function."""

    function = staticmethod(FUNCTIONS["erf"].numpy)


class Sin(FloatUnary, name="math.sin"):
    """The sine."""

    function = staticmethod(np.sin)


class Cos(FloatUnary, name="math.cos"):
    """The cosine."""

    function = staticmethod(np.cos)


class Tan(FloatUnary, name="math.tan"):
    """The tangent."""

    function = staticmethod(np.tan)


class Asin(FloatUnary, name="math.asin"):
    """The arc sine."""

    function = staticmethod(np.arcsin)


class Acos(FloatUnary, name="math.acos"):
    """The arc cosine."""

    function = staticmethod(np.arccos)


class Atan(FloatUnary, name="math.atan"):
    """The arc tangent."""

    function = staticmethod(np.arctan)


class Sinh(FloatUnary, name="math.sinh"):
    """The hyperbolic sine."""

    function = staticmethod(np.sinh)


class Cosh(FloatUnary, name="math.cosh"):
    """The hyperbolic cosine."""

    function = staticmethod(np.cosh)


class Tanh(FloatUnary, name="math.tanh"):
    """The hyperbolic tangent."""

    function = staticmethod(np.tanh)


class Asinh(FloatUnary, name="math.asinh"):
    """The inverse hyperbolic sine."""

    function = staticmethod(np.arcsinh)


class Acosh(FloatUnary, name="math.acosh"):
    """The inverse hyperbolic cosine."""

    function = staticmethod(np.arccosh)


class Atanh(FloatUnary, name="math.atanh"):
    """The inverse hyperbolic tangent."""

    function = staticmethod(np.arctanh)


class Floor(FloatUnary, name="math.floor"):
    """The greatest whole number not above."""

    function = staticmethod(np.floor)


class Ceil(FloatUnary, name="math.ceil"):
    """The least whole number not below."""

    function = staticmethod(np.ceil)


class Trunc(FloatUnary, name="math.trunc"):
    """The whole number towards zero."""

    function = staticmethod(np.trunc)


class RoundEven(FloatUnary, name="math.roundeven"):
    """The nearest whole number, halves to even."""

    function = staticmethod(np.rint)


class Round(FloatUnary, name="math.round"):
    """The nearest whole number, halves away from zero."""

    function = staticmethod(_round)


class AbsF(FloatUnary, name="math.absf"):
    """The magnitude."""

    function = staticmethod(np.abs)


class AbsI(ArithOp, name="math.absi"):
    """The magnitude of a signed integer."""

    operand: Value

    def infer(self) -> list[Type]:
        return [self.integer_like(self.operand)]

    def evaluate(self, operand: Any) -> Any:
        return np.abs(operand)


class _FloatFunction(FloatBinary):
    def evaluate(self, lhs: Any, rhs: Any) -> Any:
        return _in_f32(type(self).function, lhs, rhs)


class PowF(_FloatFunction, name="math.powf"):
    """lhs to the power of rhs."""

    function = staticmethod(np.power)


class Atan2(_FloatFunction, name="math.atan2"):
    """The angle of the point (rhs, lhs)."""

    function = staticmethod(np.arctan2)


class CopySign(_FloatFunction, name="math.copysign"):
    """The magnitude of lhs with the sign of rhs."""

    function = staticmethod(np.copysign)


class IPowI(IntegerBinary, name="math.ipowi"):
    """lhs to the power of rhs, on integers; a negative exponent counts as 0."""

    function = staticmethod(FUNCTIONS["pow"].numpy)


class FPowI(ArithOp, name="math.fpowi"):
    """A float to an integer's power."""

    lhs: Value
    rhs: Value
    fastmath: OpaqueAttr | None = None

    def infer(self) -> list[Type]:
        self.integer_like(self.rhs)
        return [self.float_like(self.lhs)]

    def evaluate(self, lhs: Any, rhs: Any) -> Any:
        return _in_f32(lambda base: np.power(base, np.asarray(rhs).astype(base.dtype)), np.asarray(lhs))


class Fma(ArithOp, name="math.fma"):
    """a * b + c, rounded once."""

    a: Value
    b: Value
    c: Value
    fastmath: OpaqueAttr | None = None

    def infer(self) -> list[Type]:
        self.require(self.a.type == self.b.type == self.c.type, "takes three operands of one type")
        return [self.float_like(self.a)]

    def evaluate(self, a: Any, b: Any, c: Any) -> Any:
        return fused_multiply_add(a, b, c)


def fused_multiply_add(a: Any, b: Any, c: Any) -> Any:
    """a * b + c of one float type; exact before the last rounding for types up to f32."""
    dtype = np.asarray(a).dtype
    wide = np.asarray(a).astype(np.float64) * np.asarray(b).astype(np.float64) + np.asarray(c).astype(np.float64)
    return scalar_or_array(np.asarray(wide).astype(dtype))
