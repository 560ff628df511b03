"""`kernelwright` itself: what it offers, and that importing it costs nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import kernelwright

ROOT = Path(__file__).resolve().parents[1]
HEAVY = ["numpy", "onnx", "lark", "llvmlite", "safetensors", "click", "rich", "cuda", "onnxruntime"]


def modules_loaded_by(statement: str) -> set[str]:
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    command = [sys.executable, "-c", code]
    return set(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT / "dev").stdout.split())


def declared_homes() -> dict[str, str]:
    """Name to module, as the imports for type checkers say."""
    tree = ast.parse((ROOT / "__init__.py").read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1]
    return {alias.name: f"kernelwright.{node.module}" for node in imports for alias in node.names}


@pytest.mark.parametrize("name", kernelwright.__all__)
def test_every_public_name_is_defined_where_the_declarations_say(name: str) -> None:
    assert getattr(kernelwright, name).__module__ == declared_homes()[name]
    assert name in dir(kernelwright)


def test_declarations_and_all_agree() -> None:
    assert sorted(declared_homes()) == sorted(kernelwright.__all__)


@pytest.mark.parametrize("name", ["complie", "__file_"])
def test_unknown_name_is_an_attribute_error(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'kernelwright' has no attribute '{name}'"):
        getattr(kernelwright, name)


def test_the_onnx_backend_is_loaded_on_first_use() -> None:
    assert "kernelwright.backend" in modules_loaded_by("import kernelwright; kernelwright.backend.prepare")


def test_import_loads_no_dependency() -> None:
    assert modules_loaded_by("import kernelwright").isdisjoint(HEAVY)
