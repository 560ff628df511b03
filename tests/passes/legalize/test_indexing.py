"""Reading and writing at indices, next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, normal, ops

INDICES = np.array([[0, -1, 2], [1, 1, -3]])


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather(axis: int) -> None:
    check(f"(float[4, N, 5] x, int64[2, 3] i) => (float[?, ?, ?, ?] y) {{ y = Gather<axis = {axis}>(x, i) }}",
          x=normal(4, 3, 5), i=INDICES)  # fmt: skip


@pytest.mark.parametrize("index", [0, 2, -1])
def test_one_known_entry_is_a_view(index: int) -> None:
    text = f"(float[N, 3, M] x) => (float[?, ?] y) <int64 i = {{{index}}}> {{ y = Gather<axis = 1>(x, i) }}"
    assert "nn.gather" not in ops(check(text, x=normal(2, 3, 5)))


def test_the_last_entry_of_a_symbolic_axis() -> None:
    text = "(float[N, M] x) => (float[?] y) <int64 i = {-1}> { y = Gather<axis = 1>(x, i) }"
    assert ops(check(text, x=normal(2, 5))) == ["nn.slice", "nn.reshape"]


def test_gather_elements_and_nd() -> None:
    check(
        "(float[4, 5] x, int64[2, 3] i) => (float[2, 3] y) { y = GatherElements<axis = 1>(x, i) }",
        x=normal(4, 5),
        i=INDICES,
    )
    check("(float[4, 5, N] x, int64[3, 2] i) => (float[3, N] y) { y = GatherND(x, i) }",
          x=normal(4, 5, 2), i=np.array([[0, 1], [3, 4], [-1, 0]]))  # fmt: skip
    check("(float[2, 4, N] x, int64[2, 1] i) => (float[2, N] y) { y = GatherND<batch_dims = 1>(x, i) }",
          x=normal(2, 4, 3), i=np.array([[1], [3]]))  # fmt: skip


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_scatters(reduction: str) -> None:
    unique = np.array([[0, 2, 1], [3, 0, 2]])
    text = f"""(float[4, 5] x, int64[2, 3] i, float[2, 3] u) => (float[4, 5] y) {{
        y = ScatterElements<reduction = "{reduction}">(x, i, u) }}"""
    check(text, opset=18, x=normal(4, 5), i=unique, u=normal(2, 3, seed=1))
    text = f"""(float[4, 5] x, int64[3, 1] i, float[3, 5] u) => (float[4, 5] y) {{
        y = ScatterND<reduction = "{reduction}">(x, i, u) }}"""
    check(text, opset=18, x=normal(4, 5), i=np.array([[0], [3], [1]]), u=normal(3, 5, seed=1))


def test_reversed_sequences() -> None:
    check("(float[T, B] x, int64[B] n) => (float[T, B] y) { y = ReverseSequence<time_axis = 0, batch_axis = 1>(x, n) }",
          x=normal(5, 3), n=np.array([1, 5, 3]))  # fmt: skip


@pytest.mark.parametrize("axis", ["", "<axis = 1>"])
def test_compress_by_a_known_condition(axis: str) -> None:
    rank = "?, ?" if axis else "?"
    text = f"(float[3, N] x) => (float[{rank}] y) <bool[4] c = {{0, 1, 0, 1}}> {{ y = Compress{axis}(x, c) }}"
    check(text, x=normal(3, 4))


@pytest.mark.parametrize("operator", ["CumSum", "CumProd"])
@pytest.mark.parametrize("axis", [-2, 0, 2])
def test_running_sums_along_an_axis_of_run_time(operator: str, axis: int) -> None:
    text = f"(float[2, 3, 5] x, int64 a) => (float[2, 3, 5] y) {{ y = {operator}<exclusive = 1>(x, a) }}"
    check(text, opset=26, judge="onnx", x=normal(2, 3, 5), a=np.array(axis))
