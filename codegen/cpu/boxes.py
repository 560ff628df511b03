"""Boxes: where the parts of a tile lie in memory, and the one access that moves a part.

A part is moved by one access where its lanes lie side by side, by a splat where they are one element, and by a
gather or scatter otherwise. Indices that may leave the memref make the access a masked one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.types import Scalar
from . import sizes
from .builder import Builder, Lanes, memory_type
from .emitter import Buffer
from .masks import masked_gather, masked_load, masked_scatter, masked_store
from .tiles import coordinates, mask, splat

MAX_STEP = 4
"""The widest step along memory that is read as whole vectors and shuffled instead of gathered."""


@dataclass
class Box:
    """The positions of a tile in a buffer."""

    builder: Builder
    buffer: Buffer
    start: Sequence[str]
    shape: tuple[int, ...]
    dims: Sequence[int]
    steps: Sequence[int]
    checked: Sequence[int]

    @property
    def lane_stride(self) -> str:
        """Elements from one lane to the next."""
        if not self.shape or self.dims[-1] < 0:
            return "0"
        return sizes.mul(self.builder, self.buffer.strides[self.dims[-1]], str(self.steps[-1]))

    def index(self, position: Sequence[int], d: int) -> str:
        """The index along memref dim d at a position of the tile."""
        offset = sum(p * s for p, dim, s in zip(position, self.dims, self.steps, strict=True) if dim == d)
        return sizes.add(self.builder, self.start[d], str(offset))

    def address(self, position: Sequence[int], base: str) -> str:
        """The address of a position, `base` being that of the tile's start."""
        offset = "0"
        for d, stride in enumerate(self.buffer.strides):
            along = sum(p * s for p, dim, s in zip(position, self.dims, self.steps, strict=True) if dim == d)
            offset = sizes.add(self.builder, offset, sizes.mul(self.builder, str(along), stride))
        return address_of(self.builder, Buffer(base, self.buffer.dtype, (), ()), offset)

    def inside(self, position: Sequence[int], lanes: Lanes) -> str | None:
        """Which lanes of the part that begins at `position` are in the memref; None is all of them."""
        builder, alike, walked = self.builder, "", None
        for d in self.checked:
            if self.shape and lanes.count is not None and self.dims[-1] == d and self.steps[-1] != 0:
                walked = d
                continue
            # One comparison for both ends: a negative index is a large unsigned one.
            test = builder.define("inside", f"icmp ult i64 {self.index(position, d)}, {self.buffer.sizes[d]}")
            alike = builder.define("inside", f"and i1 {alike}, {test}") if alike else test
        if walked is not None:
            return self._lanes_inside(position, walked, lanes, alike)
        return splat(builder, alike, lanes.of("i1")) if alike else None

    def _lanes_inside(self, position: Sequence[int], d: int, lanes: Lanes, alike: str) -> str:
        """The lanes below the memref's extent, none where `alike` is false.

        The condition goes into the bound: LLVM 22 reads beyond the mask on AVX2 where a mask is the `and` of a splat
        and a constant of which one half is false.
        """
        builder, wide = self.builder, lanes.of("i64")
        assert lanes.count is not None
        bound = self.buffer.sizes[d]
        if alike:
            bound = builder.define("bound", f"select i1 {alike}, i64 {bound}, i64 0")
        steps = ", ".join(f"i64 {lane * self.steps[-1]}" for lane in range(lanes.count))
        first = splat(builder, self.index(position, d), wide)
        indices = builder.define("indices", f"add {wide} {first}, <{steps}>")
        return builder.define("inside", f"icmp ult {wide} {indices}, {splat(builder, bound, wide)}")

    def pointers(self, address: str, lanes: Lanes) -> str:
        """The address of every lane of the part that begins at `address`."""
        builder, wide = self.builder, lanes.of("i64")
        numbers = "<" + ", ".join(f"i64 {lane}" for lane in range(lanes.count or 1)) + ">"
        offsets = builder.define("offsets", f"mul {wide} {splat(builder, self.lane_stride, wide)}, {numbers}")
        element = memory_type(self.buffer.dtype)
        return builder.define("pointers", f"getelementptr {element}, ptr {address}, {wide} {offsets}")


def address_of(builder: Builder, buffer: Buffer, offset: str) -> str:
    if offset == "0":
        return buffer.pointer
    return builder.define("address", f"getelementptr {memory_type(buffer.dtype)}, ptr {buffer.pointer}, i64 {offset}")


def offset_of(builder: Builder, buffer: Buffer, index: Sequence[str]) -> str:
    total = "0"
    for i, stride in zip(index, buffer.strides, strict=True):
        total = sizes.add(builder, total, sizes.mul(builder, i, stride))
    return total


def positions(shape: tuple[int, ...], lanes: Lanes) -> list[tuple[int, ...]]:
    """Where each part of a tile begins."""
    return [coordinates(first, shape) for first in range(0, math.prod(shape), lanes.count or 1)]


