"""The backend interface of ONNX."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

import kernelwright
import kernelwright.backend
from kernelwright.compiler import driver
from kernelwright.ir.diagnostics import CompileError


def small_model() -> onnx.ModelProto:
    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n"]) for name in "ab"]
    output = onnx.helper.make_tensor_value_info("c", onnx.TensorProto.FLOAT, ["n"])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Sub", ["a", "b"], ["c"])], "small", inputs, [output])
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)])


def test_prepared_models_take_inputs_in_order_and_by_name() -> None:
    prepared = kernelwright.backend.prepare(small_model())
    a, b = np.array([3, 5], np.float32), np.array([1, 9], np.float32)
    assert prepared.run([a, b])[0].tolist() == [2, -4]
    by_name: Any = prepared.run({"b": a, "a": b})
    assert by_name["c"].tolist() == [-2, 4]


def test_one_node_runs_without_a_model() -> None:
    node = onnx.helper.make_node("Concat", ["x", "y"], ["z"], axis=1)
    (z,) = kernelwright.backend.run_node(node, [np.zeros((2, 1), np.int64), np.ones((2, 2), np.int64)])
    assert z.tolist() == [[0, 1, 1], [0, 1, 1]]


def test_too_many_inputs_are_refused() -> None:
    with pytest.raises(kernelwright.EngineError, match=r"at most 2 inputs \(a, b\), found 3"):
        kernelwright.backend.run_model(small_model(), [np.zeros(1, np.float32)] * 3)


def test_unknown_operators_are_incompatible_and_raise() -> None:
    model = small_model()
    model.graph.node[0].domain = "no.such.domain"
    model.opset_import.append(onnx.helper.make_opsetid("no.such.domain", 1))
    assert not kernelwright.backend.is_compatible(model)
    with pytest.raises(CompileError, match=r"no\.such\.domain"):
        kernelwright.backend.prepare(model)


def test_compatible_without_generating_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a model can be expressed in is known long before its kernels are."""
    monkeypatch.setattr(driver, "_generate", lambda *_: pytest.fail("generates code"))
    assert kernelwright.backend.is_compatible(small_model())


def test_devices() -> None:
    assert kernelwright.backend.supports_device("CPU")
    assert not kernelwright.backend.supports_device("CUDA:999")
