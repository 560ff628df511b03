"""The interpreter of tile programs: what ops on memory mean, and which programs it refuses."""

from __future__ import annotations

import numpy as np
import pytest

from kernelwright.ir.dialects import kernel, tile
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.parser import parse
from kernelwright.ir.tile_interpreter import SAMPLE, TileInterpreter, run_kernel

PREFIX = """
    %zero = "arith.constant"() {value = 0 : index} : () -> index
    %one = "arith.constant"() {value = 1 : index} : () -> index
    %four = "arith.constant"() {value = 4 : index} : () -> index
    %pid = "tile.program_id"() {axis = 0 : i64} : () -> index
"""


def program(body: str, arguments: str, shapes: list[str], grid: str = "[1]") -> kernel.Func:
    text = ", ".join(f'"{shape}"' for shape in shapes)
    module = parse(
        f"""
        module {{
          "kernel.func"() ({{
          ^bb0({arguments}):
            {PREFIX}
            {body}
            "kernel.return"() : () -> ()
          }}) {{sym_name = "k", grid = {grid}, arg_shapes = [{text}]}} : () -> ()
        }}"""
    )
    assert isinstance(module, Module)
    for op in module.walk():
        op.verify()
    func = module.lookup("k")
    assert isinstance(func, kernel.Func)
    return func


def one_to_one(body: str, x: np.ndarray, grid: str = "[1]") -> np.ndarray:
    """The result of a program from one f32 vector %x to another %y of the same size."""
    size = x.size
    func = program(body, f"%x: memref<{size}xf32>, %y: memref<{size}xf32>", [str(size)] * 2, grid)
    return run_kernel(func, [x], {})[0]


X = np.arange(8, dtype=np.float32)
LOAD = (
    '%v = "tile.load"(%x, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}'
    " : (memref<8xf32>, index) -> vector<8xf32>"
)
STORE = (
    '"tile.store"(%v, %y, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}'
    " : (vector<8xf32>, memref<8xf32>, index) -> ()"
)
SHARED = '%s = "tile.alloc"() : () -> memref<8xf32, "shared">'
TO_SHARED = (
    '"tile.store"(%v, %s, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}'
    ' : (vector<8xf32>, memref<8xf32, "shared">, index) -> ()'
)
FROM_SHARED = (
    '%w = "tile.load"(%s, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}'
    ' : (memref<8xf32, "shared">, index) -> vector<8xf32>'
)
STORE_W = STORE.replace("%v", "%w")
BARRIER = '"tile.barrier"() : () -> ()'
ASYNC = (
    '"tile.copy_async"(%x, %s, %zero, %zero) {sizes = array<i64: 8>, source_dims = array<i64: 0>,'
    " target_dims = array<i64: 0>, operandSegmentSizes = array<i32: 1, 1, 1, 1, 0, 0>}"
    ' : (memref<8xf32>, memref<8xf32, "shared">, index, index) -> ()'
)
COMMIT = '"tile.commit_group"() : () -> ()'
WAIT = '"tile.wait_group"() {pending = 0 : i64} : () -> ()'


def lines(*parts: str) -> str:
    return "\n".join(parts)


def test_several_tile_dims_walk_one_memref_dim_and_repeat() -> None:
    body = """
    %v = "tile.load"(%x, %one) {dims = array<i64: 0, -1, 0>, steps = array<i64: 3, 0, 1>}
         : (memref<8xf32>, index) -> vector<2x2x2xf32>
    %w = "vector.shape_cast"(%v) : (vector<2x2x2xf32>) -> vector<8xf32>
    """
    np.testing.assert_array_equal(one_to_one(body + STORE_W, X), [1, 2, 1, 2, 4, 5, 4, 5])


