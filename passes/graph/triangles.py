"""Which masks are triangles: the condition `key <= query + offset` on the last two indices, however it is spelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import NnOp, broadcast_index, tensor_type
from ...ir.loop_nest import Index, Reduction
from ...ir.symbols import Dim, Expr
from ...ir.types import Scalar
from .match import constant

_QUERY, _KEY = symbols.symbol("%query"), symbols.symbol("%key")
HIDDEN = -1e4
"""Numbers from here down, added to a score, leave its key no weight."""


@dataclass(frozen=True)
class _Condition:
    """Holds where `margin`, an index expression, is not negative."""

    margin: Dim


_Known = Dim | _Condition | None
"""What is known of an element: its number, when it is true, or nothing."""


def triangle_offset(condition: Value, negated: bool = False) -> Dim | None:
    """c where the elements of a tensor of i1 [..., queries, keys] are `key <= query + c`; None for other tensors.

    With `negated`, the opposite of its elements is meant.
    """
    type = tensor_type(condition)
    if type.rank < 2:
        return None
    place = (*(symbols.symbol(f"%{axis}") for axis in range(type.rank - 2)), _QUERY, _KEY)
    try:
        known = _IndexBody().read(condition, broadcast_index(condition, place))
    except _UnknownError:
        return None
    if not isinstance(known, _Condition):
        return None
    return _offset(-known.margin - 1 if negated else known.margin)


def shows_a_key(offset: Dim) -> bool:
    """Whether every query sees a key, as far as is known."""
    return symbols.bounds(offset, {})[0] >= 0


def hidden_triangle(bias: np.ndarray) -> int | None:
    """c where an array of numbers to add to scores is 0 for keys up to query + c, and hides all others."""
    return _array_offset(bias == 0) if bool(((bias == 0) | (bias <= HIDDEN)).all()) else None


def _offset(margin: Dim) -> Dim | None:
    by_key = symbols.linear_part(margin, str(_KEY))
    by_query = None if by_key is None or by_key[0] != -1 else symbols.linear_part(by_key[1], str(_QUERY))
    if by_query is None or by_query[0] != 1:
        return None
    own = {name for name in symbols.free_symbols(by_query[1]) if name.startswith("%")}
    return None if own else by_query[1]


def _array_offset(visible: np.ndarray) -> int | None:
    """c where the last two axes of an array of booleans are everywhere `key <= query + c`."""
    if visible.ndim < 2 or not visible.size:
        return None
    rows, columns = visible.shape[-2:]
    first = visible.reshape(-1, rows, columns)[0, 0]
    offset = int(first.sum()) - 1
    if offset == columns - 1 and columns > 1:  # nothing is hidden
        return None
    return offset if bool((visible == np.tri(rows, columns, offset, dtype=bool)).all()) else None


class _UnknownError(Exception):
    """An element depends on more than its index."""


class _IndexBody:
    """Evaluates loop nests on index expressions."""

    def read(self, tensor: Value, index: Sequence[Dim], outside: float | None = None) -> _Known:
        op = tensor.owner
        if outside is not None or not isinstance(op, NnOp):
            return None
        if isinstance(op, nn.Constant) and not op.is_splat:
            return self._element(constant(tensor), index)
        return op.element(self, tuple(index)) if op.has_loop_nest else None

    def _element(self, array: np.ndarray | None, index: Sequence[Dim]) -> _Known:
        if array is None:
            return None
        if array.dtype == np.bool_:
            offset = _array_offset(array)
            return None if offset is None else _Condition(index[-2] + offset - index[-1])
        return _linear(array, index) if array.dtype.kind in "iu" else None

    def constant(self, value: float | bool, dtype: Scalar) -> _Known:
        return int(value) if dtype.is_integer and not dtype.is_bool else None

    def number(self, value: Dim, dtype: Scalar) -> _Known:
        return value

    def as_index(self, element: _Known) -> Expr:
        raise _UnknownError

    def apply(self, function: str, *args: _Known) -> _Known:
        if function == "not" and isinstance(args[0], _Condition):
            return _Condition(-args[0].margin - 1)
        if function not in _EXACT or len(args) != 2:
            return None
        a, b = args
        if a is None or b is None or isinstance(a, _Condition) or isinstance(b, _Condition):
            return None
        return _EXACT[function](a, b)

    def cast(self, element: _Known, dtype: Scalar, saturate: bool = True) -> _Known:
        if isinstance(element, _Condition):
            return element if dtype.is_bool else None
        return None if dtype.is_bool else element

    def bitcast(self, element: _Known, source: Scalar, target: Scalar) -> _Known:
        return None

    def reduce(self, kind: Reduction, extents: Sequence[Dim], term: Callable[[Index], _Known]) -> _Known:
        raise _UnknownError

    def fold(
        self, extent: Dim, start: Sequence[_Known], step: Callable[[Dim, Sequence[_Known]], Sequence[_Known]]
    ) -> Sequence[_Known]:
        raise _UnknownError


_EXACT: dict[str, Callable[[Dim, Dim], _Known]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "le": lambda a, b: _Condition(b - a),
    "lt": lambda a, b: _Condition(b - a - 1),
    "ge": lambda a, b: _Condition(a - b),
    "gt": lambda a, b: _Condition(a - b - 1),
}


def _linear(array: np.ndarray, index: Sequence[Dim]) -> _Known:
    """The element of an array that grows evenly along each of its axes, such as 0, 1, 2, …"""
    wide = array.astype(np.int64)
    origin = wide[(0,) * wide.ndim]
    total, grid = int(origin), np.full(wide.shape, origin)
    for axis, size in enumerate(wide.shape):
        if size > 1:
            step = int(wide[tuple(int(a == axis) for a in range(wide.ndim))] - origin)
            grid = grid + step * np.arange(size).reshape([-1 if a == axis else 1 for a in range(wide.ndim)])
            total = total + index[axis] * step
    return total if np.array_equal(grid, wide) else None
