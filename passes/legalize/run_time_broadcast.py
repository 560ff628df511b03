"""Broadcasting of sizes that only a run knows: each may be 1 then.

A symbol of an input stands for one size wherever it is broadcast (see `equalities`). Of a size that the model computes
from its data nobody can say so before a run: an operand with such a size is read at `min(index, size - 1)`, which is
right for both, and the run checks that it is one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim, Expr
from .content import dims

if TYPE_CHECKING:
    from .node import Node


def is_run_time(size: Dim) -> bool:
    """Whether a run computes the size from the model's data."""
    return isinstance(size, Expr) and any(map(symbols.is_run_time, symbols.free_symbols(size)))


def align(n: Node, op: nn.NnOp) -> None:
    """Give a new op that broadcasts its operands others with sizes that are 1 or equal as expressions."""
    inner = 2 if isinstance(op, nn.MatMul) else 0
    if not isinstance(op, nn.Elementwise | nn.MatMul) or len(op.operands) < 2:
        return
    shapes = [dims(v)[: len(dims(v)) - inner] for v in op.operands]
    if not any(is_run_time(size) for shape in shapes for size in shape):
        return
    common = _common(shapes)
    op.set_operands([stretched(n, v, (*common, *dims(v)[len(dims(v)) - inner :])) for v in op.operands])
    for result, type in zip(op.results, op.infer(), strict=True):
        result.type = type


def stretched(n: Node, x: Value, wanted: Sequence[Dim]) -> Value:
    """`x` with the sizes of `wanted`, aligned at the end, in place of sizes of run time other than those."""
    shape = dims(x)
    for axis, (size, new) in enumerate(zip(shape, wanted[len(wanted) - len(shape) :], strict=True)):
        if is_run_time(size) and new not in (1, size):
            n.equal(size, one_or(size, new))
            last = n(nn.Sub(n.size(x, axis), n.number(1)))
            x = n(nn.Gather(x, n(nn.Min(n.iota((new,), 0), last)), axis))
    return x


def _common(shapes: Sequence[Sequence[Dim]]) -> tuple[Dim, ...]:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in shapes]
    return tuple(map(_broadcast, zip(*padded, strict=True)))


def _broadcast(sizes: Sequence[Dim]) -> Dim:
    """The size of the result: that of an operand that is known before the run, if one is not 1."""
    different = list(dict.fromkeys(size for size in sizes if size != 1))
    known = [size for size in different if not is_run_time(size)]
    if known or len(different) < 2:
        return next(iter((*known, *different)), 1)
    largest = smallest = different[0]
    for size in different[1:]:
        largest, smallest = symbols.maximum(largest, size), symbols.minimum(smallest, size)
    return symbols.mul(largest, symbols.minimum(smallest, 1))  # nothing and 1 make nothing


def one_or(size: Dim, other: Dim) -> Dim:
    """1 where `size` is that, else `other`."""
    is_one = symbols.maximum(0, symbols.minimum(size, symbols.add(2, -size)))
    return symbols.add(other, symbols.mul(is_one, symbols.add(1, -other)))