def test_checked_loads_read_the_fill_and_checked_stores_drop() -> None:
    body = """
    %v = "tile.load"(%x, %four) {dims = array<i64: 0>, steps = array<i64: 1>, checked = array<i64: 0>, fill = 9.0 : f64}
         : (memref<8xf32>, index) -> vector<8xf32>
    "tile.store"(%v, %y, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}
         : (vector<8xf32>, memref<8xf32>, index) -> ()
    "tile.store"(%v, %y, %four) {dims = array<i64: 0>, steps = array<i64: 1>, checked = array<i64: 0>}
         : (vector<8xf32>, memref<8xf32>, index) -> ()
    """
    np.testing.assert_array_equal(one_to_one(body, X), [4, 5, 6, 7, 4, 5, 6, 7])


def test_steps_may_go_backwards() -> None:
    seven = '%seven = "arith.constant"() {value = 7 : index} : () -> index\n'
    load = LOAD.replace("%zero", "%seven").replace("i64: 1>}", "i64: -1>}")
    np.testing.assert_array_equal(one_to_one(lines(seven, load, STORE), X), X[::-1])


def test_unchecked_indices_must_lie_in_the_memref() -> None:
    with pytest.raises(tile.ExecutionError, match=r"'tile.load': .* from 1 to 8 leave dim 0 of size 8"):
        one_to_one(lines(LOAD.replace("%zero", "%one"), STORE), X)


def test_masked_gather_and_scatter_that_adds() -> None:
    body = """
    %i = "tile.iota"() {axis = 0 : i64} : () -> vector<8xindex>
    %c = "vector.broadcast"(%four) : (index) -> vector<8xindex>
    %q = "arith.divui"(%i, %c) : (vector<8xindex>, vector<8xindex>) -> vector<8xindex>
    %m = "arith.cmpi"(%i, %c) {predicate = 6 : i64} : (vector<8xindex>, vector<8xindex>) -> vector<8xi1>
    %g = "tile.gather"(%x, %i, %m) {fill = 10.0 : f64, operandSegmentSizes = array<i32: 1, 1, 1>}
         : (memref<8xf32>, vector<8xindex>, vector<8xi1>) -> vector<8xf32>
    %f = "arith.constant"() {value = 0.0 : f32} : () -> f32
    %v = "vector.broadcast"(%f) : (f32) -> vector<8xf32>
    """
    scatter = """
    "tile.scatter"(%g, %y, %q) {combine = "add", operandSegmentSizes = array<i32: 1, 1, 1, 0>}
         : (vector<8xf32>, memref<8xf32>, vector<8xindex>) -> ()
    """
    expected = [0 + 1 + 2 + 3, 40, 0, 0, 0, 0, 0, 0]
    np.testing.assert_array_equal(one_to_one(lines(body, STORE, scatter), X), expected)


def test_reading_shared_memory_needs_a_barrier_after_the_write() -> None:
    good = lines(LOAD, SHARED, TO_SHARED, BARRIER, FROM_SHARED, STORE_W)
    np.testing.assert_array_equal(one_to_one(good, X), X)
    with pytest.raises(tile.ExecutionError, match="read after it was written without a barrier"):
        one_to_one(good.replace(BARRIER, ""), X)


def test_writing_shared_memory_needs_a_barrier_after_the_read() -> None:
    good = lines(LOAD, SHARED, TO_SHARED, BARRIER, FROM_SHARED, STORE_W, BARRIER + " ", TO_SHARED)
    one_to_one(good, X)
    with pytest.raises(tile.ExecutionError, match="written after it was used"):
        one_to_one(good.replace(BARRIER + " ", ""), X)


def test_asynchronous_copies_land_at_the_wait_and_are_seen_after_the_barrier() -> None:
    good = lines(SHARED, ASYNC, COMMIT, WAIT, BARRIER, FROM_SHARED, STORE_W)
    np.testing.assert_array_equal(one_to_one(good, X), X)
    with pytest.raises(tile.ExecutionError, match="asynchronous copy into it is under way"):
        one_to_one(good.replace(WAIT, ""), X)
    with pytest.raises(tile.ExecutionError, match="asynchronous copy into it is under way"):
        one_to_one(good.replace("pending = 0", "pending = 1"), X)
    with pytest.raises(tile.ExecutionError, match="without a barrier"):
        one_to_one(good.replace(BARRIER, ""), X)


