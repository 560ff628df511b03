"""Matrix products of Hopper: a producer thread loads tiles by TMA, groups of four warps multiply them by `wgmma`.

A block is persistent: it computes one tile of the result after the other, and the producer runs ahead across tiles.
Either all groups share a tile, each with rows of its own, or each has tiles of its own (`pingpong`), so that one
multiplies while another stores. Results go through swizzled shared memory and leave by TMA.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, ceildiv, product
from ...ir.types import MemRefType, VectorType, f32
from .builder import Role
from .cuda_gemm import Product
from .cuda_stages import SPAN, PixelsOperand
from .cuda_wgmma_beside import Beside, operands_beside
from .cuda_wgmma_operands import Operand, TilePlace, TmaOperand, is_k_major
from .cuda_wgmma_results import WgmmaResults
from .wgmma_blocks import ROWS, WARPGROUP, WIDEST, WgmmaSchedule


class WgmmaGemm(WgmmaResults):
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

    def _operand(self, name: str, box: TmaOperand, read: Callable[[Sequence[Dim]], object], size: int) -> Operand:
        def boxes(batch: Sequence[Dim]) -> TmaOperand:
            found = read(batch)
            assert isinstance(found, TmaOperand)
            return found

        panel, k = SPAN // self.gemm.dtype.bytes, self.sizes.k
        shape = (k // panel, size, panel) if is_k_major(box) else (size // panel, k, panel)
        memory = self.alloc(f"{name}_tiles", (self.sizes.stages, *shape), self.gemm.dtype, self.sizes.stages)
        return Operand(boxes, size, k, memory, is_k_major(box))

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

    def _copy(self, sides: Sequence[Operand], place: TilePlace, step: Dim, stage: Dim) -> None:
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

    def _copy_pixels(self, side: Operand, pixels: PixelsOperand, first: Dim, step: Dim, stage: Dim) -> None:
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

    def _window(self, side: Operand, first: Dim, stage: Dim, size: int) -> Value:
        """What a group reads of a stage."""
        panel = side.panel
        shape = (side.k // panel, size, panel) if side.k_major else (size // panel, side.k, panel)
        start = (stage, 0, first, 0) if side.k_major else (stage, symbols.floordiv(first, panel), 0, 0)
        window = MemRefType(shape, self.gemm.dtype, "shared")
        op = tile.View(side.memory, self.codes(*start), (1, 2, 3), result_types=[window])
        op.result.name = "a_tile" if side is self.a else "b_tile"
        return self.builder.effect(op).results[0]

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
