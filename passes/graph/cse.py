"""Common subexpression elimination."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Hashable

from ...ir.core import Block, Operation
from ...ir.declare import COMMUTATIVE, ISOLATED, PURE
from ...ir.dialects.builtin import Module
from ...ir.location import fuse
from ..base import EXACT, Pass, PassContext


class Cse(Pass):
    """Compute equal things once: ops without effects that have equal names, operands, attributes and types.

    Before:
        %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
        %1 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
        %2 = "nn.add"(%0, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    After:
        %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
        %1 = "nn.add"(%0, %0) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    """

    name = "cse"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        for region in module.regions:
            for block in region.blocks:
                context.count("merged", _merge(block, ChainMap()))


def _merge(block: Block, known: ChainMap[Hashable, Operation]) -> int:
    """Merge the ops of `block` with each other and with those of `known`, which holds what dominates the block."""
    merged = 0
    for op in block:
        if op.regions:
            outside = ChainMap() if ISOLATED in op.traits else known
            merged += sum(_merge(inner, outside.new_child()) for region in op.regions for inner in region.blocks)
        elif PURE in op.traits and op.results:
            first = known.setdefault(_key(op), op)
            if first is not op:
                first.location = fuse([first.location, op.location])
                op.replace_all_uses_with(first.results)
                op.erase()
                merged += 1
    return merged


def _key(op: Operation) -> Hashable:
    operands = [id(value) for value in op.operands]
    if COMMUTATIVE in op.traits:
        operands[:2] = sorted(operands[:2])
    types = tuple(result.type for result in op.results)
    return op.name, tuple(operands), tuple(sorted(op.attributes.items(), key=lambda item: item[0])), types
