"""The largest elements of a long axis: each element's rank is found once, not for each result anew."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import Dim
from ...ir.types import TensorType, i64
from ..rewrite import Rewriter, pattern

SHORT = 128
"""Elements of an axis whose largest are found in one launch, by comparing all of them for each result."""


@pattern(nn.TopK)
def long_top_k(op: nn.TopK, rw: Rewriter) -> None:
    """top_k(x) = elements of x at the places of the least ranks"""
    type, last = tensor_type(op.x), tensor_type(op.x).rank - 1
    size = type.dims[op.axis]
    if isinstance(size, int) and size <= SHORT:
        return
    # Comparisons are reduced in the kernel that makes them where they stand along the last axis.
    order = [*(i for i in range(last + 1) if i != op.axis), op.axis]
    x = op.x if op.axis == last else rw.insert(nn.Transpose(op.x, tuple(order))).result
    counted = rw.insert(nn.Cast(_before(x, op.largest, rw), i64)).result
    rank = rw.insert(nn.Reduce(counted, "add", (last + 1,))).result
    wanted, place = _iota(rw, op.k, last, type.rank), _iota(rw, size, last + 1, type.rank)
    found = rw.insert(nn.Eq(_with_axis(rw, rank, last), wanted)).result
    zero = rw.insert(nn.Constant.of(0, i64)).result
    taken = rw.insert(nn.Where(found, place, zero)).result
    places = rw.insert(nn.Reduce(taken, "add", (last + 1,))).result
    if op.axis != last:
        places = rw.insert(nn.Transpose(places, tuple(map(order.index, range(last + 1))))).result
    rw.replace(op, [rw.insert(nn.GatherElements(op.x, places, op.axis)).result, places])


def _before(x: Value, largest: bool, rw: Rewriter) -> Value:
    """At [.., element, other] whether the other one comes before; not-a-number is the largest."""
    type, axis = tensor_type(x), tensor_type(x).rank - 1
    size = type.dims[axis]
    this, other = _with_axis(rw, x, axis + 1), _with_axis(rw, x, axis)
    better = rw.insert(nn.Gt(other, this) if largest else nn.Lt(other, this)).result
    equal = rw.insert(nn.Eq(other, this)).result
    if type.scalar.is_float:
        no_this, no_other = rw.insert(nn.IsNan(this)).result, rw.insert(nn.IsNan(other)).result
        best, rest = (no_other, no_this) if largest else (no_this, no_other)
        alone = rw.insert(nn.And(best, rw.insert(nn.Not(rest)).result)).result
        better = rw.insert(nn.Or(better, alone)).result
        equal = rw.insert(nn.Or(equal, rw.insert(nn.And(no_this, no_other)).result)).result
    places = _iota(rw, size, axis + 1, type.rank), _iota(rw, size, axis, type.rank)
    earlier = rw.insert(nn.Lt(*places)).result
    return rw.insert(nn.Or(better, rw.insert(nn.And(equal, earlier)).result)).result


def _with_axis(rw: Rewriter, x: Value, place: int) -> Value:
    """x with an axis of size 1 at `place`."""
    dims = list(tensor_type(x).dims)
    dims.insert(place, 1)
    return rw.insert(nn.Reshape(x, result_types=[tensor_type(x).with_shape(dims)])).result


def _iota(rw: Rewriter, size: Dim, axis: int, rank: int) -> Value:
    """0, 1, … along one axis of rank + 1, the others being of size 1."""
    dims = [size if i == axis else 1 for i in range(rank + 1)]
    return rw.insert(nn.Iota(axis, result_types=[TensorType(tuple(dims), i64)])).result
