"""`kernelwright check`: right models pass, a wrong one is traced to the ONNX node where it departs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filecheck_plugin import run_command
from small_models import small_model

from kernelwright.compiler.comparison import relative_error

WRONG = '''
from kernelwright import PatternPass, Rewriter, pattern
from kernelwright.ir.dialects.nn import Neg, Relu


@pattern(Relu)
def relu_to_neg(op: Relu, rw: Rewriter) -> None:
    rw.replace(op, Neg(op.x))


class Wrong(PatternPass):
    """Replace every relu by what it is not."""

    name = "test-wrong-relu"
    phase = "rewrite"
    patterns = (relu_to_neg,)
'''


@pytest.fixture
def model(tmp_path: Path) -> str:
    small_model(tmp_path / "model.onnx")
    return str(tmp_path / "model.onnx")


@pytest.mark.parametrize("options", [[], ["--shapes=input:3x3x32x32"], ["--precision=bf16"], ["--disable-pass=cse"]])
def test_a_right_model_passes(model: str, options: list[str]) -> None:
    code, out, err = run_command(["check", model, *options])
    assert (code, err) == (0, "")
    assert out.splitlines()[1].startswith("logits")
    assert out.rstrip().endswith("ok")


def test_a_wrong_pass_is_traced_to_the_node(model: str, tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG)
    code, out, err = run_command(["check", model, f"--load-pass={tmp_path / 'wrong.py'}"])
    assert code == 1
    assert "above 2e-05" in out
    assert "error: 1 of 1 outputs differ from ONNX Runtime" in err
    assert "note: first departs at node 'relu' (Relu), tensor 'r'" in err


def test_an_input_may_be_given(model: str, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 3, 32, 32), np.float32))
    code, out, _ = run_command(["check", model, f"--input=input={tmp_path / 'x.npy'}"])
    assert code == 0
    assert "2x10" in out


@pytest.mark.parametrize(
    ("ours", "theirs", "error"),
    [
        ([3.0, 4.0], [3.0, 4.0], 0.0),
        ([3.0, 0.0], [3.0, 4.0], 0.8),
        ([1.0, np.inf], [1.0, np.inf], 0.0),
        ([1.0, np.nan], [1.0, np.nan], 0.0),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([1.0, 2.0], [1.0, np.inf], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
        ([0.0], [0.0], 0.0),
    ],
)
def test_relative_error(ours: list[float], theirs: list[float], error: float) -> None:
    assert relative_error(np.array(ours), np.array(theirs)) == pytest.approx(error)
