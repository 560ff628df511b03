"""The main loop of a contraction in a thread block: operands go through stages of shared memory into instructions.

An operand comes by asynchronous copies where it is a box of global memory, several stages ahead; else its elements are
loaded into registers one stage ahead, while the stage before is computed, and stored to shared memory after it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Operation, Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, Expr, ceildiv
from ...ir.types import MemRefType, Scalar, VectorType, f32
from .access import Memory
from .body import TileBody
from .cuda_blocks import SPAN, BlockSchedule
from .elements import Element
from .merging import Read

ReadAt = Callable[[Dim, Dim, Expr], Element]
"""The element of an operand at (outer, first + k): its row or column, where a step begins, and the lane of the step."""


@dataclass(frozen=True)
class BoxOperand:
    """An operand that is a box of global memory: memref dim `outer_dim` walks the result's rows or columns,
    `inner_dim` k.

    `place` gives the other indices, and those two at their start. `width` is the bytes one copy moves. No launch writes
    an operand that `is_weight`.
    """

    memory: Memory
    place: Callable[[Dim, Dim], Sequence[Dim]]
    outer_dim: int
    inner_dim: int
    width: int
    is_weight: bool = False


@dataclass(frozen=True)
class ReadOperand:
    """An operand of which only single elements are known; `goes_on`: behind the last k are others, not the end of
    its memory."""

    read: ReadAt
    k_contiguous: bool
    goes_on: bool = False


AnyOperand = BoxOperand | ReadOperand


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


class Contraction:
    """Builds the accumulator of one block."""

    def __init__(
        self, body: TileBody, problem: Problem, sizes: BlockSchedule, a: AnyOperand, b: AnyOperand, overlap: bool
    ) -> None:
        """With `overlap` the launch may start before the one before it is over."""
        self.overlap = overlap
        self.body = body
        self.indices = body.indices
        self.builder = body.builder
        self.problem = problem
        self.sizes = sizes
        self.row_lane = self.indices.lane(sizes.m)
        self.k_lane = self.indices.lane(sizes.k)
        self.column_lane = self.indices.lane(sizes.n)
        self.row = self._limited(problem.first_row, self.row_lane, problem.rows, sizes.m)
        self.column = self._limited(problem.first_column, self.column_lane, problem.columns, sizes.n)
        self.steps = ceildiv(problem.inner, sizes.k)
        self.sides = [
            _Side(self, a, problem.first_row, problem.rows, self.row, self.row_lane, sizes.m, "a"),
            _Side(self, b, problem.first_column, problem.columns, self.column, self.column_lane, sizes.n, "b"),
        ]

    def _limited(self, first: Dim, lane: Expr, extent: Dim, size: int) -> Expr:
        """The positions of a lane, which stop at the extent."""
        position = self.indices.derived(first + lane, extent)
        if symbols.mod(extent, size) != 0:
            self.body.limits[self.indices.lane_of(lane)] = (position, extent)
        return position

    def accumulate(self) -> Element:
        """The block's part of the product, in f32."""
        zero = self.body.constant(0.0, f32).value
        type = VectorType((self.sizes.m, self.sizes.n), f32)
        start = self.builder.op("vector.broadcast", (zero,), type)
        self._start()
        for side in self.sides:
            side.read(0)
        for side in self.sides:
            side.store(0)
        lanes = (self.indices.lane_of(self.row_lane), self.indices.lane_of(self.column_lane))
        (acc,) = self.body.loop(self.steps, 1, (start,), self._step)
        return Element(acc, f32, lanes)

    def _start(self) -> None:
        """Fill all stages but one. Weights are on their way before the launch that makes the other operand is over."""
        early = [side for side in self.sides if side.is_weight]
        for stage in range(self.sizes.stages - 1):
            for side in early:
                side.copy(stage, stage)
        if self.overlap:
            self.builder.effect(tile.WaitDependencies())
        for stage in range(self.sizes.stages - 1):
            self._copy(stage, stage, [side for side in self.sides if side not in early])

    @property
    def _copies(self) -> bool:
        return any(side.is_box for side in self.sides)

    def _step(self, counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
        """One step along k: wait for its stage, start what comes later, compute."""
        step = self.indices.scalar(counter, self.steps)
        stages = self.sizes.stages
        if self._copies:
            self.builder.effect(tile.WaitGroup(stages - 2))
        self.builder.effect(tile.Barrier())
        self._copy(step + (stages - 1), symbols.mod(step + (stages - 1), stages), self.sides)
        for side in self.sides:
            side.read(step + 1)
        acc = self._multiply(symbols.mod(step, stages), carried[0])
        for side in self.sides:
            side.store(symbols.mod(step + 1, stages))
        return (acc,)

    def _copy(self, step: Dim, stage: Dim, sides: Sequence[_Side]) -> None:
        """Start the asynchronous copies of a step; beyond the last step they bring zeros."""
        if not self._copies:
            return
        for side in sides:
            side.copy(step, stage)
        self.builder.effect(tile.CommitGroup())

    def _multiply(self, stage: Dim, acc: Value) -> Value:
        """Products of one stage, an instruction's depth at a time."""
        depth = 4 if self.problem.instruction == "fma" else int(self.problem.instruction.rpartition("k")[2])
        windows = [side.window(stage) for side in self.sides]

        warps = None if self.problem.instruction == "fma" else (self.sizes.warps_m, self.sizes.warps_n)
        for k in range(0, self.sizes.k, depth):
            a, b = (side.fragment(window, k, depth) for side, window in zip(self.sides, windows, strict=True))
            op = tile.Mma(a, b, acc, self.problem.instruction, warps=warps)
            acc = self.builder.effect(op).results[0]
        return acc


@dataclass
class _Side:
    """One operand on its way through shared memory."""

    contraction: Contraction
    operand: AnyOperand
    first: Dim
    extent: Dim
    position: Expr
    lane: Expr
    size: int
    name: str

    def __post_init__(self) -> None:
        self.body = self.contraction.body
        self.depth = self.contraction.sizes.k
        if isinstance(self.operand, BoxOperand):
            self.k_last = self.operand.inner_dim > self.operand.outer_dim
        else:
            self.k_last = self.operand.k_contiguous
        # Rows of more than a swizzled span would meet in few banks: they are cut into panels.
        self.panel = self.depth
        if self.is_box and self.k_last:
            self.panel = min(self.depth, SPAN // self.contraction.problem.dtype.bytes)
        self.memory = self._allocate()
        self.element: Element | None = None

    @property
    def is_box(self) -> bool:
        return isinstance(self.operand, BoxOperand)

    @property
    def is_weight(self) -> bool:
        return isinstance(self.operand, BoxOperand) and self.operand.is_weight

    def _allocate(self) -> Value:
        dtype = self.contraction.problem.dtype
        panels = self.depth // self.panel
        shape = (panels, self.size, self.panel) if self.k_last else (1, self.depth, self.size)
        stages = self.contraction.sizes.stages
        span = shape[-1] * dtype.bytes
        swizzle = next((s for s in (128, 64, 32) if span % s == 0), 0)
        op = tile.Alloc(128, swizzle, stages, result_types=[MemRefType((stages, *shape), dtype, "shared")])
        op.result.name = f"{self.name}_tiles"
        return self.body.builder.effect(op).results[0]

    # By asynchronous copies

    def copy(self, step: Dim, stage: Dim) -> None:
        """Start copying the tile of a step into a stage."""
        box = self.operand
        if not isinstance(box, BoxOperand):
            return
        inner = self.contraction.problem.inner
        outer_dim, inner_dim = box.outer_dim, box.inner_dim
        dims = (outer_dim, inner_dim) if self.k_last else (inner_dim, outer_dim)
        for panel in range(self.depth // self.panel):
            k = step * self.depth + panel * self.panel
            checked = [] if isinstance(k, int) and isinstance(inner, int) and k + self.panel <= inner else [inner_dim]
            if symbols.mod(self.extent, self.size) != 0:
                checked.append(outer_dim)
            op = tile.CopyAsync(
                box.memory.value,
                self.memory,
                self._codes(*box.place(self.first, k)),
                self._codes(stage, panel, 0, 0),
                (self.size, self.panel) if self.k_last else (self.panel, self.size),
                dims,
                (2, 3),
                tuple(sorted(checked)),
                width=box.width,
            )
            self.body.builder.effect(op)

    def _codes(self, *index: Dim) -> tuple[Value, ...]:
        return tuple(map(self.body.indices.scalar_code, index))

    # Through registers

    def read(self, step: Dim) -> None:
        """Load the elements of a step. Nobody uses those of a step after the last, which may be any that exist."""
        if not isinstance(self.operand, ReadOperand):
            return
        body, indices = self.body, self.body.indices
        inner, k_lane = self.contraction.problem.inner, self.contraction.k_lane
        lane = indices.lane_of(k_lane)
        whole = symbols.mod(inner, self.depth) == 0
        if whole and not isinstance(step, int):
            step = symbols.minimum(step, self.contraction.steps - 1)
        first = indices.derived(step * self.depth, inner)
        if not whole:
            body.limits[lane] = (indices.derived(first + k_lane, inner), inner)
        element = self.operand.read(self.position, first, k_lane)
        element = element if whole else self._zero_beyond(element, lane)
        lanes = tuple(sorted((lane, indices.lane_of(self.lane))))
        self.element = narrowed(body, element, self.contraction.problem.dtype, lanes)
        body.limits.pop(lane, None)

    def _zero_beyond(self, element: Element, lane: int) -> Element:
        """Loads that end with the memory have masked what varies along k."""
        assert isinstance(self.operand, ReadOperand)
        if lane in element.lanes and not self.operand.goes_on:
            return element
        mask = self.body.inside_lanes((lane,))
        assert mask is not None
        return self.body.apply("select", mask, element, self.body.elements.constant(0.0, element.dtype))

    def store(self, stage: Dim) -> None:
        """Put the loaded elements into a stage."""
        if self.element is None:
            return
        indices = self.body.indices
        k_first = indices.lane_of(self.contraction.k_lane) < indices.lane_of(self.lane)
        dims = (2, 3) if k_first != self.k_last else (3, 2)
        dtype = self.contraction.problem.dtype
        start = self._codes(stage, 0, 0, 0)
        # Single elements come in the order of lanes: wider stores would tear neighbouring loads apart.
        alignment = max(4, dtype.bytes) if dims == (2, 3) else dtype.bytes
        op = tile.Store(self.element.value, self.memory, start, dims, (1, 1), alignment=alignment)
        self.body.builder.effect(op)
        self.element = None

    # Into fragments

    def window(self, stage: Dim) -> Value:
        """One stage."""
        type = self.memory.type
        assert isinstance(type, MemRefType)
        window = MemRefType(type.shape[1:], type.dtype, type.space)
        view = tile.View(self.memory, self._codes(stage, 0, 0, 0), (1, 2, 3), result_types=[window])
        view.result.name = f"{self.name}_tile"
        return self.body.builder.effect(view).results[0]

    def fragment(self, window: Value, k: int, depth: int) -> Value:
        """Elements from k on, as the instruction's operand: A is rows x k, B is k x columns."""
        panel, inside = divmod(k, self.panel) if self.k_last else (0, k)
        start = self._codes(panel, 0, inside) if self.k_last else self._codes(panel, inside, 0)
        outer_dim, inner_dim = (1, 2) if self.k_last else (2, 1)
        shape, dims = (self.size, depth), (outer_dim, inner_dim)
        if self.name == "b":
            shape, dims = shape[::-1], dims[::-1]
        type = VectorType(shape, self.contraction.problem.dtype)
        load = tile.Load(window, start, dims, (1, 1), alignment=16, result_types=[type])
        load.result.name = self.name
        return self.body.builder.effect(load).results[0]


def narrowed(body: TileBody, element: Element, dtype: Scalar, lanes: tuple[int, ...]) -> Element:
    """An element as `dtype` along `lanes`; what was only just widened from it is taken as it was."""
    owner = element.value.owner
    if isinstance(owner, Operation) and owner.name == "arith.extf" and element.dtype != dtype:
        source = owner.operands[0]
        kind = source.type.dtype if isinstance(source.type, VectorType) else source.type
        if kind == dtype:
            element = Element(source, dtype, element.lanes)
    return body.elements.spread(body.elements.cast(element, dtype), lanes)


def box_operand(
    body: TileBody,
    read: Read,
    walks: tuple[Expr, Expr],
    place: Callable[[Dim, Dim], Sequence[Dim]],
    is_weight: bool,
) -> BoxOperand | None:
    """The operand as a box, where one access to global memory walks a dim each with (outer, k), one by one."""
    memory = body.memories.get(read.tensor)
    if memory is None or read.unsure:
        return None
    found: dict[str, int] = {}
    for d, index in enumerate(read.index):
        for walk in walks:
            part = symbols.linear_part(body.indices.expand(index), str(walk))
            if part is None or (part[0] != 0 and (part[0] != 1 or str(walk) in found)):
                return None
            if part[0] == 1:
                found[str(walk)] = d
    if len(found) != 2 or len(set(found.values())) != 2:
        return None
    outer_dim, inner_dim = (found[str(walk)] for walk in walks)
    if len(memory.shape) - 1 not in (outer_dim, inner_dim):
        return None
    width = copy_width(body, memory, read.index, walks)
    return BoxOperand(memory, place, outer_dim, inner_dim, width, is_weight) if width >= 4 else None


def copy_width(body: TileBody, memory: Memory, index: Sequence[Dim], walks: Sequence[Expr]) -> int:
    """The bytes that one copy along the last dim may move at once."""
    last = len(memory.shape) - 1
    width = 16
    steps: list[Dim] = []
    for d, (i, size) in enumerate(zip(index, memory.shape, strict=True)):
        if d == last:
            steps.append(body.indices.expand(i - sum((w for w in walks if _walks(i, w)), start=0)))
        elif size != 1:
            steps.append(symbols.product(memory.shape[d + 1 :]))
    for step in steps:
        while (body.indices.divisor(step) * memory.dtype.bytes) % width:
            width //= 2
    return width


def _walks(index: Dim, walk: Expr) -> bool:
    return str(walk) in symbols.free_symbols(index)
