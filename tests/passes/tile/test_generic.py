"""Every `nn` op with a loop nest becomes a tile program that computes what the op means."""

from __future__ import annotations

import numpy as np
import pytest
from nn_cases import CASES, Case
from tile_programs import check_kernel

from kernelwright.ir.diagnostics import VerifyError

TARGETS = ["cpu-avx2", "cuda:h100"]
WITH_LOOP_NESTS = [case for case in CASES if case.op(case.arrays()).has_loop_nest]


def check(case: Case, arrays: list[np.ndarray], target: str, tolerance: float) -> None:
    op = case.op(arrays)
    assert op.parent is not None
    check_kernel(op.parent, op.results, arrays, case.sizes, target, tolerance)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("case", WITH_LOOP_NESTS, ids=str)
def test_op_alone(case: Case, target: str) -> None:
    check(case, case.arrays(), target, 5e-6)


@pytest.mark.parametrize("case", [case for case in WITH_LOOP_NESTS if not case.types], ids=str)
def test_op_on_half_precision(case: Case) -> None:
    arrays = case.arrays()
    if not any(array.dtype == np.float32 for array in arrays):
        pytest.skip("has no f32 operand")
    narrow = [a.astype(np.float16) if a.dtype == np.float32 else a for a in arrays]
    if _fixes_its_type(case, narrow):
        pytest.skip("fixes its result type")
    check(case, narrow, "cpu-avx2", 5e-3)


def _fixes_its_type(case: Case, arrays: list[np.ndarray]) -> bool:
    try:
        case.op(arrays).verify()
    except VerifyError:
        return True
    return False
