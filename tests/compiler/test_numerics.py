"""`--check-numerics` over the whole road: no pass of ours departs, at any precision, on either kind of target."""

from __future__ import annotations

from pathlib import Path

import pytest
from filecheck_plugin import run_command
from small_models import small_model


@pytest.mark.parametrize("target", ["cpu-avx2", "cuda:sm_80", "cuda:sm_90a"])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
def test_no_pass_departs(tmp_path: Path, target: str, precision: str) -> None:
    small_model(tmp_path / "model.onnx")
    options = [f"--target={target}", f"--precision={precision}", "--compile-to=tile", "--check-numerics"]
    code, _, err = run_command(["compile", str(tmp_path / "model.onnx"), "-o", str(tmp_path / "m.mlir"), *options])
    assert code == 0, err
    assert "passes compared on sample inputs, none departs" in err
