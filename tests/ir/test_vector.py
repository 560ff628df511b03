"""`vector` and `memref`: NumPy meaning, and text that mlir-opt verifies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kernelwright.ir import types as t
from kernelwright.ir.attributes import OpaqueAttr
from kernelwright.ir.core import Block
from kernelwright.ir.declare import Op
from kernelwright.ir.diagnostics import VerifyError
from kernelwright.ir.dialects import memref, vector
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.parser import parse
from kernelwright.ir.verify import verify

PROGRAM = """
func.func @main(%x: vector<3x4xf32>, %s: f32, %i: index)
    -> (vector<4x3xf32>, vector<3xf32>, f32, f32, vector<4xindex>) {
  %b = "vector.broadcast"(%s) : (f32) -> vector<3x4xf32>
  %f = "vector.fma"(%x, %b, %x) : (vector<3x4xf32>, vector<3x4xf32>, vector<3x4xf32>) -> vector<3x4xf32>
  %t = "vector.transpose"(%f) {permutation = array<i64: 1, 0>} : (vector<3x4xf32>) -> vector<4x3xf32>
  %zero = "arith.constant"() {value = dense<0.0> : vector<3xf32>} : () -> vector<3xf32>
  %m = "vector.multi_reduction"(%f, %zero) {kind = #vector.kind<maximumf>, reduction_dims = array<i64: 1>}
    : (vector<3x4xf32>, vector<3xf32>) -> vector<3xf32>
  %flat = "vector.shape_cast"(%x) : (vector<3x4xf32>) -> vector<12xf32>
  %r = "vector.reduction"(%flat, %s) {kind = #vector.kind<add>} : (vector<12xf32>, f32) -> f32
  %square = "vector.broadcast"(%m) : (vector<3xf32>) -> vector<3x3xf32>
  %flat4 = "vector.broadcast"(%s) : (f32) -> vector<4xf32>
  %o = "vector.outerproduct"(%m, %m, %square) {kind = #vector.kind<add>}
    : (vector<3xf32>, vector<3xf32>, vector<3x3xf32>) -> vector<3x3xf32>
  %steps = "vector.step"() : () -> vector<4xindex>
  %mem = "memref.alloca"() {operandSegmentSizes = array<i32: 0, 0>} : () -> memref<8x4xf32>
  "vector.store"(%flat4, %mem, %i, %i) : (vector<4xf32>, memref<8x4xf32>, index, index) -> ()
  %sub = "memref.subview"(%mem, %i) {static_offsets = array<i64: 0, -9223372036854775808>,
    static_sizes = array<i64: 2, 2>, static_strides = array<i64: 1, 2>, operandSegmentSizes = array<i32: 1, 1, 0, 0>}
    : (memref<8x4xf32>, index) -> memref<2x2xf32, strided<[4, 2], offset: ?>>
  %one = "arith.constant"() {value = 1 : index} : () -> index
  %e = "memref.load"(%sub, %i, %one) : (memref<2x2xf32, strided<[4, 2], offset: ?>>, index, index) -> f32
  "memref.store"(%e, %mem, %i, %i) : (f32, memref<8x4xf32>, index, index) -> ()
  %d = "memref.dim"(%mem, %one) : (memref<8x4xf32>, index) -> index
  %back = "vector.load"(%mem, %i, %i) : (memref<8x4xf32>, index, index) -> vector<4xf32>
  %first = "vector.reduction"(%back) {kind = #vector.kind<maxnumf>} : (vector<4xf32>) -> f32
  return %t, %m, %r, %first, %steps : vector<4x3xf32>, vector<3xf32>, f32, f32, vector<4xindex>
}
"""


def test_program() -> None:
    module = parse(PROGRAM)
    verify(module)
    x = np.arange(12, dtype=np.float32).reshape(3, 4) - 6
    s: Any = np.float32(2)
    t_, m, r, first, steps = Interpreter(module).run([x, s, np.int64(0)])  # type: ignore[list-item]
    assert (t_ == (3 * x).T).all()
    assert m.tolist() == np.maximum((3 * x).max(1), 0).tolist()
    assert r == x.sum() + 2
    assert first == 2
    assert steps.tolist() == [0, 1, 2, 3]


def test_upstream_verifies_it(mlir_opt: Callable[..., str]) -> None:
    assert "vector.multi_reduction" in mlir_opt(PROGRAM)
    verify(parse(mlir_opt(PROGRAM, "--mlir-print-op-generic")))


def op_of(cls: type[Op], *types: t.Type, result: t.Type, **attributes: Any) -> Any:
    return cls(*Block(types).arguments, result_types=[result], **attributes)


V4 = t.VectorType((4,), t.f32)


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (op_of(vector.Broadcast, V4, result=t.VectorType((4, 2), t.f32)), "does not broadcast vector<4xf32>"),
        (op_of(vector.ShapeCast, V4, result=t.VectorType((3,), t.f32)), "does not cast"),
        (op_of(vector.Step, result=V4), "gives a vector of indices"),
        (op_of(vector.Reduction, V4, result=t.f32, kind=OpaqueAttr("vector.kind", "mean")), "has no reduction"),
        (op_of(vector.Transpose, V4, result=V4, permutation=(1,)), "needs a permutation"),
        (op_of(memref.Load, t.MemRefType((4,), t.f32), result=t.f32), "takes 1 indices into memref<4xf32>, found 0"),
        (op_of(memref.Alloca, result=t.MemRefType((None,), t.f32)), "has 0 sizes for 1"),
    ],
)
def test_rules(op: Op, message: str) -> None:
    with pytest.raises(VerifyError, match=message):
        op.verify()


@pytest.mark.parametrize("name", sorted(vector.REDUCTIONS))
def test_reductions(name: str) -> None:
    floating = name.endswith("f") or name in ("add", "mul")
    scalar = t.f32 if floating else t.i32
    values = np.array([3, -7, 12, 5], scalar.numpy)
    op = op_of(vector.Reduction, t.VectorType((4,), scalar), result=scalar, kind=vector.kind(name))
    expected = {"add": 13, "mul": -1260, "minsi": -7, "maxsi": 12, "minui": 3, "maxui": -7, "and": 0, "or": -1}
    extremes = {"minnumf": -7, "minimumf": -7, "maxnumf": 12, "maximumf": 12, "xor": 3 ^ -7 ^ 12 ^ 5}
    assert op.evaluate(values) == (expected | extremes)[name]
