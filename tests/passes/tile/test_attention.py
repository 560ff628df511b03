"""The strategy `mma_attention` on awkward shapes: programs in the interpreter, kernels through NVRTC."""

from __future__ import annotations

import pytest
from attention_cases import AttentionCase as Case

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.ir.target import CudaTarget, builtin
from kernelwright.ir.types import SCALARS
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile.attention_blocks import AttentionSchedule, Heads, attention_candidates

CASES = [
    Case(2, 32, 64, 64),
    Case(3, 33, 70, 64, batch=2, mask="padding"),
    Case(2, 128, 128, 64, joined=True),
    Case(2, 37, 37, 20, joined=True, batch=2),
    Case(2, 70, 70, 80, joined=True, causal=True),
    Case(4, 65, 130, 32, groups=2, causal=True, offset=65, symbolic=True),
    Case(2, 40, 64, 64, mask="boolean", symbolic=True),
    Case(2, 50, 67, 96, 64, groups=1, mask="bias"),
    Case(1, 7, 5, 24, causal=True),
    Case(1, 1, 1, 16),
    Case(1, 70, 70, 128, dtype="bf16", causal=True),
    Case(1, 40, 70, 256, dtype="bf16"),
    Case(8, 1, 200, 64, groups=2, causal=True, offset=199),
    Case(3, 1, 131, 128, batch=2, symbolic=True),
    Case(2, 1, 131, 72, mask="bias"),
    Case(2, 33, 70, 64, dtype="f32"),
    Case(2, 33, 70, 64, dtype="f32", precision="tf32"),
    Case(2, 1, 70, 40, dtype="f32", mask="padding"),
    Case(1, 37, 70, 200, dtype="f32"),
    Case(64, 130, 66, 64),
    Case(48, 70, 66, 128),
]


TARGET = builtin("cuda:h200")


def candidates(case: Case) -> list[AttentionSchedule]:
    """The schedules for a case, the one chosen without measuring first."""
    heads = Heads(
        case.batch, case.heads, case.groups or case.heads, case.queries, case.keys, case.size, case.value or case.size
    )
    assert isinstance(TARGET, CudaTarget)
    rows = heads.members if heads.packed else case.queries
    return attention_candidates(heads, (case.batch, rows, case.keys), SCALARS[case.dtype], TARGET)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_program(case: Case) -> None:
    assert case.run(tactic="mma_attention", schedule=candidates(case)[0]).tactic == "mma_attention"


@pytest.mark.parametrize("target", ["cuda:h200", "cuda:sm_80"])
def test_kernels_compile(target: str) -> None:
    found = []
    for case in CASES[1:-2:3]:
        module = case.run(target).parent_op
        lookup("assign-layouts")().run(module, PassContext())  # type: ignore[arg-type]
        found += sources(module).values()  # type: ignore[arg-type]
    nvrtc.compile_sources(found, "sm_80" if target.endswith("80") else "sm_90a")


def test_heads_that_fit_nowhere_are_refused() -> None:
    with pytest.raises(Exception, match="no strategy"):
        Case(1, 8, 8, 520).run()


@pytest.mark.parametrize("case", [Case(2, 1, 1100, 40, batch=2), Case(4, 70, 70, 64, causal=True)], ids=str)
def test_all_candidates_are_right(case: Case) -> None:
    """The tuner may choose any of them; the one chosen without measuring comes first."""
    found = candidates(case)
    assert len(set(found)) == len(found) > 2
    for schedule in found[1:]:
        case.run(tactic="mma_attention", schedule=schedule)
