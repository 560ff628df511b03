"""Accesses of which only some lanes touch memory."""

from __future__ import annotations

from .builder import Builder, Lanes
from .tiles import mask


def masked_load(builder: Builder, address: str, lanes: Lanes, inside: str, fill: str, align: int) -> str:
    """Lanes side by side; `fill` where `inside` is false."""
    arguments = [("ptr", address), ("i32", str(align)), (lanes.of("i1"), inside), (lanes, fill)]
    return builder.call("load", lanes, f"llvm.masked.load.{lanes.suffix}.p0", arguments)


def masked_store(builder: Builder, part: str, address: str, lanes: Lanes, inside: str, align: int) -> None:
    if lanes.element in _NARROW:
        part, inside, lanes = _fenced(builder, part, inside, lanes)
    name, bits = f"llvm.masked.store.{lanes.suffix}.p0", lanes.of("i1")
    builder.declarations.add(f"declare void @{name}({lanes}, ptr, i32, {bits})")
    builder.do(f"call void @{name}({lanes} {part}, ptr {address}, i32 {align}, {bits} {inside})")


def masked_gather(builder: Builder, pointers: str, lanes: Lanes, inside: str | None, fill: str) -> str:
    """Lanes anywhere; None is all of them."""
    count, bits = lanes.count, lanes.of("i1")
    where = inside if inside is not None else bits.constant(1)
    arguments = [(f"<{count} x ptr>", pointers), ("i32", str(max(lanes.width // 8, 1))), (bits, where), (lanes, fill)]
    return builder.call("gather", lanes, f"llvm.masked.gather.{lanes.suffix}.v{count}p0", arguments)


def masked_scatter(builder: Builder, part: str, pointers: str, lanes: Lanes, inside: str | None) -> None:
    count, bits = lanes.count, lanes.of("i1")
    name = f"llvm.masked.scatter.{lanes.suffix}.v{count}p0"
    builder.declarations.add(f"declare void @{name}({lanes}, <{count} x ptr>, i32, {bits})")
    where = inside if inside is not None else bits.constant(1)
    align = max(lanes.width // 8, 1)
    builder.do(f"call void @{name}({lanes} {part}, <{count} x ptr> {pointers}, i32 {align}, {bits} {where})")


_NARROW = {"i8": 4, "i16": 2}
"""How many lanes of a type make 32 bits."""


def _fenced(builder: Builder, part: str, inside: str, lanes: Lanes) -> tuple[str, str, Lanes]:
    """The part, its mask and type behind a fence, which LLVM moves no truncation over.

    LLVM 22 stores 32 bits where a mask turns out to have one lane and the part is truncated from 32-bit lanes.
    """
    step, count = _NARROW[lanes.element], lanes.count or 1
    wide = Lanes(lanes.element, -(-count // step) * step)
    if wide != lanes:  # lanes that are not stored
        picked = mask([lane if lane < count else None for lane in range(wide.count or 1)])
        part = builder.define("padded", f"shufflevector {lanes} {part}, {lanes} poison, {picked}")
        bits = lanes.of("i1")
        picked = mask([min(lane, count) for lane in range(wide.count or 1)])
        inside = builder.define("padded", f"shufflevector {bits} {inside}, {bits} zeroinitializer, {picked}")
    floats = Lanes("float", (wide.count or 1) // step)
    value = builder.define("bits", f"bitcast {wide} {part} to {floats}")
    value = builder.call("fenced", floats, f"llvm.arithmetic.fence.{floats.suffix}", [(floats, value)])
    return builder.define("fenced", f"bitcast {floats} {value} to {wide}"), inside, wide
