"""Products of Hopper whose tiles a cluster of blocks finishes together: each adds up a part of the inner dimension, or
each has some columns of rows that are reduced.

A block computes one tile. Behind its products the blocks meet whenever all have written what the others need to shared
memory, and when all have read it. The producer's warps meet the others of the cluster as well.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.dialects.nn.reduction import Reduce
from ...ir.symbols import Dim, ceildiv, floordiv
from ...ir.types import f32
from . import cluster
from .access import Memory
from .cuda_gemm import Gemm, Product
from .cuda_wgmma import WgmmaGemm
from .cuda_wgmma_operands import TilePlace
from .elements import Element
from .epilogue import Placement
from .merging import Merged
from .wgmma_blocks import EXCHANGE_PADDING, ROWS, WgmmaSchedule


class ClusteredGemm(WgmmaGemm):
    """Clusters of `size` blocks, whose numbers follow each other and which meet `meetings` times."""

    size: int
    meetings: int = 2

    def build(self) -> None:
        super().build()
        func = self.gemm.frame.func
        func.grid = (self.programs,)
        func.cluster = (self.size,)

    @property
    def programs(self) -> Dim:
        return self.tiles

    def _producer(self, group: Value) -> None:
        super()._producer(group)
        for _ in range(self.meetings):
            self.builder.effect(tile.ClusterBarrier())


class SplitGemm(ClusteredGemm):
    """The inner dimension in `splits` parts, added up by way of shared memory, some rows by each block."""

    def __init__(self, gemm: Product, sizes: WgmmaSchedule, blocks: int, overlap: bool) -> None:
        super().__init__(gemm, sizes, blocks, overlap)
        self.size = sizes.splits
        self.steps = ceildiv(self.steps, self.size)

    @property
    def programs(self) -> Dim:
        return self.tiles * self.size

    def _blocks(self) -> tuple[Dim, Dim]:
        program = self.indices.scalar(self.builder.pure(tile.ProgramId(0)), self.programs)
        block = self.indices.derived(floordiv(program, self.size), self.tiles)
        self.rank = self.indices.derived(program - block * self.size, self.size)
        return block, self.tiles

    def _staging(self) -> Value | None:
        shape = (self.sizes.groups * self.sizes.group_rows, self.sizes.n)
        self.sums = cluster.shared_floats(self.body, shape, "sums", EXCHANGE_PADDING)
        return None

    def _copy(self, sides: object, place: TilePlace, step: Dim, stage: Dim) -> None:
        super()._copy(sides, place, self.rank * self.steps + step, stage)  # type: ignore[arg-type]

    @property
    def _share(self) -> int:
        """The rows of a group that each block finishes."""
        return self.sizes.group_rows // self.size

    def _row_parts(self, place: TilePlace) -> list[tuple[Dim, int]]:
        return [(place.row + self.rank * self._share, self._share)]

    @property
    def _chunk_columns(self) -> int:
        return self.sizes.n

    def _finish(self, place: TilePlace, group: Dim, acc: Value) -> None:
        body, indices = self.body, self.indices
        rows, share = self.sizes.group_rows, self._share
        row, part, column = (indices.lane(size) for size in (rows, share, self.sizes.n))
        lanes = indices.lane_of(row), indices.lane_of(column)
        first = group * rows
        cluster.write(body, self.sums, (first + row, column), Element(acc, f32, lanes))
        cluster.meet(body)
        mine = self.rank * share
        total = self._sum_of(0, (first + mine + part, column))
        for peer in range(1, self.size):
            total = body.apply("add", total, self._sum_of(peer, (first + mine + part, column)))
        cluster.meet(body)
        self._finish_chunk(TilePlace(place.batch, place.row + mine, place.column), group, total.value)

    def _sum_of(self, peer: int, place: tuple[Dim, Dim]) -> Element:
        return cluster.read(self.body, cluster.of_peer(self.body, self.sums, peer), place)


class RowsGemm(ClusteredGemm):
    """Whole rows by the blocks of a cluster, reduced along the way: each has some columns of them."""

    def __init__(
        self, gemm: Gemm, reductions: Sequence[Reduce], sizes: WgmmaSchedule, blocks: int, overlap: bool
    ) -> None:
        super().__init__(gemm, sizes, blocks, overlap)
        assert isinstance(self.tile_columns, int)
        self.reductions, self.size, self.root = reductions, self.tile_columns, gemm.root

    @property
    def meetings(self) -> int:
        return len(self.reductions) + 1

    def _blocks(self) -> tuple[Dim, Dim]:
        return self.indices.scalar(self.builder.pure(tile.ProgramId(0)), self.tiles), self.tiles

    def _place(self, number: Dim) -> TilePlace:
        batches = self.gemm.shape.batch
        *batch, row, column = Merged((), (*batches, self.tile_rows, self.size), self.indices).split(number)
        return TilePlace(tuple(batch), row * self.sizes.m, column * self.sizes.n)

    def _staging(self) -> Value | None:
        rows = (self.sizes.groups * self.sizes.group_rows,)
        self.parts = [cluster.shared_floats(self.body, rows, op.kind) for op in self.reductions]
        return super()._staging()

    def _finish(self, place: TilePlace, group: Dim, acc: Value) -> None:
        body, indices, shape = self.body, self.indices, self.gemm.shape
        row_lane, row = self._rows_from(place.row, ROWS)
        column_lane = indices.lane(self.sizes.n)
        column = indices.derived(place.column + column_lane, shape.columns)
        lanes = indices.lane_of(row_lane), indices.lane_of(column_lane)
        element = Element(acc, f32, lanes)
        body.bound[self.root.result] = lambda _: element
        at = self.gemm.index(place.batch, row, column)
        for reduction, part in zip(self.reductions, self.parts, strict=True):
            self._reduce(reduction, part, at, group * ROWS + row_lane, lanes)
        cluster.meet(body)
        self._send_results(place, group, at, (row, column), lanes)

    def _reduce(self, reduction: Reduce, part: Memory, at: tuple[Dim, ...], row: Dim, lanes: tuple[int, int]) -> None:
        """This block's columns, then those of all blocks; from there on rows have the reduction's result."""
        body = self.body
        kind = "add" if reduction.kind == "mean" else reduction.kind
        placement = Placement.of(reduction.x, self.root.result)
        assert placement is not None
        x = body.elements.spread(body.read(reduction.x, placement.index(at)), lanes)
        value = self.builder.effect(tile.Reduce(x.value, None, kind, (1,))).results[0]
        cluster.write(body, part, (row,), Element(value, f32, lanes[:1]))
        cluster.meet(body)
        total = cluster.read(body, cluster.of_peer(body, part, 0), (row,))
        for peer in range(1, self.size):
            total = body.apply(kind, total, cluster.read(body, cluster.of_peer(body, part, peer), (row,)))
        if reduction.kind == "mean":
            total = body.apply("mul", total, body.constant(1 / (self.sizes.n * self.size), f32))
        body.bound[reduction.result] = lambda _: total
