"""Canonical forms of matrix products: transposes of the last two axes are attributes."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import nn
from ..rewrite import Rewriter, canonicalization
from .match import producer, tensor


def _exchanged(value: Value) -> Value | None:
    """x where `value` is x with its last two axes exchanged."""
    op = producer(value, nn.Transpose)
    if op is None:
        return None
    rank = tensor(value).rank
    return op.x if op.perm == (*range(rank - 2), rank - 1, rank - 2) else None


@canonicalization(nn.MatMul)
def matmul_of_transposed(op: nn.MatMul, rw: Rewriter) -> None:
    """matmul(transpose(a), b) = matmul(a, b) {trans_a}"""
    a, b = _exchanged(op.a), _exchanged(op.b)
    if a is None and b is None:
        return
    new = nn.MatMul(
        a or op.a,
        b or op.b,
        op.trans_a != (a is not None),
        op.trans_b != (b is not None),
        to=op.to,
        precision=op.precision,
    )
    rw.replace(op, new)
