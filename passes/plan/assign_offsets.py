"""Place the arena's buffers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from ...ir.dialects import plan
from ...ir.dialects.builtin import Func, Module
from ..analysis.liveness import Lifetime, arena_lifetimes, conflict
from ..analysis.sizes import size_at, typical_sizes
from ..base import Pass, PassContext

TRIES = 16
"""How many orders of placing buffers are tried while gaps are left."""


class AssignOffsets(Pass):
    """Give every arena buffer an offset, so that buffers that live at the same time do not overlap.

    Buffers are placed from the largest to the smallest, each in the tightest gap between those already placed that it
    conflicts with (best fit; Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020);
    where another order (by lifetime, by start, by end) needs less memory, in that one.
    Static sizes give integers. Where sizes are expressions, the order found at the profile's optimum is kept for all
    sizes: `after` names the buffers below, and an offset is the largest of their ends.

    Buffers whose sizes are only read while the model runs are placed apart from the others, in an arena for each
    `plan.read` they wait for, which a `plan.place` behind it lays out.

    `inspect` reports the arena beside the largest live set, below which no placement can go.
    """

    name: ClassVar[str] = "assign-offsets"

    def run(self, module: Module, context: PassContext) -> None:
        segment_of = plan.segments(module.main)
        by_segment: dict[int, list[Lifetime]] = {}
        for life in arena_lifetimes(module.main):
            by_segment.setdefault(segment_of[life.op.result], []).append(life)
        typical = typical_sizes(module)
        for _, lifetimes in sorted(by_segment.items(), reverse=True):
            sizes = {life.op: _align(size_at(life.bytes, typical)) for life in lifetimes}
            offsets = place(lifetimes, sizes)
            if all(isinstance(life.bytes, int) for life in lifetimes):
                for op, offset in offsets.items():
                    op.offset = offset
            else:
                _order_by_offset(module, lifetimes, offsets)
        _place_segments(module.main, set(segment_of.values()))


def _align(size: int) -> int:
    return -(-size // plan.ALIGNMENT) * plan.ALIGNMENT


def place(lifetimes: list[Lifetime], sizes: dict[plan.Arena, int]) -> dict[plan.Arena, int]:
    """Offsets by best fit: largest buffers first, or in the order of another rule where that needs less memory. While
    that leaves gaps, the buffer that ends highest is placed before all others, some times."""
    rules: list[Callable[[Lifetime], tuple[int, ...]]] = [
        lambda one: (-sizes[one.op], one.start),
        lambda one: (one.start - one.end, -sizes[one.op]),
        lambda one: (one.start, -sizes[one.op]),
        lambda one: (-one.end, -sizes[one.op]),
    ]
    best = min((_best_fit(sorted(lifetimes, key=rule), sizes) for rule in rules), key=lambda one: _end(one, sizes))
    bound = _largest_live_set(lifetimes, sizes)
    order = sorted(lifetimes, key=rules[0])
    offsets = _best_fit(order, sizes)
    for _ in range(TRIES):
        if _end(best, sizes) <= bound:
            break
        highest = max(order, key=lambda one: offsets[one.op] + sizes[one.op])
        order = [highest, *(one for one in order if one is not highest)]
        offsets = _best_fit(order, sizes)
        best = min(best, offsets, key=lambda found: _end(found, sizes))
    return best


def _end(offsets: dict[plan.Arena, int], sizes: dict[plan.Arena, int]) -> int:
    return max((offset + sizes[op] for op, offset in offsets.items()), default=0)


def _largest_live_set(lifetimes: list[Lifetime], sizes: dict[plan.Arena, int]) -> int:
    return max((sum(sizes[o.op] for o in lifetimes if o.start <= one.start <= o.end) for one in lifetimes), default=0)


def _best_fit(lifetimes: Sequence[Lifetime], sizes: dict[plan.Arena, int]) -> dict[plan.Arena, int]:
    """Each buffer in turn in the tightest gap."""
    placed: list[Lifetime] = []
    offsets: dict[plan.Arena, int] = {}
    for life in lifetimes:
        neighbours = sorted((offsets[p.op], sizes[p.op]) for p in placed if conflict(p, life))
        offsets[life.op] = _best_gap(neighbours, sizes[life.op])
        placed.append(life)
    return offsets


def _best_gap(neighbours: list[tuple[int, int]], size: int) -> int:
    """The start of the smallest gap of at least `size` below or between `neighbours` (offset, size), else their end."""
    best: tuple[int, int] | None = None
    end = 0
    for offset, length in neighbours:
        gap = offset - end
        if gap >= size and (best is None or gap < best[0]):
            best = gap, end
        end = max(end, offset + length)
    return best[1] if best is not None else end


def _order_by_offset(module: Module, lifetimes: list[Lifetime], offsets: dict[plan.Arena, int]) -> None:
    """Write `after`, and move the buffers to the front of `main` from the lowest to the highest."""
    ordered = sorted(lifetimes, key=lambda life: (offsets[life.op], life.start))
    block = module.main.block
    anchor = block.first
    for position, life in enumerate(ordered):
        life.op.after = tuple(lower.op.label for lower in ordered[:position] if conflict(lower, life))
        life.op.detach()
        anchor = block.insert_after(life.op, anchor) if anchor is not None else block.append(life.op)


def _place_segments(main: Func, used: set[int]) -> None:
    """A `plan.place` behind every read that buffers wait for."""
    reads = [op for op in main.walk() if isinstance(op, plan.Read)]
    for number, read in enumerate(reads, 1):
        if number in used and read.parent is not None:
            read.parent.insert_after(plan.Place(number, location=read.location), read)
