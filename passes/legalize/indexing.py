"""Operators that read or write at indices, and those that find positions."""

from __future__ import annotations

import typing

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.indexing import Combination
from ...ir.types import i64
from .content import dims, scalar
from .node import Node
from .registry import legalize


@legalize("Gather")
def gather(n: Node) -> Value:
    x, indices = n[0], n[1]
    axis = n.axis(len(dims(x)))
    known = n.constant_of(indices)
    if known is not None and known.size == 1 and _is_static_view(known.reshape(-1)[0], dims(x)[axis]):
        # One constant position is a slice, which costs nothing.
        position = int(known.reshape(-1)[0])
        position = symbols.add(dims(x)[axis], position) if position < 0 else position
        row = n.narrow(x, axis, position, symbols.add(position, 1))
        return n.reshape(row, [*dims(x)[:axis], *known.shape, *dims(x)[axis + 1 :]])
    return n(nn.Gather(x, indices, axis))


def _is_static_view(position: object, size: symbols.Dim) -> bool:
    return not isinstance(size, int) or -size <= int(position) < size  # type: ignore[call-overload]


@legalize("GatherElements")
def gather_elements(n: Node) -> Value:
    return n(nn.GatherElements(n[0], n[1], n.axis(len(dims(n[0])))))


@legalize("GatherND")
def gather_nd(n: Node) -> Value:
    return n(nn.GatherNd(n[0], n[1], batch_dims=n.int("batch_dims")))


def _reduction(n: Node) -> Combination:
    given = n.choice("reduction", *typing.get_args(Combination))
    return next(kind for kind in typing.get_args(Combination) if kind == given)


@legalize("ScatterElements", "Scatter")
def scatter_elements(n: Node) -> Value:
    return n(nn.ScatterElements(n[0], n[1], n[2], n.axis(len(dims(n[0]))), reduction=_reduction(n)))


@legalize("ScatterND")
def scatter_nd(n: Node) -> Value:
    return n(nn.ScatterNd(n[0], n[1], n[2], reduction=_reduction(n)))


@legalize("OneHot")
def one_hot(n: Node) -> Value:
    """values[1] where an index equals the position along a new axis, values[0] elsewhere; negative indices wrap."""
    indices, values = n[0], n[2]
    n.require(dims(values) == (2,), f"values of shape [{', '.join(map(str, dims(values)))}]; expected two")
    rank = len(dims(indices)) + 1
    axis = n.axis(rank, default=-1)
    declared = n.declared()
    depth = declared[axis] if declared is not None else n.sizes(1)[0]
    whole = n.cast(indices, i64)
    size = n.constant(depth, i64) if isinstance(depth, int) else n.cast(n.reshape(n[1], ()), i64)
    wrapped = n(nn.Where(n(nn.Lt(whole, n.constant(0, i64))), n(nn.Add(whole, size)), whole))
    shape = [*dims(indices)[:axis], depth, *dims(indices)[axis:]]
    here = n(nn.Eq(n.unsqueeze(wrapped, [axis]), n.iota(shape, axis)))
    off, on = (n.index(values, 0, i) for i in range(2))
    return n(nn.Where(here, on, off))


@legalize("ArgMax")
def arg_max(n: Node) -> Value:
    axis, keep, last = n.axis(len(dims(n[0]))), n.flag("keepdims", True), n.flag("select_last_index")
    return n(nn.ArgMax(n[0], axis, keep_dims=keep, select_last=last))


@legalize("ArgMin")
def arg_min(n: Node) -> Value:
    axis, keep, last = n.axis(len(dims(n[0]))), n.flag("keepdims", True), n.flag("select_last_index")
    return n(nn.ArgMin(n[0], axis, keep_dims=keep, select_last=last))