def memory_lanes(lanes: Lanes, dtype: Scalar) -> Lanes:
    """The type of lanes as memory holds them."""
    return lanes.of(memory_type(dtype))


def to_register(builder: Builder, value: str, lanes: Lanes, dtype: Scalar) -> str:
    return builder.define("true", f"icmp ne {lanes} {value}, {lanes.constant(0)}") if dtype.is_bool else value


def to_memory(builder: Builder, value: str, lanes: Lanes, dtype: Scalar) -> str:
    """`lanes` are those of memory."""
    return builder.define("byte", f"zext {lanes.of('i1')} {value} to {lanes}") if dtype.is_bool else value


def load_part(box: Box, address: str, lanes: Lanes, inside: str | None, fill: str, alignment: int) -> str:
    builder, stride = box.builder, box.lane_stride
    element = Lanes(lanes.element)
    align = max(box.buffer.dtype.bytes, alignment)
    if lanes.count is None:
        return _guarded_scalar(builder, address, lanes, inside, fill, align)
    if stride == "0":
        scalar = _guarded_scalar(builder, address, element, _any_lane(builder, inside, lanes), fill, align)
        return splat(builder, scalar, lanes)
    if stride == "1":
        if inside is None:
            return builder.define("load", f"load {lanes}, ptr {address}, align {align}")
        return masked_load(builder, address, lanes, inside, fill, align)
    if sizes.is_constant(stride) and 1 < int(stride) <= MAX_STEP:
        return _strided(box, address, lanes, int(stride), inside, fill, align)
    return masked_gather(builder, box.pointers(address, lanes), lanes, inside, fill)


def _strided(box: Box, address: str, lanes: Lanes, step: int, inside: str | None, fill: str, align: int) -> str:
    """Lanes `step` elements apart: whole vectors, the last of which ends with the last lane, and shuffles of them."""
    builder, count = box.builder, lanes.count or 1
    span = (count - 1) * step + 1
    starts = [min(first, span - count) for first in range(0, span, count)]
    result = "poison"
    for start in dict.fromkeys(starts):
        # Lanes between are read as well, and masked where some are.
        here = {lane: lane * step - start for lane in range(count) if starts[lane * step // count] == start}
        at = address_of(builder, Buffer(address, box.buffer.dtype, (), ()), str(start))
        if inside is None:
            part = builder.define("load", f"load {lanes}, ptr {at}, align {align}")
        else:
            wanted = {offset: lane for lane, offset in here.items()}
            picked = mask([wanted.get(offset, count) for offset in range(count)])
            masks = lanes.of("i1")
            read = builder.define("read", f"shufflevector {masks} {inside}, {masks} zeroinitializer, {picked}")
            part = masked_load(builder, at, lanes, read, fill, align)
        picked = mask([count + here[lane] if lane in here else lane for lane in range(count)])
        result = builder.define("strided", f"shufflevector {lanes} {result}, {lanes} {part}, {picked}")
    return result


def _any_lane(builder: Builder, inside: str | None, lanes: Lanes) -> str | None:
    """All lanes read one element: they are inside together."""
    if inside is None:
        return None
    return builder.define("inside", f"extractelement {lanes.of('i1')} {inside}, i64 0")


def _guarded_scalar(builder: Builder, address: str, lanes: Lanes, inside: str | None, fill: str, align: int) -> str:
    """A scalar load; outside the memref the fill, and nothing is read."""
    fill = fill.partition("(")[2].rstrip(")").partition(" ")[2] if fill.startswith("splat") else fill
    if inside is None:
        return builder.define("load", f"load {lanes}, ptr {address}, align {align}")
    before, read, done = builder.block, builder.fresh("read"), builder.fresh("loaded")
    builder.branch(inside, read, done)
    builder.start(read)
    value = builder.define("load", f"load {lanes}, ptr {address}, align {align}")
    builder.jump(done)
    builder.start(done)
    return builder.define("load", f"phi {lanes} [ {value}, %{read} ], [ {fill}, %{before} ]")


def store_part(box: Box, part: str, address: str, lanes: Lanes, inside: str | None, alignment: int) -> None:
    builder, align = box.builder, max(box.buffer.dtype.bytes, alignment)
    if lanes.count is None and inside is not None:
        write, done = builder.fresh("write"), builder.fresh("written")
        builder.branch(inside, write, done)
        builder.start(write)
        builder.do(f"store {lanes} {part}, ptr {address}, align {align}")
        builder.jump(done)
        builder.start(done)
    elif lanes.count is None or (inside is None and box.lane_stride == "1"):
        builder.do(f"store {lanes} {part}, ptr {address}, align {align}")
    elif box.lane_stride == "1":
        assert inside is not None
        masked_store(builder, part, address, lanes, inside, align)
    else:
        masked_scatter(builder, part, box.pointers(address, lanes), lanes, inside)
