"""Every `nn` op with a loop nest becomes a tile program that computes what the op means."""

from __future__ import annotations

import numpy as np
import pytest
from nn_cases import CASES, Case
from tile_programs import check_kernel, kernel_module, tiled

from kernelwright.ir import symbols
from kernelwright.ir.core import Block
from kernelwright.ir.diagnostics import VerifyError
from kernelwright.ir.dialects import nn
from kernelwright.ir.symbols import Dim
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import TensorType, f32, i64

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


WILD = np.array([0, -1, 5, -6, 6, -7, 1 << 31, (1 << 32) + 1, 1 << 40, -(1 << 40), (1 << 63) - 1, -(1 << 63)])


@pytest.mark.parametrize("rows", [0, 6, "n"], ids=["empty", "static", "symbolic"])
@pytest.mark.parametrize("target", TARGETS)
def test_wild_indices_stay_inside_memory(target: str, rows: Dim | str) -> None:
    """The interpreter refuses accesses outside of memrefs; 0 is read where there is nothing."""
    size = symbols.symbol(rows) if isinstance(rows, str) else rows
    table = np.arange(1, 4 * (rows if isinstance(rows, int) else 6) + 1, dtype=np.float32).reshape(-1, 4)
    block = Block([TensorType((size, 4), f32), TensorType((12,), i64)])
    op = nn.Gather(*block.arguments, axis=0)
    block.append(op)
    (found,) = run_kernel(tiled(kernel_module(block, op.results, target)), [table, WILD], {"n": len(table)})
    expected = np.zeros((12, 4), np.float32)
    if len(table):
        expected = table[np.clip(np.where(WILD < 0, WILD + 6, WILD), 0, 5)]
    np.testing.assert_array_equal(found.reshape(12, 4), expected)
