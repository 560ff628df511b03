"""Reading at computed places and undoing windows, next to ONNX Runtime and ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, graph, normal

from kernelwright.compiler import driver


@pytest.mark.parametrize("mode", ["linear", "nearest"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [0, 1])
def test_grid_sample(mode: str, padding: str, align: int) -> None:
    attributes = f'mode = "{mode}", padding_mode = "{padding}", align_corners = {align}'
    text = f"""(float[N, 2, H, W] x, float[N, 5, 7, 2] g) => (float[?, ?, ?, ?] y) {{
        y = GridSample<{attributes}>(x, g)
    }}"""
    check(text, x=normal(2, 2, 4, 3), g=normal(2, 5, 7, 2, seed=1))


def test_grid_sample_of_volumes() -> None:
    text = "(float[N, 2, 3, H, W] x, float[N, 2, 5, 4, 3] g) => (float[?, ?, ?, ?, ?] y) { y = GridSample(x, g) }"
    check(text, x=normal(1, 2, 3, 4, 3), g=normal(1, 2, 5, 4, 3, seed=1))


@pytest.mark.parametrize("attributes", ["", "<strides = [2, 1]>", "<pads = [1, 0, 1, 1]>", "<dilations = [1, 2]>"])
def test_columns_to_an_image(attributes: str) -> None:
    size = {"": 5 * 4, "<strides = [2, 1]>": 3 * 4, "<pads = [1, 0, 1, 1]>": 7 * 5, "<dilations = [1, 2]>": 5 * 2}[
        attributes
    ]
    text = f"""(float[N, 18, {size}] x) => (float[?, ?, ?, ?] y)
    <int64[2] image = {{6, 6}}, int64[2] block = {{2, 3}}> {{
        y = Col2Im{attributes}(x, image, block)
    }}"""
    check(text, judge="onnx", x=normal(2, 18, size))


def test_max_pool_with_indices() -> None:
    node = "MaxPool<kernel_shape = [3, 2], strides = [2, 2], pads = [1, 0, 1, 1]>(x)"
    check(
        f"(float[N, 3, 7, 6] x) => (float[?, ?, ?, ?] y, int64[?, ?, ?, ?] i) {{ y, i = {node} }}", x=normal(2, 3, 7, 6)
    )


def test_max_unpool() -> None:
    text = """(float[1, 1, 2, 2] x, int64[1, 1, 2, 2] i) => (float[?, ?, ?, ?] y) {
        y = MaxUnpool<kernel_shape = [2, 2], strides = [2, 2]>(x, i)
    }"""
    check(text, x=normal(1, 1, 2, 2), i=np.array([[[[0, 3], [9, 15]]]]))


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align", [0, 1])
def test_grid_sample_cubic(padding: str, align: int) -> None:
    attributes = f'mode = "cubic", padding_mode = "{padding}", align_corners = {align}'
    text = f"""(float[N, 2, H, W] x, float[N, 5, 7, 2] g) => (float[?, ?, ?, ?] y) {{
        y = GridSample<{attributes}>(x, g)
    }}"""
    check(text, x=normal(2, 2, 4, 5), g=normal(2, 5, 7, 2, seed=1))


def test_indices_of_maxima_in_column_major_order() -> None:
    node = "MaxPool<kernel_shape = [3, 2], strides = [2, 2], storage_order = 1>(x)"
    check(
        f"(float[2, 3, 7, 6] x) => (float[?, ?, ?, ?] y, int64[?, ?, ?, ?] i) {{ y, i = {node} }}", x=normal(2, 3, 7, 6)
    )


@pytest.mark.parametrize("attributes", ["", "<strides = [2, 1]>", "<pads = [1, 0, 1, 1]>", "<dilations = [1, 2]>"])
@pytest.mark.parametrize("result", ["2, 3, 6, 6", "N, C, H, W"])
def test_columns_to_an_image_of_run_time(attributes: str, result: str) -> None:
    """With the shapes of run time, and the result's stated or not."""
    size = {"": 5 * 4, "<strides = [2, 1]>": 3 * 4, "<pads = [1, 0, 1, 1]>": 7 * 5, "<dilations = [1, 2]>": 5 * 2}[
        attributes
    ]
    text = f"""(float[2, 18, {size}] x, int64[2] image, int64[2] block) => (float[{result}] y) {{
        y = Col2Im{attributes}(x, image, block)
    }}"""
    check(text, judge="onnx", x=normal(2, 18, size), image=np.array([6, 6]), block=np.array([2, 3]))


@pytest.mark.parametrize("sizes", [(3, 4), (1, 5), (2, 1, 3)])
@pytest.mark.parametrize("corners", [0, 1])
@pytest.mark.parametrize("known", [True, False])
def test_affine_grid(sizes: tuple[int, ...], corners: int, known: bool) -> None:
    rank, count = len(sizes), len(sizes) + 2
    given = ", ".join(map(str, (2, 1, *sizes)))
    weight = f"<int64[{count}] size = {{{given}}}>" if known else ""
    parameter = "" if known else f", int64[{count}] size"
    text = f"""(float[2, {rank}, {rank + 1}] theta{parameter}) => (float[{", ".join("?" * (rank + 2))}] y) {weight}
        {{ y = AffineGrid <align_corners = {corners}> (theta, size) }}"""
    theta, rest = normal(2, rank, rank + 1), {} if known else {"size": np.array([2, 1, *sizes])}
    places = [np.linspace(-1, 1, n) if corners and n > 1 else (2 * np.arange(n) + 1) / n - 1 for n in sizes]
    if corners:
        places = [np.array([-1.0]) if n == 1 else p for n, p in zip(sizes, places, strict=True)]
    grid = np.stack([*np.meshgrid(*places, indexing="ij")[::-1], np.ones(sizes)], -1)
    wanted = np.einsum("...j,nij->n...i", grid, theta)
    with driver.compile(graph(text, 20)) as engine:
        np.testing.assert_allclose(engine.run({"theta": theta, **rest})["y"], wanted, rtol=1e-5, atol=1e-5)
