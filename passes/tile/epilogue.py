"""Where a kernel's results stand, seen from its root: element-wise ops keep an element's place, transposes move it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.core import BlockArgument, Operation, OpResult, Value
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import Elementwise
from ...ir.dialects.nn.reduction import Reduce
from ...ir.dialects.nn.views import Reshape, Transpose
from ...ir.symbols import Dim, add, mul
from .frame import returned, tensor_type

SPANS = (64,)
"""How many neighbouring columns of a product are combined into one element of a result, where it is a reduction."""


@dataclass(frozen=True)
class Placement:
    """The axis of the root along each dim of a result; None for dims of size 1 that the root does not have.

    Where the result is a reduction of `span` neighbouring columns into one, `axes` and `dims` are those of `reduced`,
    what it is a reduction of.
    """

    axes: tuple[int | None, ...]
    dims: tuple[Dim, ...]
    reduction: Reduce | None = None
    reduced: Value | None = None
    span: int = 1

    @property
    def moved(self) -> list[int]:
        """The root's axes of more than one element, in the result's order."""
        return [axis for axis, dim in zip(self.axes, self.dims, strict=True) if axis is not None and dim != 1]

    @property
    def keeps_order(self) -> bool:
        """Whether the result has the root's elements in the root's order."""
        return self.moved == sorted(self.moved)

    def index(self, of_root: Sequence[Dim]) -> tuple[Dim, ...]:
        """The index in the result of what stands at an index of the root; beyond the result where that is."""
        found = [0 if axis is None else of_root[axis] for axis in self.axes]
        # Lanes along a dim of size 1 that the result lacks: all but the first leave the result by another dim.
        lost = [index for axis, index in enumerate(of_root) if axis not in self.axes]
        found[-1] = add(found[-1], mul(functools.reduce(add, lost, 0), self.dims[-1]))
        return tuple(found)

    @staticmethod
    def of(result: Value, root: Value) -> Placement | None:
        """None where another op stands between the two."""
        axes = _axes(result, root)
        return None if axes is None else Placement(axes, tensor_type(result).dims)


def placements(
    func: kernel.Func, root: Value, reduced: bool = False, statistics: bool = False
) -> list[Placement] | None:
    """The placement of every result of a kernel; None where one does not follow its root so.

    What results are computed of beside the root may come from reductions where these are `reduced`. With `statistics`
    it may come from reductions of other operands (`row_values`), and results may reduce spans of columns.
    """
    found = [(statistics and _partial(value, root)) or Placement.of(value, root) for value in returned(func)]
    known = [one for one in found if one is not None]
    taken = [place.reduction for place in known]
    inside = dependents(func, root) | sources(root) if statistics else set(func.block)
    if not reduced and any(isinstance(op, Reduce) and op in inside and op not in taken for op in func.block):
        return None
    return known if len(known) == len(found) else None


def dependents(func: kernel.Func, root: Value) -> set[Operation]:
    """The ops of a kernel that compute with what the root makes."""
    found: set[Operation] = set()
    for op in func.block:
        if root in op.operands or any(v.owner in found for v in op.operands):
            found.add(op)
    return found


def sources(value: Value) -> set[Operation]:
    """The ops that a value is computed by."""
    found, pending = set[Operation](), [value]
    while pending:
        op = pending.pop().owner
        if isinstance(op, Operation) and op not in found:
            found.add(op)
            pending += op.operands
    return found


def row_values(func: kernel.Func, root: Value) -> list[Value]:
    """What a kernel computes for every row of the root by reductions of other operands, and broadcasts along it."""
    inside, made = dependents(func, root), set[Operation]()
    found: dict[Value, None] = {}
    for op in func.block:
        if op in inside:
            continue
        reads = [v for v in op.operands if v.owner in made]
        if isinstance(op, Reduce) or (reads and tensor_type(op.results[0]).dims[-1:] == (1,)):
            made.add(op)
    for op in func.block:
        if op not in made:
            found |= {v: None for v in op.operands if v.owner in made}
    return list(found)


def epilogue_operands(func: kernel.Func, root: Operation) -> list[Value]:
    """The arguments of a kernel that are read element by element: by element-wise ops, or as the bias of its root."""
    read = [*root.operands[2:], *(v for op in func.block if isinstance(op, Elementwise) for v in op.operands)]
    return list(dict.fromkeys(v for v in read if isinstance(v, BlockArgument)))


def _partial(value: Value, root: Value) -> Placement | None:
    """The placement of a reduction of spans of the root's last axis, spelled as that of the last axis of a reshape."""
    op = value.op if isinstance(value, OpResult) else None
    if not isinstance(op, Reduce) or op.keep_dims or op.kind not in ("add", "max", "min"):
        return None
    split = op.x.op if isinstance(op.x, OpResult) else None
    if not isinstance(split, Reshape) or op.axes != (tensor_type(op.x).rank - 1,):
        return None
    *outer, last = tensor_type(split.x).dims
    *kept, count, span = tensor_type(op.x).dims
    place = Placement.of(split.x, root)
    along = place is not None and place.keeps_order and place.axes[-1] == tensor_type(root).rank - 1
    if place is None or not along or kept != outer or mul(count, span) != last:
        return None
    return Placement(place.axes, place.dims, op, split.x, span) if isinstance(span, int) and span in SPANS else None


def _axes(value: Value, root: Value) -> tuple[int | None, ...] | None:
    dims = tensor_type(value).dims
    if value is root:
        return tuple(range(len(dims)))
    op = value.op if isinstance(value, OpResult) else None
    if isinstance(op, Transpose):
        inner = _axes(op.x, root)
        return None if inner is None else tuple(inner[axis] for axis in op.perm)
    if isinstance(op, Reshape):
        return _between_ones(_axes(op.x, root), tensor_type(op.x).dims, dims)
    if isinstance(op, Elementwise):
        found = (_between_ones(_axes(operand, root), tensor_type(operand).dims, dims) for operand in op.operands)
        return next((axes for axes in found if axes is not None), None)
    return None


def _between_ones(
    axes: tuple[int | None, ...] | None, before: Sequence[Dim], after: Sequence[Dim]
) -> tuple[int | None, ...] | None:
    """The axes along `after`, which differs from `before` in dims of size 1 alone."""
    if axes is not None and list(before) == list(after):
        return axes
    if axes is None or [dim for dim in before if dim != 1] != [dim for dim in after if dim != 1]:
        return None
    kept = iter([axis for axis, dim in zip(axes, before, strict=True) if dim != 1])
    return tuple(None if dim == 1 else next(kept) for dim in after)
