"""Which values of a network keep f32 when it is computed in a narrower type."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeGuard

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.recurrent import Recurrent
from ...ir.dialects.nn.views import View
from ...ir.types import TensorType, f32

Contraction = nn.MatMul | nn.Conv | nn.ConvTranspose | nn.Attention | Recurrent

# Their results leave the range of f16 or lose what f16 and bf16 have too few digits for.
_WIDE = (
    nn.Exp, nn.Log, nn.Pow, nn.Sqrt, nn.Rsqrt, nn.Reciprocal, nn.Sinh, nn.Cosh, nn.Tan, nn.Acosh, nn.CumSum, nn.Lrn,
)  # fmt: skip
_NORMS = (nn.LayerNorm, nn.RmsNorm)
_SOFTMAXES = (nn.Softmax, nn.LogSoftmax)


def is_contraction(op: Operation) -> TypeGuard[Contraction]:
    """Whether `op` multiplies and adds matrices, which hardware does fastest in narrow types."""
    return isinstance(op, nn.MatMul | nn.Conv | nn.ConvTranspose | nn.Attention | Recurrent)


def wide_values(module: Module) -> set[Value]:
    """The f32 results that stay f32.

    They start with ops that need it. What is computed element by element from them stays wide, and so does what only
    such ops read: it is in the same kernel, or would be rounded for nothing. Softmax and normalizations end this.
    """
    ops = [op for op in module.walk() if isinstance(op, nn.NnOp) and any(map(_is_f32, op.results))]
    wide: set[Value] = {result for op in ops if _needs_f32(op) for result in op.results}
    changed = True
    while changed:
        before = len(wide)
        for op in ops:
            if _follows(op) and any(v in wide and not _ends(v) for v in op.operands):
                wide.update(op.results)
        for op in reversed(ops):
            if _may_be_wide(op) and all(_only_read_wide(result, wide) for result in op.results):
                wide.update(op.results)
        # A softmax has the type of its operand, and so have its results.
        wide.update(op.results[0] for op in ops if isinstance(op, _SOFTMAXES + _NORMS) and op.operands[0] in wide)
        changed = len(wide) > before
    return wide


def _is_f32(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype == f32


def _needs_f32(op: nn.NnOp) -> bool:
    if isinstance(op, nn.Reduce):
        return op.kind in ("add", "mul")
    if isinstance(op, nn.Mul):
        return op.a is op.b  # a square leaves f16's range from 256 on
    if isinstance(op, nn.Cast):
        type = op.x.type
        return isinstance(type, TensorType) and type.scalar.is_integer and not type.scalar.is_bool
    return isinstance(op, _WIDE) or (isinstance(op, nn.Add) and _is_residual(op))


def _is_residual(op: nn.Add) -> bool:
    """Whether this sum goes on beside the layer that normalizes it: a stream that grows with every layer."""
    readers = list(_readers(op.result))
    return any(isinstance(r, _NORMS) for r in readers) and any(isinstance(r, nn.Add) for r in readers)


def _readers(value: Value) -> Iterator[Operation]:
    """The ops that read `value`, directly or through views."""
    for user in value.users:
        if isinstance(user, View):
            yield from _readers(user.results[0])
        else:
            yield user


def _follows(op: nn.NnOp) -> bool:
    """Whether the result has the type of the operands."""
    return not is_contraction(op) and not isinstance(op, (*_NORMS, *_SOFTMAXES, nn.Constant, nn.Cast))


def _ends(value: Value) -> bool:
    """Whether what reads `value` does not become wide with it: it is normalized, or a constant."""
    return isinstance(value.owner, (*_NORMS, *_SOFTMAXES, nn.Constant))


def _may_be_wide(op: nn.NnOp) -> bool:
    """Whether the op can make f32 of narrow operands at no cost."""
    return isinstance(op, nn.Elementwise | View | nn.MatMul | nn.Conv | nn.ConvTranspose)


def _only_read_wide(value: Value, wide: set[Value]) -> bool:
    users = value.users
    return bool(users) and all(
        isinstance(u, _SOFTMAXES) or _is_mask_of(value, u) or _makes_wide(u, wide) for u in users
    )


def _is_mask_of(value: Value, op: Operation) -> bool:
    """Whether attention adds `value` to its scores, which are in f32."""
    return isinstance(op, nn.Attention) and value is op.mask and value not in (op.q, op.k, op.v)


def _makes_wide(op: Operation, wide: set[Value]) -> bool:
    if not isinstance(op, nn.NnOp) or is_contraction(op) or isinstance(op, _NORMS):
        return False
    return any(result in wide for result in op.results)
