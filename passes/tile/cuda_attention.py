"""Attention on GPUs in one pass over the keys: scores, softmax and the weighted values stay in registers.

A thread block takes some queries of one head. Keys and values come through stages of shared memory, block by block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import scalar_type, shape
from ...ir.dialects.nn.contraction import Attention
from ...ir.dialects.vector import ExtractStridedSlice
from ...ir.symbols import Dim, Expr, ceildiv, floordiv
from ...ir.target import CudaTarget
from ...ir.types import VectorType, f32
from .attention_blocks import AttentionSchedule, Heads, attention_candidates, attention_instruction, multiple
from .attention_program import AttentionProgram, Place, State
from .cuda_blocks import instruction_depth, usual_sizes
from .cuda_contraction import program_ids
from .cuda_gemm import operand, single_root
from .cuda_stages import StagedOperand, Walk
from .elements import Element
from .epilogue import placements
from .overlap_launches import overlaps
from .strategies import AnyTarget, register


@dataclass(frozen=True)
class FlashAttention:
    """`nn.attention` of floats, with the element-wise ops that make its mask and those that follow."""

    name: str = "mma_attention"
    priority: int = 100

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        if (reason := self._refusal(func, target)) is not None:
            return reason
        found = _ranked(func, target)
        return found[0] if found else "its heads fit neither into registers nor into shared memory"

    def candidates(self, func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
        return [] if self._refusal(func, target) is not None else _ranked(func, target)

    def _refusal(self, func: kernel.Func, target: AnyTarget) -> str | None:
        """Why no schedule fits a kernel, whatever its sizes."""
        root = single_root(func, Attention)
        if not isinstance(target, CudaTarget) or not isinstance(root, Attention):
            return "not one attention on a GPU"
        if Heads.of(root) is None:
            return "the size of a head or the number of heads is not static"
        dtype = scalar_type(root.q)
        if attention_instruction(dtype, root.precision) is None:
            return f"no instruction multiplies matrices of {dtype}"
        if placements(func, root.result) is None:
            return "a result is not the attention's elements, one by one"
        return "it is empty" if 0 in (*shape(root.q), *shape(root.v)) else None

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Attention)
        assert isinstance(root, Attention)
        _Attention(func, root, AttentionSchedule.from_attribute(schedule)).build(overlaps(target))


register(FlashAttention())


def _ranked(func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
    """The schedules of blocks that fit, the most promising first."""
    root = single_root(func, Attention)
    assert isinstance(root, Attention) and isinstance(target, CudaTarget)
    heads, number = Heads.of(root), usual_sizes(func)
    assert heads is not None
    usual = number(heads.batch), number(heads.rows), number(heads.keys)
    found = attention_candidates(heads, usual, scalar_type(root.q), target)
    return [schedule.to_attribute() for schedule in found]


class _Attention(AttentionProgram):
    def __init__(self, func: kernel.Func, root: Attention, sizes: AttentionSchedule) -> None:
        super().__init__(func, root)
        self.sizes = sizes
        instruction = attention_instruction(scalar_type(root.q), root.precision)
        assert instruction is not None
        self.instruction, self.depth = instruction, instruction_depth(instruction)

    def build(self, overlap: bool) -> None:
        heads, sizes, indices = self.heads, self.sizes, self.indices
        blocks = ceildiv(heads.rows, sizes.rows)
        grid = (blocks * sizes.splits, heads.programs, heads.batch)
        program, head, batch = program_ids(self.frame, grid)
        block = indices.derived(floordiv(program, sizes.splits), blocks)
        self.rank = indices.derived(program - block * sizes.splits, sizes.splits)
        if self.root.causal:  # those that see most keys first
            block = indices.derived(blocks - 1 - block, blocks)
        self.first_row = block * sizes.rows
        self.head, self.batch = head, batch
        self.row_lane, self.key_lane = indices.lane(sizes.rows), indices.lane(sizes.keys)
        self.size_lane = indices.lane(self.size)
        self.value_lane = indices.lane(self.value)
        self.row = self._position(self.first_row, self.row_lane, heads.rows, sizes.rows)
        self.column = self._position(0, self.value_lane, heads.value, self.value)
        self._open_operands()
        state = self._run(overlap)
        if sizes.splits > 1:
            place = Place(self.rank, sizes.splits)
            state = self._gather(state, self._parts(sizes.rows, self.value), self.first_row, place)
        self._finish(state)
        self.frame.finish(grid, sizes.threads)
        if sizes.splits > 1:
            self.frame.func.cluster = (sizes.splits, 1, 1)

    @property
    def size(self) -> int:
        """Elements of a query or key in whole instructions."""
        return multiple(self.heads.size, 16)

    @property
    def value(self) -> int:
        """Elements of a value in whole instructions of all warps that share them."""
        return multiple(self.heads.value, 8 * max(2, self.sizes.warps_n, self.sizes.splits))

    # Operands

    def _open_operands(self) -> None:
        heads, sizes, root = self.heads, self.sizes, self.root
        dtype = scalar_type(root.q)
        batch = (self.batch, self.head)
        queries = operand(self.frame, root.q, self.query_at, batch, heads.rows, heads.size, self.size)
        keys = operand(self.frame, root.k, self.key_at, batch, heads.keys, heads.size, self.size)
        values = operand(self.frame, root.v, self.value_at, batch, heads.value, heads.keys, sizes.keys)
        depth = Walk(self.size_lane, self.size, heads.size)
        along_keys = Walk(self.key_lane, sizes.keys, heads.keys)
        columns = Walk(self.value_lane, self.value, heads.value)
        self.q = StagedOperand(self.body, queries, "q", Walk(self.row_lane, sizes.rows, heads.rows), depth, dtype, 1)
        self.k = StagedOperand(self.body, keys, "k", along_keys, depth, dtype, sizes.stages)
        self.v = StagedOperand(self.body, values, "v", columns, along_keys, dtype, sizes.stages)

    # The loop over the keys

    def _run(self, overlap: bool) -> State:
        """All steps: first those whose keys all queries of the block see, then those that some do not."""
        first, whole, last = self._bounds()
        if overlap:
            self.builder.effect(tile.WaitDependencies())
        self._start(first, last)
        state = self._initial()
        if whole != 0:
            state = self._loop(state, first, whole, last, masked=False)
        if whole != last:
            state = self._loop(state, whole, last, last, masked=True)
        return state

    def _bounds(self) -> tuple[Dim, Dim, Dim]:
        steps, whole = self._visible(self.first_row, self.sizes.rows, self.sizes.keys)
        return self._share(self.rank, self.sizes.splits, steps, whole)

    def _start(self, first: Dim, last: Dim) -> None:
        """Bring the queries, and fill all stages but one."""
        self.q.copy(self.first_row, 0, 0)
        self.q.read(self.row, 0)
        self.q.store(0)
        for stage in range(self.sizes.stages - 1):
            self._copy(first + stage, last)
            self.builder.effect(tile.CommitGroup())
        self.query: list[Value] | None = None
        if self.sizes.hoist_queries:
            self.builder.effect(tile.WaitGroup(self.sizes.stages - 2))
            self.builder.effect(tile.Barrier())
            self.query = self._query_fragments()

    def _query_fragments(self) -> list[Value]:
        window = self.q.window(0)
        return [self.q.fragment(window, k, self.depth, inner_first=False) for k in range(0, self.size, self.depth)]

    def _copy(self, step: Dim, steps: Dim) -> None:
        """Start the copies of a block of keys and values, if it is one of those to come."""
        if not (self.k.is_copied or self.v.is_copied):
            return
        stage = symbols.mod(step, self.sizes.stages)

        def copy() -> None:
            self.k.copy(step * self.sizes.keys, 0, stage)
            self.v.copy(0, step * self.sizes.keys, stage)

        if isinstance(step, int) and isinstance(steps, int):
            if step < steps:
                copy()
            return
        self.builder.branch(self.indices.compare("lt", step, steps).value, copy)

    def _read(self, step: Dim, first: Dim) -> None:
        """Bring what no copy can, through registers."""
        stage = symbols.mod(step, self.sizes.stages)
        key = self._position(first, self.key_lane, self.heads.keys, self.sizes.keys)
        self.k.read(key, 0)
        self.k.store(stage)
        self.v.read(self.column, first)
        self.v.store(stage)
        if not (self.k.is_copied and self.v.is_copied):
            self.builder.effect(tile.Barrier())

    def _loop(self, state: State, first: Dim, last: Dim, steps: Dim, masked: bool) -> State:
        def step(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            number = self.indices.scalar(counter, ceildiv(self.heads.keys, self.sizes.keys))
            return self._step(number, steps, state.with_tiles(carried), masked).tiles()

        return state.with_tiles(self.body.loop(last, 1, state.tiles(), step, first=first))

    def _step(self, step: Expr, steps: Dim, state: State, masked: bool) -> State:
        """One block of keys: wait for it, start those to come, scores, weights, weighted values."""
        stages = self.sizes.stages
        self.builder.effect(tile.WaitGroup(stages - 2))
        self.builder.effect(tile.Barrier())
        self._copy(step + (stages - 1), steps)
        self.builder.effect(tile.CommitGroup())
        first = self.indices.derived(step * self.sizes.keys, self.heads.keys)
        self._read(step, first)
        stage = symbols.mod(step, stages)
        key = self._position(first, self.key_lane, self.heads.keys, self.sizes.keys)
        if not masked:
            self.body.limits.pop(self.indices.lane_of(self.key_lane), None)
        scores = self._masked(self._scores(stage), key, self.sizes.keys, masked)
        return self._accumulate(state, scores, stage)

    # Scores

    def _scores(self, stage: Dim) -> Element:
        """The products of queries and keys."""
        acc = self._zeros(self.sizes.keys)
        window = self.k.window(stage)
        queries = self.query if self.query is not None else self._query_fragments()
        for n, q in enumerate(queries):
            k = self.k.fragment(window, n * self.depth, self.depth, inner_first=True)
            acc = self._multiply(q, k, acc)
        return Element(acc, f32, tuple(self.indices.lane_of(lane) for lane in (self.row_lane, self.key_lane)))

    def _zeros(self, columns: int) -> Value:
        zero = self.body.constant(0.0, f32).value
        return self.builder.op("vector.broadcast", (zero,), VectorType((self.sizes.rows, columns), f32))

    def _multiply(self, a: Value, b: Value, acc: Value, paired: bool = False) -> Value:
        warps = (self.sizes.warps_m, self.sizes.warps_n)
        return self.builder.effect(tile.Mma(a, b, acc, self.instruction, warps=warps, paired=paired)).results[0]

    # Softmax and the weighted values

    def _accumulate(self, state: State, scores: Element, stage: Dim) -> State:
        apply = self.body.apply
        largest = apply("max", state.largest, self._along_keys("max", scores))
        weights = self._weights(scores, largest)
        scale = self._rescaling(state.largest, largest)
        total = apply("add", apply("mul", state.total, scale), self._along_keys("add", weights))
        values = apply("mul", state.values, scale)
        return State(largest, total, self._weighted(weights, values, stage))

    def _weighted(self, weights: Element, values: Element, stage: Dim) -> Element:
        """`values` + weights @ v."""
        narrow = self.body.elements.cast(weights, scalar_type(self.root.v)).value
        window = self.v.window(stage)
        acc, keys = values.value, self.sizes.keys
        # Warps that share the keys exchange all weights at once; else each has its own in the place of an operand.
        step = keys if self.sizes.warps_n > 1 else self.depth
        for k in range(0, keys, step):
            a = narrow
            if step < keys:
                a = self.builder.pure(ExtractStridedSlice.at(narrow, (0, k), (self.sizes.rows, step)))
            b = self.v.fragment(window, k, step, inner_first=True)
            acc = self._multiply(a, b, acc, paired=self.depth == 8)
        return Element(acc, f32, values.lanes)
