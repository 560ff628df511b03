"""How the results of a kernel are walked: which dims merge, and which of them are columns.

Each result's dims are merged as far as its reads allow. The last merged dim is its columns, unless the result is better
computed one element at a time by a reduction along contiguous memory; all others are rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import OpResult, Value
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import Elementwise
from ...ir.dialects.nn.constants import Constant
from ...ir.dialects.nn.reduction import Reduce
from ...ir.dialects.nn.views import Reshape, Transpose
from ...ir.symbols import Dim, Expr, product
from .access import Memory
from .frame import open_frame, returned, tensor_type
from .indices import Indices
from .merging import Merged, Read, address, merge_dims

LONG = 32
"""A reduction over fewer positions does not decide the order in which memory is walked."""


@dataclass(frozen=True)
class ResultPlan:
    """How one result is walked: its merged dims, rows first; the last are its columns where `has_columns`."""

    tensor: Value
    groups: tuple[tuple[Dim, ...], ...]
    has_columns: bool
    reduces_rows: bool
    """A reduction along contiguous memory depends on the rows alone."""
    reduced: Dim
    """The positions of the longest such reduction."""
    work: int
    """Reads for one element, roughly."""
    transposes: bool = False
    """Some memory is contiguous along the last rows dim and not along the columns."""
    across: Dim = 1
    """The positions of the longest reduction of neighbours in memory that belong to different results."""

    @property
    def extents(self) -> tuple[Dim, ...]:
        return tuple(product(group) for group in self.groups)

    @property
    def rows(self) -> tuple[Dim, ...]:
        return self.extents[:-1] if self.has_columns else self.extents

    @property
    def columns(self) -> Dim | None:
        return self.extents[-1] if self.has_columns else None


def plan_results(func: kernel.Func) -> list[ResultPlan]:
    """How each result of a kernel is best walked, from one dry run of its loop nest."""
    return [plan_result(func, tensor) for tensor in returned(func)]


def plan_result(func: kernel.Func, tensor: Value, stored: Mapping[Value, int] | None = None) -> ResultPlan:
    """How one result is best walked; `stored` are read from the memory of the result whose number they have."""
    frame = open_frame(func)
    body, dims = frame.body, tensor_type(tensor).dims
    for value, number in (stored or {}).items():
        body.memories[value] = Memory(frame.results[number].value, tensor_type(value).dims)
    if 0 in dims:
        return ResultPlan(tensor, ((0,),), has_columns=True, reduces_rows=False, reduced=1, work=1)
    walks, sample = body.probe(dims, lambda index: body.read(tensor, index))
    groups = merge_dims(body.indices, walks, dims, sample.reads)
    walked = [walk for walk, dim in zip(walks, dims, strict=True) if dim != 1]
    votes = _Votes.of(body.indices, walked, sample.reads)
    columns = bool(groups) and not votes.by_element
    shapes = tuple(group.extents for group in groups)
    return ResultPlan(
        tensor,
        shapes,
        columns,
        votes.along_rows,
        votes.reduced,
        votes.work,
        columns and _transposes(body.indices, walks, groups, sample.reads),
        votes.across if columns and _is_reduction(tensor, stored or {}) else 1,
    )


def _is_reduction(tensor: Value, stored: Mapping[Value, int]) -> bool:
    """Whether nothing but reductions makes an element of many."""
    pending, reduces = [tensor], False
    while pending:
        value = pending.pop()
        if value in stored or not isinstance(value, OpResult):
            continue
        if not isinstance(value.op, Elementwise | Reduce | Transpose | Reshape | Constant):
            return False
        reduces |= isinstance(value.op, Reduce)
        pending.extend(value.op.operands)
    return reduces


def _transposes(indices: Indices, walks: Sequence[Expr], groups: Sequence[Merged], reads: Sequence[Read]) -> bool:
    if len(groups) < 2:
        return False
    row, column = (str(_innermost(walks, group)) for group in groups[-2:])
    for read in reads:
        place = indices.normalize(address(read.index, read.shape))
        if _slope(place, row) == 1 and _slope(place, column) not in (0, 1, None):
            return True
    return False


def _innermost(walks: Sequence[Expr], group: Merged) -> Expr:
    """The walk that moves fastest in a group of merged dims."""
    wide = [d for d, extent in zip(group.dims, group.extents, strict=True) if extent != 1]
    return walks[wide[-1] if wide else group.dims[-1]]


@dataclass(frozen=True)
class _Votes:
    by_element: bool
    along_rows: bool
    reduced: Dim
    work: int
    across: Dim

    @staticmethod
    def of(indices: Indices, walks: Sequence[Expr], reads: Sequence[Read]) -> _Votes:
        names = {str(walk) for walk in walks}
        last = str(walks[-1]) if walks else ""
        across = along = shared = False
        work = 0
        reduced: Dim = 1
        beside: Dim = 1
        for read in reads:
            place = indices.normalize(address(read.index, read.shape))
            inner = [n for n in symbols.free_symbols(place) - names if n in indices.extents]
            work += estimate(product(indices.extents[n] for n in inner))
            step, run = _slope(place, last), _contiguous(indices, place, inner)
            contiguous = not isinstance(run, int) or run >= LONG
            across |= contiguous and step not in (0, 1)
            along |= bool(inner) and step == 1
            if any(_slope(place, name) == 1 for name in names):
                beside = max(beside, product(indices.extents[n] for n in inner), key=estimate)
            shared |= contiguous and step == 0
            reduced = max(reduced, run, key=estimate)
        by_element = (across and not along) or (shared and not walks)
        return _Votes(by_element, shared or by_element, reduced, max(work, 1), beside)


def _slope(place: Dim, name: str) -> Dim | None:
    linear = symbols.linear_part(place, name)
    return None if linear is None else linear[0]


def _contiguous(indices: Indices, place: Dim, inner: Sequence[str]) -> Dim:
    """How many neighbours in memory the inner dims of a nest walk."""
    run: Dim = 1
    left = list(inner)
    while left:
        following = [n for n in left if _slope(place, n) == run]
        if not following:
            break
        run = run * indices.extents[following[0]]
        left.remove(following[0])
    return run


def estimate(size: Dim, unknown: int = 64) -> int:
    """A size with every symbol of the model taken for `unknown`."""
    bound = symbols.substitute(size, dict.fromkeys(symbols.free_symbols(size), unknown))
    assert isinstance(bound, int)
    return max(bound, 1)
