"""Runs of ops on elements, merged into few loops over registers.

Ops that compute element by element wait until an op of another kind comes; then those with as many registers share a
loop, and what only the loop itself reads is a scalar inside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...ir.core import Operation, Value
from ...ir.dialects import tile
from .pointwise import element_type, expression
from .values import Mapped, Registers, c_type

if TYPE_CHECKING:
    from .kernel import KernelEmitter


@dataclass
class Loop:
    """Ops that run in one loop over `count` registers."""

    count: int
    ops: list[Operation] = field(default_factory=list)


class PointwiseLoops:
    def __init__(self, kernel: KernelEmitter) -> None:
        self.kernel = kernel
        self.pending: list[Operation] = []
        self.promised: dict[Value, Registers] = {}

    def add(self, op: Operation) -> None:
        self.pending.append(op)

    def promise(self, value: Value) -> Registers:
        """The array that a waiting op will fill, for views of it."""
        if value not in self.promised:
            name = self.kernel.writer.fresh(value.name, "v")
            self.promised[value] = Registers(name, element_type(value), self.kernel.layout_of(value))
        return self.promised[value]

    def flush(self) -> None:
        """Write the loops of the waiting ops."""
        waiting, self.pending = self.pending, []
        loops: list[Loop] = []
        place: dict[Value, int] = {}
        for op in waiting:
            count = self.kernel.layout_of(op.results[0]).register_count
            earliest = max((self._after(v, count, place) for v in op.operands), default=0)
            chosen = next((n for n in range(earliest, len(loops)) if loops[n].count == count), None)
            if chosen is None:
                chosen = len(loops)
                loops.append(Loop(count))
            loops[chosen].ops.append(op)
            place[op.results[0]] = chosen
        for number, loop in enumerate(loops):
            self._write(loop, number, place)

    def _after(self, value: Value, count: int, place: dict[Value, int]) -> int:
        """The first loop in which `value` can be read at the register of that loop's turn."""
        base, same_register = self.kernel.base_of(value)
        if base not in place:
            return 0
        return place[base] + (0 if same_register else 1)

    def _write(self, loop: Loop, number: int, place: dict[Value, int]) -> None:
        kernel, writer = self.kernel, self.kernel.writer
        inner: dict[Value, str] = {}
        stored: dict[Value, str] = {}
        for op in loop.ops:
            if self._stays_inside(op.results[0], number, place):
                inner[op.results[0]] = ""
            else:
                stored[op.results[0]] = self._declare(op.results[0]).name
        names = dict.fromkeys(n for op in loop.ops for n in op.location.names)
        if names:
            writer.comment(
                f"{', '.join(dict.fromkeys(op.name.partition('.')[2] for op in loop.ops))}: {', '.join(names)}"[:110]
            )
        with writer.unrolled(loop.count) as i:
            for op in loop.ops:
                writer.op = op
                result = op.results[0]
                text = self._text(op, i, inner)
                if result in inner:
                    inner[result] = writer.fresh(result.name, "x")
                    dtype = c_type(element_type(result), kernel.index)
                    writer.line(f"const {dtype} {inner[result]} = {text};")
                else:
                    writer.line(f"{stored[result]}[{i}] = {text};")

    def _declare(self, value: Value) -> Registers:
        promised = self.promised.pop(value, None)
        if promised is None:
            return self.kernel.new_registers(value)
        self.kernel.declare(promised)
        self.kernel.values[value] = promised
        return promised

    def _text(self, op: Operation, i: str, inner: dict[Value, str]) -> str:
        def element(value: Value) -> str:
            base, same_register = self.kernel.base_of(value)
            if base in inner and same_register:
                return inner[base]
            return self.kernel.element(value, i)

        if isinstance(op, tile.Gather):
            return self.kernel.memory_ops.gather(op, element)
        return expression(op, [element(v) for v in op.operands], self.kernel.index)

    def _stays_inside(self, value: Value, number: int, place: dict[Value, int]) -> bool:
        """Whether all that read `value`, through views of it too, are in loop `number` at the same register."""
        for user in value.users:
            if self.kernel.is_view(user):
                view = self.kernel.values.get(user.results[0])
                same = isinstance(view, Mapped) and view.is_identity
                if not same or not self._stays_inside(user.results[0], number, place):
                    return False
            elif not user.results or place.get(user.results[0]) != number:
                return False
        return True
