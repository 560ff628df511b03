"""The graphs that the tests of both targets share, on the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import expected, graph
from step_cases import CASES, StepCase

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps(case: StepCase) -> None:
    model = graph(case.text)
    engine = compile_model(model, CompileOptions(resolve("cpu"), host_fallback=False)).engine(threads=2)
    for inputs in case.inputs:
        found = engine.run(inputs)
        for spec, array in zip(engine.plan.outputs, expected(model, inputs), strict=True):
            assert found[spec.name].shape == array.shape
            np.testing.assert_allclose(found[spec.name], array, rtol=1e-4, atol=1e-5, err_msg=spec.name)
