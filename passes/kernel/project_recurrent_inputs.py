"""Take the input projections of recurrent layers out of their time loops."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ir.attributes import DenseAttr, DenseResourceAttr
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.recurrent import Recurrent
from ...ir.symbols import product
from ...ir.types import TensorType
from ..base import Pass, PassContext
from ..rewrite import Rewriter, apply_patterns, pattern


class ProjectRecurrentInputs(Pass):
    """Compute x wᵀ of a recurrent layer for all time steps and directions as one matrix product.

    Only h rᵀ depends on the step before; the rest is large enough to run at full speed.

    Before:
        %y, %h = "nn.rnn"(%x, %w, %r) {…} : (tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32>) -> …
    After:
        %rows = "nn.reshape"(%w) : (tensor<1x4x3xf32>) -> tensor<4x3xf32>
        %p = "nn.matmul"(%x, %rows) {trans_b = true, …} : (tensor<5x2x3xf32>, tensor<4x3xf32>) -> tensor<5x2x4xf32>
        %y, %h = "nn.rnn"(%p, %r) {…} : (tensor<5x2x4xf32>, tensor<1x4x4xf32>) -> …
    """

    name = "project-recurrent-inputs"

    def run(self, module: Module, context: PassContext) -> None:
        apply_patterns(module, [project_inputs], context)


@pattern(Recurrent)
def project_inputs(op: Recurrent, rw: Rewriter) -> None:
    """recurrent(x, w, r) = recurrent(x wᵀ, r)"""
    if op.w is None:
        return
    weights = _all_rows(op.w, rw)
    projected = rw.insert(nn.MatMul(op.x, weights, trans_b=True, precision=op.precision)).result
    fields: dict[str, Any] = {  # Any: operands and attributes of any op of the family
        field.name: getattr(op, field.name) for field in (*op.definition.operands, *op.definition.attributes)
    }
    fields |= {"x": projected, "w": None}
    rw.replace(op, type(op)(**fields))


def _all_rows(w: Value, rw: Rewriter) -> Value:
    """The weights of all directions as one matrix [directions · gates · hidden, inputs]."""
    assert isinstance(w.type, TensorType)
    *rows, inputs = w.type.dims
    type = w.type.with_shape((product(rows), inputs))
    attribute = w.owner.value if isinstance(w.owner, nn.Constant) else None
    shape = tuple(dim for dim in type.dims if isinstance(dim, int))
    if isinstance(attribute, DenseAttr):
        return rw.insert(nn.Constant(DenseAttr(attribute.array.reshape(shape)))).result
    if isinstance(attribute, DenseResourceAttr):
        array: np.ndarray | None = None if attribute.array is None else attribute.array.reshape(shape)
        return rw.insert(nn.Constant(DenseResourceAttr(f"{attribute.name}.rows", type, array))).result
    return rw.insert(nn.Reshape(w, result_types=[type])).result
