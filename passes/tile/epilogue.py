"""Where a kernel's results stand, seen from its root: element-wise ops keep an element's place, transposes move it."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.core import OpResult, Value
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import Elementwise
from ...ir.dialects.nn.reduction import Reduce
from ...ir.dialects.nn.views import Reshape, Transpose
from ...ir.symbols import Dim, add, mul
from .frame import returned, tensor_type


@dataclass(frozen=True)
class Placement:
    """The axis of the root along each dim of a result; None for dims of size 1 that the root does not have."""

    axes: tuple[int | None, ...]
    dims: tuple[Dim, ...]

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


def placements(func: kernel.Func, root: Value, reduced: bool = False) -> list[Placement] | None:
    """The placement of every result of a kernel; None where one does not follow its root so.

    What results are computed of beside the root may come from reductions where these are `reduced`.
    """
    if not reduced and any(isinstance(op, Reduce) for op in func.block):
        return None
    found = [Placement.of(value, root) for value in returned(func)]
    known = [one for one in found if one is not None]
    return known if len(known) == len(found) else None


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
