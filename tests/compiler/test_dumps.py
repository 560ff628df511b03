"""Every dump is whole: it parses back to an equal module, and upstream's tools take it."""

from __future__ import annotations

from pathlib import Path

import pytest
import zoo

from kernelwright.compiler.cli import main
from kernelwright.ir.equality import difference
from kernelwright.ir.parser import parse

MODELS = ("lstm.ts", "mobilenet_v3_large.ts", "t5_small_enc.dynamo")


@pytest.fixture(scope="module", params=MODELS)
def dumps(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The texts after every pass, by file name; the last of each phase is the phase's dump."""
    folder = tmp_path_factory.mktemp("dumps")
    arguments = ["compile", str(zoo.materialized(request.param)), "-o", str(folder / "model.plan")]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--target=cpu-avx512", f"--print-ir-tree-dir={folder}"])
    assert done.value.code == 0
    files = sorted(folder.rglob("*.mlir"), key=lambda file: file.name)
    assert {file.parent.name for file in files} >= {"legalize", "rewrite", "kernels", "tile", "plan"}
    return {str(file.relative_to(folder)): Path(file).read_text() for file in files}


def test_dumps_parse_back(dumps: dict[str, str]) -> None:
    for name, text in dumps.items():
        module = parse(text, name)
        header, _, body = text.partition("\n")
        assert header.startswith("// -----// IR Dump After ")
        assert str(module).strip() == body.strip(), name
        assert difference(module, parse(str(module), name)) is None, name


def test_mlir_opt_takes_the_dumps(dumps: dict[str, str], mlir_opt) -> None:
    for text in dumps.values():
        mlir_opt(text)


def test_xdsl_opt_takes_the_dumps(dumps: dict[str, str], xdsl_opt) -> None:
    """Each phase's last dump, and every one that is small; xDSL takes seconds for a large text.

    xDSL's `arith.cmpf`, `arith.cmpi` and `arith.select` know no vectors, which upstream's take: it reads tile
    programs, but its verifier is left out for them.
    """
    last = {name.partition("/")[0]: name for name in dumps}
    for name, text in dumps.items():
        if name in last.values() or len(text) < 50_000:
            xdsl_opt(text, *["--disable-verify"] * name.startswith(("tile", "plan")))
