"""Sizes that the data say, and control flow, on a GPU: no step of the host, next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import expected, graph
from step_cases import CASES, StepCase

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("case", CASES, ids=str)
def test_steps(case: StepCase) -> None:
    model = graph(case.text)
    engine = compile_model(model, CompileOptions(target.builtin("cuda:h200"), host_fallback=False)).engine()
    for inputs in (*case.inputs, *case.inputs):
        found = engine.run(inputs)
        for spec, array in zip(engine.plan.outputs, expected(model, inputs), strict=True):
            assert found[spec.name].shape == array.shape
            np.testing.assert_allclose(found[spec.name], array, rtol=1e-4, atol=1e-5, err_msg=spec.name)
