"""Loads and stores of elements: which op reads or writes memory at given index expressions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ...ir import symbols
from ...ir.attributes import DenseArrayAttr
from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, product
from ...ir.types import MemRefType, Scalar, VectorType, i64, index
from .builder import Builder
from .elements import Element, Elements
from .indices import Affine, Indices
from .merging import address, row_major

ALIGNMENT = 16
"""Bytes to which every buffer is aligned, and the widest access of one thread."""
WORD = 4
"""Bytes of a bank of shared memory."""


@dataclass(frozen=True)
class Memory:
    """A memref of a program and its sizes, row-major and dense. `dtype` keeps the signedness of the elements."""

    value: Value
    shape: tuple[Dim, ...]

    @property
    def dtype(self) -> Scalar:
        assert isinstance(self.value.type, MemRefType)
        return self.value.type.dtype

    @property
    def is_constant(self) -> bool:
        """Whether the program never writes it: an argument that is not a result is global memory."""
        assert isinstance(self.value.type, MemRefType)
        return self.value.type.space == ""


class Written(Memory):
    """Memory that the program writes too: every read of it is made where it stands."""

    @property
    def is_constant(self) -> bool:
        return False


class Program(Protocol):
    """What loads and stores need of a `TileBody`."""

    builder: Builder
    elements: Elements
    indices: Indices
    limits: dict[int, tuple[Dim, Dim]]
    turns_in_shared: bool

    def inside_lanes(self, lanes: Sequence[int]) -> Element | None: ...

    def apply(self, function: str, *args: Element) -> Element: ...


@dataclass(frozen=True)
class _Box:
    """A place that `tile.load` and `tile.store` can name."""

    start: tuple[Value, ...]
    lanes: tuple[int, ...]
    dims: tuple[int, ...]
    steps: tuple[int, ...]
    checked: tuple[int, ...]


def load(program: Program, memory: Memory, place: Sequence[Dim], unsure: bool, fill: float) -> Element:
    """The element of `memory` at `place`; `fill` where an index leaves it and is `unsure` not to."""
    indices = program.indices
    leaving = [
        d
        for d, (i, size) in enumerate(zip(place, memory.shape, strict=True))
        if (unsure or indices.has_data(i)) and not indices.within(i, size)
    ]
    if not leaving and len(place) > 1 and _is_simpler_flat(program, memory, place):
        place, memory = (address(place, memory.shape),), _flat(program, memory, place)
    box = _box(program, memory, place, leaving)
    if box is None:
        return _gather(program, memory, place, leaving, fill)
    along = _along_memory(memory, box)
    alignment = _alignment(program, memory, place, along)
    op = tile.Load(
        memory.value,
        along.start,
        along.dims,
        along.steps,
        along.checked,
        fill,
        alignment,
        result_types=[program.elements.type(memory.dtype, along.lanes)],
    )
    value = _emit_read(program, memory, op)
    if along.lanes != box.lanes and program.turns_in_shared and len(along.lanes) == 2:
        return Element(_turned(program, value, memory.dtype), memory.dtype, box.lanes)
    if along.lanes != box.lanes:
        order = tuple(along.lanes.index(lane) for lane in box.lanes)
        type = program.elements.type(memory.dtype, box.lanes)
        value = program.builder.op("vector.transpose", (value,), type, permutation=DenseArrayAttr(i64, order))
    return Element(value, memory.dtype, box.lanes)


def _turned(program: Program, value: Value, dtype: Scalar) -> Value:
    """A tile with its two dims exchanged by way of shared memory: threads load and store along their memory's rows.

    Rows are padded by a word, so that threads side by side along either dim meet different banks.
    """
    assert isinstance(value.type, VectorType)
    columns, rows = value.type.shape
    pitch = columns + max(WORD // dtype.bytes, 1)
    alloc = tile.Alloc(result_types=[MemRefType((rows, columns), dtype, "shared", strides=(pitch, 1))])
    alloc.result.name = "turned"
    shared = program.builder.effect(alloc).results[0]
    start = (program.indices.scalar_code(0),) * 2
    program.builder.effect(tile.Barrier())  # a loop may come here again
    program.builder.effect(tile.Store(value, shared, start, (1, 0), (1, 1), (), alignment=dtype.bytes))
    program.builder.effect(tile.Barrier())
    type = VectorType((rows, columns), value.type.dtype)
    load = tile.Load(shared, start, (0, 1), (1, 1), (), 0.0, max(WORD, dtype.bytes), result_types=[type])
    return program.builder.effect(load).results[0]


def store(program: Program, memory: Memory, place: Sequence[Dim], element: Element) -> None:
    """Write `element` at `place`; positions of lanes beyond their limits write nothing."""
    lanes = tuple(sorted(set().union(*map(program.indices.lanes_of, place))))
    element = program.elements.spread(program.elements.cast(element, memory.dtype), lanes)
    box = _box(program, memory, place, ())
    if box is not None and _checks_limits(program, memory, place, lanes, box):
        alignment = _alignment(program, memory, place, box)
        op = tile.Store(element.value, memory.value, box.start, box.dims, box.steps, box.checked, alignment=alignment)
        program.builder.effect(op)
        return
    mask = program.inside_lanes(lanes)
    where = program.elements.spread(program.indices.code(address(place, memory.shape)), lanes)
    spread = program.elements.spread(mask, lanes).value if mask else None
    flat = _flat(program, memory, place)
    program.builder.effect(tile.Scatter(element.value, flat.value, (where.value,), spread))


def _emit_read(program: Program, memory: Memory, op: tile.Load | tile.Gather) -> Value:
    if memory.is_constant:
        return program.builder.pure(op, reads_memory=True)
    return program.builder.effect(op).results[0]


def _flat(program: Program, memory: Memory, place: Sequence[Dim]) -> Memory:
    if len(place) == 1:
        return memory
    return Memory(program.builder.pure(tile.Flatten(memory.value)), (product(memory.shape),))


def _is_simpler_flat(program: Program, memory: Memory, place: Sequence[Dim]) -> bool:
    """Whether the address is affine in lanes and free of divisions where the place is not."""
    indices = program.indices
    if all(indices.is_plain(i) for i in place):
        return False
    flat = address(place, memory.shape)
    return indices.is_plain(flat) or (
        indices.affine(indices.expand(flat)) is not None
        and not all(indices.affine(indices.expand(i)) is not None for i in place)
    )


def _box(program: Program, memory: Memory, place: Sequence[Dim], leaving: Sequence[int]) -> _Box | None:
    """`place` as starts and steps, where lanes enter it so, each in one dim."""
    indices = program.indices
    found: list[Affine] = []
    walked: dict[int, tuple[int, int]] = {}
    for d, i in enumerate(place):
        affine = indices.affine(indices.expand(i))
        if affine is None or any(lane in walked for lane in affine.steps):
            return None
        found.append(affine)
        walked |= {lane: (d, step) for lane, step in affine.steps.items()}
    checked = {*leaving, *(walked[lane][0] for lane in walked if lane in program.limits)}
    start = tuple(indices.scalar_code(affine.uniform) for affine in found)
    lanes = tuple(sorted(walked))
    dims, steps = tuple(walked[k][0] for k in lanes), tuple(walked[k][1] for k in lanes)
    return _Box(start, lanes, dims, steps, tuple(sorted(checked)))


def _along_memory(memory: Memory, box: _Box) -> _Box:
    """The box with the lane that walks neighbours in memory as the last one."""
    last = len(memory.shape) - 1
    order = sorted(range(len(box.lanes)), key=lambda i: (box.dims[i] == last and abs(box.steps[i]) == 1, box.lanes[i]))
    lanes, dims, steps = (tuple(values[i] for i in order) for values in (box.lanes, box.dims, box.steps))
    return _Box(box.start, lanes, dims, steps, box.checked)


def _checks_limits(program: Program, memory: Memory, place: Sequence[Dim], lanes: Sequence[int], box: _Box) -> bool:
    """Whether the box's checks stop each lane exactly at its limit."""
    for lane in lanes:
        if lane in program.limits:
            walk, extent = program.limits[lane]
            dims = [d for k, d in zip(box.lanes, box.dims, strict=True) if k == lane]
            expand = program.indices.expand
            if not any(expand(place[d]) == expand(walk) and memory.shape[d] == extent for d in dims):
                return False
    return len(box.lanes) == len(lanes)


