"""Pipelines as text: options of every type, and errors that name pass and option."""

from __future__ import annotations

from typing import Literal

import pytest

from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects.builtin import Module
from kernelwright.passes.base import Pass, PassContext
from kernelwright.passes.options import parse_pipeline, print_pipeline


class OptionsPass(Pass):
    """Has an option of every type."""

    name = "test-options"
    max_ops: int = 4
    fast: bool = False
    kind: str = "any"
    ratio: float = 0.5
    mode: Literal["near", "far"] = "near"
    block: tuple[int, ...] = ()
    limit: int | None = None

    def run(self, module: Module, context: PassContext) -> None: ...


class NeedyPass(Pass):
    """Has an option without a default."""

    name = "test-needy"
    path: str

    def run(self, module: Module, context: PassContext) -> None: ...


@pytest.mark.parametrize(
    "text",
    [
        "cse",
        "canonicalize,cse,dce",
        "test-options{max-ops=8}",
        "test-options{max-ops=-1 fast=true kind='a b,c' ratio=0.25 mode=far block=128,64 limit=3},cse",
        "test-needy{path='x y'}",
    ],
)
def test_text_reads_back_to_itself(text: str) -> None:
    assert print_pipeline(parse_pipeline(text)) == text


def test_values_have_the_types_of_the_fields() -> None:
    [found] = parse_pipeline(" test-options{ block=1,2  fast limit=none } ")
    assert found == OptionsPass(block=(1, 2), fast=True)


def test_defaults_are_not_printed() -> None:
    assert str(OptionsPass(max_ops=4)) == "test-options"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("canonicalise", "no pass is called 'canonicalise'; did you mean 'canonicalize'?"),
        ("test-options{max-op=8}", "pass 'test-options' has no option 'max-op'; did you mean 'max-ops'?"),
        ("cse{fast=true}", "pass 'cse' has no option 'fast'; it has none"),
        ("test-options{max-ops=many}", "option 'max-ops' of pass 'test-options' must be int, found 'many'"),
        ("test-options{fast=maybe}", "must be true or false, found 'maybe'"),
        ("test-options{mode=middle}", "must be one of near, far, found 'middle'"),
        ("test-options{block=1,x}", "must be a list of int, comma-separated, found '1,x'"),
        ("test-needy", "pass 'test-needy' needs the option 'path'"),
        ("cse{max-ops=8", "this '{' is never closed"),
        ("cse dce", "expected ',' between passes"),
        ("cse,", "expected the name of a pass"),
    ],
)
def test_errors_name_pass_and_option(text: str, message: str) -> None:
    with pytest.raises(CompileError) as error:
        parse_pipeline(text)
    assert message in str(error.value)


def test_a_name_belongs_to_one_pass() -> None:
    with pytest.raises(CompileError, match="'cse' is declared twice") as error:
        type("Other", (Pass,), {"name": "cse", "__module__": __name__})
    assert "cse.py" in str(error.value)
