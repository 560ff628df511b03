"""The strategies of CUDA without a GPU: their programs in the interpreter, their kernels through NVRTC."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_cases import CASES, CudaCase, conv

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel, tile
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


@pytest.mark.parametrize("case", [case for case in CASES if "-split" in case.name], ids=str)
def test_long_products_with_few_results_are_split_in_clusters(case: CudaCase) -> None:
    module = compile_model(case.module(case.network()), CompileOptions(target.builtin("cuda:h200"), stop="tile")).module
    clusters = [op.cluster for op in module.block if isinstance(op, kernel.Func) and op.tactic == case.tactic]
    assert any(cluster is not None and cluster[0] > 1 for cluster in clusters)


@pytest.mark.parametrize("channels", [24, 40, 112, 128])
def test_pixels_of_pointwise_convolutions_are_copied_asynchronously(channels: int) -> None:
    """Channels that do not fill the last stage end with the image, beyond which copies fill in zeros."""
    case = CudaCase("conv-1x1", conv(1, channels, (8, 8), 48, 1), "mma_conv")
    module = compile_model(case.module(case.network()), CompileOptions(target.builtin("cuda:h200"), stop="tile")).module
    (func,) = [op for op in module.block if isinstance(op, kernel.Func)]
    copied = {op.source for op in func.walk() if isinstance(op, tile.CopyAsync)}
    image, weights, *_ = func.block.arguments
    assert {image, weights} <= copied


@pytest.mark.parametrize("arch", ["cuda:h200", "cuda:sm_80"])
def test_kernels_compile(arch: str) -> None:
    found = []
    for case in CASES:
        options = CompileOptions(target.builtin(arch), stop="tile")
        found += sources(compile_model(case.module(case.network(), arch), options).module).values()
    nvrtc.compile_sources(found, target.builtin(arch).arch)
