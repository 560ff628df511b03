"""If, Loop and Scan as steps of a plan: no step of the host, next to ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx_graphs import expected, graph

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.parser import parse
from kernelwright.runtime import Engine
from kernelwright.runtime.plan import If, Loop, walk


def compiled(text: str, opset: int = 21, **options: Any) -> Engine:
    options = {"host_fallback": False, **options}
    return compile_model(graph(text, opset), CompileOptions(target=resolve("cpu"), **options)).engine(threads=2)


def check(engine: Engine, text: str, opset: int = 21, judge: str = "onnxruntime", **inputs: np.ndarray) -> None:
    found = engine.run(inputs)
    for spec, array in zip(engine.plan.outputs, expected(graph(text, opset), inputs, judge), strict=True):
        if array.size == 0:  # ONNX Runtime does not know the other sizes of what no iteration made
            assert found[spec.name].size == 0
            continue
        np.testing.assert_allclose(found[spec.name], array, rtol=1e-4, atol=1e-5, err_msg=spec.name)


def has(engine: Engine, kind: type) -> bool:
    return any(isinstance(step, kind) for step in walk(engine.plan.steps))


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


BRANCHES = """(float[N, 3] x, bool c) => (float[N, 3] y, float[N, 3] z, float s) {
    e = Exp (x)
    a, b = If (c) <
        then_branch = then () => (float[N, 3] p, float[N, 3] q) { p = Add (e, x)  q = Identity (x) },
        else_branch = other () => (float[N, 3] p, float[N, 3] q) { t = Mul (e, e)  p = Sub (t, x)  q = Identity (t) }
    >
    y = Neg (a)  z = Add (b, e)  s = ReduceSum <keepdims = 0> (a)
}"""


def test_branches() -> None:
    engine = compiled(BRANCHES)
    assert has(engine, If)
    for n in (1, 7, 0, 40):
        for c in (True, False):
            check(engine, BRANCHES, x=floats(n, 3), c=np.array(c))


def test_branches_that_are_returned_and_constants() -> None:
    text = """(float[2] x, bool[1] c) => (float[2] y) {
        y = If (c) <
            then_branch = then () => (float[2] p) { p = Identity (x) },
            else_branch = other () => (float[2] p) { p = Constant <value_floats = [1.0, 2.0]> () }
        >
    }"""
    engine = compiled(text)
    for c in (True, False):
        check(engine, text, x=floats(2), c=np.array([c]))


def test_branches_in_branches() -> None:
    text = """(float[N] x, bool c, bool d) => (float[N] y) {
        y = If (c) <
            then_branch = then () => (float[N] p) {
                p = If (d) <
                    then_branch = then2 () => (float[N] q) { r = Exp (x)  q = Neg (r) },
                    else_branch = other2 () => (float[N] q) { q = Sin (x) }
                >
            },
            else_branch = other () => (float[N] p) { p = Cos (x) }
        >
    }"""
    engine = compiled(text)
    for c in (True, False):
        for d in (True, False):
            check(engine, text, x=floats(9), c=np.array(c), d=np.array(d))


UNTIL = """(float[N] x, int64 m, bool c) => (float[N] y, float[N] z) {
    one = Constant <value_float = 1.0> ()
    y, z = Loop (m, c, x, x) <
        body = body (int64 i, bool go, float[N] a, float[N] b) => (bool next, float[N] b2, float[N] a2) {
            half = Constant <value_float = 0.5> ()  limit = Constant <value_float = 4.0> ()
            h = Mul (a, half)  a3 = Add (h, one)  f = Cast <to = 1> (i)  a2 = Add (a3, f)  b2 = Sin (b)
            top = ReduceMax <keepdims = 0> (a2)  next = Less (top, limit)
        }
    >
}"""


@pytest.mark.parametrize("start", [True, False])
def test_loops_until_data_end_them(start: bool) -> None:
    """Carried values change places in every iteration."""
    engine = compiled(UNTIL)
    assert has(engine, Loop)
    for n, most in ((1, 5), (13, 1), (7, 0), (4, 100)):
        check(engine, UNTIL, x=floats(n), m=np.array(most), c=np.array(start))


def test_swaps() -> None:
    text = """(float[N] x, float[N] y, int64 m) => (float[N] a, float[N] b) {
        yes = Constant <value_int = 1> ()  c = Cast <to = 9> (yes)
        a, b = Loop (m, c, x, y) <
            body = body (int64 i, bool go, float[N] p, float[N] q) => (bool next, float[N] q, float[N] p) {
                next = Identity (go)
            }
        >
    }"""
    engine = compiled(text)
    for m in (0, 1, 2, 17):
        found = engine.run({"x": floats(3), "y": floats(4)[:3], "m": np.array(m)})
        first, second = (floats(3), floats(4)[:3])[:: -1 if m % 2 else 1]
        np.testing.assert_array_equal(found["a"], first)
        np.testing.assert_array_equal(found["b"], second)


COLLECTING = """(float[N] x, int64 m) => (float[N] y, float[K, N] rows, int64[K] places) {
    yes = Constant <value_int = 1> ()  c = Cast <to = 9> (yes)
    y, rows, places = Loop (m, c, x) <
        body = body (int64 i, bool go, float[N] a) => (bool next, float[N] b, float[N] row, int64 place) {
            half = Constant <value_float = 0.5> ()  next = Identity (go)
            b = Mul (a, half)  row = Exp (b)  place = Mul (i, i)
        }
    >
}"""


def test_loops_that_collect() -> None:
    engine = compiled(COLLECTING)
    for n, m in ((3, 20), (1, 1), (5, 0), (17, 33)):
        check(engine, COLLECTING, x=floats(n), m=np.array(m))


def test_loops_that_collect_until_data_end_them() -> None:
    text = COLLECTING.replace("next = Identity (go)", "s = ReduceSum <keepdims = 0> (a)  next = Greater (s, half)")
    engine = compiled(text)
    for m in (0, 1, 3, 50):
        check(engine, text, x=np.abs(floats(5)) + 1, m=np.array(m))


def test_a_loop_of_a_known_number_of_iterations() -> None:
    text = COLLECTING.replace("int64 m) =>", "float unused) =>").replace(
        "yes =", "m = Constant <value_int = 40> ()  yes ="
    )
    engine = compiled(text)
    assert has(engine, Loop)
    check(engine, text, x=floats(6), unused=np.array(0, np.float32))


@pytest.mark.parametrize("length", [1, 16, 17, 50])
def test_scans(length: int) -> None:
    text = f"""(float[2] s, float[{length}, 2] x, float[2, {length}] w)
            => (float[2] t, float[{length}, 2] y, float[2, {length}] z) {{
        t, y, z = Scan <num_scan_inputs = 2, scan_input_axes = [0, 1], scan_input_directions = [0, 1],
                        scan_output_axes = [0, 1], scan_output_directions = [1, 0],
            body = body (float[2] a, float[2] e, float[2] f) => (float[2] b, float[2] p, float[2] q) {{
                g = Mul (a, f)  b = Add (g, e)  p = Exp (f)  q = Sub (b, f)
            }}
        > (s, x, w)
    }}"""
    engine = compiled(text)
    assert has(engine, Loop) == (length > 16)
    check(engine, text, s=floats(2), x=floats(length, 2), w=np.tanh(floats(2, length)))


def test_sizes_that_are_read_in_a_loop() -> None:
    text = """(float[N] x, int64 m) => (float y) {
        yes = Constant <value_int = 1> ()  c = Cast <to = 9> (yes)  zero = Constant <value_float = 0.0> ()
        y = Loop (m, c, zero) <
            body = body (int64 i, bool go, float a) => (bool next, float b) {
                f = Cast <to = 1> (i)  d = Sub (x, f)  r = Relu (d)
                places = NonZero (r)  k = Squeeze (places)  kept = Gather (x, k)
                s = ReduceSum <keepdims = 0> (kept)  b = Add (a, s)  next = Identity (go)
            }
        >
    }"""
    engine = compiled(text)
    for n, m in ((5, 3), (200, 20), (1, 2)):
        check(engine, text, x=np.arange(n, dtype=np.float32), m=np.array(m))


def test_loops_in_loops_and_branches_in_them() -> None:
    text = """(float[N] x, int64 m, int64 k) => (float[N] y) {
        yes = Constant <value_int = 1> ()  c = Cast <to = 9> (yes)
        y = Loop (m, c, x) <
            body = outer (int64 i, bool go, float[N] a) => (bool next, float[N] b) {
                next = Identity (go)
                s = Loop (k, go, a) <
                    body = inner (int64 j, bool go2, float[N] d) => (bool next2, float[N] e) {
                        next2 = Identity (go2)  ij = Add (i, j)  f = Cast <to = 1> (ij)  g = Sin (d)  e = Add (g, f)
                    }
                >
                two = Constant <value_int = 2> ()  odd = Mod (i, two)  is_odd = Cast <to = 9> (odd)
                b = If (is_odd) <
                    then_branch = then () => (float[N] p) { p = Neg (s) },
                    else_branch = other () => (float[N] p) { p = Add (s, x) }
                >
            }
        >
    }"""
    engine = compiled(text)
    for n, m, k in ((4, 5, 3), (1, 0, 2), (9, 3, 0), (30, 20, 20)):
        check(engine, text, x=floats(n), m=np.array(m), k=np.array(k))


def test_the_plan_reads_back() -> None:
    for text in (BRANCHES, COLLECTING):
        module = compile_model(graph(text), CompileOptions(target=resolve("cpu"), stop="plan")).module
        assert str(parse(str(module))) == str(module)


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_narrow_floats(precision: str) -> None:
    options = CompileOptions(target=resolve("cpu"), precision=precision, host_fallback=False)
    engine = compile_model(graph(COLLECTING), options).engine(threads=1)
    found = engine.run({"x": floats(6), "m": np.array(20)})
    wanted = expected(graph(COLLECTING), {"x": floats(6), "m": np.array(20)})
    np.testing.assert_allclose(found["rows"], wanted[1], rtol=0.05, atol=0.05)


def random_boxes(batch: int, count: int, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    low, size = generator.random((batch, count, 2)), generator.random((batch, count, 2)) * 0.4
    return np.concatenate([low, low + size], 2).astype(np.float32)


@pytest.mark.parametrize("center", [0, 1])
def test_boxes_that_overlap(center: int) -> None:
    text = f"""(float[B, N, 4] boxes, float[B, C, N] scores, int64 most, float share, float least) => (int64[K, 3] y) {{
        y = NonMaxSuppression <center_point_box = {center}> (boxes, scores, most, share, least)
    }}"""
    engine = compiled(text)
    assert has(engine, Loop)
    for batch, classes, count, most, least in (
        (1, 1, 1, 5, 0),
        (2, 3, 20, 4, 0.3),
        (1, 2, 60, 60, 0.0),
        (1, 1, 7, 3, 2.0),
    ):
        boxes = random_boxes(batch, count, count)
        scores = np.round(np.random.default_rng(5).random((batch, classes, count)), 1).astype(np.float32)
        limits: dict[str, Any] = {
            "most": np.array(most),
            "share": np.array(0.3, np.float32),
            "least": np.array(least, np.float32),
        }
        check(engine, text, boxes=boxes, scores=scores, **limits)
    none = {"most": np.array(0), "share": np.array(0.3, np.float32), "least": np.array(0, np.float32)}
    assert engine.run({"boxes": boxes, "scores": scores, **none})["y"].shape == (0, 3)


def test_boxes_without_limits() -> None:
    text = """(float[1, N, 4] boxes, float[1, 1, N] scores, int64 most) => (int64[K, 3] y) {
        y = NonMaxSuppression (boxes, scores, most)
    }"""
    engine = compiled(text)
    scores = np.random.default_rng(2).random((1, 1, 50)).astype(np.float32)
    check(engine, text, boxes=random_boxes(1, 50, 3), scores=scores, most=np.array(10))
