"""The interpreter: control flow, functions, sizes bound from inputs, values let go after their last use."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from kernelwright.ir.core import Operation, Value
from kernelwright.ir.declare import PURE, Op
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.interpreter import Interpreter, bind_sizes
from kernelwright.ir.parser import parse
from kernelwright.ir.types import Type
from kernelwright.ir.verify import verify

CONTROL = """
func.func @main(%n: index, %x: f32) -> (f32, index) {
  %zero = "arith.constant"() {value = 0 : index} : () -> index
  %one = "arith.constant"() {value = 1 : index} : () -> index
  %two = "arith.constant"() {value = 2 : index} : () -> index
  %sum = "scf.for"(%zero, %n, %one, %x) ({
  ^bb0(%i: index, %acc: f32):
    %bit = "arith.andi"(%i, %one) : (index, index) -> index
    %odd = "arith.cmpi"(%bit, %one) {predicate = 0 : i64} : (index, index) -> i1
    %term = "scf.if"(%odd) ({
      %t = "arith.addf"(%acc, %x) : (f32, f32) -> f32
      "scf.yield"(%t) : (f32) -> ()
    }, {
      "scf.yield"(%acc) : (f32) -> ()
    }) : (i1) -> f32
    "scf.yield"(%term) : (f32) -> ()
  }) : (index, index, index, f32) -> f32
  %count, %power = "scf.while"(%zero, %one) ({
  ^bb0(%c: index, %p: index):
    %less = "arith.cmpi"(%p, %n) {predicate = 2 : i64} : (index, index) -> i1
    "scf.condition"(%less, %c, %p) : (i1, index, index) -> ()
  }, {
  ^bb0(%c: index, %p: index):
    %c1 = "arith.addi"(%c, %one) : (index, index) -> index
    %p1 = "arith.muli"(%p, %two) : (index, index) -> index
    "scf.yield"(%c1, %p1) : (index, index) -> ()
  }) : (index, index) -> (index, index)
  %yes = "arith.constant"() {value = true} : () -> i1
  "scf.if"(%yes) ({
    "scf.yield"() : () -> ()
  }, {
  }) : (i1) -> ()
  %y = "func.call"(%sum) {callee = @half} : (f32) -> f32
  return %y, %count : f32, index
}
func.func @half(%x: f32) -> f32 {
  %h = "arith.constant"() {value = 0.5 : f32} : () -> f32
  %y = "arith.mulf"(%x, %h) : (f32, f32) -> f32
  return %y : f32
}
"""


def test_control_flow_and_calls() -> None:
    module = parse(CONTROL)
    verify(module)
    y, count = Interpreter(module).run([np.int64(9), np.float32(1.5)])  # type: ignore[list-item]
    assert y == np.float32(1.5 * 5 / 2)
    assert count == 4


def test_upstream_verifies_control_flow(mlir_opt: Any) -> None:
    assert "scf.for" in mlir_opt(CONTROL)


class Twice(Op, name="interpretertest.twice", traits=(PURE,)):
    x: Value
    bias: Value | None = None

    def infer(self) -> list[Type]:
        return [self.x.type]

    def evaluate(self, x: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
        return x * 2 if bias is None else x * 2 + bias


def chain(length: int) -> Module:
    type = 'tensor<?x4xf32, #kw.dims<"batch">>'
    lines = [f'  %{i + 1} = "interpretertest.twice"(%{i}) : ({type}) -> {type}' for i in range(length)]
    body = "\n".join(lines)
    header = f'func.func @main(%0: {type} {{kw.name = "x"}}) -> {type}'
    return parse(f"{header} {{\n{body}\n  return %{length} : {type}\n}}")


def test_inputs_by_name_and_sizes() -> None:
    interpreter = Interpreter(chain(3))
    (y,) = interpreter.run({"x": np.ones((5, 4), np.float32)})
    assert (y == 8).all()
    assert interpreter.symbols == {"batch": 5}


def test_values_are_let_go_after_their_last_use() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    most = 0

    def count(op: Operation, results: Sequence[Any]) -> None:
        nonlocal most
        alive.extend(weakref.ref(r) for r in results)
        most = max(most, sum(r() is not None for r in alive))

    Interpreter(chain(20), count).run([np.ones((2, 4), np.float32)])
    assert len(alive) == 20
    assert most <= 2


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"y": np.ones((5, 4), np.float32)}, "@main has no input 'y'"),
        ({}, "@main needs the inputs 'x'"),
        ({"x": np.ones((5, 4))}, "input 'x' is float64, expected f32"),
        ({"x": np.ones(5, np.float32)}, r"input 'x' has shape \[5\], expected tensor"),
        ({"x": np.ones((5, 3), np.float32)}, "input 'x' has size 3 where 4 is 4"),
    ],
)
def test_inputs_that_do_not_fit(inputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(CompileError, match=message):
        Interpreter(chain(1)).run(inputs)


def test_an_expression_says_what_its_only_unknown_is() -> None:
    module = parse(
        'func.func @main(%a: tensor<?xf32, #kw.dims<"past + seq">>, %b: tensor<?xf32, #kw.dims<"seq">>) { return }'
    )
    assert bind_sizes(module.main, [np.zeros(12, np.float32), np.zeros(4, np.float32)]) == {"past": 8, "seq": 4}


def test_an_op_without_meaning_is_named() -> None:
    with pytest.raises(CompileError, match=r"'t.a' has no evaluation on NumPy"):
        Interpreter(parse('func.func @main() {\n  "t.a"() : () -> ()\n  return\n}')).run([])
