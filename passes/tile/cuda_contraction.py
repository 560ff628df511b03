"""The main loop of a contraction in a thread block: operands go through stages of shared memory into instructions.

An operand comes by asynchronous copies where it is a box of global memory, several stages ahead; else its elements are
loaded into registers one stage ahead, while the stage before is computed, and stored to shared memory after it.

A cluster of blocks may compute one tile, each a part of the inner dimension; then each block adds up some of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, Expr, ceildiv, floordiv
from ...ir.types import Scalar, VectorType, f32
from . import cluster
from .body import TileBody
from .cuda_blocks import SUMS_PADDING, BlockSchedule, instruction_depth
from .cuda_stages import AnyOperand, StagedOperand, Walk
from .elements import Element
from .frame import Frame


@dataclass(frozen=True)
class Problem:
    """Sizes of the contraction of one block's batch; `first_row` and `first_column` are the block's."""

    rows: Dim
    columns: Dim
    inner: Dim
    first_row: Dim
    first_column: Dim
    dtype: Scalar
    instruction: str


@dataclass(frozen=True)
class Grid:
    """The blocks of a launch along up to three axes; `splits` of them, a cluster, share a place on the first axis."""

    frame: Frame
    axes: tuple[Dim, ...]
    splits: int

    @property
    def _launched(self) -> tuple[Dim, ...]:
        return (self.axes[0] * self.splits, *self.axes[1:])

    def place(self) -> tuple[Dim, list[Expr]]:
        """The number of the block in its cluster, and the cluster's place along every axis."""
        indices = self.frame.body.indices
        first, *others = program_ids(self.frame, self._launched)
        if self.splits == 1:
            return 0, [first, *others]
        number = indices.derived(floordiv(first, self.splits), self.axes[0])
        return indices.derived(first - number * self.splits, self.splits), [number, *others]

    def finish(self, threads: int) -> None:
        """End the program."""
        self.frame.finish(self._launched, threads)
        if self.splits > 1:
            self.frame.func.cluster = (self.splits, *(1 for _ in self.axes[1:]))


def program_ids(frame: Frame, grid: Sequence[Dim]) -> list[Expr]:
    """The block's place along every axis of the grid."""
    body = frame.body
    return [body.indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent) for axis, extent in enumerate(grid)]


