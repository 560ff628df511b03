"""Dead code elimination."""

from __future__ import annotations

from ...ir.core import Block, Operation
from ...ir.declare import PURE
from ...ir.dialects.builtin import Module
from ..analysis.read_sizes import needless_reads
from ..base import EXACT, Pass, PassContext


class Dce(Pass):
    """Remove ops without effects whose results nobody reads, and reads of sizes that nothing has.

    Before:
        %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
        return %x : tensor<4xf32>
    After:
        return %x : tensor<4xf32>
    """

    name = "dce"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        context.count("erased", erase_dead(module))


def erase_dead(op: Operation) -> int:
    """Erase dead ops inside `op`, users before their producers; how many."""
    erased = sum(_sweep(block) for region in op.regions for block in region.blocks)
    needless = needless_reads(op) if isinstance(op, Module) else []
    for read in needless:
        read.erase()
    return erased + (len(needless) + erase_dead(op) if needless else 0)


def _sweep(block: Block) -> int:
    erased = 0
    for op in reversed(block):
        if PURE in op.traits and not any(result.uses for result in op.results):
            op.erase()
            erased += 1
        elif op.regions:
            erased += erase_dead(op)
    return erased
