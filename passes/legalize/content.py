"""What is known of tensors at compile time: numbers, and sizes as expressions of the model's symbols.

Exporters compute shapes with operators (Shape, Gather, Mul, Concat, …, Reshape). A `Contents` follows such
tensors through the `nn` ops that legalization makes: the content of a value is an array of its dtype, or an object
array of `int` and `Expr`. An operator that needs sizes asks for the content; the ops that computed it are then dead.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, cast

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseAttr, DenseResourceAttr
from ...ir.core import Block, Operation, OpResult, Value
from ...ir.dialects import nn
from ...ir.symbols import Dim, Expr
from ...ir.types import Scalar, TensorType

LIMIT = 1024
"""Tensors of more elements are not followed: they are data."""


class UndecidedError(Exception):
    """An element depends on sizes in a way that no expression says."""


class Contents:
    """The known contents of values, and the symbols for those that a run reads."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        """`taken` are the names of the model's own symbols."""
        self._known: dict[Value, np.ndarray] = {}
        self._taken = set(taken)
        self.read: dict[Value, tuple[Block, tuple[Dim, ...]]] = {}
        """What `Builder.read` made of values, and where, so that each is read once."""

    def fresh_symbol(self) -> str:
        """The name of a symbol that a run gives a value to."""
        name = next(name for i in itertools.count() if (name := f"{symbols.RUN_TIME}{i}") not in self._taken)
        self._taken.add(name)
        return name

    def get(self, value: Value) -> np.ndarray | None:
        """Numbers in the value's dtype, or an object array of sizes; None where unknown."""
        return self._known.get(value)

    def learn(self, op: Operation) -> None:
        """Compute what follows for the results of a new op from the contents of its operands."""
        result = self._evaluate(op)
        if result is None:
            return
        for value, array in zip(op.results, result, strict=True):
            if array is not None and array.size <= LIMIT:
                self._known[value] = _settled(array, scalar(value))

    def _evaluate(self, op: Operation) -> Iterable[np.ndarray | None] | None:
        if isinstance(op, nn.Constant):
            return [_elements(op)]
        if isinstance(op, nn.ShapeOf):
            return [_objects(dims(op.x))]
        if isinstance(op, nn.DimOf):
            return [_objects(dims(op.x)[op.axis])]
        if isinstance(op, nn.Iota) and _small(op):
            return _numeric(op, [])
        operands = [self._known.get(v) for v in op.operands]
        if not operands or any(array is None for array in operands) or not _small(op) or op.regions:
            return None
        arrays = [array for array in operands if array is not None]
        if not any(array.dtype == object for array in arrays):
            return _numeric(op, arrays)
        try:
            return [_SYMBOLIC[op.name](op, *arrays)] if op.name in _SYMBOLIC else None
        except UndecidedError:
            return None


def constant(value: Value) -> np.ndarray | None:
    """The elements of a constant of any size, or None for other values."""
    owner = value.op if isinstance(value, OpResult) else None
    return _elements(owner, None) if isinstance(owner, nn.Constant) else None


def dims(value: Value) -> tuple[Dim, ...]:
    assert isinstance(value.type, TensorType)
    return value.type.dims


def scalar(value: Value) -> Scalar:
    assert isinstance(value.type, TensorType)
    return value.type.scalar


def _elements(op: nn.Constant, limit: int | None = LIMIT) -> np.ndarray | None:
    value = op.value
    if not isinstance(value, DenseAttr | DenseResourceAttr) or value.array is None:
        return None
    return value.array if limit is None or value.array.size <= limit else None


def _small(op: Operation) -> bool:
    types = [result.type for result in op.results]
    return all(isinstance(t, TensorType) and t.is_static and cast(int, t.size) <= LIMIT for t in types)


def _numeric(op: Operation, arrays: list[np.ndarray]) -> Iterable[np.ndarray] | None:
    if not isinstance(op, nn.NnOp):  # sizes of run time, control flow
        return None
    try:
        return op.interpret(arrays, {})
    except (NotImplementedError, IndexError):
        # An index out of bounds stays an error of run time.
        return None


def _objects(values: Any) -> np.ndarray:
    if isinstance(values, int | Expr):
        array = np.empty((), object)
        array[()] = values
        return array
    array = np.empty(len(values), object)
    array[:] = values
    return array


def _settled(array: np.ndarray, dtype: Scalar) -> np.ndarray:
    """An object array of numbers alone in its own dtype; anything else as it is."""
    if array.dtype == object and not any(isinstance(element, Expr) for element in array.flat):
        return array.astype(dtype.numpy)
    return array


Symbolic = Callable[..., np.ndarray]


def _elementwise(function: Callable[..., Any], arity: int = 2) -> Symbolic:
    vectorized = np.frompyfunc(function, arity, 1)

    def evaluate(op: Operation, *arrays: np.ndarray) -> np.ndarray:
        return np.asarray(vectorized(*(_exact(array) for array in arrays)), object)

    return evaluate


def _exact(array: np.ndarray) -> np.ndarray:
    """Python integers and booleans in place of NumPy's; whole floats count as integers."""
    if array.dtype == object:
        return array
    if array.dtype.kind in "iub":
        return array.astype(object)
    flat = [int(v) if np.isfinite(v) and v == int(v) else _undecided() for v in array.reshape(-1).astype(float)]
    return np.array(flat, object).reshape(array.shape)


