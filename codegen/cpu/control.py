"""`scf`, and what a program knows about its place."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.core import Operation, Value
from ...ir.dialects import tile
from . import sizes
from .emitter import KernelEmitter, handles
from .tiles import part_count, part_lanes, shape_of


@handles("tile.program_id", "tile.num_programs")
def program(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.ProgramId | tile.NumPrograms)
    values = emitter.programs if isinstance(op, tile.ProgramId) else emitter.grid
    emitter.set_parts(op.result, [values[op.axis]])


@handles("tile.symbol")
def symbol(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.SymbolValue)
    emitter.set_parts(op.result, [sizes.size(emitter.builder, op.value, emitter.symbol_values)])


@handles("tile.barrier", "tile.commit_group", "tile.wait_group", "tile.trigger_dependents", "tile.wait_dependencies")
def nothing(emitter: KernelEmitter, op: Operation) -> None:
    """A program on a CPU is one thread, and its copies are done when they return."""


@handles("tile.grid_barrier")
def grid_barrier(emitter: KernelEmitter, op: Operation) -> None:
    emitter.builder.do("call void @kw_barrier(ptr %barrier, i64 %workers)")


@handles("kernel.return")
def kernel_return(emitter: KernelEmitter, op: Operation) -> None:
    emitter.builder.do("ret void")


@handles("scf.for")
def for_loop(emitter: KernelEmitter, op: Operation) -> None:
    """A loop of four blocks whose carried tiles are phis, one a part."""
    builder = emitter.builder
    lower, upper, step = map(emitter.scalar, op.operands[:3])
    initial, body = op.operands[3:], op.regions[0].block
    head, inside, done = (builder.fresh(name) for name in ("loop", "body", "done"))
    before = builder.block
    builder.jump(head)
    builder.start(head)
    counter = f"%{builder.fresh(body.arguments[0].name or 'i')}"
    counter_hole = builder.hole()
    emitter.set_parts(body.arguments[0], [counter])
    phis = _phis(emitter, body.arguments[1:])
    more = builder.define("more", f"icmp slt i64 {counter}, {upper}")
    builder.branch(more, inside, done)
    builder.start(inside)
    emitter.block(body)
    following = builder.define("next", f"add nsw i64 {counter}, {step}")
    latch = builder.block
    builder.jump(head)
    builder.fill(counter_hole, f"{counter} = phi i64 [ {lower}, %{before} ], [ {following}, %{latch} ]")
    _fill_phis(emitter, phis, [(before, _parts(emitter, initial)), (latch, _parts(emitter, body.terminator.operands))])
    builder.start(done)
    for result, argument in zip(op.results, body.arguments[1:], strict=True):
        emitter.set_tile(result, emitter.tile(argument))


@handles("scf.while")
def while_loop(emitter: KernelEmitter, op: Operation) -> None:
    """`before` computes the condition and what `after` gets; `after` yields what `before` gets next."""
    builder = emitter.builder
    before, after = (region.block for region in op.regions)
    head, inside, done = (builder.fresh(name) for name in ("while", "body", "done"))
    entry = builder.block
    builder.jump(head)
    builder.start(head)
    phis = _phis(emitter, before.arguments)
    emitter.block(before)
    condition, *passed = before.terminator.operands
    builder.branch(emitter.scalar(condition), inside, done)
    for argument, result, value in zip(after.arguments, op.results, passed, strict=True):
        emitter.set_tile(argument, emitter.tile(value))
        emitter.set_tile(result, emitter.tile(value))
    builder.start(inside)
    emitter.block(after)
    latch = builder.block
    builder.jump(head)
    incoming = [(entry, _parts(emitter, op.operands)), (latch, _parts(emitter, after.terminator.operands))]
    _fill_phis(emitter, phis, incoming)
    builder.start(done)


@handles("scf.if")
def condition(emitter: KernelEmitter, op: Operation) -> None:
    builder = emitter.builder
    then, otherwise, done = (builder.fresh(name) for name in ("then", "else", "endif"))
    bodies = [region.block for region in op.regions if region.blocks and len(region.block)]
    builder.branch(emitter.scalar(op.operands[0]), then, otherwise if len(bodies) == 2 else done)
    incoming = []
    for label, body in zip((then, otherwise), bodies, strict=False):
        builder.start(label)
        emitter.block(body)
        incoming.append((builder.block, _parts(emitter, body.terminator.operands)))
        builder.jump(done)
    builder.start(done)
    if op.results:
        _fill_phis(emitter, _phis(emitter, op.results), incoming)


@handles("scf.yield", "scf.condition")
def end_of_region(emitter: KernelEmitter, op: Operation) -> None:
    """The op around the region reads the operands."""


def _parts(emitter: KernelEmitter, values: Sequence[Value]) -> list[str]:
    return [part for value in values for part in emitter.tile(value).parts]


def _phis(emitter: KernelEmitter, values: Sequence[Value]) -> list[tuple[int, str, str]]:
    """Leave room for the phis of `values` and give the values their names: (line, name, type)."""
    builder, holes = emitter.builder, []
    for value in values:
        shape, dtype = shape_of(value.type)
        names = [f"%{builder.fresh(value.name or 'carried')}" for _ in range(part_count(shape))]
        emitter.set_parts(value, names)
        holes += [(builder.hole(), name, str(part_lanes(shape, dtype))) for name in names]
    return holes


def _fill_phis(
    emitter: KernelEmitter, phis: Sequence[tuple[int, str, str]], incoming: Sequence[tuple[str, Sequence[str]]]
) -> None:
    for position, (hole, name, type) in enumerate(phis):
        values = ", ".join(f"[ {parts[position]}, %{block} ]" for block, parts in incoming)
        emitter.builder.fill(hole, f"{name} = phi {type} {values}")
