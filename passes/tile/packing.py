"""Constant operands in the order a kernel reads them.

`repack` gives a kernel an argument in another layout and, in front of its ops, the views that undo it: the kernel means
what it meant, and reading through the views is reading the packed memory in its order. Its calls get packed constants.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...ir.attributes import DenseAttr, DenseResourceAttr
from ...ir.core import Block, Operation, Value
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import NnOp
from ...ir.dialects.nn.constants import Constant
from ...ir.dialects.nn.views import Reshape, Slice, Transpose
from ...ir.strings import as_identifier
from ...ir.types import Scalar, TensorType

Pack = Callable[[np.ndarray], np.ndarray]


def calls_of(func: kernel.Func) -> list[kernel.Call]:
    """The calls of a kernel in its module."""
    assert func.parent is not None
    ops = (op for other in func.parent for op in other.walk())
    return [op for op in ops if isinstance(op, kernel.Call) and op.callee.name == func.sym_name]


def is_constant(func: kernel.Func, index: int) -> bool:
    """Whether every call passes a weight with known elements as operand `index`; a kernel of no module has none."""
    calls = calls_of(func) if func.parent is not None else []
    return bool(calls) and all(_array(call.operands[index]) is not None for call in calls)


def _array(value: Value) -> np.ndarray | None:
    op = value.owner
    return op.value.array if isinstance(op, Constant) else None  # type: ignore[attr-defined]


def repack(func: kernel.Func, argument: int, tag: str, pack: Pack, packed: TensorType, views: list[ViewStep]) -> None:
    """Pass operand `argument` as `pack(array)` of type `packed`; `views` lead back to the type it had."""
    old = func.block.arguments[argument]
    wanted = old.type
    for call in calls_of(func):
        call.set_operand(argument, packed_constant(call.operands[argument], tag, pack))
    value: Value = old
    old.type = packed
    users = list(old.uses)
    first = func.block.first
    assert first is not None
    for view in views:
        op = view(value)
        func.block.insert_before(op, first)
        value = op.results[0]
    assert value.type == wanted, f"the views give {value.type} where {wanted} was"
    for user, index in users:
        user.set_operand(index, value)


ViewStep = Callable[[Value], NnOp]


def transpose(*permutation: int) -> ViewStep:
    return lambda value: Transpose(value, permutation)


def reshape(*shape: int) -> ViewStep:
    def view(value: Value) -> NnOp:
        assert isinstance(value.type, TensorType)
        return Reshape(value, result_types=[value.type.with_shape(shape)])

    return view


def leading(*shape: int) -> ViewStep:
    """The first elements along every axis."""
    return lambda value: Slice(value, (0,) * len(shape), shape, (1,) * len(shape))


def packed_constant(value: Value, tag: str, pack: Pack, dtype: Scalar | None = None) -> Value:
    """`pack` of a constant, of its type or of `dtype`, as a constant beside it, made once."""
    source = value.owner
    assert isinstance(source, Constant) and source.parent is not None
    attribute = source.value
    if isinstance(attribute, DenseAttr):
        return _insert(source, source.parent, DenseAttr(pack(attribute.array)))
    assert isinstance(attribute, DenseResourceAttr) and attribute.array is not None
    name = as_identifier(f"{attribute.name}.{tag}")
    for op in source.parent:
        if isinstance(op, Constant) and isinstance(op.value, DenseResourceAttr) and op.value.name == name:
            return op.results[0]
    array = np.ascontiguousarray(pack(attribute.array))
    type = TensorType(array.shape, dtype or attribute.type.dtype)
    return _insert(source, source.parent, DenseResourceAttr(name, type, array))


def _insert(source: Operation, block: Block, value: DenseAttr | DenseResourceAttr) -> Value:
    return block.insert_before(Constant(value, location=source.location), source).results[0]


def padded(array: np.ndarray, *shape: int) -> np.ndarray:
    """`array` with zeros after it up to `shape`."""
    return np.pad(array, [(0, size - have) for size, have in zip(shape, array.shape, strict=True)])
