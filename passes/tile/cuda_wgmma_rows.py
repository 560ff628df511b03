"""The strategy `wgmma_rows`: products of Hopper whose rows are normalized as they come."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.attributes import DictAttr
from ...ir.dialects import kernel
from ...ir.dialects.nn.contraction import MatMul
from ...ir.dialects.nn.reduction import Reduce
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from . import wgmma_blocks
from .cluster import LARGEST
from .cuda_blocks import Work, usual_sizes
from .cuda_gemm import Gemm, Shape, single_root
from .cuda_wgmma_cluster import RowsGemm
from .cuda_wgmma_gemm import unsuitable, wanting
from .epilogue import Placement, placements
from .frame import returned, tensor_type
from .overlap_launches import overlaps
from .strategies import AnyTarget, register
from .wgmma_blocks import BAND, ROWS, SPAN, WgmmaSchedule

# Seconds, from BERT, GPT-2, ViT and T5 at batch 1 on an H200, with and without norms in the products' kernels.
PEER = 1.6e-7
"""Meeting and reading a peer, a reduction."""
AT_ONCE = 64
"""Blocks in clusters of any size that are surely at work at the same time."""
KINDS = ("add", "mean", "max", "min")


@dataclass(frozen=True)
class WgmmaRows:
    """A matrix product, element-wise ops and reductions of its rows, by clusters of blocks that have whole rows."""

    name: str = "wgmma_rows"
    priority: int = 115

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root, reductions = single_root(func, MatMul), _reductions(func)
        if not isinstance(target, CudaTarget) or not isinstance(root, MatMul) or not reductions:
            return "not one matrix product and reductions of its rows on a GPU"
        if (reason := wanting(root, target)) is not None:
            return reason
        if not all(_is_along_rows(op, root) for op in reductions):
            return "a reduction is not over the product's rows"
        places = placements(func, root.result, reduced=True)
        if places is None or not all(place.keeps_order for place in places):
            return "a result is not the product's elements, one by one"
        if tensor_type(root.a).scalar.bytes != 2:
            return "operands of 32 bits leave too little shared memory"
        dims = tensor_type(root.result).dims
        if not isinstance(dims[-1], int) or dims[-1] % ROWS or dims[-1] // ROWS > LARGEST or 0 in dims:
            return "no cluster of blocks has whole rows"
        if (reason := unsuitable(Gemm(func, root, reduced=True))) is not None:
            return reason
        return _schedule(func, root, target)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, MatMul)
        assert isinstance(root, MatMul) and isinstance(target, CudaTarget)
        sizes = WgmmaSchedule.from_attribute(schedule)
        gemm = Gemm(func, root, reduced=True)
        RowsGemm(gemm, _reductions(func), sizes, target.multiprocessors, overlaps(target)).build()


register(WgmmaRows())


def _reductions(func: kernel.Func) -> list[Reduce]:
    return [op for op in func.block if isinstance(op, Reduce)]


def _is_along_rows(op: Reduce, root: MatMul) -> bool:
    """Whether a reduction is over the last axis of what has the product's elements."""
    place, rank = Placement.of(op.x, root.result), tensor_type(op.x).rank
    last = tensor_type(root.result).rank - 1
    whole = place is not None and place.keeps_order and place.axes[-1] == last
    return whole and op.axes == (rank - 1,) and op.keep_dims and op.kind in KINDS and tensor_type(op.x).scalar.is_float


def _schedule(func: kernel.Func, root: MatMul, target: CudaTarget) -> DictAttr | str:
    """The block, if it saves time: clusters of whole rows cannot split the inner dimension too."""
    shape, number = Shape.of(root), usual_sizes(func)
    dtype = tensor_type(root.a).scalar
    rows, columns, inner = number(shape.rows), number(shape.columns), number(shape.inner)
    work = Work(rows, columns, inner, 1, dtype, "")
    result = max((tensor_type(value).scalar for value in returned(func)), key=_bytes)
    found = _deepest(work, target, result)
    if shape.batch or -(-rows // ROWS) * (columns // ROWS) > AT_ONCE:
        return "its clusters would not be at work at the same time"
    here = wgmma_blocks.seconds(found, work, target) + PEER * (columns // ROWS) * len(_reductions(func))
    apart = wgmma_blocks.candidates(work, target, result)
    there = min(wgmma_blocks.seconds(one, work, target) for one in apart) + wgmma_blocks.ROWS_KERNEL
    if there < here:
        return f"two kernels are estimated to take {there * 1e6:.1f} us, one {here * 1e6:.1f} us"
    return found.to_attribute()


def _deepest(work: Work, target: CudaTarget, result: Scalar) -> WgmmaSchedule:
    k = 2 * SPAN // work.dtype.bytes
    most = max(2, min(wgmma_blocks.MOST_STAGES, -(-work.inner // k)))
    for stages in range(most, 1, -1):
        schedule = WgmmaSchedule(ROWS, ROWS, k, 1, 0, stages, ROWS, BAND)
        if schedule.shared_bytes(work.dtype, result.bytes) + 1024 <= target.shared_bytes_per_block:
            return schedule
    raise ValueError(f"{target.name} has too little shared memory")


def _bytes(dtype: Scalar) -> int:
    return dtype.bytes
