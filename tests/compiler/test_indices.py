"""Indices that are values: whatever they are, a plan stays inside its memory."""

from __future__ import annotations

import ctypes
import mmap

import numpy as np
import pytest
from onnx_graphs import graph

import kernelwright
from kernelwright.ir.diagnostics import CompileError
from kernelwright.runtime import IndexRangeError

PROT_NONE = 0
X = np.arange(1, 25, dtype=np.float32).reshape(6, 4)
WILD = np.array([0, -1, 5, -6, 6, -7, 1 << 31, (1 << 32) + 1, 1 << 40, -(1 << 40), (1 << 63) - 1, -(1 << 63)])
READ = np.clip(np.where(WILD < 0, WILD + 6, WILD), 0, 5)
INSIDE = (WILD >= -6) & (WILD < 6)


@pytest.fixture
def fenced():
    """Copies of arrays directly before or behind a page that cannot be touched."""
    libc = ctypes.CDLL(None, use_errno=True)
    page = mmap.PAGESIZE
    maps = []

    def fence(array: np.ndarray, at_end: bool) -> np.ndarray:
        size = -(-array.nbytes // page) * page
        memory = mmap.mmap(-1, size + 2 * page)
        raw = np.frombuffer(memory, np.uint8)
        for start in (0, size + page):
            assert libc.mprotect(ctypes.c_void_p(raw.ctypes.data + start), ctypes.c_size_t(page), PROT_NONE) == 0
        start = page + (size - array.nbytes) // 16 * 16 if at_end else page
        found = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
        found[...] = array
        maps.append((memory, raw))
        return found

    return fence


GATHERS = {
    "rows": "(float[6, 4] x, int64[12] i) => (float[12, 4] y) { y = Gather(x, i) }",
    "rows of a dynamic table": "(float[n, 4] x, int64[12] i) => (float[12, 4] y) { y = Gather(x, i) }",
    "a transposed table": """(float[6, 4] x, int64[12] i) => (float[12, 4] y) {
        t = Transpose<perm = [1, 0]>(x)  g = Gather<axis = 1>(t, i)  y = Transpose<perm = [1, 0]>(g) }""",
    "vectors": """(float[6, 4] x, int64[12] i) => (float[12, 4] y) <int64[2] s = {12, 1}> {
        v = Reshape(i, s)  y = GatherND(x, v) }""",
    "elements": """(float[6, 4] x, int64[12] i) => (float[12, 4] y) <int64[2] s = {12, 1}, int64[2] t = {12, 4}> {
        v = Reshape(i, s)  e = Expand(v, t)  y = GatherElements(x, e) }""",
    "a computed table": """(float[6, 4] x, int64[12] i) => (float[12, 4] y) {
        r = Relu(x)  c = Concat<axis = 0>(r, r)  n = Neg(c)  m = Neg(n)
        h, l = Split<num_outputs = 2>(m)  y = Gather(h, i) }""",
}


@pytest.mark.parametrize("at_end", [False, True], ids=["page before", "page behind"])
@pytest.mark.parametrize("text", GATHERS.values(), ids=GATHERS)
def test_indices_outside_read_the_nearest(text: str, at_end: bool, fenced) -> None:
    with kernelwright.compile(graph(text)) as engine:
        found = engine.run({"x": fenced(X, at_end), "i": fenced(WILD, at_end)})["y"]
    np.testing.assert_array_equal(found, X[READ])


def test_an_empty_table(fenced) -> None:
    with kernelwright.compile(graph(GATHERS["rows of a dynamic table"])) as engine:
        assert not engine.run({"x": X[:0], "i": WILD})["y"].any()


SCATTERS = {
    "vectors": """(float[6, 4] x, int64[12] i, float[12, 4] u) => (float[6, 4] y) <int64[2] s = {12, 1}> {
        v = Reshape(i, s)  y = ScatterND<reduction = "add">(x, v, u) }""",
    "elements": """(float[6, 4] x, int64[12] i, float[12, 4] u) => (float[6, 4] y)
    <int64[2] s = {12, 1}, int64[2] t = {12, 4}> {
        v = Reshape(i, s)  e = Expand(v, t)  y = ScatterElements<reduction = "add">(x, e, u) }""",
}


@pytest.mark.parametrize("at_end", [False, True], ids=["page before", "page behind"])
@pytest.mark.parametrize("text", SCATTERS.values(), ids=SCATTERS)
def test_indices_outside_write_nothing(text: str, at_end: bool, fenced) -> None:
    updates = np.ones((12, 4), np.float32)
    y = fenced(np.zeros((6, 4), np.float32), at_end)
    with kernelwright.compile(graph(text)) as engine:
        engine.run({"x": X, "i": WILD, "u": updates}, {"y": y})
    expected = X.copy()
    np.add.at(expected, WILD[INSIDE], 1)
    np.testing.assert_array_equal(y, expected)


def test_starts_outside_are_moved_back(fenced) -> None:
    text = """(float[6, 4] x, int64 i) => (float[2, 4] y)
    <int64[1] one = {1}, int64[1] two = {2}, int64[1] zero = {0}> {
        s = Reshape(i, one)  e = Add(s, two)  y = Slice(x, s, e, zero) }"""
    with kernelwright.compile(graph(text)) as engine:
        for start, first in ((0, 0), (4, 4), (5, 4), (1 << 40, 4), (3, 3)):
            found = engine.run({"x": fenced(X, True), "i": np.array(start)})["y"]
            np.testing.assert_array_equal(found, X[first : first + 2])


def test_one_hot_of_indices_outside(fenced) -> None:
    text = "(int64[12] i, float[2] v) => (float[12, 6] y) <int64 d = {6}> { y = OneHot(i, d, v) }"
    with kernelwright.compile(graph(text)) as engine:
        found = engine.run({"i": fenced(WILD, True), "v": fenced(np.array([0, 1], np.float32), True)})["y"]
    np.testing.assert_array_equal(found, np.eye(6, dtype=np.float32)[READ] * INSIDE[:, None])


def test_a_constant_index_outside_is_an_error_of_the_model() -> None:
    text = "() => (float[?] y) <float[2] x = {1, 2}, int64[2] i = {0, 9}> { y = Gather(x, i) }"
    with pytest.raises(CompileError, match="has the index 9 along an axis of size 2; expected -2 to 1") as error:
        kernelwright.compile(graph(text))
    assert "failed" not in str(error.value)


def test_debug_bounds_names_the_node_and_the_worst_index() -> None:
    model = graph(GATHERS["rows of a dynamic table"])
    model.graph.node[0].name = "lookup"
    with kernelwright.compile(model, debug_bounds=True) as engine:
        assert [spec.name for spec in engine.outputs] == ["y"]
        inside = np.arange(-6, 6)
        found = engine.run({"x": X, "i": inside})
        assert list(found) == ["y"]
        np.testing.assert_array_equal(found["y"], X[inside])
        for index in (6, -7, 1 << 40):
            with pytest.raises(
                IndexRangeError, match=f"'lookup': index {index} is outside .* size 6: expected -6 to 5"
            ):
                engine.run({"x": X, "i": np.where(inside == 2, index, inside)})
        with pytest.raises(IndexRangeError, match=r"index 5 .* of size 5"):
            engine.run({"x": X[:5], "i": np.abs(inside) - 1})


CHECKED = {**{f"gather {name}": text for name, text in GATHERS.items()}, **SCATTERS}


@pytest.mark.parametrize("text", CHECKED.values(), ids=CHECKED)
def test_debug_bounds_checks_every_op(text: str) -> None:
    given = {"x": X, "i": np.arange(12) % 6, "u": np.ones((12, 4), np.float32)}
    with kernelwright.compile(graph(text), debug_bounds=True) as engine:
        given = {spec.name: given[spec.name] for spec in engine.inputs}
        engine.run(given)
        with pytest.raises(IndexRangeError, match="index -8 is outside"):
            engine.run({**given, "i": np.where(given["i"] == 3, -8, given["i"])})


IN_REGIONS = """(float[9, 2] x, int64[3] i, int64 m, bool c) => (float[3, 2] y) {
    zero = Constant <value_float = 0.0> ()  shape = Constant <value_ints = [3, 2]> ()  start = Expand (zero, shape)
    yes = Constant <value_int = 1> ()  go = Cast <to = 9> (yes)
    y = Loop (m, go, start) <
        body = body (int64 k, bool go_on, float[3, 2] a) => (bool next, float[3, 2] b) {
            next = Identity (go_on)
            at = Add (i, k)
            g = If (c) <
                then_branch = then () => (float[3, 2] p) { inner = Gather <axis = 0> (x, at)  p = Neg (inner) },
                else_branch = other () => (float[3, 2] p) { p = Identity (a) }
            >
            b = Add (a, g)
        }
    >
}"""


def test_indices_in_loops_and_branches() -> None:
    engine = kernelwright.compile(graph(IN_REGIONS), debug_bounds=True, host_fallback=False)
    x = np.arange(18, dtype=np.float32).reshape(9, 2)
    given = {"x": x, "i": np.array([0, 3, 4]), "c": np.array(True)}
    wanted = -np.sum([x[np.array([0, 3, 4]) + k] for k in range(4)], axis=0)
    np.testing.assert_array_equal(engine.run({**given, "m": np.array(4)})["y"], wanted)
    with pytest.raises(IndexRangeError, match="'inner': index 9 is outside its axis of size 9"):
        engine.run({**given, "m": np.array(6)})
    # a branch that is not taken reads nothing
    assert not engine.run({**given, "m": np.array(6), "c": np.array(False)})["y"].any()
    assert not engine.run({**given, "m": np.array(0)})["y"].any()
