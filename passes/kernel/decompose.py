"""Spell compound ops in reductions and element-wise ops, which kernels are formed of."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.declare import Op
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.target import Target
from ..base import Pass, PassContext
from ..rewrite import Rewriter, apply_patterns, pattern
from ..tile.strategies import specialized
from .outline import kernel_of
from .ranking import long_top_k
from .updates import scatter_of_narrow_elements, scatter_of_narrow_parts


class Decompose(Pass):
    """Replace `softmax`, `layer_norm` and the other compound ops by what they mean, statistics in f32.

        %y = "nn.softmax"(%x) {axis = 1 : i64} : (tensor<2x9xf32>) -> tensor<2x9xf32>

    becomes

        %max = "nn.reduce"(%x) {kind = "max", axes = array<i64: 1>, keep_dims = true} : …
        %0 = "nn.sub"(%x, %max) : …
        %e = "nn.exp"(%0) : …
        %sum = "nn.reduce"(%e) {kind = "add", axes = array<i64: 1>, keep_dims = true} : …
        %y = "nn.div"(%e, %sum) : …

    `nn.top_k` of a long axis becomes a merge sort of keys (ranking.py), and
    scatters combine narrow numbers in wider types (updates.py). `nn.attention` stays whole
    where the target has a strategy that takes it, and always with `keep-attention`.
    """

    name = "decompose"
    keep_attention: bool = False

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module) if Target.has(module) else None

        @pattern(nn.Attention)
        def attention(op: nn.Attention, rw: Rewriter) -> None:
            """attention(q, k, v) = softmax(q kᵀ) v"""
            if target is None or specialized(kernel_of([op], op.operands, op.results), target) is None:
                rw.remark(op, "attention is spelled out: the target has no strategy for it")
                _spell_out(op, rw)

        rules = [compound_op, long_top_k, scatter_of_narrow_elements, scatter_of_narrow_parts]
        apply_patterns(module, rules if self.keep_attention else [*rules, attention], context)


@pattern(nn.NnOp)
def compound_op(op: nn.NnOp, rw: Rewriter) -> None:
    """a compound op = its decomposition"""
    if op.compound:
        _spell_out(op, rw)


def _spell_out(op: nn.NnOp, rw: Rewriter) -> None:
    def emit(part: Op) -> Value:
        return rw.insert(part).result

    rw.replace(op, op.decompose(emit))
