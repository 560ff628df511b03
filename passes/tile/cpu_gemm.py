"""Matrix products on CPUs.

A work item computes a register tile of the result (all row tiles of some columns where the right operand has to be
packed first): an outer product for every k of a column of the left operand, whose elements are broadcast, and a row of
the right one. Constant right operands are packed at compile time into panels [n / columns][k][columns]; others are
read in place where their columns lie side by side, else turned into a panel in local memory. Where the processor adds
products of pairs of bf16, a step takes two k: panels are [n / columns][k / 2][columns][2], zeros after an odd last k.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import broadcast_index
from ...ir.dialects.nn.contraction import MatMul
from ...ir.symbols import Dim, Expr, ceildiv, product
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, VectorType, bf16, f32
from .access import Memory
from .cpu_micro import (
    MicroTile,
    accumulate,
    multiply_add,
    multiply_pairs,
    ranked_micro_tiles,
    transposed,
    unroll_of,
    zeros,
)
from .elements import Element
from .epilogue import Placement, placements
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .packing import is_constant, leading, padded, repack, reshape, transpose
from .schedule import Schedule
from .strategies import AnyTarget, RankedStrategy, register

SQUARE = 16
"""Rows and columns of the squares in which a dynamic right operand is packed."""
CACHE_LINE = 64
"""Bytes that memory hands to the caches at once."""
SCRATCH_BYTES = 512 * 1024
"""The most local memory a packed panel may take: half of a server core's L2 cache."""


@dataclass(frozen=True)
class Shape:
    """A product as the strategy sees it: `batch` products of rows x inner by inner x columns."""

    batch: tuple[Dim, ...]
    row_dims: tuple[Dim, ...]
    columns: Dim
    inner: Dim

    @property
    def rows(self) -> Dim:
        return product(self.row_dims)

    @staticmethod
    def of(root: MatMul) -> Shape:
        """Batches of rows that meet one right operand are rows of one product."""
        *batch, rows, columns = tensor_type(root.result).dims
        if tensor_type(root.b).rank == 2 and not root.trans_a:
            return Shape((), (*batch, rows), columns, root.inner)
        return Shape(tuple(batch), (rows,), columns, root.inner)


@dataclass(frozen=True)
class GemmSchedule(Schedule):
    """`rows` x `columns` is the register tile; `row_tiles` of them, one after the other, are an item. 0 rows: all.

    `packed`: 0 reads the right operand in place, 1 packs it at compile time, 2 packs it into local memory. `depth`: how
    many k a step takes, 2 for pairs of bf16. `across`: items follow each other along columns, so that workers share out
    the rows.
    """

    subject = "a matrix product"

    rows: int
    columns: int
    row_tiles: int = 1
    unroll: int = 4
    packed: int = 0
    depth: int = 1
    across: bool = False


@dataclass(frozen=True)
class CpuGemm(RankedStrategy):
    """Products of f32 matrices (narrower floats in f32) with broadcast factors and panels of columns."""

    name: str = "gemm"
    priority: int = 100

    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        root = only_root(func, MatMul)
        if not isinstance(target, CpuTarget) or not isinstance(root, MatMul):
            return "not one matrix product on a CPU"
        if not tensor_type(root.a).scalar.is_float or tensor_type(root.a).scalar.bits > 32:
            return "its elements are not f32 or narrower floats"
        if placements(func, root.result) is None:
            return "a result is not the product's elements, one by one"
        found = gemm_schedules(func, root, target)
        return found or "its right operand is too large to be packed by each worker"

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = GemmSchedule.from_attribute(schedule)
        root = only_root(func, MatMul)
        assert isinstance(root, MatMul)
        weights = pack_weights(func, root, sizes) if sizes.packed == 1 else None
        shape = Shape.of(root)
        merged = (*shape.batch, shape.rows, shape.columns)
        places = placements(func, root.result)
        assert places is not None
        frame = open_frame(func, [merged if place.keeps_order else place.dims for place in places])
        stores = list(zip(returned(func), frame.results, places, strict=True))
        gemm = Gemm(frame, root, shape, sizes, stores, weights)
        indices, builder = frame.body.indices, frame.body.builder
        axes = (1, 0, 2) if sizes.across else (0, 1, 2)
        gemm.emit([indices.scalar(builder.pure(tile.ProgramId(axes[i])), n) for i, n in enumerate(gemm.grid)])
        frame.finish([gemm.grid[axis] for axis in axes], None)


def gemm_schedules(func: kernel.Func, root: MatMul, target: CpuTarget) -> list[GemmSchedule]:
    """Schedules of the product in a kernel, the one that should take the least time first."""
    shape = Shape.of(root)
    width = shape.columns if isinstance(shape.columns, int) else 256
    found = []
    for _, micro in ranked_micro_tiles(target, shape.rows, width):
        packed = _packing(func, root, shape, micro)
        if packed is not None:
            tiles, depth = _row_tiles(shape, micro, packed, target), _depth(root, packed, target)
            unroll = unroll_of(symbols.floordiv(shape.inner, depth))
            across = packed == 1 and _is_tall(shape, tensor_type(root.b).scalar.bytes, target)
            found.append(GemmSchedule(micro.rows, micro.columns, tiles, unroll, packed, depth, across))
    return found


def _is_tall(shape: Shape, bytes: int, target: CpuTarget) -> bool:
    """Whether workers should rather share the weights, which stay near, than write columns of the same rows."""
    rows, columns, inner = shape.rows, shape.columns, shape.inner
    if not isinstance(rows, int) or not isinstance(columns, int) or not isinstance(inner, int):
        return False
    return rows > columns and inner * columns * bytes <= target.l2_bytes // 2


def _depth(root: MatMul, packed: int, target: CpuTarget) -> int:
    """How many k a step takes."""
    narrow = tensor_type(root.a).scalar == bf16 == tensor_type(root.b).scalar
    return 2 if narrow and packed == 1 and not root.trans_a and target.has_bf16_dots else 1


def _packing(func: kernel.Func, root: MatMul, shape: Shape, best: MicroTile) -> int | None:
    argument = root.b
    static = isinstance(shape.columns, int) and isinstance(shape.inner, int)
    own = static and tensor_type(argument).rank == 2 and argument.has_one_use
    if own and isinstance(argument, BlockArgument) and is_constant(func, argument.index):
        return 1
    if _columns_lie_side_by_side(func, root):
        return 0
    fits = isinstance(shape.inner, int) and shape.inner * best.columns * 4 <= SCRATCH_BYTES
    return 2 if fits else None


def _row_tiles(shape: Shape, best: MicroTile, packed: int, target: CpuTarget) -> int:
    """How many row tiles an item takes: all where it packs a panel, one elsewhere."""
    if packed == 2:
        return 0
    return 1 if isinstance(shape.rows, int) else 4


def _columns_lie_side_by_side(func: kernel.Func, root: MatMul) -> bool:
    """Whether neighbours along a row of the right operand are neighbours in memory."""
    body = open_frame(func).body
    shape = Shape.of(root)
    extents = (*shape.batch, shape.inner, shape.columns)
    walks, sample = body.probe(extents, lambda index: body.read(root.b, _right_index(root, index[:-2], *index[-2:])))
    if not sample.reads:
        return True
    read = sample.reads[0]
    column = str(walks[-1])
    parts = [symbols.linear_part(body.indices.expand(i), column) for i in read.index]
    slopes = [None if part is None else part[0] for part in parts]
    return bool(slopes) and slopes[-1] == 1 and all(slope == 0 for slope in slopes[:-1])  # one number has no rows


def _right_index(root: MatMul, batch: Sequence[Dim], k: Dim, n: Dim) -> tuple[Dim, ...]:
    return broadcast_index(root.b, (*batch, *((n, k) if root.trans_b else (k, n))))


def pack_weights(func: kernel.Func, root: MatMul, sizes: GemmSchedule) -> Value:
    """Have the constant right operand passed as panels [n / columns][k / depth][columns, depth]; the argument.

    Zeros fill it up to whole panels.
    """
    argument, columns, depth = root.b, sizes.columns, sizes.depth
    assert isinstance(argument, BlockArgument)
    type = tensor_type(argument)
    shape = Shape.of(root)
    inner, width = shape.inner, shape.columns
    assert isinstance(inner, int) and isinstance(width, int)
    panels, steps = -(-width // columns), -(-inner // depth)

    def pack(array: np.ndarray) -> np.ndarray:
        matrix = padded(array.T if root.trans_b else array, steps * depth, panels * columns)
        cut = matrix.reshape(steps, depth, panels, columns).transpose(2, 0, 3, 1)
        return np.ascontiguousarray(cut.reshape(panels, steps, columns * depth))

    views = [reshape(panels, steps, columns, depth)] if depth > 1 else []
    if root.trans_b:
        order = (0, 2, 1, 3) if depth > 1 else (0, 2, 1)
        views += [transpose(*order), reshape(panels * columns, steps * depth), leading(width, inner)]
    else:
        order = (1, 3, 0, 2) if depth > 1 else (1, 0, 2)
        views += [transpose(*order), reshape(steps * depth, panels * columns), leading(inner, width)]
    tag = f"panels{'T' if root.trans_b else ''}{columns}{f'x{depth}' if depth > 1 else ''}"
    repack(func, argument.index, tag, pack, type.with_shape((panels, steps, columns * depth)), views)
    return argument


@dataclass
class Gemm:
    """The tile program of a product.

    `stores` are tensors that follow it, where they go, and how they stand there; `weights` is the argument with the
    panels that were packed ahead.
    """

    frame: Frame
    root: MatMul
    shape: Shape
    sizes: GemmSchedule
    stores: Sequence[tuple[Value, Memory, Placement]]
    weights: Value | None = None

    @property
    def rows_of_item(self) -> Dim:
        return self.sizes.row_tiles * self.sizes.rows or self.shape.rows

    @property
    def grid(self) -> tuple[Dim, Dim, Dim]:
        """Items along rows, columns and batches."""
        rows, columns = ceildiv(self.shape.rows, self.rows_of_item), ceildiv(self.shape.columns, self.sizes.columns)
        return rows, columns, product(self.shape.batch)

    def emit(self, item: Sequence[Dim]) -> None:
        """The work of one item of the grid."""
        self.row_block, self.column_block, batch = item
        self.batch = Merged((), self.shape.batch, self.frame.body.indices).split(batch) if self.shape.batch else ()
        self.panel = self._pack_panel() if self.sizes.packed == 2 else None
        self._rows(self.row_block, self.rows_of_item)

    # Rows of an item

    def _rows(self, block: Dim, per_item: Dim) -> None:
        """The item's row tiles: equal ones of a static number of rows, the last moved up to end with the rows."""
        rows, height = self.shape.rows, self.sizes.rows
        first = block * per_item
        if isinstance(rows, int) and rows % height:
            self.frame.func.in_place = None  # rows in two tiles are computed twice
        if not isinstance(rows, int):
            last = symbols.minimum(first + per_item, rows)
            whole = first + symbols.floordiv(last - first, height) * height
            self._loop(first, whole, height)
            self._loop(whole, last, 1)
        elif per_item == height:
            self._tile(first if rows % height == 0 else symbols.minimum(first, rows - height), height)
        else:
            tiles = -(-rows // height)
            body = self.frame.body

            def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
                start = body.indices.scalar(counter, tiles) * height
                self._tile(start if rows % height == 0 else symbols.minimum(start, rows - height), height)
                return ()

            body.loop(tiles, 1, (), step)

    def _loop(self, first: Dim, last: Dim, height: int) -> None:
        body = self.frame.body

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            self._tile(body.indices.scalar(counter, self.shape.rows), height)
            return ()

        body.loop(last, height, (), step, first=first)

    # One register tile

    def _tile(self, first_row: Dim, height: int) -> None:
        body, indices, sizes = self.frame.body, self.frame.body.indices, self.sizes
        row_lane, k_lane, column_lane = indices.lane(height), indices.lane(sizes.depth), indices.lane(sizes.columns)
        row = indices.derived(first_row + row_lane, self.shape.rows)
        column = self._column(column_lane)
        lanes = (row_lane, k_lane, column_lane)
        steps = symbols.floordiv(self.shape.inner, sizes.depth)

        def product_of(step: Expr, part: int, total: Value) -> Value:
            at = indices.derived((step + part) * sizes.depth + k_lane, self.shape.inner)
            if part == 0:
                self._prefetch(step)
            return self._product(row, at, column, step + part, lanes, total)

        acc = accumulate(body, steps, sizes.unroll, zeros(body, height, sizes.columns), product_of)
        if symbols.mod(self.shape.inner, sizes.depth) != 0:
            acc = self._product(row, steps * sizes.depth + k_lane, column, steps, lanes, acc, outside=0.0)
        self._finish(Element(acc, f32, (indices.lane_of(row_lane), indices.lane_of(column_lane))), row, column)

    def _product(
        self,
        row: Dim,
        k: Dim,
        column: Dim,
        step: Dim,
        lanes: tuple[Expr, Expr, Expr],
        total: Value,
        outside: float | None = None,
    ) -> Value:
        """What one step over k adds."""
        row_lane, k_lane, column_lane = lanes
        left = self._left(row, k, (row_lane, k_lane), outside)
        if self.sizes.depth == 1:
            return multiply_add(self.frame.body, left, self._right(k, column, step, (k_lane, column_lane)), total)
        return multiply_pairs(self.frame.body, left, self._pairs(step), total)

    def _prefetch(self, k: Expr) -> None:
        """Bring a part of the next panel of weights near: the row tiles of this one fetch all of it between them.

        The weights of a net are more than the caches keep, and the first row tile of a panel would wait for memory.
        """
        blocks, unroll = self.grid[0], self.sizes.unroll
        if self.weights is None or not isinstance(blocks, int) or blocks < 2 or self.sizes.across:
            return
        body, packed = self.frame.body, self.frame.body.memories[self.weights]
        _, steps, width = packed.shape
        assert isinstance(steps, int) and isinstance(width, int)
        line = CACHE_LINE // packed.dtype.bytes
        needed = unroll * width // line  # lines of a panel for each step of the loop over k
        if line % unroll or not needed:
            return
        each = -(-needed // blocks)
        panel = symbols.minimum(self.column_block + 1, self.grid[1] - 1) * (steps * width)
        part = symbols.minimum(self.row_block, -(-needed // each) - 1) * (steps // unroll * each * line)
        flat = body.builder.pure(tile.Flatten(packed.value))
        start = body.indices.scalar_code(panel + part + k * (each * line // unroll))
        body.builder.effect(tile.Prefetch(flat, (start,), (each * line,)))

    def _column(self, lane: Expr) -> Dim:
        """The columns of the item; those beyond the result are limited by their lane."""
        indices, width, extent = self.frame.body.indices, self.sizes.columns, self.shape.columns
        column = indices.derived(self.column_block * width + lane, extent)
        if symbols.mod(extent, width) != 0:
            self.frame.body.limits[indices.lane_of(lane)] = (column, extent)
        return column

    def _split_row(self, row: Dim) -> tuple[Dim, ...]:
        """The dims that the rows were merged from."""
        return Merged((), self.shape.row_dims, self.frame.body.indices).split(row)

    def _left(self, row: Dim, k: Dim, lanes: tuple[Expr, Expr], outside: float | None) -> Value:
        root, body = self.root, self.frame.body
        *outer, m = self._split_row(row)
        place = (*self.batch, *outer, *((k, m) if root.trans_a else (m, k)))
        read = body.read(root.a, broadcast_index(root.a, place), outside)
        element = body.elements.cast(read, f32 if self.sizes.depth == 1 else bf16)
        return body.elements.spread(element, tuple(body.indices.lane_of(lane) for lane in lanes)).value

    def _pairs(self, step: Dim) -> Value:
        """A step's row of a panel that was packed ahead in pairs."""
        assert self.weights is not None
        body, packed = self.frame.body, self.frame.body.memories[self.weights]
        code = body.indices.scalar_code
        start = (code(self.column_block), code(step), code(0))
        row = VectorType((1, self.sizes.columns * self.sizes.depth), packed.dtype)
        return body.builder.pure(tile.Load(packed.value, start, (1, 2), (1, 1), result_types=[row]))

    def _right(self, k: Dim, column: Dim, position: Dim, lanes: tuple[Expr, Expr]) -> Value:
        body = self.frame.body
        if self.panel is not None:
            load = tile.Load(
                self.panel.value,
                (body.indices.scalar_code(position), body.indices.scalar_code(0)),
                (0, 1),
                (1, 1),
                result_types=[body.elements.type(f32, [body.indices.lane_of(lane) for lane in lanes])],
            )
            return body.builder.effect(load).results[0]
        element = body.cast(body.read(self.root.b, _right_index(self.root, self.batch, k, column)), f32)
        return body.elements.spread(element, tuple(body.indices.lane_of(lane) for lane in lanes)).value

    def _finish(self, acc: Element, row: Dim, column: Dim) -> None:
        """The element-wise ops that follow the product, on the accumulators."""
        body = self.frame.body
        index = (*self.batch, *self._split_row(row), column)
        body.bound[self.root.result] = lambda place: body.elements.cast(acc, f32)
        for tensor, memory, place in self.stores:
            element = body.read(tensor, place.index(index))
            body.store(memory, (*self.batch, row, column) if place.keeps_order else place.index(index), element)

    # A panel of the right operand in local memory

    def _pack_panel(self) -> Memory:
        body, width, inner = self.frame.body, self.sizes.columns, self.shape.inner
        assert isinstance(inner, int)
        alloc = tile.Alloc(64, result_types=[MemRefType((inner, width), f32, "local")])
        panel = Memory(body.builder.effect(alloc).results[0], (inner, width))
        side = math.gcd(width, SQUARE)
        for first in range(0, width, side):
            whole = inner - inner % SQUARE
            self._pack_squares(panel, first, side, 0, whole, SQUARE)
            if whole < inner:
                self._pack_squares(panel, first, side, whole, inner, inner - whole)
        return panel

    def _pack_squares(self, panel: Memory, first: int, side: int, start: int, stop: int, depth: int) -> None:
        """Columns [first, first + side) of the panel for k in [start, stop), `depth` at a time."""
        body, indices, width = self.frame.body, self.frame.body.indices, self.sizes.columns
        extent = self.shape.columns
        assert isinstance(self.shape.inner, int)
        inner: int = self.shape.inner

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            k = indices.scalar(counter, inner, depth)
            column_lane, k_lane = indices.lane(side), indices.lane(depth)
            column = indices.derived(self.column_block * width + first + column_lane, extent)
            if symbols.mod(extent, width) != 0:
                body.limits[indices.lane_of(column_lane)] = (column, extent)
            place = _right_index(self.root, self.batch, indices.derived(k + k_lane, inner), column)
            element = body.cast(body.read(self.root.b, place), f32)
            block = body.elements.spread(element, (indices.lane_of(column_lane), indices.lane_of(k_lane)))
            store = tile.Store(
                transposed(body, block.value),
                panel.value,
                (indices.scalar_code(k), indices.scalar_code(first)),
                (0, 1),
                (1, 1),
            )
            body.builder.effect(store)
            return ()

        body.loop(stop, depth, (), step, first=start)


register(CpuGemm())
