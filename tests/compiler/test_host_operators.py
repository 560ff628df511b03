"""What the host may run is listed, and what is not listed has kernels."""

from __future__ import annotations

import onnx.defs
import pytest
from onnx_graphs import graph

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects.host import GAP
from kernelwright.passes.legalize.host_operators import OPERATORS
from kernelwright.passes.legalize.legalize_onnx import is_legalized

NEWEST = {
    schema.name: schema for schema in onnx.defs.get_all_schemas() if schema.domain == "" and not schema.deprecated
}
BY_DEFINITION = {
    name
    for name, schema in NEWEST.items()
    if getattr(schema, "has_function", False) or getattr(schema, "has_context_dependent_function", False)
}

OBJECTS = {"SequenceMap", "Optional", "OptionalGetElement", "OptionalHasElement"}
"""Operators of values that no buffer holds."""


def test_every_operator_is_compiled_or_listed() -> None:
    compiled = {name for name, schema in NEWEST.items() if is_legalized("ai.onnx", name, schema.since_version)}
    missing = NEWEST.keys() - compiled - BY_DEFINITION - OPERATORS["ai.onnx"].keys() - OBJECTS
    assert not missing


def test_listed_operators_have_no_kernels() -> None:
    """Dropout has one where it does nothing."""
    both = {name for name in OPERATORS["ai.onnx"] if name in NEWEST and is_legalized("ai.onnx", name, 28)}
    assert both == {"Dropout"}


def reasons(text: str, opset: int = 21) -> list[str]:
    options = CompileOptions(target=resolve("cpu"), stop="legalize")
    return [step.reason for step in compile_model(graph(text, opset), options).host_steps]


def test_reasons_come_from_the_list() -> None:
    assert reasons("(string[N] x) => (string[N] y) { y = StringConcat (x, x) }") == ["text has no fixed size"]
    assert reasons("(string[N] x) => (string[N] y) { y = Identity (x) }") == ["no buffer holds strings"]
    assert reasons("(seq(float[N]) x) => (int64 y) { y = SequenceLength (x) }") == ["no buffer holds sequences"]


def test_a_missing_kernel_is_called_that() -> None:
    text = """(float[1, 2] x) => (int64[1] y, float[1, 2] z) {
        y, z = ai.onnx.ml.SVMClassifier <coefficients = [1.0, 1.0], classlabels_ints = [0, 1]> (x)
    }"""
    options = CompileOptions(target=resolve("cpu"), stop="legalize")
    (step,) = compile_model(graph(text, ai_onnx_ml=1), options).host_steps
    assert step.reason == f"{GAP}this operator"


@pytest.mark.parametrize(
    "node",
    ["Softmax<axis = 3>(x)", "Flatten<axis = -4>(x)", "Concat<axis = 2>(x, x)", "ArgMax<axis = 5>(x)"],
)
def test_what_no_one_can_run_is_an_error(node: str) -> None:
    """Neither kernels nor the host: the message names the node and the range."""
    with pytest.raises(CompileError, match="axis"):
        reasons(f"(float[2, 3] x) => (float[?, ?] y) {{ y = {node} }}")


def test_a_body_that_is_given_up_leaves_nothing_behind() -> None:
    """Branches of different rank are the host's: their copies in the nn dialect must not count as readers."""
    text = """(float[2] x, bool c) => (float[a] y, float[2] z) {
        e = Exp (x)
        y = If (c) <
            then_branch = then () => (float[2] p) { p = Neg (e) },
            else_branch = otherwise () => (float[1, 2] q) {
                o = Constant <value_ints = [0]> ()  r = Neg (e)  q = Unsqueeze (r, o)
            }
        >
        z = Sqrt (e)
    }"""
    compiled = compile_model(graph(text), CompileOptions(target=resolve("cpu"), stop="legalize"))
    inside = set(compiled.module.walk())
    assert len(compiled.host_steps) == 1
    for op in inside:
        assert all(user in inside for result in op.results for user in result.users)
