"""Scratch memory, windows, loads and stores of tiles, and copies."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...ir.core import Operation
from ...ir.dialects import tile
from ...ir.types import MemRefType
from . import sizes
from .boxes import (
    Box,
    address_of,
    load_part,
    memory_lanes,
    offset_of,
    positions,
    store_part,
    to_memory,
    to_register,
)
from .builder import Builder, memory_type
from .emitter import Buffer, KernelEmitter, handles
from .indirect import combine_lanes
from .narrow import constant
from .tiles import Tile, coordinates, part_lanes, rearrange, shape_of, strides_of


@handles("tile.alloc")
def allocate(emitter: KernelEmitter, op: Operation) -> None:
    type = op.result.type
    assert isinstance(type, MemRefType) and isinstance(op, tile.Alloc)
    shape = [int(n or 0) for n in type.shape]
    strides = [int(s or 0) for s in type.strides] if type.strides is not None else list(strides_of(shape))
    elements = 1 + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    pointer = f"%{emitter.builder.fresh(op.result.name or 'scratch')}"
    alignment = max(op.alignment, 64)
    text = f"  {pointer} = alloca [{elements} x {memory_type(type.dtype)}], align {alignment}"
    emitter.allocations.append(text)  # in the entry block, where LLVM makes it part of the stack frame
    emitter.set_buffer(op.result, Buffer(pointer, type.dtype, tuple(map(str, shape)), tuple(map(str, strides))))


@handles("tile.view")
def view(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.View) and isinstance(op.result.type, MemRefType)
    builder, source = emitter.builder, emitter.buffer(op.source)
    start = [emitter.scalar(v) for v in op.start]
    pointer = address_of(builder, source, offset_of(builder, source, start))
    extents = []
    for d, size in zip(op.dims, op.result.type.shape, strict=True):
        left = builder.define("left", f"sub i64 {source.sizes[d]}, {start[d]}") if size is None else str(size)
        extents.append(left)
    emitter.set_buffer(
        op.result, Buffer(pointer, source.dtype, tuple(extents), tuple(source.strides[d] for d in op.dims))
    )


@handles("tile.flatten")
def flatten(emitter: KernelEmitter, op: Operation) -> None:
    source, size = emitter.buffer(op.operands[0]), "1"
    for extent in source.sizes:
        size = sizes.mul(emitter.builder, size, extent)
    emitter.set_buffer(op.result, Buffer(source.pointer, source.dtype, (size,), ("1",)))


@handles("tile.prefetch")
def prefetch(emitter: KernelEmitter, op: Operation) -> None:
    """A line of each row of the box."""
    assert isinstance(op, tile.Prefetch)
    builder, buffer = emitter.builder, emitter.buffer(op.memref)
    builder.declarations.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
    start = [emitter.scalar(v) for v in op.start]
    line = max(64 // buffer.dtype.bytes, 1)
    boxes = [*op.sizes[:-1], -(-op.sizes[-1] // line)]
    for flat in range(math.prod(boxes)):
        *rows, column = coordinates(flat, boxes)
        index = [sizes.add(builder, s, str(i)) for s, i in zip(start, [*rows, column * line], strict=True)]
        address = address_of(builder, buffer, offset_of(builder, buffer, index))
        builder.do(f"call void @llvm.prefetch.p0(ptr {address}, i32 0, i32 {3 if op.level == 'l1' else 2}, i32 1)")


def box_of(emitter: KernelEmitter, op: tile.Load | tile.Store, shape: tuple[int, ...]) -> Box:
    start = [emitter.scalar(v) for v in op.start]
    return Box(emitter.builder, emitter.buffer(op.memref), start, shape, op.dims, op.steps, op.checked)


@handles("tile.load")
def load(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.Load)
    shape, dtype = shape_of(op.result.type)
    builder, box = emitter.builder, box_of(emitter, op, shape)
    stored = memory_lanes(part_lanes(shape, dtype), box.buffer.dtype)
    fill = constant(stored, box.buffer.dtype, op.fill)
    base = address_of(builder, box.buffer, offset_of(builder, box.buffer, box.start))
    seen: dict[tuple[int, ...], str] = {}
    parts = []
    for position in positions(shape, stored):
        # A repeated dim has the same elements at every position.
        key = tuple(0 if dim < 0 else p for p, dim in zip(position, box.dims, strict=True))
        if key not in seen:
            inside = box.inside(key, stored)
            value = load_part(box, box.address(key, base), stored, inside, fill, op.alignment)
            seen[key] = to_register(builder, value, stored, box.buffer.dtype)
        parts.append(seen[key])
    emitter.set_parts(op.result, parts)


@handles("tile.store")
def store(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.Store)
    builder, value = emitter.builder, emitter.tile(op.value)
    box = box_of(emitter, op, value.shape)
    if _is_interleaved(op, value.shape):
        value, box = _in_memory_order(builder, value, box)
    stored = memory_lanes(value.lanes, box.buffer.dtype)
    base = address_of(builder, box.buffer, offset_of(builder, box.buffer, box.start))
    for position, part in zip(positions(value.shape, stored), value.parts, strict=True):
        inside = box.inside(position, stored)
        address = box.address(position, base)
        part = to_memory(builder, part, stored, box.buffer.dtype)
        if op.combine is None:
            store_part(box, part, address, stored, inside, op.alignment)
        else:
            pointers = address if stored.count is None else box.pointers(address, stored)
            combine_lanes(builder, op.combine, box.buffer.dtype, part, pointers, stored, inside)


def _is_interleaved(op: tile.Store, shape: Sequence[int]) -> bool:
    """Whether the last two dims together fill a stretch of memory, with the outer one's elements side by side."""
    if len(shape) < 2 or op.dims[-1] != op.dims[-2] or op.combine is not None:
        return False
    return tuple(op.steps[-2:]) == (1, shape[-2])


