"""Matrix products that read slices and transposes where they lie, and store transposed results: one kernel each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from cuda_cases import Build, CudaCase, scores, weighted_values

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import host
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.dialects import plan

SIZES = [(1, 1, 1, 1), (2, 7, 3, 5), (1, 37, 2, 16), (3, 1, 4, 8), (2, 33, 12, 64)]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("build", [scores, weighted_values])
def test_on_this_machine(build: Callable[..., Build], sizes: tuple[int, ...]) -> None:
    case = CudaCase(build.__name__, build(*sizes), "gemm", "f32", 2e-6)
    network = case.network()
    module = case.module(network)
    host().attach(module)
    compiled = compile_model(module, CompileOptions(host()))
    launches = [op for op in compiled.module.main.walk() if isinstance(op, plan.Launch)]
    assert len(launches) == 1
    assert compiled.plan is not None and [one.tactic for one in compiled.plan.kernels] == ["gemm"]
    found = np.asarray(compiled.engine().run(network.inputs)["y"]).astype(np.float64)
    expected = case.expected()
    assert found.shape == expected.shape
    assert np.linalg.norm(found - expected) <= case.tolerance * np.linalg.norm(expected)
