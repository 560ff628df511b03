"""Running sums of long axes, which are split, next to NumPy in f64."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import graph

import kernelwright


@pytest.mark.parametrize("size", [1, 255, 256, 257, 4096, 5000, 70001])
@pytest.mark.parametrize(("exclusive", "reverse"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_long_axes(size: int, exclusive: int, reverse: int) -> None:
    x = np.random.default_rng(size).integers(-9, 9, (2, size, 3))
    ordered = x[:, ::-1] if reverse else x
    sums = np.cumsum(ordered, 1) - (ordered if exclusive else 0)
    wanted = sums[:, ::-1] if reverse else sums
    for shape in (f"2, {size}, 3", "2, N, 3"):
        text = f"""(int64[{shape}] x) => (int64[{shape}] y) {{
            axis = Constant <value_int = 1> ()
            y = CumSum <exclusive = {exclusive}, reverse = {reverse}> (x, axis)
        }}"""
        if size > 5000 and exclusive + reverse != 1:
            continue
        np.testing.assert_array_equal(kernelwright.compile(graph(text)).run({"x": x})["y"], wanted)


def test_narrow_floats_are_added_in_f32() -> None:
    text = "(float16[N] x) => (float16[N] y) { axis = Constant <value_int = 0> ()  y = CumSum (x, axis) }"
    x = np.full(4000, 0.25, np.float16)
    y = kernelwright.compile(graph(text)).run({"x": x})["y"]
    np.testing.assert_array_equal(y, np.cumsum(x.astype(np.float64)).astype(np.float16))
