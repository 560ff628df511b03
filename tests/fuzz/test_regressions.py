"""What fuzzing found: models that were compiled wrongly, or not at all, next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import expected, graph, normal

from kernelwright.compiler import driver
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.target import builtin
from kernelwright.ir.tile_interpreter import TileInterpreter
from kernelwright.runtime.errors import EngineError, InputError, SizeError


def interpret(text: str, target: str, opset: int = 21, **inputs: np.ndarray) -> None:
    """All results of a model's tile programs, which the interpreter runs without a GPU."""
    model = graph(text, opset)
    module = driver.compile_model(model, CompileOptions(builtin(target), stop="tile")).module
    for found, array in zip(TileInterpreter(module).run(inputs), expected(model, inputs), strict=True):
        np.testing.assert_allclose(found, array, rtol=1e-3, atol=1e-3)


def compare(text: str, opset: int = 21, **inputs: np.ndarray) -> None:
    """All results of a model on this CPU, exactly."""
    model = graph(text, opset)
    with driver.compile(model) as engine:
        found = engine.run(inputs)
    for output, array in zip(model.graph.output, expected(model, inputs), strict=True):
        np.testing.assert_allclose(found[output.name], array, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("bounds", [(-4, -5), (2, -1), (3, 1), (-2, 9), (5, 6)])
def test_slices_of_symbolic_sizes_may_be_empty(n: int, bounds: tuple[int, int]) -> None:
    start, end = bounds
    text = f"""(float[n, 2] x) => (float[m, 2] y)
        <int64[1] start = {{{start}}}, int64[1] end = {{{end}}}> {{ y = Slice (x, start, end) }}"""
    compare(text, x=normal(n, 2))


@pytest.mark.parametrize("step", [1, 3, -1, -2])
def test_slices_of_nothing(step: int) -> None:
    text = f"""(float[3, 0] x) => (float[3, m] y)
        <int64[1] start = {{-1}}, int64[1] end = {{5}}, int64[1] axis = {{1}}, int64[1] step = {{{step}}}>
        {{ y = Slice (x, start, end, axis, step) }}"""
    compare(text, x=normal(3, 0))


@pytest.mark.parametrize(
    ("node", "weight"),
    [
        ("LayerNormalization <axis = -1> (x, w)", 5),
        ("Add (x, w)", 5),
        ("BatchNormalization (x, w, w, w, w)", 3),
        ("InstanceNormalization (x, w, w)", 3),
    ],
)
def test_symbols_that_must_be_numbers(node: str, weight: int) -> None:
    """Types say the number everywhere, so that no pass finds a result of another type than it was told."""
    text = f"(float[2, a, b] x, float[{weight}] w) => (float[2, c, d] y) {{ y = {node} }}"
    w = np.abs(normal(weight, seed=1)) + 1
    compare(text, x=normal(2, 3, 5), w=w)
    with driver.compile(graph(text)) as engine, pytest.raises(InputError, match=str(weight)):
        engine.run({"x": normal(2, 4, 4), "w": w})


def test_einsum_of_a_symbol_and_a_number() -> None:
    w = normal(4, 5, 3, seed=1)
    node = 'Einsum <equation = "bid,bjd->bij"> (x, w)'
    compare(f"(float[4, 2, d] x, float[4, 5, 3] w) => (float[a, b, c] y) {{ y = {node} }}", x=normal(4, 2, 3), w=w)


@pytest.mark.parametrize("shape", [(16, 0, 11), (0, 3, 11)])
def test_products_without_rows(shape: tuple[int, ...]) -> None:
    b, m, k = shape
    compare(f"(float[{b}, {m}, {k}] x, float[{k}, 2] w) => (float[{b}, {m}, 2] y) {{ y = MatMul (x, w) }}",
            x=normal(*shape), w=normal(k, 2))  # fmt: skip


def test_constants_of_f16_that_are_long_decimals() -> None:
    """LLVM takes decimals only where they are exact: -3.24609375 has nine digits."""
    compare(
        """(float16[2, 1] x) => (float16[2, 2] y)
        <float16[1, 2] w = {15360, 16384}, float16[1] b = {49790}> { y = Gemm (x, w, b) }""",
        x=np.array([[0.5], [2]], np.float16),
    )


@pytest.mark.parametrize("trips", [0, 1, 40])
def test_loops_collect_from_any_number_of_iterations(trips: int) -> None:
    compare(
        f"""(float[2, 3] x) => (float[2, 3] y, float[m, 2, 3] z)
        <int64 trips = {{{trips}}}, bool go = {{1}}> {{
            y, z = Loop (trips, go, x) <body = b (int64 i, bool c, float[2, 3] s)
                => (bool c2, float[2, 3] s2, float[2, 3] t) {{ c2 = Identity (c)  s2 = Neg (s)  t = Abs (s) }}>
        }}""",
        x=normal(2, 3),
    )


@pytest.mark.parametrize("columns", [1, 2])
@pytest.mark.parametrize("target", ["cpu-avx2", "cpu-avx512", "cuda:sm_90a"])
@pytest.mark.parametrize("last", ["z = Transpose <perm = [0, 2, 1, 3]> (y)", "z = Transpose <perm = [2, 0, 1, 3]> (y)"])
def test_products_with_one_column_that_are_transposed(target: str, columns: int, last: str) -> None:
    text = f"""(float16[2, 3, 5, 6] a, float16[2, 3, 6, {columns}] b) => (float16[h, i, j, {columns}] z)
        {{ y = MatMul (a, b)  {last} }}"""
    interpret(
        text, target, a=normal(2, 3, 5, 6, dtype=np.float16), b=normal(2, 3, 6, columns, dtype=np.float16, seed=1)
    )


@pytest.mark.parametrize("shape", [(1, 7, 1, 5), (2, 5, 3, 5)])
def test_slopes_along_an_axis_of_any_size(shape: tuple[int, ...]) -> None:
    compare(
        "(float[a, b, c, d] x, float[5] s) => (float[i, j, k, l] y) { y = PRelu (x, s) }", x=normal(*shape), s=normal(5)
    )


def test_defaults_of_attributes_are_of_f32() -> None:
    """ONNX's attributes are f32, also the 0.2 that a node of f64 does not state."""
    x = np.array([0.1, 1.9, -2.4])
    with driver.compile(graph("(double[3] x) => (double[3] y) { y = HardSigmoid (x) }")) as engine:
        np.testing.assert_allclose(engine.run({"x": x})["y"], np.float64(np.float32(0.2)) * x + 0.5, rtol=1e-14)


def test_branches_that_are_given_up_leave_nothing_behind() -> None:
    """The first branch becomes nn ops before the second turns out to have another rank; the host runs the whole."""
    compare(
        """(float[4] x, bool c) => (float[a, b] y) <int64[1] axes = {0}> {
            s = Neg (x)
            y = If (c) <then_branch = t () => (float[4] a) { a = Mul (s, s) },
                        else_branch = e () => (float[1, 4] b) { b = Unsqueeze (s, axes) }>
        }""",
        x=normal(4),
        c=np.array(False),
    )


@pytest.mark.parametrize("condition", [True, False])
def test_branches_that_read_repeated_elements(condition: bool) -> None:
    """Each takes a copy of the broadcast, or of positions, into its own kernels."""
    text = """(int64[1] x, bool c) => (int64[3] y)
        <int64[1] w = {3}, int64 start = {0}, int64 end = {3}, int64 by = {1}> {
        t = Expand (x, w)
        r = Range (start, end, by)
        y = If (c) <then_branch = f () => (int64[3] a) { a = Neg (t) },
                    else_branch = e () => (int64[3] b) { u = Max (t, w)  b = Add (u, r) }>
    }"""
    compare(text, x=np.array([5]), c=np.array(condition))


@pytest.mark.parametrize("condition", [True, False])
def test_branches_of_different_shapes(condition: bool) -> None:
    text = """(float[n, 4] x, bool c) => (float[a, b] y, float[d, e] z) {
        s = Neg (x)
        y = If (c) <then_branch = t () => (float[m, 4] a) { a = Mul (s, s) },
                    else_branch = e () => (float[k, 8] b) { b = Concat <axis = 1> (s, s) }>
        z = Relu (y)
    }"""
    compare(text, x=normal(3, 4), c=np.array(condition))


@pytest.mark.parametrize("target", [(3, 1, 1), (3, 11, 1), (1, 1, 8)])
def test_a_shape_of_run_time_may_keep_sizes(target: tuple[int, ...]) -> None:
    compare(
        "(float[3, 11, n] x, int64[3] s) => (float[i, j, k] y) { y = Expand (x, s) }",
        x=normal(3, 11, 8),
        s=np.array(target),
    )


def test_contents_are_followed_where_all_sizes_are_known() -> None:
    compare(
        """(float[2, n, 3, 1] x) => (float[2, n, 0, 2] y) <float[2, 0, 2, 2] grid = {}> { y = GridSample (x, grid) }""",
        x=normal(2, 4, 3, 1),
    )


def test_acosh_of_far_negative_numbers() -> None:
    x = np.array([-1e15, -3e4, -1, 0.5, 1, 2, 1e30], np.float32)
    compare("(float[7] x) => (float[7] y) { y = Acosh (x) }", x=x)


def test_unique_elements_of_a_constant() -> None:
    compare(
        """(float[1] x) => (float[a] y, int64[b] i, int64[c] j, int64[d] k, float[1] z) <float[3] w = {1.0, 0.5, 1.0}> {
            y, i, j, k = Unique <axis: int = 0, sorted: int = 0> (w)
            z = Neg (x)
        }""",
        x=normal(1),
    )


KEPT = "p = Cast <to = 9> (x)  u = Compress (x, p)  q = Cast <to = 9> (z)  v = Compress (z, q)"
"""The elements of x and of z that are not 0."""


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("nodes", "rank"),
    [
        ("y = Add (u, w)", 1),
        ("c = Less (w, u)  y = Where (c, u, w)", 1),
        ("y = Mul (u, v)", 1),
        ("t = Unsqueeze (u, axes)  r = Tile (t, repeats)  y = MatMul (r, f)", 3),
        ("y = Expand (u, s)", 1),
    ],
)
def test_a_size_of_run_time_may_be_1(nodes: str, rank: int, count: int) -> None:
    y = ", ".join("abc"[:rank])
    text = f"""(float[n] x, float[m] z, float[3] w, float[3, 2, 4] f, int64[1] s) => (float[{y}] y)
        <int64[2] axes = {{1, 2}}, int64[3] repeats = {{1, 4, 2}}> {{ {KEPT} {nodes} }}"""
    x = np.arange(count + 1, dtype=np.float32)
    for other in (1, 3):
        z, s = np.arange(other + 1, dtype=np.float32), np.array([other])
        compare(text, x=x, z=z, w=normal(3), f=normal(3, 2, 4), s=s)


