"""Every dump of real models reads back to an equal module, and upstream's own tools accept it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import zoo
from filecheck_plugin import run_command

from kernelwright.ir.equality import equal
from kernelwright.ir.parser import parse

MODELS = ["resnet50.ts", "t5_small_enc.dynamo", "lstm.ts"]


@pytest.fixture(scope="module", params=[(m, t) for m in MODELS for t in ("cpu", "cuda:sm_90a")], ids=str)
def dumps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The IR after import and after every pass, as files."""
    model, target = request.param
    folder = tmp_path_factory.mktemp("dumps")
    source = str(zoo.cases(model)[0].path)
    options = [f"--target={target}", "--compile-to=plan", f"--print-ir-tree-dir={folder / 'passes'}"]
    for arguments in (options, [f"--target={target}", "--compile-to=import"]):
        code, _, err = run_command(["compile", source, "-o", str(folder / "out.mlir"), *arguments])
        assert code == 0, err
        (folder / "out.safetensors").unlink()
    return [folder / "out.mlir", *sorted((folder / "passes").rglob("*.mlir"))]


@pytest.mark.slow
def test_every_dump_reads_back_equal(dumps: list[Path]) -> None:
    assert len(dumps) > 15
    for file in dumps:
        first = parse(file.read_text(), str(file))
        assert equal(first, parse(str(first))), file
        assert str(first) == str(parse(str(first))), file


@pytest.mark.slow
def test_mlir_opt_accepts_every_dump(dumps: list[Path], mlir_opt: Callable[..., str]) -> None:
    for file in dumps:
        mlir_opt(file.read_text())


@pytest.mark.slow
def test_xdsl_opt_accepts_every_dump(dumps: list[Path], xdsl_opt: Callable[..., str]) -> None:
    for file in dumps:
        xdsl_opt(file.read_text())
