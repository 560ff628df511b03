"""The largest and smallest elements of short and long axes, next to NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import graph

import kernelwright


@pytest.mark.parametrize("type", ["double", "float16", "int64", "uint64", "int32", "int8", "uint8"])
@pytest.mark.parametrize("largest", [0, 1])
def test_every_type(type: str, largest: int) -> None:
    """The ends of the type among the numbers, of 64 bits such that differ in either half."""
    dtype = np.dtype("float64" if type == "double" else type)
    x = np.random.default_rng(0).integers(0, 9, 200).astype(dtype)
    if dtype.kind == "f":
        x[::5], x[::7], x[3], x[4], x[6] = -x[::5], x[::7] * 1.001, np.inf, -np.inf, -0.0
    else:
        x[:4] = np.iinfo(dtype).min, np.iinfo(dtype).max, np.iinfo(dtype).min + 1, np.iinfo(dtype).max - 1
        x[4:8] = x[:4] // 3
    text = f"""({type}[200] x) => ({type}[200] v, int64[200] i) {{
        k = Constant <value_ints = [200]> ()
        v, i = TopK <largest = {largest}> (x, k)
    }}"""
    found = kernelwright.compile(graph(text)).run({"x": x})
    order = 199 - np.argsort(x[::-1], kind="stable")[::-1] if largest else np.argsort(x, kind="stable")
    np.testing.assert_array_equal(found["i"], order)
    np.testing.assert_array_equal(found["v"], x[order])


def test_a_long_axis() -> None:
    x = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    text = """(float[200000] x) => (float[100] v, int64[100] i) {
        k = Constant <value_ints = [100]> ()
        v, i = TopK (x, k)
    }"""
    found = kernelwright.compile(graph(text)).run({"x": x})
    np.testing.assert_array_equal(found["i"], np.argsort(-x, kind="stable")[:100])


@pytest.mark.parametrize("size", [1, 5, 32, 33, 64, 129, 1000])
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
