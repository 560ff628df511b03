"""The passes of the rewrite phase, together on whole models: results stay what ONNX Runtime computes."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
import zoo

from kernelwright.compiler.comparison import TOLERANCES, relative_error
from kernelwright.compiler.onnx.importer import import_model
from kernelwright.compiler.pipelines import steps
from kernelwright.ir.attributes import StringAttr
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.target import builtin
from kernelwright.passes.manager import PassManager

MODELS = ["mobilenet_v3_large.ts", "t5_small_enc.dynamo", "gru.ts"]


def rewritten(case: zoo.Case, precision: str) -> Module:
    module = import_model(str(case.path))
    module.attributes["kw.precision"] = StringAttr(precision)
    road = [step for step in steps(builtin("cuda:h200")) if step.phase in ("legalize", "rewrite")]
    PassManager(road, verify_each=True).run(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_results_stay(model: str, precision: str) -> None:
    case = zoo.cases(model)[-1]
    inputs = case.inputs()
    session = onnxruntime.InferenceSession(str(case.path), providers=["CPUExecutionProvider"])
    expected = [np.asarray(result) for result in session.run(None, inputs)]
    module = rewritten(case, precision)
    for found, wanted in zip(Interpreter(module).run(inputs), expected, strict=True):
        assert found.dtype == wanted.dtype
        assert relative_error(found, wanted) < TOLERANCES[precision]
