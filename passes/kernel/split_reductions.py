"""split-reductions: give large reductions with few results to several workers."""

from __future__ import annotations

import math

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import shape, tensor_type
from ...ir.target import CpuTarget, Target
from ...ir.types import TensorType, f32
from ..base import Pass, PassContext
from ..rewrite import Rewriter, apply_patterns, pattern

LEAST_PART = 4096
"""Elements that make a worker's part of a reduction worth its start."""


class SplitReductions(Pass):
    """Reduce in two steps where one result is combined of very many elements.

        %y = "nn.reduce"(%x) {kind = "add", axes = array<i64: 0, 1>} : (tensor<512x1024xf32>) -> tensor<f32>

    becomes a reduction of parts, as many as keep the machine busy, and one of their results:

        %0 = "nn.reshape"(%x) : (tensor<512x1024xf32>) -> tensor<128x4x1024xf32>
        %1 = "nn.reduce"(%0) {kind = "add", axes = array<i64: 1, 2>} : (tensor<128x4x1024xf32>) -> tensor<128xf32>
        %y = "nn.reduce"(%1) {kind = "add", axes = array<i64: 0>} : (tensor<128xf32>) -> tensor<f32>
    """

    name = "split-reductions"

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module)
        workers = target.cores if isinstance(target, CpuTarget) else target.multiprocessors

        @pattern(nn.Reduce)
        def large_reduction(op: nn.Reduce, rw: Rewriter) -> None:
            """reduce(x) = reduce(reduce(parts of x))"""
            _split(op, rw, workers)

        apply_patterns(module, [large_reduction], context)


def _split(op: nn.Reduce, rw: Rewriter, workers: int) -> None:
    results, count = tensor_type(op.result).size, op.count
    if not isinstance(results, int) or not isinstance(count, int) or results >= workers or results == 0:
        return
    wanted = min(2 * workers // results, count // LEAST_PART)
    if wanted < 2:
        return
    axis = max(op.axes, key=lambda a: _parts(op, a, wanted))
    parts = _parts(op, axis, wanted)
    if parts < 2:
        rw.remark(op, f"not split: no axis of {op.x.type} divides into at most {wanted} parts")
        return
    rw.replace(op, _in_two_steps(op, rw, axis, parts))


def _parts(op: nn.Reduce, axis: int, most: int) -> int:
    """The largest number of equal parts of an axis."""
    size = shape(op.x)[axis]
    return max((n for n in range(1, most + 1) if size % n == 0), default=1) if isinstance(size, int) else 1


def _in_two_steps(op: nn.Reduce, rw: Rewriter, axis: int, parts: int) -> Value:
    type, result = tensor_type(op.x), tensor_type(op.result)
    kind = "add" if op.kind == "mean" else op.kind
    x = op.x
    if type.scalar.is_float and type.scalar.bits < 32 and kind in ("add", "mul"):
        x = rw.insert(nn.Cast(x, f32)).result
    dtype = tensor_type(x).scalar
    size = type.dims[axis]
    assert isinstance(size, int)
    cut = TensorType((*type.dims[:axis], parts, size // parts, *type.dims[axis + 1 :]), dtype)
    x = rw.insert(nn.Reshape(x, result_types=[cut])).result
    inner = tuple(a if a < axis else a + 1 for a in op.axes)
    x = rw.insert(nn.Reduce(x, kind, inner)).result
    left = sum(a not in op.axes for a in range(axis))
    x = rw.insert(nn.Reduce(x, kind, (left,))).result
    if op.kind == "mean":
        total = rw.insert(nn.Constant.of(float(math.prod(_sizes(op))), dtype)).result
        x = rw.insert(nn.Div(x, total)).result
    if tensor_type(x).dims != result.dims:
        x = rw.insert(nn.Reshape(x, result_types=[result.with_dtype(dtype)])).result
    return x if dtype == type.scalar else rw.insert(nn.Cast(x, type.scalar)).result


def _sizes(op: nn.Reduce) -> list[int]:
    return [size for a in op.axes if isinstance(size := shape(op.x)[a], int)]
