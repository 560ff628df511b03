"""Operators whose result has as many entries as the data say: they are counted, the count is read, and then found."""

from __future__ import annotations

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import i1, i64, ui8
from .content import dims, scalar
from .node import Node
from .registry import legalize
from .run_time import Integers

MOST_COLUMNS = 8
"""Rows of more elements are sorted by comparing all of them,"""
FEW_ROWS = 256
"""and so are few ones."""


def places_of(n: Node, mask: Value) -> Value:
    """Where a vector of booleans holds, in order: each place goes behind those before it, and the others behind all."""
    (size,) = dims(mask)
    ones = n.cast(mask, i64)
    (count,) = n.read(n.reduce(ones, "add", [0]))
    target = n(nn.Where(mask, n(nn.CumSum(ones, 0, exclusive=True)), n.number(count)))
    room = n.full(0, (symbols.add(count, 1),), i64)
    return n.narrow(n(nn.ScatterElements(room, target, n.iota((size,), 0))), 0, 0, count)


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
    the results and the number of each."""
    x = n[0]
    axis = None if n.attribute("axis") is None else n.axis(len(dims(x)))
    if axis is None:
        entries, axis = n.reshape(x, [symbols.product(dims(x))]), 0
        order = _ascending(n, entries)
        ordered = n.reshape(n(nn.Gather(entries, order)), (dims(entries)[0], 1))
    else:
        entries = x
        front = n.transpose(x, [axis, *(i for i in range(len(dims(x))) if i != axis)])
        rows = n.reshape(front, [dims(front)[0], symbols.product(dims(front)[1:])])
        order = _ascending_rows(n, rows)
        ordered = n(nn.Gather(rows, order))
    return _grouped(n, entries, axis, order, ordered)


def _ascending(n: Node, x: Value) -> Value:
    """The places of a vector's elements in ascending order, of equal ones in their own. Not-a-number comes last."""
    (size,) = dims(x)
    x = n.cast(x, ui8) if scalar(x).is_bool else x
    return n.all(nn.TopK(x, size, 0, largest=False))[1]


def _ascending_rows(n: Node, x: Value) -> Value:
    """The places of a matrix' rows in lexicographic order: sorted by the last column first, and so on."""
    count, width = dims(x)
    if not isinstance(width, int) or width > MOST_COLUMNS or (isinstance(count, int) and count <= FEW_ROWS):
        return _by_comparing(n, x)
    order = n.iota((count,), 0)
    for column in reversed(range(width)):
        keys = n(nn.Gather(n.index(x, 1, column), order))
        order = n(nn.Gather(order, _ascending(n, keys)))
    return order


def _by_comparing(n: Node, x: Value) -> Value:
    """As many rows come before each as are less, or equal and above it."""
    equal, less = _compared_rows(n, x)
    (count,) = dims(equal)[:1]
    above = n(nn.Lt(n.iota((1, count), 1), n.iota((count, 1), 0)))
    rank = n.reduce(n.cast(n(nn.Or(less, n(nn.And(equal, above)))), i64), "add", [1])
    return n(nn.ScatterElements(n.full(0, (count,), i64), rank, n.iota((count,), 0)))


def _grouped(n: Node, entries: Value, axis: int, order: Value, ordered: Value) -> list[Value]:
    """The results of Unique, from the places of the entries in ascending order, and them as rows in that order."""
    count, ints = dims(order)[0], Integers(n)
    before = n(nn.Gather(ordered, ints.clamp(ints.sub(n.iota((count,), 0), 1), 0)))
    differs = n.reduce(n(nn.Not(_equal(n, ordered, before))), "or", [1])
    begins = n(nn.Or(differs, ints.equal(n.iota((count,), 0), 0)))
    starts = places_of(n, begins)
    (found,) = dims(starts)
    first, ends = (
        n(nn.Gather(order, starts)),
        n.concat([n.narrow(starts, 0, 1, found), n.unsqueeze(n.number(count), [0])], 0),
    )
    group = ints.sub(n(nn.CumSum(n.cast(begins, i64), 0)), 1)
    counts = ints.sub(ends, starts)
    if not n.flag("sorted", True):
        by_place = _ascending(n, first)
        first, counts = n(nn.Gather(first, by_place)), n(nn.Gather(counts, by_place))
        group = n(nn.Gather(_inverse(n, by_place), group))
    inverse = n(nn.ScatterElements(n.full(0, (count,), i64), order, group))
    return [n(nn.Gather(entries, first, axis)), first, inverse, counts]


def _inverse(n: Node, order: Value) -> Value:
    """Where each place is in an order."""
    size = dims(order)
    return n(nn.ScatterElements(n.full(0, size, i64), order, n.iota(size, 0)))


def _equal(n: Node, a: Value, b: Value) -> Value:
    """Whether elements are equal; not-a-number is equal to itself."""
    equal = n(nn.Eq(a, b))
    return n(nn.Or(equal, n(nn.And(n(nn.IsNan(a)), n(nn.IsNan(b)))))) if scalar(a).is_float else equal


def _compared(n: Node, a: Value, b: Value) -> tuple[Value, Value]:
    """Whether elements are equal, and whether those of a are less than those of b. Not-a-number comes last."""
    if not scalar(a).is_float:
        return n(nn.Eq(a, b)), n(nn.And(n(nn.Not(a)), b) if scalar(a).is_bool else nn.Lt(a, b))
    no_a, no_b = n(nn.IsNan(a)), n(nn.IsNan(b))
    return _equal(n, a, b), n(nn.Or(n(nn.Lt(a, b)), n(nn.And(no_b, n(nn.Not(no_a))))))


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
