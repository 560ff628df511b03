"""ONNX graphs from their text, and what ONNX Runtime says of them next to what the nn dialect says.

check("(float[N, 3] x) => (float[N, 3] y) { y = Relu(x) }", x=array)
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import onnx.reference
import onnxruntime

from kernelwright.compiler.onnx import import_model
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.verify import verify
from kernelwright.passes.base import PassContext
from kernelwright.passes.legalize.legalize_onnx import LegalizeOnnx

OPSET = 21


def graph(text: str, opset: int = OPSET, **domains: int) -> onnx.ModelProto:
    """The model of a graph in ONNX's text form, without its name; `domains` gives versions, `_` for `.` in a domain."""
    imports = [("", opset), *((name.replace("_", "."), version) for name, version in domains.items())]
    header = ", ".join(f'"{domain}" : {version}' for domain, version in imports)
    return onnx.parser.parse_model(f"<ir_version: 10, opset_import: [{header}]> graph {text}")


def legalized(model: onnx.ModelProto, shapes: dict[str, tuple[int | str, ...]] | None = None) -> Module:
    """The verified module of `model` in the nn dialect."""
    module = import_model(model, shapes=shapes)
    LegalizeOnnx().run(module, PassContext())
    verify(module)
    return module


def ops(module: Module) -> list[str]:
    """The names of the ops of main, constants and the return left out."""
    return [op.name for op in module.main.block if op.name not in ("nn.constant", "func.return")]


def expected(model: onnx.ModelProto, inputs: dict[str, np.ndarray], judge: str = "onnxruntime") -> list[np.ndarray]:
    if judge == "onnx":
        return [np.asarray(y) for y in onnx.reference.ReferenceEvaluator(model).run(None, inputs)]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.asarray(y) for y in session.run(None, inputs)]


def check(text: str, *, opset: int = OPSET, judge: str = "onnxruntime", **inputs: np.ndarray) -> Module:
    """Compare all outputs for `inputs`; the legalized module."""
    model = graph(text, opset)
    return compare(model, inputs, judge)


def compare(model: onnx.ModelProto, inputs: dict[str, np.ndarray], judge: str = "onnxruntime") -> Module:
    module = legalized(model)
    found = Interpreter(module).run(inputs)
    for name, a, b in zip([v.name for v in model.graph.output], found, expected(model, inputs, judge), strict=True):
        assert a.dtype == b.dtype, f"{name} is {a.dtype}, expected {b.dtype}"
        assert a.shape == b.shape, f"{name} has shape {a.shape}, expected {b.shape}"
        if a.dtype.kind in "iub":
            np.testing.assert_array_equal(a, b, err_msg=name)
        else:
            tolerance = 1e-3 if a.dtype.itemsize < 4 else 1e-5
            np.testing.assert_allclose(
                a.astype(np.float64), b.astype(np.float64), rtol=tolerance, atol=tolerance, err_msg=name
            )
    return module


def normal(*shape: int, dtype: type = np.float32, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)
