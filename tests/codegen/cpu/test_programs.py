"""Tile programs written out, as machine code next to the interpreter: every way to touch memory and to go round."""

from __future__ import annotations

import numpy as np
import pytest
from native import NativeKernel
from tile_programs import program

from kernelwright.codegen.cpu import kernel_source
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects import kernel
from kernelwright.ir.tile_interpreter import run_kernel


def check(func: kernel.Func, *inputs: np.ndarray, sizes: dict[str, int] | None = None, threads: int = 2) -> None:
    (expected,) = run_kernel(func, inputs, sizes or {})
    (found,) = NativeKernel(func)(inputs, sizes or {}, threads)
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


LOADS = {
    "rows": ("4x8", "%i1, %i2", "0, 1", "1, 1", ""),
    "columns": ("8x4", "%i0, %i0", "1, 0", "1, 1", ""),
    "every-second": ("3x5", "%i0, %i1", "0, 1", "2, 2", ""),
    "every-fifth": ("2x3", "%i0, %i0", "0, 1", "1, 5", ""),
    "backwards": ("2x7", "%i3, %i8", "0, 1", "-1, -1", ""),
    "repeated-rows": ("4x8", "%i1, %i2", "-1, 1", "1, 1", ""),
    "repeated-elements": ("4x8", "%i1, %i2", "0, -1", "1, 1", ""),
    "one-column": ("7x1", "%i0, %i3", "0, 1", "1, 1", ""),
    "one-dim-twice": ("2x4", "%i0, %i1", "1, 1", "4, 1", ""),
    "beyond-the-end": ("4x16", "%i5, %i2", "0, 1", "1, 1", ", checked = array<i64: 0, 1>, fill = 7.5 : f64"),
    "beyond-in-columns": ("8x4", "%i4, %i5", "1, 0", "2, 1", ", checked = array<i64: 0, 1>, fill = -1.0 : f64"),
    "beyond-in-steps": ("2x8", "%i5, %i4", "0, 1", "1, 2", ", checked = array<i64: 0, 1>"),
    "beyond-with-repeats": ("2x8", "%i5, %i8", "-1, 0", "1, 1", ", checked = array<i64: 0>, fill = 2.0 : f64"),
}


@pytest.mark.parametrize("name", LOADS)
def test_load(name: str) -> None:
    shape, start, dims, steps, more = LOADS[name]
    rows, columns = map(int, shape.split("x"))
    body = f"""
    %v = "tile.load"(%a, {start}) {{dims = array<i64: {dims}>, steps = array<i64: {steps}>{more}}}
        : (memref<8x11xf32>, index, index) -> vector<{shape}xf32>
    "tile.store"(%v, %r, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (vector<{shape}xf32>, memref<{shape}xf32>, index, index) -> ()"""
    func = program(f"%a: memref<8x11xf32>, %r: memref<{shape}xf32>", body, f'"8, 11", "{rows}, {columns}"')
    check(func, floats(8, 11))


@pytest.mark.parametrize(("dims", "steps", "start"), [("0, 1", "1, 1", "%i5, %i2"), ("1, 0", "1, 1", "%i2, %i7")])
def test_store_drops_what_leaves(dims: str, steps: str, start: str) -> None:
    body = f"""
    %z = "arith.constant"() {{value = 0.0 : f32}} : () -> f32
    %zeros = "vector.broadcast"(%z) : (f32) -> vector<8x11xf32>
    "tile.store"(%zeros, %r, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (vector<8x11xf32>, memref<8x11xf32>, index, index) -> ()
    %v = "tile.load"(%a, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (memref<8x11xf32>, index, index) -> vector<4x8xf32>
    "tile.store"(%v, %r, {start}) {{dims = array<i64: {dims}>, steps = array<i64: {steps}>, checked = array<i64: 0, 1>}}
        : (vector<4x8xf32>, memref<8x11xf32>, index, index) -> ()"""
    check(program("%a: memref<8x11xf32>, %r: memref<8x11xf32>", body, '"8, 11", "8, 11"'), floats(8, 11))


@pytest.mark.parametrize("combine", ["add", "mul", "max", "min"])
def test_programs_combine_into_one_place(combine: str) -> None:
    body = f"""
    %p = "tile.program_id"() {{axis = 0 : i64}} : () -> index
    %first = "arith.cmpi"(%p, %i0) {{predicate = 0 : i64}} : (index, index) -> i1
    %v = "tile.load"(%a, %p, %i0) {{dims = array<i64: 1>, steps = array<i64: 1>}}
        : (memref<6x5xf32>, index, index) -> vector<5xf32>
    "scf.if"(%first) ({{
      "tile.store"(%v, %r, %i0) {{dims = array<i64: 0>, steps = array<i64: 1>}}
          : (vector<5xf32>, memref<5xf32>, index) -> ()
      "scf.yield"() : () -> ()
    }}, {{
      "tile.store"(%v, %r, %i0) {{dims = array<i64: 0>, steps = array<i64: 1>, combine = "{combine}"}}
          : (vector<5xf32>, memref<5xf32>, index) -> ()
      "scf.yield"() : () -> ()
    }}) : (i1) -> ()"""
    func = program("%a: memref<6x5xf32>, %r: memref<5xf32>", body, '"6, 5", "5"', "6 : i64")
    check(func, floats(6, 5), threads=1)


