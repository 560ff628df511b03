"""Spell running sums of long axes in those of short ones."""

from __future__ import annotations

from collections.abc import Callable

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import Dim, add, ceildiv, mul
from ...ir.types import TensorType, f32
from ..base import Pass, PassContext

LONG = 256
"""Up to so many elements are summed up one by one."""
PART = 64
PART_OF_RUN_TIME = 256
"""Elements of a part, where the axis has a size of run time: twice divided by this, it is short."""
_MOST_SPLITS = 2


class SplitSums(Pass):
    """Give every worker a short running sum: each element of `nn.cumsum` adds up all elements before it.

        %y = "nn.cumsum"(%x) {axis = 0 : i64, …} : (tensor<4096xf32>) -> tensor<4096xf32>

    becomes the running sums of parts and, added to them, the running sum of the totals of the parts before,

        %0 = "nn.reshape"(%x) : (tensor<4096xf32>) -> tensor<64x64xf32>
        %1 = "nn.cumsum"(%0) {axis = 1 : i64, …} : (tensor<64x64xf32>) -> tensor<64x64xf32>
        %2 = "nn.reduce"(%0) {kind = "add", axes = array<i64: 1>, keep_dims = true} : …
        %3 = "nn.cumsum"(%2) {axis = 0 : i64, exclusive = true, …} : (tensor<64x1xf32>) -> tensor<64x1xf32>
        %4 = "nn.add"(%1, %3) : …
        %y = "nn.reshape"(%4) : (tensor<64x64xf32>) -> tensor<4096xf32>

    and the running sum of totals is split again. An axis that does not divide is padded, and narrow floats are added in
    f32.
    """

    name = "split-sums"
    tolerance = 1e-5

    def run(self, module: Module, context: PassContext) -> None:
        for op in [op for op in module.walk() if isinstance(op, nn.CumSum)]:
            size = tensor_type(op.x).dims[op.axis]
            if not isinstance(size, int) or size > LONG:
                _replace(op)
                context.count("sums")


def _replace(op: nn.CumSum) -> None:
    type = tensor_type(op.x)
    narrow = type.scalar.is_float and type.scalar.bits < 32

    def emit(new: nn.NnOp) -> Value:
        assert op.parent is not None
        new.location = op.location
        return op.parent.insert_before(new, op).results[0]

    y = _split(emit, emit(nn.Cast(op.x, f32)) if narrow else op.x, op.axis, op.exclusive, op.reverse)
    op.replace_all_uses_with([emit(nn.Cast(y, type.scalar)) if narrow else y])
    op.erase()


def _split(
    emit: Callable[[nn.NnOp], Value], x: Value, axis: int, exclusive: bool, reverse: bool, depth: int = 0
) -> Value:
    type = tensor_type(x)
    size = type.dims[axis]
    part = PART if isinstance(size, int) else PART_OF_RUN_TIME
    if (isinstance(size, int) and size <= part) or (not isinstance(size, int) and depth == _MOST_SPLITS):
        return emit(nn.CumSum(x, axis, exclusive, reverse))
    parts = ceildiv(size, part)
    whole = mul(parts, part)
    if whole != size:
        high = [0] * type.rank
        high[axis] = add(whole, mul(size, -1))  # type: ignore[call-overload]
        x = emit(nn.Pad(x, (0,) * type.rank, tuple(high)))
    cut: tuple[Dim, ...] = (*type.dims[:axis], parts, part, *type.dims[axis + 1 :])
    x = emit(nn.Reshape(x, result_types=[TensorType(cut, type.scalar)]))
    inner = emit(nn.CumSum(x, axis + 1, exclusive, reverse))
    totals = emit(nn.Reduce(x, "add", (axis + 1,), True))
    before = _split(emit, totals, axis, True, reverse, depth + 1)
    y = emit(nn.Add(inner, before))
    joined = type.with_shape([*type.dims[:axis], whole, *type.dims[axis + 1 :]])
    y = emit(nn.Reshape(y, result_types=[joined]))
    if whole != size:
        y = emit(nn.Slice(y, (0,) * type.rank, type.dims, (1,) * type.rank))
    return y
