"""One step of a recurrent cell, and where a layer's operands and results have what belongs to a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from ...ir.dialects.nn.recurrent import Gru, Lstm, Recurrent, Rnn
from ...ir.symbols import Dim, Expr
from ...ir.types import Scalar
from .elements import Element, computing_type
from .frame import Frame, tensor_type

UPDATE, RESET, NEW = range(3)
"""The gates of a GRU."""


@dataclass
class Places:
    """Indices into the operands and results of a layer, in its order of batch and time."""

    frame: Frame
    root: Recurrent

    @cached_property
    def hidden(self) -> int:
        assert isinstance(self.root.hidden, int)
        return self.root.hidden

    @cached_property
    def dtype(self) -> Scalar:
        """The type that states are computed in."""
        return computing_type(tensor_type(self.root.x).scalar)

    @property
    def time(self) -> Dim:
        return tensor_type(self.root.x).dims[1 if self.root.batch_first else 0]

    @property
    def batch(self) -> Dim:
        return tensor_type(self.root.x).dims[0 if self.root.batch_first else 1]

    def state_at(self, direction: Dim, row: Dim, unit: Dim) -> tuple[Dim, ...]:
        return (row, direction, unit) if self.root.batch_first else (direction, row, unit)

    def every_at(self, time: Dim, direction: Dim, row: Dim, unit: Dim) -> tuple[Dim, ...]:
        return (row, time, direction, unit) if self.root.batch_first else (time, direction, row, unit)

    def turn(self, direction: Expr, forward: Dim, backward: Dim) -> Dim:
        """`forward` or `backward`, by the sense of a direction."""
        match self.root.direction:
            case "forward":
                return forward
            case "reverse":
                return backward
            case "bidirectional":
                return forward + direction * (backward - forward)

    def time_of(self, step: Expr, direction: Expr) -> Expr:
        """The position of a step in the sequence."""
        return self.frame.body.indices.derived(self.turn(direction, step, self.time - 1 - step), self.time)

    def is_live(self, time: Dim, row: Dim) -> Element:
        """Whether the row's sequence has a step `time`."""
        body = self.frame.body
        assert self.root.sequence_lengths is not None
        length = body.as_index(body.read(self.root.sequence_lengths, (row,)))
        return body.indices.compare("lt", time, length)

    def zero(self) -> Element:
        return self.frame.body.constant(0.0, self.dtype)

    def input_at(self, time: Dim, direction: Dim, row: Dim, gate: int, unit: Dim) -> tuple[Dim, ...]:
        """Where x wᵀ is."""
        root, hidden = self.root, self.hidden
        column = direction * (root.gates * hidden) + gate * hidden + unit
        place = (row, time) if root.batch_first else (time, row)
        return (*place, self.frame.body.indices.derived(column, root.directions * root.gates * hidden))


@dataclass
class Cell:
    """The gates of some units at one step: `sums` are h rᵀ by gate, `inputs` x wᵀ where they have been read already."""

    layer: Places
    time: Expr
    direction: Expr
    row: Expr
    unit: Dim
    sums: dict[int, Element]
    inputs: Sequence[Element] | None = None

    def run(self, old: list[Element]) -> list[Element]:
        """The next states from the old ones, the output first."""
        root = self.layer.root
        match root:
            case Lstm():
                return self._lstm(root, *old)
            case Gru():
                return [self._gru(root, old[0])]
            case _:
                assert isinstance(root, Rnn)
                return [self._activate(0, self._sum(0))]

    def _lstm(self, root: Lstm, _: Element, c: Element) -> list[Element]:
        apply = self.layer.frame.body.apply
        i = self._activate(0, self._peep(root, 0, self._sum(0), c))
        forget = self._sum(2)
        forget = self._one_minus(i) if root.input_forget else self._activate(0, self._peep(root, 2, forget, c))
        c = apply("add", apply("mul", forget, c), apply("mul", i, self._activate(1, self._sum(3))))
        output = self._activate(0, self._peep(root, 1, self._sum(1), c))
        return [apply("mul", output, self._activate(2, c, clipped=False)), c]

    def gate(self, gate: int) -> Element:
        """A gate with the first activation."""
        return self._activate(0, self._sum(gate))

    def _gru(self, root: Gru, h: Element) -> Element:
        apply = self.layer.frame.body.apply
        z = self.gate(UPDATE)
        if root.linear_before_reset:
            recurrent = apply("add", self.sums[NEW], self._bias(NEW, of_r=True))
            ahead = apply("add", self._input(NEW), self._bias(NEW))
            total = apply("add", ahead, apply("mul", self.gate(RESET), recurrent))
        else:
            total = self._sum(NEW)
        new = self._activate(1, total)
        return apply("add", apply("mul", self._one_minus(z), new), apply("mul", z, h))

    def _one_minus(self, x: Element) -> Element:
        body = self.layer.frame.body
        return body.apply("sub", body.constant(1.0, self.layer.dtype), x)

    def _sum(self, gate: int) -> Element:
        """x wᵀ + h rᵀ + both biases."""
        apply = self.layer.frame.body.apply
        total = apply("add", self._input(gate), self.sums[gate])
        return apply("add", total, apply("add", self._bias(gate), self._bias(gate, of_r=True)))

    def _input(self, gate: int) -> Element:
        if self.inputs is not None:
            return self.inputs[gate]
        place = self.layer.input_at(self.time, self.direction, self.row, gate, self.unit)
        return self.layer.frame.body.read(self.layer.root.x, place)

    def _bias(self, gate: int, of_r: bool = False) -> Element:
        root, hidden, body = self.layer.root, self.layer.hidden, self.layer.frame.body
        if root.bias is None:
            return body.constant(0.0, self.layer.dtype)
        column = (root.gates if of_r else 0) * hidden + gate * hidden + self.unit
        place = body.indices.derived(column, 2 * root.gates * hidden)
        return body.read(root.bias, (self.direction, place))

    def _peep(self, root: Lstm, gate: int, x: Element, c: Element) -> Element:
        """A gate that also sees the cell: in the order input, output, forget."""
        body, hidden = self.layer.frame.body, self.layer.hidden
        if root.peepholes is None:
            return x
        place = body.indices.derived(gate * hidden + self.unit, 3 * hidden)
        return body.apply("add", x, body.apply("mul", body.read(root.peepholes, (self.direction, place)), c))

    def _activate(self, which: int, x: Element, clipped: bool = True) -> Element:
        """The activation number `which` of this direction; both directions' where they differ."""
        root, body, dtype = self.layer.root, self.layer.frame.body, self.layer.dtype
        if clipped and root.clip is not None:
            low, high = body.constant(-root.clip, dtype), body.constant(root.clip, dtype)
            x = body.apply("max", body.apply("min", x, high), low)
        functions = [root.functions(direction)[which] for direction in range(root.directions)]
        results = [function.apply(body, x, dtype) for function in functions]
        if all((f.name, f.parameters) == (functions[0].name, functions[0].parameters) for f in functions):
            return results[0]
        forward = body.indices.compare("eq", self.direction, 0)
        return body.apply("select", forward, results[0], results[1])
