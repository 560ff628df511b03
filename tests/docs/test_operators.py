"""The list of ONNX's operators is current."""

from __future__ import annotations

from pathlib import Path

import onnx.defs
import pytest

from kernelwright.compiler.onnx.operators import operators_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operators.md"


def test_the_page_is_current() -> None:
    text = PAGE.read_text()
    if f"operator set {onnx.defs.onnx_opset_version()}." not in text:
        pytest.skip("the installed ONNX knows another operator set")
    assert text == operators_page(), "the list of operators is out of date: run `make docs`"


def test_it_tells_kernels_views_definitions_and_the_host_apart() -> None:
    lines = [line.strip("| ").split(" | ") for line in operators_page().splitlines()]
    rows = {cells[0].strip("`"): cells[-1] for cells in lines}
    assert rows["Relu"] == "kernels: relu"
    assert rows["Squeeze"] == "views"
    assert rows["HannWindow"] == "definition"
    assert rows["StringConcat"].startswith("host: ")
