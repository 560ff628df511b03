"""Recurrent layers, compiled for this CPU, next to ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
import pytest
from native import runs_here
from tile_programs import check_kernel

import kernelwright
from kernelwright.compiler.host import resolve
from kernelwright.ir.core import Block
from kernelwright.ir.dialects import nn
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.types import TensorType, scalar_of

Direction = Literal["forward", "reverse", "bidirectional"]
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


@dataclass(frozen=True)
class Layer:
    """A layer of one kind with its sizes and the optional operands that it has."""

    kind: str
    time: int = 5
    batch: int = 2
    inputs: int = 3
    hidden: int = 7
    direction: str = "forward"
    bias: bool = True
    lengths: bool = False
    initial: bool = False
    peepholes: bool = False
    linear_before_reset: bool = True

    def __str__(self) -> str:
        return "-".join(str(v) for v in vars(self).values())

    @property
    def directions(self) -> int:
        return 2 if self.direction == "bidirectional" else 1

    def arrays(self) -> dict[str, np.ndarray | None]:
        """The operands in ONNX's order."""
        rng = np.random.default_rng(7)
        gates, d, h = GATES[self.kind], self.directions, self.hidden

        def random(*shape: int) -> np.ndarray:
            return rng.standard_normal(shape, dtype=np.float32) * np.float32(0.5)

        state = (d, self.batch, h)
        operands: dict[str, np.ndarray | None] = {
            "x": random(self.time, self.batch, self.inputs),
            "w": random(d, gates * h, self.inputs),
            "r": random(d, gates * h, h),
            "b": random(d, 2 * gates * h) if self.bias else None,
            "lengths": np.array([self.time, *[self.time // 2] * (self.batch - 1)], np.int32) if self.lengths else None,
            "h0": random(*state) if self.initial else None,
        }
        if self.kind == "LSTM":
            operands["c0"] = random(*state) if self.initial else None
            operands["p"] = random(d, 3 * h) if self.peepholes else None
        return operands

    def model(self) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
        """The model, its weights constant, and the inputs of a run."""
        operands = self.arrays()
        dynamic = ("x", "lengths", "h0", "c0")
        attributes: dict[str, Any] = {"hidden_size": self.hidden, "direction": self.direction}
        if self.kind == "GRU":
            attributes["linear_before_reset"] = int(self.linear_before_reset)
        outputs = ["y", "hn", "cn"][: 3 if self.kind == "LSTM" else 2]
        names = [name if value is not None else "" for name, value in operands.items()]
        node = onnx.helper.make_node(self.kind, names, outputs, name="layer", **attributes)
        feeds = {n: v for n, v in operands.items() if v is not None and n in dynamic}
        weights = [onnx.numpy_helper.from_array(v, n) for n, v in operands.items() if v is not None and n not in feeds]
        values = [
            onnx.helper.make_tensor_value_info(n, onnx.helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
            for n, v in feeds.items()
        ]
        state = [self.directions, self.batch, self.hidden]
        shapes = {"y": [self.time, *state], "hn": state, "cn": state}
        results = [onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shapes[n]) for n in outputs]
        graph = onnx.helper.make_graph([node], "layer", values, results, weights)
        return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8), feeds


KINDS = [Layer("LSTM"), Layer("GRU"), Layer("RNN"), Layer("GRU", linear_before_reset=False)]
CASES = [
    *KINDS,
    *(replace(layer, direction="bidirectional", hidden=33) for layer in KINDS),
    *(replace(layer, direction="reverse", initial=True, bias=False) for layer in KINDS),
    *(replace(layer, direction="bidirectional", lengths=True, initial=True, batch=3) for layer in KINDS),
    *(replace(layer, time=1, batch=1, hidden=1) for layer in KINDS),
    Layer("LSTM", peepholes=True, direction="bidirectional"),
    Layer("GRU", hidden=64, time=9),
    Layer("GRU", hidden=64, time=9, batch=5, linear_before_reset=False, direction="bidirectional", lengths=True),
]


@pytest.mark.parametrize("layer", CASES, ids=str)
def test_compiled_layer_agrees_with_onnx_runtime(layer: Layer) -> None:
    model, feeds = layer.model()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, map(np.asarray, session.run(names, feeds)), strict=True))
    engine = kernelwright.compile(model, target="cpu")
    found = engine.run(feeds)
    for name, value in expected.items():
        error = np.linalg.norm(found[name] - value) / max(np.linalg.norm(value), 1e-9)
        assert error < 2e-6, f"{name}: relative error {error}"


@pytest.mark.parametrize("target", ["cpu-avx2", "cuda:h100"])
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
def test_a_gru_that_resets_first_agrees_with_its_meaning(direction: Direction, target: str) -> None:
    """The program is run by the interpreter, which checks every access: on any target."""
    rng = np.random.default_rng(3)
    d, time, batch, hidden = 2 if direction == "bidirectional" else 1, 4, 3, 6
    shapes = [(time, batch, d * 3 * hidden), (d, 3 * hidden, hidden), (d, 6 * hidden), (batch,), (d, batch, hidden)]
    arrays: list[np.ndarray] = [rng.standard_normal(shape, np.float32) for shape in shapes]
    arrays[3] = np.array([time, 1, 2], np.int32)
    block = Block([TensorType(array.shape, scalar_of(array.dtype)) for array in arrays])
    x, r, bias, lengths, h = block.arguments
    op = nn.Gru(x, None, r, bias, lengths, h, direction=direction)
    block.append(op)
    check_kernel(block, op.results, arrays, {}, target, 2e-6)


@pytest.mark.parametrize("layer", [replace(layer, hidden=34, time=6, initial=True) for layer in KINDS], ids=str)
@pytest.mark.parametrize("name", ["cpu", "cpu-avx512-bf16"])
def test_bf16_is_multiplied_in_pairs(layer: Layer, name: str) -> None:
    target = resolve(name)
    if not isinstance(target, CpuTarget) or not runs_here(target):
        pytest.skip("code for this processor does not run here")
    model, feeds = replace(layer, direction="bidirectional").model()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    expected = dict(zip(names, map(np.asarray, session.run(names, feeds)), strict=True))
    engine = kernelwright.compile(model, target=target, precision="bf16")
    (schedule,) = [kernel.schedule for kernel in engine.plan.kernels if kernel.tactic == "recurrent"]
    assert ("depth = 2" in str(schedule)) == target.has_bf16_dots
    found = engine.run(feeds)
    for output, value in expected.items():
        error = np.linalg.norm(found[output] - value) / np.linalg.norm(value)
        assert error < 1e-2, f"{output}: relative error {error}"
