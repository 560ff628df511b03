"""Tile programs that walk the results' elements: row by row, along columns in register tiles.

A worker takes some rows and some columns of all results that have these rows. What depends on a row alone (a softmax's
maximum) is computed once a row, because ops are placed in the outermost loop that knows their operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import kernel, tile
from ...ir.symbols import Dim, Expr, ceildiv, floordiv, minimum, product
from . import cluster
from .access import Memory
from .frame import Frame, open_frame
from .merging import Merged
from .plans import LONG, ResultPlan, estimate, plan_results
from .reductions import Columns, power_of_two
from .schedule import Schedule


@dataclass(frozen=True)
class NestSchedule(Schedule):
    """Sizes of a nest: a register tile is `rows` x `lanes`; a worker takes `worker_rows` x `worker_columns` elements.

    `reduce_lanes` is the chunk in which a reduction along memory is walked, or, by a thread block, one of neighbours
    that belong to different results. With `threads` a worker is a thread block, and with `blocks` it is a cluster of
    so many, each with its share of `lanes` columns of a row.
    """

    subject = "a nest"

    lanes: int
    worker_columns: int
    worker_rows: int = 1
    rows: int = 1
    reduce_lanes: int = 0
    threads: int = 0
    blocks: int = 1


def build_nest(func: kernel.Func, schedule: NestSchedule) -> None:
    """Replace the `nn` ops of a kernel by a tile program that walks its results."""
    plans = plan_results(func)
    frame = open_frame(func, [plan.extents for plan in plans])
    parts = [Section(frame, schedule, results) for results in _sections(list(zip(plans, frame.results, strict=True)))]
    workers = symbols.maximum(*(part.workers for part in parts))
    program = frame.body.builder.pure(tile.ProgramId(0))
    frame.body.turns_in_shared = bool(schedule.threads)
    for part in parts:
        part.emit(program, guarded=part.workers != workers)
    if schedule.blocks > 1:
        cluster.meet(frame.body)
        func.cluster = (schedule.blocks,)
    frame.finish((workers * schedule.blocks,), schedule.threads or None)


def _sections(results: Sequence[tuple[ResultPlan, Memory]]) -> list[list[tuple[ResultPlan, Memory]]]:
    """The results that are walked together: those with the same rows and columns, or the same rows and no columns."""
    found: list[list[tuple[ResultPlan, Memory]]] = []
    for plan, memory in results:
        for section in found:
            columns = {other.columns for other, _ in section} | {plan.columns}
            if section[0][0].rows == plan.rows and len(columns - {None}) <= 1:
                section.append((plan, memory))
                break
        else:
            found.append([(plan, memory)])
    return found


@dataclass(frozen=True)
class Section:
    """Results that are walked together."""

    frame: Frame
    schedule: NestSchedule
    results: list[tuple[ResultPlan, Memory]]

    @property
    def rows(self) -> tuple[Dim, ...]:
        return self.results[0][0].rows

    @property
    def column_blocks(self) -> Dim:
        """Workers along the columns."""
        extents = [plan.columns for plan, _ in self.results if plan.columns is not None]
        return ceildiv(extents[0], self.schedule.worker_columns) if extents else 1

    @property
    def row_blocks(self) -> Dim:
        """Workers along the last rows dim."""
        return ceildiv(self.rows[-1], self.schedule.worker_rows) if self.rows else 1

    @property
    def workers(self) -> Dim:
        return product(self.rows[:-1]) * self.row_blocks * self.column_blocks

    def emit(self, program: Value, guarded: bool) -> None:
        if self.workers == 0:
            return
        indices, blocks = self.frame.body.indices, self.schedule.blocks
        position = indices.scalar(program, self.workers * blocks)
        if blocks > 1:
            position = indices.derived(floordiv(position, blocks), self.workers)
        if guarded:
            more = indices.compare("lt", position, self.workers).value
            self.frame.body.builder.branch(more, lambda: self._worker(position))
        else:
            self._worker(position)

    def emit_share(self) -> None:
        """The part of one of `tile.num_programs` programs, which together do the work of all workers."""
        body, indices = self.frame.body, self.frame.body.indices
        first, programs = body.builder.pure(tile.ProgramId(0)), body.builder.pure(tile.NumPrograms(0))

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            self._worker(indices.scalar(counter, self.workers))
            return ()

        body.builder.loop((first, indices.scalar_code(self.workers), programs), (), step)

    def _worker(self, position: Expr) -> None:
        places = Merged((), (*self.rows[:-1], self.row_blocks, self.column_blocks), self.frame.body.indices)
        *outer, row_block, column_block = places.split(position)
        if not self.rows:
            self._row((), column_block)
            return
        extent, step = self.rows[-1], self.schedule.worker_rows
        self._rows(tuple(outer), row_block * step, extent, column_block)

    def _rows(self, outer: tuple[Dim, ...], first: Dim, extent: Dim, column_block: Dim) -> None:
        """The worker's rows: a lane of them, or one after the other."""
        body, indices, schedule = self.frame.body, self.frame.body.indices, self.schedule
        if schedule.rows > 1:
            lane = indices.lane(schedule.rows)
            row = indices.derived(first + lane, extent)
            if symbols.mod(extent, schedule.rows) != 0:
                body.limits[indices.lane_of(lane)] = (row, extent)
            self._row((*outer, row), column_block, indices.lane_of(lane))
        elif schedule.worker_rows == 1:
            self._row((*outer, indices.derived(first, extent)), column_block)
        else:

            def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
                self._row((*outer, indices.scalar(counter, extent)), column_block)
                return ()

            body.loop(minimum(first + schedule.worker_rows, extent), 1, (), step, first=first)

    def _row(self, row: tuple[Dim, ...], column_block: Dim, row_lane: int | None = None) -> None:
        row_lanes = frozenset() if row_lane is None else frozenset({row_lane})
        body = self.frame.body
        body.columns = Columns(self.schedule.reduce_lanes, row_lanes) if self.schedule.reduce_lanes else None
        for extent in dict.fromkeys(plan.columns for plan, _ in self.results):
            group = [(plan, memory) for plan, memory in self.results if plan.columns == extent]
            if extent is None:
                self._store(group, row)
            else:
                self._columns(group, row, extent, column_block, row_lanes)

    def _store(self, results: Sequence[tuple[ResultPlan, Memory]], place: tuple[Dim, ...]) -> None:
        """Compute and store the elements at a place of the merged dims."""
        body = self.frame.body
        for plan, memory in results:
            index: list[Dim] = []
            for group, position in zip(plan.groups, place, strict=True):
                index.extend(Merged((), group, body.indices).split(position))
            body.store(memory, place, body.read(plan.tensor, index))

    def _columns(
        self,
        results: Sequence[tuple[ResultPlan, Memory]],
        row: tuple[Dim, ...],
        extent: Dim,
        block: Dim,
        row_lanes: frozenset[int],
    ) -> None:
        """The worker's columns of some results in one row (or a lane of rows)."""
        body, indices, schedule = self.frame.body, self.frame.body.indices, self.schedule
        width = schedule.lanes
        if schedule.blocks > 1:
            self._share(results, row, extent, row_lanes)
            return
        if isinstance(extent, int):
            width = min(width, power_of_two(extent))
        lane = indices.lane(width)
        if self.schedule.threads and any(estimate(plan.across) >= LONG for plan, _ in results):
            body.columns = Columns(schedule.reduce_lanes, row_lanes | {indices.lane_of(lane)})
            self._tiles_of(results, row, extent, block, lane, width)
            return
        if isinstance(extent, int) and extent <= width:
            if extent < width:
                body.limits[indices.lane_of(lane)] = (lane, extent)
            if schedule.reduce_lanes:
                body.columns = Columns(schedule.reduce_lanes, row_lanes, lane, extent)
            self._store(results, (*row, lane))
            return
        self._tiles_of(results, row, extent, block, lane, width)

    def _tiles_of(
        self,
        results: Sequence[tuple[ResultPlan, Memory]],
        row: tuple[Dim, ...],
        extent: Dim,
        block: Dim,
        lane: Expr,
        width: int,
    ) -> None:
        """The worker's columns, a register tile after the other."""
        schedule = self.schedule
        first, last = block * schedule.worker_columns, extent
        if extent != schedule.worker_columns:
            last = minimum(first + schedule.worker_columns, extent)
        tiles = Tiles(self.frame, lane, width, extent, lambda column: self._store(results, (*row, column)))
        if schedule.worker_columns == width:
            tiles.one(first)
        else:
            tiles.all(first, last)

    def _share(
        self, results: Sequence[tuple[ResultPlan, Memory]], row: tuple[Dim, ...], extent: Dim, row_lanes: frozenset[int]
    ) -> None:
        """This block's columns of a row, which the blocks of a cluster reduce together."""
        body, indices, schedule = self.frame.body, self.frame.body.indices, self.schedule
        lane = indices.lane(schedule.lanes)
        program = indices.scalar(body.builder.pure(tile.ProgramId(0)), self.workers * schedule.blocks)
        rank = indices.derived(program - floordiv(program, schedule.blocks) * schedule.blocks, schedule.blocks)
        column = indices.derived(rank * schedule.lanes + lane, extent)
        body.limits[indices.lane_of(lane)] = (column, extent)
        body.columns = Columns(schedule.reduce_lanes, row_lanes, column, extent, schedule.blocks)
        self._store(results, (*row, column))


