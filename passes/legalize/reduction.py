"""Reductions over axes, which were an attribute and are an input since opset 13 (sums) or 18."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.reduction import Kind
from ...ir.types import i1
from .content import dims, scalar
from .node import Node, normal_axis
from .registry import UnsupportedError, legalize

Axes = tuple[int, ...]

_MOST_CHOICES = 8
"""Axes of run time are decided among at most so many candidates, all of which are computed."""


def _axes(n: Node, rank: int) -> list[Axes]:
    """The axes to reduce; all of them, or none where the node says so, if none are given.

    More than one candidate where they are only known at run time.
    """
    axes = n.ints("axes")
    if axes is None and n.get(1) is not None:
        if n.constant_of(n[1]) is None:
            return _candidates(n)
        axes = n.ints_of(1, "'axes'")
    if not axes:
        return [() if n.flag("noop_with_empty_axes") else tuple(range(rank))]
    return [tuple(sorted({normal_axis(axis, rank) for axis in axes}))]


def _candidates(n: Node) -> list[Axes]:
    """The axes that give the result its stated shape."""
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
    if not 0 < len(found) <= _MOST_CHOICES or (() in found and not n.flag("noop_with_empty_axes")):
        raise UnsupportedError("'axes' is only known at run time")
    return found


def _by_axes(n: Node, build: Callable[[Axes], Value]) -> Value:
    """What `build` makes of the axes; of all candidates, from which the input then selects."""
    *others, last = _axes(n, len(dims(n[0])))
    result = build(last)
    for axes in others:
        result = n(nn.Where(_are(n, axes), build(axes), result))
    return result


def _are(n: Node, axes: Axes) -> Value:
    """Whether the axes of run time are these; dimensions of size 1 do not matter."""
    given, rank, result = n[1], len(dims(n[0])), n.constant(True, i1)
    for axis, size in enumerate(dims(n[0])):
        if size == 1:
            continue
        equal = [n(nn.Eq(given, n.like(value, given))) for value in (axis, axis - rank)]
        named = n.reduce(n(nn.Or(*equal)), "or", (0,))
        result = n(nn.And(result, named if axis in axes else n(nn.Not(named))))
    return result


def _reduce(n: Node, kind: Kind, x: Value) -> Value:
    return _by_axes(n, lambda axes: n.reduce(x, kind, axes, n.flag("keepdims", True)))


def _plain(kind: Kind) -> Callable[[Node], Value]:
    return lambda n: _reduce(n, kind, n[0])


legalize("ReduceSum")(_plain("add"))
legalize("ReduceMean")(_plain("mean"))
legalize("ReduceProd")(_plain("mul"))


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
    return n(nn.Sqrt(_reduce(n, "add", n(nn.Mul(n[0], n[0])))))


@legalize("ReduceSumSquare")
def reduce_sum_square(n: Node) -> Value:
    return _reduce(n, "add", n(nn.Mul(n[0], n[0])))


@legalize("ReduceLogSum")
def reduce_log_sum(n: Node) -> Value:
    return n(nn.Log(_reduce(n, "add", n[0])))


@legalize("ReduceLogSumExp")
def reduce_log_sum_exp(n: Node) -> Value:
    """log(sum(exp(x - max))) + max, which cannot overflow; an infinite maximum is not subtracted."""
    return _by_axes(n, lambda axes: _log_sum_exp(n, axes))


def _log_sum_exp(n: Node, axes: Axes) -> Value:
    x = n[0]
    if not axes:
        return x
    top = n.reduce(x, "max", axes, True)
    finite = n(nn.Where(n(nn.IsInf(top)), n.like(0, x), top))
    total = n.reduce(n(nn.Exp(n(nn.Sub(x, finite)))), "add", axes, True)
    result = n(nn.Add(n(nn.Log(total)), finite))
    return result if n.flag("keepdims", True) else n.squeeze(result, axes)
