"""Linear attention and stateful convolution next to ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, normal

from kernelwright.ir.diagnostics import CompileError


@pytest.mark.parametrize("rule", ["linear", "gated", "delta", "gated_delta"])
@pytest.mark.parametrize("decay", [2, 10])
@pytest.mark.parametrize("past", ["", "s"])
def test_linear_attention(rule: str, decay: int, past: str) -> None:
    """Four query heads of five elements read two states; a gate is one number a head or one a key element."""
    gates = ("g" if "gated" in rule else "", "b" if "delta" in rule else "")
    text = f"""(float[2, 3, 20] q, float[2, 3, 10] k, float[2, 3, 6] v, float[2, 2, 5, 3] s, float[2, 3, {decay}] g,
        float[2, 3, 2] b) => (float[2, 3, 12] y, float[2, 2, 5, 3] z) {{
        y, z = LinearAttention<update_rule = "{rule}", q_num_heads = 4, kv_num_heads = 2>(q, k, v, {past}, {gates[0]},
            {gates[1]})
    }}"""
    q, k, v, s = normal(2, 3, 20), normal(2, 3, 10, seed=1), normal(2, 3, 6, seed=2), normal(2, 2, 5, 3, seed=3)
    g, b = -np.abs(normal(2, 3, decay, seed=4)), np.abs(normal(2, 3, 2, seed=5))
    check(text, opset=27, judge="onnx", q=q, k=k, v=v, s=s, g=g, b=b)


@pytest.mark.parametrize("length", [20, "n"])
@pytest.mark.parametrize("rule", ["linear", "gated_delta"])
def test_long_sequences(rule: str, length: int | str) -> None:
    gates = "g, b" if rule == "gated_delta" else ""
    text = f"""(float[2, {length}, 8] q, float[2, {length}, 8] k, float[2, {length}, 6] v, float[2, {length}, 2] g,
        float[2, {length}, 2] b) => (float[2, {length}, 6] y, float[2, 2, 4, 3] z) {{
        y, z = LinearAttention<update_rule = "{rule}", q_num_heads = 2, kv_num_heads = 2>(q, k, v, , {gates})
    }}"""
    q, k, v = normal(2, 20, 8), 0.3 * normal(2, 20, 8, seed=1), normal(2, 20, 6, seed=2)
    g, b = -np.abs(normal(2, 20, 2, seed=4)), 0.1 * np.abs(normal(2, 20, 2, seed=5))
    check(text, opset=27, judge="onnx", q=q, k=k, v=v, g=g, b=b)


def test_a_rule_without_its_gate_is_refused() -> None:
    text = """(float[2, 3, 4] q, float[2, 3, 4] k, float[2, 3, 4] v) => (float[2, 3, 4] y, float[2, 1, 4, 4] z) {
        y, z = LinearAttention<update_rule = "gated", q_num_heads = 1, kv_num_heads = 1>(q, k, v)
    }"""
    with pytest.raises(CompileError, match="update_rule 'gated' needs 'decay'"):
        check(text, opset=27, judge="onnx", q=normal(2, 3, 4), k=normal(2, 3, 4), v=normal(2, 3, 4))


@pytest.mark.parametrize("taps", [1, 3])
@pytest.mark.parametrize("past", ["", "s"])
def test_stateful_convolution(taps: int, past: str) -> None:
    text = f"""(float[2, 5, 4] x, float[5, 1, {taps}] w, float[5] b, float[2, 5, {taps - 1}] s)
        => (float[2, 5, 4] y, float[2, 5, {taps - 1}] z) {{
        y, z = CausalConvWithState<activation = "silu">(x, w, b, {past})
    }}"""
    w, b, s = normal(5, 1, taps, seed=1), normal(5, seed=2), normal(2, 5, taps - 1, seed=3)
    check(text, opset=27, judge="onnx", x=normal(2, 5, 4), w=w, b=b, s=s)