def test_gather_and_scatter() -> None:
    body = """
    %z = "arith.constant"() {value = 0.0 : f32} : () -> f32
    %zeros = "vector.broadcast"(%z) : (f32) -> vector<40xf32>
    "tile.store"(%zeros, %r, %i0) {dims = array<i64: 0>, steps = array<i64: 1>}
        : (vector<40xf32>, memref<40xf32>, index) -> ()
    %lane = "tile.iota"() {axis = 0 : i64} : () -> vector<9xindex>
    %three = "vector.broadcast"(%i3) : (index) -> vector<9xindex>
    %seven = "vector.broadcast"(%i7) : (index) -> vector<9xindex>
    %by = "arith.muli"(%lane, %three) : (vector<9xindex>, vector<9xindex>) -> vector<9xindex>
    %mask = "arith.cmpi"(%lane, %seven) {predicate = 2 : i64} : (vector<9xindex>, vector<9xindex>) -> vector<9xi1>
    %v = "tile.gather"(%a, %i2, %by, %mask) {fill = 3.0 : f64, operandSegmentSizes = array<i32: 1, 2, 1>}
        : (memref<4x20xf32>, index, vector<9xindex>, vector<9xi1>) -> vector<9xf32>
    "tile.scatter"(%v, %r, %by) {operandSegmentSizes = array<i32: 1, 1, 1, 0>}
        : (vector<9xf32>, memref<40xf32>, vector<9xindex>) -> ()
    "tile.scatter"(%v, %r, %lane, %mask) {combine = "add", operandSegmentSizes = array<i32: 1, 1, 1, 1>}
        : (vector<9xf32>, memref<40xf32>, vector<9xindex>, vector<9xi1>) -> ()"""
    check(program("%a: memref<4x20xf32>, %r: memref<40xf32>", body, '"4, 20", "40"'), floats(4, 20))


def test_copies_through_local_memory() -> None:
    body = """
    %n = "arith.constant"() {value = -2 : index} : () -> index
    %s = "tile.alloc"() : () -> memref<2x6x17xf32, "local">
    "tile.copy"(%a, %s, %n, %n, %i1, %i0, %i0) {sizes = array<i64: 6, 17>, source_dims = array<i64: 0, 1>,
        target_dims = array<i64: 1, 2>, checked = array<i64: 0, 1>, fill = 0.5 : f64,
        operandSegmentSizes = array<i32: 1, 1, 2, 3>}
        : (memref<5x9xf32>, memref<2x6x17xf32, "local">, index, index, index, index, index) -> ()
    %w = "tile.view"(%s, %i1, %i0, %i0) {dims = array<i64: 1, 2>}
        : (memref<2x6x17xf32, "local">, index, index, index) -> memref<6x17xf32, strided<[17, 1]>, "local">
    %v = "tile.load"(%w, %i0, %i0) {dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}
        : (memref<6x17xf32, strided<[17, 1]>, "local">, index, index) -> vector<6x17xf32>
    "tile.store"(%v, %r, %i0, %i0) {dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}
        : (vector<6x17xf32>, memref<6x17xf32>, index, index) -> ()"""
    check(program("%a: memref<5x9xf32>, %r: memref<6x17xf32>", body, '"5, 9", "6, 17"'), floats(5, 9))


@pytest.mark.parametrize("shape", ["8x16", "16x16", "7x32", "20x48", "3x5", "1x16", "33x16"])
def test_transpose(shape: str) -> None:
    rows, columns = map(int, shape.split("x"))
    body = f"""
    %v = "tile.load"(%a, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (memref<{shape}xf32>, index, index) -> vector<{shape}xf32>
    %t = "vector.transpose"(%v) {{permutation = array<i64: 1, 0>}}
        : (vector<{shape}xf32>) -> vector<{columns}x{rows}xf32>
    "tile.store"(%t, %r, %i0, %i0) {{dims = array<i64: 0, 1>, steps = array<i64: 1, 1>}}
        : (vector<{columns}x{rows}xf32>, memref<{columns}x{rows}xf32>, index, index) -> ()"""
    arguments = f"%a: memref<{shape}xf32>, %r: memref<{columns}x{rows}xf32>"
    check(program(arguments, body, f'"{rows}, {columns}", "{columns}, {rows}"'), floats(rows, columns))


