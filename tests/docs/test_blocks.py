"""Every block of the documentation runs: IR is parsed, Python executed, commands run in a folder with a small model.

A page is one reader's session: its blocks run in order, in one folder, and Python blocks share their names. Text that
is not meant to run is fenced as `text`.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from filecheck_plugin import run_command
from onnx import TensorProto, helper

from kernelwright.ir.parser import parse

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
_FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"^# (\S+\.py)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    return [Block(m.group(1), m.group(2), text.count("\n", 0, m.start()) + 2) for m in _FENCE.finditer(text)]


def small_model(path: Path) -> None:
    """Conv, relu, a mean over the image and a matrix product, for any batch."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return onnx.numpy_helper.from_array(rng.standard_normal(shape, np.float32) / 4, name)

    nodes = [
        helper.make_node("Conv", ["input", "conv.w", "conv.b"], ["c"], "conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], "relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["m"], "pool"),
        helper.make_node("Flatten", ["m"], ["f"], "flatten"),
        helper.make_node("Gemm", ["f", "fc.w", "fc.b"], ["h"], "fc", transB=1),
        helper.make_node("Gelu", ["h"], ["logits"], "gelu"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])],
        [weight("conv.w", 8, 3, 3, 3), weight("conv.b", 8), weight("fc.w", 10, 8), weight("fc.b", 10)],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)]), str(path))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small_model(tmp_path / "model.onnx")
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in blocks(page):
        where = f"{page.name}:{block.line}"
        if block.language == "mlir":
            parse(block.text, where)
        elif block.language == "python":
            run_python(block, where, names)
        elif block.language == "console":
            run_console(block, where)


def run_python(block: Block, where: str, names: dict[str, Any]) -> None:
    """Execute a block; one that begins with `# NAME.py` is written to that file instead."""
    file = _FILE.match(block.text)
    if file:
        Path(file.group(1)).write_text(block.text)
    else:
        exec(compile(block.text, where, "exec"), names)


def run_console(block: Block, where: str) -> None:
    """Run the `$ kernelwright` lines of a block; what stands below a command is what it printed once."""
    for number, line in enumerate(block.text.splitlines()):
        if line.startswith("$ kernelwright "):
            code, _, err = run_command(shlex.split(line)[2:])
            assert code == 0, f"{where}+{number}: {line}\n{err}"
