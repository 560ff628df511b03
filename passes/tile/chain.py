"""Chains of small products (chain-products): one launch whose workers do the links one after the other.

A link sums up products, or elements, for each of its results: with lanes along what is summed up where that is longer,
else along its results. Weights are packed in that order. Workers share the results of a link and meet at a
`tile.grid_barrier` before the next one, which reads them where they were written.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir.attributes import ArrayAttr, DictAttr, IntegerAttr
from ...ir.core import BlockArgument, Operation, OpResult, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.contraction import MatMul
from ...ir.dialects.nn.convolution import Conv
from ...ir.dialects.nn.reduction import Reduce
from ...ir.symbols import Dim, product
from ...ir.target import CpuTarget, CudaTarget
from .cuda_blocks import usual_sizes
from .frame import open_frame, read_back, returned, tensor_type
from .generic import CPU_LEAST_WORK, WHOLE, across_memory
from .nest import NestSchedule, Section
from .overlap_launches import overlaps
from .packing import repack, reshape, transpose
from .plans import LONG, estimate, plan_result
from .reductions import power_of_two
from .strategies import AnyTarget, register

THREADS = 256
LARGEST_CLUSTER = 16
"""Blocks of a cluster, which meet sooner than those of a grid. For one image they are enough."""
ELEMENTS = 32
"""The most elements of a register tile that a thread of a GPU holds: their loads are on the way together."""


@dataclass(frozen=True)
class ChainSchedule:
    """`workers` programs, all on the machine at once, and a nest for each link. `cluster`: they are one cluster."""

    workers: int
    cluster: bool
    links: tuple[NestSchedule, ...]

    def to_attribute(self) -> DictAttr:
        links = ArrayAttr(tuple(link.to_attribute() for link in self.links))
        sizes = {"workers": IntegerAttr(self.workers), "cluster": IntegerAttr(int(self.cluster))}
        return DictAttr.of({**sizes, "links": links})

    @staticmethod
    def from_attribute(attribute: DictAttr) -> ChainSchedule:
        """Raises ValueError where `attribute` is not the schedule of a chain."""
        values = dict(attribute.items)
        workers, cluster, links = values.get("workers"), values.get("cluster"), values.get("links")
        if not (isinstance(workers, IntegerAttr) and isinstance(cluster, IntegerAttr) and isinstance(links, ArrayAttr)):
            raise ValueError(f"not the schedule of a chain: {attribute}")
        nests = [link for link in links.values if isinstance(link, DictAttr)]
        return ChainSchedule(workers.value, bool(cluster.value), tuple(map(NestSchedule.from_attribute, nests)))


@dataclass(frozen=True)
class Chain:
    """Results that are each made of the one before."""

    name: str = "chain"
    priority: int = 50

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        results = returned(func)
        if not _is_chain(results):
            return "its results are not made of each other, one after the other"
        if not any(isinstance(op, Conv | MatMul) for op in func.block):
            return "no link is a product, which another launch would be worth"
        links = [_link(func, number, target) for number in range(len(results))]
        if isinstance(target, CpuTarget):
            return ChainSchedule(target.cores, False, tuple(links)).to_attribute()
        most = max(_workers(tensor_type(v).dims, link) for v, link in zip(results, links, strict=True))
        cluster = overlaps(target) and all(usual_sizes(func)(tensor_type(v).dims[0]) == 1 for v in results)
        most = min(power_of_two(most), LARGEST_CLUSTER) if cluster else min(most, target.multiprocessors)
        return ChainSchedule(most, cluster, tuple(links)).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = ChainSchedule.from_attribute(schedule)
        results = returned(func)
        if len(results) != len(sizes.links):
            raise ValueError(f"a schedule of {len(sizes.links)} links for a chain of {len(results)}")
        for result in results:
            pack_weights(func, result, target)
        plans = [plan_result(func, tensor, _numbered(results[:number])) for number, tensor in enumerate(results)]
        frame = open_frame(func, [plan.extents for plan in plans])
        for number, (plan, link, memory) in enumerate(zip(plans, sizes.links, frame.results, strict=True)):
            Section(frame, link, [(plan, memory)]).emit_share()
            if number + 1 < len(plans):
                frame.body.builder.effect(tile.ClusterBarrier() if sizes.cluster else tile.GridBarrier())
                read_back(frame, plan.tensor, memory)
        if sizes.cluster:
            func.cluster = (sizes.workers,)
        frame.finish((sizes.workers,), THREADS if isinstance(target, CudaTarget) else None)


register(Chain())


def _numbered(results: Sequence[Value]) -> dict[Value, int]:
    return {value: number for number, value in enumerate(results)}


def _is_chain(results: Sequence[Value]) -> bool:
    pairs = itertools.pairwise(results)
    return len(results) > 1 and all(_depends(after, before) for before, after in pairs)


def _depends(value: Value, source: Value) -> bool:
    op = _maker(value)
    return value is source or (op is not None and any(_depends(operand, source) for operand in op.operands))


def _maker(value: Value) -> Operation | None:
    return value.op if isinstance(value, OpResult) else None


def _product(result: Value) -> MatMul | Conv | None:
    """The product that the link of a result is, if it is one."""
    op = _maker(result)
    while op is not None and not isinstance(op, MatMul | Conv | Reduce):
        op = next((made for operand in op.operands if (made := _maker(operand)) and made.operands), None)
    return op if isinstance(op, MatMul | Conv) else None


def pack_weights(func: kernel.Func, result: Value, target: AnyTarget) -> None:
    """Have a product's weights passed in the order in which its link walks them."""
    root = _product(result)
    if root is None:
        return
    weights = root.operands[1]
    assert isinstance(weights, BlockArgument)
    type = tensor_type(weights)
    outputs_first = isinstance(root, Conv) or root.trans_b
    if outputs_first == _walks_inner(root, target):
        return
    first, second = (d for d in type.dims[:2] if isinstance(d, int))

    def pack(array: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(array.reshape(first, second).T)

    views = [transpose(1, 0), reshape(first, second, *(1,) * (type.rank - 2))]
    repack(func, weights.index, "turned", pack, type.with_shape((second, first)), views)


def _walks_inner(root: MatMul | Conv, target: AnyTarget) -> bool:
    """Whether a product's lanes go along what it sums up, and not along its results.

    On a CPU where that is longer. On a GPU unless it is very short: a loop over it would wait for memory at every step.
    """
    outputs, inner = _sizes(root)
    return inner >= (outputs if isinstance(target, CpuTarget) else LONG)


def _sizes(root: MatMul | Conv) -> tuple[int, int]:
    """Results and products a result."""
    dims = [d for d in tensor_type(root.operands[1]).dims[:2] if isinstance(d, int)]
    return (dims[0], dims[1]) if isinstance(root, Conv) or root.trans_b else (dims[1], dims[0])


def _link(func: kernel.Func, number: int, target: AnyTarget) -> NestSchedule:
    """The nest of a link."""
    results = returned(func)
    root = _product(results[number])
    if root is None:
        plan = plan_result(func, results[number], _numbered(results[:number]))
        if isinstance(target, CudaTarget) and estimate(plan.across) >= LONG:
            return across_memory(plan, LARGEST_CLUSTER)
        length = estimate(plan.reduced)
    else:
        outputs, inner = _sizes(root)
        if not _walks_inner(root, target):
            width = 2 * target.lanes(32) if isinstance(target, CpuTarget) else min(power_of_two(outputs), THREADS)
            return NestSchedule(width, width, 1, 1, 0, 0 if isinstance(target, CpuTarget) else THREADS)
        length = inner
    if isinstance(target, CpuTarget):
        rows = max(CPU_LEAST_WORK // length, 1)
        return NestSchedule(2 * target.lanes(32), WHOLE, rows, 1, 4 * target.lanes(32), 0)
    lanes = min(power_of_two(length), THREADS * ELEMENTS)
    count = estimate(product(tensor_type(results[number]).dims), unknown=1)
    rows = min(THREADS * ELEMENTS // lanes, power_of_two(count // LARGEST_CLUSTER))
    return NestSchedule(lanes, WHOLE, rows, rows, lanes, THREADS)


def _workers(dims: Sequence[Dim], link: NestSchedule) -> int:
    """Workers that a link has work for."""
    count = estimate(product(dims), unknown=1)
    return -(-count // (link.worker_rows if link.worker_columns == WHOLE else link.worker_columns))
