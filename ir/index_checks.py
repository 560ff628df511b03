"""Checks of indices that are values, as the attribute `kw.index_checks` of a function.

    func.func @main(…) attributes {kw.index_checks = [[["vocabulary"], "/embeddings/Gather"]]}

The last results of the function are, for each entry, the least and the greatest index: one of each for every size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import symbols
from .attributes import ArrayAttr, BoolAttr, StringAttr
from .core import Operation
from .symbols import Dim

ATTRIBUTE = "kw.index_checks"
DEBUG_BOUNDS = "kw.debug_bounds"
"""The module's attribute that asks for checks."""


@dataclass(frozen=True)
class IndexCheck:
    """Indices of `nodes` into axes of `sizes`."""

    sizes: tuple[Dim, ...]
    nodes: tuple[str, ...]


def is_wanted(module: Operation) -> bool:
    return module.attributes.get(DEBUG_BOUNDS) == BoolAttr(True)


def attach(function: Operation, checks: Sequence[IndexCheck]) -> None:
    entries = (
        ArrayAttr((ArrayAttr(tuple(StringAttr(str(s)) for s in check.sizes)), *map(StringAttr, check.nodes)))
        for check in checks
    )
    function.attributes[ATTRIBUTE] = ArrayAttr(tuple(entries))


def index_checks(function: Operation) -> list[IndexCheck]:
    attribute = function.attributes.get(ATTRIBUTE)
    checks = []
    for entry in attribute.values if isinstance(attribute, ArrayAttr) else ():
        assert isinstance(entry, ArrayAttr)
        sizes, *nodes = entry.values
        assert isinstance(sizes, ArrayAttr)
        dims = tuple(symbols.parse(text.value) for text in sizes.values if isinstance(text, StringAttr))
        checks.append(IndexCheck(dims, tuple(node.value for node in nodes if isinstance(node, StringAttr))))
    return checks
