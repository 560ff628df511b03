"""Canonical forms of arithmetic: constants stand second, neutral elements vanish, powers become products."""

from __future__ import annotations

import math

import numpy as np

from ...ir.core import Value
from ...ir.declare import COMMUTATIVE
from ...ir.dialects import nn
from ...ir.dialects.nn.base import scalar_type
from ..rewrite import Rewriter, canonicalization
from .match import constant, number, producer


def _keep(op: nn.NnOp, x: Value, rw: Rewriter) -> bool:
    """Replace `op` by its operand `x`, unless broadcasting made the result another type."""
    if x.type != op.result.type:
        return False
    rw.replace(op, x)
    return True


@canonicalization(nn.Binary)
def constant_second(op: nn.Binary, rw: Rewriter) -> None:
    """f(constant, x) = f(x, constant) for commutative f"""
    if COMMUTATIVE in op.traits and producer(op.a, nn.Constant) and not producer(op.b, nn.Constant):
        op.set_operands((op.b, op.a))
        rw.modified(op)


@canonicalization(nn.Add, nn.Sub, nn.Or, nn.Xor)
def nothing_added(op: nn.Binary, rw: Rewriter) -> None:
    """x + 0 = x - 0 = x or 0 = x"""
    if (zero := number(op.b)) is not None and zero == 0:
        _keep(op, op.a, rw)


@canonicalization(nn.Mul, nn.Div, nn.Pow)
def times_one(op: nn.Binary, rw: Rewriter) -> None:
    """x · 1 = x / 1 = x¹ = x"""
    if (one := number(op.b)) is not None and one == 1:
        _keep(op, op.a, rw)


@canonicalization(nn.Mul)
def factors_merge(op: nn.Mul, rw: Rewriter) -> None:
    """(x · 2) · 3 = x · 6 for floats"""
    inner, outer = producer(op.a, nn.Mul), number(op.b)
    factor = None if inner is None else number(inner.b)
    if inner is None or outer is None or factor is None or not scalar_type(op.a).is_float:
        return
    if inner.a.type == op.result.type and not isinstance(inner.a.owner, nn.Constant):
        merged = rw.insert(nn.Constant.of(float(factor) * float(outer), scalar_type(op.a)))
        rw.replace(op, nn.Mul(inner.a, merged.result), merging=[inner])


@canonicalization(nn.And)
def and_with_ones(op: nn.And, rw: Rewriter) -> None:
    """x and true = x"""
    ones = producer(op.b, nn.Constant)
    if ones is None or not scalar_type(op.b).is_bool or not ones.is_splat or not bool(ones.array.flat[0]):
        return
    if not _keep(op, op.a, rw):
        rw.replace(op, nn.BroadcastTo(op.a, result_types=[op.result.type]), merging=[ones])


@canonicalization(nn.Pow)
def small_power(op: nn.Pow, rw: Rewriter) -> None:
    """x² = x · x, x³ = x · x · x, √x for x to the power 1/2"""
    exponent = number(op.b)
    if exponent is None or not scalar_type(op.a).is_float:
        return
    if op.a.type != op.result.type:
        return
    if exponent == 2:
        rw.replace(op, nn.Mul(op.a, op.a))
    elif exponent == 3:
        square = rw.insert(nn.Mul(op.a, op.a)).result
        rw.replace(op, nn.Mul(square, op.a))
    elif exponent == 0.5:
        rw.replace(op, nn.Sqrt(op.a))


@canonicalization(nn.Div)
def division_by_a_power_of_two(op: nn.Div, rw: Rewriter) -> None:
    """x / 8 = x · 0.125, which is exact"""
    divisor, array = number(op.b), constant(op.b)
    if divisor is None or array is None or not scalar_type(op.a).is_float or abs(math.frexp(float(divisor))[0]) != 0.5:
        return
    inverse = 1 / float(divisor)
    if 2.0**-14 <= abs(inverse) <= 2.0**14:
        factor = rw.insert(nn.Constant.of(np.full(array.shape, inverse), scalar_type(op.a)))
        rw.replace(op, nn.Mul(op.a, factor.result))


@canonicalization(nn.Div)
def one_over(op: nn.Div, rw: Rewriter) -> None:
    """1 / x = reciprocal(x)"""
    one = number(op.a)
    if one is not None and one == 1 and scalar_type(op.b).is_float and op.b.type == op.result.type:
        rw.replace(op, nn.Reciprocal(op.b))


@canonicalization(nn.Reciprocal)
def reciprocal_of_sqrt(op: nn.Reciprocal, rw: Rewriter) -> None:
    """1 / √x = rsqrt(x)"""
    if (root := producer(op.x, nn.Sqrt)) is not None:
        rw.replace(op, nn.Rsqrt(root.x), merging=[root])


@canonicalization(nn.Neg)
def neg_of_neg(op: nn.Neg, rw: Rewriter) -> None:
    """-(-x) = x"""
    if (inner := producer(op.x, nn.Neg)) is not None:
        rw.replace(op, inner.x)


@canonicalization(nn.Not)
def not_of_not(op: nn.Not, rw: Rewriter) -> None:
    """not not x = x"""
    if (inner := producer(op.x, nn.Not)) is not None:
        rw.replace(op, inner.x)


@canonicalization(nn.Relu, nn.Abs, nn.Floor, nn.Ceil, nn.Round, nn.Sign)
def once_is_enough(op: nn.Unary, rw: Rewriter) -> None:
    """f(f(x)) = f(x) for relu, abs, floor, ceil, round, sign"""
    if producer(op.x, type(op)) is not None:
        rw.replace(op, op.x)


@canonicalization(nn.Clip)
def clip_at_zero(op: nn.Clip, rw: Rewriter) -> None:
    """clip(x, 0) = relu(x), and without bounds x"""
    low = None if op.low is None else number(op.low)
    if op.low is None and op.high is None:
        rw.replace(op, op.x)
    elif low is not None and low == 0 and op.high is None:
        rw.replace(op, nn.Relu(op.x))


@canonicalization(nn.Max)
def max_with_zero(op: nn.Max, rw: Rewriter) -> None:
    """max(x, 0) = relu(x)"""
    zero = number(op.b)
    if zero is not None and zero == 0 and op.a.type == op.result.type:
        rw.replace(op, nn.Relu(op.a))


@canonicalization(nn.Where)
def where_decided(op: nn.Where, rw: Rewriter) -> None:
    """where(true, a, b) = a, where(c, a, a) = a"""
    condition = number(op.condition)
    if condition is not None:
        _keep(op, op.a if condition else op.b, rw)
    elif op.a is op.b:
        _keep(op, op.a, rw)


@canonicalization(nn.Where)
def where_not(op: nn.Where, rw: Rewriter) -> None:
    """where(not c, a, b) = where(c, b, a)"""
    if (inner := producer(op.condition, nn.Not)) is not None:
        rw.replace(op, nn.Where(inner.x, op.b, op.a), merging=[inner])
