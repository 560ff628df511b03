"""Attention on Hopper: a producer brings keys and values by TMA, groups of four warps multiply them by `wgmma`.

Each group has 64 queries. While the scores of a block of keys and the weighted values of the block before it are under
way in the tensor cores, another group computes its weights; the groups take turns at the tensor cores (Shah et al.
2024). Weights go from the accumulators of one product into the registers of the next one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import scalar_type
from ...ir.dialects.nn.contraction import Attention
from ...ir.symbols import Dim, ceildiv, floordiv, maximum
from ...ir.types import MemRefType, Scalar, VectorType, f32
from .attention_program import AttentionProgram, Place, State
from .builder import Role
from .cuda_contraction import program_ids
from .cuda_gemm import operand
from .cuda_stages import SPAN, AnyOperand, BoxOperand
from .elements import Element
from .warp_roles import WarpRoles
from .wgmma_attention_blocks import WgmmaAttentionSchedule, widths
from .wgmma_blocks import ROWS, WARPGROUP


@dataclass
class _Panels:
    """An operand in shared memory: `rows` rows of `width` elements a stage, in panels of 128 bytes."""

    box: BoxOperand
    rows: int
    width: int
    memory: Value

    @property
    def dtype(self) -> Scalar:
        return self.box.memory.dtype

    @property
    def panel(self) -> int:
        return SPAN // self.dtype.bytes

    @property
    def bytes(self) -> int:
        return self.rows * self.width * self.dtype.bytes


def operands(program: AttentionProgram, step: int, batch: Dim, head: Dim) -> tuple[AnyOperand, ...]:
    """Queries, keys and values of a head, as they are read `step` keys at a time."""
    heads, root, frame = program.heads, program.root, program.frame
    size, _ = widths(heads, scalar_type(root.q))
    outer = (batch, head)
    queries = operand(frame, root.q, program.query_at, outer, heads.rows, heads.size, size)
    keys = operand(frame, root.k, program.key_at, outer, heads.keys, heads.size, size)
    values = operand(frame, root.v, program.value_at, outer, heads.value, heads.keys, step)
    return queries, keys, values


class WgmmaAttention(AttentionProgram, WarpRoles):
    """Builds the program of one attention."""

    def __init__(self, func: kernel.Func, root: Attention, sizes: WgmmaAttentionSchedule) -> None:
        super().__init__(func, root)
        self.sizes = sizes
        self.dtype = scalar_type(root.q)
        self.size, self.value = widths(self.heads, self.dtype)

    def build(self, overlap: bool) -> None:
        heads, sizes, indices = self.heads, self.sizes, self.indices
        self.overlap = overlap
        blocks = ceildiv(heads.rows, sizes.rows)
        grid = (blocks * sizes.cluster, heads.programs, heads.batch)
        program, self.head, self.batch = program_ids(self.frame, grid)
        block = indices.derived(floordiv(program, sizes.cluster), blocks)
        self.rank = indices.derived(program - block * sizes.cluster, sizes.cluster)
        if self.root.causal:  # those that see most keys first
            block = indices.derived(blocks - 1 - block, blocks)
        self.first_row = block * sizes.rows
        steps, whole = self._visible(self.first_row, sizes.rows, sizes.keys)
        self.first, self.whole, self.last = self._share(self.rank, sizes.cluster, steps, whole)
        self._open_memory()
        registers = sizes.registers or (None, None)
        self.builder.roles(
            Role(WARPGROUP, self._consumer, sizes.groups, registers[1]),
            Role(sizes.producers, self._producer, 1, registers[0]),
        )
        self.frame.finish(grid, sizes.threads)
        if sizes.splits:
            self.frame.func.cluster = (sizes.splits, 1, 1)

    def _open_memory(self) -> None:
        sizes, keys, values = self.sizes, self.sizes.keys, self.value
        boxes = operands(self, keys, self.batch, self.head)
        self.q = self._panels("q", boxes[0], sizes.rows, self.size, 1)
        self.k = self._panels("k", boxes[1], keys, self.size, sizes.stages)
        self.v = self._panels("v", boxes[2], keys, values, sizes.stages)
        self.parts = self._parts(sizes.kept_rows(self.heads), values, sizes.groups) if sizes.splits else []
        everyone = WARPGROUP * (1 if sizes.splits else sizes.groups)
        self.q_full = self.barriers("q_full", 1, 1)
        self.k_full, self.v_full = (self.barriers(name, sizes.stages, 1) for name in ("k_full", "v_full"))
        self.k_free, self.v_free = (self.barriers(name, sizes.stages, everyone) for name in ("k_free", "v_free"))
        self.turns = self.barriers("turns", sizes.groups, WARPGROUP) if sizes.turns else None
        self.builder.effect(tile.Barrier())

    def _panels(self, name: str, box: AnyOperand, rows: int, width: int, stages: int) -> _Panels:
        if not isinstance(box, BoxOperand):
            raise ValueError("an operand is no box of memory, which TMA could load")
        panel = SPAN // self.dtype.bytes
        memory = self.alloc(f"{name}_tiles", (stages, width // panel, rows, panel), self.dtype, stages)
        return _Panels(box, rows, width, memory)

    # Producer

    def _producer(self, group: Value) -> None:
        self.builder.elect(self._load)
        if self.sizes.splits:
            for _ in range(2):  # the consumers' meetings with the other blocks
                self.builder.effect(tile.ClusterBarrier())

    def _load(self) -> None:
        if self.overlap:
            self.builder.effect(tile.WaitDependencies())
        self.arrive(self.q_full, 0, self.q.bytes)
        self._copy(self.q, self.first_row, 0, self.q_full)

        def step(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            stage, parity = carried
            slot = self._known(stage, self.sizes.stages)
            first = self._block(self._known(counter, self._most_steps)) * self.sizes.keys
            for side, full, free in ((self.k, self.k_full, self.k_free), (self.v, self.v_full, self.v_free)):
                self.wait(free, slot, self._flip(parity))
                self.arrive(full, slot, side.bytes)
                self._copy(side, first, slot, full)
            return self._next(stage, parity, self.sizes.stages)

        zero = self.code(0)
        self.builder.loop(self._bounds(0, self._count), (zero, zero), step, unroll=1)

    def _bounds(self, first: Dim, last: Dim) -> tuple[Value, Value, Value]:
        return self.code(first), self.code(last), self.code(1)

    @property
    def _most_steps(self) -> Dim:
        return ceildiv(self.heads.keys, self.sizes.keys)

    @property
    def _count(self) -> Dim:
        """The blocks of keys of this program; at least one where all queries may be blind to all of them."""
        count = self.last - self.first
        return count if self.sizes.splits else maximum(count, 1)

    def _block(self, step: Dim) -> Dim:
        """The block of keys of a step: from the last one down where steps overlap, so that masks come first."""
        if self.sizes.splits:
            return self.first + step
        return self.indices.derived(self._count - 1 - step, self._most_steps)

    def _copy(self, side: _Panels, first: Dim, stage: Dim, full: Value) -> None:
        """Start copying rows into a stage; what lies outside comes as zeros."""
        box = side.box
        k_major = box.inner_dim > box.outer_dim
        dims = (box.outer_dim, box.inner_dim) if k_major else (box.inner_dim, box.outer_dim)
        for panel in range(side.width // side.panel):
            column = panel * side.panel
            start = box.place(first, column) if k_major else box.place(column, first)
            op = tile.CopyAsync(
                box.memory.value,
                side.memory,
                self.codes(*start),
                self.codes(stage, panel, 0, 0),
                (side.rows, side.panel),
                dims,
                (2, 3),
                dims,
                barriers=full,
                slot=self.code(stage),
                engine="tma",
            )
            self.builder.effect(op)

    # Consumers

    def _consumer(self, group: Value) -> None:
        indices, sizes = self.indices, self.sizes
        self.group = self.indices.scalar(group, sizes.groups)
        if self.overlap:
            self.builder.effect(tile.WaitDependencies())
        self.rows_before = 0 if sizes.splits else self.group * ROWS
        first = self.first_row + self.rows_before
        self.row_lane, self.key_lane = indices.lane(ROWS), indices.lane(sizes.keys)
        self.value_lane, self.quad_lane = indices.lane(self.value), indices.lane(4)
        self.row = self._position(first, self.row_lane, self.heads.rows, sizes.rows)
        self.column = self._position(0, self.value_lane, self.heads.value, self.value)
        self.wait(self.q_full, 0, self.code(0))
        state = self._one_by_one() if sizes.splits else self._overlapped()
        if sizes.splits:
            state = self._gather(state, self.parts, self.first_row, Place(self.rank, sizes.splits, self.group))
        self._finish(state)

    def _one_by_one(self) -> State:
        """Every block of keys of this group's when the one before it is done."""
        state, groups = self._initial(), self.sizes.groups
        carried: Sequence[Value] = (self.code(self.group), self.code(0), *state.tiles())
        passed = (groups - 1) * (self.whole - self.first)
        own = self.indices.derived(symbols.mod(self.group + passed, groups), groups)
        for first, last, masked in ((self.first + self.group, self.whole, False), (self.whole + own, self.last, True)):
            if not masked or self.whole != self.last:
                bounds = self.code(first), self.code(last), self.code(groups)
                carried = self.builder.loop(bounds, carried, partial(self._single_step, state, masked))
        return state.with_tiles(carried[2:])

    def _single_step(self, form: State, masked: bool, counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
        apply = self.body.apply
        stage, parity, *tiles = carried
        before, slot = form.with_tiles(tiles), self._known(stage, self.sizes.stages)
        scores = self._scores(slot, parity)
        largest, scale, weights = self._softmax(scores, self._known(counter, self._most_steps), before.largest, masked)
        total = apply("add", apply("mul", before.total, scale), self._along_keys("add", weights))
        values = apply("mul", before.values, scale)
        self.wait(self.v_full, slot, parity)
        found = self._settled(self._multiply(self._narrow(weights), slot, values.value), 0)
        self.arrive(self.v_free, slot)
        after = State(largest, total, Element(found, f32, values.lanes))
        return (*self._next(stage, parity, self.sizes.stages, self.sizes.groups), *after.tiles())

    def _overlapped(self) -> State:
        """Scores of a block of keys while the weights of the block before it are multiplied."""
        zero = self.code(0)
        initial = self._initial()
        masks = self.whole != self.last
        scores = self._scores(0, zero)
        largest, _, weights = self._softmax(scores, self._block(0), initial.largest, masks)
        start = State(largest, self._by_quads(weights), initial.values)
        self.wait(self.v_full, 0, zero)
        carried: Sequence[Value] = (zero, zero, self._narrow(weights), *start.tiles())
        count, masked = self._count, self._count - self.whole
        if not self.root.causal:
            carried = self._steps(start, carried, 1, count, False)
        else:
            carried = self._steps(start, carried, 1, masked, True)
            carried = self._steps(start, carried, maximum(masked, 1), count, False)
        stage, _, narrow, *tiles = carried
        state = start.with_tiles(tiles)
        slot = self._known(stage, self.sizes.stages)
        values = self._settled(self._multiply(narrow, slot, state.values.value), 0)
        total = self.builder.pure(tile.Reduce(state.total.value, None, "add", (1,)))
        rows = start.largest.lanes
        return State(state.largest, Element(total, f32, rows), Element(values, f32, state.values.lanes))

    def _steps(self, start: State, carried: Sequence[Value], first: Dim, last: Dim, masked: bool) -> Sequence[Value]:
        stages = self.sizes.stages

        def step(counter: Value, passed: Sequence[Value]) -> Sequence[Value]:
            before, parity, narrow, *tiles = passed
            state, number = start.with_tiles(tiles), self._known(counter, self._most_steps)
            stage, phase = self._next(before, parity, stages)
            slot, last_slot = self._known(stage, stages), self._known(before, stages)
            self.wait(self.k_full, slot, phase)
            self._wait_turn(number)
            product = self._start_scores(slot)
            summed = self._multiply(narrow, last_slot, state.values.value)
            scores = self._as_scores(self._settled(product, 1))
            self._pass_turn()
            self.arrive(self.k_free, slot)
            largest, scale, weights = self._softmax(scores, self._block(number), state.largest, masked)
            apply = self.body.apply
            total = apply("add", apply("mul", state.total, scale), self._by_quads(weights))
            # A wait for memory here keeps ptxas from waiting for the products before the weights are computed.
            self.wait(self.v_full, slot, phase)
            values = Element(self._settled(summed, 0), f32, state.values.lanes)
            self.arrive(self.v_free, last_slot)
            after = State(largest, total, apply("mul", values, scale))
            return (stage, phase, self._narrow(weights), *after.tiles())

        return self.builder.loop(self._bounds(first, last), carried, step)

    def _by_quads(self, weights: Element) -> Element:
        """The sums of what each thread of a row has; four threads share one, and meet when all is done."""
        keys = self.sizes.keys
        parts = VectorType((ROWS, keys // 8, 4, 2), f32)
        value = self.builder.op("vector.shape_cast", (weights.value,), parts)
        value = self.builder.pure(tile.Reduce(value, None, "add", (1, 3)))
        return Element(value, f32, (weights.lanes[0], self.indices.lane_of(self.quad_lane)))

    def _wait_turn(self, step: Dim) -> None:
        """The first turn is the first group's; its slot has one phase less behind it than the others'."""
        if self.turns is None:
            return
        turn = step + 1 + self._select("eq", self.group, 0, 1, 0, 2)
        parity = self.indices.derived(turn - 2 * floordiv(turn, 2), 2)
        self.wait(self.turns, self.group, self.code(parity))

    def _pass_turn(self) -> None:
        if self.turns is not None:
            groups = self.sizes.groups
            following = self._select("eq", self.group, groups - 1, 0, self.group + 1, groups)
            self.arrive(self.turns, following)

    def _scores(self, slot: Dim, parity: Value) -> Element:
        """The products of queries and the keys of a stage, which is given back."""
        self.wait(self.k_full, slot, parity)
        scores = self._settled(self._start_scores(slot), 0)
        self.arrive(self.k_free, slot)
        return self._as_scores(scores)

    def _as_scores(self, tile: Value) -> Element:
        return Element(tile, f32, tuple(self.indices.lane_of(lane) for lane in (self.row_lane, self.key_lane)))

    def _softmax(self, scores: Element, block: Dim, largest: Element, masked: bool) -> tuple[Element, Element, Element]:
        """The largest scores with those of a block of keys, what sums so far are scaled by, and the weights."""
        first = self.indices.derived(block * self.sizes.keys, self.heads.keys)
        key = self._position(first, self.key_lane, self.heads.keys, self.sizes.keys)
        if not masked:
            self.body.limits.pop(self.indices.lane_of(self.key_lane), None)
        scores = self._masked(scores, key, self.sizes.keys, masked)
        after = self.body.apply("max", largest, self._along_keys("max", scores))
        return after, self._rescaling(largest, after), self._weights(scores, after)

    def _narrow(self, weights: Element) -> Value:
        return self.body.elements.cast(weights, self.dtype).value

    # Products

    def _start_scores(self, slot: Dim) -> Value:
        zero = self.body.constant(0.0, f32).value
        acc = self.builder.op("vector.broadcast", (zero,), VectorType((ROWS, self.sizes.keys), f32))
        queries = self._window(self.q, 0, self.rows_before, ROWS)
        return self._mma(queries, self._window(self.k, slot, 0, self.sizes.keys), acc, True)

    def _multiply(self, weights: Value, slot: Dim, acc: Value) -> Value:
        return self._mma(weights, self._window(self.v, slot, 0, self.sizes.keys), acc, False)

    def _mma(self, a: Value, b: Value, acc: Value, transposed: bool) -> Value:
        assert isinstance(acc.type, VectorType)
        instruction = f"wgmma.m{ROWS}n{acc.type.shape[1]}k{32 // self.dtype.bytes}"
        op = tile.Mma(a, b, acc, instruction, False, transposed, (WARPGROUP, 1))
        return self.builder.effect(op).results[0]

    def _settled(self, product: Value, pending: int) -> Value:
        """The result of a product that all but the last `pending` follow."""
        return self.builder.effect(tile.MmaWait(product, pending, finished=True)).results[0]

    def _window(self, side: _Panels, stage: Dim, first: Dim, rows: int) -> Value:
        window = MemRefType((side.width // side.panel, rows, side.panel), self.dtype, "shared")
        op = tile.View(side.memory, self.codes(stage, 0, first, 0), (1, 2, 3), result_types=[window])
        return self.builder.effect(op).results[0]
