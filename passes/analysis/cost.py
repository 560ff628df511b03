"""How much an op computes and moves: floating-point operations and bytes, as size expressions."""

from __future__ import annotations

from collections.abc import Iterable

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.symbols import Dim, product
from ...ir.types import Scalar, TensorType


def _tensor(value: Value) -> TensorType:
    assert isinstance(value.type, TensorType)
    return value.type


def operations(op: Operation) -> Dim:
    """The arithmetic of an `nn` op: a multiply-add counts two, an element-wise function one an element."""
    if not op.results:
        return 0
    result = _tensor(op.results[0])
    if isinstance(op, nn.MatMul):
        inner = _tensor(op.a).dims[-2 if op.trans_a else -1]
        return result.size * inner * 2
    if isinstance(op, nn.Conv):
        return result.size * product(_tensor(op.w).dims[1:]) * 2
    if isinstance(op, nn.ConvTranspose):
        return _tensor(op.x).size * product(_tensor(op.w).dims[1:]) * 2
    if isinstance(op, nn.MaxPool | nn.AvgPool):
        return result.size * product(op.kernel)
    if isinstance(op, nn.Reduce):
        return _tensor(op.x).size
    return result.size if isinstance(op, nn.Elementwise) else 0


def bytes_moved(inputs: Iterable[Value], outputs: Iterable[Value]) -> Dim:
    """The bytes a kernel reads and writes when every operand and result moves once."""
    total: Dim = 0
    for value in [*inputs, *outputs]:
        kind = _tensor(value)
        if isinstance(kind.dtype, Scalar):
            total = total + kind.size * kind.dtype.bytes
    return total
