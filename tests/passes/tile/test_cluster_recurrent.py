"""`cluster_recurrent`: its programs in the interpreter and through NVRTC, and which layers it takes."""

from __future__ import annotations

import numpy as np
import pytest
from recurrent_cases import RECURRENT_CASES, RecurrentCase

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.tile_interpreter import TileInterpreter

LARGE = RecurrentCase("Lstm", "bidirectional", 512, time=2)


def tiled(case: RecurrentCase, name: str = "cuda:h200") -> Module:
    module = case.module()
    target.builtin(name).attach(module)
    return compile_model(module, CompileOptions(target.builtin(name), stop="tile")).module


def recurrent(module: Module) -> kernel.Func:
    """The kernel of the layer; another may widen constants."""
    found = [op for op in module.block if isinstance(op, kernel.Func) and "recurrent" in str(op.tactic)]
    return found[0]


@pytest.mark.parametrize("case", RECURRENT_CASES, ids=str)
def test_program(case: RecurrentCase) -> None:
    module = tiled(case)
    assert recurrent(module).tactic == "cluster_recurrent"
    found = TileInterpreter(module).run(case.feeds())
    bound = 1e-2 if case.dtype == "bf16" else 2e-3
    for result, expected in zip(found, case.expected(), strict=True):
        error = np.linalg.norm(np.asarray(result).astype(np.float64) - expected)
        assert error <= bound * np.linalg.norm(expected)


def test_kernels_compile() -> None:
    found = [source for case in (*RECURRENT_CASES, LARGE) for source in sources(tiled(case)).values()]
    nvrtc.compile_sources(found, "sm_90a")


def test_a_large_layer_takes_the_largest_clusters() -> None:
    func = recurrent(tiled(LARGE))
    assert (func.cluster, func.grid, func.threads) == ((16,), (32,), 256)


@pytest.mark.parametrize("case", [
    RecurrentCase("Lstm", hidden=20), RecurrentCase("Lstm", hidden=1024, time=1), RecurrentCase("Rnn", dtype="f32"),
], ids=str)  # fmt: skip
def test_other_layers_meet_across_the_grid(case: RecurrentCase) -> None:
    assert recurrent(tiled(case)).tactic == "recurrent"


def test_gpus_without_clusters() -> None:
    assert recurrent(tiled(RecurrentCase("Rnn"), "cuda:sm_80")).tactic == "recurrent"
