"""Products of Hopper whose tiles a cluster of blocks finishes together: each adds up a part of the inner dimension, or
each has some columns of rows that are normalized.

A block computes one tile. The blocks meet twice behind its products: when all have written what the others need to
shared memory, and when all have read it. The producer's warps meet the others of the cluster as well.
"""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.dialects.nn.normalization import LayerNorm, RmsNorm
from ...ir.symbols import Dim, ceildiv, floordiv
from ...ir.types import f32
from . import cluster
from .cuda_gemm import Gemm, Product
from .cuda_wgmma import TilePlace, WgmmaGemm
from .elements import Element
from .merging import Merged
from .wgmma_blocks import EXCHANGE_PADDING, ROWS, WgmmaSchedule

MEETINGS = 2
Norm = LayerNorm | RmsNorm


class ClusteredGemm(WgmmaGemm):
    """Clusters of `size` blocks, whose numbers follow each other."""

    size: int

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
        for _ in range(MEETINGS):
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

    def _finish(self, place: TilePlace, group: Dim, acc: Value) -> None:
        body, indices = self.body, self.indices
        rows, share = self.sizes.group_rows, self.sizes.group_rows // self.size
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


class NormGemm(ClusteredGemm):
    """Whole rows by the blocks of a cluster, normalized with the statistics of all of them."""

    def __init__(self, gemm: Gemm, norm: Norm, sizes: WgmmaSchedule, blocks: int, overlap: bool) -> None:
        super().__init__(gemm, sizes, blocks, overlap)
        assert isinstance(self.tile_columns, int)
        self.norm, self.size, self.root = norm, self.tile_columns, gemm.root

    def _blocks(self) -> tuple[Dim, Dim]:
        return self.indices.scalar(self.builder.pure(tile.ProgramId(0)), self.tiles), self.tiles

    def _place(self, number: Dim) -> TilePlace:
        batches = self.gemm.shape.batch
        *batch, row, column = Merged((), (*batches, self.tile_rows, self.size), self.indices).split(number)
        return TilePlace(tuple(batch), row * self.sizes.m, column * self.sizes.n)

    def _staging(self) -> Value | None:
        rows = (self.sizes.groups * self.sizes.group_rows,)
        self.means = cluster.shared_floats(self.body, rows, "means")
        self.squares = cluster.shared_floats(self.body, rows, "squares")
        return super()._staging()

    def _finish(self, place: TilePlace, group: Dim, acc: Value) -> None:
        body, indices, shape = self.body, self.indices, self.gemm.shape
        row_lane, column_lane = indices.lane(ROWS), indices.lane(self.sizes.n)
        row = self._limited(place.row, row_lane, shape.rows, self.sizes.m)
        column = indices.derived(place.column + column_lane, shape.columns)
        lanes = indices.lane_of(row_lane), indices.lane_of(column_lane)
        element = Element(acc, f32, lanes)
        body.bound[self.root.result] = lambda _: element
        at = self.gemm.index(place.batch, row, column)
        x = body.read(self.norm.x, at)
        y = self._normalized(x, group * ROWS + row_lane, column)
        body.bound[self.norm.result] = lambda _: y
        self._send_results(place, group, at, (row, column), lanes)

    def _normalized(self, x: Element, row: Dim, column: Dim) -> Element:
        """(x - mean) / deviation, both of the whole row: parts' own are merged as Chan, Golub and LeVeque do."""
        body, norm = self.body, self.norm
        apply, constant = body.apply, lambda value: body.constant(value, f32)
        width, whole = float(self.sizes.n), float(self.sizes.n * self.size)
        mean = constant(0.0)
        if isinstance(norm, LayerNorm):
            mean = apply("mul", self._row_sum(x), constant(1 / width))
            cluster.write(body, self.means, (row,), mean)
        rest = apply("sub", x, mean)
        cluster.write(body, self.squares, (row,), self._row_sum(apply("mul", rest, rest)))
        cluster.meet(body)
        squares = [cluster.read(body, cluster.of_peer(body, self.squares, peer), (row,)) for peer in range(self.size)]
        total = self._sum(squares)
        if isinstance(norm, LayerNorm):
            means = [cluster.read(body, cluster.of_peer(body, self.means, peer), (row,)) for peer in range(self.size)]
            mean = apply("mul", self._sum(means), constant(1 / self.size))
            apart = [apply("sub", one, mean) for one in means]
            between = self._sum([apply("mul", one, one) for one in apart])
            total = apply("add", total, apply("mul", between, constant(width)))
        cluster.meet(body)
        variance = apply("add", apply("mul", total, constant(1 / whole)), constant(norm.epsilon))
        y = apply("mul", apply("sub", x, mean), apply("rsqrt", variance))
        if norm.scale is not None:
            y = apply("mul", y, body.read(norm.scale, (column,)))
        if isinstance(norm, LayerNorm) and norm.bias is not None:
            y = apply("add", y, body.read(norm.bias, (column,)))
        return y

    def _row_sum(self, element: Element) -> Element:
        value = self.builder.pure(tile.Reduce(element.value, None, "add", (1,)))
        return Element(value, f32, element.lanes[:1])

    def _sum(self, elements: list[Element]) -> Element:
        total = elements[0]
        for element in elements[1:]:
            total = self.body.apply("add", total, element)
        return total
