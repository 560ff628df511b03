"""The strategies for kernels without a schedule of their own: any loop nests (`generic`), and reductions with the
element-wise ops around them (`rows`)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir.attributes import DictAttr
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import NnOp
from ...ir.symbols import Dim, product
from ...ir.target import CpuTarget, CudaTarget
from .cluster import LARGEST, has_clusters
from .frame import returned, tensor_type
from .nest import NestSchedule, build_nest
from .plans import LONG, ResultPlan, estimate, plan_results
from .reductions import power_of_two
from .strategies import AnyTarget, register

CPU_WORK = 32768
"""Reads that make a CPU work item worth its start."""
CPU_LEAST_WORK = 4096
"""Reads below which a work item is not cut further."""
CPU_ROW = 8192
"""The most columns of a CPU work item, a quarter of an L1 cache of floats."""
SQUARE = 16
"""Rows and columns of a register tile that is transposed on the way."""
WHOLE = 1 << 30
"""More columns than any row has."""
THREADS = 128
COLUMN_THREADS = 256
COLUMN_ELEMENTS = 32
"""Threads of a block that reduces columns, and the most elements that each has of them."""
FEWEST_COLUMNS, MOST_COLUMNS = 8, 128
WARP = 32
WIDEST = 16
"""Bytes of the widest access of a thread."""
STREAMED = 4
"""Widest accesses of a thread to each operand where there is enough work for all: they are under way together."""
WAVES = 4
"""Thread blocks a multiprocessor gets one after the other, at least, before a thread gets more work than it must."""
TURNED = 64
"""Rows and columns of a tile that is transposed in shared memory."""
TURNING_THREADS = 256
ROW_IN_REGISTERS = 16384
"""The most columns of a row that a thread block keeps in registers."""
LONG_ROW, ROW_SHARES = 8192, (32, 64)
"""Columns of a row that a thread keeps where there are many rows: usually, and of rows longer than LONG_ROW that are
all that is read (scales and biases take registers too)."""


@dataclass(frozen=True)
class Generic:
    """Every element of the results from its loop nest; any shapes, types and groups of ops."""

    name: str = "generic"
    priority: int = 0

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        if (refused := _without_loop_nest(func)) is not None:
            return refused
        plans = plan_results(func)
        sizes = cpu_nest(plans, target) if isinstance(target, CpuTarget) else _cuda(func, plans, target)
        return sizes.to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        build_nest(func, NestSchedule.from_attribute(schedule))


@dataclass(frozen=True)
class Rows:
    """Reductions along contiguous memory and what is computed around them, a row at a time: softmax, layer norm.

    On a GPU the threads of a block share a row, or several short ones, kept in registers where it fits.
    """

    name: str = "rows"
    priority: int = 10

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        if (refused := _without_loop_nest(func)) is not None:
            return refused
        plans = plan_results(func)
        if not all(plan.reduces_rows for plan in plans):
            return "a result does not come from a reduction along contiguous memory"
        sizes = cpu_nest(plans, target) if isinstance(target, CpuTarget) else _cuda_rows(func, plans, target)
        return sizes.to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        build_nest(func, NestSchedule.from_attribute(schedule))


register(Generic())
register(Rows())


def _without_loop_nest(func: kernel.Func) -> str | None:
    for op in func.block:
        if isinstance(op, NnOp) and not op.has_loop_nest and op.name != "nn.constant":
            return f"'{op.name}' has no loop nest"
    return None


def _widest(plans: list[ResultPlan]) -> ResultPlan:
    return max(plans, key=lambda plan: estimate(product(plan.extents)) * plan.work)


def cpu_nest(plans: list[ResultPlan], target: CpuTarget) -> NestSchedule:
    """How one worker's rows and columns of some results are walked on a CPU."""
    plan = _widest(plans)
    columns = plan.columns
    worker_columns = WHOLE if plan.reduces_rows else CPU_ROW
    if isinstance(columns, int) and (columns <= 2 * CPU_ROW or plan.reduces_rows):
        worker_columns = max(columns, 1)
    if plan.transposes:
        return NestSchedule(SQUARE, worker_columns, SQUARE, SQUARE, 4 * target.lanes(32), 0)
    row = 1 if columns is None else min(estimate(columns), worker_columns)
    work = row + plan.work if plan.reduces_rows else row * plan.work
    rows = max(CPU_WORK // work, 1)
    last = plan.rows[-1] if plan.rows else 1
    # A few items for each core where they stay worth it; sizes that are not known may be small.
    share = estimate(product(plan.rows), unknown=1) // (4 * target.cores)
    rows = max(min(rows, max(share, CPU_LEAST_WORK // work)), 1)
    if isinstance(last, int) and last:
        rows = -(-last // -(-last // rows))
    return NestSchedule(2 * target.lanes(32), worker_columns, rows, 1, 4 * target.lanes(32), 0)


def _cuda(func: kernel.Func, plans: list[ResultPlan], target: CudaTarget) -> NestSchedule:
    plan = _widest(plans)
    if estimate(plan.across) >= LONG:
        return across_memory(plan, target.multiprocessors)
    if plan.transposes:
        rows, columns = (_turned_size(extent, func) for extent in (plan.rows[-1], plan.columns))
        return NestSchedule(columns, columns, rows, rows, THREADS * 4, TURNING_THREADS)
    bytes = max(tensor_type(v).scalar.bytes for v in returned(func))
    width = 1 if plan.work >= 16 else max(WIDEST // max(bytes, 2), 1)
    elements = estimate(product(plan.extents))
    while width > 1 and elements < THREADS * width * target.multiprocessors:
        width //= 2
    streamed = STREAMED if width > 1 else 1
    resident = target.threads_per_multiprocessor * target.multiprocessors
    while streamed > 1 and elements < WAVES * streamed * width * resident:
        streamed //= 2
    tile = THREADS * width * streamed
    lanes = tile if not isinstance(plan.columns, int) else min(tile, power_of_two(max(plan.columns, 1)))
    rows = 1
    if plan.rows and plan.columns is not None:
        rows = tile // lanes
        rows = rows if not isinstance(plan.rows[-1], int) else min(rows, power_of_two(max(plan.rows[-1], 1)))
    elif plan.columns is None:
        lanes, rows = 1, 1
    return NestSchedule(lanes, lanes, rows, rows, THREADS * 4, THREADS)


def across_memory(plan: ResultPlan, workers: int) -> NestSchedule:
    """Reductions of neighbours in memory that belong to different results: a block has a few of those side by
    side, so that there are some for all `workers`, and as many positions of the reduction as its registers hold."""
    assert plan.columns is not None
    neighbours = plan.rows[-1] if plan.transposes else plan.columns
    share = power_of_two(-(-estimate(product(plan.extents)) // workers))
    count = min(max(share, FEWEST_COLUMNS), MOST_COLUMNS, power_of_two(estimate(neighbours)))
    positions = min(COLUMN_THREADS * COLUMN_ELEMENTS // count, power_of_two(estimate(plan.across)))
    rows, columns = (count, 1) if plan.transposes else (1, count)
    return NestSchedule(columns, columns, rows, rows, positions, COLUMN_THREADS)


def _turned_size(extent: Dim | None, func: kernel.Func) -> int:
    """One side of a tile that is transposed: whole lines of memory where the tensor has them."""
    wide = max(tensor_type(v).scalar.bytes for v in (*returned(func), *func.block.arguments)) > 4
    most = TURNED // 2 if wide else TURNED
    return most if not isinstance(extent, int) else min(most, power_of_two(max(extent, 1)))


def _cuda_rows(func: kernel.Func, plans: list[ResultPlan], target: CudaTarget) -> NestSchedule:
    """A row in the registers of a block, or of a cluster where it is long; several short ones a block."""
    length = _row_length(plans)
    plan = _widest(plans)
    blocks = 1
    if isinstance(length, int) and has_clusters(target) and all(plan.has_columns for plan in plans):
        blocks = min(power_of_two(-(-length // ROW_IN_REGISTERS)), LARGEST)
    if not isinstance(length, int) or length > ROW_IN_REGISTERS * blocks:
        return NestSchedule(1024, WHOLE, 1, 1, 1024, 256)
    share = -(-max(length, 1) // blocks)
    count = estimate(product(plan.rows), unknown=1024)
    if count * length >= ROW_SHARES[0] * target.threads_per_multiprocessor * target.multiprocessors:
        alone = len(func.block.arguments) == 1
        most = ROW_SHARES[alone and length > LONG_ROW]
        return _streamed_rows(plan, share, blocks, most)
    lanes = power_of_two(share)
    rows = max(THREADS * 8 // lanes, 1) if blocks == 1 else 1
    while rows > 1 and count < rows * target.multiprocessors:
        rows //= 2
    if plan.rows and isinstance(plan.rows[-1], int):
        rows = min(rows, power_of_two(max(plan.rows[-1], 1)))
    threads = min(max(rows * lanes // 8, WARP), 512)
    return NestSchedule(lanes, lanes * blocks, rows, rows, lanes, threads, blocks)


def _streamed_rows(plan: ResultPlan, share: int, blocks: int, most: int) -> NestSchedule:
    """Many rows: few threads share one, `most` columns each, with many loads under way, and meet the quicker."""
    sharing = max(power_of_two(-(-share // most)), WARP)
    unit = sharing * math.gcd(share, WIDEST // 2)
    lanes = power_of_two(share) if share < unit else -(-share // unit) * unit
    if blocks > 1:
        return NestSchedule(lanes, lanes * blocks, 1, 1, lanes, sharing, blocks)
    rows = power_of_two(max(THREADS, sharing) * most // lanes + 1) // 2
    if plan.rows and isinstance(plan.rows[-1], int):
        rows = min(rows, power_of_two(max(plan.rows[-1], 1)))
    threads = max(power_of_two(rows * lanes // most), WARP)
    return NestSchedule(lanes, lanes, rows, rows, lanes, threads)


def _row_length(plans: list[ResultPlan]) -> Dim:
    """The columns that whole rows have in common."""
    extents = [plan.columns for plan in plans if plan.columns is not None]
    return extents[0] if extents else plans[0].reduced