@legalize("TopK")
def top_k(n: Node) -> list[Value]:
    """`k` was an attribute before opset 10."""
    axis = n.axis(len(dims(n[0])), default=-1)
    if n.opset < 10:
        k: symbols.Dim = n.int("k")
    else:
        known, declared = n.sizes_of(n[1]), n.declared()
        (k,) = (declared[axis],) if known is None and declared is not None else n.sizes(1)
    size = dims(n[0])[axis]
    numbers = isinstance(k, int) and isinstance(size, int)
    n.require(not numbers or 0 <= k <= size, f"k = {k} of an axis of size {size}")  # type: ignore[operator]
    n.equal(symbols.minimum(k, size), k)
    return list(n.all(nn.TopK(n[0], k, axis, largest=n.flag("largest", True))))


@legalize("CumSum")
def cum_sum(n: Node) -> Value:
    exclusive, reverse = n.flag("exclusive"), n.flag("reverse")
    return n.by_axis(1, "'axis'", lambda axis: n(nn.CumSum(n[0], axis, exclusive=exclusive, reverse=reverse)))


@legalize("CumProd")
def cum_prod(n: Node) -> Value:
    return n.by_axis(1, "'axis'", lambda axis: _running_product(n, axis))


def _running_product(n: Node, axis: int) -> Value:
    """The products of the elements up to each along an axis; the others count as 1."""
    x, shape = n[0], dims(n[0])
    # [.., result, operand, ..]: which operand each result takes.
    square = [*shape[: axis + 1], shape[axis], *shape[axis + 1 :]]
    place, other = n.iota(square, axis), n.iota(square, axis + 1)
    before, after = (other, place) if not n.flag("reverse") else (place, other)
    taken = n(nn.Lt(before, after) if n.flag("exclusive") else nn.Le(before, after))
    factors = n(nn.Where(taken, n.unsqueeze(x, [axis]), n.like(1, x)))
    return n.reduce(factors, "mul", [axis + 1])


@legalize("TensorScatter")
def tensor_scatter(n: Node) -> Value:
    """An update written into a cache from a position of each sequence on; in `circular` mode it wraps around."""
    cache, update = n[0], n[1]
    rank = len(dims(cache))
    axis = n.axis(rank, default=-2)
    where = n.iota(dims(update), axis)
    if n.get(2) is not None:
        where = n(nn.Add(where, n.reshape(n.cast(n[2], i64), [dims(update)[0], *[1] * (rank - 1)])))
    if n.choice("mode", "linear", "circular") == "circular":
        where = n(nn.Mod(where, n.size(cache, axis)))
    return n(nn.ScatterElements(cache, where, update, axis))


@legalize("ReverseSequence")
def reverse_sequence(n: Node) -> Value:
    """The first lengths[b] entries of every sequence b backwards: position t reads lengths[b] - 1 - t."""
    x = n[0]
    rank = len(dims(x))
    time, batch = n.axis(rank, "time_axis", 0), n.axis(rank, "batch_axis", 1)
    lengths = n.reshape(n.cast(n[1], i64), [d if i == batch else 1 for i, d in enumerate(dims(x))])
    step = n.iota(dims(x), time)
    mirrored = n(nn.Sub(n(nn.Sub(lengths, n.constant(1, i64))), step))
    return n(nn.GatherElements(x, n(nn.Where(n(nn.Lt(step, lengths)), mirrored, step)), time))


@legalize("Hardmax")
def hardmax(n: Node) -> Value:
    """1 at the first maximum along the axis; before opset 13 over all dimensions from the axis on."""
    x = n[0]
    shape, rank = dims(x), len(dims(x))
    axis = n.axis(rank, default=-1 if n.opset >= 13 else 1)
    if n.opset < 13:
        x = n.reshape(x, [symbols.product(shape[:axis]), symbols.product(shape[axis:])])
        axis = 1
    best = n(nn.ArgMax(x, axis, keep_dims=True, select_last=False))
    hit = n(nn.Eq(n.iota(dims(x), axis), best))
    return n.reshape(n.cast(hit, scalar(x)), shape)
