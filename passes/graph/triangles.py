"""Which masks are triangles: the condition `key <= query + offset` on the last two indices, however it is spelled."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects.nn.base import broadcast_index, tensor_type
from ...ir.symbols import Dim
from .index_forms import Condition, Form, IndexForms, linear_array

_QUERY, _KEY = symbols.symbol("%query"), symbols.symbol("%key")
HIDDEN = -1e4
"""Numbers from here down, added to a score, leave its key no weight."""


def triangle_offset(condition: Value, negated: bool = False) -> Dim | None:
    """c where the elements of a tensor of i1 [..., queries, keys] are `key <= query + c`; None for other tensors.

    With `negated`, the opposite of its elements is meant.
    """
    type = tensor_type(condition)
    if type.rank < 2:
        return None
    place = (*(symbols.symbol(f"%{axis}") for axis in range(type.rank - 2)), _QUERY, _KEY)
    known = IndexForms(_array_form).form(condition, broadcast_index(condition, place))
    if not isinstance(known, Condition):
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


def _array_form(array: np.ndarray, index: Sequence[Dim]) -> Form:
    if array.dtype == np.bool_:
        offset = _array_offset(array)
        return None if offset is None else Condition(index[-2] + offset - index[-1])
    return linear_array(array, index)
