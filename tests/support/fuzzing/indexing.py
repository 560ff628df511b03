"""Gathers and scatters, and what depends on the data: non-zeros, unique ones, ranks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .families import family
from .graph import Graph, Tensor
from .numbers import BOOL, F16, F32, F64, I32, I64, U8

_MOVED = (F32, F32, F64, F16, I32, I64, BOOL, U8)


def _not_empty(tensor: Tensor) -> bool:
    return 0 not in tensor.shape


def _ordered(tensor: Tensor) -> bool:
    """Whether the elements have an order: none is not-a-number."""
    return not np.isnan(tensor.array.astype(np.float64)).any()


@family(weight=2)
def gather(g: Graph) -> None:
    x = g.operand(_MOVED, low=1, where=_not_empty)
    axis = g.axis(x.rank)
    n = x.shape[axis]
    indices = g.rng.integers(-n, n, g.shape(0, 2))
    g.node("Gather", [x, g.given(indices, g.choose([I64, I32]), constant=0.5)], exact=True, axis=axis)


@family(since=11)
def gather_elements(g: Graph) -> None:
    x = g.operand(_MOVED, low=1, where=_not_empty)
    axis = g.axis(x.rank)
    n = x.shape[axis]
    shape = [g.random.randint(1, size) for size in x.shape]
    shape[axis] = g.size()
    g.node("GatherElements", [x, g.given(g.rng.integers(-n, n, shape), I64, constant=0.5)], exact=True, axis=axis)


def _positions(g: Graph, shape: tuple[int, ...], lead: tuple[int, ...]) -> np.ndarray:
    """Indices [*lead, len(shape)] into a tensor of `shape`, some from the end."""
    columns = [g.rng.integers(-n, n, lead) for n in shape]
    return np.stack(columns, -1) if columns else np.zeros((*lead, 0), np.int64)


@family(since=12)
def gather_nd(g: Graph) -> None:
    x = g.operand(_MOVED, low=1, where=_not_empty)
    batch = g.random.randint(0, min(1, x.rank - 1))
    depth = g.random.randint(1, x.rank - batch)
    lead = (*x.shape[:batch], *g.shape(0, 2))
    if math.prod(lead) * math.prod(x.shape[batch + depth :]) > 4096:
        return
    indices = _positions(g, x.shape[batch : batch + depth], lead)
    g.node("GatherND", [x, g.given(indices, I64, constant=0.5, static=True)], exact=True, batch_dims=batch)


_REDUCTIONS = {11: ["none"], 16: ["none", "add", "mul"], 18: ["none", "add", "mul", "max", "min"]}


def _reduction(g: Graph) -> str:
    return g.choose(_REDUCTIONS[max(version for version in _REDUCTIONS if version <= g.opset)])


@family(since=11)
def scatter_elements(g: Graph) -> None:
    x = g.operand((F32, F32, F64, I32, I64), low=1, where=_not_empty)
    axis = g.axis(x.rank)
    n = x.shape[axis]
    shape = [g.random.randint(1, size) for size in x.shape]
    reduction = _reduction(g)
    indices = g.rng.integers(-n, n, shape)
    if reduction == "none":  # which of several updates of one place stays is not defined
        order = np.argsort(g.rng.random([*shape[: axis % x.rank], n, *shape[axis % x.rank + 1 :]]), axis)
        indices = np.take(order, range(shape[axis]), axis) - n * g.random.randint(0, 1)
    exact = reduction in ("none", "max", "min") or x.dtype.kind == "i"
    updates = g.new(x.dtype, shape)
    operands = [x, g.given(indices, I64, constant=0.5), updates]
    g.node("ScatterElements", operands, exact=exact, axis=axis, reduction=reduction if g.opset >= 16 else None)


@family(since=11)
def scatter_nd(g: Graph) -> None:
    x = g.operand((F32, F32, F64, I32, I64), low=1, where=_not_empty)
    depth = g.random.randint(1, x.rank)
    reduction = _reduction(g)
    places = math.prod(x.shape[:depth])
    count = g.random.randint(0, min(places, 9))
    flat = g.rng.permutation(places)[:count] if reduction == "none" else g.rng.integers(0, places, count)
    indices = np.stack(np.unravel_index(flat, x.shape[:depth]), -1).astype(np.int64)
    indices -= np.array(x.shape[:depth]) * (g.rng.random(indices.shape) < 0.3)
    exact = reduction in ("none", "max", "min") or x.dtype.kind == "i"
    updates = g.new(x.dtype, (count, *x.shape[depth:]))
    operands = [x, g.given(indices, I64, constant=0.5, static=True), updates]  # the last size is part of the rank
    g.node("ScatterND", operands, exact=exact, reduction=reduction if g.opset >= 16 else None)


@family()
def one_hot(g: Graph) -> None:
    depth = g.random.randint(1, 6)
    indices = g.given(g.rng.integers(-depth - 1, depth + 2, g.shape(0, 2)), g.choose([I64, I32]), constant=0.3)
    values = g.given(np.array([0, 5]).astype(g.choose([F32, I64])), static=True)
    g.node("OneHot", [indices, g.given(depth, I64, constant=1), values], exact=True, axis=g.random.choice([-1, 0]))


@family()
def non_zero(g: Graph) -> None:
    g.node("NonZero", [g.operand((F32, I32, I64, BOOL), low=1, exact=True)], exact=True)


@family(since=11)
def compress(g: Graph) -> None:
    x = g.operand((F32, F64, I64), low=1)
    axis = g.axis(x.rank) if g.chance(0.7) else None
    n = x.array.size if axis is None else x.shape[axis]
    condition = g.rng.random(g.random.randint(0, n)) < 0.5
    g.node("Compress", [x, g.given(condition, BOOL, constant=0.5)], exact=True, axis=axis)


@family(since=11, weight=0.5)
def unique(g: Graph) -> None:
    x = g.operand((F32, I64), low=1, exact=True, where=lambda t: _not_empty(t) and _ordered(t))
    axis = g.axis(x.rank) if g.chance(0.5) else None
    g.node("Unique", [x], 4, exact=True, axis=axis, sorted=g.random.randint(0, 1))


@family(since=11)
def top_k(g: Graph) -> None:
    x = g.operand((F32, F64, I32, I64), low=1, exact=True, where=_ordered)
    axis = g.axis(x.rank)
    k = g.given([g.random.randint(0, x.shape[axis])], I64, constant=0.8)
    g.node("TopK", [x, k], 2, exact=True, axis=axis, largest=g.random.randint(0, 1), sorted=1)


@family(since=11)
def cumsum(g: Graph) -> None:
    x = g.operand((F32, F64, I32, I64), low=1)
    axis = g.given(g.axis(x.rank), g.choose([I32, I64]), constant=1)
    flags: dict[str, Any] = {"exclusive": g.random.randint(0, 1), "reverse": g.random.randint(0, 1)}
    g.node("CumSum", [x, axis], exact=x.dtype.kind == "i", **flags)
