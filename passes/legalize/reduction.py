"""Reductions over axes, which were an attribute and are an input since opset 13 (sums) or 18."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.reduction import Kind
from ...ir.types import f64, i1, i64
from .content import dims, scalar
from .node import Node, normal_axis
from .registry import UnsupportedError, legalize
from .run_time import Integers

Axes = tuple[int, ...]

_MOST_CHOICES = 8
"""Axes of run time are decided among at most so many candidates, all of which are computed."""


def _axes(n: Node, rank: int) -> list[Axes]:
    """The axes to reduce; all of them, or none where the node says so, if none are given.

    More than one candidate, or none at all, where they are only known at run time.
    """
    axes = n.ints("axes")
    if axes is None and n.get(1) is not None and dims(n[1]) != (0,):
        if n.constant_of(n[1]) is None:
            return _candidates(n)
        axes = n.ints_of(1, "'axes'")
    if not axes:
        return [() if n.flag("noop_with_empty_axes") else tuple(range(rank))]
    return [tuple(sorted({normal_axis(axis, rank) for axis in axes}))]


def _candidates(n: Node) -> list[Axes]:
    """The axes that give the result its stated shape, where those are few."""
    declared, shape = n.declared(), dims(n[0])
    found: list[Axes] = []
    if declared is not None:
        keep = n.flag("keepdims", True)
        for count in range(len(shape) + 1):
            for axes in itertools.combinations(range(len(shape)), count):
                left = [1 if i in axes else d for i, d in enumerate(shape) if keep or i not in axes]
                # Reducing a dimension of size 1 changes nothing: the choice with the fewest axes stands for the others.
                if tuple(left) == declared and not (keep and any(shape[axis] == 1 for axis in axes)):
                    found.append(axes)
    if len(found) > _MOST_CHOICES or (() in found and not n.flag("noop_with_empty_axes")):
        return []
    return found


Build = Callable[[Value, Axes, bool], Value]
"""Reduces a tensor over axes, which stay with size 1 or go."""


def _by_axes(n: Node, x: Value, build: Build) -> Value:
    """What `build` makes of x and the axes; of all candidates, from which the input then selects."""
    keep = n.flag("keepdims", True)
    candidates = _axes(n, len(dims(x)))
    if not candidates:
        return _in_halves(n, x, build, keep)
    *others, last = candidates
    result = build(x, last, keep)
    for axes in others:
        result = n(nn.Where(_are(n, axes), build(x, axes, keep), result))
    return result


def _in_halves(n: Node, x: Value, build: Build, keep: bool) -> Value:
    """Axes that no shape tells: every dimension is two, of which the second is reduced; the other one has size 1."""
    rank, ints = len(dims(x)), Integers(n)
    count = n.static(n[1], 0, "the number of axes")
    if not count:
        raise UnsupportedError("'axes' is only known at run time, and may be empty")
    sizes = n(nn.ShapeOf(x))
    named = n.concat([n.reshape(_names(n, axis), (1,)) for axis in range(rank)], 0)
    left, reduced = ints.where(named, 1, sizes), ints.where(named, sizes, 1)
    pairs = n.read(n.reshape(n.concat([n.unsqueeze(left, [1]), n.unsqueeze(reduced, [1])], 1), (2 * rank,)))
    n.equal(symbols.product(dims(x)), symbols.product(pairs))
    y = build(n.reshape(x, pairs), tuple(range(1, 2 * rank, 2)), False)
    if keep:
        return y
    # The k-th of the sizes that stay, for every k.
    stays = n(nn.Not(named))
    place = n(nn.CumSum(n.cast(stays, i64), 0, exclusive=True))
    here = n(nn.And(n(nn.Eq(n.unsqueeze(place, [0]), n.iota((rank - count, 1), 0))), n.unsqueeze(stays, [0])))
    shape = n.read(n.reduce(ints.where(here, n.unsqueeze(sizes, [0]), 0), "add", [1]))
    n.equal(symbols.product(pairs[::2]), symbols.product(shape))
    return n.reshape(y, shape)


def _names(n: Node, axis: int) -> Value:
    """Whether the axes of run time name this one."""
    given, rank = n[1], len(dims(n[0]))
    equal = [n(nn.Eq(given, n.like(value, given))) for value in (axis, axis - rank)]
    return n.reduce(n(nn.Or(*equal)), "or", (0,))


def _are(n: Node, axes: Axes) -> Value:
    """Whether the axes of run time are these; dimensions of size 1 do not matter."""
    result = n.constant(True, i1)
    for axis, size in enumerate(dims(n[0])):
        if size == 1:
            continue
        named = _names(n, axis)
        result = n(nn.And(result, named if axis in axes else n(nn.Not(named))))
    return result


def _reduce(n: Node, kind: Kind, x: Value) -> Value:
    return _by_axes(n, x, lambda x, axes, keep: n.reduce(x, kind, axes, keep))


def _plain(kind: Kind) -> Callable[[Node], Value]:
    return lambda n: _reduce(n, kind, n[0])


legalize("ReduceSum")(_plain("add"))
legalize("ReduceProd")(_plain("mul"))


@legalize("ReduceMean")
def reduce_mean(n: Node) -> Value:
    """The mean of integers is cut off."""
    if scalar(n[0]).is_float:
        return _reduce(n, "mean", n[0])
    return n.cast(_reduce(n, "mean", n.cast(n[0], f64)), scalar(n[0]))


@legalize("ReduceMax", "ReduceMin")
def reduce_extremum(n: Node) -> Value:
    """The maximum of booleans is whether any holds, the minimum whether all do."""
    is_max, is_bool = n.op.name == "onnx.ReduceMax", scalar(n[0]).is_bool
    return _reduce(n, ("or" if is_max else "and") if is_bool else ("max" if is_max else "min"), n[0])


@legalize("ReduceL1")
def reduce_l1(n: Node) -> Value:
    return _reduce(n, "add", n(nn.Abs(n[0])))


@legalize("ReduceL2")
def reduce_l2(n: Node) -> Value:
    total = _reduce(n, "add", n(nn.Mul(n[0], n[0])))
    if scalar(total).is_float:
        return n(nn.Sqrt(total))
    return n.cast(n(nn.Sqrt(n.cast(total, f64))), scalar(total))


@legalize("ReduceSumSquare")
def reduce_sum_square(n: Node) -> Value:
    return _reduce(n, "add", n(nn.Mul(n[0], n[0])))


@legalize("ReduceLogSum")
def reduce_log_sum(n: Node) -> Value:
    return n(nn.Log(_reduce(n, "add", n[0])))


@legalize("ReduceLogSumExp")
def reduce_log_sum_exp(n: Node) -> Value:
    """log(sum(exp(x - max))) + max, which cannot overflow; an infinite maximum is not subtracted."""
    return _by_axes(n, n[0], lambda x, axes, keep: _log_sum_exp(n, x, axes, keep))


def _log_sum_exp(n: Node, x: Value, axes: Axes, keep: bool) -> Value:
    if not axes:
        return x
    top = n.reduce(x, "max", axes, True)
    finite = n(nn.Where(n(nn.IsInf(top)), n.like(0, x), top))
    total = n.reduce(n(nn.Exp(n(nn.Sub(x, finite)))), "add", axes, True)
    result = n(nn.Add(n(nn.Log(total)), finite))
    return result if keep else n.squeeze(result, axes)
