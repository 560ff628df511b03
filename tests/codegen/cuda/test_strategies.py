"""The strategies of CUDA without a GPU: their programs in the interpreter, their kernels through NVRTC."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_cases import CASES, CudaCase

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel
from kernelwright.ir.tile_interpreter import TileInterpreter


@pytest.mark.parametrize("case", CASES, ids=str)
def test_program(case: CudaCase) -> None:
    network = case.network()
    expected = case.expected()
    options = CompileOptions(target.builtin("cuda:h200"), stop="tile")
    module = compile_model(case.module(network), options).module
    tactics = {op.tactic for op in module.block if isinstance(op, kernel.Func)}
    assert case.tactic in tactics
    (found,) = TileInterpreter(module).run(network.inputs)
    error = np.linalg.norm(np.asarray(found).astype(np.float64) - expected)
    assert error <= case.tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("arch", ["cuda:h200", "cuda:sm_80"])
def test_kernels_compile(arch: str) -> None:
    found = []
    for case in CASES:
        options = CompileOptions(target.builtin(arch), stop="tile")
        found += sources(compile_model(case.module(case.network(), arch), options).module).values()
    nvrtc.compile_sources(found, target.builtin(arch).arch)
