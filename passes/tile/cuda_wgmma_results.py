"""What becomes of a product's accumulators: the ops behind it, and how their results leave a block.

The epilogue's operands are read before the product where registers hold them. Results in the product's order go through
swizzled shared memory and leave by TMA.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import tile, vector
from ...ir.dialects.nn.base import broadcast_index
from ...ir.symbols import Dim, product
from ...ir.types import MemRefType, VectorType, f32
from .access import Memory
from .builder import Builder
from .cuda_gemm import Product
from .cuda_stages import SPAN
from .cuda_wgmma_beside import Beside
from .cuda_wgmma_operands import MOST_DIMS, TilePlace
from .elements import Element
from .epilogue import Placement, epilogue_operands, row_values
from .frame import returned, tensor_type
from .indices import Indices
from .reductions import Columns
from .warp_roles import WarpRoles
from .wgmma_blocks import ROWS, WARPGROUP, WgmmaSchedule

SHORT = 64
"""Elements of a tile that are summed up along a row."""
MOST_EARLY = 190
"""Registers of a thread that accumulators take together with what the epilogue reads early."""


class WgmmaResults(WarpRoles):
    """The end of a product's program, for tiles of accumulators in a group's registers."""

    gemm: Product
    sizes: WgmmaSchedule
    builder: Builder
    indices: Indices
    staging: Value | None
    beside: list[Beside]
    """Operands of the epilogue that come by TMA."""
    done: Dim
    """The tiles that the group has finished."""
    rows: dict[tuple[str, int], tuple[symbols.Expr, Dim]]
    columns: dict[tuple[str, int, str], tuple[symbols.Expr, Dim]]
    """Lanes along rows and columns, and their positions."""

    def _staging(self) -> Value | None:
        """Where results wait to leave, for each group its own; None where none leaves by TMA."""
        staged = [memory for place, memory in self._results() if self._leaves_by_tma(place, memory)]
        if not staged:
            return None
        # Threads store 8 bytes of a wide result side by side as it is, but only 4 of a narrow one.
        dtype = min((memory.dtype for memory in staged), key=lambda dtype: dtype.bytes)
        panel = SPAN // dtype.bytes
        return self.alloc("results", (self.sizes.groups, self.sizes.chunk // panel, ROWS, panel), dtype, None)

    def _read_early(self, place: TilePlace) -> None:
        """What the epilogue needs is on its way while the first tiles of the operands are: what it computes for every
        row, and all else where registers hold that beside the accumulators."""
        gemm, body = self.gemm, self.body
        values = row_values(gemm.frame.func, gemm.root.result)
        for first, count in self._row_parts(place):
            lane, row = self._rows_from(first, count)
            at = gemm.index(place.batch, row, 0)
            body.columns = Columns(SHORT, frozenset({self.indices.lane_of(lane)}))
            for tensor in values:
                body.read(tensor, broadcast_index(tensor, at))
            body.columns = None
            if self._early_registers(count) <= MOST_EARLY:
                self._rehearse(TilePlace(place.batch, first, place.column), count)

    def _early_registers(self, rows: int) -> int:
        """Those of a thread for the accumulators of a tile, and for what its epilogue reads of global memory."""
        columns, threads = self.sizes.n, 32 * WARPGROUP
        found = self.sizes.group_rows * columns // threads
        beside = [operand.argument for operand in self.beside]
        for tensor in epilogue_operands(self.gemm.frame.func, self.gemm.root):
            if tensor in beside:
                continue
            type = tensor_type(tensor)
            whole = product(type.dims[:-1]) != 1
            elements = rows * columns // threads if whole else columns // 4
            found += elements * type.scalar.bytes // 4
        return found

    def _rehearse(self, place: TilePlace, rows: int) -> None:
        """Run the epilogue on no accumulators: what it loads is loaded here, the rest is not used."""
        body, gemm, width = self.body, self.gemm, self._chunk_columns
        none = body.constant(0.0, f32)
        row_lane, row = self._rows_from(place.row, rows)
        for first in range(0, self.sizes.n, width):
            column_lane, column = self._columns_from(place.column + first, width, row_lane)
            numbers = self.indices.lane_of(row_lane), self.indices.lane_of(column_lane)
            acc = self.builder.op("vector.broadcast", (none.value,), VectorType((rows, width), f32))
            with body.rehearsal():
                for operand in self.beside:
                    body.bound[operand.argument] = lambda _: none
                gemm.bind(Element(acc, f32, numbers), row, column)
                at = gemm.index(place.batch, row, column)
                for tensor, placement in zip(returned(gemm.frame.func), gemm.places, strict=True):
                    body.read(placement.reduced or tensor, placement.index(at))

    @property
    def _chunk_columns(self) -> int:
        """The columns that a group finishes at a time."""
        return self.sizes.chunk

    def _row_parts(self, place: TilePlace) -> list[tuple[Dim, int]]:
        """The rows that a group finishes at a time: the first, and how many."""
        return [(place.row + first, ROWS) for first in range(0, self.sizes.group_rows, ROWS)]

    def _rows_from(self, first: Dim, count: int) -> tuple[symbols.Expr, Dim]:
        """A lane along rows and their positions, the same ones for all that is computed of them."""
        key = (str(first), count)
        if key not in self.rows:
            lane = self.indices.lane(count)
            self.rows[key] = lane, self._limited(first, lane, self.gemm.shape.rows, self.sizes.m)
        return self.rows[key]

    def _columns_from(self, first: Dim, count: int, rows: symbols.Expr) -> tuple[symbols.Expr, Dim]:
        """A lane along columns and their positions, likewise, for the rows of a lane, which comes before it."""
        key = (str(first), count, str(rows))
        if key not in self.columns:
            lane = self.indices.lane(count)
            self.columns[key] = lane, self._limited(first, lane, self.gemm.shape.columns, self.sizes.n)
        return self.columns[key]

    def _limited(self, first: Dim, lane: symbols.Expr, extent: Dim, size: int) -> Dim:
        """The positions of a lane, which stop at the extent where that is no multiple of a tile's size."""
        position = self.indices.derived(first + lane, extent)
        if symbols.mod(extent, size) != 0:
            self.body.limits[self.indices.lane_of(lane)] = (position, extent)
        return position

    def _results(self) -> list[tuple[Placement, Memory]]:
        return list(zip(self.gemm.places, self.gemm.frame.results, strict=True))

    def _leaves_by_tma(self, place: Placement, memory: Memory) -> bool:
        """Rows begin at multiples of 16 bytes, and only elements in the product's order lie in rows of its tiles."""
        aligned = symbols.mod(memory.shape[-1] * memory.dtype.bytes, 16) == 0
        chunked = self.sizes.chunk % (SPAN // memory.dtype.bytes) == 0
        whole = place.keeps_order and place.reduced is None
        return whole and aligned and chunked and memory.dtype.is_float and len(memory.shape) <= MOST_DIMS

    def _finish(self, place: TilePlace, group: Dim, acc: Value) -> None:
        """The element-wise ops behind the product on its accumulators, a chunk at a time."""
        rows, columns = range(0, self.sizes.group_rows, ROWS), range(0, self.sizes.n, self.sizes.chunk)
        starts = list(itertools.product(rows, columns))
        chunks = [TilePlace(place.batch, place.row + row, place.column + column) for row, column in starts]
        for number, (start, chunk) in enumerate(zip(starts, chunks, strict=True)):
            part = vector.ExtractStridedSlice.at(acc, start, (ROWS, self.sizes.chunk))
            value = self.builder.effect(part).results[0]

            def take(lanes: tuple[int, int], number: int = number) -> None:
                for operand in self.beside:
                    operand.take(number, len(chunks), self.done, group, lanes)
                if self.beside and number + 1 < len(chunks):
                    self.builder.effect(tile.Barrier())
                    for operand in self.beside:
                        operand.fetch(chunks[number + 1], group)

            self._finish_chunk(chunk, group, value, take)

    def _finish_chunk(
        self, place: TilePlace, group: Dim, acc: Value, take: Callable[[tuple[int, int]], None] | None = None
    ) -> None:
        """`take` has operands beside the product ready, along its lanes."""
        indices = self.indices
        assert isinstance(acc.type, VectorType)
        row_lane, row = self._rows_from(place.row, acc.type.shape[0])
        column_lane, column = self._columns_from(place.column, acc.type.shape[1], row_lane)
        numbers = indices.lane_of(row_lane), indices.lane_of(column_lane)
        if take is not None:
            take(numbers)
        self.gemm.bind(Element(acc, f32, numbers), row, column)
        at = self.gemm.index(place.batch, row, column)
        self._send_results(place, group, at, (row, column), numbers)

    def _send_results(
        self, place: TilePlace, group: Dim, at: tuple[Dim, ...], inside: tuple[Dim, Dim], numbers: tuple[int, int]
    ) -> None:
        """What a kernel returns `at` an index of the product, row and column `inside` its batch."""
        body = self.body
        tensors = returned(self.gemm.frame.func)
        for tensor, (placement, memory) in zip(tensors, self._results(), strict=True):
            if placement.reduced is not None:
                self._send_spans(placement, memory, place, at, inside, numbers)
                continue
            found = body.read(tensor, placement.index(at))
            if self.staging is not None and self._leaves_by_tma(placement, memory) and self._fits_staging(memory):
                self._send(memory, place, group, found, numbers)
            else:
                where = (*place.batch, *inside) if placement.keeps_order else placement.index(at)
                body.store(memory, where, found)

    def _send_spans(
        self,
        placement: Placement,
        memory: Memory,
        place: TilePlace,
        at: tuple[Dim, ...],
        inside: tuple[Dim, Dim],
        numbers: tuple[int, int],
    ) -> None:
        """A result that reduces spans of columns: a group has whole ones."""
        body, span = self.body, placement.span
        assert placement.reduction is not None and placement.reduced is not None
        kind = placement.reduction.kind
        assert kind != "mean"
        element = body.elements.spread(body.read(placement.reduced, placement.index(at)), numbers)
        rows, columns = (body.elements.sizes[number] for number in numbers)
        lane = self.indices.lane(columns // span)
        split = VectorType((rows, columns // span, span), element.dtype)
        value = self.builder.op("vector.shape_cast", (element.value,), split)
        value = self.builder.effect(tile.Reduce(value, None, kind, (2,))).results[0]
        first = symbols.floordiv(place.column, span)
        column = self._limited(first, lane, memory.shape[-1], self.sizes.n // span)
        lanes = numbers[0], self.indices.lane_of(lane)
        body.store(memory, (*place.batch, inside[0], column), Element(value, element.dtype, lanes))

    def _fits_staging(self, memory: Memory) -> bool:
        assert self.staging is not None and isinstance(self.staging.type, MemRefType)
        return self.staging.type.dtype == memory.dtype

    def _send(self, memory: Memory, place: TilePlace, group: Dim, element: Element, lanes: tuple[int, int]) -> None:
        """A chunk through shared memory, by TMA, which drops what lies outside."""
        builder, staging = self.builder, self.staging
        assert staging is not None
        panel = SPAN // memory.dtype.bytes
        panels = self.sizes.chunk // panel
        value = self.body.elements.spread(self.body.elements.cast(element, memory.dtype), lanes).value
        value = builder.op("vector.shape_cast", (value,), VectorType((ROWS, panels, panel), memory.dtype))
        builder.elect(self._wait_stores)
        builder.effect(tile.Barrier())
        start = self.codes(group, 0, 0, 0)
        builder.effect(tile.Store(value, staging, start, (2, 1, 3), (1, 1, 1), alignment=16))
        builder.effect(tile.FenceAsync())
        builder.effect(tile.Barrier())

        def send() -> None:
            rank = len(memory.shape)
            for number in range(panels):
                there = (*place.batch, place.row, place.column + number * panel)
                op = tile.CopyAsync(
                    staging,
                    memory.value,
                    self.codes(group, number, 0, 0),
                    self.codes(*there),
                    (ROWS, panel),
                    (2, 3),
                    (rank - 2, rank - 1),
                    (rank - 2, rank - 1),
                    engine="tma",
                )
                builder.effect(op)
            builder.effect(tile.CommitGroup("tma"))

        builder.elect(send)

    def _wait_stores(self) -> None:
        self.builder.effect(tile.WaitGroup(0, "tma"))
