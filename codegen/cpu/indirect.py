"""Gathers, scatters, and stores that combine with what is in memory."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.core import Operation, Value
from ...ir.dialects import tile
from ...ir.types import Scalar
from . import sizes
from .boxes import (
    Box,
    address_of,
    load_part,
    memory_lanes,
    positions,
    store_part,
    to_memory,
    to_register,
)
from .builder import Builder, Lanes, memory_type
from .emitter import Buffer, KernelEmitter, handles
from .masks import masked_gather, masked_scatter
from .narrow import constant, extend, is_narrow, truncate
from .tiles import part_lanes, shape_of, splat
from .vectors import combine


@handles("tile.gather")
def gather(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.Gather)
    builder, buffer = emitter.builder, emitter.buffer(op.memref)
    shape, dtype = shape_of(op.result.type)
    lanes = memory_lanes(part_lanes(shape, dtype), buffer.dtype)
    fill = constant(lanes, buffer.dtype, op.fill)
    parts = []
    for number, _ in enumerate(positions(shape, lanes)):
        inside = emitter.tile(op.mask).parts[number] if op.mask is not None else None
        pointers = _pointers(emitter, buffer, op.indices, number, lanes)
        if lanes.count is None:
            box = Box(builder, buffer, (), (), (), (), ())
            value = load_part(box, pointers, lanes, inside, fill, 1)
        else:
            value = masked_gather(builder, pointers, lanes, inside, fill)
        parts.append(to_register(builder, value, lanes, buffer.dtype))
    emitter.set_parts(op.result, parts)


@handles("tile.scatter")
def scatter(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.Scatter)
    builder, buffer, value = emitter.builder, emitter.buffer(op.memref), emitter.tile(op.value)
    lanes = memory_lanes(value.lanes, buffer.dtype)
    for number, part in enumerate(value.parts):
        inside = emitter.tile(op.mask).parts[number] if op.mask is not None else None
        pointers = _pointers(emitter, buffer, op.indices, number, lanes)
        part = to_memory(builder, part, lanes, buffer.dtype)
        if op.combine is not None:
            combine_lanes(builder, op.combine, buffer.dtype, part, pointers, lanes, inside)
        elif lanes.count is None:
            store_part(Box(builder, buffer, (), (), (), (), ()), part, pointers, lanes, inside, 1)
        else:
            masked_scatter(builder, part, pointers, lanes, inside)


def _pointers(emitter: KernelEmitter, buffer: Buffer, indices: Sequence[Value], number: int, lanes: Lanes) -> str:
    """The addresses of part `number`, from an index tile or scalar a memref dim."""
    builder, wide = emitter.builder, lanes.of("i64")
    offset, scalars = "", "0"
    for value, stride in zip(indices, buffer.strides, strict=True):
        index = emitter.tile(value)
        if not index.shape or lanes.count is None:
            part = index.parts[number if index.shape else 0]
            scalars = sizes.add(builder, scalars, sizes.mul(builder, part, stride))
            continue
        term = index.parts[number]
        if stride != "1":
            term = builder.define("by", f"mul {wide} {term}, {splat(builder, stride, wide)}")
        offset = builder.define("at", f"add {wide} {offset}, {term}") if offset else term
    base = address_of(builder, buffer, scalars)
    if lanes.count is None:
        return base
    offset = offset or wide.constant(0)
    return builder.define("pointers", f"getelementptr {memory_type(buffer.dtype)}, ptr {base}, {wide} {offset}")


def combine_lanes(
    builder: Builder, kind: str, dtype: Scalar, part: str, pointers: str, lanes: Lanes, inside: str | None
) -> None:
    """Combine every lane of a part with the element of `dtype` at its address."""
    for lane in range(lanes.count or 1):
        value, pointer, test = part, pointers, inside
        if lanes.count is not None:
            value = builder.define("lane", f"extractelement {lanes} {part}, i64 {lane}")
            pointer = builder.define("pointer", f"extractelement <{lanes.count} x ptr> {pointers}, i64 {lane}")
            if inside is not None:
                test = builder.define("test", f"extractelement {lanes.of('i1')} {inside}, i64 {lane}")
        _combine_element(builder, kind, dtype, value, pointer, test)


def _combine_element(builder: Builder, kind: str, dtype: Scalar, value: str, pointer: str, test: str | None) -> None:
    """Compare and exchange the bits until no other worker came between."""
    done = builder.fresh("combined")
    if test is not None:
        start = builder.fresh("combine")
        builder.branch(test, start, done)
        builder.start(start)
    one = Lanes(memory_type(dtype))
    bits = f"i{one.width}"
    first = builder.define("old", f"load {bits}, ptr {pointer}, align {one.width // 8}")
    before, again = builder.block, builder.fresh("again")
    builder.jump(again)
    builder.start(again)
    hole, old_bits = builder.hole(), f"%{builder.fresh('old')}"
    old = builder.define("value", f"bitcast {bits} {old_bits} to {one}")
    new = _combined(builder, kind, dtype, old, value)
    new_bits = builder.define("new", f"bitcast {one} {new} to {bits}")
    pair = builder.define("pair", f"cmpxchg ptr {pointer}, {bits} {old_bits}, {bits} {new_bits} monotonic monotonic")
    seen = builder.define("seen", f"extractvalue {{ {bits}, i1 }} {pair}, 0")
    success = builder.define("success", f"extractvalue {{ {bits}, i1 }} {pair}, 1")
    builder.fill(hole, f"{old_bits} = phi {bits} [ {first}, %{before} ], [ {seen}, %{again} ]")
    builder.branch(success, done, again)
    builder.start(done)


def _combined(builder: Builder, kind: str, dtype: Scalar, old: str, value: str) -> str:
    one = Lanes(memory_type(dtype))
    if not is_narrow(dtype):
        return combine(builder, kind, one, old, value)
    wide = [extend(builder, dtype, one, operand) for operand in (old, value)]
    return truncate(builder, dtype, Lanes("float"), combine(builder, kind, Lanes("float"), *wide))
