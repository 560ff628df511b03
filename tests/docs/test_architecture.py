"""What the documentation lists is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernelwright.compiler import pipelines
from kernelwright.ir.declare import REGISTRY
from kernelwright.ir.dialects import load
from kernelwright.ir.target import builtin
from kernelwright.passes.tile import strategies

ROOT = Path(__file__).resolve().parents[2]
ARCHITECTURE = (ROOT / "docs/architecture.md").read_text()
PAGES = sorted((ROOT / "docs").glob("*.md"))

for dialect in ("nn", "kernel", "tile", "plan"):
    load(dialect)


def row(text: str, head: str) -> list[str]:
    """The names in code type in the second cell of the row of a table that begins with `head`."""
    (cell,) = re.findall(rf"^\| {re.escape(head)} \| (.*) \|$", text, re.MULTILINE)
    return re.findall(r"`([^`]+)`", cell.partition(";")[0])


@pytest.mark.parametrize("phase", ["legalize", "rewrite", "kernels", "tile", "plan"])
def test_the_passes_of_a_phase(phase: str) -> None:
    steps = pipelines.steps(builtin("cuda:h200"))
    found = list(dict.fromkeys(step.transform.name for step in steps if step.phase == phase))
    assert row(ARCHITECTURE, phase) == found, "the table 'Passes by phase' in docs/architecture.md"


def test_every_nn_op_is_listed() -> None:
    section = ARCHITECTURE[ARCHITECTURE.index("## The `nn` ops") :]
    listed = set(re.findall(r"\w+", section))
    assert {name for name in REGISTRY if name.startswith("nn.") and name[3:] not in listed} == set()


def test_every_strategy_is_listed() -> None:
    first_cells = re.findall(r"^\| (`[^|]+) \|", (ROOT / "docs/strategies.md").read_text(), re.MULTILINE)
    listed = {name for cell in first_cells for name in re.findall(r"`(\w+)`", cell)}
    assert listed == {strategy.name for strategy in strategies.by_priority()}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_ops_that_are_mentioned_exist(page: Path) -> None:
    mentioned = set(re.findall(r"`((?:nn|kernel|tile|plan)\.[a-z_0-9]+)(?=[`( {])", page.read_text()))
    assert {name for name in mentioned if name not in REGISTRY} <= {"tile.layout"}  # an attribute