PRODUCER_AND_CONSUMER = """
    %b = "tile.alloc_barriers"() {count = 1 : i64, arrivals = 1 : i64} : () -> !tile.barriers
    "tile.roles"() ({
      "tile.wait"(%b, %zero, %zero) : (!tile.barriers, index, index) -> ()
      %w = "tile.load"(%s, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}
           : (memref<8xf32, "shared">, index) -> vector<8xf32>
      "tile.store"(%w, %y, %zero) {dims = array<i64: 0>, steps = array<i64: 1>}
           : (vector<8xf32>, memref<8xf32>, index) -> ()
      "tile.end"() : () -> ()
    }, {
      "tile.elect"() ({
      "tile.copy_async"(%x, %s, %zero, %zero, %b, %zero) {sizes = array<i64: 8>, source_dims = array<i64: 0>,
          target_dims = array<i64: 0>, engine = "tma", operandSegmentSizes = array<i32: 1, 1, 1, 1, 1, 1>}
           : (memref<8xf32>, memref<8xf32, "shared">, index, index, !tile.barriers, index) -> ()
      "tile.arrive"(%b, %zero) {bytes = 32 : i64} : (!tile.barriers, index) -> ()
      "tile.end"() : () -> ()
      }) : () -> ()
      "tile.end"() : () -> ()
    }) {warps = array<i64: 4, 1>} : () -> ()
"""


def test_roles_wait_for_each_other() -> None:
    np.testing.assert_array_equal(one_to_one(lines(SHARED, PRODUCER_AND_CONSUMER), X), X)


def test_a_wait_without_an_arrival_is_a_deadlock() -> None:
    lost = PRODUCER_AND_CONSUMER.replace(
        '"tile.arrive"(%b, %zero) {bytes = 32 : i64} : (!tile.barriers, index) -> ()', ""
    )
    with pytest.raises(tile.ExecutionError, match="no one will arrive"):
        one_to_one(lines(SHARED, lost), X)


def test_a_grid_barrier_stops_all_workers() -> None:
    """Each worker adds 1 to its element; after the barrier it reads its neighbour's."""
    body = """
    %a = "tile.load"(%x, %pid) {dims = array<i64>, steps = array<i64>} : (memref<8xf32>, index) -> f32
    %f = "arith.constant"() {value = 1.0 : f32} : () -> f32
    %b = "arith.addf"(%a, %f) : (f32, f32) -> f32
    "tile.store"(%b, %x, %pid) {dims = array<i64>, steps = array<i64>} : (f32, memref<8xf32>, index) -> ()
    "tile.grid_barrier"() : () -> ()
    %n = "arith.addi"(%pid, %one) : (index, index) -> index
    %eight = "tile.num_programs"() {axis = 0 : i64} : () -> index
    %m = "arith.remui"(%n, %eight) : (index, index) -> index
    %c = "tile.load"(%x, %m) {dims = array<i64>, steps = array<i64>} : (memref<8xf32>, index) -> f32
    "tile.store"(%c, %y, %pid) {dims = array<i64>, steps = array<i64>} : (f32, memref<8xf32>, index) -> ()
    """
    np.testing.assert_array_equal(one_to_one(body, X.copy(), grid="[8]"), np.roll(X + 1, -1))


def test_windows_share_memory() -> None:
    body = """
    %s = "tile.alloc"() {stages = 2 : i64} : () -> memref<2x8xf32, "local">
    %t = "tile.view"(%s, %one, %zero) {dims = array<i64: 1>} : (memref<2x8xf32, "local">, index, index) -> memref<8xf32, "local">
    "tile.store"(%v, %t, %zero) {dims = array<i64: 0>, steps = array<i64: 1>} : (vector<8xf32>, memref<8xf32, "local">, index) -> ()
    %w = "tile.load"(%s, %one, %zero) {dims = array<i64: 1>, steps = array<i64: 1>} : (memref<2x8xf32, "local">, index, index) -> vector<8xf32>
    """  # noqa: E501
    np.testing.assert_array_equal(one_to_one(lines(LOAD, body, STORE_W), X), X)


