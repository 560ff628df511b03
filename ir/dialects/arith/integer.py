"""Integers: arithmetic that wraps, on signless numbers whose ops say how they read them."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...attributes import OpaqueAttr, UnitAttr
from ...core import Value
from ...declare import COMMUTATIVE
from ...types import Type, i1
from .base import COMPARE, ArithOp, scalar_or_array, with_element

INTEGER_PREDICATES = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
_UNSIGNED: dict[int, Any] = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def unsigned(array: Any) -> Any:
    """The same bits read as unsigned integers; booleans stay."""
    array = np.asarray(array)
    if array.dtype == np.bool_ or array.dtype.kind == "u":
        return array
    if array.dtype.kind == "V":  # ml_dtypes' sub-byte integers, a byte each
        bits = 2 if "int2" in array.dtype.name else 4
        return array.astype(np.uint8) & np.uint8((1 << bits) - 1)
    return array.view(_UNSIGNED[array.dtype.itemsize])


class IntegerBinary(ArithOp):
    """An op on two integers of one type; `function` computes it, on unsigned views where `is_unsigned`."""

    lhs: Value
    rhs: Value
    function: ClassVar[Any]
    is_unsigned: ClassVar[bool] = False

    def infer(self) -> list[Type]:
        self.require(
            self.lhs.type == self.rhs.type, f"takes two of one type, found {self.lhs.type} and {self.rhs.type}"
        )
        return [self.integer_like(self.lhs)]

    def evaluate(self, lhs: Any, rhs: Any) -> Any:
        dtype = np.asarray(lhs).dtype
        if self.is_unsigned:
            lhs, rhs = unsigned(lhs), unsigned(rhs)
        result = np.asarray(type(self).function(np.asarray(lhs), np.asarray(rhs)))
        same_width = self.is_unsigned and dtype.kind in "iu"
        return scalar_or_array(result.view(dtype) if same_width else result.astype(dtype))


class _Overflowing(IntegerBinary):
    overflowFlags: OpaqueAttr | None = None  # noqa: N815, upstream's name


class AddI(_Overflowing, name="arith.addi", traits=(COMMUTATIVE,)):
    """lhs + rhs."""

    function = staticmethod(lambda a, b: a ^ b if a.dtype == np.bool_ else a + b)


class SubI(_Overflowing, name="arith.subi"):
    """lhs - rhs."""

    function = staticmethod(lambda a, b: a ^ b if a.dtype == np.bool_ else a - b)


class MulI(_Overflowing, name="arith.muli", traits=(COMMUTATIVE,)):
    """lhs * rhs."""

    function = staticmethod(np.multiply)


def _divide(a: Any, b: Any, rounding: str) -> Any:
    """Integer division; x / 0, undefined upstream, is 0."""
    safe = np.where(b == 0, np.ones_like(b), b)
    quotient = np.floor_divide(a, safe)
    inexact = quotient * safe != a
    if rounding == "zero":
        quotient = quotient + (inexact & ((a < 0) != (safe < 0))).astype(quotient.dtype)
    elif rounding == "ceil":
        quotient = quotient + inexact.astype(quotient.dtype)
    return np.where(b == 0, np.zeros_like(quotient), quotient)


def _remainder(a: Any, b: Any) -> Any:
    """The remainder with the sign of `a`; x % 0, undefined upstream, is 0."""
    safe = np.where(b == 0, np.ones_like(b), b)
    return np.where(b == 0, np.zeros_like(a), a - _divide(a, safe, "zero") * safe)


class _Exact(IntegerBinary):
    isExact: UnitAttr | None = None  # noqa: N815, upstream's name


class DivSI(_Exact, name="arith.divsi"):
    """lhs / rhs, towards zero, signed."""

    function = staticmethod(lambda a, b: _divide(a, b, "zero"))


class DivUI(_Exact, name="arith.divui"):
    """lhs / rhs, unsigned."""

    function = staticmethod(lambda a, b: _divide(a, b, "floor"))
    is_unsigned = True


class FloorDivSI(IntegerBinary, name="arith.floordivsi"):
    """lhs / rhs, towards minus infinity, signed."""

    function = staticmethod(lambda a, b: _divide(a, b, "floor"))


class CeilDivSI(IntegerBinary, name="arith.ceildivsi"):
    """lhs / rhs, towards infinity, signed."""

    function = staticmethod(lambda a, b: _divide(a, b, "ceil"))


class CeilDivUI(IntegerBinary, name="arith.ceildivui"):
    """lhs / rhs, upwards, unsigned."""

    function = staticmethod(lambda a, b: _divide(a, b, "ceil"))
    is_unsigned = True


class RemSI(IntegerBinary, name="arith.remsi"):
    """lhs - (lhs / rhs towards zero) * rhs, signed."""

    function = staticmethod(_remainder)


class RemUI(IntegerBinary, name="arith.remui"):
    """lhs modulo rhs, unsigned."""

    function = staticmethod(_remainder)
    is_unsigned = True


class MinSI(IntegerBinary, name="arith.minsi", traits=(COMMUTATIVE,)):
    """The smaller, signed."""

    function = staticmethod(np.minimum)


class MaxSI(IntegerBinary, name="arith.maxsi", traits=(COMMUTATIVE,)):
    """The greater, signed."""

    function = staticmethod(np.maximum)


class MinUI(IntegerBinary, name="arith.minui", traits=(COMMUTATIVE,)):
    """The smaller, unsigned."""

    function = staticmethod(np.minimum)
    is_unsigned = True


class MaxUI(IntegerBinary, name="arith.maxui", traits=(COMMUTATIVE,)):
    """The greater, unsigned."""

    function = staticmethod(np.maximum)
    is_unsigned = True


class AndI(IntegerBinary, name="arith.andi", traits=(COMMUTATIVE,)):
    """Bitwise and."""

    function = staticmethod(np.bitwise_and)


class OrI(IntegerBinary, name="arith.ori", traits=(COMMUTATIVE,)):
    """Bitwise or."""

    function = staticmethod(np.bitwise_or)


class XOrI(IntegerBinary, name="arith.xori", traits=(COMMUTATIVE,)):
    """Bitwise exclusive or."""

    function = staticmethod(np.bitwise_xor)


class ShLI(_Overflowing, name="arith.shli"):
    """lhs shifted left by rhs bits."""

    function = staticmethod(np.left_shift)


class ShRSI(_Exact, name="arith.shrsi"):
    """lhs shifted right by rhs bits, keeping its sign."""

    function = staticmethod(np.right_shift)


class ShRUI(_Exact, name="arith.shrui"):
    """lhs shifted right by rhs bits, zeros coming in."""

    function = staticmethod(np.right_shift)
    is_unsigned = True


class CmpI(ArithOp, name="arith.cmpi"):
    """Compare two integers; `predicate` counts in `INTEGER_PREDICATES`.

    Example: `%0 = "arith.cmpi"(%a, %b) {predicate = 2 : i64} : (index, index) -> i1`
    """

    lhs: Value
    rhs: Value
    predicate: int

    def infer(self) -> list[Type]:
        self.require(0 <= self.predicate < len(INTEGER_PREDICATES), f"has no predicate {self.predicate}")
        self.require(
            self.lhs.type == self.rhs.type, f"takes two of one type, found {self.lhs.type} and {self.rhs.type}"
        )
        return [with_element(self.integer_like(self.lhs), i1)]

    def evaluate(self, lhs: Any, rhs: Any) -> Any:
        name = INTEGER_PREDICATES[self.predicate]
        if name.startswith("u"):
            lhs, rhs = unsigned(lhs), unsigned(rhs)
        return COMPARE[name[-2:]](lhs, rhs)
