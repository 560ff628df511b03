"""Sequences and optionals whose structure is known at compile time: they are gone afterwards.

While nodes are legalized a sequence is an `onnx.sequence` of its elements, which those that read it look through.
"""

from __future__ import annotations

from ...ir import symbols
from ...ir.core import OpResult, Value
from ...ir.dialects import onnx as dialect
from ...ir.symbols import Dim
from ...ir.types import NoneType, TensorType, i1, i64
from .content import dims
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize


def elements(n: Node, index: int) -> list[Value]:
    """The elements of an input. Raises UnsupportedError where it is a sequence of run time."""
    value = n.op.operands[index]
    if isinstance(value, OpResult) and isinstance(value.op, dialect.Sequence):
        return list(value.op.elements)
    raise UnsupportedError("a sequence whose length is only known at run time")


def _sequence(n: Node, values: list[Value]) -> Value:
    return n.all(dialect.Sequence(tuple(values)))[0]


def _position(n: Node, index: int, length: int, default: int) -> int:
    """A position input, counted from the front."""
    if n.get(index) is None:
        return default
    position = n.ints_of(index, "the position in a sequence")[0]
    if not -length <= position <= length:
        raise InvalidError(f"position {position} in a sequence of {length}")
    return position + length if position < 0 else position


@legalize("SequenceConstruct")
def sequence_construct(n: Node) -> Value:
    return _sequence(n, n.inputs)


@legalize("SequenceEmpty")
def sequence_empty(n: Node) -> Value:
    return _sequence(n, [])


@legalize("SequenceInsert")
def sequence_insert(n: Node) -> Value:
    values = elements(n, 0)
    values.insert(_position(n, 2, len(values), len(values)), n[1])
    return _sequence(n, values)


@legalize("SequenceErase")
def sequence_erase(n: Node) -> Value:
    values = elements(n, 0)
    del values[_position(n, 1, len(values), len(values) - 1)]
    return _sequence(n, values)


@legalize("SequenceAt")
def sequence_at(n: Node) -> Value:
    values = elements(n, 0)
    position = _position(n, 1, len(values), 0)
    if position >= len(values):
        raise InvalidError(f"position {position} in a sequence of {len(values)}")
    return values[position]


@legalize("SequenceLength")
def sequence_length(n: Node) -> Value:
    return n.constant(len(elements(n, 0)), i64)


@legalize("SplitToSequence")
def split_to_sequence(n: Node) -> Value:
    """Parts of given sizes, of one size, or entry by entry; only then does `keepdims` matter."""
    x = n[0]
    axis = n.axis(len(dims(x)))
    size = dims(x)[axis]
    if n.get(1) is None:
        count = n.static(x, axis, "the number of parts")
        parts = [n.narrow(x, axis, i, i + 1) for i in range(count)]
        return _sequence(n, parts if n.flag("keepdims", True) else [n.squeeze(part, [axis]) for part in parts])
    sizes = n.sizes(1)
    if dims(n[1]) == ():
        (step,) = sizes
        if not isinstance(size, int) or not isinstance(step, int):
            raise UnsupportedError("the number of parts is only known at run time")
        sizes = tuple(min(step, size - start) for start in range(0, size, step))
    start: Dim = 0
    values: list[Value] = []
    for part in sizes:
        end = symbols.add(start, part)
        values.append(n.narrow(x, axis, start, end))
        start = end
    return _sequence(n, values)


@legalize("ConcatFromSequence")
def concat_from_sequence(n: Node) -> Value:
    values = elements(n, 0)
    if not values:
        raise UnsupportedError("joining an empty sequence")
    if not n.flag("new_axis"):
        return n.concat(values, n.axis(len(dims(values[0]))))
    axis = n.axis(len(dims(values[0])) + 1)
    return n.concat([n.unsqueeze(value, [axis]) for value in values], axis)


@legalize("Optional", "OptionalGetElement")
def optional_of_a_value(n: Node) -> Value:
    """An optional that is known to hold a value is that value."""
    if not n.op.operands or isinstance(n.op.operands[0].type, NoneType):
        raise UnsupportedError("an optional without a value")
    if isinstance(n.op.operands[0].type, TensorType):
        return n[0]
    return _sequence(n, elements(n, 0))


@legalize("OptionalHasElement")
def optional_has_element(n: Node) -> Value:
    held = bool(n.op.operands) and not isinstance(n.op.operands[0].type, NoneType)
    if held and not isinstance(n.op.operands[0].type, TensorType):
        elements(n, 0)
    return n.constant(held, i1)
