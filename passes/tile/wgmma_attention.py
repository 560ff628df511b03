"""The strategy `wgmma_attention`: attention of Hopper."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.attributes import DictAttr
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import scalar_type, shape
from ...ir.dialects.nn.contraction import Attention
from ...ir.target import CudaTarget
from . import attention_blocks, wgmma_attention_blocks
from .attention_blocks import Heads, Problem
from .attention_program import AttentionProgram
from .cuda_blocks import usual_sizes
from .cuda_gemm import single_root
from .cuda_stages import BoxOperand
from .cuda_wgmma_attention import WgmmaAttention, operands
from .cuda_wgmma_gemm import without_instruction
from .cuda_wgmma_operands import is_k_major, tma_operand
from .epilogue import placements
from .overlap_launches import overlaps
from .strategies import AnyTarget, register
from .wgmma_attention_blocks import WgmmaAttentionSchedule


@dataclass(frozen=True)
class WgmmaAttentionStrategy:
    """Attention in 16-bit floats whose operands TMA can load."""

    name: str = "wgmma_attention"
    priority: int = 110

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        found = _ranked(func, target)
        if isinstance(found, str):
            return found
        root = single_root(func, Attention)
        assert isinstance(root, Attention) and isinstance(target, CudaTarget)
        return _slower(func, root, found[0], target) or found[0].to_attribute()

    def candidates(self, func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
        found = _ranked(func, target)
        return [] if isinstance(found, str) else [schedule.to_attribute() for schedule in found]

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Attention)
        assert isinstance(root, Attention)
        WgmmaAttention(func, root, WgmmaAttentionSchedule.from_attribute(schedule)).build(overlaps(target))


def _ranked(func: kernel.Func, target: AnyTarget) -> Sequence[WgmmaAttentionSchedule] | str:
    """The schedules of blocks that fit, the most promising first, or why there are none."""
    root = single_root(func, Attention)
    if not isinstance(target, CudaTarget) or not isinstance(root, Attention):
        return "not one attention on a GPU"
    dtype, heads = scalar_type(root.q), Heads.of(root)
    if (reason := without_instruction(dtype, root.precision, target)) is not None:
        return reason
    if dtype.bytes != 2:
        return f"weights of {dtype} cannot stay in registers"
    if heads is None:
        return "the size of a head or the number of heads is not static"
    if placements(func, root.result) is None:
        return "a result is not the attention's elements, one by one"
    if 0 in (*shape(root.q), *shape(root.v)):
        return "it is empty"
    problem = Problem.of(root, heads, usual_sizes(func))
    found = wgmma_attention_blocks.ranked(heads, problem, dtype, target)
    if not found:
        return "its heads do not fit into registers"
    refusals = {keys: _unreadable(func, root, keys) for keys in {schedule.keys for schedule in found}}
    readable = [schedule for schedule in found if refusals[schedule.keys] is None]
    return readable or str(refusals[found[0].keys])


def _slower(func: kernel.Func, root: Attention, best: WgmmaAttentionSchedule, target: CudaTarget) -> str | None:
    """Whether warp instructions are estimated to take less time."""
    heads, dtype = Heads.of(root), scalar_type(root.q)
    assert heads is not None
    problem = Problem.of(root, heads, usual_sizes(func))
    usual = problem.programs // heads.programs, problem.rows, problem.keys
    warps = attention_blocks.attention_candidates(heads, usual, dtype, target)[0]
    there = attention_blocks.seconds(warps, problem, target)
    here = wgmma_attention_blocks.seconds(best, heads, problem, dtype, target)
    if there >= here:
        return None
    return f"warp instructions are estimated to take {there * 1e6:.1f} us, warpgroups {here * 1e6:.1f} us"


def _unreadable(func: kernel.Func, root: Attention, keys: int) -> str | None:
    """Why TMA and `wgmma` cannot read the operands; None where they can."""
    q, k, v = operands(AttentionProgram(func, root), keys, 0, 0)
    for side, along_k in ((q, True), (k, True), (v, False)):
        if (reason := tma_operand(side)) is not None:
            return reason
        assert isinstance(side, BoxOperand)
        if is_k_major(side) != along_k:
            return "elements of a head do not lie side by side"
    return None


register(WgmmaAttentionStrategy())
