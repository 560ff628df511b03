"""Structural equality of IR: the same ops on the same values, whatever the values are called."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from .core import Block, Operation, Region, Value


def equal(a: Operation, b: Operation, *, locations: bool = True) -> bool:
    """Whether `a` and `b` are the same up to names of values; `locations=False` ignores the ops' origins."""
    return difference(a, b, locations=locations) is None


def difference(a: Operation, b: Operation, *, locations: bool = True) -> str | None:
    """The first difference in textual order, in words; None where there is none.

    Values from outside `a` and `b` must be the same objects.
    """
    return next(_Comparison(locations).ops(a, b), None)


class _Comparison:
    def __init__(self, locations: bool) -> None:
        self.locations = locations
        self.same: dict[Value, Value] = {}

    def ops(self, a: Operation, b: Operation) -> Iterator[str]:
        place = f"'{a.name}'" + (f" @{a.symbol}" if a.symbol else "")
        if a.name != b.name:
            yield f"{place} and '{b.name}': other ops\n  {_line(a)}\n  {_line(b)}"
            return
        for what in self._parts(a, b):
            yield f"{place}: {what}\n  {_line(a)}\n  {_line(b)}"
        self.same.update(zip(a.results, b.results, strict=False))
        if len(a.regions) != len(b.regions):
            yield f"{place}: {len(a.regions)} and {len(b.regions)} regions"
        for left, right in zip(a.regions, b.regions, strict=False):
            yield from self._regions(left, right, place)

    def _parts(self, a: Operation, b: Operation) -> Iterator[str]:
        if type(a) is not type(b):
            yield f"ops of class {type(a).__name__} and {type(b).__name__}"
        if len(a.operands) != len(b.operands):
            yield f"{len(a.operands)} and {len(b.operands)} operands"
        for i, (left, right) in enumerate(zip(a.operands, b.operands, strict=False)):
            # A value used before it is defined is paired by its first use.
            if self.same.setdefault(left, right if _inside(right) else left) is not right:
                yield f"operand {i} is another value"
        yield from _types("result", a.results, b.results)
        for name in (*a.attributes, *(b.attributes.keys() - a.attributes.keys())):
            left, right = a.attributes.get(name), b.attributes.get(name)
            if left != right:
                yield f"attribute '{name}' is {left} and {right}"
        if self.locations and a.location.names != b.location.names:
            yield f"at {a.location} and {b.location}"

    def _regions(self, a: Region, b: Region, place: str) -> Iterator[str]:
        if len(a.blocks) != len(b.blocks):
            yield f"{place}: a region of {len(a.blocks)} and {len(b.blocks)} blocks"
        for left, right in zip(a.blocks, b.blocks, strict=False):
            yield from self._blocks(left, right, place)

    def _blocks(self, a: Block, b: Block, place: str) -> Iterator[str]:
        for what in _types("block argument", a.arguments, b.arguments):
            yield f"{place}: {what}"
        self.same.update(zip(a.arguments, b.arguments, strict=False))
        for left, right in zip_longest(a, b):
            if left is None or right is None:
                extra = left or right
                yield f"{place}: only one has\n  {_line(extra) if extra else ''}"
                return
            yield from self.ops(left, right)


def _types(what: str, a: Sequence[Value], b: Sequence[Value]) -> Iterator[str]:
    if len(a) != len(b):
        yield f"{len(a)} and {len(b)} {what}s"
    for i, (left, right) in enumerate(zip(a, b, strict=False)):
        if left.type != right.type:
            yield f"{what} {i} has types {left.type} and {right.type}"


def _inside(value: Value) -> bool:
    return type(value) is not Value


def _line(op: Operation) -> str:
    return str(op).partition("\n")[0]
