"""Chains of small products on CPUs: programs in the interpreter and as machine code, next to float64."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_cases import CudaCase, gate, perceptron

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel
from kernelwright.ir.tile_interpreter import TileInterpreter
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile.chain import ChainSchedule
from kernelwright.passes.tile.generic import WHOLE

CASES = [
    CudaCase("gate", gate(2, 96, (14, 14), 24), "chain", "f32", 2e-6),
    CudaCase("gate-odd", gate(1, 37, (5, 7), 11), "chain", "f32", 2e-6),
    CudaCase("gate-one-pixel", gate(3, 130, (1, 1), 1), "chain", "f32", 2e-6),
    CudaCase("gate-one-channel", gate(1, 1, (1, 9), 1), "chain", "f32", 2e-6),
    CudaCase("gate-half", gate(1, 40, (5, 7), 160), "chain", "f16"),
    CudaCase("gate-batch-16", gate(16, 33, (3, 3), 5), "chain", "f32", 2e-6),
    CudaCase("perceptron", perceptron(3, 40, 300, 17, 5), "chain", "f32", 2e-6),
    CudaCase("perceptron-of-ones", perceptron(1, 1, 1, 1), "chain", "f32", 2e-6),
]


@pytest.mark.parametrize("name", ["cpu-avx2", "cpu-avx512"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_program(case: CudaCase, name: str) -> None:
    network = case.network()
    module = compile_model(case.module(network, name), CompileOptions(target.builtin(name), stop="tile")).module
    assert case.tactic in {op.tactic for op in module.block if isinstance(op, kernel.Func)}
    (found,) = TileInterpreter(module).run(network.inputs)
    check(case, np.asarray(found))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_native(case: CudaCase) -> None:
    network = case.network()
    from_host = compile_model(case.module(network, "cpu-avx2"), CompileOptions(target.builtin("cpu-avx2"))).engine()
    for threads in (1, 2, 3):
        context = from_host.create_context(threads=threads)
        check(case, np.asarray(context.run(network.inputs)["y"]))
        context.close()


def check(case: CudaCase, found: np.ndarray) -> None:
    expected = case.expected()
    assert np.linalg.norm(found.astype(np.float64) - expected) <= case.tolerance * np.linalg.norm(expected)


@pytest.mark.parametrize(("squeezed", "along_products"), [(20, False), (31, False), (32, True), (240, True)])
def test_threads_share_a_sum_that_is_long(squeezed: int, along_products: bool) -> None:
    """A link of short sums has a thread a result; a link of long ones loads all that a sum needs at once."""
    case = CudaCase("gate", gate(1, 480, (7, 7), squeezed), "chain")
    module = compile_model(
        case.module(case.network()), CompileOptions(target.builtin("cuda:h200"), stop="kernels")
    ).module
    lookup("schedule-kernels")().run(module, PassContext())
    (func,) = [op for op in module.block if isinstance(op, kernel.Func) and op.tactic == "chain"]
    assert func.schedule is not None
    assert (ChainSchedule.from_attribute(func.schedule).links[-1].worker_columns == WHOLE) == along_products
