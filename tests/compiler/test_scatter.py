"""Scatters of many updates next to ONNX Runtime: as CPU code, and the tile programs of CUDA by the interpreter."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import expected, graph

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.compiler import driver
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.tile_interpreter import TileInterpreter

TYPES = {"float": np.float32, "double": np.float64, "int32": np.int32, "int64": np.int64}
REDUCTIONS = ["none", "add", "mul", "max", "min"]


def check(text: str, tactic: str = "scatter", **inputs: np.ndarray) -> None:
    model = graph(text, 18)
    (wanted,) = expected(model, inputs)
    with driver.compile(model) as engine:
        np.testing.assert_array_equal(engine.run(inputs)["y"], wanted)
    module = driver.compile_model(model, CompileOptions(target.builtin("cuda:sm_90a"), stop="tile")).module
    assert f'tactic = "{tactic}"' in str(module)
    np.testing.assert_array_equal(next(iter(TileInterpreter(module).run(inputs))), wanted)
    nvrtc.compile_sources(list(sources(module).values()), "sm_90a")


def places(rng: np.random.Generator, count: int, size: int, reduction: str) -> np.ndarray:
    """`count` places below `size`, some from the end; different ones where which update stays is not defined."""
    found = rng.permutation(size)[:count] if reduction == "none" else rng.integers(0, size, count)
    return found - size * (rng.random(count) < 0.3)


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_scatter_elements(type: str, reduction: str) -> None:
    rng = np.random.default_rng(len(type))
    x, updates = (rng.integers(1, 4, shape).astype(TYPES[type]) for shape in ((37, 9), (11, 9)))
    indices = np.stack([places(rng, 11, 37, reduction) for _ in range(9)], 1)
    node = f'ScatterElements <axis = 0, reduction = "{reduction}"> (x, i, u)'
    text = f"({type}[n, 9] x, int64[11, 9] i, {type}[11, 9] u) => ({type}[a, b] y) {{ y = {node} }}"
    check(text, x=x, i=indices, u=updates)


@pytest.mark.parametrize("type", ["float16", "uint8", "int8", "uint32"])
@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_narrow_numbers(type: str, reduction: str) -> None:
    """They are rounded, or wrap around, once; and unsigned ones are compared as such."""
    rng = np.random.default_rng(0)
    dtype = np.dtype(type)
    x, updates = (rng.integers(0, 120, shape).astype(dtype) for shape in ((30, 2), (9, 2)))
    x[0, 0] = updates[0, 0] = -1 if dtype.kind == "f" else np.iinfo(dtype).max
    indices = rng.integers(0, 30, (9, 2))
    wide = x.astype(np.float64 if dtype.kind == "f" else np.int64)
    at = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}[reduction].at
    with np.errstate(over="ignore"):
        at(wide, (indices, np.arange(2)), updates.astype(wide.dtype))
        wanted = wide.astype(dtype)
    node = f'ScatterElements <reduction = "{reduction}"> (x, i, u)'
    text = f"({type}[30, 2] x, int64[9, 2] i, {type}[9, 2] u) => ({type}[30, 2] y) {{ y = {node} }}"
    with driver.compile(graph(text, 18)) as engine:
        found = engine.run({"x": x, "i": indices, "u": updates})["y"]
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("reduction", ["none", "add"])
def test_scatter_nd(depth: int, reduction: str) -> None:
    rng = np.random.default_rng(depth)
    shape = (7, 6, 5)
    x = rng.standard_normal(shape).astype(np.float32).round(1)
    flat = places(rng, 7, int(np.prod(shape[:depth])), reduction) % int(np.prod(shape[:depth]))
    indices = np.stack(np.unravel_index(flat, shape[:depth]), -1).astype(np.int64)
    updates = rng.integers(1, 4, (7, *shape[depth:])).astype(np.float32)
    rest = "".join(f", {size}" for size in shape[depth:])
    node = f'ScatterND <reduction = "{reduction}"> (x, i, u)'
    text = f"(float[7, 6, 5] x, int64[m, {depth}] i, float[m{rest}] u) => (float[a, b, c] y) {{ y = {node} }}"
    check(text, x=x, i=indices, u=updates)


def test_places_that_do_not_exist_are_left_out() -> None:
    """Next to the end of an axis begins the next row, which no update of this one may reach."""
    text = (
        "(float[4, 5] x, int64[4, 7] i, float[4, 7] u) => (float[4, 5] y) { y = ScatterElements <axis = 1> (x, i, u) }"
    )
    indices = np.array([[0, 5, 4, -6, 1, 100, -100]] * 4)
    updates = np.arange(28, dtype=np.float32).reshape(4, 7)
    wanted = np.zeros((4, 5), np.float32)
    for place, column in ((0, 0), (4, 2), (1, 4)):
        wanted[:, place] = updates[:, column]
    with driver.compile(graph(text, 18)) as engine:
        found = engine.run({"x": np.zeros((4, 5), np.float32), "i": indices, "u": updates})["y"]
    np.testing.assert_array_equal(found, wanted)


def test_many_updates_take_linear_time() -> None:
    size = 1 << 18
    text = f"(float[{size}] x, int64[{size}] i, float[{size}] u) => (float[a] y) {{ y = ScatterElements (x, i, u) }}"
    order = np.random.default_rng(0).permutation(size)
    updates = np.arange(size, dtype=np.float32)
    with driver.compile(graph(text, 18)) as engine:
        found = engine.run({"x": np.zeros(size, np.float32), "i": order, "u": updates})["y"]
    np.testing.assert_array_equal(found[order], updates)
