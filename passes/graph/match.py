"""What patterns ask about values: which op makes them, which number they are."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np

from ...ir.attributes import DenseAttr, DenseResourceAttr
from ...ir.core import Operation, Value
from ...ir.dialects import nn

OpT = TypeVar("OpT", bound=Operation)
T = TypeVar("T")


def producer(value: Value, cls: type[OpT]) -> OpT | None:
    """The op that makes `value`, if it is a `cls`."""
    owner = value.owner
    return owner if isinstance(owner, cls) else None


def constant(value: Value) -> np.ndarray | None:
    """The elements of a constant; None for other values, and for weights that were not read with the IR."""
    op = producer(value, nn.Constant)
    if op is None or not isinstance(op.value, DenseAttr | DenseResourceAttr):
        return None
    return op.value.array


def number(value: Value) -> Any:
    """The number that all elements of a constant are, as a NumPy scalar; None where there is no such number.

    Only small constants are looked at: weights are hardly ever all equal.
    """
    array = constant(value)
    if array is None or not 0 < array.size <= 16 or not bool((array == array.flat[0]).all()):
        return None
    return array.flat[0]


def is_number(value: Value, wanted: float) -> bool:
    """Whether `value` is the constant `wanted`, up to the rounding of its type."""
    found = number(value)
    return found is not None and math.isclose(float(found), wanted, rel_tol=1e-3 if found.itemsize < 4 else 1e-6)


def either_way(op: Operation) -> Iterator[tuple[Value, Value]]:
    """The two operands of a commutative op in both orders."""
    a, b = op.operands
    yield a, b
    if a is not b:
        yield b, a


def operand_with(op: Operation | None, match: Callable[[Value], T | None]) -> tuple[T, Value] | None:
    """What `match` finds in an operand of the commutative `op`, and the other operand; None where it finds nothing."""
    if op is None:
        return None
    for candidate, other in either_way(op):
        if (found := match(candidate)) is not None:
            return found, other
    return None


def times(value: Value, wanted: float) -> Value | None:
    """x where `value` is x · wanted or x / (1 / wanted)."""
    if (product := producer(value, nn.Mul)) is not None:
        for factor, other in either_way(product):
            if is_number(factor, wanted):
                return other
    if (quotient := producer(value, nn.Div)) is not None and is_number(quotient.b, 1 / wanted):
        return quotient.a
    return None


def plus(value: Value, wanted: float) -> Value | None:
    """x where `value` is x + wanted."""
    for term, other in either_way(add) if (add := producer(value, nn.Add)) is not None else ():
        if is_number(term, wanted):
            return other
    return None


def power(value: Value, exponent: int) -> Value | None:
    """x where `value` is x to the power `exponent`, by pow or by multiplying."""
    if (op := producer(value, nn.Pow)) is not None and is_number(op.b, exponent):
        return op.a
    if (op := producer(value, nn.Mul)) is None:
        return None
    if exponent == 2:
        return op.a if op.a is op.b else None
    for factor, rest in either_way(op):
        if power(rest, exponent - 1) is factor:
            return factor
    return None
