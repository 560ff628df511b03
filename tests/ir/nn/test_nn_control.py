"""`nn.if` and `nn.loop` under the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.parser import parse
from kernelwright.ir.verify import verify

IF = """
func.func @main(%c: tensor<i1>, %x: tensor<3xf32>) -> tensor<3xf32> {
  %y = "nn.if"(%c) ({
    %0 = "nn.neg"(%x) : (tensor<3xf32>) -> tensor<3xf32>
    "nn.yield"(%0) : (tensor<3xf32>) -> ()
  }, {
    "nn.yield"(%x) : (tensor<3xf32>) -> ()
  }) : (tensor<i1>) -> tensor<3xf32>
  return %y : tensor<3xf32>
}
"""

LOOP = """
func.func @main(%n: tensor<i64>, %x: tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32, #kw.dims<"trips">>) {
  %limit = "nn.constant"() {value = dense<20.0> : tensor<f32>} : () -> tensor<f32>
  %y, %all = "nn.loop"(%n, %x) ({
  ^bb0(%i: tensor<i64>, %go: tensor<i1>, %v: tensor<2xf32>):
    %0 = "nn.add"(%v, %v) : (tensor<2xf32>, tensor<2xf32>) -> tensor<2xf32>
    %1 = "nn.reduce"(%0) {kind = "add", axes = array<i64: 0>, keep_dims = false} : (tensor<2xf32>) -> tensor<f32>
    %2 = "nn.lt"(%1, %limit) : (tensor<f32>, tensor<f32>) -> tensor<i1>
    "nn.yield"(%2, %0, %v) : (tensor<i1>, tensor<2xf32>, tensor<2xf32>) -> ()
  }) {operandSegmentSizes = array<i32: 1, 0, 1>}
    : (tensor<i64>, tensor<2xf32>) -> (tensor<2xf32>, tensor<?x2xf32, #kw.dims<"trips">>)
  return %y, %all : tensor<2xf32>, tensor<?x2xf32, #kw.dims<"trips">>
}
"""


@pytest.mark.parametrize(("condition", "sign"), [(True, -1), (False, 1)])
def test_if_runs_one_region(condition: bool, sign: int) -> None:
    module = parse(IF)
    verify(module)
    x = np.array([1, 2, 3], np.float32)
    (y,) = Interpreter(module).run([np.array(condition), x])
    np.testing.assert_array_equal(y, sign * x)


@pytest.mark.parametrize(("trips", "expected"), [(0, 0), (2, 2), (100, 3)])
def test_loop_ends_by_count_or_condition(trips: int, expected: int) -> None:
    module = parse(LOOP)
    verify(module)
    x = np.array([1, 2], np.float32)
    y, collected = Interpreter(module).run([np.array(trips), x])
    np.testing.assert_array_equal(y, x * 2**expected)
    np.testing.assert_array_equal(collected, x * 2.0 ** np.arange(expected)[:, None])


def test_a_region_that_yields_another_type_is_refused() -> None:
    text = IF.replace(
        '"nn.neg"(%x) : (tensor<3xf32>) -> tensor<3xf32>', '"nn.is_nan"(%x) : (tensor<3xf32>) -> tensor<3xi1>'
    )
    text = text.replace('"nn.yield"(%0) : (tensor<3xf32>)', '"nn.yield"(%0) : (tensor<3xi1>)')
    with pytest.raises(CompileError, match=r"yields tensor<3xi1> where tensor<3xf32> is expected"):
        verify(parse(text))
