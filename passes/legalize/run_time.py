"""Slices, pads, ranges and shapes whose operands are computed while the model runs.

Where elements come from is arithmetic on small integer tensors and a gather; only the sizes of results are read
(`Builder.read`), and none where the model states them.
"""

from __future__ import annotations

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import TensorType, f64, i64
from .content import dims, scalar
from .node import Node
from .registry import UnsupportedError


class Integers:
    """Arithmetic on i64 tensors."""

    def __init__(self, n: Node) -> None:
        self.n = n

    def number(self, value: int) -> Value:
        return self.n.constant(value, i64)

    def add(self, a: Value, b: Value | int) -> Value:
        return self.n(nn.Add(a, self._value(b)))

    def sub(self, a: Value, b: Value | int) -> Value:
        return self.n(nn.Sub(a, self._value(b)))

    def mul(self, a: Value, b: Value | int) -> Value:
        return self.n(nn.Mul(a, self._value(b)))

    def floordiv(self, a: Value, b: Value | int) -> Value:
        """Rounded down. `nn.div` cuts off: the remainder, which has the divisor's sign, is taken off first."""
        b = self._value(b)
        return self.n(nn.Div(self.n(nn.Sub(a, self.n(nn.Mod(a, b)))), b))

    def clamp(self, a: Value, low: Value | int, high: Value | int | None = None) -> Value:
        a = self.n(nn.Max(a, self._value(low)))
        return a if high is None else self.n(nn.Min(a, self._value(high)))

    def where(self, condition: Value, a: Value | int, b: Value | int) -> Value:
        return self.n(nn.Where(condition, self._value(a), self._value(b)))

    def below(self, a: Value, b: Value | int) -> Value:
        return self.n(nn.Lt(a, self._value(b)))

    def equal(self, a: Value, b: Value | int) -> Value:
        return self.n(nn.Eq(a, self._value(b)))

    def _value(self, value: Value | int) -> Value:
        return self.number(value) if isinstance(value, int) else value


def reshape(n: Node) -> Value:
    """A shape of run time: 0 takes over a size, -1 stands for what is left."""
    x, ints = n[0], Integers(n)
    known, old = n.elements(n[1]), dims(x)
    given = n.cast(n[1], i64)
    if not n.flag("allowzero"):
        padded = [n.size(x, i) if i < len(old) else ints.number(0) for i in range(len(known))]
        given = ints.where(ints.equal(given, 0), n.concat([n.reshape(size, (1,)) for size in padded], 0), given)
    if -1 not in known:
        open_axis = ints.equal(given, -1)
        others = n.reduce(ints.where(open_axis, 1, given), "mul", [0])
        total = n.reduce(n(nn.ShapeOf(x)), "mul", [0])
        given = ints.where(open_axis, n(nn.Div(total, ints.clamp(others, 1))), given)
    target = n.read_unknown(given, known)
    if not n.flag("allowzero"):
        target = [old[i] if dim == 0 and i < len(old) else dim for i, dim in enumerate(target)]
    if -1 in target:
        axis = target.index(-1)
        rest = symbols.product(dim for i, dim in enumerate(target) if i != axis)
        # An empty tensor leaves nothing to divide by.
        target[axis] = symbols.floordiv(symbols.product(old), symbols.maximum(rest, 1))
    n.equal(symbols.product(old), symbols.product(target))
    return n.reshape(x, target)


def range_(n: Node) -> Value:
    """The length is counted in f64 where the numbers are floats."""
    start, limit, delta = (n.reshape(n[i], ()) for i in range(3))
    ints, dtype = Integers(n), scalar(n[0])
    if dtype.is_float:
        start64, limit64, delta64 = (n.cast(value, f64) for value in (start, limit, delta))
        count = n.cast(n(nn.Ceil(n(nn.Div(n(nn.Sub(limit64, start64)), delta64)))), i64)
    else:
        start64, limit64, delta64 = (n.cast(value, i64) for value in (start, limit, delta))
        count = ints.sub(ints.number(0), ints.floordiv(ints.sub(start64, limit64), delta64))
    shape = n.declared() or n.read(ints.clamp(count, 0))
    return n(nn.Add(n(nn.Mul(n.iota(shape, 0, dtype), delta)), start))


# Slices


def slice_(n: Node) -> Value:
    """Axes, starts, ends and steps may all be of run time."""
    x = n[0]
    rank, ints = len(dims(x)), Integers(n)
    starts, ends = (n.cast(n[i], i64) for i in (1, 2))
    count = n.static(starts, 0, "the number of axes")
    steps = n.cast(n[4], i64) if n.get(4) is not None else n.broadcast(ints.number(1), (count,))
    axes = _axes_of(n, 3, count, rank)
    bounds = {
        axis: _bounds(n, axis, *(_of_axis(n, axes, axis, v) for v in (starts, ends, steps)))
        for axis in range(rank)
        if _may_be_named(axes, axis)
    }
    declared = n.declared()
    if declared is None:
        lengths = n.read(n.concat([n.reshape(length, (1,)) for _, _, length in bounds.values()], 0))
        shape = list(dims(x))
        for axis, length in zip(bounds, lengths, strict=True):
            shape[axis] = length
    else:
        shape = list(declared)
    if n.get(4) is None or _all_ones(n.constant_of(n[4])):
        zero = n.constant([0], i64)
        places = [n.reshape(bounds[axis][0], (1,)) if axis in bounds else zero for axis in range(rank)]
        return n(nn.DynamicSlice(x, n.concat(places, 0), result_types=[TensorType(tuple(shape), scalar(x))]))
    for axis, (start, step, _) in bounds.items():
        x = n(nn.Gather(x, ints.add(ints.mul(n.iota((shape[axis],), 0), step), start), axis))
    return x


