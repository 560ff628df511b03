"""The tree is the architecture: packages, package data, imports and file sizes are as the configuration says."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("backend", "codegen", "compiler", "ir", "passes", "runtime")
MAX_LINES = 600


def setuptools_config() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]


def package_folders() -> Iterator[Path]:
    yield ROOT
    for layer in LAYERS:
        yield from (init.parent for init in (ROOT / layer).rglob("__init__.py"))


def module_name(folder: Path) -> str:
    return ".".join(("kernelwright", *folder.relative_to(ROOT).parts))


def test_package_list_matches_the_tree() -> None:
    assert setuptools_config()["packages"] == sorted(map(module_name, package_folders()))


def test_every_folder_of_python_files_is_a_package() -> None:
    folders = {file.parent for layer in LAYERS for file in (ROOT / layer).rglob("*.py")}
    assert folders <= set(package_folders())


def test_package_data_covers_every_data_file() -> None:
    listed = {
        file
        for package, globs in setuptools_config()["package-data"].items()
        for glob in globs
        for file in ROOT.joinpath(*package.split(".")[1:]).glob(glob)
    }
    present = {file for layer in LAYERS for file in (ROOT / layer).rglob("*") if file.is_file()}
    assert {file for file in present - listed if file.suffix not in (".py", ".pyc")} == set()


def test_root_holds_no_stray_modules() -> None:
    assert {file.name for file in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_tests_are_not_a_package() -> None:
    found = (ROOT / "tests").rglob("__init__.py")
    assert [file for file in found if ROOT / "tests" / "support" not in file.parents] == []


def test_dev_link_names_the_root() -> None:
    assert (ROOT / "dev" / "kernelwright").resolve() == ROOT


def test_version_is_the_same_twice() -> None:
    import kernelwright

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert kernelwright.__version__ == project["version"]


@pytest.mark.parametrize("layer", [*LAYERS, "tests", "benchmarks"])
def test_no_file_is_longer_than_the_ceiling(layer: str) -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in (ROOT / layer).rglob("*.py")}
    assert {str(file.relative_to(ROOT)): n for file, n in lengths.items() if n > MAX_LINES} == {}
