"""Matrix products and normalizations of their rows on CPUs, in one launch.

Each worker computes its share of the product's tiles; all meet at a `tile.grid_barrier` and share the rows, which they
read from where the product was written: from a result of its own where others read it too, else from that of the
normalized rows, which then change in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DictAttr, IntegerAttr
from ...ir.core import Operation, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import Elementwise
from ...ir.dialects.nn.contraction import MatMul
from ...ir.dialects.nn.reduction import Reduce
from ...ir.dialects.nn.views import Reshape
from ...ir.symbols import product
from ...ir.target import CpuTarget
from .cpu_gemm import Gemm, GemmSchedule, Shape, gemm_schedules, pack_weights
from .epilogue import Placement
from .frame import Frame, only_root, open_frame, read_back, returned, tensor_type
from .generic import cpu_nest
from .merging import Merged
from .nest import NestSchedule, Section
from .plans import ResultPlan, plan_result
from .strategies import AnyTarget, register


@dataclass(frozen=True)
class CpuGemmRows:
    """A product with constant weights, then reductions along its rows and what is computed of them."""

    name: str = "gemm_rows"
    priority: int = 100

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, MatMul)
        if not isinstance(target, CpuTarget) or not isinstance(root, MatMul):
            return "not one matrix product on a CPU"
        rows = _normalized_rows(func, root)
        if isinstance(rows, str):
            return rows
        if not tensor_type(root.a).scalar.is_float or tensor_type(root.a).scalar.bits > 32:
            return "its elements are not f32 or narrower floats"
        sizes, plan = next(iter(gemm_schedules(func, root, target)), None), _plan(func, rows)
        if sizes is None or sizes.packed != 1:
            return "the product's right operand is no constant matrix"
        if not plan.reduces_rows or plan.columns != Shape.of(root).columns:
            return "the rows that are reduced are not the product's"
        if len(returned(func)) == 1 and plan.extents != (Shape.of(root).rows, Shape.of(root).columns):
            return "its rows cannot be walked alike by the product and the reductions, and have no memory of their own"
        nest = cpu_nest([plan], target)
        return DictAttr.of(
            {"workers": IntegerAttr(target.cores), "product": sizes.to_attribute(), "rows": nest.to_attribute()}
        )

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        values = dict(schedule.items)
        workers, gemm, nest = (values.get(name) for name in ("workers", "product", "rows"))
        if not isinstance(workers, IntegerAttr) or not isinstance(gemm, DictAttr) or not isinstance(nest, DictAttr):
            raise ValueError(f"not the schedule of a product and its rows: {schedule}")
        sizes = GemmSchedule.from_attribute(gemm)
        root = only_root(func, MatMul)
        assert isinstance(root, MatMul)
        weights = pack_weights(func, root, sizes)
        rows = _normalized_rows(func, root)
        assert isinstance(rows, Value)
        shape, plan = Shape.of(root), _plan(func, rows)
        merged = (shape.rows, shape.columns)
        frame = open_frame(func, [merged, plan.extents] if len(returned(func)) == 2 else [plan.extents])
        place = Placement.of(rows, root.result)
        assert place is not None
        _emit_share(frame, Gemm(frame, root, shape, sizes, [(rows, frame.results[0], place)], weights))
        frame.body.builder.effect(tile.GridBarrier())
        read_back(frame, rows, frame.results[0], settled=True)
        Section(frame, NestSchedule.from_attribute(nest), [(plan, frame.results[-1])]).emit_share()
        frame.finish((workers.value,), None)


def _normalized_rows(func: kernel.Func, root: MatMul) -> Value | str:
    """The tensor of the kernel that is written before rows of it are reduced, or why there is none."""
    results = returned(func)
    rows = root.result
    while len(users := set(rows.users)) == 1 and isinstance(user := users.pop(), Elementwise | Reshape):
        rows = user.results[0]
    if len(results) > 2 or (len(results) == 2 and results[0] is not rows):
        return "its results are not the product and the normalized rows"
    place = Placement.of(rows, root.result)
    reductions = [op for op in func.block if isinstance(op, Reduce)]
    if place is None or not place.keeps_order or not reductions:
        return "no rows of the product are reduced"
    final = results[len(results) - 1]
    if tensor_type(final).dims != tensor_type(rows).dims:
        return "its result has another shape than the rows that are reduced"
    if len(results) == 1 and tensor_type(final).dtype != tensor_type(rows).dtype:
        return "its rows have another type than its result, in whose memory they would be"
    if not all(_depends(op, rows) for op in reductions):
        return "it reduces other rows than the product's"
    return rows


def _depends(op: Operation, value: Value) -> bool:
    return any(v is value or (isinstance(v.owner, Operation) and _depends(v.owner, value)) for v in op.operands)


def _plan(func: kernel.Func, rows: Value) -> ResultPlan:
    """How the normalized rows are walked, the product being in memory."""
    return plan_result(func, returned(func)[-1], {rows: 0})


def _emit_share(frame: Frame, gemm: Gemm) -> None:
    """This worker's part of the product: items that follow each other, so that it reads few panels of weights."""
    body, indices = frame.body, frame.body.indices
    count = product(gemm.grid)
    number, programs = (indices.scalar(body.builder.pure(op)) for op in (tile.ProgramId(0), tile.NumPrograms(0)))
    first, last = (symbols.floordiv(count * n, programs) for n in (number, number + 1))
    rows, columns, batches = gemm.grid

    def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
        batch, column, row = Merged((), (batches, columns, rows), indices).split(indices.scalar(counter, count))
        gemm.emit((row, column, batch))
        return ()

    body.loop(last, 1, (), step, first=first)


register(CpuGemmRows())
