"""The Python blocks of docs/plan.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "plan.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("block", BLOCKS)
def test_block(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "docs/plan.md", "exec"), {})


def test_every_function_of_the_pool_is_described() -> None:
    source = (Path(__file__).parents[2] / "codegen" / "cpu" / "pool.ll").read_text()
    exported = re.findall(r"^define (?!internal).*?@(\w+)\(", source, re.MULTILINE)
    assert len(exported) >= 9
    assert [name for name in exported if f"`{name}" not in TEXT and f" {name}(" not in TEXT] == []