def _all_ones(values: object) -> bool:
    return values is not None and all(int(v) == 1 for v in values.reshape(-1))  # type: ignore[attr-defined]


Axes = list[int] | Value
"""Which axes a node names: known, or a vector of them counted from the front."""


def _axes_of(n: Node, index: int, count: int, rank: int) -> Axes:
    if n.get(index) is None:
        return list(range(count))
    known = n.constant_of(n[index])
    if known is not None:
        return [int(axis) + rank * (axis < 0) for axis in known.reshape(-1)]
    ints, axes = Integers(n), n.cast(n[index], i64)
    return ints.where(ints.below(axes, 0), ints.add(axes, rank), axes)


def _may_be_named(axes: Axes, axis: int) -> bool:
    return axis in axes if isinstance(axes, list) else True


def _of_axis(n: Node, axes: Axes, axis: int, values: Value) -> tuple[Value, Value | None]:
    """The element of a vector for an axis, and whether there is one (None: there is)."""
    if isinstance(axes, list):
        return n.index(values, 0, axes.index(axis)), None
    ints = Integers(n)
    named = ints.equal(axes, axis)
    return n.reduce(ints.where(named, values, 0), "add", [0]), n.reduce(named, "or", [0])


Given = tuple[Value, Value | None]


def _bounds(n: Node, axis: int, start: Given, end: Given, step: Given) -> tuple[Value, Value, Value]:
    """The first index along an axis, the step and the length, each a tensor without dimensions."""
    ints, size = Integers(n), n.size(n[0], axis)
    if (named := start[1]) is not None:
        first, stop = ints.where(named, start[0], 0), ints.where(named, end[0], size)
        stride = ints.where(named, step[0], 1)
    else:
        first, stop, stride = start[0], end[0], step[0]
    # A huge negative end means the front, and stays below every index.
    first, stop = (ints.where(ints.below(v, 0), ints.add(v, size), v) for v in (first, stop))
    backward, last = ints.below(stride, 0), ints.sub(size, 1)
    first = ints.where(backward, ints.clamp(first, 0, last), ints.clamp(first, 0, size))
    stop = ints.where(backward, ints.clamp(stop, -1, last), ints.clamp(stop, 0, size))
    length = ints.sub(ints.number(0), ints.floordiv(ints.sub(first, stop), stride))
    return first, stride, ints.clamp(length, 0)


# Pads


def pad(n: Node) -> Value:
    """Pads, their axes and the padding value may all be of run time; a negative pad cuts."""
    x, rank, mode, ints = n[0], len(dims(n[0])), n.str("mode", "constant"), Integers(n)
    pads = n.cast(n[1], i64)
    count = n.static(pads, 0, "the number of pads") // 2
    axes = _axes_of(n, 3, count, rank)
    low, high = n.narrow(pads, 0, 0, count), n.narrow(pads, 0, count, 2 * count)
    before = {axis: _of_axis(n, axes, axis, low)[0] for axis in range(rank) if _may_be_named(axes, axis)}
    shape, known = list(n.declared() or dims(x)), n.sizes_of(n[1])
    if n.declared() is None and known is not None and isinstance(axes, list):
        for place, axis in enumerate(axes):
            shape[axis] = symbols.add(shape[axis], symbols.add(known[place], known[place + count]))
    elif n.declared() is None:
        sizes = [ints.add(ints.add(n.size(x, a), first), _of_axis(n, axes, a, high)[0]) for a, first in before.items()]
        read = n.read(ints.clamp(n.concat([n.reshape(size, (1,)) for size in sizes], 0), 0))
        for axis, size in zip(before, read, strict=True):
            shape[axis] = size
    inside: Value | None = None
    for axis, first in before.items():
        place = ints.sub(n.iota((shape[axis],), 0), first)
        source, within = _source(n, place, n.size(x, axis), mode)
        x = n(nn.Gather(x, source, axis))
        within = n.reshape(within, [shape[axis] if i == axis else 1 for i in range(rank)])
        inside = within if inside is None else n(nn.And(inside, within))
    if inside is None or mode != "constant":
        return x
    value = n.like(0, x) if n.get(2) is None else n.reshape(n[2], ())
    return n(nn.Where(inside, x, value))


def _source(n: Node, place: Value, size: Value, mode: str) -> tuple[Value, Value]:
    """The index that a place beside or in an axis of `size` takes its element from, and whether it is in the axis."""
    ints = Integers(n)
    last = ints.clamp(ints.sub(size, 1), 0)
    within = n(nn.And(n(nn.Ge(place, ints.number(0))), n(nn.Lt(place, size))))
    if mode in ("constant", "edge"):
        return ints.clamp(place, 0, last), within
    if mode == "wrap":
        return n(nn.Mod(place, ints.clamp(size, 1))), within
    if mode != "reflect":
        raise UnsupportedError(f"mode '{mode}'")
    period = ints.clamp(ints.mul(last, 2), 1)
    turned = n(nn.Mod(place, period))
    return n(nn.Min(turned, ints.sub(period, turned))), within
