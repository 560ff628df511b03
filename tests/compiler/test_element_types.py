"""Every element type of ONNX goes through compilation, plan files and runs."""

from __future__ import annotations

from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx.helper
import pytest
from onnx_graphs import graph

import kernelwright
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions

SMALL = [
    ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz,
    ml_dtypes.float8_e8m0fnu, ml_dtypes.float4_e2m1fn, ml_dtypes.int4, ml_dtypes.uint4, ml_dtypes.int2, ml_dtypes.uint2,
]  # fmt: skip
FLOAT = onnx.TensorProto.FLOAT


def with_weight(weight: np.ndarray) -> onnx.ModelProto:
    """x + weight, the weight in its own type in the file and in the plan."""
    nodes = [onnx.helper.make_node("Cast", ["w"], ["f"], to=FLOAT), onnx.helper.make_node("Add", ["x", "f"], ["y"])]
    x, y = (onnx.helper.make_tensor_value_info(name, FLOAT, weight.shape) for name in "xy")
    made = onnx.helper.make_graph(nodes, "weights", [x], [y], [onnx.numpy_helper.from_array(weight, "w")])
    return onnx.helper.make_model(made, opset_imports=[onnx.helper.make_opsetid("", 25)], ir_version=11)


@pytest.mark.parametrize("dtype", SMALL, ids=lambda dtype: np.dtype(dtype).name)
def test_weights_below_a_byte_and_of_one(dtype: type, tmp_path: Path) -> None:
    weight = np.array([[1, 2, 1], [2, 1, 1]], np.float32)
    weight = (np.minimum(weight, 1) if dtype is ml_dtypes.int2 else weight).astype(dtype)
    engine = kernelwright.compile(with_weight(weight), disable_passes=["fold-constants"])
    engine.save(tmp_path / "m.plan")
    x = np.ones((2, 3), np.float32)
    found = kernelwright.load(tmp_path / "m.plan").run({"x": x})["y"]
    np.testing.assert_array_equal(found, x + weight.astype(np.float32))


MOVING = {
    "Transpose": ("y = Transpose(x)", lambda x: x.T),
    "Concat": ("y = Concat<axis = 0>(x, x)", lambda x: np.concatenate([x, x])),
    "Gather": ("i = Constant<value_ints = [2, 0]>()  y = Gather<axis = 1>(x, i)", lambda x: x[:, [2, 0]]),
    "Where": ("c = Constant<value = bool[3] {1, 0, 1}>()  y = Where(c, x, x)", lambda x: x),
    "Pad": ("p = Constant<value_ints = [0, 1, 0, 0]>()  y = Pad(x, p)", lambda x: np.pad(x, [(0, 0), (1, 0)])),
}


@pytest.mark.parametrize("name", MOVING)
@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
def test_complex_numbers_are_moved(name: str, dtype: type) -> None:
    body, meaning = MOVING[name]
    kind = np.dtype(dtype).name
    model = graph(f"({kind}[2, 3] x) => ({kind}[a, b] y) {{ {body} }}")
    x = (np.arange(6) + 1j * np.arange(6)[::-1]).reshape(2, 3).astype(dtype)
    np.testing.assert_array_equal(kernelwright.compile(model).run({"x": x})["y"], meaning(x))
    on_gpu = compile_model(model, CompileOptions(target=resolve("cuda:sm_90a")))
    assert on_gpu.plan is not None and not on_gpu.host_steps
