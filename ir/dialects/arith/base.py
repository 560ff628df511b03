"""What ops of `arith` and `math` share; constants and selection."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...attributes import Attribute, BoolAttr, DenseAttr, FloatAttr, IntegerAttr
from ...core import Value
from ...declare import PURE, Op
from ...types import Scalar, TensorType, Type, VectorType, i1

COMPARE: dict[str, Any] = {
    "eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
}  # fmt: skip


def element(type: Type) -> Scalar:
    """The type of one element of a scalar, vector or tensor. Raises ValueError for another."""
    scalar = type.dtype if isinstance(type, (VectorType, TensorType)) else type
    if not isinstance(scalar, Scalar):
        raise ValueError(f"expected numbers, found {type}")
    return scalar


def with_element(type: Type, scalar: Scalar) -> Type:
    """`type` with other elements."""
    if isinstance(type, VectorType):
        return VectorType(type.shape, scalar)
    return type.with_dtype(scalar) if isinstance(type, TensorType) else scalar


def same_shape(a: Type, b: Type) -> bool:
    """Whether `a` and `b` differ at most in their elements."""
    return with_element(a, i1) == with_element(b, i1)


def scalar_or_array(array: Any) -> Any:
    """A NumPy scalar for a 0-d array: what the value of a scalar is."""
    return array[()] if isinstance(array, np.ndarray) and array.ndim == 0 else array


class ArithOp(Op, traits=(PURE,)):
    def float_like(self, value: Value) -> Type:
        self.require(element(value.type).is_float, f"takes floats, found {value.type}")
        return value.type

    def integer_like(self, value: Value) -> Type:
        self.require(element(value.type).is_integer, f"takes integers, found {value.type}")
        return value.type


class Constant(ArithOp, name="arith.constant"):
    """A number, or a vector of numbers. Example: `%c = "arith.constant"() {value = 1 : index} : () -> index`"""

    value: Attribute

    def infer(self) -> list[Type]:
        value = self.value
        if isinstance(value, BoolAttr):
            return [i1]
        self.require(isinstance(value, (IntegerAttr, FloatAttr, DenseAttr)), f"takes a number, found {value}")
        assert isinstance(value, (IntegerAttr, FloatAttr, DenseAttr))
        return [value.type]

    def evaluate(self) -> Any:
        value = self.value
        if isinstance(value, DenseAttr):
            return value.array
        assert isinstance(value, (BoolAttr, IntegerAttr, FloatAttr))
        scalar = i1 if isinstance(value, BoolAttr) else value.type
        return scalar.numpy.type(value.value)


class Select(ArithOp, name="arith.select"):
    """true_value where condition holds, false_value elsewhere."""

    condition: Value
    true_value: Value
    false_value: Value

    def infer(self) -> list[Type]:
        a, b, condition = self.true_value.type, self.false_value.type, self.condition.type
        self.require(a == b, f"chooses between two of one type, found {a} and {b}")
        self.require(
            condition == i1 or condition == with_element(a, i1), f"takes a condition like {a}, found {condition}"
        )
        return [a]

    def evaluate(self, condition: Any, true_value: Any, false_value: Any) -> Any:
        return scalar_or_array(np.where(condition, true_value, false_value))
