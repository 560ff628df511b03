"""Every node of a model has one fate: a kernel, a view, a constant, the host, or the pass that eliminated it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import zoo
from filecheck_plugin import run_command
from onnx import TensorProto, helper, numpy_helper

from kernelwright.compiler import host
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.compiler.session import Session

MAY_ELIMINATE = {"legalize-onnx", "canonicalize", "cse", "dce"}
"""Passes after which nothing of a node need be left; fusions and recognizers hand its name on."""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A convolution with batch norm and relu, a reshape, an identity, a shape computation and a folded addition."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["c", "s", "s", "s", "s"], ["n"], "norm"),
        helper.make_node("Relu", ["n"], ["r"], "relu"),
        helper.make_node("Identity", ["r"], ["i"], "same"),
        helper.make_node("Shape", ["i"], ["shape"], "shape", start=0, end=1),
        helper.make_node("Concat", ["shape", "rest"], ["to"], "to", axis=0),
        helper.make_node("Reshape", ["i", "to"], ["f"], "flatten"),
        helper.make_node("Add", ["b", "b"], ["twice"], "fold"),
        helper.make_node("Neg", ["i"], ["unused"], "unused"),
        helper.make_node("Mul", ["f", "twice"], ["y"], "scale"),
    ]
    weights = {
        "w": np.ones((4, 3, 3, 3), np.float32),
        "s": np.ones(4, np.float32),
        "rest": np.array([-1], np.int64),
        "b": np.arange(256, dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "fates",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 256])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    file = tmp_path / "fates.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(file))
    return file


@pytest.mark.parametrize(
    ("node", "fate"),
    [
        ("norm", "in kernel 'conv', with 'conv', 'relu'"),
        ("flatten", "a view: another tensor's memory"),
        ("fold", "a constant: computed at compile time"),
        ("same", "eliminated by legalize-onnx"),
        ("scale", "in kernel 'scale', alone"),
    ],
)
def test_remarks_tell_the_fate_of_a_node(model: Path, node: str, fate: str) -> None:
    code, _, err = run_command(["compile", str(model), "-o", str(model.with_suffix(".plan")), f"--remarks={node}"])
    assert code == 0
    assert f"fate: {node}: {fate}" in err


def test_a_wrong_name_is_answered_with_the_nearest(model: Path) -> None:
    _, _, err = run_command(["compile", str(model), "-o", str(model.with_suffix(".plan")), "--remarks=flaten"])
    assert "no node is called 'flaten'; did you mean 'flatten'?" in err


def test_a_plan_knows_the_fate_of_every_node(model: Path) -> None:
    plan = model.with_suffix(".plan")
    run_command(["compile", str(model), "-o", str(plan)])
    _, out, _ = run_command(["inspect", str(plan), "--json"])
    nodes = json.loads(out)["nodes"]
    assert nodes.keys() == {node.name for node in onnx.load(str(model)).graph.node}
    assert (nodes["relu"], nodes["flatten"], nodes["fold"]) == ("kernel conv", "view", "constant")
    _, out, _ = run_command(["inspect", str(plan), "--nodes"])
    assert "flatten    view" in out


@pytest.mark.parametrize("model_name", zoo.MODELS)
def test_no_fusion_loses_a_node(model_name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sessions: list[Session] = []

    def keep(session: Session) -> None:
        sessions.append(session)

    monkeypatch.setattr(Session, "finish", keep)
    case = zoo.cases(model_name)[0]
    module = compile_model(
        str(case.path), CompileOptions(host.resolve("cpu"), shapes=case.shapes(), stop="kernels")
    ).module
    fates = sessions[-1].fates.of(module)
    lost = {
        name: fate for name, fate in fates.items() if fate.kind == "eliminated" and fate.detail not in MAY_ELIMINATE
    }
    assert fates
    assert not lost
    assert not [name for name, fate in fates.items() if fate.kind == "host"]
