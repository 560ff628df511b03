"""Passes from installed packages: the entry-point group `kernelwright.passes`."""

from __future__ import annotations

from pathlib import Path

import pytest
from filecheck_plugin import run_command

PASS = '''
from kernelwright import Pass

class Nothing(Pass):
    """Does nothing."""
    name = "{name}"

    def run(self, module, context):
        pass
'''
MODULE = "func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {\n  return %x : tensor<4xf32>\n}\n"


def install(folder: Path, module: str, source: str) -> None:
    """Put a distribution with one entry point into `folder`, as pip would."""
    (folder / f"{module}.py").write_text(source)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[kernelwright.passes]\nmine = {module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "m.mlir").write_text(MODULE)
    return tmp_path


def test_an_installed_pass_is_there_by_name(site: Path) -> None:
    install(site, "kw_test_good", PASS.format(name="test-installed"))
    code, out, err = run_command(["opt", str(site / "m.mlir"), "--pass-pipeline=test-installed"])
    assert (code, err) == (0, "")
    assert "func.func @main" in out


def test_a_package_that_fails_to_load_is_named(site: Path) -> None:
    install(site, "kw_test_bad", "import kernelwrong\n")
    code, _, err = run_command(["opt", str(site / "m.mlir")])
    assert code == 1
    assert "cannot load the passes 'mine' of kw_test_bad" in err
    assert "No module named 'kernelwrong'" in err
    assert "Traceback" not in err


def test_two_packages_with_one_name_are_both_named(site: Path) -> None:
    for module in ("kw_test_first", "kw_test_second"):
        install(site, module, PASS.format(name="test-twice"))
    code, _, err = run_command(["opt", str(site / "m.mlir")])
    assert code == 1
    assert "pass 'test-twice' is declared twice" in err
    assert "kw_test_first.py" in err
    assert "kw_test_second.py" in err
