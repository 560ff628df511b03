"""Operands of matrix instructions on their way from global memory through stages of shared memory into registers.

An operand comes by asynchronous copies where it is a box of global memory; else its elements are loaded into registers
and stored to shared memory. `outer` is its row or column of the result, `inner` the dimension that is added over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DenseArrayAttr
from ...ir.core import Operation, Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, Expr
from ...ir.types import MemRefType, Scalar, VectorType
from .access import Memory
from .body import TileBody
from .cuda_prologues import FragmentPrologue
from .elements import Element
from .merging import Read

SPAN = 128
"""Bytes of a row of shared memory that swizzling spreads over all banks."""
ReadAt = Callable[[Dim, Dim, Expr], Element]
"""The element of an operand at (outer, first + k): its row or column, where a step begins, and the lane of the step."""


@dataclass(frozen=True)
class BoxOperand:
    """An operand that is a box of global memory: memref dim `outer_dim` walks the result's rows or columns,
    `inner_dim` k.

    `place` gives the other indices, and those two at their start. `width` is the bytes one copy moves. No launch writes
    an operand that `is_weight`. `prologue` is computed on its fragments.
    """

    memory: Memory
    place: Callable[[Dim, Dim], Sequence[Dim]]
    outer_dim: int
    inner_dim: int
    width: int
    is_weight: bool = False
    prologue: FragmentPrologue | None = None


@dataclass(frozen=True)
class ReadOperand:
    """An operand of which only single elements are known."""

    read: ReadAt
    k_contiguous: bool


@dataclass(frozen=True)
class PixelsOperand:
    """An operand whose rows are output pixels of a convolution of an image [n, spatial…, c], its inner dimension taps
    by channels: `place` gives the start of a `tile.copy_pixels_async` at (first pixel, k), which `out`, `steps`,
    `checked` and, by TMA, `corner` belong to. No copy may leave the channels of a tap but where they are checked.
    `prologue` is computed on its fragments."""

    memory: Memory
    place: Callable[[Dim, Dim], Sequence[Dim]]
    out: tuple[int, ...]
    steps: tuple[int, ...]
    checked: tuple[int, ...]
    corner: tuple[int, ...] = ()
    is_weight: bool = False
    prologue: FragmentPrologue | None = None


AnyOperand = BoxOperand | ReadOperand | PixelsOperand


@dataclass(frozen=True)
class Walk:
    """A dimension of an operand's tile: its lane, the elements of a tile, and of the whole operand."""

    lane: Expr
    size: int
    extent: Dim