class Contraction:
    """Builds the accumulator of one block.

    `row` and `column` are its positions: from `accumulate` on those of the rows that the block finishes.
    """

    def __init__(
        self,
        body: TileBody,
        problem: Problem,
        sizes: BlockSchedule,
        a: AnyOperand,
        b: AnyOperand,
        overlap: bool,
        rank: Dim = 0,
    ) -> None:
        """`rank` is the block's number in its cluster; with `overlap` the launch may start before the one before it is
        over."""
        self.overlap = overlap
        self.body = body
        self.indices = body.indices
        self.builder = body.builder
        self.problem = problem
        self.sizes = sizes
        depth = instruction_depth(problem.instruction)
        row_lane, k_lane, self.k_fragment, column_lane = map(self.indices.lane, (sizes.m, sizes.k, depth, sizes.n))
        self.row = self._limited(problem.first_row, row_lane, problem.rows, sizes.m)
        self.column = self._limited(problem.first_column, column_lane, problem.columns, sizes.n)
        self.lanes = (self.indices.lane_of(row_lane), self.indices.lane_of(column_lane))
        self.steps = ceildiv(problem.inner, sizes.k)
        self.rank, self.share = rank, ceildiv(self.steps, sizes.splits)
        self.first_step = rank * self.share
        inner = Walk(k_lane, sizes.k, problem.inner)
        rows, columns = Walk(row_lane, sizes.m, problem.rows), Walk(column_lane, sizes.n, problem.columns)
        self.width = self.steps * sizes.k
        self.a = StagedOperand(body, a, "a", rows, inner, problem.dtype, sizes.stages)
        self.b = StagedOperand(body, b, "b", columns, inner, problem.dtype, sizes.stages)

    def _limited(self, first: Dim, lane: Expr, extent: Dim, size: int) -> Expr:
        """The positions of a lane, which stop at the extent."""
        position = self.indices.derived(first + lane, extent)
        if symbols.mod(extent, size) != 0:
            self.body.limits[self.indices.lane_of(lane)] = (position, extent)
        return position

    def accumulate(self) -> Element:
        """The block's rows of the product, in f32."""
        zero = self.body.constant(0.0, f32).value
        type = VectorType((self.sizes.m, self.sizes.n), f32)
        start = self.builder.op("vector.broadcast", (zero,), type)
        self._start()
        self._read(0)
        self._store(0)
        count = self.share if self.sizes.splits == 1 else symbols.minimum(self.share, self.steps - self.first_step)
        (acc,) = self.body.loop(count, 1, (start,), self._step)
        product = Element(acc, f32, self.lanes)
        return product if self.sizes.splits == 1 else self._sum_of_cluster(product)

    def _sum_of_cluster(self, part: Element) -> Element:
        """Some rows of what all blocks of the cluster have computed."""
        body, sizes = self.body, self.sizes
        share = sizes.m // sizes.splits
        row, mine, column = (self.indices.lane(size) for size in (sizes.m, share, sizes.n))
        sums = cluster.shared_floats(body, (sizes.m, sizes.n), "sums", SUMS_PADDING)
        lanes = self.indices.lane_of(row), self.indices.lane_of(column)
        cluster.write(body, sums, (row, column), Element(part.value, f32, lanes))
        cluster.meet(body)
        first = self.rank * share
        place = (first + mine, column)
        total = cluster.read(body, cluster.of_peer(body, sums, 0), place)
        for peer in range(1, sizes.splits):
            total = body.apply("add", total, cluster.read(body, cluster.of_peer(body, sums, peer), place))
        cluster.meet(body)
        self.row = self._limited(self.problem.first_row + first, mine, self.problem.rows, sizes.m)
        self.column = self._limited(self.problem.first_column, column, self.problem.columns, sizes.n)
        return total

    def _start(self) -> None:
        """Fill all stages but one. Weights are on their way before the launch that makes the other operand is over."""
        early = [side for side in (self.a, self.b) if side.is_weight]
        late = [side for side in (self.a, self.b) if not side.is_weight]
        prologues = [side.prologue for side in (self.a, self.b) if side.prologue is not None]
        for prologue in prologues:
            assert isinstance(self.width, int)
            prologue.width = self.width
            prologue.copy_vectors(constant=True)
        for stage in range(self.sizes.stages - 1):
            self._copy(stage, stage, early)
        if self.overlap:
            self.builder.effect(tile.WaitDependencies())
        for prologue in prologues:
            prologue.copy_vectors(constant=False)
        for stage in range(self.sizes.stages - 1):
            self._copy(stage, stage, late)
            self._commit()

    def _step(self, counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
        """One step along k: wait for its stage, start what comes later, compute."""
        step = self.indices.scalar(counter, self.share)
        stages = self.sizes.stages
        if self._copies:
            self.builder.effect(tile.WaitGroup(stages - 2))
        self.builder.effect(tile.Barrier())
        self._copy(step + (stages - 1), symbols.mod(step + (stages - 1), stages), (self.a, self.b))
        self._commit()
        self._read(step + 1)
        acc = self._multiply(step, carried[0])
        self._store(symbols.mod(step + 1, stages))
        return (acc,)

    @property
    def _copies(self) -> bool:
        return self.a.is_copied or self.b.is_copied

    def _copy(self, step: Dim, stage: Dim, sides: Sequence[StagedOperand]) -> None:
        """Start the asynchronous copies of a step; beyond the last step they bring zeros."""
        for side in sides:
            side.copy(self._first_of(side), (self.first_step + step) * self.sizes.k, stage)

    def _commit(self) -> None:
        if self._copies:
            self.builder.effect(tile.CommitGroup())

    def _first_of(self, side: StagedOperand) -> Dim:
        return self.problem.first_row if side is self.a else self.problem.first_column

    def _read(self, step: Dim) -> None:
        """Load the elements of a step. Nobody uses those of a step after the last, which may be any that exist."""
        step = self.first_step + step
        if symbols.mod(self.problem.inner, self.sizes.k) == 0 and not isinstance(step, int):
            step = symbols.minimum(step, self.steps - 1)
        self.a.read(self.row, step * self.sizes.k)
        self.b.read(self.column, step * self.sizes.k)

    def _store(self, stage: Dim) -> None:
        self.a.store(stage)
        self.b.store(stage)

    def _multiply(self, step: Expr, acc: Value) -> Value:
        """Products of one step, an instruction's depth at a time."""
        instruction, stage = self.problem.instruction, symbols.mod(step, self.sizes.stages)
        depth = instruction_depth(instruction)
        a_tile, b_tile = self.a.window(stage), self.b.window(stage)
        warps = None if instruction == "fma" else (self.sizes.warps_m, self.sizes.warps_n)
        for k in range(0, self.sizes.k, depth):
            inner = (self.first_step + step) * self.sizes.k + k
            a = self._fragment(self.a, a_tile, k, inner)
            b = self._fragment(self.b, b_tile, k, inner)
            acc = self.builder.effect(tile.Mma(a, b, acc, instruction, warps=warps)).results[0]
        return acc

    def _fragment(self, side: StagedOperand, window: Value, k: int, inner: Dim) -> Value:
        """What the instruction multiplies from k of a step on, which is `inner` of the whole."""
        fragment = side.fragment(window, k, instruction_depth(self.problem.instruction), side is self.b)
        if side.prologue is None:
            return fragment
        outer = self.row if side is self.a else self.column
        lanes = sorted((self.lanes[0 if side is self.a else 1], self.indices.lane_of(self.k_fragment)))
        position = self.indices.derived(inner + self.k_fragment, self.width)
        return side.prologue.apply(Element(fragment, self.problem.dtype, tuple(lanes)), outer, position).value
