"""Graphs with sizes that the data say and with control flow, with inputs: for the tests of both targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class StepCase:
    """A graph in ONNX's text form; `inputs` are those of several runs, whose sizes grow and shrink."""

    name: str
    text: str
    inputs: tuple[Arrays, ...]

    def __str__(self) -> str:
        return self.name


def _floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).standard_normal(shape).astype(np.float32)


def _sparse(*shape: int) -> np.ndarray:
    return np.maximum(_floats(*shape), 0)


def _number(value: float, dtype: type = np.int64) -> np.ndarray:
    return np.array(value, dtype)


def cases() -> Iterator[StepCase]:
    yield StepCase(
        "non-zero",
        "(float[N, M] x) => (int64[2, K] y) { y = NonZero (x) }",
        tuple({"x": x} for x in (_sparse(3, 7), _sparse(100, 33), np.zeros((2, 5), np.float32), _sparse(1, 1) + 1)),
    )
    yield StepCase(
        "compress-product",
        """(float[N, 4] x, float[4, 5] w) => (float[K, 5] y) {
            axis = Constant <value_ints = [1]> ()  zero = Constant <value_float = 0.0> ()
            rows = ReduceSum <keepdims = 0> (x, axis)  mask = Greater (rows, zero)
            kept = Compress <axis = 0> (x, mask)  product = MatMul (kept, w)  y = Relu (product)
        }""",
        tuple({"x": _floats(n, 4), "w": _floats(4, 5)} for n in (9, 500, 1, 31)),
    )
    outputs = "(float[K] y, int64[K] i, int64[N] j, int64[K] c)"
    for ordered in (0, 1):
        yield StepCase(
            f"unique-{ordered}",
            f"(float[N] x) => {outputs} {{ y, i, j, c = Unique <sorted = {ordered}> (x) }}",
            tuple({"x": np.round(_floats(n) * 2)} for n in (1, 17, 200, 5)),
        )
    yield StepCase(
        "slice",
        """(float[N, M] x, int64[2] s, int64[2] e, int64[2] a, int64[2] t) => (float[A, B] y) {
            y = Slice (x, s, e, a, t)
        }""",
        tuple(
            {"x": _floats(5, 7), "s": np.array(s), "e": np.array(e), "a": np.array([1, 0]), "t": np.array(t)}
            for s, e, t in (((1, -3), (-1, 100), (1, 2)), ((6, 4), (-9, 0), (-2, -1)), ((2, 2), (2, 1), (1, 1)))
        ),
    )
    yield StepCase(
        "pad-reshape",
        """(float[N, M] x, int64[4] p, int64[2] s) => (float[A, B] y) {
            q = Pad <mode = "reflect"> (x, p)  r = Reshape (q, s)  y = Exp (r)
        }""",
        tuple(
            {"x": _floats(5, 4), "p": np.array(p), "s": np.array(s)}
            for p, s in (((1, 2, 0, 3), (-1, 2)), ((0, 0, 0, 0), (4, 5)), ((0, 1, 0, 0), (1, -1)))
        ),
    )
    yield StepCase(
        "branches",
        """(float[N, 3] x, bool c) => (float[N, 3] y, float s) {
            e = Exp (x)
            a = If (c) <
                then_branch = then () => (float[N, 3] p) { p = Add (e, x) },
                else_branch = other () => (float[N, 3] p) { t = Mul (e, e)  p = Sub (t, x) }
            >
            y = Neg (a)  s = ReduceSum <keepdims = 0> (a)
        }""",
        tuple({"x": _floats(n, 3), "c": np.array(c)} for n, c in ((7, True), (40, False), (7, False), (1, True))),
    )
    collecting = """(float[N] x, int64 m) => (float[N] y, float[K, N] rows, int64[K] places) {
        yes = Constant <value_int = 1> ()  c = Cast <to = 9> (yes)
        y, rows, places = Loop (m, c, x) <
            body = body (int64 i, bool go, float[N] a) => (bool next, float[N] b, float[N] row, int64 place) {
                half = Constant <value_float = 0.5> ()  NEXT
                b = Mul (a, half)  row = Exp (b)  place = Mul (i, i)
            }
        >
    }"""
    for name, condition in (
        ("loop-collects", "next = Identity (go)"),
        ("loop-until", "s = ReduceSum <keepdims = 0> (a)  next = Greater (s, half)"),
    ):
        yield StepCase(
            name,
            collecting.replace("NEXT", condition),
            tuple({"x": np.abs(_floats(n)) + 1, "m": _number(m)} for n, m in ((3, 20), (17, 33), (3, 1), (100, 5))),
        )
    yield StepCase(
        "sizes-in-a-loop",
        """(float[N] x, int64 m) => (float y) {
            yes = Constant <value_int = 1> ()  c = Cast <to = 9> (yes)  zero = Constant <value_float = 0.0> ()
            y = Loop (m, c, zero) <
                body = body (int64 i, bool go, float a) => (bool next, float b) {
                    f = Cast <to = 1> (i)  d = Sub (x, f)  r = Relu (d)
                    places = NonZero (r)  k = Squeeze (places)  kept = Gather (x, k)
                    s = ReduceSum <keepdims = 0> (kept)  b = Add (a, s)  next = Identity (go)
                }
            >
        }""",
        tuple({"x": np.arange(n, dtype=np.float32), "m": _number(m)} for n, m in ((5, 3), (200, 20), (2, 2))),
    )
    yield StepCase(
        "boxes",
        """(float[B, N, 4] boxes, float[B, C, N] scores, int64 most, float share, float least) => (int64[K, 3] y) {
            y = NonMaxSuppression (boxes, scores, most, share, least)
        }""",
        tuple(_boxes(*sizes) for sizes in ((2, 3, 20), (1, 2, 60), (1, 1, 1), (1, 3, 200))),
    )
    yield StepCase("detection", DETECTION, tuple(_detections(*sizes) for sizes in ((50, 3), (7, 1), (200, 5))))


