"""The Python blocks of docs/plan.md and docs/runtime.md run; those of a page share their names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize("page", ["plan.md", "runtime.md"])
def test_blocks(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_every_function_of_the_pool_is_described() -> None:
    source = (Path(__file__).parents[2] / "codegen" / "cpu" / "pool.ll").read_text()
    text = (DOCS / "plan.md").read_text()
    exported = re.findall(r"^define (?!internal).*?@(\w+)\(", source, re.MULTILINE)
    assert len(exported) >= 9
    assert [name for name in exported if f"`{name}" not in text and f" {name}(" not in text] == []
