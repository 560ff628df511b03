"""Matrix products, convolutions and pooling next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, compare, graph, normal, ops


@pytest.mark.parametrize(
    ("a", "b"),
    [((3,), (3,)), ((3,), (3, 5)), ((5, 3), (3,)), ((2, 1, 5, 3), (7, 3, 1)), ((3,), (2, 3, 5)), ((2, 5, 3), (3,))],
)
def test_matmul_of_every_rank(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    dims = [", ".join(map(str, shape)) for shape in (a, b, np.matmul(np.zeros(a), np.zeros(b)).shape)]
    text = f"(float[{dims[0]}] a, float[{dims[1]}] b) => (float[{dims[2]}] y) {{ y = MatMul(a, b) }}".replace("[]", "")
    check(text, a=normal(*a), b=normal(*b, seed=1))


@pytest.mark.parametrize("bias", ["", ", c"])
@pytest.mark.parametrize("attributes", ["", "<transA = 1>", "<transB = 1, alpha = 0.5>", "<beta = 2.0>"])
def test_gemm(attributes: str, bias: str) -> None:
    a = normal(5, 3) if "transA" not in attributes else normal(3, 5)
    b = normal(3, 7) if "transB" not in attributes else normal(7, 3)
    text = f"(float[?, ?] a, float[?, ?] b, float[7] c) => (float[5, 7] y) {{ y = Gemm{attributes}(a, b{bias}) }}"
    text = text.replace("float[?, ?] a", f"float{list(a.shape)} a").replace("float[?, ?] b", f"float{list(b.shape)} b")
    check(text, a=a, b=b, c=normal(7))


def test_integer_products_subtract_their_zero_points() -> None:
    text = """(uint8[4, 3] a, int8[3, 2] b) => (int32[4, 2] y) <uint8 az = {12}, int8 bz = {2}> {
        y = MatMulInteger(a, b, az, bz)
    }"""
    rng = np.random.default_rng(0)
    check(text, a=rng.integers(0, 255, (4, 3)).astype(np.uint8), b=rng.integers(-9, 9, (3, 2)).astype(np.int8))
    text = """(uint8[1, 2, 5, 5] x, uint8[3, 2, 3, 3] w) => (int32[?, ?, ?, ?] y) <uint8 z = {3}> {
        y = ConvInteger(x, w, z)
    }"""
    check(
        text, x=rng.integers(0, 9, (1, 2, 5, 5)).astype(np.uint8), w=rng.integers(0, 9, (3, 2, 3, 3)).astype(np.uint8)
    )


CONVOLUTIONS = [
    ("", (3, 4), (6, 4, 3), (11,)),
    ("<strides = [2, 1], pads = [1, 0, 2, 1]>", (2, 3), (5, 3, 3, 2), (7, 9)),
    ("<dilations = [2, 2], group = 2>", (1, 4), (6, 2, 3, 3), (9, 8)),
    ('<auto_pad = "SAME_UPPER", strides = [2, 2]>', (1, 3), (2, 3, 3, 4), (7, 6)),
    ('<auto_pad = "SAME_LOWER", strides = [2, 3]>', (1, 3), (2, 3, 4, 3), (7, 6)),
    ('<auto_pad = "VALID">', (1, 3), (2, 3, 2, 2), (5, 5)),
    ("<pads = [1, 1, 1, 1, 1, 1]>", (1, 2), (3, 2, 3, 3, 3), (4, 5, 3)),
]


@pytest.mark.parametrize(("attributes", "batch", "kernel", "sizes"), CONVOLUTIONS)
def test_conv(attributes: str, batch: tuple[int, int], kernel: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    x, w, b = normal(*batch, *sizes), normal(*kernel), normal(kernel[0])
    open_dims = ", ".join("?" * x.ndim)
    text = (
        f"(float[N, {', '.join(map(str, x.shape[1:]))}] x, float{list(w.shape)} w, float[{kernel[0]}] b) "
        f"=> (float[{open_dims}] y) {{ y = Conv{attributes}(x, w, b) }}"
    )
    check(text, x=x, w=w, b=b)


def test_conv_over_symbolic_sizes() -> None:
    text = """(float[N, 3, H, W] x, float[4, 3, 3, 3] w) => (float[?, ?, ?, ?] y) {
        y = Conv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, w)
    }"""
    module = check(text, x=normal(1, 3, 7, 10), w=normal(4, 3, 3, 3))
    assert '"((H + 1) // 2)"' in str(module.main.function_type.results[0])


@pytest.mark.parametrize(
    "attributes",
    ["", "<strides = [2, 3]>", "<strides = [2, 2], pads = [1, 0, 1, 1], output_padding = [1, 0]>",
     "<strides = [2, 2], output_shape = [9, 8]>", '<strides = [2, 2], auto_pad = "SAME_UPPER">',
     '<strides = [2, 2], auto_pad = "SAME_LOWER">', "<dilations = [2, 1]>"],
)  # fmt: skip
def test_conv_transpose(attributes: str) -> None:
    text = (
        f"(float[N, 4, 4, 3] x, float[4, 2, 3, 3] w) => (float[?, ?, ?, ?] y) {{ y = ConvTranspose{attributes}(x, w) }}"
    )
    check(text, x=normal(2, 4, 4, 3), w=normal(4, 2, 3, 3))


POOLINGS = [
    "kernel_shape = [2, 3]", "kernel_shape = [3, 3], strides = [2, 2], pads = [1, 0, 1, 1]",
    'kernel_shape = [3, 2], strides = [2, 2], auto_pad = "SAME_UPPER"',
    "kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1",
]  # fmt: skip


@pytest.mark.parametrize("attributes", POOLINGS)
@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "LpPool"])
def test_pooling(operator: str, attributes: str) -> None:
    text = f"(float[N, 3, 7, 9] x) => (float[?, ?, ?, ?] y) {{ y = {operator}<{attributes}>(x) }}"
    check(text, x=normal(2, 3, 7, 9))


def test_average_of_padding() -> None:
    attributes = "kernel_shape = [3, 3], pads = [1, 1, 1, 1], count_include_pad = 1"
    check(
        f"(float[N, 2, 5, 5] x) => (float[?, ?, ?, ?] y) {{ y = AveragePool<{attributes}>(x) }}", x=normal(1, 2, 5, 5)
    )


@pytest.mark.parametrize("operator", ["GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"])
def test_global_pooling(operator: str) -> None:
    check(f"(float[N, 3, H, W] x) => (float[N, 3, 1, 1] y) {{ y = {operator}(x) }}", x=normal(2, 3, 5, 7))


def test_fused_matmul() -> None:
    model = graph("(float[2, 3, 5] a, float[2, 7, 5] b) => (float[2, 3, 7] y) "
                  "{ y = com.microsoft.FusedMatMul<alpha = 0.5, transB = 1>(a, b) }", com_microsoft=1)  # fmt: skip
    module = compare(model, {"a": normal(2, 3, 5), "b": normal(2, 7, 5)})
    assert ops(module) == ["nn.matmul", "nn.mul"]
