"""The examples in the ops' documentation are valid IR, and invalid ops are refused with a reason."""

from __future__ import annotations

import re

import pytest

from kernelwright.ir.declare import REGISTRY
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects import nn
from kernelwright.ir.parser import parse
from kernelwright.ir.verify import verify

# Values that only the regions of an example read.
INNER = {"nn.if": {"a": "tensor<4xf32>", "b": "tensor<4xf32>"}}
OPS = [name for name, cls in REGISTRY.items() if issubclass(cls, nn.NnOp)]


def split(types: str) -> list[str]:
    """The parts of a list that stand between commas outside of all brackets."""
    parts, depth = [""], 0
    for char in types.replace("->", "→"):
        depth += (char in "<([{") - (char in ">)]}")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def function_around(text: str, name: str) -> str:
    """A function whose body is the op `text`; its arguments are the op's operands."""
    operands = split(text[text.index('"(') + 2 : text.index(")")])
    signature = text[text.rindex(" : (") + 4 : text.rindex(") -> ")]
    arguments = dict(zip((o.removeprefix("%") for o in operands), split(signature), strict=True)) | INNER.get(name, {})
    head = ", ".join(f"%{value}: {type}" for value, type in arguments.items())
    return f"func.func @main({head}) {{\n{text}\nreturn\n}}"


@pytest.mark.parametrize("name", OPS)
def test_the_example_is_valid(name: str) -> None:
    documentation = REGISTRY[name].__doc__ or ""
    text = " ".join(documentation.partition("Example:")[2].split())
    module = parse(function_around(text, name))
    verify(module)
    found = next(op for op in module.walk() if op.name == name)
    assert len(found.results) == text.partition(" = ")[0].count("%")


INVALID = {
    '"nn.add"(%a, %b) : (tensor<2x3xf32>, tensor<4xf32>) -> tensor<2x3xf32>': "cannot broadcast sizes 3 and 4",
    '"nn.add"(%a, %b) : (tensor<2xf32>, tensor<2xi64>) -> tensor<2xf32>': "operand types differ: f32 and i64",
    '"nn.exp"(%a) : (tensor<2xi64>) -> tensor<2xi64>': "needs a floating-point operand",
    '"nn.relu"(%a) : (tensor<2xf32>) -> tensor<3xf32>': r"has result types (tensor<3xf32>) where (tensor<2xf32>)",
    '"nn.reshape"(%a) : (tensor<2x3xf32>) -> tensor<5xf32>': "numbers of elements differ: 6 and 5",
    '"nn.transpose"(%a) {perm = array<i64: 0, 0>} : (tensor<2x3xf32>) -> tensor<2x2xf32>': "no permutation of 2 axes",
    '"nn.broadcast_to"(%a) : (tensor<2xf32>) -> tensor<3xf32>': "cannot broadcast 2 to 3",
    '"nn.slice"(%a) {starts = array<i64: 0>, ends = array<i64: 9>, steps = array<i64: 1>} : (tensor<3xf32>) -> '
    "tensor<9xf32>": "reaches from 0 to 9 in an axis of size 3",
    '"nn.matmul"(%a, %b) {trans_a = false, trans_b = false, precision = "ieee"} : (tensor<2x3xf32>, tensor<4x5xf32>) '
    "-> tensor<2x5xf32>": "inner dimensions differ: 3 and 4",
    '"nn.conv"(%a, %b) {strides = array<i64: 1>, pads = array<i64: 0, 0>, dilations = array<i64: 1>, group = 1 : i64, '
    'precision = "ieee"} : (tensor<1x3x5xf32>, tensor<4x2x3xf32>) -> tensor<1x4x3xf32>': "numbers of channels",
    '"nn.reduce"(%a) {kind = "mean", axes = array<i64: 3>, keep_dims = true} : (tensor<2xf32>) -> tensor<2xf32>': (
        "has axis 3 where the operand has rank 1"
    ),
    '"nn.concat"(%a, %b) {axis = 0 : i64} : (tensor<2x3xf32>, tensor<2x4xf32>) -> tensor<4x3xf32>': (
        "sizes along axis 1 differ: 3 and 4"
    ),
    '"nn.gather"(%a, %b) {axis = 0 : i64} : (tensor<2xf32>, tensor<1xf32>) -> tensor<1xf32>': "needs integer indices",
    '"nn.softmax"(%a) {axis = 2 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>': "has axis 2",
    '"nn.rnn"(%a, %b, %c) {direction = "forward", activations = ["sin"], batch_first = false, precision = "ieee", '
    "operandSegmentSizes = array<i32: 1, 1, 1, 0, 0, 0>} : (tensor<5x2x3xf32>, tensor<1x4x3xf32>, tensor<1x4x4xf32>) "
    "-> (tensor<5x1x2x4xf32>, tensor<1x2x4xf32>)": "'sin' is no activation",
}


@pytest.mark.parametrize("text", INVALID)
def test_invalid_ops_are_refused(text: str) -> None:
    name = text[1 : text.index('"', 1)]
    results = "%y, %z = " if name == "nn.rnn" else "%y = "
    with pytest.raises(CompileError, match=re.escape(INVALID[text])) as raised:
        verify(parse(function_around(results + text, name)))
    assert f"'{name}' " in str(raised.value)
