"""How much an op computes and moves: floating-point operations and bytes, as size expressions."""

from __future__ import annotations

from collections.abc import Iterable

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import Dim, product
from ...ir.types import Scalar


def operations(op: Operation) -> Dim:
    """The arithmetic of an `nn` op: a multiply-add counts two, an element-wise function one an element."""
    if not op.results:
        return 0
    result = tensor_type(op.results[0])
    if isinstance(op, nn.MatMul):
        inner = tensor_type(op.a).dims[-2 if op.trans_a else -1]
        return result.size * inner * 2
    if isinstance(op, nn.Attention):
        (batch, heads, queries, size), (keys, width) = tensor_type(op.q).dims, tensor_type(op.v).dims[2:]
        return batch * heads * queries * keys * (size + width) * 2
    if isinstance(op, nn.Conv):
        return result.size * product(tensor_type(op.w).dims[1:]) * 2
    if isinstance(op, nn.ConvTranspose):
        return tensor_type(op.x).size * product(tensor_type(op.w).dims[1:]) * 2
    if isinstance(op, nn.Lstm | nn.Gru | nn.Rnn):
        steps, batch = tensor_type(op.x).dims[:2]
        weights = sum((tensor_type(w).size for w in (op.w, op.r) if w is not None), start=0)
        return steps * batch * weights * 2
    if isinstance(op, nn.MaxPool | nn.AvgPool | nn.SumPool):
        return result.size * product(op.kernel)
    if isinstance(op, nn.Reduce):
        return tensor_type(op.x).size
    return result.size if isinstance(op, nn.Elementwise) else 0


def bytes_moved(inputs: Iterable[Value], outputs: Iterable[Value]) -> Dim:
    """The bytes a kernel reads and writes when every operand and result moves once."""
    total: Dim = 0
    for value in [*inputs, *outputs]:
        kind = tensor_type(value)
        if isinstance(kind.dtype, Scalar):
            total = total + kind.size * kind.dtype.bytes
    return total
