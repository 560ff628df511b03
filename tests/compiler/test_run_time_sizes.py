"""Results whose sizes the data say: compiled for the CPU without a step of the host, compared with ONNX Runtime."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import onnx
import pytest
from onnx_graphs import expected, graph

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions
from kernelwright.runtime import Engine
from kernelwright.runtime.errors import IndexRangeError, SizeError
from kernelwright.runtime.plan import Place, Read, walk

Arrays = dict[str, np.ndarray]


@functools.cache
def engine(text: str, opset: int = 21) -> Engine:
    return engine_of(graph(text, opset))


def engine_of(model: onnx.ModelProto, **options: Any) -> Engine:
    compiled = compile_model(model, CompileOptions(target=resolve("cpu"), host_fallback=False, **options))
    return compiled.engine(threads=2)


def check(text: str, *, opset: int = 21, judge: str = "onnxruntime", **inputs: np.ndarray) -> None:
    compiled = engine(text, opset)
    assert any(isinstance(step, Read) for step in walk(compiled.plan.steps))
    wanted = expected(graph(text, opset), inputs, judge)
    found = compiled.run(inputs)
    for spec, array in zip(compiled.plan.outputs, wanted, strict=True):
        assert found[spec.name].dtype == array.dtype
        np.testing.assert_allclose(found[spec.name], array, rtol=1e-5, atol=1e-6)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1), (3, 7), (13, 11), (0, 4), (64, 33)])
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_non_zero(shape: tuple[int, int], share: float) -> None:
    x = (np.random.default_rng(3).random(shape) < share).astype(np.float32)
    check("(float[N, M] x) => (int64[2, K] y) { y = NonZero (x) }", x=x)


def test_the_places_of_one_element() -> None:
    check("(bool[N] x) => (int64[1, K] y) { y = NonZero (x) }", x=np.eye(1, 40, 39, dtype=bool)[0])


def test_what_follows_is_compiled_too() -> None:
    """The size goes through element-wise ops, reductions, products and shape arithmetic."""
    text = """(float[N, 4] x, float[4, 5] w) => (float[K, 5] y, float s, int64[1] k) {
        axis = Constant <value_ints = [1]> ()
        rows = ReduceSum <keepdims = 0> (x, axis)
        zero = Constant <value_float = 0.0> ()
        mask = Greater (rows, zero)
        kept = Compress <axis = 0> (x, mask)
        product = MatMul (kept, w)
        y = Relu (product)
        s = ReduceSum <keepdims = 0> (y)
        k = Shape <start = 0, end = 1> (y)
    }"""
    for n in (1, 9, 31):
        check(text, x=floats(n, 4), w=floats(4, 5))
    check(text, x=-np.ones((5, 4), np.float32), w=floats(4, 5))


@pytest.mark.parametrize("count", [0, 1, 5])
def test_compress(count: int) -> None:
    condition = np.arange(5) < count
    check(
        "(float[N, 3] x, bool[C] c) => (float[K, 3] y) { y = Compress <axis = 0> (x, c) }", x=floats(5, 3), c=condition
    )
    check(
        "(float[3, N] x, bool[C] c) => (float[3, K] y) { y = Compress <axis = -1> (x, c) }", x=floats(3, 7), c=condition
    )
    check("(float[N, 3] x, bool[C] c) => (float[K] y) { y = Compress (x, c) }", x=floats(2, 3), c=condition)


@pytest.mark.parametrize("n", [1, 2, 17, 50])
@pytest.mark.parametrize("is_sorted", [0, 1])
def test_unique(n: int, is_sorted: int) -> None:
    x = np.random.default_rng(n).integers(0, 9, n).astype(np.float32)
    outputs = "(float[K] y, int64[K] i, int64[N] j, int64[K] c)"
    check(f"(float[N] x) => {outputs} {{ y, i, j, c = Unique <sorted = {is_sorted}> (x) }}", x=x)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_unique_rows(axis: int) -> None:
    x = np.random.default_rng(7).integers(0, 2, (6, 3, 2))
    outputs = "(int64[A, B, C] y, int64[K] i, int64[L] j, int64[K] c)"
    check(f"(int64[A, B, C] x) => {outputs} {{ y, i, j, c = Unique <axis = {axis}> (x) }}", x=x)


@pytest.mark.parametrize("target", [(6, 4), (-1, 8), (0, 2, -1), (24,), (2, 3, 4, 1), (0, -1)])
def test_reshape(target: tuple[int, ...]) -> None:
    names = ", ".join(f"D{i}" for i in range(len(target)))
    text = f"(float[N, M] x, int64[{len(target)}] s) => (float[{names}] y) {{ y = Reshape (x, s) }}"
    check(text, x=floats(6, 4), s=ints(*target))


def test_reshape_to_another_number_of_elements() -> None:
    text = "(float[N, M] x, int64[2] s) => (float[A, B] y) { y = Reshape (x, s) }"
    with pytest.raises(SizeError, match="'y' needs 'M \\* N' = 24 and 'run_0 \\* run_1' = 25 to be equal"):
        engine(text).run({"x": floats(6, 4), "s": ints(5, 5)})
    with pytest.raises(SizeError, match="the model computed the size -7"):
        engine(text).run({"x": floats(6, 4), "s": ints(-7, 5)})


@pytest.mark.parametrize(
    ("starts", "ends", "steps"),
    [
        ((0, 0), (5, 7), (1, 1)),
        ((1, -3), (-1, 100), (1, 2)),
        ((-1, 3), (-100, 3), (-1, 1)),
        ((100, 6), (-1, -8), (-2, -3)),
        ((2, 2), (2, 1), (1, 1)),
    ],
)
@pytest.mark.parametrize("axes", [(0, 1), (1, 0), (-1, 0)])
def test_slices(axes: tuple[int, ...], starts: tuple[int, ...], ends: tuple[int, ...], steps: tuple[int, ...]) -> None:
    tail = "=> (float[A, B] y) { y = Slice "
    given: dict[str, Any] = {
        "x": floats(5, 7),
        "s": ints(*starts),
        "e": ints(*ends),
        "a": ints(*axes),
        "t": ints(*steps),
    }
    check(f"(float[N, M] x, int64[2] s, int64[2] e, int64[2] a, int64[2] t) {tail}(x, s, e, a, t) }}", **given)
    if set(steps) == {1}:
        del given["t"]
        check(f"(float[N, M] x, int64[2] s, int64[2] e, int64[2] a) {tail}(x, s, e, a) }}", **given)


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
@pytest.mark.parametrize("pads", [(0, 0, 0, 0), (1, 2, 0, 3), (-1, 2, -2, 1), (3, 0, 2, 1)])
def test_pads(mode: str, pads: tuple[int, ...]) -> None:
    text = f'(float[N, M] x, int64[4] p, float v) => (float[A, B] y) {{ y = Pad <mode = "{mode}"> (x, p, v) }}'
    check(text, x=floats(5, 4), p=ints(*pads), v=np.array(1.5, np.float32))


def test_pads_of_axes_of_run_time() -> None:
    text = "(float[N, M] x, int64[2] p, float v, int64[1] a) => (float[A, B] y) { y = Pad (x, p, v, a) }"
    for axis in (0, 1, -1):
        check(text, x=floats(3, 4), p=ints(1, 2), v=np.array(-1, np.float32), a=ints(axis))


@pytest.mark.parametrize(("start", "limit", "delta"), [(0, 5, 1), (2, 20, 7), (5, -9, -3), (3, 3, 1), (4, 0, 1)])
def test_ranges(start: int, limit: int, delta: int) -> None:
    for kind, dtype in (("int64", np.int64), ("float", np.float32), ("int32", np.int32)):
        values: dict[str, Any] = {"s": np.array(start, dtype), "l": np.array(limit, dtype), "d": np.array(delta, dtype)}
        check(f"({kind} s, {kind} l, {kind} d) => ({kind}[K] y) {{ y = Range (s, l, d) }}", **values)


@pytest.mark.parametrize("shape", [(1, 1), (4, 3), (0, 5)])
def test_shapes_that_are_computed(shape: tuple[int, int]) -> None:
    check("(int64[2] s) => (float[A, B] y) { y = ConstantOfShape <value = float[1] {2.5}> (s) }", s=ints(*shape))
    check("(float[1, 1] x, int64[2] s) => (float[A, B] y) { y = Expand (x, s) }", x=floats(1, 1), s=ints(*shape))
    check("(float[2, N] x, int64[2] s) => (float[A, B] y) { y = Tile (x, s) }", x=floats(2, 3), s=ints(*shape))


def test_tops_and_depths_of_run_time() -> None:
    for k in (1, 3, 7):
        check(
            "(float[N, 7] x, int64[1] k) => (float[N, K] v, int64[N, K] i) { v, i = TopK (x, k) }",
            x=floats(4, 7),
            k=ints(k),
        )
        check(
            "(int64[N] x, int64 d, float[2] v) => (float[N, K] y) { y = OneHot (x, d, v) }",
            x=ints(0, 1, -1),
            d=np.array(k),
            v=np.array([0, 1], np.float32),
        )


def test_splits_of_run_time() -> None:
    text = "(float[N, 3] x, int64[2] s) => (float[A, 3] y, float[B, 3] z) { y, z = Split (x, s) }"
    for sizes in ((2, 5), (0, 7), (7, 0)):
        check(text, x=floats(7, 3), s=ints(*sizes))
    with pytest.raises(SizeError, match=r"'y'.* to be equal"):
        engine(text).run({"x": floats(7, 3), "s": ints(6, 6)})


def test_memory_grows_and_shrinks_with_the_sizes() -> None:
    text = """(float[N] x) => (float[K] y) {
        zero = Constant <value_int = 0> ()
        i = NonZero (x)  r = Squeeze (i)  g = Gather (x, r)  e = Exp (g)  m = CumSum (e, zero)  y = Neg (m)
    }"""
    for n in (3, 1000, 2, 0, 500):
        x = np.concatenate([np.linspace(0.1, 1, n, dtype=np.float32), np.zeros(5, np.float32)])
        y = engine(text).run({"x": x})["y"]
        np.testing.assert_allclose(y, -np.cumsum(np.exp(x[:n])), rtol=1e-4)
    assert any(isinstance(step, Place) for step in engine(text).plan.steps)


def test_indices_outside_are_told_with_debug_bounds() -> None:
    text = """(float[N, 3] x, bool[N] c, int64[1] i) => (float[1, 3] y) {
        kept = Compress <axis = 0> (x, c)  y = Gather <axis = 0> (kept, i)
    }"""
    checked = engine_of(graph(text), debug_bounds=True)
    given = {"x": floats(4, 3), "c": np.array([True, False, True, False])}
    np.testing.assert_array_equal(checked.run({**given, "i": ints(1)})["y"], given["x"][2:3])
    with pytest.raises(IndexRangeError, match="index 2 is outside its axis of size 2"):
        checked.run({**given, "i": ints(2)})


def test_an_output_whose_size_is_read_after_it_was_computed() -> None:
    check(
        "(float[N, M] x, int64[2] s) => (float[A, B] y) { a = Exp (x)  y = Reshape (a, s) }",
        x=floats(6, 4),
        s=ints(3, -1),
    )
    text = """(float[N, M] x) => (float[A, B] y) {
        a = Exp (x)  t = ReduceMax <keepdims = 0> (a)  i = Cast <to = 7> (t)  z = Mul (i, i)  o = Sub (i, z)
        one = Constant <value_ints = [-1]> ()  two = Constant <value_ints = [2]> ()  s = Concat <axis = 0> (two, one)
        n = Add (s, o)  m = Sub (n, o)  y = Reshape (a, m)
    }"""
    check(text, x=floats(6, 4))


@pytest.mark.parametrize(
    ("image", "block", "attributes", "places"),
    [
        ((5, 5), (1, 5), "", 5),
        ((5, 5), (3, 2), "strides = [2, 1], pads = [0, 1, 0, 1]", 12),
        ((6, 6), (2, 2), "dilations = [1, 5], strides = [3, 1]", 2),
        ((7, 4), (1, 1), "", 28),
    ],
)
def test_windows_of_run_time(image: tuple[int, int], block: tuple[int, int], attributes: str, places: int) -> None:
    text = f"""(float[N, R, L] x, int64[2] image, int64[2] block) => (float[N, C, H, W] y) {{
        y = Col2Im <{attributes or "strides = [1, 1]"}> (x, image, block)
    }}"""
    x = floats(2, 3 * block[0] * block[1], places)
    check(text, x=x, image=ints(*image), block=ints(*block))
