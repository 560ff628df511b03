"""Attention on CPUs.

A work item takes a tile of queries of one head, as many as a few vectors have lanes, and walks the keys in blocks. For
a block it computes the scores with queries along the lanes: outer products of a column of key elements, which are
broadcast, and a row of the scaled queries, turned into local memory before. The largest score and the sum of a query
are then lanes of a vector, and no element moves across lanes. Exponentials are taken in place; the weighted sum of
values is an outer product again, values being read where they lie. Where all keys fit one block nothing is scaled
again; else results are kept in local memory and scaled by what the maximum grew by (online softmax). Causal attention
ends at the last key that its queries see.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseAttr, DictAttr
from ...ir.core import Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import broadcast_index, scalar_type
from ...ir.dialects.nn.contraction import Attention
from ...ir.symbols import Dim, Expr, ceildiv
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, VectorType, f32
from .access import Memory
from .cpu_micro import (
    accumulate,
    best_micro_tile,
    is_float_up_to_f32,
    multiply_add,
    transposed,
    unroll_of,
    zeros,
)
from .elements import Element
from .epilogue import placements
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .schedule import Schedule
from .strategies import AnyTarget, register

MOST_SCORES = 256 * 1024
"""Bytes of scores that an item keeps: a quarter of a server core's L2 cache."""
MOST_SIZE = 1024
"""The widest heads: queries and results of a tile lie in local memory."""
SQUARE = 16
"""Rows and columns of the squares in which queries are turned."""
LOWEST = float(np.finfo(np.float32).min)
UNROLLED = 4
"""Keys that are taken at once where they are not walked in tiles."""


@dataclass(frozen=True)
class AttentionSchedule(Schedule):
    """A tile of `queries`, walked with tiles of `keys` in blocks of `block` keys; `rows` x `columns` of the result."""

    subject = "attention"

    queries: int
    keys: int
    block: int
    rows: int
    columns: int


@dataclass(frozen=True)
class CpuAttention:
    """Attention in f32 (narrower floats in f32) with scores in local memory."""

    name: str = "attention"
    priority: int = 100

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Attention)
        if not isinstance(target, CpuTarget) or not isinstance(root, Attention):
            return "not one attention on a CPU"
        if not is_float_up_to_f32(scalar_type(root.q)):
            return "its elements are not f32 or narrower floats"
        if placements(func, root.result) is None:
            return "a result is not the attention's elements, one by one"
        queries, size = tensor_type(root.q).dims[2:]
        keys, width = tensor_type(root.v).dims[2:]
        if not isinstance(size, int) or not isinstance(width, int) or not 0 < max(size, width) <= MOST_SIZE:
            return f"its heads have sizes {size} and {width}, not numbers up to {MOST_SIZE}"
        if 0 in (queries, keys):
            return "it has no queries or no keys"
        lanes = target.lanes(32)
        scores = best_micro_tile(target, keys, queries if isinstance(queries, int) else lanes, size)
        most = MOST_SCORES // 4 // scores.columns
        block = keys if isinstance(keys, int) and keys <= most else min(most, 512)
        rows = min(scores.columns, queries) if isinstance(queries, int) else scores.columns
        values = best_micro_tile(target, rows, width, keys)
        height = values.rows if block == keys else _divisor(scores.columns, values.rows)
        return AttentionSchedule(scores.columns, scores.rows, block, height, values.columns).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = AttentionSchedule.from_attribute(schedule)
        root = only_root(func, Attention)
        assert isinstance(root, Attention)
        _Attention(open_frame(func), root, sizes).build()


def _divisor(count: int, most: int) -> int:
    """The largest divisor of `count` up to `most`: tiles of a result that is added to must not overlap."""
    return next(n for n in range(min(most, count), 0, -1) if count % n == 0)