@pytest.mark.parametrize("sizes", [(0, 3), (2, 3)])
def test_calls_of_tile_programs_run_in_a_module(sizes: tuple[int, int]) -> None:
    module = parse(
        """
        module {
          "kernel.func"() ({
          ^bb0(%x: memref<?x3xf32>, %y: memref<?xf32>):
            %p = "tile.program_id"() {axis = 0 : i64} : () -> index
            %z = "arith.constant"() {value = 0 : index} : () -> index
            %v = "tile.load"(%x, %p, %z) {dims = array<i64: 1>, steps = array<i64: 1>} : (memref<?x3xf32>, index, index) -> vector<3xf32>
            %s = "tile.reduce"(%v) {kind = "add", axes = array<i64: 0>} : (vector<3xf32>) -> f32
            "tile.store"(%s, %y, %p) {dims = array<i64>, steps = array<i64>} : (f32, memref<?xf32>, index) -> ()
            "kernel.return"() : () -> ()
          }) {sym_name = "k", grid = ["n"], arg_shapes = ["n, 3", "n"]} : () -> ()
          func.func @main(%x: tensor<?x3xf32, #kw.dims<"n">>) -> tensor<?x1xf32, #kw.dims<"n">> {
            %y = "kernel.call"(%x) {callee = @k} : (tensor<?x3xf32, #kw.dims<"n">>) -> tensor<?x1xf32, #kw.dims<"n">>
            return %y : tensor<?x1xf32, #kw.dims<"n">>
          }
        }"""  # noqa: E501
    )
    assert isinstance(module, Module)
    x = np.arange(6, dtype=np.float32).reshape(2, 3)[: sizes[0]]
    (y,) = TileInterpreter(module).run([x])
    np.testing.assert_array_equal(y, x.sum(1, keepdims=True))


MANY = """
module {
  "kernel.func"() ({
  ^bb0(%x: memref<100xf32>, %y: memref<100xf32>):
    %p = "tile.program_id"() {axis = 0 : i64} : () -> index
    %v = "tile.load"(%x, %p) {dims = array<i64>, steps = array<i64>} : (memref<100xf32>, index) -> f32
    "tile.store"(%v, %y, %p) {dims = array<i64>, steps = array<i64>} : (f32, memref<100xf32>, index) -> ()
    "kernel.return"() : () -> ()
  }) {sym_name = "k", grid = array<i64: 100>, arg_shapes = ["100", "100"]} : () -> ()
  func.func @main(%x: tensor<100xf32>) -> tensor<100xf32> {
    %y = "kernel.call"(%x) {callee = @k} : (tensor<100xf32>) -> tensor<100xf32>
    return %y : tensor<100xf32>
  }
}"""


def test_where_results_are_expected_a_sample_of_workers_runs() -> None:
    module = parse(MANY)
    assert isinstance(module, Module)
    x, others = np.arange(100, dtype=np.float32), np.full(100, -1, np.float32)
    (y,) = TileInterpreter(module, expected=[("k", (others,))]).run([x])
    ran = y == x
    assert ran.sum() == SAMPLE
    assert ran[0] and ran[-1]
    np.testing.assert_array_equal(y[~ran], others[~ran])


@pytest.mark.parametrize("expected", [[], [("other", (np.zeros(100, np.float32),))]])
def test_without_results_of_the_same_kernel_all_workers_run(expected: list[tuple[str, tuple[np.ndarray]]]) -> None:
    module = parse(MANY)
    assert isinstance(module, Module)
    x = np.arange(100, dtype=np.float32)
    interpreter = TileInterpreter(module, expected=expected)
    np.testing.assert_array_equal(interpreter.run([x])[0], x)
    assert interpreter.calls[0][0] == "k"
