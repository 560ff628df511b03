"""Scatters that combine narrow numbers do so in wider types, in which memory may combine them one by one."""

from __future__ import annotations

from ...ir.dialects import nn
from ...ir.dialects.nn.base import scalar_type
from ...ir.types import Scalar, f32, i32, i64
from ..rewrite import Rewriter, pattern


def _wider(dtype: Scalar, reduction: str) -> Scalar | None:
    """The type to combine numbers of `dtype` in, if not their own."""
    if dtype.bits < 32:
        return f32 if dtype.is_float else i32
    if dtype.bits == 32 and dtype.is_unsigned and reduction in ("min", "max"):
        return i64
    return None


@pattern(nn.ScatterElements)
def scatter_of_narrow_elements(op: nn.ScatterElements, rw: Rewriter) -> None:
    """scatter(x) = narrow(scatter(wide(x)))"""
    dtype, wide = scalar_type(op.x), _wider(scalar_type(op.x), op.reduction)
    if op.reduction == "none" or wide is None or dtype.is_bool:
        return
    x, updates = (rw.insert(nn.Cast(v, wide)).result for v in (op.x, op.updates))
    y = rw.insert(nn.ScatterElements(x, op.indices, updates, op.axis, op.reduction)).result
    rw.replace(op, nn.Cast(y, dtype))


@pattern(nn.ScatterNd)
def scatter_of_narrow_parts(op: nn.ScatterNd, rw: Rewriter) -> None:
    """scatter(x) = narrow(scatter(wide(x)))"""
    dtype, wide = scalar_type(op.x), _wider(scalar_type(op.x), op.reduction)
    if op.reduction == "none" or wide is None or dtype.is_bool:
        return
    x, updates = (rw.insert(nn.Cast(v, wide)).result for v in (op.x, op.updates))
    y = rw.insert(nn.ScatterNd(x, op.indices, updates, op.reduction)).result
    rw.replace(op, nn.Cast(y, dtype))
