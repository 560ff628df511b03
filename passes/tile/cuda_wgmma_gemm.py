"""The strategy `wgmma_gemm`: matrix products of Hopper."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument
from ...ir.dialects import kernel
from ...ir.dialects.nn.contraction import MatMul
from ...ir.dialects.nn.reduction import Reduce
from ...ir.symbols import mod
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from . import cuda_blocks, wgmma_blocks
from .cuda_blocks import Work, instruction_of
from .cuda_gemm import Gemm, Product, Shape, single_root, work_of
from .cuda_wgmma import WgmmaGemm
from .cuda_wgmma_cluster import SplitGemm
from .cuda_wgmma_operands import TmaOperand, is_k_major, tma_operand
from .epilogue import placements
from .frame import returned, tensor_type
from .overlap_launches import overlaps
from .packing import is_constant, repack, transpose
from .strategies import AnyTarget, register
from .wgmma_blocks import WgmmaSchedule

_INSTRUCTIONS = {"f16": "wgmma.k16.f16", "bf16": "wgmma.k16.bf16", "f32": "wgmma.k8.tf32"}


class WarpgroupStrategy(ABC):
    """The base of strategies for kernels around one product of warpgroups."""

    @abstractmethod
    def refusal(self, func: kernel.Func, target: AnyTarget) -> str | None:
        """Why no schedule fits a kernel; None where the target is a GPU and one does."""

    @abstractmethod
    def work(self, func: kernel.Func) -> Work:
        """What the cost model ranks the schedules of a kernel by."""

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        if (reason := self.refusal(func, target)) is not None:
            return reason
        assert isinstance(target, CudaTarget)
        return fastest(self.work(func), func, target)

    def candidates(self, func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
        if self.refusal(func, target) is not None:
            return []
        assert isinstance(target, CudaTarget)
        return [schedule.to_attribute() for schedule in ranked(self.work(func), func, target)]


@dataclass(frozen=True)
class WgmmaGemmStrategy(WarpgroupStrategy):
    """Products of matrices that TMA can load, large enough for warpgroups."""

    name: str = "wgmma_gemm"
    priority: int = 110

    def refusal(self, func: kernel.Func, target: AnyTarget) -> str | None:
        root = single_root(func, MatMul)
        if not isinstance(target, CudaTarget) or not isinstance(root, MatMul):
            return "not one matrix product on a GPU"
        if (reason := wanting(root, target)) is not None:
            return reason
        if placements(func, root.result, statistics=True) is None:
            return "a result is not the product's elements, one by one"
        shape = Shape.of(root)
        if 0 in (*shape.batch, shape.rows, shape.columns, shape.inner):
            return "it is empty"
        return unsuitable(Gemm(func, root), _can_turn_weights(func, root))

    def work(self, func: kernel.Func) -> Work:
        root = single_root(func, MatMul)
        assert isinstance(root, MatMul)
        dtype = tensor_type(root.a).scalar
        instruction = instruction_of(dtype, root.precision)
        assert instruction is not None
        return work_of(func, Shape.of(root), dtype, instruction)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, MatMul)
        assert isinstance(root, MatMul) and isinstance(target, CudaTarget)
        if _can_turn_weights(func, root):
            _turn_weights(func, root)
        program(Gemm(func, root), schedule, target).build()


def _can_turn_weights(func: kernel.Func, root: MatMul) -> bool:
    """Whether the right operand is a constant that has to be turned for `wgmma`, and can be."""
    b = root.b
    if tensor_type(b).scalar.bytes == 2 or root.trans_b or tensor_type(b).rank != 2:
        return False
    return isinstance(b, BlockArgument) and b.has_one_use and is_constant(func, b.index)


def _turn_weights(func: kernel.Func, root: MatMul) -> None:
    """Have the calls pass the weights as [columns, inner]."""
    b = root.b
    assert isinstance(b, BlockArgument)
    type = tensor_type(b)
    turned = type.with_shape(type.dims[::-1])
    repack(func, b.index, "turned", lambda array: np.ascontiguousarray(array.T), turned, [transpose(1, 0)])


def wanting(root: MatMul, target: CudaTarget) -> str | None:
    """What a target lacks for a product; None where it has the instructions."""
    return without_instruction(tensor_type(root.a).scalar, root.precision, target)


def without_instruction(dtype: Scalar, precision: str, target: CudaTarget) -> str | None:
    """Why a target's warpgroups do not multiply matrices of a type; None where they do."""
    if _INSTRUCTIONS.get(dtype.name) not in target.mma or "tma" not in target.async_copy:
        return f"{target.name} has no warpgroup instruction for {dtype}"
    if dtype.name == "f32" and precision != "tf32":
        return "f32 operands are not to be rounded to tf32"
    return None


def unsuitable(gemm: Product, turned: bool = False) -> str | None:
    """Why TMA and `wgmma` cannot read the operands; None where they can. `turned`: weights will be along k."""
    batch = gemm.batch(0)
    depth = wgmma_blocks.SPAN // gemm.dtype.bytes
    sides = [gemm.left(batch, depth)]
    if not turned:
        sides.append(gemm.right(batch, depth))
    elif mod(gemm.shape.inner * gemm.dtype.bytes, 16) != 0:
        return "rows of turned weights do not begin at multiples of 16 bytes"
    for side in sides:
        if (reason := tma_operand(side)) is not None:
            return reason
        assert isinstance(side, TmaOperand)
        if gemm.dtype.bytes != 2 and not is_k_major(side):
            return f"'wgmma' reads operands of {gemm.dtype} along k alone"
    return None


def fastest(work: Work, func: kernel.Func, target: CudaTarget) -> DictAttr | str:
    """The block whose model time is least, if it is less than that of warp instructions, which leave sums of rows to a
    kernel of its own."""
    best = ranked(work, func, target)[0]
    here = wgmma_blocks.seconds(best, work, target)
    there = cuda_blocks.seconds(cuda_blocks.ranked_blocks(work, target)[0], work, target)
    if any(isinstance(value.owner, Reduce) for value in returned(func)):
        there += wgmma_blocks.ROWS_KERNEL
    if there < here:
        return f"warp instructions are estimated to take {there * 1e6:.1f} us, warpgroups {here * 1e6:.1f} us"
    return best.to_attribute()


def ranked(work: Work, func: kernel.Func, target: CudaTarget) -> list[WgmmaSchedule]:
    """Blocks that fit, the one whose model time is least first."""
    results = [tensor_type(value).scalar for value in returned(func)]
    result = min((dtype for dtype in results if dtype.is_float), key=_bytes, default=results[0])
    found = wgmma_blocks.candidates(work, target, result)
    return sorted(found, key=lambda schedule: wgmma_blocks.seconds(schedule, work, target))


def program(gemm: Product, schedule: DictAttr, target: CudaTarget) -> WgmmaGemm:
    """What builds the program of a schedule. Raises ValueError for one that is none of these."""
    sizes = WgmmaSchedule.from_attribute(schedule)
    kind = SplitGemm if sizes.splits > 1 else WgmmaGemm
    return kind(gemm, sizes, target.multiprocessors, overlaps(target))


def _bytes(dtype: Scalar) -> int:
    return dtype.bytes


register(WgmmaGemmStrategy())
