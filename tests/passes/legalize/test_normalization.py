"""Normalizations, recurrent layers and resampling next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, compare, graph, legalized, normal

from kernelwright.ir.interpreter import Interpreter


@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("opset", [11, 13])
def test_softmax_in_its_old_and_new_meaning(operator: str, axis: int, opset: int) -> None:
    text = f"(float[N, 3, M] x) => (float[N, 3, M] y) {{ y = {operator}<axis = {axis}>(x) }}"
    check(text, opset=opset, x=normal(2, 3, 5))


def test_batch_normalization() -> None:
    text = """(float[N, 3, M] x, float[3] s, float[3] b, float[3] m, float[3] v) => (float[N, 3, M] y) {
        y = BatchNormalization<epsilon = 0.01>(x, s, b, m, v)
    }"""
    check(text, x=normal(2, 3, 5), s=normal(3), b=normal(3, seed=1), m=normal(3, seed=2), v=np.abs(normal(3, seed=3)))


@pytest.mark.parametrize("axis", [1, -1])
def test_layer_normalization(axis: int) -> None:
    shape = "3, 4" if axis == 1 else "4"
    text = f"""(float[N, 3, 4] x, float[{shape}] s, float[{shape}] b)
    => (float[N, 3, 4] y, float[?, ?, ?] m, float[?, ?, ?] d) {{
        y, m, d = LayerNormalization<axis = {axis}>(x, s, b)
    }}"""
    dims = (3, 4) if axis == 1 else (4,)
    check(text, x=normal(2, 3, 4), s=normal(*dims), b=normal(*dims, seed=1))


def test_instance_and_group_normalization() -> None:
    s, b = normal(4), normal(4, seed=1)
    text = "(float[N, 4, M] x, float[4] s, float[4] b) => (float[N, 4, M] y) { y = %s(x, s, b) }"
    check(text % "InstanceNormalization", x=normal(2, 4, 5), s=s, b=b)
    check(text % "GroupNormalization<num_groups = 2>", x=normal(2, 4, 5), s=s, b=b)


def test_group_normalization_with_parameters_of_groups() -> None:
    text = """(float[N, 4, M] x, float[2] s, float[2] b) => (float[N, 4, M] y) {
        y = GroupNormalization<num_groups = 2>(x, s, b)
    }"""
    check(text, opset=18, judge="onnx", x=normal(2, 4, 5), s=normal(2), b=normal(2, seed=1))


@pytest.mark.parametrize("node", ["LRN<size = 3>", "LpNormalization<axis = 1>", "LpNormalization<p = 1>",
                                  "MeanVarianceNormalization"])  # fmt: skip
def test_other_normalizations(node: str) -> None:
    check(f"(float[N, 4, 3, M] x) => (float[N, 4, 3, M] y) {{ y = {node}(x) }}", x=normal(2, 4, 3, 5))


def test_skip_layer_normalization() -> None:
    text = """(float[N, 2, 4] x, float[N, 2, 4] k, float[4] s, float[4] b) => (float[N, 2, 4] y) {
        y = com.microsoft.SkipLayerNormalization<epsilon = 1e-5>(x, k, s, b)
    }"""
    model = graph(text, com_microsoft=1)
    compare(model, {"x": normal(3, 2, 4), "k": normal(3, 2, 4, seed=1), "s": normal(4), "b": normal(4, seed=2)})


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(("operator", "gates"), [("LSTM", 4), ("GRU", 3), ("RNN", 1)])
def test_recurrent_layers(operator: str, gates: int, direction: str) -> None:
    d = 2 if direction == "bidirectional" else 1
    rows = gates * 5
    text = f"""(float[T, B, 3] x, float[{d}, {rows}, 3] w, float[{d}, {rows}, 5] r, float[{d}, {2 * rows}] b)
    => (float[?, ?, ?, ?] y, float[?, ?, ?] h) {{
        y, h = {operator}<hidden_size = 5, direction = "{direction}">(x, w, r, b)
    }}"""
    w, r, b = normal(d, gates * 5, 3), normal(d, gates * 5, 5, seed=1), normal(d, gates * 10, seed=2)
    check(text, x=normal(7, 2, 3), w=w, r=r, b=b)


def test_gru_with_its_reset_after_the_product_and_other_activations() -> None:
    attributes = 'hidden_size = 5, linear_before_reset = 1, activations = ["HardSigmoid", "Relu"]'
    text = f"""(float[T, B, 3] x, float[1, 15, 3] w, float[1, 15, 5] r) => (float[?, ?, ?, ?] y) {{
        y = GRU<{attributes}>(x, w, r) }}"""
    check(text, x=normal(4, 2, 3), w=normal(1, 15, 3), r=normal(1, 15, 5, seed=1))


RESIZES = [
    'mode = "nearest"', 'mode = "nearest", coordinate_transformation_mode = "asymmetric", nearest_mode = "floor"',
    'mode = "linear"', 'mode = "linear", coordinate_transformation_mode = "align_corners"',
    'mode = "linear", coordinate_transformation_mode = "pytorch_half_pixel"', 'mode = "cubic"',
    'mode = "cubic", cubic_coeff_a = -0.5, exclude_outside = 1',
]  # fmt: skip


@pytest.mark.parametrize("attributes", RESIZES)
@pytest.mark.parametrize("given", ["scales", "sizes"])
def test_resize(attributes: str, given: str) -> None:
    if given == "scales":
        text = f"<float[4] v = {{1, 1, 2, 1.5}}> {{ y = Resize<{attributes}>(x, , v) }}"
    else:
        text = f"<int64[4] v = {{2, 3, 7, 3}}> {{ y = Resize<{attributes}>(x, , , v) }}"
    check(f"(float[2, 3, 4, 6] x) => (float[?, ?, ?, ?] y) {text}", x=normal(2, 3, 4, 6))


def test_resize_of_symbolic_sizes() -> None:
    text = "(float[1, 2, H, W] x) => (float[?, ?, ?, ?] y) <float[4] v = {1, 1, 2, 2}> { y = Resize(x, , v) }"
    module = check(text, x=normal(1, 2, 3, 5))
    assert '#kw.dims<"2 * H", "2 * W">' in str(module.main.function_type.results[0])


def test_upsample() -> None:
    check(
        "(float[1, 2, 3, 4] x) => (float[?, ?, ?, ?] y) <float[4] v = {1, 1, 2, 3}> { y = Upsample(x, v) }",
        opset=9,
        x=normal(1, 2, 3, 4),
    )


@pytest.mark.parametrize("dtype", ["float", "float16"])
def test_batch_norm_in_training(dtype: str) -> None:
    text = f"""({dtype}[4, 3, 5] x, float[3] s, float[3] b, float[3] m, float[3] v)
        => ({dtype}[4, 3, 5] y, float[3] p, float[3] q) {{
        y, p, q = BatchNormalization<training_mode = 1, momentum = 0.7>(x, s, b, m, v)
    }}"""
    x = normal(4, 3, 5).astype(np.float32 if dtype == "float" else np.float16)
    given = {name: np.abs(normal(3, seed=i)) for i, name in enumerate("sbmv")}
    if dtype == "float":
        compare(graph(text), {"x": x, **given}, "onnx")
        return
    (y, p, q), (wide, *rest) = (
        Interpreter(legalized(graph(text.replace("float16", kind)))).run({"x": x.astype(numpy), **given})
        for kind, numpy in (("float16", np.float16), ("float", np.float32))
    )
    np.testing.assert_allclose(y, wide, rtol=1e-2, atol=1e-2)
    np.testing.assert_allclose([p, q], rest, rtol=1e-6)
