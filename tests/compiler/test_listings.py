"""`passes`, `ops`, `targets`, `--help`: what there is, and what is said where there is nothing of that name."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filecheck_plugin import run_command

ROOT = Path(__file__).resolve().parents[2]


def test_passes_are_listed_with_their_help() -> None:
    _, out, _ = run_command(["passes"])
    assert "cse " in out
    assert "Compute equal things once" in out


def test_a_pass_is_described_with_its_example() -> None:
    _, out, _ = run_command(["passes", "cse"])
    assert "Before:" in out
    assert '"nn.relu"(%x)' in out


def test_ops_are_listed_by_dialect_and_described() -> None:
    _, out, _ = run_command(["ops", "nn"])
    assert "nn.relu" in out
    assert "func.func" not in out
    _, out, _ = run_command(["ops", "nn.leaky_relu"])
    assert "alpha: a floating-point number" in out


def test_a_target_is_printed_as_the_file_it_is_read_from(tmp_path: Path) -> None:
    _, out, _ = run_command(["targets", "cuda:h200"])
    (tmp_path / "mine.json").write_text(out)
    _, again, _ = run_command(["targets", str(tmp_path / "mine.json")])
    assert json.loads(again) == json.loads(out)


def test_all_targets_are_listed_this_machine_first() -> None:
    _, out, _ = run_command(["targets"])
    assert out.startswith("cpu ")
    assert "cuda:sm_90a" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["passes", "css"], "did you mean 'cse'?"),
        (["ops", "nn.rleu"], "did you mean 'nn.relu'?"),
        (["targets", "cuda:sm_99"], "no target is called 'cuda:sm_99'"),
        (["targets", "/nowhere.json"], "cannot read the target /nowhere.json"),
    ],
)
def test_unknown_names_are_one_error(arguments: list[str], message: str) -> None:
    code, _, err = run_command(arguments)
    assert code == 1
    assert message in err


def test_wrong_usage_suggests_the_command() -> None:
    code, _, err = run_command(["complie"])
    assert code == 2
    assert "did you mean 'compile'?" in err


def test_help_loads_neither_parser_nor_onnx() -> None:
    code = (
        "import sys\nfrom kernelwright.compiler.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('onnx', 'lark', 'llvmlite', 'rich') if m in sys.modules])"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "dev")
    assert done.stdout.endswith("[]\n")
    assert time.perf_counter() - start < 5, "generous: other tests may run beside this one"