def test_a_size_of_run_time_that_fits_nothing() -> None:
    model = graph(
        "(float[n] x, float[3] w) => (float[a] y) { p = Cast <to = 9> (x)  u = Compress (x, p)  y = Add (u, w) }"
    )
    with driver.compile(model) as engine, pytest.raises(SizeError, match=r"'y' needs 'run_0' = 2 and .* = 3"):
        engine.run({"x": np.arange(3, dtype=np.float32), "w": normal(3)})


def test_the_largest_of_nothing() -> None:
    text = "(int32[2, 0] x, int64[1] k) => (int32[2, m] v, int64[2, m] i) { v, i = TopK (x, k) }"
    compare(text, x=np.zeros((2, 0), np.int32), k=np.array([0]))
    with driver.compile(graph(text)) as engine, pytest.raises(EngineError, match="needs"):
        engine.run({"x": np.zeros((2, 0), np.int32), "k": np.array([1])})


def test_attention_of_heads_whose_size_is_symbolic() -> None:
    q, k = normal(1, 2, 3, 8), normal(1, 2, 5, 8, seed=1)
    text = """(float[1, 2, 3, n] q, float[1, 2, 5, m] k, float[1, 2, 5, 4] v) => (float[a, b, c, d] y)
        { y = Attention <is_causal = 1> (q, k, v) }"""
    compare(text, 23, q=q, k=k, v=normal(1, 2, 5, 4, seed=2))