@dataclass(frozen=True)
class Tiles:
    """Register tiles along the columns; `emit` computes and stores one at a position."""

    frame: Frame
    lane: Expr
    width: int
    extent: Dim
    emit: Callable[[Expr], None]

    def one(self, first: Dim) -> None:
        """One tile, which may go beyond the columns."""
        indices = self.frame.body.indices
        position = indices.derived(first + self.lane, self.extent)
        if symbols.mod(self.extent, self.width) == 0:
            self.emit(position)
        else:
            self._limited(position)

    def all(self, first: Dim, last: Dim) -> None:
        """Whole tiles in a loop, then what is left before `last`."""
        whole = first + floordiv(last - first, self.width) * self.width
        even = symbols.mod(self.extent, self.width) == 0
        self._loop(first, last if even else whole, limited=False)
        if not even:
            self._loop(whole, last, limited=True)

    def _loop(self, first: Dim, last: Dim, limited: bool) -> None:
        indices = self.frame.body.indices

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            start = indices.scalar(counter, self.extent, self.width)
            position = indices.derived(start + self.lane, self.extent)
            if limited:
                self._limited(position)
            else:
                self.emit(position)
            return ()

        if isinstance(first, int) and isinstance(last, int) and last - first <= self.width and limited:
            self._limited(indices.derived(first + self.lane, self.extent))
        elif first != last:
            self.frame.body.loop(last, self.width, (), step, first=first)

    def _limited(self, position: Expr) -> None:
        """A tile that stops at the end of the columns."""
        lane = self.frame.body.indices.lane_of(self.lane)
        self.frame.body.limits[lane] = (position, self.extent)
        self.emit(position)
        del self.frame.body.limits[lane]
