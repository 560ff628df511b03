"""Which sizes that are read at run time nobody needs."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.core import Operation
from ...ir.declare import Op
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func
from ...ir.equalities import equalities
from ...ir.symbols import Expr, free_symbols
from ...ir.types import TensorType


def needless_reads(root: Operation) -> list[nn.ReadSizes]:
    """The ops inside `root` that read sizes which no type and no attribute mentions."""
    reads = [op for op in root.walk() if isinstance(op, nn.ReadSizes)]
    needed = {name for op in root.walk() for name in _mentioned(op)} if reads else set()
    return [op for op in reads if needed.isdisjoint(op.symbols)]


def _mentioned(op: Operation) -> Iterator[str]:
    """The symbols in the types of the values that an op makes, and in its attributes."""
    values = [*op.results, *(a for region in op.regions for block in region.blocks for a in block.arguments)]
    for value in values:
        shape = value.type.shape if isinstance(value.type, TensorType) else None
        for dim in shape or ():
            yield from free_symbols(dim)
    if isinstance(op, Func):
        for needed in equalities(op):
            yield from free_symbols(needed.left) | free_symbols(needed.right)
    for field in op.definition.attributes if isinstance(op, Op) else ():
        attribute = getattr(op, field.name)
        for part in attribute if isinstance(attribute, tuple) else (attribute,):
            if isinstance(part, Expr):
                yield from free_symbols(part)
