"""Sizes that a model needs to be equal, and the profile, are checked in every run of the compiled plan."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import graph

import kernelwright
from kernelwright.ir.diagnostics import CompileError
from kernelwright.runtime import InputError
from kernelwright.runtime.plan import Equality, Symbol

TABLE = """(float[batch, seq, 4] x, float[8, 4] table) => (float[?, ?, ?] y)
<int64 one = {1}, int64[1] axis = {0}, int64[1] zero = {0}> {
    s = Shape(x)  n = Gather(s, one)  e = Unsqueeze(n, axis)  t = Slice(table, zero, e, axis)  y = Add(x, t)
}"""
JOINED = "(float[a, n] x, float[b, n] y) => (float[?, ?] z) { c = Concat<axis = 0>(x, y)  z = Concat<axis = 1>(c, x) }"


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def test_a_sequence_longer_than_a_table_of_positions_is_refused() -> None:
    with kernelwright.compile(graph(TABLE)) as engine:
        assert engine.run({"x": zeros(2, 8, 4), "table": zeros(8, 4)})["y"].shape == (2, 8, 4)
        assert Symbol("seq", 1, 1, 8) in engine.plan.symbols
        with pytest.raises(InputError, match=r"input 'x': dimension 1 \('seq'\).* expected 1 to 8, found 9"):
            engine.run({"x": zeros(2, 9, 4), "table": zeros(8, 4)})


def test_sizes_that_must_agree_are_checked_and_named(tmp_path: Path) -> None:
    kernelwright.compile(graph(JOINED)).save(tmp_path / "m.plan")
    with kernelwright.load(tmp_path / "m.plan") as engine:
        (equality,) = engine.plan.equalities
        assert isinstance(equality, Equality)
        with pytest.raises(InputError) as error:
            engine.run({"x": zeros(3, 5), "y": zeros(2, 5)})
        expected = "needs 'a + b' = 5 and 'a' = 3 to be equal; found 'a' = 3 (from input 'x', dimension 0), 'b' = 2"
        assert expected in str(error.value)
        assert engine.run({"x": zeros(3, 5), "y": zeros(0, 5)})["z"].shape == (3, 10)


@pytest.mark.parametrize(("rows", "fits"), [(2, True), (1, False), (3, False)])
def test_a_dimension_that_may_be_one_is_not_broadcast(rows: int, fits: bool) -> None:
    """`a` and `b` are one size; ONNX would broadcast a 1, the plan refuses it by name."""
    with kernelwright.compile(graph("(float[a, 3] x, float[b, 3] y) => (float[a, 3] z) { z = Add(x, y) }")) as engine:
        given = {"x": zeros(2, 3), "y": zeros(rows, 3)}
        if fits:
            assert engine.run(given)["z"].shape == (2, 3)
        else:
            with pytest.raises(InputError, match=f"input 'y': dimension 0: expected 2 .*input 'x'.*found {rows}"):
                engine.run(given)


def test_the_profile_is_the_plans() -> None:
    model = graph("(float[n, 3] x) => (float[n, 3] y) { y = Relu(x) }")
    low, usual, high = ({"x": (rows, 3)} for rows in (2, 4, 6))
    with kernelwright.compile(model, min_shapes=low, opt_shapes=usual, max_shapes=high) as engine:
        assert engine.plan.symbols == (Symbol("n", 2, 4, 6),)
        for size in (1, 7):
            with pytest.raises(InputError, match=f"expected 2 to 6, found {size}"):
                engine.run({"x": zeros(size, 3)})


def test_shapes_that_make_needed_sizes_differ_are_refused_by_the_compiler() -> None:
    sizes = {"x": (3, 5), "y": (2, 5)}
    with pytest.raises(CompileError, match="5 and 3"):
        kernelwright.compile(graph(JOINED), min_shapes=sizes, opt_shapes=sizes, max_shapes=sizes)
