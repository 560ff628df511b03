"""fold-norms: what networks compute stays the same, and their norms have no kernels."""

from __future__ import annotations

import pytest
from cuda_cases import CASES, CudaCase

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions, PassOptions
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel

FOLDED = [case for case in CASES if case.name.startswith("norm-b")]


@pytest.mark.parametrize("case", FOLDED, ids=str)
def test_norms_are_in_the_kernels_of_products(case: CudaCase) -> None:
    options = CompileOptions(target.builtin("cuda:h200"), stop="kernels", passes=PassOptions(check_numerics=True))
    module = compile_model(case.module(case.network()), options).module
    assert sum(isinstance(op, kernel.Call) for op in module.main.block) == 3
