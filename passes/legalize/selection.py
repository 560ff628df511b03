"""Operators whose result has as many entries as the data say: they are counted, the count is read, and then found."""

from __future__ import annotations

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import i1, i64
from .content import dims, scalar
from .node import Node
from .registry import legalize
from .run_time import Integers


def places_of(n: Node, mask: Value) -> Value:
    """Where a vector of booleans holds, in order: the k-th place is the first up to which k of them hold."""
    counted = n(nn.CumSum(n.cast(mask, i64), 0))
    (count,) = n.read(n.reduce(n.cast(mask, i64), "add", [0]))
    return n(nn.SearchSorted(counted, Integers(n).add(n.iota((count,), 0), 1)))


@legalize("NonZero")
def non_zero(n: Node) -> Value:
    """The coordinates of the elements that are not 0, a row for each axis."""
    x = n[0]
    known = n.constant_of(x)
    if known is not None:
        return n.constant(np.array(np.nonzero(known)), i64)
    place = places_of(n, n.reshape(n.cast(x, i1), [symbols.product(dims(x))]))
    (count,), ints = dims(place), Integers(n)
    rows: list[Value] = []
    for axis in reversed(range(len(dims(x)))):
        size = n.size(x, axis)
        rows.append(n.reshape(n(nn.Mod(place, size)) if axis else place, (1, count)))
        place = ints.floordiv(place, size)
    return n.concat(rows[::-1], 0) if rows else n.full(0, (0, count), i64)


@legalize("Compress")
def compress(n: Node) -> Value:
    """The entries along an axis, or of the flattened operand, where the condition holds."""
    x, condition = n[0], n.constant_of(n[1])
    if n.attribute("axis") is None:
        x, axis = n.reshape(x, [symbols.product(dims(x))]), 0
    else:
        axis = n.axis(len(dims(x)))
    if condition is not None:
        return n(nn.Gather(x, n.constant(np.flatnonzero(condition), i64), axis))
    return n(nn.Gather(x, places_of(n, n[1]), axis))


@legalize("Unique")
def unique(n: Node) -> list[Value]:
    """The different entries, ascending or in the order of their first places; with the first place, the place among
    the results and the number of each. Every entry is compared with every other one."""
    x = n[0]
    axis = None if n.attribute("axis") is None else n.axis(len(dims(x)))
    if axis is None:
        rows = n.reshape(x, [symbols.product(dims(x))])
        entries, axis = rows, 0
        equal, less = _compared(n, n.unsqueeze(rows, [0]), n.unsqueeze(rows, [1]))
    else:
        entries = x
        front = n.transpose(x, [axis, *(i for i in range(len(dims(x))) if i != axis)])
        size = dims(front)[0]
        equal, less = _compared_rows(n, n.reshape(front, [size, symbols.product(dims(front)[1:])]))
    (count,) = dims(equal)[:1]
    here, other = n.iota((count, 1), 0), n.iota((1, count), 1)
    first_equal = n.reduce(n(nn.Where(equal, other, n.number(count))), "min", [1])
    is_first = n(nn.Eq(first_equal, n.reshape(here, (count,))))
    first = places_of(n, is_first)
    (found,) = dims(first)
    if n.flag("sorted", True):
        smaller = n(nn.And(less, n.reshape(is_first, (1, count))))
        inverse = n.reduce(n.cast(smaller, i64), "add", [1])
        first = n(nn.ScatterElements(n.full(0, (found,), i64), n(nn.Gather(inverse, first)), first))
    else:
        before = n(nn.CumSum(n.cast(is_first, i64), 0, exclusive=True))
        inverse = n(nn.Gather(before, first_equal))
    hits = n(nn.Eq(n.unsqueeze(inverse, [0]), n.iota((found, 1), 0)))
    counts = n.reduce(n.cast(hits, i64), "add", [1])
    return [n(nn.Gather(entries, first, axis)), first, inverse, counts]


def _compared(n: Node, a: Value, b: Value) -> tuple[Value, Value]:
    """Whether elements are equal, and whether those of a are less than those of b. Not-a-number comes last."""
    if not scalar(a).is_float:
        return n(nn.Eq(a, b)), n(nn.And(n(nn.Not(a)), b) if scalar(a).is_bool else nn.Lt(a, b))
    no_a, no_b = n(nn.IsNan(a)), n(nn.IsNan(b))
    equal = n(nn.Or(n(nn.Eq(a, b)), n(nn.And(no_a, no_b))))
    return equal, n(nn.Or(n(nn.Lt(a, b)), n(nn.And(no_b, n(nn.Not(no_a))))))


def _compared_rows(n: Node, x: Value) -> tuple[Value, Value]:
    """Whether row j of a matrix equals row i, and whether it is less, at [i, j]: the first elements that differ say."""
    count, width = dims(x)
    column = n.iota((1, 1, width), 2)
    same, before = _compared(n, n.unsqueeze(x, [0]), n.unsqueeze(x, [1]))
    end = n.number(width)
    differs = n.reduce(n(nn.Where(same, end, column)), "min", [2], True)
    # The reduction of no elements is the largest number there is.
    equal = n.reshape(n(nn.Ge(differs, end)), (count, count))
    return equal, n.reduce(n(nn.And(before, n(nn.Eq(column, differs)))), "or", [2])
