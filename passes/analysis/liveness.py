"""When each arena buffer of a plan is in use."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.core import Value
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
    """The lifetime of every arena buffer: from the first step that writes it to the last that uses it or an alias."""
    steps = [op for op in main.block if isinstance(op, plan.Launch | plan.Copy | plan.Host | plan.Read)]
    first: dict[Value, int] = {}
    last: dict[Value, int] = {}
    for number, step in enumerate(steps):
        for operand in step.operands:
            base = plan.memory_of(operand)
            first.setdefault(base, number)
            last[base] = number
    return [
        Lifetime(op, first.get(op.result, 0), last.get(op.result, 0), plan.byte_size(plan.tensor_of(op.result)))
        for op in main.block
        if isinstance(op, plan.Arena)
    ]


def conflict(a: Lifetime, b: Lifetime) -> bool:
    """Whether two buffers are in use at the same time."""
    return a.start <= b.end and b.start <= a.end
