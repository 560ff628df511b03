"""The op reference is current, and the example of every op is IR that verifies."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelwright.ir import dialects
from kernelwright.ir.declare import REGISTRY
from kernelwright.ir.parser import parse_fragment
from kernelwright.ir.reference import examples, op_reference
from kernelwright.ir.verify import verify

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ops.md"

dialects.load_all()
EXAMPLES = [
    pytest.param(text, id=name)
    for name, cls in sorted(REGISTRY.items())
    for text in examples(cls)
    if name.count(".") == 1
]


def test_the_page_is_current() -> None:
    assert PAGE.read_text() == op_reference(), "the op reference is out of date: run `make docs`"


@pytest.mark.parametrize("text", EXAMPLES)
def test_examples_verify(text: str) -> None:
    verify(parse_fragment(text))
