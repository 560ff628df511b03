"""The blocks of a function: its own, and those of the control flow in it."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.core import Block, Operation


def blocks_of(op: Operation) -> Iterator[Block]:
    """All blocks inside `op`, outer before inner."""
    for region in op.regions:
        for block in region.blocks:
            yield block
            for inner in block:
                yield from blocks_of(inner)
