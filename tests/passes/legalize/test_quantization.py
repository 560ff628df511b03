"""Quantized operators next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, compare, graph, normal

RANDOM = np.random.default_rng(0)
# Scales below are powers of two: every product is exact, and ties are ties for both sides.


@pytest.mark.parametrize("kind", ["uint8", "int8"])
def test_quantization_along_an_axis(kind: str) -> None:
    scale, zero = np.array([0.1, 0.02, 0.5], np.float32), np.array([3, 0, 1]).astype(kind)
    x = normal(2, 3, 5) * 20
    inputs = f"float[3] s, {kind}[3] z"
    text = f"(float[2, 3, N] x, {inputs}) => ({kind}[2, 3, N] y) {{ y = QuantizeLinear<axis = 1>(x, s, z) }}"
    check(text, x=x, s=scale, z=zero)
    text = f"({kind}[2, 3, N] x, {inputs}) => (float[2, 3, N] y) {{ y = DequantizeLinear<axis = 1>(x, s, z) }}"
    check(text, x=np.abs(x).astype(kind), s=scale, z=zero)


def test_quantization_in_blocks() -> None:
    x, scale = np.arange(-6, 6, dtype=np.int8).reshape(2, 6), normal(2, 2)
    node = "DequantizeLinear<axis = 1, block_size = 3>(x, s)"
    check(f"(int8[2, 6] x, float[2, 2] s) => (float[2, 6] y) {{ y = {node} }}", x=x, s=scale)


def test_dynamic_quantization() -> None:
    text = "(float[N, M] x) => (uint8[N, M] y, float s, uint8 z) { y, s, z = DynamicQuantizeLinear(x) }"
    check(text, x=normal(3, 7))
    check(text, x=np.abs(normal(3, 7)) + 1)


def test_quantized_matrix_products() -> None:
    text = """(uint8[4, 5] a, int8[5, 3] b) => (uint8[4, 3] y)
    <float s = {0.0625}, uint8 az = {120}, int8 bz = {3}, float t = {0.25}, uint8 yz = {100}> {
        y = QLinearMatMul(a, s, az, b, s, bz, t, yz)
    }"""
    a, b = RANDOM.integers(0, 255, (4, 5)).astype(np.uint8), RANDOM.integers(-127, 127, (5, 3)).astype(np.int8)
    check(text, a=a, b=b)


def test_quantized_convolutions() -> None:
    text = """(uint8[1, 2, 6, 5] x, int8[3, 2, 3, 3] w, int32[3] b) => (uint8[?, ?, ?, ?] y)
    <float s = {0.0625}, uint8 xz = {120}, float[3] ws = {0.03125, 0.0625, 0.125}, int8[3] wz = {0, 0, 0},
     float t = {0.25}, uint8 yz = {100}> {
        y = QLinearConv<pads = [1, 1, 1, 1]>(x, s, xz, w, ws, wz, t, yz, b)
    }"""
    x, w = (
        RANDOM.integers(0, 255, (1, 2, 6, 5)).astype(np.uint8),
        RANDOM.integers(-50, 50, (3, 2, 3, 3)).astype(np.int8),
    )
    check(text, x=x, w=w, b=np.array([100, -100, 5], np.int32))


@pytest.mark.parametrize("operator", ["QLinearAdd", "QLinearMul"])
def test_quantized_arithmetic(operator: str) -> None:
    text = f"""(uint8[4, 5] a, uint8[5] b) => (uint8[4, 5] y)
    <float s = {{0.0625}}, uint8 z = {{120}}, float t = {{0.125}}, uint8 yz = {{100}}> {{
        y = com.microsoft.{operator}(a, s, z, b, t, z, t, yz)
    }}"""
    a, b = RANDOM.integers(0, 255, (4, 5)).astype(np.uint8), RANDOM.integers(0, 255, 5).astype(np.uint8)
    compare(graph(text, com_microsoft=1), {"a": a, "b": b})


@pytest.mark.parametrize(
    "activation", ["", ', activation = "Relu"', ', activation = "Clip", activation_params = [0.0, 1.0]']
)
def test_fused_convolutions(activation: str) -> None:
    text = f"""(float[1, 2, 6, 5] x, float[3, 2, 3, 3] w, float[3] b) => (float[?, ?, ?, ?] y) {{
        y = com.microsoft.FusedConv<pads = [1, 1, 1, 1]{activation}>(x, w, b)
    }}"""
    compare(graph(text, com_microsoft=1), {"x": normal(1, 2, 6, 5), "w": normal(3, 2, 3, 3), "b": normal(3)})
