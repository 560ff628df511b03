"""Where every buffer of a plan lies for given values of its symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .expressions import evaluate
from .plan import ALIGNMENT, Arena, Buffer, Input, Object, Output, Plan, Weight


class Place(NamedTuple):
    """A buffer's memory: `bytes` at `offset` into the arena, or into an input, output or weight tensor `key`."""

    root: Literal["arena", "input", "output", "weight", "object"]
    key: int | str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Layout:
    """The places of all buffers, in order of the plan, and the size of the arena that holds them."""

    symbols: Mapping[str, int]
    places: tuple[Place, ...]
    arena_bytes: int


def lay_out(plan: Plan, symbols: Mapping[str, int]) -> Layout:
    """The layout of `plan` where its input symbols have the values `symbols`."""
    scope = dict(symbols)  # gains NAME.end for each arena buffer
    places: dict[str, Place] = {}
    top = 0
    for buffer in plan.buffers:
        place = _place(buffer, scope, places)
        if place.root == "arena" and isinstance(buffer.storage, Arena):
            scope[f"{buffer.name}.end"] = _aligned(place.offset + place.bytes)
            top = max(top, place.offset + place.bytes)
        places[buffer.name] = place
    return Layout(dict(symbols), tuple(places.values()), _aligned(top))


def _place(buffer: Buffer, scope: Mapping[str, int], places: Mapping[str, Place]) -> Place:
    size = evaluate(buffer.bytes, scope)
    storage = buffer.storage
    if isinstance(storage, Arena):
        return Place("arena", 0, _aligned(evaluate(storage.offset, scope)), size)
    if isinstance(storage, Input):
        return Place("input", storage.index, 0, size)
    if isinstance(storage, Output):
        return Place("output", storage.index, 0, size)
    if isinstance(storage, Weight):
        return Place("weight", storage.tensor, 0, size)
    if isinstance(storage, Object):
        return Place("object", buffer.name, 0, 0)
    base = places[storage.of]
    return Place(base.root, base.key, base.offset + evaluate(storage.offset, scope), size)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT
