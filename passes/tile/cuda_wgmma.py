"""Matrix products of Hopper: a producer thread loads tiles by TMA, groups of four warps multiply them by `wgmma`.

A block is persistent: it computes one tile of the result after the other, and the producer runs ahead across tiles.
Either all groups share a tile, each with rows of its own, or each has tiles of its own (`pingpong`), so that one
multiplies while another stores. Results go through swizzled shared memory and leave by TMA.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import tile, vector
from ...ir.dialects.nn.base import broadcast_index
from ...ir.symbols import Dim, ceildiv, product
from ...ir.types import MemRefType, VectorType, f32
from .access import Memory
from .builder import Role
from .cuda_gemm import Product
from .cuda_stages import SPAN, BoxOperand, PixelsOperand
from .cuda_wgmma_beside import Beside, operands_beside
from .elements import Element
from .epilogue import Placement, epilogue_operands, row_values
from .frame import returned, tensor_type
from .reductions import Columns
from .warp_roles import WarpRoles
from .wgmma_blocks import ROWS, WARPGROUP, WIDEST, WgmmaSchedule

MOST_DIMS = 5
"""Dims of a tensor that TMA knows."""
SHORT = 64
"""Elements of a tile that are summed up along a row."""
MOST_EARLY = 190
"""Registers of a thread that accumulators take together with what the epilogue reads early."""


TmaOperand = BoxOperand | PixelsOperand


def tma_operand(operand: object) -> str | None:
    """Why TMA cannot load an operand; None where it can."""
    if isinstance(operand, PixelsOperand):
        return _out_of_reach(operand)
    if not isinstance(operand, BoxOperand):
        return "an operand is no box of memory"
    if operand.width < 16:
        return "rows of an operand do not begin at multiples of 16 bytes"
    if len(operand.memory.shape) > MOST_DIMS:
        return f"an operand has more than {MOST_DIMS} dims"
    return None


_CORNERS = {3: 1 << 15, 4: 1 << 7, 5: 1 << 3}
"""How far TMA's corners may be from an image, by its rank; a tap may be twice as far from the first corner."""
_MOST_STEPS = 8


def _out_of_reach(operand: PixelsOperand) -> str | None:
    """Why TMA cannot walk the pixels of an image; None where it can."""
    shape = operand.memory.shape
    reach = _CORNERS.get(len(shape))
    if reach is None:
        return f"TMA walks the pixels of images of 3 to {MOST_DIMS} dims"
    for low, out, step, size in zip(operand.corner, operand.out, operand.steps, shape[1:-1], strict=True):
        high = low + (out - 1) * step + 1 - size
        if not isinstance(high, int) or not (-reach <= low < reach and -reach <= high < reach and step <= _MOST_STEPS):
            return "TMA cannot walk so far out of the image"
    return None


def is_k_major(operand: TmaOperand) -> bool:
    """Whether elements along k lie side by side."""
    return isinstance(operand, PixelsOperand) or operand.inner_dim > operand.outer_dim


@dataclass(frozen=True)
class TilePlace:
    """The tile of the result that a block is at: its batch, first row and first column."""

    batch: tuple[Dim, ...]
    row: Dim
    column: Dim


@dataclass
class _Operand:
    """One operand in shared memory: `size` rows or columns by `k` a stage, in panels of 128 bytes."""

    read: Callable[[Sequence[Dim]], TmaOperand]
    size: int
    k: int
    memory: Value
    k_major: bool

    @property
    def panel(self) -> int:
        """Elements of a panel's row."""
        type = self.memory.type
        assert isinstance(type, MemRefType)
        return SPAN // type.dtype.bytes


class WgmmaGemm(WarpRoles):
    """Builds the program of one product."""

    def __init__(self, gemm: Product, sizes: WgmmaSchedule, blocks: int, overlap: bool) -> None:
        """`blocks` run at once; with `overlap` the launch may start before the one before it is over."""
        self.gemm, self.sizes, self.overlap = gemm, sizes, overlap
        self.body, self.builder, self.indices = gemm.body, gemm.body.builder, gemm.body.indices
        shape = gemm.shape
        self.tile_rows, self.tile_columns = ceildiv(shape.rows, sizes.m), ceildiv(shape.columns, sizes.n)
        self.tiles = product((*shape.batch, self.tile_rows, self.tile_columns))
        self.grid = symbols.minimum(self.tiles, blocks)
        self.steps = ceildiv(shape.inner, sizes.k)
        self.beside: list[Beside] = []
        self.done: Dim = 0
        self.rows: dict[tuple[str, int], tuple[symbols.Expr, Dim]] = {}
        self.columns: dict[tuple[str, int, str], tuple[symbols.Expr, Dim]] = {}

    def build(self) -> None:
        sizes, builder = self.sizes, self.builder
        self.block, self.blocks = self._blocks()
        sample = self.gemm.batch(0)
        left, right = self.gemm.left(sample, sizes.k), self.gemm.right(sample, sizes.k)
        if not isinstance(left, TmaOperand) or not isinstance(right, TmaOperand):
            raise ValueError("an operand is no box of memory, which TMA could load")
        self.a = self._operand("a", left, lambda batch: self.gemm.left(batch, sizes.k), sizes.m)
        self.b = self._operand("b", right, lambda batch: self.gemm.right(batch, sizes.k), sizes.n)
        self.staging = self._staging()
        self.beside = self._beside()
        consumers = 1 if sizes.pingpong else sizes.groups
        self.full = self.barriers("full", sizes.stages, 1)
        self.free = self.barriers("free", sizes.stages, WARPGROUP * consumers)
        self.turns = self.barriers("turns", sizes.groups, WARPGROUP) if sizes.pingpong else None
        builder.effect(tile.Barrier())
        self.early = [side for side, box in ((self.a, left), (self.b, right)) if box.is_weight] if self.overlap else []
        builder.roles(
            Role(WARPGROUP, self._producer, 1, sizes.producer_registers),
            Role(WARPGROUP, self._consumer, sizes.groups, sizes.consumer_registers),
        )
        self.gemm.frame.finish((self.grid,), sizes.threads)

    def _blocks(self) -> tuple[Dim, Dim]:
        """The number of the first tile of this block, and how many blocks there are."""
        block = self.indices.scalar(self.builder.pure(tile.ProgramId(0)), self.grid)
        return block, self.indices.scalar(self.builder.pure(tile.NumPrograms(0)), symbols.add(self.grid, 1))

    # Shared memory

    def _operand(self, name: str, box: TmaOperand, read: Callable[[Sequence[Dim]], object], size: int) -> _Operand:
        def boxes(batch: Sequence[Dim]) -> TmaOperand:
            found = read(batch)
            assert isinstance(found, TmaOperand)
            return found

        panel, k = SPAN // self.gemm.dtype.bytes, self.sizes.k
        shape = (k // panel, size, panel) if is_k_major(box) else (size // panel, k, panel)
        memory = self.alloc(f"{name}_tiles", (self.sizes.stages, *shape), self.gemm.dtype, self.sizes.stages)
        return _Operand(boxes, size, k, memory, is_k_major(box))

    def _staging(self) -> Value | None:
        """Where results wait to leave, for each group its own; None where none leaves by TMA."""
        staged = [memory for place, memory in self._results() if self._leaves_by_tma(place, memory)]
        if not staged:
            return None
        # Threads store 8 bytes of a wide result side by side as it is, but only 4 of a narrow one.
        dtype = min((memory.dtype for memory in staged), key=lambda dtype: dtype.bytes)
        panel = SPAN // dtype.bytes
        return self.alloc("results", (self.sizes.groups, self.sizes.chunk // panel, ROWS, panel), dtype, None)

    def _beside(self) -> list[Beside]:
        """What is loaded beside the operands."""
        if not self.sizes.beside or self.staging is None:
            return []
        found = [one for one in operands_beside(self.gemm) if self._fits_staging(self.body.memories[one])]
        return [Beside.of(self, argument) for argument in found[: self.sizes.beside]]

    # Tiles of the result

    def _tiles(self, first: Dim, stride: int, body: Callable[[TilePlace, Dim, Dim], None]) -> None:
        """Run `body` for every `stride`-th tile of this block: its place, its number, and the steps before it."""
        start = self.block + first * self.blocks

        def one(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            number = self.indices.scalar(counter, self.tiles)
            done = self.indices.scalar(carried[0], 1 << 31)
            body(self._place(number), number, done)
            return (self.code(done + stride * self.steps),)

        bounds = (self.code(start), self.code(self.tiles), self.code(stride * self.blocks))
        self.builder.loop(bounds, (self.code(first * self.steps),), one)

    def _place(self, number: Dim) -> TilePlace:
        """Tiles in bands of rows: along a band, column by column."""
        derived, band = self.indices.derived, self.sizes.band
        rows, columns = self.tile_rows, self.tile_columns
        batches = product(self.gemm.shape.batch)
        batch = derived(symbols.floordiv(number, rows * columns), batches)
        inside = derived(number - batch * (rows * columns), rows * columns)
        bands = ceildiv(rows, band)
        which = derived(symbols.floordiv(inside, band * columns), bands)
        rest = derived(inside - which * (band * columns), band * columns)
        high = symbols.minimum(rows - which * band, band)
        column = derived(symbols.floordiv(rest, high), columns)
        row = derived(which * band + rest - column * high, rows)
        return TilePlace(self.gemm.batch(batch), row * self.sizes.m, column * self.sizes.n)

    # Producer

    def _producer(self, group: Value) -> None:
        self.builder.elect(self._load)

    def _load(self) -> None:
        started: Dim = 0
        if self.early:
            started = self._load_early()
        if self.overlap:
            self.builder.effect(tile.WaitDependencies())
        if self.early:
            place = self._place(self.block)
            for step in range(int(started)):
                self._copy([side for side in (self.a, self.b) if side not in self.early], place, step, step)

        def one(place: TilePlace, number: Dim, done: Dim) -> None:
            first = started and self._select("eq", number, self.block, started, 0, symbols.add(started, 1))

            def step(k: Dim, stage: Dim, parity: Value, carried: Sequence[Value]) -> Sequence[Value]:
                self.wait(self.free, stage, self._flip(parity))
                self.arrive(self.full, stage, self.sizes.stage_bytes(self.gemm.dtype))
                self._copy((self.a, self.b), place, k, stage)
                return ()

            self._pipeline(first, done, (), step)

        self._tiles(0, 1, one)

    def _load_early(self) -> int:
        """Weights of the first steps are on their way before the launch that makes the other operand is over."""
        place = self._place(self.block)
        count = self.sizes.stages
        if isinstance(self.steps, int):
            count = min(count, self.steps)
        else:
            return 0
        for step in range(count):
            self.arrive(self.full, step, self.sizes.stage_bytes(self.gemm.dtype))
            self._copy(self.early, place, step, step)
        return count

    def _copy(self, sides: Sequence[_Operand], place: TilePlace, step: Dim, stage: Dim) -> None:
        """Start copying the tiles of a step into a stage; what lies outside comes as zeros."""
        for side in sides:
            box = side.read(place.batch)
            first = place.row if side is self.a else place.column
            panels = side.k // side.panel if side.k_major else side.size // side.panel
            if isinstance(box, PixelsOperand):
                self._copy_pixels(side, box, first, step, stage)
                continue
            sizes = (side.size, side.panel) if side.k_major else (side.k, side.panel)
            dims = (box.outer_dim, box.inner_dim) if side.k_major else (box.inner_dim, box.outer_dim)
            for panel in range(panels):
                moved = panel * side.panel
                k = step * side.k + (moved if side.k_major else 0)
                start = box.place(first + (0 if side.k_major else moved), k)
                op = tile.CopyAsync(
                    box.memory.value,
                    side.memory,
                    self.codes(*start),
                    self.codes(stage, panel, 0, 0),
                    sizes,
                    dims,
                    (2, 3),
                    tuple(sorted(dims)),
                    barriers=self.full,
                    slot=self.code(stage),
                    engine="tma",
                )
                self.builder.effect(op)

    def _copy_pixels(self, side: _Operand, pixels: PixelsOperand, first: Dim, step: Dim, stage: Dim) -> None:
        for panel in range(side.k // side.panel):
            op = tile.CopyPixelsAsync(
                pixels.memory.value,
                side.memory,
                self.codes(*pixels.place(first, step * side.k + panel * side.panel)),
                self.codes(stage, panel, 0, 0),
                (side.size, side.panel),
                (0, len(pixels.memory.shape) - 1),
                (2, 3),
                pixels.checked,
                barriers=self.full,
                slot=self.code(stage),
                engine="tma",
                out=pixels.out,
                steps=pixels.steps,
                corner=pixels.corner,
            )
            self.builder.effect(op)

    # Consumers

    def _consumer(self, group: Value) -> None:
        number = self.indices.scalar(group, self.sizes.groups)
        if self.overlap:
            self.builder.effect(tile.WaitDependencies())
        rows = 0 if self.sizes.pingpong else number * self.sizes.group_rows

        def one(place: TilePlace, _: Dim, done: Dim) -> None:
            place = TilePlace(place.batch, place.row + rows, place.column)
            for operand in self.beside:
                operand.fetch(place, number)
            self._read_early(place)
            self._wait_turn(number, done)
            acc = self._multiply(rows, done, number)
            self.done = done
            self._finish(place, number, acc)

        first, stride = (number, self.sizes.groups) if self.sizes.pingpong else (0, 1)
        self._tiles(first, stride, one)
        if self.staging is not None:
            self.builder.elect(self._wait_stores)

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

    def _wait_turn(self, group: Dim, done: Dim) -> None:
        """Groups with tiles of their own multiply one after the other: a phase of `full` must not be awaited before
        the one before it is over, and a group alone has the whole rate."""
        if self.turns is None:
            return
        before = symbols.floordiv(done, self.sizes.groups * self.steps)
        first = self._select("eq", group, 0, 1, 0, 2)
        phase = before + first
        parity = self.indices.derived(phase - 2 * symbols.floordiv(phase, 2), 2)
        self.wait(self.turns, group, self.code(parity))

    def _pass_turn(self, group: Dim) -> None:
        if self.turns is not None:
            groups = self.sizes.groups
            following = self._select("eq", group, groups - 1, 0, group + 1, groups)
            self.arrive(self.turns, following)

    def _multiply(self, rows: Dim, done: Dim, group: Dim) -> Value:
        """The products of all steps of a tile, one step in flight while the next is started.

        The turn passes while the last step is in flight, where it is known that there is more than one.
        """
        early = self.turns is not None and isinstance(self.steps, int) and self.steps > 1
        zero = self.body.constant(0.0, f32).value
        start = self.builder.op("vector.broadcast", (zero,), VectorType((self.sizes.group_rows, self.sizes.n), f32))

        def first(k: Dim, stage: Dim, parity: Value, carried: Sequence[Value]) -> Sequence[Value]:
            self.wait(self.full, stage, parity)
            return (self._mma(rows, stage, start), self.code(stage))

        def step(k: Dim, stage: Dim, parity: Value, carried: Sequence[Value]) -> Sequence[Value]:
            self.wait(self.full, stage, parity)
            acc = self._mma(rows, stage, carried[0])
            acc = self.builder.effect(tile.MmaWait(acc, 1)).results[0]
            self.arrive(self.free, self._known(carried[1], self.sizes.stages))
            if early:
                last = self.indices.compare("eq", k, self.steps - 1)
                self.builder.branch(last.value, lambda: self._pass_turn(group))
            return (acc, self.code(stage))

        # The wait follows the loop at once: ptxas may read accumulators before a wait that has other work before it.
        acc, last = self._pipeline(0, done, first, step)
        acc = self.builder.effect(tile.MmaWait(acc, 0)).results[0]
        if not early:
            self._pass_turn(group)
        self.arrive(self.free, self._known(last, self.sizes.stages))
        return acc

    def _mma(self, rows: Dim, stage: Dim, acc: Value) -> Value:
        a = self._window(self.a, rows, stage, self.sizes.group_rows)
        b = self._window(self.b, 0, stage, self.sizes.n)
        columns, depth = min(self.sizes.n, WIDEST), 32 // self.gemm.dtype.bytes
        instruction = f"wgmma.m{ROWS}n{columns}k{depth}"
        turned = not self.a.k_major, self.b.k_major
        return self.builder.effect(tile.Mma(a, b, acc, instruction, *turned, (WARPGROUP, 1))).results[0]

    def _window(self, side: _Operand, first: Dim, stage: Dim, size: int) -> Value:
        """What a group reads of a stage."""
        panel = side.panel
        shape = (side.k // panel, size, panel) if side.k_major else (size // panel, side.k, panel)
        start = (stage, 0, first, 0) if side.k_major else (stage, symbols.floordiv(first, panel), 0, 0)
        window = MemRefType(shape, self.gemm.dtype, "shared")
        op = tile.View(side.memory, self.codes(*start), (1, 2, 3), result_types=[window])
        op.result.name = "a_tile" if side is self.a else "b_tile"
        return self.builder.effect(op).results[0]

    # Results

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

    def _limited(self, first: Dim, lane: symbols.Expr, extent: Dim, size: int) -> Dim:
        """The positions of a lane, which stop at the extent where that is no multiple of a tile's size."""
        position = self.indices.derived(first + lane, extent)
        if symbols.mod(extent, size) != 0:
            self.body.limits[self.indices.lane_of(lane)] = (position, extent)
        return position

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

    # Stages and phases

    def _pipeline(
        self,
        first: Dim,
        done: Dim,
        start: Callable[[Dim, Dim, Value, Sequence[Value]], Sequence[Value]] | tuple[()],
        step: Callable[[Dim, Dim, Value, Sequence[Value]], Sequence[Value]],
    ) -> Sequence[Value]:
        """Run `step` for every step of a tile from `first` on, with its stage and the parity of its phase.

        `done` steps came before the tile. With `start` the first step is another.
        """
        stages = self.sizes.stages
        before = done + first
        turn = symbols.floordiv(before, stages)
        stage = self.indices.derived(before - stages * turn, stages)
        parity = self.code(self.indices.derived(turn - 2 * symbols.floordiv(turn, 2), 2))
        carried: Sequence[Value] = ()
        place = self.code(stage)
        if callable(start):
            carried = start(first, stage, parity, ())
            place, parity = self._next(place, parity, stages)
            first = first + 1

        def body(counter: Value, values: Sequence[Value]) -> Sequence[Value]:
            now, phase, *rest = values
            passed = step(self.indices.scalar(counter, self.steps), self._known(now, stages), phase, rest)
            return (*self._next(now, phase, stages), *passed)

        bounds = (self.code(first), self.code(self.steps), self.code(1))
        return self.builder.loop(bounds, (place, parity, *carried), body)[2:]
