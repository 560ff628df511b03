"""Accesses of which only some lanes touch memory."""

from __future__ import annotations

from .builder import Builder, Lanes


def masked_load(builder: Builder, address: str, lanes: Lanes, inside: str, fill: str, align: int) -> str:
    """Lanes side by side; `fill` where `inside` is false."""
    arguments = [("ptr", address), ("i32", str(align)), (lanes.of("i1"), inside), (lanes, fill)]
    return builder.call("load", lanes, f"llvm.masked.load.{lanes.suffix}.p0", arguments)


def masked_store(builder: Builder, part: str, address: str, lanes: Lanes, inside: str, align: int) -> None:
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