@pytest.mark.parametrize("kind", ["add", "mul", "max", "min"])
@pytest.mark.parametrize(
    ("axes", "left"), [((0,), (3, 5)), ((1,), (4, 5)), ((2,), (4, 3)), ((0, 2), (3,)), ((1, 2), (4,))]
)
def test_reduce(kind: str, axes: tuple[int, ...], left: tuple[int, ...]) -> None:
    shape = "x".join(map(str, left))
    dims = ", ".join(str(d) for d in range(len(left)))
    zeros, ones = ", ".join(["%i0"] * len(left)), ", ".join(["1"] * len(left))
    indices = ", ".join(["index"] * len(left))
    body = f"""
    %v = "tile.load"(%a, %i0, %i0, %i0) {{dims = array<i64: 0, 1, 2>, steps = array<i64: 1, 1, 1>}}
        : (memref<4x3x5xf32>, index, index, index) -> vector<4x3x5xf32>
    %s = "tile.reduce"(%v) {{kind = "{kind}", axes = array<i64: {", ".join(map(str, axes))}>}}
        : (vector<4x3x5xf32>) -> vector<{shape}xf32>
    "tile.store"(%s, %r, {zeros}) {{dims = array<i64: {dims}>, steps = array<i64: {ones}>}}
        : (vector<{shape}xf32>, memref<{shape}xf32>, {indices}) -> ()"""
    text = ", ".join(map(str, left))
    check(program(f"%a: memref<4x3x5xf32>, %r: memref<{shape}xf32>", body, f'"4, 3, 5", "{text}"'), floats(4, 3, 5))


def test_three_axes_and_symbolic_sizes() -> None:
    body = """
    %x = "tile.program_id"() {axis = 0 : i64} : () -> index
    %y = "tile.program_id"() {axis = 1 : i64} : () -> index
    %z = "tile.program_id"() {axis = 2 : i64} : () -> index
    %n = "tile.symbol"() {value = "n"} : () -> index
    %v = "tile.load"(%a, %z, %y, %x) : (memref<?x3x?xf32>, index, index, index) -> f32
    %f = "arith.index_cast"(%n) : (index) -> i64
    %g = "arith.sitofp"(%f) : (i64) -> f32
    %w = "arith.mulf"(%v, %g) : (f32, f32) -> f32
    "tile.store"(%w, %r, %z, %y, %x) : (f32, memref<?x3x?xf32>, index, index, index) -> ()"""
    func = program(
        "%a: memref<?x3x?xf32>, %r: memref<?x3x?xf32>", body, '"n, 3, m + 1", "n, 3, m + 1"', '"m + 1", 3 : i64, "n"'
    )
    for threads in (1, 2):
        check(func, floats(5, 3, 8), sizes={"n": 5, "m": 7}, threads=threads)


def test_workers_meet_at_grid_barriers() -> None:
    """Each program adds its neighbour's element to its own, as often as there are programs."""
    body = """
    %p = "tile.program_id"() {axis = 0 : i64} : () -> index
    %n = "tile.num_programs"() {axis = 0 : i64} : () -> index
    %v = "tile.load"(%a, %p) : (memref<2xf32>, index) -> f32
    "tile.store"(%v, %r, %i0, %p) : (f32, memref<6x2xf32>, index, index) -> ()
    "scf.for"(%i1, %i5, %i1) ({
    ^bb0(%t: index):
      "tile.grid_barrier"() : () -> ()
      %s = "arith.subi"(%t, %i1) : (index, index) -> index
      %q = "arith.addi"(%p, %i1) : (index, index) -> index
      %m = "arith.remsi"(%q, %n) : (index, index) -> index
      %own = "tile.load"(%r, %s, %p) : (memref<6x2xf32>, index, index) -> f32
      %other = "tile.load"(%r, %s, %m) : (memref<6x2xf32>, index, index) -> f32
      %sum = "arith.addf"(%own, %other) : (f32, f32) -> f32
      "tile.store"(%sum, %r, %t, %p) : (f32, memref<6x2xf32>, index, index) -> ()
      "scf.yield"() : () -> ()
    }) : (index, index, index) -> ()"""
    func = program("%a: memref<2xf32>, %r: memref<6x2xf32>", body, '"2", "6, 2"', "2 : i64")
    (expected,) = run_kernel(func, [np.array([1, 10], np.float32)], {})
    (found,) = NativeKernel(func)([np.array([1, 10], np.float32)], {}, threads=2)
    np.testing.assert_array_equal(found[:5], expected[:5])


def test_an_op_without_code_is_named() -> None:
    func = program("%r: memref<2xf32>", '"gpu.thread_id"() : () -> ()', '"2"')
    with pytest.raises(CompileError, match=r"'gpu.thread_id' has no LLVM code"):
        kernel_source([func])
