"""Sizes that a model needs to be equal, as the attribute `kw.equal_sizes` of its function.

    func.func @main(…) attributes {kw.equal_sizes = [["seq", "min(seq, 512)", "/embeddings/Add"]]}

Each entry has two size expressions and the names of the ONNX nodes that need them to be equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import symbols
from .attributes import ArrayAttr, StringAttr
from .core import Operation
from .diagnostics import CompileError
from .symbols import Dim

ATTRIBUTE = "kw.equal_sizes"


@dataclass(frozen=True)
class Equality:
    """`left == right` in every run; `nodes` are the ONNX nodes that need it."""

    left: Dim
    right: Dim
    nodes: tuple[str, ...] = ()


def equalities(function: Operation) -> list[Equality]:
    """What `function` needs. Raises CompileError for a malformed attribute."""
    attribute = function.attributes.get(ATTRIBUTE)
    if attribute is None:
        return []
    return [_read(entry) for entry in (attribute.values if isinstance(attribute, ArrayAttr) else (attribute,))]


def _read(entry: object) -> Equality:
    values = entry.values if isinstance(entry, ArrayAttr) else ()
    texts = [text.value for text in values if isinstance(text, StringAttr)]
    try:
        left, right, *nodes = texts
        return Equality(symbols.parse(left), symbols.parse(right), tuple(nodes))
    except ValueError as error:
        raise CompileError(
            f'{ATTRIBUTE}: expected ["size", "size", "node", …] in every entry, found {entry}: {error}'
        ) from None


def attach(function: Operation, needed: Iterable[Equality]) -> None:
    """Make `needed` all that `function` needs."""
    entries = [ArrayAttr(tuple(map(StringAttr, (str(e.left), str(e.right), *e.nodes)))) for e in needed]
    if entries:
        function.attributes[ATTRIBUTE] = ArrayAttr(tuple(entries))
    else:
        function.attributes.pop(ATTRIBUTE, None)
