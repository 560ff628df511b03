"""A plan file runs on other CPUs than the one it was compiled for, if they have one of its levels."""

from __future__ import annotations

from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import onnx
import pytest
from filecheck_plugin import run_command
from onnx_graphs import expected
from small_models import small_model

import kernelwright
from kernelwright.compiler.host import host
from kernelwright.ir import target as targets
from kernelwright.ir.target import CpuTarget
from kernelwright.runtime.errors import PlanTargetError
from kernelwright.runtime.planfile import read_plan


def compiled(folder: Path, *options: str) -> Path:
    small_model(folder / "m.onnx")
    code, _, err = run_command(["compile", str(folder / "m.onnx"), "-o", str(folder / "m.plan"), *options])
    assert code == 0, err
    return folder / "m.plan"


def pretend(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Make this processor one that has the features of a target only."""
    target = targets.builtin(name)
    assert isinstance(target, CpuTarget)
    features = dict.fromkeys(target.features, True)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)


@pytest.mark.parametrize("name", ["cpu-avx512", "cpu-avx2"])
def test_the_first_level_that_fits_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if not llvm.get_host_cpu_features().get("avx512vl"):
        pytest.skip("code for AVX-512 does not run here")
    plan = compiled(tmp_path, "--target=cpu-avx512")
    pretend(monkeypatch, name)
    x = np.random.default_rng(0).standard_normal((3, 3, 32, 32), np.float32)
    found = kernelwright.load(str(plan)).create_context(threads=2).run({"input": x})["logits"]
    assert np.allclose(found, expected(onnx.load(str(tmp_path / "m.onnx")), {"input": x})[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["cpu-avx512-bf16", "cpu-avx2"])
def test_pairs_of_bf16_run_without_dot_products_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if not llvm.get_host_cpu_features().get("avx512bf16"):
        pytest.skip("dot products of bf16 do not run here")
    plan = compiled(tmp_path, "--precision=bf16")
    pretend(monkeypatch, name)
    x = np.random.default_rng(0).standard_normal((3, 3, 32, 32), np.float32)
    found = kernelwright.load(str(plan)).create_context(threads=2).run({"input": x})["logits"]
    wanted = expected(onnx.load(str(tmp_path / "m.onnx")), {"input": x})[0]
    assert np.linalg.norm(found - wanted) <= 2e-2 * np.linalg.norm(wanted)


def test_a_processor_without_any_level_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = compiled(tmp_path, "--target=cpu-avx512")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: {"sse4.2": True})
    with pytest.raises(
        PlanTargetError, match=r"for 'cpu-avx512', .* lacks: .*avx512f.* \(for its level 'cpu-avx2'\)"
    ) as error:
        kernelwright.load(str(plan))
    assert "--cpu-levels" in str(error.value)


def test_levels_are_chosen(tmp_path: Path) -> None:
    def names(*options: str) -> list[str]:
        plan, tensors = read_plan(compiled(tmp_path, *options))
        assert all(name in tensors for level in plan.levels for name in level.objects)
        return [level.name for level in plan.levels]

    assert names("--target=cpu-avx512") == ["cpu-avx2"]
    assert names("--target=cpu-avx512", "--cpu-levels=none") == []
    assert names("--target=cpu-avx2") == []
    assert names("--target=cpu-avx512-bf16") == ["cpu-avx2"]
    assert names("--target=cpu-avx512-bf16", "--precision=bf16") == ["cpu-avx2"]
    assert names("--target=cpu", "--precision=bf16")[:-1] == (["cpu-avx512-bf16"] if host().has_bf16_dots else [])
    assert names("--target=cpu-avx2", "--cpu-levels=avx512,avx2") == ["cpu-avx512", "cpu-avx2"]


@pytest.mark.parametrize(
    ("level", "message"),
    [("avx3", "no target is called 'cpu-avx3'"), ("neon", "'cpu-neon' is no level of 'cpu-avx2'")],
)
def test_a_wrong_level_is_an_error(tmp_path: Path, level: str, message: str) -> None:
    small_model(tmp_path / "m.onnx")
    options = ["--target=cpu-avx2", f"--cpu-levels={level}", "-o", str(tmp_path / "m.plan")]
    code, _, err = run_command(["compile", str(tmp_path / "m.onnx"), *options])
    assert code == 1
    assert message in err
    assert not (tmp_path / "m.plan").exists()
