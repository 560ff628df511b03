"""The `plan` dialect: what happens at run time, in order. `main` has no arguments; its ops name buffers and use them.

A `!plan.buffer<tensor<…>>` is dense, row-major memory for a tensor of that type. Offsets and sizes are bytes, and
expressions over the model's symbols where shapes are dynamic.
"""

from __future__ import annotations

from ..attributes import Attribute, DenseAttr, DenseResourceAttr, SymbolRefAttr
from ..core import Operation, Region, Value
from ..declare import NO_TERMINATOR, Op
from ..symbols import Dim, free_symbols, mul
from ..types import OpaqueType, TensorType, Type

ALIGNMENT = 256
"""Bytes to which every arena offset is aligned."""


def buffer_type(tensor: TensorType) -> OpaqueType:
    """The type of memory for `tensor`."""
    return OpaqueType("plan.buffer", (tensor,))


def object_type(value: Type) -> OpaqueType:
    """The type of the place of a host object: of a value that no buffer can hold."""
    return OpaqueType("plan.object", (value,))


def is_object(place: Value) -> bool:
    return isinstance(place.type, OpaqueType) and place.type.name == "plan.object"


def tensor_of(buffer: Value) -> TensorType:
    """The tensor a buffer holds. Raises ValueError for a value that is not a buffer."""
    kind = buffer.type
    if isinstance(kind, OpaqueType) and kind.name == "plan.buffer" and isinstance(kind.parameters[0], TensorType):
        return kind.parameters[0]
    raise ValueError(f"expected a !plan.buffer, found {kind}")


def byte_size(tensor: TensorType) -> Dim:
    """The bytes of a dense tensor; elements below a byte take a whole one."""
    return mul(tensor.size, tensor.scalar.bytes)


class Memory(Op):
    """An op that names memory: one result, a buffer."""


class Input(Memory, name="plan.input"):
    """Memory of the model's input `index`, given by the caller; never written."""

    index: int
    tensor_name: str


class Output(Memory, name="plan.output"):
    """Memory of the model's output `index`."""

    index: int
    tensor_name: str


class Weight(Memory, name="plan.weight"):
    """A constant of the plan; never written."""

    value: Attribute

    def infer(self) -> list[Type]:
        assert isinstance(self.value, DenseAttr | DenseResourceAttr)
        assert isinstance(self.value.type, TensorType)
        return [buffer_type(self.value.type)]


class Arena(Memory, name="plan.arena"):
    """Memory in the context's arena, in bytes from its start.

    Offsets are absent until they are assigned. Where sizes are expressions, `after` holds the labels of the
    buffers that this one must not overlap and that lie below it: its offset is the largest of their ends.
    Each segment (see `segments`) has an arena of its own.
    """

    label: str
    offset: int | None = None
    after: tuple[str, ...] | None = None


class Alias(Memory, name="plan.alias"):
    """Memory of another buffer under another shape, from `offset` bytes into it."""

    source: Value
    offset: Dim = 0


class Object(Memory, name="plan.object"):
    """The place of a host object (see the dialect `host`): the result of one host step, read by others."""

    label: str


def memory_of(buffer: Value) -> Value:
    """The buffer that `buffer` is an alias of, or itself."""
    while isinstance(buffer.owner, Alias):
        buffer = buffer.owner.source
    return buffer


class Launch(Op, name="plan.launch"):
    """Run the kernel `callee` on buffers: first the inputs, then the `written` results.

    `barrier` is false where the next launch does not depend on this one.
    """

    buffers: tuple[Value, ...]
    callee: SymbolRefAttr
    written: int = 1
    barrier: bool = True

    def infer(self) -> list[Type]:
        return []

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.buffers[: len(self.buffers) - self.written]

    @property
    def writes(self) -> tuple[Value, ...]:
        return self.buffers[len(self.buffers) - self.written :]


class Host(Op, name="plan.host"):
    """Run the host function `function` on buffers and objects: first the inputs, then the `written` results.

    `arguments` is a text for the function; `reason` says why no kernel does this.
    """

    buffers: tuple[Value, ...]
    function: str
    arguments: str
    reason: str
    written: int = 1

    def infer(self) -> list[Type]:
        return []

    @property
    def reads(self) -> tuple[Value, ...]:
        return self.buffers[: len(self.buffers) - self.written]

    @property
    def writes(self) -> tuple[Value, ...]:
        return self.buffers[len(self.buffers) - self.written :]


class Copy(Op, name="plan.copy"):
    """Copy a whole buffer to `target_offset` bytes into another one."""

    source: Value
    target: Value
    target_offset: Dim = 0

    def infer(self) -> list[Type]:
        return []


class Read(Op, name="plan.read"):
    """The elements of an integer buffer become the values of `symbols`: the host waits for the steps before."""

    buffer: Value
    symbols: tuple[str, ...]

    def infer(self) -> list[Type]:
        return []


class Place(Op, name="plan.place"):
    """The buffers of `segment`, whose sizes are known now, get their memory (see `segments`)."""

    segment: int

    def infer(self) -> list[Type]:
        return []


class Fill(Op, name="plan.fill"):
    """Set all elements of a buffer to a number that is an expression."""

    target: Value
    value: Dim

    def infer(self) -> list[Type]:
        return []


class If(Op, name="plan.if", traits=(NO_TERMINATOR,)):
    """Run the steps of one of two regions: the first where `condition` is not 0."""

    condition: Dim
    then: Region
    otherwise: Region

    def infer(self) -> list[Type]:
        return []


class Loop(Op, name="plan.loop", traits=(NO_TERMINATOR,)):
    """Repeat the steps of a region, at most `trip_count` times and while `condition`, computed before each, is not 0.

    The symbol `induction` holds the number of repetitions done.
    """

    body: Region
    induction: str
    trip_count: Dim | None = None
    condition: Dim = 1

    def infer(self) -> list[Type]:
        return []


def segments(main: Operation) -> dict[Value, int]:
    """When each buffer of `main` gets its memory: 0 is before the run, n after the n-th `plan.read`.

    That is the last one to give a value to a symbol in the sizes of the buffer, or of one that it is an alias of.
    """
    reads = (op for op in main.walk() if isinstance(op, Read))
    known = {name: number for number, op in enumerate(reads, 1) for name in op.symbols}
    found: dict[Value, int] = {}
    for op in main.walk():
        if isinstance(op, Memory) and not is_object(op.result):
            sizes = [*tensor_of(op.result).dims, op.offset] if isinstance(op, Alias) else tensor_of(op.result).dims
            needed = [known.get(name, 0) for size in sizes for name in free_symbols(size)]
            needed += [found.get(op.source, 0)] if isinstance(op, Alias) else []
            found[op.result] = max(needed, default=0)
    return found
