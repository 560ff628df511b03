"""Attention on GPUs in one pass over the keys: scores, softmax and the weighted values stay in registers.

A thread block takes some queries of one head. Keys and values come through stages of shared memory, block by block;
maximum and sum of the exponentials so far are kept for every query, and what was added up before is scaled whenever the
maximum grows (Milakov and Gimelshein 2018, Dao et al. 2022). Exponentials are powers of two of scaled scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DictAttr, OpaqueAttr
from ...ir.core import Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import broadcast_index, scalar_type, shape
from ...ir.dialects.nn.contraction import Attention
from ...ir.dialects.vector import ExtractStridedSlice
from ...ir.symbols import Dim, Expr, ceildiv, floordiv, maximum, minimum
from ...ir.target import CudaTarget
from ...ir.types import VectorType, f32
from . import cluster
from .attention_blocks import AttentionSchedule, Heads, attention_candidates, attention_instruction
from .cuda_blocks import instruction_depth, usual_sizes
from .cuda_contraction import program_ids
from .cuda_gemm import finish, operand, single_root
from .cuda_stages import StagedOperand, Walk
from .elements import Element
from .epilogue import placements
from .frame import open_frame, tensor_type
from .overlap_launches import overlaps
from .strategies import AnyTarget, register

LOWEST = -3.4028234663852886e38
"""A finite maximum to begin with: differences from it are numbers, whatever is masked."""
LOG2_E = math.log2(math.e)
APPROXIMATE = OpaqueAttr("arith.fastmath", "afn")


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


@dataclass
class _State:
    """What a step hands to the next: of every query the largest score, the sum of the weights, the weighted values."""

    largest: Element
    total: Element
    values: Element

    def elements(self) -> tuple[Element, Element, Element]:
        return self.largest, self.total, self.values

    def tiles(self) -> tuple[Value, ...]:
        return tuple(element.value for element in self.elements())

    def with_tiles(self, tiles: Sequence[Value]) -> _State:
        return _State(*(Element(v, e.dtype, e.lanes) for v, e in zip(tiles, self.elements(), strict=True)))


class _Attention:
    def __init__(self, func: kernel.Func, root: Attention, sizes: AttentionSchedule) -> None:
        self.root, self.sizes = root, sizes
        heads = Heads.of(root)
        instruction = attention_instruction(scalar_type(root.q), root.precision)
        assert heads is not None and instruction is not None
        self.heads, self.instruction = heads, instruction
        self.depth = instruction_depth(instruction)
        places = placements(func, root.result)
        assert places is not None
        dims = tensor_type(root.result).dims
        self.frame = open_frame(func, [dims if place.keeps_order else place.dims for place in places])
        self.body, self.indices, self.builder = self.frame.body, self.frame.body.indices, self.frame.body.builder

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
            state = self._gather(state)
        self._finish(state)
        self.frame.finish(grid, sizes.threads)
        if sizes.splits > 1:
            self.frame.func.cluster = (sizes.splits, 1, 1)

    @property
    def size(self) -> int:
        """Elements of a query or key in whole instructions."""
        return _multiple(self.heads.size, 16)

    @property
    def value(self) -> int:
        """Elements of a value in whole instructions of all warps that share them."""
        return _multiple(self.heads.value, 8 * max(2, self.sizes.warps_n, self.sizes.splits))

    def _position(self, first: Dim, lane: Expr, extent: Dim, size: int) -> Expr:
        """The positions of a lane, which stop at the extent."""
        position = self.indices.derived(first + lane, extent)
        if symbols.mod(extent, size) != 0:
            self.body.limits[self.indices.lane_of(lane)] = (position, extent)
        return position

    # Operands

    def _open_operands(self) -> None:
        heads, sizes, root = self.heads, self.sizes, self.root
        dtype = scalar_type(root.q)
        batch = (self.batch, self.head)
        queries = operand(self.frame, root.q, self._query_at, batch, heads.rows, heads.size, self.size)
        keys = operand(self.frame, root.k, self._key_at, batch, heads.keys, heads.size, self.size)
        values = operand(self.frame, root.v, self._value_at, batch, heads.value, heads.keys, sizes.keys)
        depth = Walk(self.size_lane, self.size, heads.size)
        along_keys = Walk(self.key_lane, sizes.keys, heads.keys)
        columns = Walk(self.value_lane, self.value, heads.value)
        self.q = StagedOperand(self.body, queries, "q", Walk(self.row_lane, sizes.rows, heads.rows), depth, dtype, 1)
        self.k = StagedOperand(self.body, keys, "k", along_keys, depth, dtype, sizes.stages)
        self.v = StagedOperand(self.body, values, "v", columns, along_keys, dtype, sizes.stages)

    def _query_at(self, outer: Sequence[Dim], row: Dim, k: Dim) -> Sequence[Dim]:
        return (outer[0], *self.heads.query(outer[1], row), k)

    def _key_at(self, outer: Sequence[Dim], key: Dim, k: Dim) -> Sequence[Dim]:
        return (outer[0], self.heads.key_head(outer[1], self.indices), key, k)

    def _value_at(self, outer: Sequence[Dim], column: Dim, key: Dim) -> Sequence[Dim]:
        return (outer[0], self.heads.key_head(outer[1], self.indices), key, column)

    # The loop over the keys

    def _run(self, overlap: bool) -> _State:
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
        """The first of this program's blocks of keys, the end of those that all its queries see whole, and the end."""
        steps, whole = self._visible()
        if self.sizes.splits == 1:
            return 0, whole, steps
        share = ceildiv(steps, self.sizes.splits)
        first = minimum(self.rank * share, steps)
        last = minimum(first + share, steps)
        if whole == steps:
            return first, last, last
        return first, minimum(maximum(whole, first), last), last

    def _visible(self) -> tuple[Dim, Dim]:
        """How many blocks of keys the block's queries see, and how many of them whole."""
        size, keys = self.sizes.keys, self.heads.keys
        steps, whole = ceildiv(keys, size), floordiv(keys, size)
        if not self.root.causal:
            return steps, whole
        first = self.root.offset + (self.first_row if not self.heads.packed else 0)
        last = first + (self.sizes.rows if not self.heads.packed else 1)
        seen, all_seen = maximum(ceildiv(last, size), 0), maximum(floordiv(first + 1, size), 0)
        return minimum(steps, seen), minimum(whole, all_seen)

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

    def _initial(self) -> _State:
        row, value = (self.indices.lane_of(lane) for lane in (self.row_lane, self.value_lane))
        spread, constant = self.body.elements.spread, self.body.constant
        zero = constant(0.0, f32)
        return _State(spread(constant(LOWEST, f32), (row,)), spread(zero, (row,)), spread(zero, (row, value)))

    def _loop(self, state: _State, first: Dim, last: Dim, steps: Dim, masked: bool) -> _State:
        def step(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            number = self.indices.scalar(counter, ceildiv(self.heads.keys, self.sizes.keys))
            return self._step(number, steps, state.with_tiles(carried), masked).tiles()

        return state.with_tiles(self.body.loop(last, 1, state.tiles(), step, first=first))

    def _step(self, step: Expr, steps: Dim, state: _State, masked: bool) -> _State:
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
        scores = self._scores(stage)
        if self.root.mask is not None:
            scores = self._masked_by_tensor(scores, key)
        if masked:
            scores = self._masked_by_place(scores, key)
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

    @property
    def _adds_mask(self) -> bool:
        """Whether scores are scaled before their maximum is taken, since something is added to them."""
        return self.root.mask is not None and scalar_type(self.root.mask).is_float

    def _masked_by_tensor(self, scores: Element, key: Expr) -> Element:
        mask = self.root.mask
        assert mask is not None
        outer = (self.batch, *self.heads.query(self.head, self.row))
        element = self.body.read(mask, broadcast_index(mask, (*outer, key)))
        if not self._adds_mask:
            return self.body.apply("select", element, scores, self.body.constant(-math.inf, f32))
        scaled = self.body.apply("mul", scores, self.body.constant(self.root.factor, f32))
        return self.body.apply("add", scaled, self.body.cast(element, f32))

    def _masked_by_place(self, scores: Element, key: Expr) -> Element:
        """Minus infinity behind the last key and, where causal, behind the query's own."""
        keep: Element | None = None
        if symbols.mod(self.heads.keys, self.sizes.keys) != 0:
            keep = self.indices.compare("lt", key, self.heads.keys)
        if self.root.causal:
            query = self.heads.query(self.head, self.row)[1]
            seen = self.indices.compare("le", key, self.root.offset + query)
            keep = seen if keep is None else self.body.apply("and", keep, seen)
        assert keep is not None
        return self.body.apply("select", keep, scores, self.body.constant(-math.inf, f32))

    # Softmax and the weighted values

    def _accumulate(self, state: _State, scores: Element, stage: Dim) -> _State:
        apply = self.body.apply
        largest = apply("max", state.largest, self._along_keys("max", scores))
        weights = self._weights(scores, largest)
        scale = self._power(apply("mul", apply("sub", state.largest, largest), self._unit))
        total = apply("add", apply("mul", state.total, scale), self._along_keys("add", weights))
        values = apply("mul", state.values, scale)
        return _State(largest, total, self._weighted(weights, values, stage))

    @property
    def _unit(self) -> Element:
        """What turns differences of scores into powers of two."""
        return self.body.constant(LOG2_E if self._adds_mask else self.root.factor * LOG2_E, f32)

    def _along_keys(self, kind: str, element: Element) -> Element:
        lane = self.indices.lane_of(self.key_lane)
        axis = element.lanes.index(lane)
        value = self.builder.pure(tile.Reduce(element.value, None, kind, (axis,)))  # type: ignore[arg-type]
        return Element(value, f32, tuple(k for k in element.lanes if k != lane))

    def _weights(self, scores: Element, largest: Element) -> Element:
        """exp(scale * (score - largest))."""
        apply = self.body.apply
        if self._adds_mask:  # masks may be as low as floats go, where products would overflow
            return self._power(apply("mul", apply("sub", scores, largest), self._unit))
        subtrahend = apply("max", apply("mul", largest, self._unit), self.body.constant(LOWEST, f32))
        return self._power(apply("sub", apply("mul", scores, self._unit), subtrahend))

    def _power(self, exponent: Element) -> Element:
        return self.body.elements.emit("math.exp2", (exponent,), f32, fastmath=APPROXIMATE)

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

    def _gather(self, state: _State) -> _State:
        """This block's columns of what all blocks of the cluster have found together."""
        body, rows, columns = self.body, self.sizes.rows, self.value
        row = (self.row_lane,)
        parts = [cluster.shared_floats(body, (rows,), name) for name in ("largest", "totals")]
        parts.append(cluster.shared_floats(body, (rows, columns), "values"))
        own = zip(parts, (row, row, (*row, self.value_lane)), state.elements(), strict=True)
        for memory, place, element in own:
            cluster.write(body, memory, place, element)
        cluster.meet(body)
        width = columns // self.sizes.splits
        lane = self.indices.lane(width)
        places = (row, row, (*row, self.indices.derived(self.rank * width + lane, columns)))
        found = []
        for peer in range(self.sizes.splits):
            theirs = (cluster.of_peer(body, memory, peer) for memory in parts)
            found.append(_State(*(cluster.read(body, m, place) for m, place in zip(theirs, places, strict=True))))
        cluster.meet(body)
        self.column = self.indices.derived(self.rank * width + lane, self.heads.value)
        if self.heads.value != columns:
            body.limits[self.indices.lane_of(lane)] = (self.column, self.heads.value)
        return self._merged(found)

    def _merged(self, parts: Sequence[_State]) -> _State:
        apply = self.body.apply
        largest = parts[0].largest
        for part in parts[1:]:
            largest = apply("max", largest, part.largest)
        total = values = self.body.constant(0.0, f32)
        for part in parts:
            scale = self._power(apply("mul", apply("sub", part.largest, largest), self._unit))
            total = apply("add", total, apply("mul", part.total, scale))
            values = apply("add", values, apply("mul", part.values, scale))
        return _State(largest, total, values)

    def _finish(self, state: _State) -> None:
        """Divide by the sums; queries that see no key get zeros."""
        apply, constant = self.body.apply, self.body.constant
        none = apply("eq", state.total, constant(0.0, f32))
        inverse = apply("div", constant(1.0, f32), apply("select", none, constant(1.0, f32), state.total))
        index = (self.batch, *self.heads.query(self.head, self.row), self.column)
        finish(self.frame, self.root.result, apply("mul", state.values, inverse), index, index)


def _multiple(size: int, step: int) -> int:
    """The least multiple of `step` that is not below `size`."""
    return -(-size // step) * step
