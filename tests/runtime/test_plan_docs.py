"""docs/plan.md describes what there is. (Its blocks run with those of all pages.)"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_function_of_the_pool_is_described() -> None:
    source = (ROOT / "codegen" / "cpu" / "pool.ll").read_text()
    text = (ROOT / "docs" / "plan.md").read_text()
    exported = re.findall(r"^define (?!internal).*?@(\w+)\(", source, re.MULTILINE)
    assert len(exported) >= 9
    assert [name for name in exported if f"`{name}" not in text and f" {name}(" not in text] == []
