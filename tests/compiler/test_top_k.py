"""The largest and smallest elements of short and long axes, next to NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import graph

import kernelwright


@pytest.mark.parametrize("size", [1, 5, 128, 129, 1000])
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("special", [False, True])
def test_top_k(size: int, largest: int, special: bool) -> None:
    """Equal elements come in their order; not-a-number is larger than all numbers."""
    x = np.random.default_rng(size).integers(-50, 50, (3, size, 2)).astype(np.float32)
    if special:
        x[:, ::7] = np.nan
        x[:, ::11] = -np.inf
    k = min(size, 9)
    order = np.argsort(np.flip(x, 1) if largest else x, 1, kind="stable")
    order = np.flip(size - 1 - order, 1) if largest else order
    for length in (size, "N"):
        text = f"""(float[3, {length}, 2] x) => (float[3, {k}, 2] v, int64[3, {k}, 2] i) {{
            k = Constant <value_ints = [{k}]> ()
            v, i = TopK <axis = 1, largest = {largest}> (x, k)
        }}"""
        found = kernelwright.compile(graph(text)).run({"x": x})
        np.testing.assert_array_equal(found["i"], order[:, :k])
        np.testing.assert_array_equal(found["v"], np.take_along_axis(x, order[:, :k], 1))
