"""Where every buffer of a plan lies for given values of its symbols."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .expressions import evaluate
from .plan import ALIGNMENT, Arena, Buffer, Input, Object, Output, Plan, Weight


class Place(NamedTuple):
    """A buffer's memory: `bytes` at `offset` into the arena of segment `key`, or into an input, output or weight `key`.

    A buffer of a later segment is "late" until that is placed.
    """

    root: Literal["arena", "input", "output", "weight", "object", "late"]
    key: int | str
    offset: int
    bytes: int


@dataclass(frozen=True)
class Layout:
    """The places of all buffers, in order of the plan, and the size of the arena of segment 0."""

    symbols: Mapping[str, int]
    places: tuple[Place, ...]
    arena_bytes: int


def roots(plan: Plan) -> dict[tuple[str, int | str], int]:
    """The numbers of the buffers that are an input, output or weight as a whole, by root and key of their places."""
    found: dict[tuple[str, int | str], int] = {}
    for slot, buffer in enumerate(plan.buffers):
        match buffer.storage:
            case Input(index):
                found["input", index] = slot
            case Output(index):
                found["output", index] = slot
            case Weight(tensor):
                found["weight", tensor] = slot
            case _:
                pass
    return found


def lay_out(plan: Plan, symbols: Mapping[str, int]) -> Layout:
    """The layout of `plan` where its input symbols have the values `symbols`."""
    late = [Place("late", buffer.segment, 0, 0) for buffer in plan.buffers]
    places, arena_bytes = lay_out_segment(plan, 0, symbols, late)
    return Layout(dict(symbols), tuple(places), arena_bytes)


def lay_out_segment(
    plan: Plan, segment: int, symbols: Mapping[str, int], known: Sequence[Place]
) -> tuple[list[Place], int]:
    """`known`, the places of all buffers, with those of the buffers of `segment`; and the size of its arena."""
    scope = dict(symbols)  # gains NAME.end for each arena buffer
    places = dict(zip((buffer.name for buffer in plan.buffers), known, strict=True))
    top = 0
    for buffer in plan.buffers:
        if buffer.segment != segment:
            continue
        place = places[buffer.name] = _place(buffer, scope, places)
        if isinstance(buffer.storage, Arena):
            scope[f"{buffer.name}.end"] = _aligned(place.offset + place.bytes)
            top = max(top, place.offset + place.bytes)
    return list(places.values()), _aligned(top)


def _place(buffer: Buffer, scope: Mapping[str, int], places: Mapping[str, Place]) -> Place:
    size = evaluate(buffer.bytes, scope)
    storage = buffer.storage
    if isinstance(storage, Arena):
        return Place("arena", buffer.segment, _aligned(evaluate(storage.offset, scope)), size)
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