@pytest.mark.parametrize("ceil_mode", [0, 1])
@pytest.mark.parametrize("p", [1, 3])
def test_windows_of_lp_pool_that_reach_beyond(ceil_mode: int, p: int) -> None:
    """What is outside of the image adds nothing, and no window is scaled up to its full size."""
    node = f"LpPool <kernel_shape = [3], strides = [3], pads = [1, 0], ceil_mode = {ceil_mode}, p = {p}> (x)"
    compare(f"(float[1, 2, n] x) => (float[a, b, c] y) {{ y = {node} }}", x=normal(1, 2, 7))


@pytest.mark.parametrize("inner", [8, 33, 40])
@pytest.mark.parametrize(
    "nodes", ["y = MatMul (a, b)", "s = Exp (a)  y = MatMul (s, b)", "s = Log (a) y = MatMul (s, b)"]
)
def test_infinities_behind_the_last_step_of_a_product(inner: int, nodes: str) -> None:
    """They belong to the next matrix of the batch, or are made of the zeros that are read there."""
    a, b = (np.abs(normal(2, *shape, dtype=np.float16)) for shape in ((5, inner), (inner, 5)))
    a[0, 1, 0] = a[1, 0] = b[1, 0] = np.inf
    text = f"(float16[2, 5, k] a, float16[2, k, 5] b) => (float16[2, 5, 5] y) {{ {nodes} }}"
    interpret(text, "cuda:sm_90a", a=a, b=b)
