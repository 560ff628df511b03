"""Find out what positions, masks and indices are, for every size at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseAttr
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import scalar_type, tensor_type
from ...ir.profile import Profile
from ...ir.symbols import Dim, Expr, Interval, product
from ...ir.types import Scalar, TensorType, i64
from ..base import EXACT, Pass, PassContext
from ..rewrite import GreedyDriver, Pattern, Rewriter
from .index_forms import Condition, Form, IndexForms, linear_array

_NOT_FOLDED = (nn.Constant, nn.Iota, nn.Size, nn.DimOf, nn.ShapeOf, nn.Reshape, nn.BroadcastTo)
"""What numbers come from, and what only repeats them."""


class FoldIndices(Pass):
    """Replace integers and booleans that do not depend on data by the number they are, and gathers at places that
    follow each other by views. Where all sizes are known, `fold-constants` can do without; this pass knows that ranges
    stay below their symbolic sizes.

        %0 = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<?xi64, #kw.dims<"seq">>
        %1 = "nn.ge"(%0, %zero) : (tensor<?xi64, #kw.dims<"seq">>, tensor<i64>) -> tensor<?xi1, #kw.dims<"seq">>
        %2 = "nn.gather"(%x, %0) {axis = 0 : i64}
             : (tensor<?x4xf32, #kw.dims<"seq">>, tensor<?xi64, #kw.dims<"seq">>) -> tensor<?x4xf32, #kw.dims<"seq">>

    becomes a constant for %1, and %x for %2.
    """

    name = "fold-indices"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        known = Profile.of(module).ranges
        ranges = {name: (float(r.min), math.inf if r.max is None else float(r.max)) for name, r in known.items()}
        folder = _Folder(ranges)
        patterns = [Pattern((nn.NnOp,), folder.number_everywhere), Pattern((nn.Gather,), folder.gather_in_order)]
        GreedyDriver([*patterns, Pattern((nn.GatherNd,), folder.gather_nd_in_order)], context).run(module)


class _Folder:
    def __init__(self, ranges: dict[str, Interval]) -> None:
        self.ranges = ranges

    def _forms(self) -> IndexForms:
        return IndexForms(_array_form, ranges=self.ranges)

    def number_everywhere(self, op: nn.NnOp, rw: Rewriter) -> None:
        """f(index) = constant, where it is the same for every index"""
        if isinstance(op, _NOT_FOLDED) or len(op.results) != 1 or not isinstance(op.results[0].type, TensorType):
            return
        (result,) = op.results
        if not _is_integer(scalar_type(result)) or tensor_type(result).size == 0:
            return
        forms = self._forms()
        found = _number(forms.form(result, forms.place(result)))
        if found is None:
            return
        value = rw.insert(nn.Constant(DenseAttr(np.array(found, scalar_type(result).numpy)))).result
        rw.replace(op, nn.BroadcastTo(value, result_types=[result.type]) if tensor_type(result).rank else value)

    def gather_in_order(self, op: nn.Gather, rw: Rewriter) -> None:
        """gather(x, [a, a + 1, …]) = slice(x)"""
        forms = self._forms()
        place = forms.form(op.indices, forms.place(op.indices))
        if isinstance(place, int | Expr):
            self._replace_by_views(op, op.x, op.axis, place, forms, rw)

    def gather_nd_in_order(self, op: nn.GatherNd, rw: Rewriter) -> None:
        """gather_nd(x, [[a, b], [a, b + 1], …]) = slice(x)"""
        if op.batch_dims:
            return
        forms, dims = self._forms(), tensor_type(op.x).dims
        vector = forms.place(op.indices)[:-1]
        flat: Dim = 0
        for axis in range(op.depth):
            place = forms.form(op.indices, (*vector, axis))
            if not isinstance(place, int | Expr):
                return
            if not forms.never_negative(place):
                return
            flat = flat * dims[axis] + place
        if _walk(flat, tensor_type(op.indices).dims[:-1]) is not None:
            joined = tensor_type(op.x).with_shape((product(dims[: op.depth]), *dims[op.depth :]))
            source = rw.insert(nn.Reshape(op.x, result_types=[joined]))
            self._replace_by_views(op, source.result, 0, flat, forms, rw)

    def _replace_by_views(
        self, op: nn.Gather | nn.GatherNd, x: Value, axis: int, place: Dim, forms: IndexForms, rw: Rewriter
    ) -> None:
        """Replace the gather of x along `axis` at `place`, in terms of the indices' own index."""
        type = tensor_type(x)
        after = len(type.dims) - axis - 1
        result = tensor_type(op.result)
        indices = result.dims[axis : result.rank - after]
        walk = _walk(place, indices)
        if walk is None:
            return
        start, walked = walk
        size = type.dims[axis]
        end = symbols.add(start, product(walked))
        if not forms.never_negative(start):
            return
        if not forms.never_negative(size - end):
            if isinstance(op, nn.Gather):  # it reads the nearest element where there is none
                return
            x = rw.insert(nn.Gather(x, _range(start, end, rw), axis)).result
        elif (start, end) != (0, size):
            starts = [start if a == axis else 0 for a in range(type.rank)]
            ends = [end if a == axis else dim for a, dim in enumerate(type.dims)]
            x = rw.insert(nn.Slice(x, tuple(starts), tuple(ends), (1,) * type.rank)).result
        once = result.with_shape((*result.dims[:axis], *walked, *result.dims[result.rank - after :]))
        spread = rw.insert(nn.Reshape(x, result_types=[once]))
        rw.replace(op, nn.BroadcastTo(spread.result, result_types=[result]))


def _range(start: Dim, end: Dim, rw: Rewriter) -> Value:
    type = TensorType((symbols.add(end, -start),), i64)
    return rw.insert(nn.Iota(start=start, result_types=[type])).result


def _walk(place: Dim, dims: Sequence[Dim]) -> tuple[Dim, tuple[Dim, ...]] | None:
    """Where `place` starts and the dims it walks in order, 1 for those it does not depend on; None where it jumps."""
    walked: list[Dim] = []
    step: Dim = 1
    for axis, dim in reversed(list(enumerate(dims))):
        linear = symbols.linear_part(place, f"%{axis}")
        if linear is None:
            return None
        slope, place = linear
        if slope not in (0, step):
            return None
        walked.insert(0, 1 if slope == 0 else dim)
        step = step if slope == 0 else step * dim
    own = {name for name in symbols.free_symbols(place) if name.startswith("%")}
    return None if own else (place, tuple(walked))


def _is_integer(dtype: Scalar) -> bool:
    return dtype.is_bool or (dtype.is_integer and dtype.bits >= 32)


def _number(form: Form) -> int | bool | None:
    if isinstance(form, Condition):
        return form.decided
    return form if isinstance(form, int) else None


def _array_form(array: np.ndarray, index: Sequence[Dim]) -> Form:
    if array.dtype == np.bool_ and array.size and bool((array == array.flat[0]).all()):
        return Condition(0 if array.flat[0] else -1)
    return linear_array(array, index)
