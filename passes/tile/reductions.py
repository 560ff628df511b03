"""Reductions in tile programs: loops over merged dims, the innermost along a lane where the schedule has one for it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.loop_nest import Index, Reduction
from ...ir.symbols import Dim, Expr, floordiv, product
from . import cluster
from .elements import Element
from .merging import Merged

if TYPE_CHECKING:
    from .body import TileBody

UNROLLED = 9
"""The most terms of a reduction that are spelled out instead of looped over."""
SHORT = 8
"""Reductions over fewer positions do not take a lane."""


@dataclass(frozen=True)
class Columns:
    """How reductions walk memory: in chunks of `width` positions along a lane of their own.

    `row_lanes` may vary outside such a reduction. A reduction over `extent` positions walks with `symbol` instead where
    that is given: one tile holds all positions, and what it reads stays in registers for others. With `blocks` a tile
    of each block of a cluster holds them together.
    """

    width: int
    row_lanes: frozenset[int] = frozenset()
    symbol: Expr | None = None
    extent: Dim | None = None
    blocks: int = 1


@dataclass(frozen=True)
class Reducer:
    """One reduction of `term`; `first` is the neutral element, `lanes` those of the result."""

    body: TileBody
    kind: Reduction
    term: Callable[[Index], Element]
    first: Element
    lanes: tuple[int, ...]

    def run(self, groups: Sequence[Merged]) -> Element:
        columns = self.body.columns
        extent = groups[-1].extent
        along_lane = columns is not None and self.body.current_lanes <= columns.row_lanes
        if not along_lane or (isinstance(extent, int) and extent < SHORT):
            return self._nest(groups, (), self.body.elements.spread(self.first, self.lanes), self._combine)
        assert columns is not None
        if columns.symbol is not None and extent == columns.extent:
            total = self._along(columns.symbol, groups, whole=True)
            return total if columns.blocks == 1 else self._across_blocks(total, columns.blocks)
        width = columns.width if not isinstance(extent, int) else min(columns.width, power_of_two(extent))
        return self._along(self.body.indices.lane(width), groups, whole=False)

    def _along(self, symbol: Expr, groups: Sequence[Merged], whole: bool) -> Element:
        """Reduce with the last group along the lane of `symbol`: in one tile, or in chunks."""
        (lane,) = self.body.indices.lanes_of(symbol)

        def last(prefix: Index, total: Element) -> Element:
            if whole:
                return self._masked(total, prefix + groups[-1].split(symbol), lane)
            return self._chunks(groups[-1], prefix, total, lane, symbol)

        lanes = tuple(sorted({*self.lanes, lane}))
        total = self._nest(groups[:-1], (), self.body.elements.spread(self.first, lanes), last)
        return self._across(total, lane)

    def _across(self, total: Element, lane: int) -> Element:
        axis = total.lanes.index(lane)
        value = self.body.builder.pure(tile.Reduce(total.value, None, self._register_kind(), (axis,)))
        return Element(value, total.dtype, tuple(k for k in total.lanes if k != lane))

    def _across_blocks(self, own: Element, blocks: int) -> Element:
        """What the blocks of a cluster have found, combined in each of them."""
        body = self.body
        slot = cluster.shared(body, (1,), own.dtype, "part")
        body.builder.effect(tile.Store(own.value, slot.value, (body.indices.scalar_code(0),), (), (), ()))
        cluster.meet(body)
        parts = [cluster.read(body, cluster.of_peer(body, slot, peer), (0,)) for peer in range(blocks)]
        return functools.reduce(functools.partial(body.apply, self.kind), parts)

    def _register_kind(self) -> Reduction:
        """Booleans are one bit: their largest is `or`, their smallest `and`."""
        if self.first.dtype.is_bool:
            return "or" if self.kind in ("max", "or", "add") else "and"
        return self.kind

    def _combine(self, index: Index, total: Element) -> Element:
        combined = self.body.apply(self.kind, total, self.term(index))
        return self.body.elements.spread(combined, total.lanes)

    def _masked(self, total: Element, index: Index, lane: int) -> Element:
        """Combine, positions beyond the lane's limit counting as neutral."""
        mask = self.body.inside_lanes((lane,))
        if mask is None:
            return self._combine(index, total)
        term = self.body.apply("select", mask, self.term(index), self.first)
        return self.body.elements.spread(self.body.apply(self.kind, total, term), total.lanes)

    def _nest(
        self, groups: Sequence[Merged], prefix: Index, total: Element, last: Callable[[Index, Element], Element]
    ) -> Element:
        if not groups:
            return last(prefix, total)
        group, *rest = groups
        count = product(g.extent for g in groups)
        if isinstance(count, int) and count <= UNROLLED and isinstance(group.extent, int):
            for i in range(group.extent):
                total = self._nest(rest, prefix + group.split(i), total, last)
            return total

        def step(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            position = self.body.indices.scalar(counter, group.extent)
            inner = Element(carried[0], total.dtype, total.lanes)
            return [self._nest(rest, prefix + group.split(position), inner, last).value]

        (value,) = self.body.loop(group.extent, 1, [total.value], step, pure=True)
        return Element(value, total.dtype, total.lanes)

    def _chunks(self, group: Merged, prefix: Index, total: Element, lane: int, symbol: Expr) -> Element:
        """Chunks of the lane's width, then the positions that are left."""
        indices, width, extent = self.body.indices, self.body.elements.sizes[lane], group.extent
        whole = floordiv(extent, width) * width

        def step(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            chunk = indices.scalar(counter, extent, width)
            position = indices.derived(chunk + symbol, extent)
            inner = Element(carried[0], total.dtype, total.lanes)
            return [self._combine(prefix + group.split(position), inner).value]

        if whole != 0:
            (value,) = self.body.loop(whole, width, [total.value], step, pure=True)
            total = Element(value, total.dtype, total.lanes)
        if whole == extent:
            return total
        position = indices.derived(whole + symbol, extent)
        self.body.limits[lane] = (position, extent)
        total = self._masked(total, prefix + group.split(position), lane)
        del self.body.limits[lane]
        return total


def power_of_two(count: int) -> int:
    """The smallest power of two that is not below `count`."""
    return 1 << max(count - 1, 0).bit_length()
