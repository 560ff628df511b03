"""What no kernel does runs on the host: in plans, beside kernels, told, and refused where that is asked for."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import graph

import kernelwright
from kernelwright.compiler.cli import main
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.parser import parse
from kernelwright.runtime.errors import HostFunctionError
from kernelwright.runtime.plan import Host, Native

BETWEEN = """(float[4] x) => (float[4] y) {
    a = Exp (x)
    text = Cast <to = 8> (a)
    k = Cast <to = 1> (text)
    y = Add (k, a)
}"""
SEQUENCE = """(float[N, 3] x, int64[K] parts, int64 i) => (float[A, B] y) {
    s = SplitToSequence (x, parts)
    e = SequenceAt (s, i)
    t = Transpose (e)
    y = Neg (t)
}"""


def compiled(model: onnx.ModelProto, host_fallback: bool = True) -> kernelwright.Engine:
    return compile_model(model, CompileOptions(target=resolve("cpu"), host_fallback=host_fallback)).engine(threads=1)


def test_host_steps_stand_between_kernels() -> None:
    engine = compiled(graph(BETWEEN))
    assert [type(step) for step in engine.plan.steps] == [Native, Host, Host, Native]
    x = np.array([1, 0, 1, 2], np.float32)
    np.testing.assert_allclose(engine.run({"x": x})["y"], 2 * np.exp(x), rtol=1e-6)


def test_elements_of_sequences_of_run_time_stay_on_the_host() -> None:
    engine = compiled(graph(SEQUENCE))
    nodes = [step.onnx_nodes for step in engine.plan.steps if isinstance(step, Host)]
    assert nodes == [("s",), ("e",), ("t",), ("y",)]
    x = np.arange(15, dtype=np.float32).reshape(5, 3)
    for i in range(2):
        given = {"x": x, "parts": np.array([2, 3]), "i": np.array(i)}
        np.testing.assert_array_equal(engine.run(given)["y"], -np.split(x, [2])[i].T)


def test_strings_go_in_and_come_out() -> None:
    engine = compiled(graph("(string[N] x) => (string[N] y) { y = StringConcat (x, x) }"))
    assert engine.run({"x": np.array(["a", "bc"], object)})["y"].tolist() == ["aa", "bcbc"]


def test_sequences_come_out() -> None:
    engine = compiled(graph("(float[3] x) => (seq(float[3]) y) { a = Exp (x)  y = SequenceConstruct (a, x) }"))
    x = np.arange(3, dtype=np.float32)
    first, second = engine.run({"x": x})["y"]
    np.testing.assert_allclose(first, np.exp(x), rtol=1e-6)
    np.testing.assert_array_equal(second, x)


def test_a_plan_with_host_steps_is_saved_and_loaded(tmp_path: Path) -> None:
    compiled(graph(BETWEEN)).save(tmp_path / "m.plan")
    loaded = kernelwright.load(tmp_path / "m.plan", threads=1)
    assert loaded.run({"x": np.zeros(4, np.float32)})["y"].tolist() == [2] * 4


def test_a_shape_that_the_model_misstates_is_an_error() -> None:
    text = """(float[N] x, int64[K] parts, int64 i) => (float[2] y) {
        s = SplitToSequence (x, parts)  y = SequenceAt (s, i)
    }"""
    engine = compiled(graph(text))
    with pytest.raises(HostFunctionError, match=r"shape \[1\] where the model states \[2\]"):
        engine.run({"x": np.zeros(3, np.float32), "parts": np.array([1, 2]), "i": np.array(0)})


def test_the_ir_of_host_calls_reads_back() -> None:
    options = CompileOptions(target=resolve("cpu"), stop="plan")
    module = compile_model(graph("(string[N] x) => (string[N] y) { y = StringConcat (x, x) }"), options).module
    assert str(parse(str(module))) == str(module)


def test_without_fallback_each_node_is_an_error() -> None:
    with pytest.raises(CompileError, match="'y' would run on the host"):
        compiled(graph("(string[3] x) => (string[N] y) { y = Unique (x) }"), host_fallback=False)


def test_compile_lists_what_runs_on_the_host(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    onnx.save(graph("(string[3] x) => (string[N] y) { y = Unique (x) }"), tmp_path / "m.onnx")
    arguments = ["compile", str(tmp_path / "m.onnx"), "-o", str(tmp_path / "m.plan")]
    with contextlib.suppress(SystemExit):
        main(arguments)
    assert "on the host: 'y'" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refused:
        main([*arguments, "--no-host-fallback"])
    assert refused.value.code != 0


def test_plans_for_gpus_hold_objects() -> None:
    options = CompileOptions(target=resolve("cuda:sm_90a"))
    compiled = compile_model(graph("(string[N] x) => (string[N] y) { y = StringConcat (x, x) }"), options)
    assert compiled.plan is not None
    assert [spec.dtype for spec in (*compiled.plan.inputs, *compiled.plan.outputs)] == ["object", "object"]
    assert [type(step) for step in compiled.plan.steps] == [Host]


def test_inspect_says_what_runs_on_the_host_and_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    compiled(graph("(string[N] x) => (string[N] y) { y = StringConcat (x, x) }")).save(tmp_path / "m.plan")
    with contextlib.suppress(SystemExit):
        main(["inspect", str(tmp_path / "m.plan")])
    assert "host     y: text has no fixed size" in capsys.readouterr().out
