"""Which concatenations cost nothing: their parts are made side by side, where the whole lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func, Return
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import product

ALIGNMENT = 16
"""Bytes at whose multiples a part may begin: kernels take their arguments to be aligned so."""


@dataclass(frozen=True)
class Place:
    """A tensor lies in the memory of `whole`, `offset` bytes from its start."""

    whole: Value
    offset: int


def origin(value: Value) -> Value:
    """The value that `value` is a reshape of."""
    while isinstance(value.owner, nn.Reshape):
        value = value.owner.x
    return value


def sub_buffers(main: Func, makes_memory: Callable[[Operation], bool]) -> dict[Value, Place]:
    """Where the parts of concatenations lie, and concatenations that are a run of another one's parts.

    Every concatenation of dense parts along its outermost dim counts whose parts are made by ops for which
    `makes_memory`, are not returned, and are nobody else's parts. Later ones come first: they are the longer ones where
    a network adds to what it has (DenseNet).
    """
    returned = {origin(v) for op in main.block if isinstance(op, Return) for v in op.operands}
    places: dict[Value, Place] = {}
    for op in reversed(main.block):
        offsets = _offsets(op) if isinstance(op, nn.Concat) else None
        if offsets is None or op.results[0] in places:
            continue
        assert isinstance(op, nn.Concat)
        parts = [origin(part) for part in op.tensors]
        if (run := _run_of(parts, offsets, places)) is not None:
            if op.result not in returned:
                places[op.result] = run
        elif len(set(parts)) == len(parts) and not any(
            part in places or part in returned or not (isinstance(part.owner, Operation) and makes_memory(part.owner))
            for part in parts
        ):
            places |= {part: Place(op.result, offset) for part, offset in zip(parts, offsets, strict=True)}
    return places


def _offsets(op: nn.Concat) -> list[int] | None:
    """The byte offset of every part, where parts are dense in the whole and begin at aligned places."""
    offsets, offset = [], 0
    if product(tensor_type(op.result).dims[: op.axis]) != 1:
        return None
    for part in op.tensors:
        size = tensor_type(part).size
        if not isinstance(size, int) or size == 0 or offset % ALIGNMENT:
            return None
        offsets.append(offset)
        offset += size * tensor_type(part).scalar.bytes
    return offsets


def _run_of(parts: list[Value], offsets: list[int], places: dict[Value, Place]) -> Place | None:
    """Where all parts lie already, if that is side by side."""
    first = places.get(parts[0])
    if first is None:
        return None
    wanted = [Place(first.whole, first.offset + offset) for offset in offsets]
    return first if [places.get(part) for part in parts] == wanted else None