DETECTION = """(float[1, N, 4] boxes, float[1, N, C] logits, float least)
        => (float[K, 4] kept, float[K] score, int64[K] label) {
    zero = Constant <value_ints = [0]> ()  one = Constant <value_ints = [1]> ()  two = Constant <value_ints = [2]> ()
    three = Constant <value_ints = [3]> ()  share = Constant <value_float = 0.5> ()  most = Constant <value_int = 10> ()
    p = Sigmoid (logits)  s = Transpose <perm = [0, 2, 1]> (p)
    chosen = NonMaxSuppression (boxes, s, most, share, least)
    b = Slice (chosen, two, three, one)  box = Squeeze (b, one)
    c = Slice (chosen, one, two, one)  label = Squeeze (c, one)
    flat = Squeeze (boxes, zero)  kept = Gather <axis = 0> (flat, box)
    scores = Squeeze (p, zero)  rows = Gather <axis = 0> (scores, box)
    r = GatherElements <axis = 1> (rows, c)  score = Squeeze (r, one)
}"""
"""The end of a detector: what is kept of its boxes, with scores and classes."""


def _detections(count: int, classes: int) -> Arrays:
    inputs = _boxes(1, classes, count)
    logits = np.random.default_rng(count).standard_normal((1, count, classes)).astype(np.float32)
    return {"boxes": inputs["boxes"], "logits": logits, "least": _number(0.6, np.float32)}


def _boxes(batch: int, classes: int, count: int) -> Arrays:
    generator = np.random.default_rng(count)
    low, size = generator.random((batch, count, 2)), generator.random((batch, count, 2)) * 0.4
    return {
        "boxes": np.concatenate([low, low + size], 2).astype(np.float32),
        "scores": generator.random((batch, classes, count)).astype(np.float32),
        "most": _number(5),
        "share": _number(0.3, np.float32),
        "least": _number(0.3, np.float32),
    }


CASES = tuple(cases())
