"""Every graph of the zoo, in the nn dialect on NumPy next to ONNX Runtime."""

from __future__ import annotations

import functools

import numpy as np
import onnxruntime
import pytest
import zoo

from kernelwright.compiler.onnx import import_model
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.types import TensorType
from kernelwright.ir.verify import verify
from kernelwright.passes.base import PassContext
from kernelwright.passes.legalize.legalize_onnx import LegalizeOnnx

QUICK = {"gru.ts", "lstm.ts", "mobilenet_v3_large.dynamo", "mobilenet_v3_large.ts", "t5_small_dec.dynamo",
         "t5_small_dec.ts", "t5_small_enc.dynamo", "t5_small_enc.ts"}  # fmt: skip
CASES = [
    pytest.param(case, id=str(case), marks=() if model in QUICK else pytest.mark.slow)
    for model in zoo.MODELS
    for case in zoo.cases(model)
]


@functools.lru_cache(maxsize=1)
def module_of(model: str) -> Module:
    module = import_model(zoo.materialized(model))
    LegalizeOnnx().run(module, PassContext())
    verify(module)
    return module


@functools.lru_cache(maxsize=1)
def session_of(model: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(zoo.materialized(model)), options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("case", CASES)
def test_results_agree_with_onnx_runtime(case: zoo.Case) -> None:
    inputs = case.inputs()
    found = Interpreter(module_of(case.model)).run(inputs)
    for a, b in zip(found, map(np.asarray, session_of(case.model).run(None, inputs)), strict=True):
        assert a.shape == b.shape
        assert np.linalg.norm(a - b) <= 1e-5 * np.linalg.norm(b)


@pytest.mark.parametrize("model", sorted(QUICK))
def test_no_tensor_of_run_time_holds_a_shape(model: str) -> None:
    """All shape arithmetic of the exporters is gone: what ops of i64 are left are indices and positions."""
    for op in module_of(model).main.block:
        for value in op.results:
            assert isinstance(value.type, TensorType) and value.type.shape is not None
        assert op.name not in ("nn.shape_of", "nn.floor")
