"""Floating point: each op rounds to its type."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from ...attributes import OpaqueAttr
from ...core import Value
from ...declare import COMMUTATIVE
from ...types import Type, i1
from .base import COMPARE, ArithOp, with_element

FLOAT_PREDICATES = (
    "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true",
)  # fmt: skip


class FloatBinary(ArithOp):
    """An op on two floats of one type."""

    lhs: Value
    rhs: Value
    fastmath: OpaqueAttr | None = None
    function: ClassVar[Any]

    def infer(self) -> list[Type]:
        self.require(
            self.lhs.type == self.rhs.type, f"takes two of one type, found {self.lhs.type} and {self.rhs.type}"
        )
        return [self.float_like(self.lhs)]

    def evaluate(self, lhs: Any, rhs: Any) -> Any:
        return type(self).function(lhs, rhs)


class AddF(FloatBinary, name="arith.addf", traits=(COMMUTATIVE,)):
    """lhs + rhs."""

    function = staticmethod(np.add)


class SubF(FloatBinary, name="arith.subf"):
    """lhs - rhs."""

    function = staticmethod(np.subtract)


class MulF(FloatBinary, name="arith.mulf", traits=(COMMUTATIVE,)):
    """lhs * rhs."""

    function = staticmethod(np.multiply)


class DivF(FloatBinary, name="arith.divf"):
    """lhs / rhs."""

    function = staticmethod(np.divide)


class RemF(FloatBinary, name="arith.remf"):
    """The remainder of lhs / rhs with the sign of lhs, as C's fmod."""

    function = staticmethod(np.fmod)


class MinimumF(FloatBinary, name="arith.minimumf", traits=(COMMUTATIVE,)):
    """The smaller; not-a-number where either is."""

    function = staticmethod(np.minimum)


class MaximumF(FloatBinary, name="arith.maximumf", traits=(COMMUTATIVE,)):
    """The greater; not-a-number where either is."""

    function = staticmethod(np.maximum)


class MinNumF(FloatBinary, name="arith.minnumf", traits=(COMMUTATIVE,)):
    """The smaller; the other one where one is not a number."""

    function = staticmethod(np.fmin)


class MaxNumF(FloatBinary, name="arith.maxnumf", traits=(COMMUTATIVE,)):
    """The greater; the other one where one is not a number."""

    function = staticmethod(np.fmax)


class NegF(ArithOp, name="arith.negf"):
    """-operand."""

    operand: Value
    fastmath: OpaqueAttr | None = None

    def infer(self) -> list[Type]:
        return [self.float_like(self.operand)]

    def evaluate(self, operand: Any) -> Any:
        return np.negative(operand)


class CmpF(ArithOp, name="arith.cmpf"):
    """Compare two floats; `predicate` counts in `FLOAT_PREDICATES`: `o…` is false and `u…` true for not-a-number."""

    lhs: Value
    rhs: Value
    predicate: int
    fastmath: OpaqueAttr | None = None

    def infer(self) -> list[Type]:
        self.require(0 <= self.predicate < len(FLOAT_PREDICATES), f"has no predicate {self.predicate}")
        self.require(
            self.lhs.type == self.rhs.type, f"takes two of one type, found {self.lhs.type} and {self.rhs.type}"
        )
        return [with_element(self.float_like(self.lhs), i1)]

    def evaluate(self, lhs: Any, rhs: Any) -> Any:
        name = FLOAT_PREDICATES[self.predicate]
        unordered = np.isnan(lhs) | np.isnan(rhs)
        if name in ("false", "true"):
            return np.full_like(unordered, name == "true")[()]
        if name in ("ord", "uno"):
            return unordered if name == "uno" else ~unordered
        holds = COMPARE[name[1:]](lhs, rhs)
        return holds | unordered if name.startswith("u") else holds & ~unordered