def _undecided() -> Any:
    raise UndecidedError


def _divide(a: Dim, b: Dim) -> Dim:
    """C's division, which is the floor where nothing is negative."""
    if b == 0 or symbols.bounds(a, {})[0] < 0 or symbols.bounds(b, {})[0] < 0:
        raise UndecidedError
    return symbols.floordiv(a, b)


def _remainder(a: Dim, b: Dim) -> Dim:
    if b == 0 or symbols.bounds(a, {})[0] < 0 or symbols.bounds(b, {})[0] < 0:
        raise UndecidedError
    return symbols.mod(a, b)


def _less(a: Dim, b: Dim) -> bool:
    low, high = symbols.bounds(symbols.add(a, symbols.mul(b, -1)), {})
    return True if high < 0 else False if low >= 0 else _undecided()


def _equal(a: Dim | bool, b: Dim | bool) -> bool:
    if a == b:
        return True
    low, high = symbols.bounds(symbols.add(a, symbols.mul(b, -1)), {})
    return False if low > 0 or high < 0 else _undecided()


def _absolute(a: Dim) -> Dim:
    return symbols.mul(a, -1) if _less(a, 0) else a


def _select(condition: bool, a: Any, b: Any) -> Any:
    return a if condition else b


def _float_division(op: Operation, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Floats that hold sizes divide only where the quotient is whole."""
    return _elementwise(_divide if scalar(op.results[0]).is_integer else _whole_quotient)(op, a, b)


def _whole_quotient(a: Dim, b: Dim) -> Dim:
    quotient = symbols.floordiv(a, b) if b != 0 else _undecided()
    return quotient if symbols.mul(quotient, b) == a else _undecided()


def _same(op: Operation, x: np.ndarray) -> np.ndarray:
    return _exact(x)


def _cast(op: Operation, x: np.ndarray) -> np.ndarray:
    """Sizes keep their value in every integer and float type; a size as a boolean asks whether it is 0."""
    return _elementwise(lambda v: not _equal(v, 0), 1)(op, x) if scalar(op.results[0]).is_bool else _exact(x)


def _structural(op: Operation, *arrays: np.ndarray) -> np.ndarray:
    """Ops that only move elements evaluate on any objects."""
    assert isinstance(op, nn.NnOp)
    exact = [array if i and op.name == "nn.gather" else _exact(array) for i, array in enumerate(arrays)]
    if op.name == "nn.gather" and exact[1].dtype == object:
        raise UndecidedError
    try:
        return np.asarray(op.interpret(exact, {})[0], object)
    except (ValueError, IndexError):
        raise UndecidedError from None


def _broadcast(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.broadcast_to(_exact(x), dims(op.results[0]))  # type: ignore[arg-type]


def _reshape(op: Operation, x: np.ndarray) -> np.ndarray:
    return _exact(x).reshape(dims(op.results[0]))  # type: ignore[arg-type]


def _concat(op: Operation, *arrays: np.ndarray) -> np.ndarray:
    assert isinstance(op, nn.Concat)
    return np.concatenate([_exact(a) for a in arrays], axis=op.axis)


def _reduce(op: Operation, x: np.ndarray) -> np.ndarray:
    assert isinstance(op, nn.Reduce)
    combine = {"add": symbols.add, "mul": symbols.mul, "max": symbols.maximum, "min": symbols.minimum}.get(op.kind)
    if combine is None or not x.size:
        raise UndecidedError
    function = np.frompyfunc(combine, 2, 1)
    result = _exact(x)
    for axis in sorted(op.axes, reverse=True):
        result = np.asarray(function.reduce(result, axis=axis, keepdims=op.keep_dims), object)
    return result


_SYMBOLIC: dict[str, Symbolic] = {
    "nn.add": _elementwise(symbols.add),
    "nn.sub": _elementwise(lambda a, b: symbols.add(a, symbols.mul(b, -1))),
    "nn.mul": _elementwise(symbols.mul),
    "nn.div": _float_division,
    "nn.fmod": _elementwise(_remainder),
    "nn.mod": _elementwise(_remainder),
    "nn.min": _elementwise(symbols.minimum),
    "nn.max": _elementwise(symbols.maximum),
    "nn.neg": _elementwise(lambda a: symbols.mul(a, -1), 1),
    "nn.abs": _elementwise(_absolute, 1),
    "nn.lt": _elementwise(_less),
    "nn.gt": _elementwise(lambda a, b: _less(b, a)),
    "nn.le": _elementwise(lambda a, b: not _less(b, a)),
    "nn.ge": _elementwise(lambda a, b: not _less(a, b)),
    "nn.eq": _elementwise(_equal),
    "nn.ne": _elementwise(lambda a, b: not _equal(a, b)),
    "nn.where": _elementwise(_select, 3),
    "nn.floor": _same,
    "nn.ceil": _same,
    "nn.round": _same,
    "nn.cast": _cast,
    "nn.reshape": _reshape,
    "nn.broadcast_to": _broadcast,
    "nn.concat": _concat,
    "nn.reduce": _reduce,
    "nn.gather": _structural,
    "nn.gather_elements": _structural,
    "nn.slice": _structural,
    "nn.flip": _structural,
    "nn.transpose": _structural,
    "nn.tile": _structural,
}
