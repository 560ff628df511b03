"""`kernelwright opt`: dumps with MLIR's headers, timing, remarks, reproducers, plugins, one clear error each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from filecheck_plugin import run_command

from kernelwright.ir.dialects.builtin import Module
from kernelwright.passes.base import PassContext
from kernelwright.passes.graph.cse import Cse

TWICE = """
func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("/a/Relu")
  %1 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32> loc("/b/Relu")
  %2 = "nn.add"(%0, %1) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32> loc("/Add")
  return %2 : tensor<4xf32>
}
"""

PLUGIN = '''
from __future__ import annotations

from kernelwright import Pass, PassContext, PatternPass, Rewriter, pattern
from kernelwright.ir.dialects.nn import Neg, Relu


@pattern(Relu)
def relu_to_neg(op: Relu, rw: Rewriter) -> None:
    """relu(x) = -x, which is wrong"""
    rw.replace(op, Neg(op.x))


class Wrong(PatternPass):
    """Replace every relu."""

    name = "test-wrong"
    patterns = (relu_to_neg,)


class Raises(Pass):
    """Raises what no pass should."""

    name = "test-raises"

    def run(self, module, context: PassContext) -> None:
        {}["key"]


class Breaks(Pass):
    """Leaves IR that does not verify."""

    name = "test-breaks"

    def run(self, module, context: PassContext) -> None:
        first, *_, last = list(module.main.block)[:-1]
        last.detach()
        module.main.block.insert_before(last, first)


class Talks(Pass):
    """Makes a remark at each op."""

    name = "test-talks"

    def run(self, module, context: PassContext) -> None:
        for op in list(module.main.block)[:-1]:
            context.remark(op, f"not fused: {op.name} has no friends")
'''


@pytest.fixture
def module(tmp_path: Path) -> str:
    file = tmp_path / "twice.mlir"
    file.write_text(TWICE)
    return str(file)


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    file = tmp_path / "my_passes.py"
    file.write_text(PLUGIN)
    return str(file)


@pytest.fixture
def opt(module: str, plugin: str) -> Callable[..., tuple[int, str, str]]:
    return lambda *options: run_command(["opt", module, f"--load-pass={plugin}", *options])


Opt = Callable[..., tuple[int, str, str]]


def test_headers_are_those_of_mlir(opt: Opt) -> None:
    code, out, err = opt("--pass-pipeline=cse,dce", "--print-ir-before=cse", "--print-ir-after-all")
    assert code == 0
    headers = [line for line in err.splitlines() if line.startswith("// -----//")]
    assert headers == [
        "// -----// IR Dump Before Cse (cse) //----- //",
        "// -----// IR Dump After Cse (cse) //----- //",
        "// -----// IR Dump After Dce (dce) //----- //",
    ]
    assert err.count("module") == 3
    assert out.count("nn.relu") == 1


def test_after_change_leaves_out_passes_that_changed_nothing(opt: Opt) -> None:
    _, _, err = opt("--pass-pipeline=dce,cse,dce", "--print-ir-after-change")
    assert [line for line in err.splitlines() if "IR Dump" in line] == ["// -----// IR Dump After Cse (cse) //----- //"]


def test_after_names_passes(opt: Opt) -> None:
    _, _, err = opt("--pass-pipeline=cse,dce", "--print-ir-after=dce")
    assert "After Dce (dce)" in err
    assert "After Cse" not in err


def test_dumps_go_into_a_tree_and_read_back(opt: Opt, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    code, _, err = opt("--pass-pipeline=cse,dce", f"--print-ir-tree-dir={tree}")
    assert (code, err) == (0, "")
    files = sorted(file.name for file in tree.rglob("*.mlir"))
    assert files == ["000_cse.mlir", "001_dce.mlir"]
    for file in tree.rglob("*.mlir"):
        assert run_command(["opt", str(file)])[0] == 0


def test_timing_is_a_tree(opt: Opt) -> None:
    _, _, err = opt("--pass-pipeline=cse,dce", "--timing")
    assert "... Execution time report ..." in err
    assert "Total Execution Time" in err
    assert "    Cse (cse)" in err


def test_a_disabled_pass_does_not_run(opt: Opt) -> None:
    _, out, _ = opt("--pass-pipeline=cse", "--disable-pass=cse")
    assert out.count("nn.relu") == 2


def test_disabling_an_unknown_pass_is_an_error(opt: Opt) -> None:
    code, _, err = opt("--pass-pipeline=cse", "--disable-pass=css")
    assert code == 1
    assert "no pass is called 'css'; did you mean 'cse'?" in err


def test_remarks_name_the_node(opt: Opt) -> None:
    _, _, err = opt("--pass-pipeline=test-talks", "--remarks")
    assert len(err.splitlines()) == 3
    _, _, err = opt("--pass-pipeline=test-talks", "--remarks=/b/Relu")
    assert err.splitlines() == [
        "fate: /b/Relu: in no kernel yet",
        "remark: /b/Relu: not fused: nn.relu has no friends [test-talks]",
    ]


def test_a_loaded_pass_is_used_by_name(opt: Opt) -> None:
    code, out, _ = opt("--pass-pipeline=cse,test-wrong")
    assert code == 0
    assert '"nn.neg"' in out
    assert "/a/Relu" in out


def test_a_pass_that_raises_is_named_with_file_and_line(opt: Opt, plugin: str) -> None:
    code, out, err = opt("--pass-pipeline=cse,test-raises")
    line = PLUGIN.split('{}["key"]', maxsplit=1)[0].count("\n") + 1
    assert (code, out) == (1, "")
    assert f"error: pass 'test-raises' of {plugin}:{line} raised KeyError: 'key'" in err
    assert "note: while running pass 'test-raises' (2 of 2)" in err
    assert "Traceback" not in err


def test_verbose_shows_the_traceback(module: str, plugin: str) -> None:
    command = ["--verbose", "opt", module, f"--load-pass={plugin}", "--pass-pipeline=test-raises"]
    assert "Traceback" in run_command(command)[2]


def test_a_pass_that_breaks_the_ir_is_named(opt: Opt, plugin: str) -> None:
    code, out, err = opt("--pass-pipeline=test-breaks,cse")
    assert (code, out) == (1, "")
    assert f"pass 'test-breaks' of {plugin} left invalid IR" in err
    assert "Traceback" not in err


def test_after_failure_prints_what_the_pass_left(opt: Opt) -> None:
    _, _, err = opt("--pass-pipeline=cse,test-raises", "--print-ir-after-failure")
    assert [line for line in err.splitlines() if "IR Dump" in line] == [
        "// -----// IR Dump After Raises Failed (test-raises) //----- //"
    ]


def test_a_reproducer_runs_as_it_is(opt: Opt, tmp_path: Path) -> None:
    file = tmp_path / "repro.mlir"
    code, _, err = opt("--pass-pipeline=cse,test-raises,dce", f"--crash-reproducer={file}")
    assert code == 1
    assert f"note: reproduce: kernelwright opt {file}" in err
    text = file.read_text()
    assert "--pass-pipeline=test-raises,dce" in text
    assert text.count('"nn.relu"') == 1, "the IR is that before the failing pass"
    again, _, error = run_command(["opt", str(file)])
    assert again == 1
    assert "pass 'test-raises'" in error
    assert "raised KeyError: 'key'" in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("class Broken(:\n", "1: SyntaxError"),
        ("import kernelwrong\n", "1: ModuleNotFoundError: No module named 'kernelwrong'"),
        ("x = 1\n", "declares no pass"),
    ],
)
def test_a_plugin_that_does_not_load_is_one_error(tmp_path: Path, module: str, text: str, message: str) -> None:
    file = tmp_path / "bad.py"
    file.write_text(text)
    code, _, err = run_command(["opt", module, f"--load-pass={file}"])
    assert code == 1
    assert str(file) in err
    assert message in err
    assert "Traceback" not in err


UNDEFINED = """func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  return %y : tensor<4xf32>
}
"""
SYNTAX = "func.func @main(%x: tensor<4xf32) {\n"
UNKNOWN_OP = """func.func @f() {
  %0 = "nn.reluu"() : () -> i32
  return
}
"""
WRONG_TYPE = """func.func @f(%x: tensor<4xf32>) -> tensor<5xf32> {
  %0 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
"""
USE_BEFORE_DEFINITION = """func.func @f(%x: tensor<4xf32>) -> tensor<4xf32> {
  %0 = "nn.relu"(%1) : (tensor<4xf32>) -> tensor<4xf32>
  %1 = "nn.relu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (UNDEFINED, "%y"),
        (SYNTAX, "error:"),
        (UNKNOWN_OP, "did you mean 'nn.relu'"),
        (WRONG_TYPE, "tensor<5xf32>"),
        (USE_BEFORE_DEFINITION, "%1"),
    ],
)
def test_ir_with_an_error_is_pointed_at(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "bad.mlir"
    file.write_text(text)
    code, out, err = run_command(["opt", str(file)])
    assert (code, out) == (1, "")
    assert f"{file}:" in err
    assert message in err
    assert "Traceback" not in err


def test_a_missing_file_is_one_error() -> None:
    code, _, err = run_command(["opt", "/nowhere/x.mlir"])
    assert code == 1
    assert "cannot read '/nowhere/x.mlir': no such file or directory" in err


def test_weights_travel_beside_the_text(tmp_path: Path) -> None:
    text = """
func.func @main() -> tensor<2x2xf32> {
  %0 = "their.constant"() {value = dense_resource<w> : tensor<2x2xf32>} : () -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}
"""
    import numpy as np

    from kernelwright.compiler.irfile import read_weights, write_weights

    weight = np.arange(4, dtype=np.float32).reshape(2, 2)
    (tmp_path / "m.mlir").write_text(text)
    write_weights(tmp_path / "m.safetensors", {"w": weight})
    code, _, err = run_command(["opt", str(tmp_path / "m.mlir"), "-o", str(tmp_path / "n.mlir")])
    assert (code, err) == (0, "")
    assert np.array_equal(read_weights(tmp_path / "n.safetensors")["w"], weight)


def test_check_numerics_names_the_wrong_pass_and_the_node(opt: Opt, tmp_path: Path) -> None:
    file = tmp_path / "repro.mlir"
    code, out, err = opt("--pass-pipeline=cse,test-wrong,dce", "--check-numerics", f"--crash-reproducer={file}")
    assert (code, out) == (1, "")
    assert "pass 'test-wrong' changed output '0' by" in err
    assert "first departs at 'nn.neg', from ONNX node '/b/Relu'" in err
    again, _, error = run_command(["opt", str(file)])
    assert again == 1
    assert "pass 'test-wrong' changed output" in error


def test_check_numerics_says_what_it_compared(opt: Opt) -> None:
    code, _, err = opt("--pass-pipeline=cse,dce", "--check-numerics")
    assert code == 0
    assert "2 passes compared on sample inputs, none departs" in err


def test_two_weights_of_one_name_are_a_defect(tmp_path: Path) -> None:
    import numpy as np

    from kernelwright.compiler.irfile import write_module
    from kernelwright.ir.attributes import DenseResourceAttr
    from kernelwright.ir.core import Operation
    from kernelwright.ir.diagnostics import InternalError
    from kernelwright.ir.dialects.builtin import Module
    from kernelwright.ir.types import TensorType, f32

    module = Module.empty()
    for value in (0, 0, 1):
        weight = DenseResourceAttr("w", TensorType((2,), f32), np.full(2, value, np.float32))
        module.block.append(Operation("their.constant", attributes={"value": weight}))
    with pytest.raises(InternalError, match="two weights are called 'w'"):
        write_module(tmp_path / "m.mlir", module)
    assert not (tmp_path / "m.mlir").exists()


def test_a_defect_of_ours_says_so_and_leaves_a_reproducer(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Cse, module: Module, context: PassContext) -> None:
        raise KeyError("nothing")

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(Cse, "run", fail)
        code, _, err = run_command(["opt", module, "--pass-pipeline=dce,cse"])
    assert code == 1
    assert "error: pass 'cse' failed: KeyError: 'nothing'" in err
    assert "note: reproduce: kernelwright opt crash-reproducer.mlir" in err
    assert "this is a defect of Kernelwright" in err
    assert "Traceback" not in err
    code, out, _ = run_command(["opt", "crash-reproducer.mlir"])
    assert code == 0
    assert out.count('"nn.relu"') == 1
