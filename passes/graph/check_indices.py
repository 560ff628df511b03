"""Have a model give the range of its data-dependent indices, for `--debug-bounds`."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.attributes import DictAttr, StringAttr
from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func, Module, Return
from ...ir.index_checks import IndexCheck, attach, is_wanted
from ...ir.symbols import Dim
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

    Ops inside the regions of `nn.if` and `nn.loop` are not checked.
    """

    name = "check-indices"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        if not is_wanted(module):
            return
        main = module.main
        checks: list[IndexCheck] = []
        ranges: list[Value] = []
        for op in list(main.block):
            if isinstance(op, Indexed):
                checks.append(IndexCheck(_sizes(op), op.location.names or (op.name,)))
                ranges += _range(op)
                context.count("ops")
        if checks:
            _give(main, ranges)
            attach(main, checks)


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
