"""When each arena buffer of a plan is in use."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...ir.core import Block, Operation, Value
from ...ir.dialects import plan
from ...ir.dialects.builtin import Func
from ...ir.symbols import Dim


@dataclass(frozen=True)
class Lifetime:
    """A buffer is in use from step `start` to step `end`, both included."""

    op: plan.Arena
    start: int
    end: int
    bytes: Dim


def arena_lifetimes(main: Func) -> list[Lifetime]:
    """The lifetime of every arena buffer: from the first step that writes it to the last that uses it or an alias.

    Steps are numbered in their order in the text. What a loop finds in a buffer when an iteration begins, and what is
    used behind the loop, is in use during all of it.
    """
    uses = _Uses()
    uses.block(main.block)
    return [
        Lifetime(op, *uses.range.get(op.result, (0, 0)), plan.byte_size(plan.tensor_of(op.result)))
        for op in main.block
        if isinstance(op, plan.Arena)
    ]


class _Uses:
    """The first and the last step that use each buffer."""

    def __init__(self) -> None:
        self.range: dict[Value, tuple[int, int]] = {}
        self.count = 0

    def block(self, block: Block) -> None:
        for op in block:
            if isinstance(op, plan.Loop):
                self.loop(op)
            elif isinstance(op, plan.If):
                self.block(op.then.block)
                self.block(op.otherwise.block)
            elif not isinstance(op, plan.Memory):
                for operand in op.operands:
                    base = plan.memory_of(operand)
                    self.range[base] = self.range.get(base, (self.count, 0))[0], self.count
                self.count += 1

    def loop(self, op: plan.Loop) -> None:
        begin, before = self.count, set(self.range)
        self.block(op.body.block)
        used_first = _read_first(op)
        for base, (first, last) in self.range.items():
            inside = last >= begin
            outside = base in before or any(not _is_inside(user, op) for user in _users(base))
            if inside and (outside or base in used_first):
                self.range[base] = min(first, begin), self.count
        self.count += 1


def _read_first(loop: plan.Loop) -> set[Value]:
    """The buffers that the steps of a loop read before any step of it writes them."""
    found: set[Value] = set()
    written: set[Value] = set()
    for op in loop.walk():
        reads, writes = _effects(op)
        found |= {plan.memory_of(value) for value in reads} - written
        written |= {plan.memory_of(value) for value in writes}
    return found


def _effects(op: Operation) -> tuple[Sequence[Value], Sequence[Value]]:
    """The buffers that a step reads, and those it writes as a whole."""
    match op:
        case plan.Launch() | plan.Host():
            return op.reads, op.writes
        case plan.Copy():
            return (op.source, *([op.target] if op.target_offset != 0 else [])), (op.target,)
        case plan.Fill():
            return (), (op.target,)
        case plan.Read():
            return (op.buffer,), ()
        case _:
            return (), ()


def _users(base: Value) -> Iterator[Operation]:
    """The steps that use a buffer or an alias of it."""
    for user in base.users:
        if isinstance(user, plan.Alias):
            yield from _users(user.result)
        else:
            yield user


def _is_inside(op: Operation, loop: Operation) -> bool:
    return any(around is loop for around in op.ancestors())


def conflict(a: Lifetime, b: Lifetime) -> bool:
    """Whether two buffers are in use at the same time."""
    return a.start <= b.end and b.start <= a.end