class StagedOperand:
    """The tiles of one operand in shared memory: a tile is `outer.size` x `inner.size`, `stages` of them are there."""

    def __init__(
        self, body: TileBody, operand: AnyOperand, name: str, outer: Walk, inner: Walk, dtype: Scalar, stages: int
    ) -> None:
        self.body, self.operand, self.name = body, operand, name
        self.outer, self.inner, self.dtype, self.stages = outer, inner, dtype, stages
        if isinstance(operand, BoxOperand):
            self.k_last = operand.inner_dim > operand.outer_dim
        else:
            self.k_last = isinstance(operand, PixelsOperand) or operand.k_contiguous
        # Rows of more than a swizzled span would meet in few banks: they are cut into panels.
        self.panel = inner.size
        if self.is_copied and self.k_last:
            self.panel = _panel(inner.size, dtype)
        self.memory = self._allocate()
        self.element: Element | None = None

    @property
    def is_copied(self) -> bool:
        """Whether it comes by asynchronous copies."""
        return not isinstance(self.operand, ReadOperand)

    @property
    def is_weight(self) -> bool:
        return isinstance(self.operand, BoxOperand) and self.operand.is_weight

    @property
    def prologue(self) -> FragmentPrologue | None:
        return None if isinstance(self.operand, ReadOperand) else self.operand.prologue

    def _allocate(self) -> Value:
        panels = self.inner.size // self.panel
        shape = (panels, self.outer.size, self.panel) if self.k_last else (1, self.inner.size, self.outer.size)
        span = shape[-1] * self.dtype.bytes
        swizzle = next((s for s in (128, 64, 32) if span % s == 0), 0)
        type = MemRefType((self.stages, *shape), self.dtype, "shared")
        op = tile.Alloc(128, swizzle, self.stages, result_types=[type])
        op.result.name = f"{self.name}_tiles"
        return self.body.builder.effect(op).results[0]

    # By asynchronous copies

    def copy(self, outer: Dim, inner: Dim, stage: Dim) -> None:
        """Start copying the tile at (outer, inner) into a stage; beyond the operand's end come zeros."""
        box = self.operand
        if isinstance(box, PixelsOperand):
            self._copy_pixels(box, outer, inner, stage)
        if not isinstance(box, BoxOperand):
            return
        outer_dim, inner_dim = box.outer_dim, box.inner_dim
        dims = (outer_dim, inner_dim) if self.k_last else (inner_dim, outer_dim)
        for panel in range(self.inner.size // self.panel):
            k = inner + panel * self.panel
            extent = self.inner.extent
            checked = [] if isinstance(k, int) and isinstance(extent, int) and k + self.panel <= extent else [inner_dim]
            if symbols.mod(self.outer.extent, self.outer.size) != 0:
                checked.append(outer_dim)
            op = tile.CopyAsync(
                box.memory.value,
                self.memory,
                self._codes(*box.place(outer, k)),
                self._codes(stage, panel, 0, 0),
                (self.outer.size, self.panel) if self.k_last else (self.panel, self.outer.size),
                dims,
                (2, 3),
                tuple(sorted(checked)),
                width=box.width,
            )
            self.body.builder.effect(op)

    def _copy_pixels(self, pixels: PixelsOperand, first: Dim, inner: Dim, stage: Dim) -> None:
        dims = (0, len(pixels.memory.shape) - 1)
        for panel in range(self.inner.size // self.panel):
            start = self._codes(*pixels.place(first, inner + panel * self.panel))
            op = tile.CopyPixelsAsync(
                pixels.memory.value,
                self.memory,
                start,
                self._codes(stage, panel, 0, 0),
                (self.outer.size, self.panel),
                dims,
                (2, 3),
                pixels.checked,
                out=pixels.out,
                steps=pixels.steps,
            )
            self.body.builder.effect(op)

    def _codes(self, *index: Dim) -> tuple[Value, ...]:
        return tuple(map(self.body.indices.scalar_code, index))

    # Through registers

    def read(self, outer: Expr, inner: Dim) -> None:
        """Load the elements of the tile whose rows or columns are at `outer`, from `inner` on."""
        if not isinstance(self.operand, ReadOperand):
            return
        body, indices = self.body, self.body.indices
        extent, walk = self.inner.extent, self.inner.lane
        lane = indices.lane_of(walk)
        whole = symbols.mod(extent, self.inner.size) == 0
        first = indices.derived(inner, extent)
        if not whole:
            body.limits[lane] = (indices.derived(first + walk, extent), extent)
        element = self.operand.read(outer, first, walk)
        element = element if whole else self._zero_beyond(element, lane)
        lanes = tuple(sorted((lane, indices.lane_of(self.outer.lane))))
        self.element = narrowed(body, element, self.dtype, lanes)
        body.limits.pop(lane, None)

    def _zero_beyond(self, element: Element, lane: int) -> Element:
        """Exactly zero: the other operand's zeros do not undo an infinity."""
        if lane in element.lanes and self._ends_in_zeros(element, lane):
            return element
        mask = self.body.inside_lanes((lane,))
        assert mask is not None
        return self.body.apply("select", mask, element, self.body.elements.constant(0.0, element.dtype))

    def _ends_in_zeros(self, element: Element, lane: int) -> bool:
        """Whether the element is a mere load that gives zeros behind the last k."""
        load, axis = _defining(element.value, "arith.extf"), element.lanes.index(lane)
        if isinstance(load, Operation) and load.name == "vector.transpose":
            order = load.attributes["permutation"]
            assert isinstance(order, DenseArrayAttr)
            load, axis = load.operands[0].owner, int(order.values[axis])
        if isinstance(load, tile.Gather):  # its mask has the limits of all lanes
            return load.fill == 0
        if not isinstance(load, tile.Load) or load.fill != 0:
            return False
        dim, step = load.dims[axis], load.steps[axis]
        shape = next((m.shape for m in self.body.memories.values() if m.value is load.memref), None)
        return shape is not None and dim in load.checked and shape[dim] == self.inner.extent and abs(step) == 1

    def store(self, stage: Dim) -> None:
        """Put the loaded elements into a stage."""
        if self.element is None:
            return
        indices = self.body.indices
        k_first = indices.lane_of(self.inner.lane) < indices.lane_of(self.outer.lane)
        dims = (2, 3) if k_first != self.k_last else (3, 2)
        start = self._codes(stage, 0, 0, 0)
        # Single elements come in the order of lanes: wider stores would tear neighbouring loads apart.
        alignment = max(4, self.dtype.bytes) if dims == (2, 3) else self.dtype.bytes
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

    def fragment(self, window: Value, k: int, depth: int, inner_first: bool) -> Value:
        """`depth` elements along the inner dimension from k on of all rows or columns, the inner one first or last."""
        panel, inside = divmod(k, self.panel) if self.k_last else (0, k)
        start = self._codes(panel, 0, inside) if self.k_last else self._codes(panel, inside, 0)
        outer_dim, inner_dim = (1, 2) if self.k_last else (2, 1)
        shape, dims = (self.outer.size, depth), (outer_dim, inner_dim)
        if inner_first:
            shape, dims = shape[::-1], dims[::-1]
        load = tile.Load(window, start, dims, (1, 1), alignment=16, result_types=[VectorType(shape, self.dtype)])
        load.result.name = self.name
        return self.body.builder.effect(load).results[0]


def _panel(size: int, dtype: Scalar) -> int:
    """The largest part of `size` elements that is a span of one of the swizzles."""
    most = SPAN // dtype.bytes
    return next((n for n in (most, most // 2, most // 4) if size % n == 0), size)


def _defining(value: Value, through: str) -> object:
    """The op, or block, that defines a value, or what one op named `through` reads."""
    owner = value.owner
    return owner.operands[0].owner if isinstance(owner, Operation) and owner.name == through else owner


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
