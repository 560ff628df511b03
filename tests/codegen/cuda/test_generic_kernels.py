"""Every `nn` op with a loop nest becomes CUDA C that NVRTC accepts, and a tile program that layouts do not change."""

from __future__ import annotations

import numpy as np
import pytest
from nn_cases import CASES, Case
from tile_programs import evaluate, kernel_module, relative_error, tiled

from kernelwright.codegen.cuda import nvrtc
from kernelwright.codegen.cuda.source import Source, emit
from kernelwright.ir.layout import layout_of
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import VectorType
from kernelwright.passes.base import PassContext, lookup

WITH_LOOP_NESTS = [case for case in CASES if case.op(case.arrays()).has_loop_nest]


def source_of(case: Case, target: str) -> Source:
    op = case.op(case.arrays())
    assert op.parent is not None
    module = kernel_module(op.parent, op.results, target)
    function = tiled(module)
    lookup("assign-layouts")().run(module, PassContext())
    for inner in module.walk():
        inner.verify()
        for result in inner.results:
            assert not isinstance(result.type, VectorType) or layout_of(result) is not None
    return emit(function)


@pytest.mark.parametrize("target", ["cuda:h200", "cuda:sm_80"])
def test_compiles(target: str) -> None:
    sources = [source_of(case, target) for case in WITH_LOOP_NESTS]
    binaries = nvrtc.compile_sources(sources, "sm_90a" if target == "cuda:h200" else "sm_80")
    assert all(binary.cubin.startswith(b"\x7fELF") and b".version" in binary.ptx for binary in binaries)


@pytest.mark.parametrize("case", WITH_LOOP_NESTS[::5], ids=str)
def test_layouts_keep_the_meaning(case: Case) -> None:
    arrays = case.arrays()
    op = case.op(arrays)
    assert op.parent is not None
    values = evaluate(op.parent, arrays, case.sizes)
    expected = [values[result] for result in op.results]
    module = kernel_module(op.parent, op.results, "cuda:h200")
    function = tiled(module)
    lookup("assign-layouts")().run(module, PassContext())
    for found, wanted in zip(run_kernel(function, arrays, case.sizes), expected, strict=True):
        assert relative_error(np.asarray(found).reshape(wanted.shape), wanted) < 1e-5
