"""`wgmma_attention`: its programs in the interpreter and through NVRTC, and which attentions it takes."""

from __future__ import annotations

import pytest
from attention_cases import WGMMA_CASES, AttentionCase
from tile_programs import kernel_module

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.ir.attributes import DictAttr
from kernelwright.ir.dialects import kernel, tile
from kernelwright.ir.target import builtin
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile.strategies import find
from kernelwright.passes.tile.wgmma_attention_blocks import WgmmaAttentionSchedule

TACTIC = "wgmma_attention"


@pytest.mark.parametrize(("case", "schedule"), WGMMA_CASES, ids=str)
def test_program(case: AttentionCase, schedule: WgmmaAttentionSchedule) -> None:
    assert case.run(tactic=TACTIC, schedule=schedule).tactic == TACTIC


def test_kernels_compile() -> None:
    found = []
    for case, schedule in WGMMA_CASES[::3]:
        module = case.run(tactic=TACTIC, schedule=schedule).parent_op
        lookup("assign-layouts")().run(module, PassContext())  # type: ignore[arg-type]
        found += sources(module).values()  # type: ignore[arg-type]
    assert all("registers_wgmma_m64" in source.text and "tma_load_" in source.text for source in found)
    nvrtc.compile_sources(found, "sm_90a")


def candidates(case: AttentionCase) -> list[DictAttr]:
    block, rows, _ = case.build()
    module = kernel_module(block, [rows], "cuda:h200")
    (func,) = (op for op in module.block if isinstance(op, kernel.Func))
    strategy = find(TACTIC)
    assert strategy is not None
    return strategy.candidates(func, builtin("cuda:h200"))  # type: ignore[attr-defined]


@pytest.mark.parametrize("case", [AttentionCase(1, 1, 600, 64), AttentionCase(1, 140, 260, 128)], ids=str)
def test_all_candidates_are_right(case: AttentionCase) -> None:
    found = candidates(case)
    assert len(found) > 2
    for schedule in found:
        case.run(tactic=TACTIC, schedule=WgmmaAttentionSchedule.from_attribute(schedule))


@pytest.mark.parametrize(
    "case",
    [
        AttentionCase(2, 200, 200, 40, joined=True),  # behind the last element of a head lies the next head
        AttentionCase(2, 200, 200, 36),  # rows do not begin at multiples of 16 bytes
        AttentionCase(2, 200, 200, 64, dtype="f32", precision="tf32"),
        AttentionCase(1, 200, 200, 264),
    ],
    ids=str,
)
def test_what_it_cannot_take(case: AttentionCase) -> None:
    assert candidates(case) == []


def test_the_interpreter_finds_a_stage_given_back_too_early() -> None:
    case, schedule = next(one for one in WGMMA_CASES if one[1].groups == 2)
    func = case.run(tactic=TACTIC, schedule=schedule)
    for op in func.walk():
        if isinstance(op, tile.MmaWait):
            op.pending += 1
    _, _, arrays = case.build()
    with pytest.raises(tile.ExecutionError, match=r"written (while|after)"):
        run_kernel(func, arrays, case.sizes)
