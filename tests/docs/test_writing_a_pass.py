"""The pass of docs/writing-a-pass.md: short, outside the package, and it changes the plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from filecheck_plugin import run_command
from small_models import small_model

from kernelwright.runtime.engine import Engine, load

PAGE = Path(__file__).resolve().parents[2] / "docs" / "writing-a-pass.md"


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The first Python block of the page as a file."""
    text = PAGE.read_text().split("```python\n")[1].split("```")[0]
    file = tmp_path / "fast_gelu.py"
    file.write_text(text)
    return file


def compiled(folder: Path, name: str, *options: str) -> Engine:
    code, _, err = run_command(["compile", str(folder / "model.onnx"), "-o", str(folder / name), *options])
    assert code == 0, err
    return load(folder / name)


def test_it_has_at_most_fifteen_lines(plugin: Path) -> None:
    lines = [line for line in plugin.read_text().splitlines() if line and not line.startswith("# ")]
    assert len(lines) <= 15


def test_it_changes_the_kernel_and_the_result_little(tmp_path: Path, plugin: Path) -> None:
    small_model(tmp_path / "model.onnx")
    exact = compiled(tmp_path, "exact.plan")
    fast = compiled(tmp_path, "fast.plan", f"--load-pass={plugin}")
    sources = [[engine.source(kernel.name) for kernel in engine.plan.kernels] for engine in (exact, fast)]
    assert sources[0] != sources[1]
    x = np.random.default_rng(0).standard_normal((2, 3, 32, 32), np.float32)
    a, b = (engine.run({"input": x})["logits"] for engine in (exact, fast))
    assert 0 < np.abs(a - b).max() < 1e-2


def test_check_numerics_sees_what_it_gives_up(tmp_path: Path, plugin: Path) -> None:
    small_model(tmp_path / "model.onnx")
    command = ["compile", str(tmp_path / "model.onnx"), "--compile-to=rewrite", "-o", str(tmp_path / "m.mlir")]
    reproducer = f"--crash-reproducer={tmp_path / 'repro.mlir'}"
    code, _, err = run_command([*command, f"--load-pass={plugin}", "--check-numerics", reproducer])
    assert code == 1
    assert "pass 'fast-gelu'" in err
    assert "first departs at 'nn.gelu', from ONNX node 'gelu'" in err
