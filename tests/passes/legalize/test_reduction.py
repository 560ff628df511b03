"""Reductions and what searches along an axis, next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, normal

REDUCTIONS = ["Sum", "Mean", "Max", "Min", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp"]


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize("axes", ["1", "-1", "0, 2", ""])
def test_reductions_with_axes_as_an_input(kind: str, axes: str) -> None:
    x = np.abs(normal(3, 4, 5)) + 0.1
    count = axes.count(",") + 1
    given = f"<int64[{count}] a = {{{axes}}}>" if axes else ""
    node = f"Reduce{kind}<keepdims = 0>(x{', a' if axes else ''})"
    rank = 3 - count if axes else 0
    result = f"float[{', '.join('?' * rank)}]" if rank else "float"
    check(f"(float[N, 4, M] x) => ({result} y) {given} {{ y = {node} }}", x=x)


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_reductions_with_axes_as_an_attribute(kind: str) -> None:
    x = np.abs(normal(3, 4, 5)) + 0.1
    check(f"(float[N, 4, M] x) => (float[?, ?, ?] y) {{ y = Reduce{kind}<axes = [0, -1]>(x) }}", opset=11, x=x)


def test_no_axes_reduce_nothing_where_asked() -> None:
    check(
        "(float[N, 3] x) => (float[N, 3] y) { y = ReduceSum<noop_with_empty_axes = 1>(x) }",
        x=normal(5, 3),
    )


def test_sum_of_exponentials_does_not_overflow() -> None:
    check("(float[N] x) => (float[1] y) { y = ReduceLogSumExp(x) }", x=np.array([1000, 1001, -np.inf], np.float32))


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("attributes", ["", "axis = -1, keepdims = 0", "axis = 1, select_last_index = 1"])
def test_places_of_extrema(operator: str, attributes: str) -> None:
    x = np.random.default_rng(0).integers(0, 3, (4, 5)).astype(np.float32)
    result = "?" if "keepdims" in attributes else "?, ?"
    check(f"(float[N, M] x) => (int64[{result}] y) {{ y = {operator}<{attributes}>(x) }}".replace("<>", ""), x=x)


@pytest.mark.parametrize("attributes", ["", "<exclusive = 1>", "<reverse = 1>", "<exclusive = 1, reverse = 1>"])
def test_running_sums(attributes: str) -> None:
    check(f"(float[N, M] x) => (float[N, M] y) <int64 a = {{-1}}> {{ y = CumSum{attributes}(x, a) }}", x=normal(3, 5))


@pytest.mark.parametrize("largest", [0, 1])
def test_the_largest_elements(largest: int) -> None:
    x = np.random.default_rng(1).permutation(30).reshape(5, 6).astype(np.float32)
    text = f"""(float[N, M] x) => (float[?, ?] v, int64[?, ?] i) <int64[1] k = {{3}}> {{
        v, i = TopK<largest = {largest}>(x, k)
    }}"""
    check(text, x=x)
    check("(float[N, M] x) => (float[?, ?] v, int64[?, ?] i) { v, i = TopK<k = 2, axis = 0>(x) }", opset=9, x=x)


@pytest.mark.parametrize("operator", ["ReduceSum", "ReduceLogSumExp", "ReduceMax"])
@pytest.mark.parametrize("keep", [0, 1])
@pytest.mark.parametrize("axes", [[1, -1], [0, 2], [2, 1]])
def test_axes_that_no_shape_tells(operator: str, keep: int, axes: list[int]) -> None:
    """The model says nothing of the result's sizes, and more is computed from it."""
    rank = 3 if keep else 1
    text = f"""(float[a, b, c] x, int64[2] axes) => (float[{", ".join("def"[:rank])}] y) {{
        r = {operator}<keepdims = {keep}>(x, axes)
        y = Sqrt(r)
    }}"""
    check(text, x=np.abs(normal(3, 5, 4)), axes=np.array(axes))


def test_no_axes_are_all_axes() -> None:
    check(
        "(float[2, 3] x, int64[0] axes) => (float[1, 1] y) { y = ReduceMean(x, axes) }",
        x=normal(2, 3),
        axes=np.zeros(0, np.int64),
    )


@pytest.mark.parametrize("operator", ["ReduceMean", "ReduceL2"])
@pytest.mark.parametrize("type", ["int32", "int64"])
def test_integers_are_cut_off(operator: str, type: str) -> None:
    x = np.array([[1, -4, 2], [5, 5, 5]], type)
    text = f"({type}[2, 3] x) => ({type}[2, 1] y) <int64[1] axes = {{1}}> {{ y = {operator}(x, axes) }}"
    check(text, judge="onnx", x=x)
