"""Every `nn` op, scheduled and tiled for this machine, compiled and run: it computes what the op means."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from native import NativeKernel
from nn_cases import CASES, Case
from tile_programs import evaluate, kernel_module, relative_error, tiled

from kernelwright.compiler.host import host
from kernelwright.ir.diagnostics import VerifyError

WITH_LOOP_NESTS = [case for case in CASES if case.op(case.arrays()).has_loop_nest]
FLOATING = [case for case in WITH_LOOP_NESTS if not case.types and any(a.dtype == np.float32 for a in case.arrays())]
TOLERANCES = {np.float64: 1e-6, np.float16: 5e-3, ml_dtypes.bfloat16: 4e-2}


def check(case: Case, arrays: list[np.ndarray], tolerance: float, threads: int = 2) -> None:
    op = case.op(arrays)
    assert op.parent is not None
    values = evaluate(op.parent, arrays, case.sizes)
    module = kernel_module(op.parent, op.results, "cpu-avx2")
    host().attach(module)
    found = NativeKernel(tiled(module))(arrays, case.sizes, threads)
    for result, array in zip(op.results, found, strict=True):
        expected = values[result]
        assert array.dtype == expected.dtype
        assert relative_error(array.reshape(expected.shape), expected) < tolerance


@pytest.mark.parametrize("case", WITH_LOOP_NESTS, ids=str)
def test_op(case: Case) -> None:
    check(case, case.arrays(), 5e-6)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=lambda dtype: np.dtype(dtype).name)
@pytest.mark.parametrize("case", FLOATING[::4], ids=str)
def test_op_on_other_floats(case: Case, dtype: type) -> None:
    arrays = [a.astype(dtype) if a.dtype == np.float32 else a for a in case.arrays()]
    try:
        case.op(arrays).verify()
    except VerifyError:
        pytest.skip("fixes its element type")
    check(case, arrays, TOLERANCES[dtype])
