"""Have a model give the range of its data-dependent indices, for `--debug-bounds`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir.attributes import DenseAttr, DictAttr, StringAttr
from ...ir.core import Block, Operation, Region, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func, Module, Return
from ...ir.index_checks import IndexCheck, attach, is_wanted
from ...ir.symbols import Dim, free_symbols
from ...ir.types import TensorType, i64
from ..base import EXACT, Pass, PassContext

Indexed = nn.Gather | nn.GatherElements | nn.GatherNd | nn.ScatterElements | nn.ScatterNd


class CheckIndices(Pass):
    """Where the module asks for it (`kw.debug_bounds`), return the least and the greatest index of every gather and
    scatter as further results of `main`; the runtime compares them with the sizes after a run.

        %0 = "nn.gather"(%x, %i) {axis = 0 : i64} : (tensor<9x4xf32>, tensor<3xi64>) -> tensor<3x4xf32>

    is followed by

        %1 = "nn.reduce"(%i) {kind = "min", axes = array<i64: 0>} : (tensor<3xi64>) -> tensor<i64>
        %2 = "nn.reduce"(%i) {kind = "max", axes = array<i64: 0>} : (tensor<3xi64>) -> tensor<i64>

    In the regions of `nn.if` and `nn.loop` they are further results of these: of a branch that was not taken there are
    no indices, and a loop carries the least and the greatest of its iterations. An axis whose size a region reads
    itself is not checked, since no value of its size is known outside.
    """

    name = "check-indices"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        if not is_wanted(module):
            return
        main = module.main
        found = _checked(main.block, context)
        if found:
            _give(main, [value for one in found for value in (one.least, one.greatest)])
            attach(main, [one.check for one in found])


@dataclass(frozen=True)
class _Range:
    """The least and the greatest index of a check, as values of a block."""

    check: IndexCheck
    least: Value
    greatest: Value


def _checked(block: Block, context: PassContext) -> list[_Range]:
    """The checks of a block and of the control flow in it."""
    found: list[_Range] = []
    for op in list(block):
        if isinstance(op, Indexed):
            found.append(_Range(IndexCheck(_sizes(op), op.location.names or (op.name,)), *_range(op)))
            context.count("ops")
        elif isinstance(op, nn.If):
            found += _through_branches(op, context)
        elif isinstance(op, nn.Loop):
            found += _through_loop(op, context)
    return found


def _inside(region: Region, context: PassContext) -> list[_Range]:
    """The checks of a region whose sizes are known around it."""
    own = {
        name for op in region.block for inner in op.walk() if isinstance(inner, nn.ReadSizes) for name in inner.symbols
    }
    known: list[_Range] = []
    for one in _checked(region.block, context):
        if any(own & free_symbols(size) for size in one.check.sizes):
            context.remark(region.block.terminator, f"indices of {', '.join(one.check.nodes)} are not checked")
        else:
            known.append(one)
    return known


def _through_branches(op: nn.If, context: PassContext) -> list[_Range]:
    then, otherwise = _inside(op.then, context), _inside(op.otherwise, context)
    if not then and not otherwise:
        return []
    ends = op.then.block.terminator, op.otherwise.block.terminator
    ends[0].set_operands([*ends[0].operands, *_both(then), *_nothing(otherwise, ends[0])])
    ends[1].set_operands([*ends[1].operands, *_nothing(then, ends[1]), *_both(otherwise)])
    ranges = [*then, *otherwise]
    types = [*(result.type for result in op.results), *(value.type for value in _both(ranges))]
    regions = [op.then, op.otherwise]
    op.regions.clear()
    new = nn.If(op.condition, *regions, result_types=types, location=op.location)
    return _replaced(op, new, len(op.results), ranges)


def _through_loop(op: nn.Loop, context: PassContext) -> list[_Range]:
    ranges = _inside(op.body, context)
    if not ranges:
        return []
    carried, block = len(op.initial), op.body.block
    start = _nothing(ranges, op)
    end, so_far = block.terminator, [block.add_argument(value.type) for value in start]
    merged: list[Value] = []
    for place, value in enumerate(_both(ranges)):
        combine = nn.Max(so_far[place], value) if place % 2 else nn.Min(so_far[place], value)
        merged.append(block.insert_before(combine, end).results[0])
    yielded = end.operands
    end.set_operands([*yielded[: 1 + carried], *merged, *yielded[1 + carried :]])
    types = [result.type for result in op.results]
    types[carried:carried] = [value.type for value in start]
    body = op.body
    op.regions.clear()
    new = nn.Loop(body, op.trip_count, op.condition, (*op.initial, *start), result_types=types, location=op.location)
    return _replaced(op, new, carried, ranges)


def _replaced(op: Operation, new: Operation, place: int, ranges: Sequence[_Range]) -> list[_Range]:
    """Put `new` in the place of `op`, whose results from `place` on are those of `ranges`; these, outside."""
    assert op.parent is not None
    op.parent.insert_before(new, op)
    count = 2 * len(ranges)
    op.replace_all_uses_with([*new.results[:place], *new.results[place + count :]])
    op.erase()
    added = new.results[place : place + count]
    return [_Range(one.check, *added[2 * i : 2 * i + 2]) for i, one in enumerate(ranges)]


def _both(ranges: Sequence[_Range]) -> list[Value]:
    return [value for one in ranges for value in (one.least, one.greatest)]


def _nothing(ranges: Sequence[_Range], before: Operation) -> list[Value]:
    """The ranges of no indices, in front of an op."""
    limits, values = np.iinfo(np.int64), []
    for value, limit in zip(_both(ranges), (limits.max, limits.min) * len(ranges), strict=True):
        assert isinstance(value.type, TensorType) and before.parent is not None
        shape = [size for size in value.type.dims if isinstance(size, int)]
        constant = nn.Constant(DenseAttr(np.full(shape, limit, np.int64)))
        values.append(before.parent.insert_before(constant, before).results[0])
    return values


def _sizes(op: Operation) -> tuple[Dim, ...]:
    """The sizes of the axes that `op` has indices of."""
    assert isinstance(op, Indexed)
    type = op.x.type
    assert isinstance(type, TensorType)
    match op:
        case nn.GatherNd():
            return type.dims[op.batch_dims : op.batch_dims + op.depth]
        case nn.ScatterNd():
            return type.dims[: op.depth]
        case _:
            return (type.dims[op.axis],)


def _range(op: Operation) -> list[Value]:
    """The least and the greatest index, in front of `op`: of each place in a vector, where indices are vectors."""
    assert isinstance(op, Indexed) and op.parent is not None
    new: list[Operation] = []
    indices = op.indices
    type = indices.type
    assert isinstance(type, TensorType)
    if type.dtype != i64:
        new.append(nn.Cast(indices, i64))
        indices = new[-1].results[0]
    axes = tuple(range(type.rank - isinstance(op, nn.GatherNd | nn.ScatterNd)))
    new += [nn.Reduce(indices, "min", axes), nn.Reduce(indices, "max", axes)]
    for made in new:
        made.location = op.location
        op.parent.insert_before(made, op)
    return [made.results[0] for made in new[-2:]]


def _give(main: Func, values: Sequence[Value]) -> None:
    """Return `values` as well."""
    end = main.block.terminator
    returned = tuple(end.operands)
    named = main.res_attrs or (DictAttr(()),) * len(returned)
    main.res_attrs = (*named, *(DictAttr.of({"kw.name": StringAttr(f"indices:{i}")}) for i in range(len(values))))
    end.drop_operands()
    end.erase()
    main.block.append(Return((*returned, *values)))
    main.update_type()
