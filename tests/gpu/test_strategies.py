"""The strategies of CUDA on a GPU, against float64."""

from __future__ import annotations

import numpy as np
import pytest
from attention_cases import TOLERANCE, AttentionCase
from attention_cases import WGMMA_CASES as ATTENTION_CASES
from cuda_cases import CASES, CudaCase
from recurrent_cases import RECURRENT_CASES, RecurrentCase
from wgmma_cases import WGMMA_CASES, WgmmaCase
from wgmma_conv_cases import WGMMA_CONV_CASES, WgmmaConvCase

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.dialects.builtin import Module
from kernelwright.passes.tile.wgmma_attention_blocks import WgmmaAttentionSchedule

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("case", CASES, ids=str)
def test_strategy(case: CudaCase) -> None:
    network = case.network()
    expected = case.expected()
    options = CompileOptions(target.builtin("cuda:h200"))
    engine = compile_model(case.module(network), options).engine()
    for _ in range(2):  # the second run is a replay of the graph
        found = np.asarray(engine.run(network.inputs)["y"]).astype(np.float64)
        assert np.linalg.norm(found - expected) <= case.tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("case", WGMMA_CASES, ids=str)
def test_wgmma(case: WgmmaCase) -> None:
    module, _ = case.kernel()
    check(case, module, case.expected(case.arrays()))


@pytest.mark.parametrize("case", WGMMA_CONV_CASES, ids=str)
def test_wgmma_conv(case: WgmmaConvCase) -> None:
    module, _ = case.kernel()
    check(case, module, case.expected())


def check(case: WgmmaCase | WgmmaConvCase, module: Module, expected: np.ndarray) -> None:
    engine = compile_model(module, CompileOptions(target.builtin("cuda:h200"), start="kernels")).engine()
    for _ in range(3):
        found = np.asarray(engine.run(case.feeds())["y"]).astype(np.float64)
        assert np.linalg.norm(found - expected) <= case.tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize("case", [*RECURRENT_CASES, RecurrentCase("Lstm", "bidirectional", 512, time=50)], ids=str)
def test_recurrent(case: RecurrentCase) -> None:
    engine = compile_model(case.module(), CompileOptions(target.builtin("cuda:h200"))).engine()
    for _ in range(3):
        found = engine.run(case.feeds())
        for name, expected in zip(found, case.expected(), strict=True):
            error = np.linalg.norm(np.asarray(found[name]).astype(np.float64) - expected)
            assert error <= (1e-2 if case.dtype == "bf16" else 3e-3) * np.linalg.norm(expected)


@pytest.mark.parametrize(("case", "schedule"), ATTENTION_CASES, ids=str)
def test_wgmma_attention(case: AttentionCase, schedule: WgmmaAttentionSchedule) -> None:
    module, feeds = case.network("wgmma_attention", schedule)
    expected = case.expected()
    engine = compile_model(module, CompileOptions(target.builtin("cuda:h200"), start="kernels")).engine()
    for _ in range(3):
        found = np.asarray(engine.run(feeds)["y"]).astype(np.float64)
        assert np.linalg.norm(found - expected) <= TOLERANCE[case.dtype] * np.linalg.norm(expected)