def _alignment(program: Program, memory: Memory, place: Sequence[Dim], box: _Box) -> int:
    """The bytes of the widest access: groups along the last lane that are aligned, and inside or outside together."""
    width = memory.dtype.bytes
    if not box.lanes or box.dims[-1] != len(memory.shape) - 1 or box.steps[-1] != 1:
        return width
    indices, last = program.indices, len(memory.shape) - 1
    factor = math.gcd(program.elements.sizes[box.lanes[-1]], ALIGNMENT // width)
    for d, (i, stride) in enumerate(zip(place, row_major(memory.shape), strict=True)):
        affine = indices.affine(indices.expand(i))
        assert affine is not None
        moves = [affine.uniform, *(step for lane, step in affine.steps.items() if d != last or lane != box.lanes[-1])]
        for move in moves:
            factor = math.gcd(factor, indices.divisor(symbols.mul(move, stride)))
    if last in box.checked:
        factor = math.gcd(factor, indices.divisor(memory.shape[last]))
    return width * max(factor, 1)


def _gather(program: Program, memory: Memory, place: Sequence[Dim], leaving: Sequence[int], fill: float) -> Element:
    """Any place: one index tile into the flat memory, masked where lanes or indices leave it."""
    indices, elements = program.indices, program.elements
    where = indices.code(address(place, memory.shape))
    masks = [indices.inside(place[d], memory.shape[d]) for d in leaving]
    limit = program.inside_lanes(sorted(set().union(where.lanes, *(m.lanes for m in masks))))
    masks += [limit] if limit else []
    (where, *masks), lanes = elements.aligned([where, *masks])
    assert lanes, "a place without lanes is affine"
    mask = masks[0] if masks else None
    for other in masks[1:]:
        assert mask is not None
        mask = program.apply("and", mask, other)
    flat = _flat(program, memory, place)
    result = elements.type(memory.dtype, lanes)
    op = tile.Gather(flat.value, (where.value,), mask.value if mask else None, fill, result_types=[result])
    assert where.dtype == index
    return Element(_emit_read(program, memory, op), memory.dtype, lanes)
