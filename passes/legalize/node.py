"""What a legalization function sees: the operands and attributes of one ONNX node, and a builder of `nn` ops."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np

from ...ir import symbols
from ...ir.attributes import (
    ArrayAttr,
    Attribute,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    StringAttr,
)
from ...ir.core import Operation, Region, Value
from ...ir.dialects import nn
from ...ir.dialects import onnx as dialect
from ...ir.dialects.nn.reduction import Kind
from ...ir.location import Location
from ...ir.symbols import Dim, Expr
from ...ir.types import NoneType, Scalar, TensorType, i64, none
from .content import Contents, constant, dims, scalar
from .equalities import Equalities
from .registry import InvalidError, UnsupportedError
from .run_time_broadcast import align, stretched


class Builder:
    """Makes `nn` ops in front of an op, follows their contents, and knows the usual small steps."""

    def __init__(self, anchor: Operation, contents: Contents, learn: Callable[[Operation], None] | None = None) -> None:
        self.anchor = anchor
        self.contents = contents
        self.learn = learn or contents.learn

    @property
    def location(self) -> Location:
        return self.anchor.location

    def __call__(self, op: nn.NnOp) -> Value:
        """Append `op`; its only result."""
        return self.all(op)[0]

    def all(self, op: Operation) -> tuple[Value, ...]:
        """Append `op`; its results."""
        op.location = self.location
        block = self.anchor.parent
        assert block is not None
        block.insert_before(op, self.anchor)
        self.learn(op)
        return tuple(op.results)

    # What is known at compile time

    def constant_of(self, value: Value | None) -> np.ndarray | None:
        """The numbers of a constant, or of what follows from constants; None for a value of run time."""
        if value is None:
            return None
        known = self.contents.get(value)
        if known is not None:
            return None if known.dtype == object else known
        return constant(value)

    def sizes_of(self, value: Value | None) -> tuple[Dim, ...] | None:
        """The elements of an integer tensor as sizes, flattened; None where they are only known at run time."""
        if value is None:
            return None
        known = self.contents.get(value)
        if known is None:
            known = constant(value)
        return None if known is None else tuple(v if isinstance(v, Expr) else int(v) for v in known.reshape(-1))

    def read(self, values: Value) -> tuple[Dim, ...]:
        """The elements of an integer tensor, none negative, as symbols that a run reads where this is called."""
        blocks = {self.anchor.parent, *(around.parent for around in self.anchor.ancestors())}
        known = self.contents.read.get(values)
        if known is None or known[0] not in blocks:
            count = TensorType(dims(values), i64).size
            if not isinstance(count, int):
                raise UnsupportedError(f"how many sizes '{values.type}' holds is only known at run time")
            names = tuple(self.contents.fresh_symbol() for _ in range(count))
            if names:
                self.all(nn.ReadSizes(self.reshape(self.cast(values, i64), (count,)), names))
            assert self.anchor.parent is not None
            known = self.contents.read[values] = self.anchor.parent, tuple(map(symbols.symbol, names))
        return known[1]

    def elements(self, values: Value) -> list[Dim | None]:
        """The elements of an integer vector (or number) as sizes, None for those of run time."""
        known = self.sizes_of(values)
        if known is not None:
            return list(known)
        if isinstance(values.owner, nn.Concat):
            return [size for part in values.owner.tensors for size in self.elements(part)]
        count = TensorType(dims(values), i64).size
        if not isinstance(count, int):
            raise UnsupportedError(f"how many sizes '{values.type}' holds is only known at run time")
        return [None] * count

    def read_unknown(self, values: Value, known: Sequence[Dim | None]) -> list[Dim]:
        """`known`, with symbols for the elements of `values` that it lacks."""
        lacking = [i for i, size in enumerate(known) if size is None]
        if len(lacking) == len(known):
            return list(self.read(values))
        parts = [self.narrow(values, 0, i, i + 1) for i in lacking]
        read = iter(self.read(self.concat(parts, 0)) if parts else ())
        return [next(read) if size is None else size for size in known]

    # Usual steps; each returns its operand where there is nothing to do

    def constant(self, value: Any, dtype: Scalar) -> Value:
        return self(nn.Constant.of(value, dtype))

    def like(self, value: float, reference: Value) -> Value:
        """A number of the element type of `reference`, without dimensions."""
        return self.constant(value, scalar(reference))

    def cast(self, x: Value, dtype: Scalar) -> Value:
        return x if scalar(x) == dtype else self(nn.Cast(x, dtype))

    def reshape(self, x: Value, shape: Sequence[Dim]) -> Value:
        type = TensorType(tuple(shape), scalar(x))
        before, after = TensorType(dims(x), scalar(x)).size, type.size
        if isinstance(before, int) and isinstance(after, int) and before != after:
            raise InvalidError(f"{x.type} has {before} elements, and cannot become {type} with {after}")
        return x if x.type == type else self(nn.Reshape(x, result_types=[type]))

    def broadcast(self, x: Value, shape: Sequence[Dim]) -> Value:
        type = TensorType(tuple(shape), scalar(x))
        return x if x.type == type else self(nn.BroadcastTo(x, result_types=[type]))

    def full(self, value: float, shape: Sequence[Dim], dtype: Scalar) -> Value:
        return self.broadcast(self.constant(value, dtype), shape)

    def transpose(self, x: Value, perm: Sequence[int]) -> Value:
        return x if list(perm) == list(range(len(dims(x)))) else self(nn.Transpose(x, tuple(perm)))

    def unsqueeze(self, x: Value, axes: Sequence[int]) -> Value:
        """New dimensions of size 1 at `axes` of the result, none negative."""
        shape = list(dims(x))
        for axis in sorted(axes):
            shape.insert(axis, 1)
        return self.reshape(x, shape)

    def squeeze(self, x: Value, axes: Sequence[int]) -> Value:
        return self.reshape(x, [d for i, d in enumerate(dims(x)) if i not in axes])

    def narrow(self, x: Value, axis: int, start: Dim, end: Dim) -> Value:
        """x[..., start:end, ...] along one axis; the bounds lie within the tensor."""
        shape = dims(x)
        if start == 0 and end == shape[axis]:
            return x
        starts: list[Dim] = [0] * len(shape)
        ends = list(shape)
        starts[axis], ends[axis] = start, end
        return self(nn.Slice(x, tuple(starts), tuple(ends), (1,) * len(shape)))

    def size(self, x: Value, axis: int, dtype: Scalar = i64) -> Value:
        """The size of x along an axis as a tensor without dimensions."""
        return self.cast(self.reshape(self.narrow(self(nn.ShapeOf(x)), 0, axis, axis + 1), ()), dtype)

    def number(self, value: Dim) -> Value:
        """A size as an i64 tensor without dimensions."""
        return self.constant(value, i64) if isinstance(value, int) else self(nn.Size(value))

    def iota(self, shape: Sequence[Dim], axis: int, dtype: Scalar = i64) -> Value:
        """The index along `axis` at every place of a tensor."""
        return self(nn.Iota(axis, result_types=[TensorType(tuple(shape), dtype)]))

    def index(self, x: Value, axis: int, position: int) -> Value:
        """x[..., position, ...]: one entry along an axis, which goes away."""
        return self.squeeze(self.narrow(x, axis, position, position + 1), [axis])

    def concat(self, values: Sequence[Value], axis: int) -> Value:
        return values[0] if len(values) == 1 else self(nn.Concat(tuple(values), axis))

    def reduce(self, x: Value, kind: Kind, axes: Sequence[int], keep_dims: bool = False) -> Value:
        return self(nn.Reduce(x, kind, tuple(axes), keep_dims)) if axes else x


class Node(Builder):
    """An ONNX node being legalized; `n[i]` is a required input, `n(op)` appends an `nn` op."""

    def __init__(
        self,
        op: Operation,
        opset: int,
        contents: Contents,
        known_symbols: AbstractSet[str],
        equalities: Equalities,
        learn: Callable[[Operation], None],
        legalize: Callable[[Iterable[Operation]], None],
    ) -> None:
        super().__init__(op, contents, learn)
        self.op = op
        self.opset = opset
        self.known_symbols = known_symbols
        self.equalities = equalities
        self.legalize = legalize
        """Legalizes ops of the onnx dialect where they stand."""

    def all(self, op: Operation) -> tuple[Value, ...]:
        if isinstance(op, nn.NnOp):
            align(self, op)
        return super().all(op)

    def broadcast(self, x: Value, shape: Sequence[Dim]) -> Value:
        return super().broadcast(stretched(self, x, shape), shape)

    # Inputs and outputs

    def __len__(self) -> int:
        """The number of inputs, trailing omitted ones left out."""
        given = [i for i, v in enumerate(self.op.operands) if not isinstance(v.type, NoneType)]
        return given[-1] + 1 if given else 0

    def get(self, index: int) -> Value | None:
        """An optional input, None where it is omitted."""
        operands = self.op.operands
        if index >= len(operands) or isinstance(operands[index].type, NoneType):
            return None
        value = operands[index]
        if not isinstance(value.type, TensorType) or value.type.shape is None:
            raise UnsupportedError(f"input {index} is {value.type}, not a tensor of known rank")
        return value

    def __getitem__(self, index: int) -> Value:
        value = self.get(index)
        if value is None:
            raise UnsupportedError(f"input {index} is missing")
        return value

    @property
    def inputs(self) -> list[Value]:
        """All inputs of an operator that takes any number."""
        return [self[i] for i in range(len(self))]

    def wants(self, result: int) -> bool:
        """Whether an optional output is asked for."""
        return result < len(self.op.results) and self.op.results[result].type != none

    # Attributes

    def attribute(self, name: str) -> Attribute | None:
        return self.op.attributes.get(name)

    def int(self, name: str, default: int = 0) -> int:
        attribute = self.attribute(name)
        return default if attribute is None else int(attribute.value)  # type: ignore[attr-defined]

    def flag(self, name: str, default: bool = False) -> bool:
        return bool(self.int(name, default))

    def float(self, name: str, default: float = 0.0) -> float:
        """An attribute of f32, as which a default is rounded too."""
        attribute = self.attribute(name)
        return float(np.float32(default)) if attribute is None else float(attribute.value)  # type: ignore[attr-defined]

    def str(self, name: str, default: str = "") -> str:
        attribute = self.attribute(name)
        return attribute.value if isinstance(attribute, StringAttr) else default

    def require(self, condition: bool, message: str) -> None:
        """Raise InvalidError with `message` unless `condition` holds."""
        if not condition:
            raise InvalidError(message)

    def choice(self, name: str, *allowed: str) -> str:
        """A string attribute that has one of some values, the first by default. Raises InvalidError for another."""
        given = self.str(name, allowed[0])
        if given not in allowed:
            raise InvalidError(f"{name} '{given}'; expected {', '.join(allowed[:-1])} or {allowed[-1]}")
        return given

    def ints(self, name: str) -> tuple[int, ...] | None:
        attribute = self.attribute(name)
        return tuple(int(v) for v in attribute.values) if isinstance(attribute, DenseArrayAttr) else None

    def floats(self, name: str) -> tuple[float, ...] | None:
        attribute = self.attribute(name)
        return tuple(float(v) for v in attribute.values) if isinstance(attribute, DenseArrayAttr) else None

    def strings(self, name: str) -> tuple[str, ...] | None:
        attribute = self.attribute(name)
        if not isinstance(attribute, ArrayAttr):
            return None
        return tuple(v.value for v in attribute.values if isinstance(v, StringAttr))

    def array(self, name: str) -> np.ndarray | None:
        attribute = self.attribute(name)
        return attribute.array if isinstance(attribute, DenseAttr | DenseResourceAttr) else None

    def axis(self, rank: int, name: str = "axis", default: int = 0) -> int:
        """An axis attribute, counted from the front."""
        return normal_axis(self.int(name, default), rank)

    def region(self, name: str) -> Region:
        names = self.strings(dialect.REGION_NAMES) or ()
        return self.op.regions[names.index(name)]

    def inline(self, region: Region, arguments: Sequence[Value] = ()) -> list[Value]:
        """A copy of a subgraph in front of this node, reading `arguments`; gives what it yields."""
        block = region.clone({}).block
        for argument, value in zip(block.arguments, arguments, strict=True):
            argument.replace_all_uses_with(value)
        *inner, end = list(block)
        assert self.op.parent is not None
        for op in inner:
            self.op.parent.insert_before(op.detach(), self.op)
        self.legalize(inner)
        values = list(end.operands)
        end.detach().drop_operands()
        return values

    def sizes(self, index: int) -> tuple[Dim, ...]:
        """The elements of an input as sizes, none negative: those that are known, or symbols that a run reads."""
        known = self.elements(self[index])
        return tuple(self.read_unknown(self[index], known))

    def equal(self, a: Dim, b: Dim) -> None:
        """Have two sizes compared at run time, where they are not known to be equal."""
        self.equalities.need(a, b, self.op.location.names)

    # Inputs that must be known at compile time

    def numbers(self, index: int, what: str) -> np.ndarray:
        """The elements of an input. Raises UnsupportedError where they are only known at run time."""
        known = self.constant_of(self[index])
        if known is None:
            raise UnsupportedError(f"{what} is only known at run time")
        return known

    def ints_of(self, index: int, what: str) -> tuple[int, ...]:
        return tuple(int(v) for v in self.numbers(index, what).reshape(-1))

    def by_axis(self, index: int, what: str, build: Callable[[int], Value], last: int | None = None) -> Value:
        """What `build` makes for the axis of x (input 0) that an input names; for each axis where only a run knows.

        `last` is the last axis that it may be. Of those only the ones count that give the shape which the model states.
        """
        rank = len(dims(self[0]))
        if (known := self.constant_of(self[index])) is not None:
            return build(normal_axis(int(known.reshape(-1)[0]), rank))
        given = self.reshape(self.cast(self[index], i64), ())
        from_end = self(nn.Add(given, self.like(rank, given)))
        wrapped = self(nn.Where(self(nn.Lt(given, self.like(0, given))), from_end, given))
        found = [(axis, build(axis)) for axis in range(rank if last is None else last + 1)]
        if (declared := self.declared()) is not None:
            found = [(axis, value) for axis, value in found if dims(value) == declared]
        if not found or any(value.type != found[0][1].type for _, value in found):
            raise UnsupportedError(f"{what} is only known at run time, and the result's shape depends on it")
        (_, result), *others = found
        for axis, value in others:
            result = self(nn.Where(self(nn.Eq(wrapped, self.like(axis, wrapped))), value, result))
        return result

    def declared(self, result: int = 0) -> tuple[Dim, ...] | None:
        """The shape that the model states for a result, where it is made of numbers and sizes of the inputs.

        For results whose shape is computed from data: a model that names it has promised it.
        """
        type = self.op.results[result].type
        shape = type.shape if isinstance(type, TensorType) else None
        if shape is None or any(symbols.free_symbols(dim) - self.known_symbols for dim in shape):
            return None
        return shape

    def static(self, value: Value, axis: int, what: str) -> int:
        """A dimension that must be a number."""
        dim = dims(value)[axis]
        if not isinstance(dim, int):
            raise UnsupportedError(f"{what} is '{dim}', which is only known at run time")
        return dim


def normal_axis(axis: int, rank: int) -> int:
    """`axis` counted from the front. Raises InvalidError where it is outside the rank."""
    if not -rank <= axis < max(rank, 1):
        raise InvalidError(f"axis {axis} is outside the {rank} dimensions")
    return axis + rank if axis < 0 else axis
