"""`kernelwright compile` on bad input: one clear error, exit code 1, no traceback, nothing half-written."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from filecheck_plugin import run_command
from onnx import TensorProto, helper

ROOT = Path(__file__).resolve().parents[2]


def model(nodes: list[onnx.NodeProto], **opsets: int) -> onnx.ModelProto:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 4])
    weight = onnx.numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    imports = [helper.make_opsetid(domain.replace("default", ""), version) for domain, version in opsets.items()]
    graph = helper.make_graph(nodes, "g", [x], [y], [weight])
    return helper.make_model(graph, opset_imports=imports or [helper.make_opsetid("", 17)])


GOOD = model([helper.make_node("MatMul", ["x", "w"], ["y"], "mul")])


def compile_file(tmp_path: Path, content: bytes, *options: str) -> str:
    """The error of compiling a file with `content`; the plan that was there before stays as it was."""
    (tmp_path / "m.onnx").write_bytes(content)
    plan = tmp_path / "m.plan"
    plan.write_text("an older plan")
    code, out, err = run_command(["compile", str(tmp_path / "m.onnx"), "-o", str(plan), *options])
    assert (code, out) == (1, ""), err
    assert "Traceback" not in err
    assert "internal" not in err
    assert plan.read_text() == "an older plan"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.onnx", "m.plan"]
    return err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD.SerializeToString()[:-40], "m.onnx"),
        (b"PK\x03\x04 this is a zip archive", "m.onnx"),
        (b"", "m.onnx"),
    ],
    ids=["truncated", "another format", "empty"],
)
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes, message: str) -> None:
    assert message in compile_file(tmp_path, content)


def test_a_graph_that_the_checker_rejects(tmp_path: Path) -> None:
    bad = model([helper.make_node("MatMul", ["x"], ["y"], "mul")])
    assert "mul" in compile_file(tmp_path, bad.SerializeToString())


def test_all_unknown_operators_are_in_one_error(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Frobnicate", ["x"], ["a"], "first", domain="com.acme"),
        helper.make_node("Frobnicate", ["a"], ["b"], "second", domain="com.acme"),
        helper.make_node("Twiddle", ["b"], ["y"], "third", domain="com.acme"),
    ]
    bad = model(nodes, default=17, **{"com.acme": 1})
    err = compile_file(tmp_path, bad.SerializeToString())
    for word in ("Frobnicate", "Twiddle", "first", "third"):
        assert word in err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--shapes=z:2x4"], "'z'"),
        (["--shapes=x:2x5"], "5"),
        (["--shapes=x:2"], "has 2 dimensions"),
        (["--shapes=x"], "--shapes: expected NAME:1x3x224x224, found 'x'"),
        (["--max-shapes=z:2x4"], "--max-shapes: the model has no input 'z'"),
        (["--min-shapes=x:8x4", "--max-shapes=x:2x4"], "needs min <= opt <= max"),
        (["--target=cuda:sm_9"], "no target is called 'cuda:sm_9'"),
        (["--target=/nowhere/t.json"], "cannot read the target"),
        (["--disable-pass=nothing"], "no pass is called 'nothing'"),
        (["--add-pass=cse"], "--add-pass: expected PHASE:PASSES, found 'cse'"),
        (["--add-pass=rewrit:cse"], "did you mean 'rewrite'?"),
        (["--load-pass=/nowhere/p.py"], "cannot load passes from '/nowhere/p.py'"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: list[str], message: str) -> None:
    assert message in compile_file(tmp_path, GOOD.SerializeToString(), *options)


def test_a_missing_model() -> None:
    code, _, err = run_command(["compile", "/nowhere/m.onnx", "-o", "/tmp/m.plan"])
    assert code == 1
    assert "/nowhere/m.onnx" in err
    assert "Traceback" not in err


def test_a_missing_output_folder_is_found_before_compiling(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(GOOD.SerializeToString())
    code, _, err = run_command(["compile", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "no" / "m.plan")])
    assert code == 1
    assert "there is no folder" in err


@pytest.mark.parametrize("stop", ["binary", "tile", "source"])
def test_a_full_disk_leaves_the_old_file_whole(tmp_path: Path, stop: str) -> None:
    (tmp_path / "m.onnx").write_bytes(GOOD.SerializeToString())
    (tmp_path / "old").write_text("an older file")
    arguments = ["compile", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "old"), f"--compile-to={stop}"]
    # No file may become larger than 64 bytes: what a full disk does, without filling one.
    code = (
        "import resource, sys\nfrom kernelwright.compiler.cli import main\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))\nmain(sys.argv[1:])"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT / "dev")
    assert done.returncode == 1, done.stderr
    assert "cannot write" in done.stderr
    assert "file too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "old").read_text() == "an older file"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.onnx", "old"]


def test_ir_that_does_not_say_its_phase(tmp_path: Path) -> None:
    (tmp_path / "m.mlir").write_text(
        "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n  return %x : tensor<4xf32>\n}\n"
    )
    code, _, err = run_command(["compile", str(tmp_path / "m.mlir"), "-o", str(tmp_path / "m.plan")])
    assert code == 1
    assert "--compile-from" in err


def test_a_kernel_without_a_strategy_names_its_nodes(tmp_path: Path) -> None:
    """A recurrent layer needs its inputs projected first."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [5, 2, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [5, 1, 2, 4])
    weights = [onnx.numpy_helper.from_array(np.ones((1, 4, n), np.float32), name) for n, name in ((3, "w"), (4, "r"))]
    node = helper.make_node("RNN", ["x", "w", "r"], ["y"], "layer", hidden_size=4)
    graph = helper.make_graph([node], "g", [x], [y], weights)
    content = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    error = compile_file(tmp_path, content, "--disable-pass", "project-recurrent-inputs")
    assert "cannot compile 'layer' for cpu" in error
    assert "recurrent: its inputs are not projected" in error
    assert "note: fix the sizes with --shapes" in error