def _in_memory_order(builder: Builder, value: Tile, box: Box) -> tuple[Tile, Box]:
    """An interleaved box, and what is stored there, with the last two dims as one of neighbours."""
    *outer, inner, last = value.shape
    shape = (*outer, inner * last)

    def source_of(flat: int) -> int:
        row, place = divmod(flat, inner * last)
        return row * inner * last + place % inner * last + place // inner

    merged = replace(box, shape=shape, dims=box.dims[:-1], steps=(*box.steps[:-2], 1))
    return rearrange(builder, value, shape, source_of), merged


@handles("tile.copy", "tile.copy_async")
def copy(emitter: KernelEmitter, op: Operation) -> None:
    """Rows of vectors inside loops over the outer dims of the box."""
    assert isinstance(op, tile.Copy | tile.CopyAsync)
    builder, source, target = emitter.builder, emitter.buffer(op.source), emitter.buffer(op.target)
    source_start = [emitter.scalar(v) for v in op.source_start]
    target_start = [emitter.scalar(v) for v in op.target_start]
    row = (op.sizes[-1],)

    def move(index: Sequence[str]) -> None:
        here, there = list(source_start), list(target_start)
        for v, i in enumerate(index):
            here[op.source_dims[v]] = sizes.add(builder, here[op.source_dims[v]], i)
            there[op.target_dims[v]] = sizes.add(builder, there[op.target_dims[v]], i)
        part = memory_lanes(part_lanes(row, source.dtype), source.dtype)
        reads = Box(builder, source, here, row, op.source_dims[-1:], (1,), op.checked)
        writes = Box(builder, target, there, row, op.target_dims[-1:], (1,), ())
        from_base = address_of(builder, source, offset_of(builder, source, here))
        to_base = address_of(builder, target, offset_of(builder, target, there))
        for position in positions(row, part):
            inside = reads.inside(position, part)
            address = reads.address(position, from_base)
            value = load_part(reads, address, part, inside, constant(part, source.dtype, op.fill), 1)
            store_part(writes, value, writes.address(position, to_base), part, None, 1)

    _loop_nest(builder, op.sizes[:-1], [], move)


def _loop_nest(builder: Builder, extents: Sequence[int], index: list[str], body: Callable[[list[str]], None]) -> None:
    """`body` for every index below `extents`, as LLVM loops."""
    if not extents:
        body(index)
        return
    if extents[0] == 1:
        _loop_nest(builder, extents[1:], [*index, "0"], body)
        return
    head, done, before = builder.fresh("copy"), builder.fresh("copied"), builder.block
    builder.jump(head)
    builder.start(head)
    hole, counter = builder.hole(), f"%{builder.fresh('i')}"
    _loop_nest(builder, extents[1:], [*index, counter], body)
    following = builder.define("next", f"add nuw nsw i64 {counter}, 1")
    builder.fill(hole, f"{counter} = phi i64 [ 0, %{before} ], [ {following}, %{builder.block} ]")
    builder.branch(builder.define("more", f"icmp ult i64 {following}, {extents[0]}"), head, done)
    builder.start(done)
