"""assign-layouts: clashes become moves, reductions across warps get scratch memory, and nothing changes its meaning."""

from __future__ import annotations

import numpy as np
import pytest

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.ir import target
from kernelwright.ir.core import Block
from kernelwright.ir.dialects import kernel, tile
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.layout import layout_of
from kernelwright.ir.parser import parse
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import MemRefType, VectorType, f16, index
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile.layouts import fragments, matrix_load

# y[j, i] = u[j, i] + sum over k of x[i, k]: the sums come along rows and are wanted along columns.
CLASH = """
module {
  "kernel.func"() ({
  ^bb0(%x: memref<32x256xf32>, %u: memref<64x32xf32>, %y: memref<64x32xf32>):
    %zero = "arith.constant"() {value = 0 : index} : () -> index
    %rows = "tile.load"(%x, %zero, %zero) {dims = array<i64: 0, 1>,
      steps = array<i64: 1, 1>, alignment = 16 : i64} : (memref<32x256xf32>, index, index) -> vector<32x256xf32>
    %sums = "tile.reduce"(%rows) {kind = "add", axes = array<i64: 1>} : (vector<32x256xf32>) -> vector<32xf32>
    %tile = "tile.load"(%u, %zero, %zero) {dims = array<i64: 0, 1>,
      steps = array<i64: 1, 1>, alignment = 16 : i64} : (memref<64x32xf32>, index, index) -> vector<64x32xf32>
    %wide = "vector.broadcast"(%sums) : (vector<32xf32>) -> vector<64x32xf32>
    %total = "arith.addf"(%tile, %wide) : (vector<64x32xf32>, vector<64x32xf32>) -> vector<64x32xf32>
    "tile.store"(%total, %y, %zero, %zero) {dims = array<i64: 0, 1>,
      steps = array<i64: 1, 1>, alignment = 16 : i64} : (vector<64x32xf32>, memref<64x32xf32>, index, index) -> ()
    "kernel.return"() : () -> ()
  }) {sym_name = "clash", grid = [1 : i64], threads = 128 : i64,
      arg_shapes = ["32, 256", "64, 32", "64, 32"]} : () -> ()
}
"""


def assigned(text: str) -> tuple[Module, kernel.Func]:
    module = parse(text)
    target.builtin("cuda:h200").attach(module)
    lookup("assign-layouts")().run(module, PassContext())
    for op in module.walk():
        op.verify()
    (function,) = (op for op in module.block if isinstance(op, kernel.Func))
    return module, function


def test_clashes_are_moved_through_scratch_memory() -> None:
    module, function = assigned(CLASH)
    moves = [op for op in function.walk() if isinstance(op, tile.ConvertLayout)]
    assert len(moves) == 1
    assert moves[0].scratch is not None
    for op in function.walk():
        assert all(layout_of(r) for r in op.results if isinstance(r.type, VectorType))
    nvrtc.compile_sources(list(sources(module).values()), "sm_80")


def test_meaning_is_kept() -> None:
    _, function = assigned(CLASH)
    rng = np.random.default_rng(0)
    x, u = (rng.standard_normal(shape).astype(np.float32) for shape in ((32, 256), (64, 32)))
    (found,) = run_kernel(function, [x, u], {})
    np.testing.assert_allclose(found, u + x.sum(1), rtol=1e-4, atol=1e-4)


def test_warps_take_rows_of_their_own() -> None:
    """A reduction of enough rows stays within warps."""
    _, function = assigned(CLASH)
    (reduce,) = (op for op in function.walk() if isinstance(op, tile.Reduce))
    layout = layout_of(reduce.source)
    assert layout is not None
    assert reduce.scratch is None
    assert all(mode.strides[1] == 0 for mode in layout.warps)


def test_running_again_changes_nothing() -> None:
    module, _ = assigned(CLASH)
    before = str(module)
    lookup("assign-layouts")().run(module, PassContext())
    assert str(module) == before


@pytest.mark.parametrize(("columns", "count"), [(16, 4), (24, 2), (32, 4)])
def test_matrices_loaded_at_once_lie_regularly(columns: int, count: int) -> None:
    """With an odd number of them side by side, four would end in the next row of matrices."""
    _, layout, _ = fragments("mma.m16n8k16", 16, columns, 64, (1, 1))
    memory = Block([MemRefType((64, columns), f16, "shared"), index]).arguments
    load = tile.Load(memory[0], (memory[1],) * 2, (0, 1), (1, 1), alignment=16,
                     result_types=[VectorType((64, columns), f16)])  # fmt: skip
    assert matrix_load(load, layout) == f"ldmatrix.x{count}.trans"


# A product's accumulators begin at the zeros that its operand is compared with, and the two tiles have one shape.
SHARED = """
module {
  "kernel.func"() ({
  ^bb0(%x: memref<16x16xf16>, %w: memref<16x32xf16>, %y: memref<16x32xf32>):
    %zero = "arith.constant"() {value = 0 : index} : () -> index
    %one = "arith.constant"() {value = 1 : index} : () -> index
    %none = "arith.constant"() {value = 0.0 : f32} : () -> f32
    %zeros = "vector.broadcast"(%none) : (f32) -> vector<16x32xf32>
    %a = "tile.load"(%x, %zero, %zero) {dims = array<i64: 0, 1>,
      steps = array<i64: 1, 1>, alignment = 16 : i64} : (memref<16x16xf16>, index, index) -> vector<16x16xf16>
    %total = "scf.for"(%zero, %one, %one, %zeros) ({
    ^bb0(%i: index, %sum: vector<16x32xf32>):
      %raw = "tile.load"(%w, %zero, %zero) {dims = array<i64: 0, 1>,
        steps = array<i64: 1, 1>, alignment = 16 : i64} : (memref<16x32xf16>, index, index) -> vector<16x32xf16>
      %wide = "arith.extf"(%raw) : (vector<16x32xf16>) -> vector<16x32xf32>
      %positive = "arith.maximumf"(%wide, %zeros) : (vector<16x32xf32>, vector<16x32xf32>) -> vector<16x32xf32>
      %b = "arith.truncf"(%positive) : (vector<16x32xf32>) -> vector<16x32xf16>
      %next = "tile.mma"(%a, %b, %sum) {instruction = "mma.m16n8k16", trans_a = false, trans_b = false,
        warps = array<i64: 1, 4>} : (vector<16x16xf16>, vector<16x32xf16>, vector<16x32xf32>) -> vector<16x32xf32>
      "scf.yield"(%next) : (vector<16x32xf32>) -> ()
    }) : (index, index, index, vector<16x32xf32>) -> vector<16x32xf32>
    "tile.store"(%total, %y, %zero, %zero) {dims = array<i64: 0, 1>,
      steps = array<i64: 1, 1>, alignment = 8 : i64} : (vector<16x32xf32>, memref<16x32xf32>, index, index) -> ()
    "kernel.return"() : () -> ()
  }) {sym_name = "shared", grid = [1 : i64], threads = 128 : i64,
      arg_shapes = ["16, 16", "16, 32", "16, 32"]} : () -> ()
}
"""


def test_constants_that_clashing_tiles_share_lie_as_each_needs() -> None:
    module, _ = assigned(SHARED)
    (mma,) = [op for op in module.walk() if isinstance(op, tile.Mma)]
    a, b, acc = fragments("mma.m16n8k16", 16, 32, 16, (1, 4))
    assert [layout_of(value) for value in (mma.a, mma.b, mma.acc, mma.result)] == [a, b, acc, acc]
    assert not any(isinstance(op, tile.ConvertLayout) for op in module.walk())
