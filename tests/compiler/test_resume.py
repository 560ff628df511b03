"""Stopping at a phase and resuming from its text: the same plan, and an edited one where the text was edited."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from filecheck_plugin import run_command
from small_models import small_model

from kernelwright.compiler.irfile import read_module
from kernelwright.compiler.phases import RESUMABLE
from kernelwright.ir.parser import parse
from kernelwright.runtime.engine import load

INPUT = np.random.default_rng(0).standard_normal((5, 3, 32, 32), np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, its plan, and its IR after every phase."""
    folder = tmp_path_factory.mktemp("resume")
    small_model(folder / "model.onnx")
    compiled(folder / "model.onnx", folder / "model.plan")
    for phase in RESUMABLE:
        compiled(folder / "model.onnx", folder / f"model.{phase}.mlir", f"--compile-to={phase}")
    return folder


def compiled(source: Path, target: Path, *options: str) -> None:
    code, _, err = run_command(["compile", str(source), "-o", str(target), *options])
    assert code == 0, err


def results(plan: Path) -> np.ndarray:
    with load(plan) as engine:
        return engine.run({"input": INPUT})["logits"]


@pytest.mark.parametrize("phase", RESUMABLE)
def test_resuming_gives_the_same_plan(folder: Path, phase: str) -> None:
    compiled(folder / f"model.{phase}.mlir", folder / f"from_{phase}.plan")
    assert (folder / f"from_{phase}.plan").read_bytes() == (folder / "model.plan").read_bytes()


@pytest.mark.parametrize("phase", RESUMABLE)
def test_the_text_reads_back_to_itself(folder: Path, phase: str) -> None:
    text = (folder / f"model.{phase}.mlir").read_text()
    assert f"{parse(text)}\n" == text


def test_the_phase_may_be_named(folder: Path) -> None:
    text = (folder / "model.tile.mlir").read_text().replace(', kw.phase = "tile"', "")
    assert "kw.phase" not in text
    (folder / "anonymous.mlir").write_text(text)
    (folder / "anonymous.safetensors").write_bytes((folder / "model.tile.safetensors").read_bytes())
    compiled(folder / "anonymous.mlir", folder / "anonymous.plan", "--compile-from=tile")
    assert (folder / "anonymous.plan").read_bytes() == (folder / "model.plan").read_bytes()


def test_an_edited_tile_size_is_in_the_plan_and_the_plan_is_right(folder: Path) -> None:
    """The row kernel hands 31 rows to a worker; by hand it becomes 5, in the program, its grid and its schedule."""
    alone = "--disable-pass=chain-products"
    compiled(folder / "model.onnx", folder / "rows.plan", alone)
    compiled(folder / "model.onnx", folder / "rows.mlir", alone, "--compile-to=tile")
    text = (folder / "rows.mlir").read_text()
    kernel = next(k for k in text.split('"kernel.func"()') if 'sym_name = "pool"' in k)
    found = re.search(r"ceildiv\(8 \* batch, (\d+)\)", kernel)
    assert found is not None
    rows = int(found.group(1))
    edited = re.sub(rf"(?<![\w.]){rows}(?= : i(?:64|ndex))", "5", kernel).replace(
        found.group(), "ceildiv(8 * batch, 5)"
    )
    assert edited != kernel
    (folder / "edited.mlir").write_text(text.replace(kernel, edited))
    (folder / "edited.safetensors").write_bytes((folder / "rows.safetensors").read_bytes())
    compiled(folder / "edited.mlir", folder / "edited.plan", "--compile-from=tile")
    with load(folder / "edited.plan") as engine, load(folder / "rows.plan") as original:
        assert engine.source("pool") != original.source("pool")
    assert np.allclose(results(folder / "edited.plan"), results(folder / "rows.plan"), rtol=1e-5, atol=1e-6)


def test_weights_are_shared_by_name(folder: Path) -> None:
    module = read_module(folder / "model.legalize.mlir")
    assert "dense_resource" in str(module)


def test_source_is_written_as_text(folder: Path) -> None:
    compiled(folder / "model.onnx", folder / "model.ll", "--compile-to=source")
    assert "define" in (folder / "model.ll").read_text()


def test_ir_without_its_weights_is_one_error(folder: Path) -> None:
    (folder / "alone.mlir").write_text((folder / "model.tile.mlir").read_text())
    code, _, err = run_command(["compile", str(folder / "alone.mlir"), "-o", str(folder / "alone.plan")])
    assert code == 1
    assert "keep the .safetensors file beside" in err
    assert "Traceback" not in err