class _Attention:
    def __init__(self, frame: Frame, root: Attention, sizes: AttentionSchedule) -> None:
        self.frame, self.root, self.sizes = frame, root, sizes
        self.body, self.indices = frame.body, frame.body.indices
        self.batch, self.heads, self.queries, size = tensor_type(root.q).dims
        self.groups, self.keys, width = tensor_type(root.v).dims[1:]
        assert isinstance(size, int) and isinstance(width, int)
        self.size, self.width = size, width
        self.is_one_block = isinstance(self.keys, int) and self.keys <= sizes.block

    def build(self) -> None:
        sizes = self.sizes
        grid = (ceildiv(self.queries, sizes.queries), symbols.mul(self.batch, self.heads), 1)
        tile_index, pair, _ = (
            self.indices.scalar(self.body.builder.pure(tile.ProgramId(axis)), extent)
            for axis, extent in enumerate(grid)
        )
        self.place = Merged((), (self.batch, self.heads), self.indices).split(pair)
        self.first = tile_index * sizes.queries
        if isinstance(self.queries, int) and self.queries % sizes.queries and self.queries > sizes.queries:
            self.first = symbols.minimum(self.first, self.queries - sizes.queries)  # some are computed twice
        self.query_panel = self._local(self.size, sizes.queries)
        self.scores = self._local(sizes.block, sizes.queries)
        self.factors = self._local(1, sizes.queries)
        self._turn_queries()
        last = self._end_of_keys()
        if self.is_one_block:
            _, total = self._weigh(0, last, self._row(LOWEST), self._row(0.0))
            self._store_row(self.factors, self._inverse(total))
            self._each_part(lambda row, column: self._finish(self._sum_values(0, last, row, column), row, column))
        else:
            self._blocks(last)
        self.frame.finish(grid[:2], None)

    def _local(self, rows: int, columns: int) -> Memory:
        alloc = tile.Alloc(64, result_types=[MemRefType((rows, columns), f32, "local")])
        return Memory(self.body.builder.effect(alloc).results[0], (rows, columns))

    def _end_of_keys(self) -> Dim:
        """The end of the keys that some query of the tile sees, in whole tiles of keys."""
        if not self.root.causal:
            return self.keys
        seen = symbols.maximum(self.first + self.sizes.queries + self.root.offset, 1)
        return symbols.minimum(ceildiv(seen, self.sizes.keys) * self.sizes.keys, self.keys)

    # Queries

    def _query(self, lane: Expr, start: Dim = 0) -> Dim:
        """Query `start` + `lane` of the tile; positions behind the last query are limited by their lane."""
        query = self.indices.derived(self.first + start + lane, self.queries)
        if not (isinstance(self.queries, int) and self.queries >= self.sizes.queries):
            self.body.limits[self.indices.lane_of(lane)] = (query, self.queries)
        return query

    def _turn_queries(self) -> None:
        """The scaled queries of the tile as [size, queries]."""
        body = self.body
        scale = body.constant(self.root.factor, f32)

        def square(position: Dim, depth: int) -> None:
            for start in range(0, self.sizes.queries, SQUARE):
                side = min(SQUARE, self.sizes.queries - start)
                query_lane, lane = self.indices.lane(side), self.indices.lane(depth)
                place = (*self.place, self._query(query_lane, start), self.indices.derived(position + lane, self.size))
                element = body.apply("mul", body.cast(body.read(self.root.q, place), f32), scale)
                element = body.elements.spread(element, self._lanes(query_lane, lane))
                self._store(self.query_panel, transposed(body, element.value), (position, start))

        self._each(0, self.size, SQUARE, square)

    # Scores

    def _weigh(self, first: Dim, last: Dim, top: Value, total: Value) -> tuple[Value, Value]:
        """Weights of the keys [first, last) in `scores`; the largest score and the sum of weights so far."""
        seen = self._compute_scores(first, last, top)
        if not self.is_one_block:
            shrunk = self._exp(top, seen)
            self._store_row(self.factors, shrunk)
            total = self.body.builder.op("arith.mulf", (total, shrunk), shrunk.type)
        return seen, self._exponentials(last - first, seen, total)

    def _compute_scores(self, first: Dim, last: Dim, top: Value) -> Value:
        """Scores of the keys [first, last) in local memory, and the largest one of every query."""

        def one(start: Dim, height: int, carried: Sequence[Value]) -> Sequence[Value]:
            value = self._scores_of(start, height, start - first)
            return [self._combine("maximum", carried[0], self._across(value, "max"))]

        height = self.sizes.keys
        if self.is_one_block and isinstance(self.keys, int):  # the last tile is moved up; scores may be made twice
            keys = self.keys
            return self._steps(
                ceildiv(last, height),
                lambda i, carried: one(symbols.minimum(i * height, keys - height), height, carried),
                [top],
            )[0]
        return self._each(first, last, height, one, [top])[0]

    def _scores_of(self, start: Dim, height: int, row: Dim) -> Value:
        """The scores of `height` keys from `start` on, stored from `row` on."""
        body, indices, columns = self.body, self.indices, self.sizes.queries
        key_lane, inner_lane, query_lane = indices.lane(height), indices.lane(1), indices.lane(columns)
        key = indices.derived(start + key_lane, self.keys)

        def product(k: Expr, part: int, total: Value) -> Value:
            place = (*self._group(), key, indices.derived(k + part + inner_lane, self.size))
            element = body.cast(body.read(self.root.k, place), f32)
            left = body.elements.spread(element, self._lanes(key_lane, inner_lane))
            return multiply_add(body, left.value, self._load(self.query_panel, (k + part, 0), (1, columns)), total)

        acc = accumulate(body, self.size, unroll_of(self.size), zeros(body, height, columns), product)
        lanes = self._lanes(key_lane, query_lane)
        masked = self._masked(Element(acc, f32, lanes), key, self._query(query_lane))
        value = body.elements.spread(masked, lanes).value
        self._store(self.scores, value, (row, 0))
        return value

    def _group(self) -> tuple[Dim, Dim]:
        """Batch and key head of the item."""
        batch, head = self.place
        members = symbols.floordiv(self.heads, self.groups)
        return batch, self.indices.derived(symbols.floordiv(head, members), self.groups)

    def _masked(self, scores: Element, key: Dim, query: Dim) -> Element:
        body, root = self.body, self.root
        hidden = body.constant(-np.inf, f32)
        if root.mask is not None:
            mask = body.read(root.mask, broadcast_index(root.mask, (*self.place, query, key)))
            if scalar_type(root.mask).is_bool:
                scores = body.apply("select", mask, scores, hidden)
            else:
                scores = body.apply("add", scores, body.cast(mask, f32))
        if root.causal:
            scores = body.apply("select", self.indices.compare("le", key, query + root.offset), scores, hidden)
        return scores

    def _exponentials(self, count: Dim, top: Value, total: Value) -> Value:
        """Replace `count` rows of scores by exp(score - top); `total` and their sum."""

        def one(row: Dim, height: int, carried: Sequence[Value]) -> Sequence[Value]:
            shape = (height, self.sizes.queries)
            value = self._load(self.scores, (row, 0), shape)
            spread = self.body.builder.op("vector.broadcast", (top,), VectorType(shape, f32))
            value = self._exp(value, spread)
            self._store(self.scores, value, (row, 0))
            return [self._combine("add", carried[0], self._across(value, "add"))]

        return self._each(0, count, UNROLLED, one, [total])[0]

    def _exp(self, value: Value, less: Value) -> Value:
        """exp(value - less)."""
        difference = self.body.builder.op("arith.subf", (value, less), value.type)
        return self.body.builder.op("math.exp", (difference,), value.type)

    def _inverse(self, total: Value) -> Value:
        """1 / total; a query that sees no key has no weights at all."""
        lanes = self._lanes(self.indices.lane(self.sizes.queries))
        element, one = Element(total, f32, lanes), self.body.constant(1, f32)
        if self.root.may_hide_all_keys:
            none = self.body.apply("eq", element, self.body.constant(0, f32))
            element = self.body.apply("select", none, one, element)
        return self.body.apply("div", one, element).value

    # Values

    def _each_part(self, part: Callable[[Dim, int], None]) -> None:
        """Every tile of the result by its first row among the item's queries and its first column."""
        height, count = self.sizes.rows, self.sizes.queries
        if isinstance(self.queries, int):
            count = min(count, self.queries)

        def rows(index: Dim, carried: Sequence[Value]) -> Sequence[Value]:
            row = index * height
            if self.is_one_block:
                row = symbols.minimum(row, count - height)  # the last is moved up
            for column in range(0, self.width, self.sizes.columns):
                part(row, column)
            return ()

        self._steps(ceildiv(count, height), rows, [])

    def _sum_values(self, first: Dim, last: Dim, row: Dim, column: int, acc: Value | None = None) -> Value:
        """`acc` plus the weighted values of the keys [first, last), for one tile of the result."""
        body, indices, sizes = self.body, self.indices, self.sizes

        def one(key: Dim, count: int, carried: Sequence[Value]) -> Sequence[Value]:
            total = carried[0]
            for part in range(count):
                inner_lane, column_lane = indices.lane(1), indices.lane(sizes.columns)
                place = (*self._group(), indices.derived(key + part + inner_lane, self.keys))
                element = body.cast(body.read(self.root.v, (*place, self._column(column_lane, column))), f32)
                right = body.elements.spread(element, self._lanes(inner_lane, column_lane))
                total = multiply_add(body, self._weights(key + part - first, row), right.value, total)
            return [total]

        start = zeros(body, sizes.rows, sizes.columns) if acc is None else acc
        return self._each(first, last, UNROLLED, one, [start])[0]

    def _column(self, lane: Expr, start: int) -> Dim:
        column = self.indices.derived(start + lane, self.width)
        if start + self.sizes.columns > self.width:
            self.body.limits[self.indices.lane_of(lane)] = (column, self.width)
        return column

    def _weights(self, key: Dim, row: Dim) -> Value:
        """A column of the weights of one key."""
        return self._load(self.scores, (key, row), (self.sizes.rows, 1), (1, -1))

    def _finish(self, acc: Value, row: Dim, column: int) -> None:
        """Scale a tile of the result, and compute and store what follows it."""
        body, indices = self.body, self.indices
        row_lane, column_lane = indices.lane(self.sizes.rows), indices.lane(self.sizes.columns)
        index = (*self.place, self._query(row_lane, row), self._column(column_lane, column))
        factor = Element(self._load(self.factors, (0, row), (self.sizes.rows,), (1,)), f32, self._lanes(row_lane))
        scaled = body.apply("mul", Element(acc, f32, self._lanes(row_lane, column_lane)), factor)
        if 1 in (self.queries, self.width):
            scaled = self._without_ones(scaled)
        body.bound[self.root.result] = lambda place: scaled
        places = placements(self.frame.func, self.root.result)
        assert places is not None
        for tensor, memory, place in zip(returned(self.frame.func), self.frame.results, places, strict=True):
            body.store(memory, place.index(index), body.read(tensor, place.index(index)))

    def _without_ones(self, result: Element) -> Element:
        """A tile of the result along the lanes that walk dims of it: none walks a dim of size 1."""
        memory = self._local(self.sizes.rows, self.sizes.columns)
        self._store(memory, result.value, (0, 0))
        dims = tuple(d for d, extent in enumerate((self.queries, self.width)) if extent != 1)
        lanes = tuple(result.lanes[d] for d in dims)
        start = (self.indices.scalar_code(0),) * 2
        kind = self.body.elements.type(f32, lanes)
        load = tile.Load(memory.value, start, dims, (1,) * len(dims), result_types=[kind])
        return Element(self.body.builder.effect(load).results[0], f32, lanes)

    # Several blocks of keys

    def _blocks(self, last: Dim) -> None:
        """Walk the keys in blocks; results are in local memory and shrink where a larger score appears."""
        size = self.sizes.block
        results = self._local(self.sizes.queries, -(-self.width // self.sizes.columns) * self.sizes.columns)
        shape = (self.sizes.rows, self.sizes.columns)
        self._each_part(lambda row, column: self._store(results, zeros(self.body, *shape), (row, column)))

        def block(index: Dim, carried: Sequence[Value]) -> Sequence[Value]:
            first = self.indices.derived(index * size, self.keys)
            end = symbols.minimum(first + size, last)
            top, total = self._weigh(first, end, *carried)

            def add(row: Dim, column: int) -> None:
                shrunk = self._load(self.factors, (0, row), (shape[0], 1), (1, -1))
                spread = self.body.builder.op("vector.broadcast", (shrunk,), VectorType(shape, f32))
                before = self._load(results, (row, column), shape)
                kept = self.body.builder.op("arith.mulf", (before, spread), before.type)
                self._store(results, self._sum_values(first, end, row, column, kept), (row, column))

            self._each_part(add)
            return [top, total]

        _, total = self._steps(ceildiv(last, size), block, [self._row(LOWEST), self._row(0.0)])
        self._store_row(self.factors, self._inverse(total))
        self._each_part(lambda row, column: self._finish(self._load(results, (row, column), shape), row, column))

    # Loops

    def _steps(
        self, count: Dim, step: Callable[[Dim, Sequence[Value]], Sequence[Value]], start: Sequence[Value]
    ) -> list[Value]:
        def body(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            return step(self.indices.scalar(counter, count), carried)

        return self.body.loop(count, 1, start, body)

    def _each(
        self,
        first: Dim,
        last: Dim,
        height: int,
        step: Callable[..., Sequence[Value] | None],
        start: Sequence[Value] = (),
    ) -> list[Value]:
        """`step(position, count, carried)` over [first, last): `height` at once, then what is left."""
        count = last - first
        whole = first + symbols.floordiv(count, height) * height

        def run(begin: Dim, end: Dim, many: int, carried: Sequence[Value]) -> list[Value]:
            def at(position: Dim, inner: Sequence[Value]) -> list[Value]:
                return list(step(position, many, *([inner] if start else [])) or ())

            if end - begin == many:
                return at(begin, carried)
            scalar = self.indices.scalar
            return self.body.loop(end, many, carried, lambda i, inner: at(scalar(i, end), inner), first=begin)

        values = run(first, whole, height, start) if whole != first else list(start)
        if isinstance(count, int):
            left = count % height
            return run(whole, last, left, values) if left else values
        return run(whole, last, 1, values) if self._may_leave(count, height) else values

    def _may_leave(self, count: Dim, height: int) -> bool:
        """Whether a number of keys may be no multiple of `height`."""
        if self.root.causal and self.is_one_block and isinstance(self.keys, int):
            return bool(self.sizes.keys % height or self.keys % height)
        return symbols.mod(count, height) != 0

    # Register tiles

    def _lanes(self, *lanes: Expr) -> tuple[int, ...]:
        return tuple(self.indices.lane_of(lane) for lane in lanes)

    def _row(self, number: float) -> Value:
        """A number for every query of the tile."""
        type = VectorType((self.sizes.queries,), f32)
        value = DenseAttr(np.full(type.shape, number, np.float32), type)
        return self.body.builder.op("arith.constant", (), type, value=value)

    def _combine(self, function: str, a: Value, b: Value) -> Value:
        return self.body.builder.op("arith.addf" if function == "add" else "arith.maximumf", (a, b), a.type)

    def _across(self, value: Value, kind: Literal["add", "max"]) -> Value:
        """What each query has over all rows of keys."""
        return self.body.builder.pure(tile.Reduce(value, None, kind, (0,)))

    def _load(
        self, memory: Memory, start: tuple[Dim, Dim], shape: tuple[int, ...], dims: tuple[int, ...] = (0, 1)
    ) -> Value:
        place = tuple(map(self.indices.scalar_code, start))
        op = tile.Load(memory.value, place, dims, (1,) * len(shape), result_types=[VectorType(shape, f32)])
        return self.body.builder.effect(op).results[0]

    def _store(self, memory: Memory, value: Value, start: tuple[Dim, Dim]) -> None:
        place = tuple(map(self.indices.scalar_code, start))
        self.body.builder.effect(tile.Store(value, memory.value, place, (0, 1), (1, 1)))

    def _store_row(self, memory: Memory, value: Value) -> None:
        place = (self.indices.scalar_code(0), self.indices.scalar_code(0))
        self.body.builder.effect(tile.Store(value, memory.value, place, (1,), (1,)))


register(CpuAttention())
