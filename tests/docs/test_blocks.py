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

import pytest
from filecheck_plugin import run_command
from small_models import small_model

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_block_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("model.onnx", "resnet50.onnx"):  # the pages run on any model; ResNet-50 itself takes longer
        small_model(tmp_path / name)
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
