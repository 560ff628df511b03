"""Operators of ONNX Runtime's own domain next to ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import compare, expected, graph, legalized, normal

from kernelwright.ir.interpreter import Interpreter

Arrays = dict[str, np.ndarray]


def check(text: str, inputs: Arrays) -> None:
    compare(graph(text.replace("ms.", "com.microsoft."), com_microsoft=1), inputs)


def check_quantized(text: str, inputs: Arrays) -> None:
    """Results within one step: ONNX Runtime rounds where its integers have scales of their own."""
    model = graph(text.replace("ms.", "com.microsoft."), com_microsoft=1)
    (found,), (wanted,) = Interpreter(legalized(model)).run(inputs), expected(model, inputs)
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    assert np.abs(found.astype(np.int64) - wanted.astype(np.int64)).max(initial=0) <= 1


def codes(*shape: int, seed: int = 0, dtype: type = np.uint8) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def tables(positions: int, pairs: int) -> Arrays:
    angles = np.arange(positions)[:, None] / 10000 ** (np.arange(pairs) / pairs)
    return {"c": np.cos(angles).astype(np.float32), "s": np.sin(angles).astype(np.float32)}


@pytest.mark.parametrize("interleaved", [0, 1])
@pytest.mark.parametrize("positions", [1, 2])
def test_rotary_embedding(interleaved: int, positions: int) -> None:
    shape, p = ("1", np.array([3])) if positions == 1 else ("2, 5", np.array([[0, 1, 2, 3, 4], [4, 3, 9, 1, 0]]))
    text = f"""(float[2, 5, 24] x, int64[{shape}] p, float[10, 4] c, float[10, 4] s) => (float[2, 5, 24] y) {{
        y = ms.RotaryEmbedding<interleaved = {interleaved}>(x, p, c, s)
    }}"""
    check(text, {"x": normal(2, 5, 24), "p": p} | tables(10, 4))


def test_rotary_embedding_of_a_part_of_each_head() -> None:
    text = """(float[2, 3, 5, 8] x, int64[2, 5] p, float[10, 2] c, float[10, 2] s) => (float[2, 3, 5, 8] y) {
        y = ms.RotaryEmbedding<rotary_embedding_dim = 4, num_heads = 3>(x, p, c, s)
    }"""
    check(text, {"x": normal(2, 3, 5, 8), "p": np.arange(10).reshape(2, 5)} | tables(10, 2))


@pytest.mark.parametrize("rotary", [0, 1])
@pytest.mark.parametrize("window", [-1, 3])
@pytest.mark.parametrize("length", [1, 4])
def test_group_query_attention(rotary: int, window: int, length: int) -> None:
    """Four query heads read two of keys. One token after a past of different lengths, or a prompt of its own."""
    past = 6 if length == 1 else 0
    total = past + length
    ends = np.array([total - 1, total - 3 if length == 1 else total - 1], np.int32)
    text = f"""(float[2, {length}, 64] q, float[2, {length}, 32] k, float[2, {length}, 32] v,
        float[2, 2, {past}, 16] pk, float[2, 2, {past}, 16] pv, int32[2] e, float[16, 8] c, float[16, 8] s)
        => (float[2, {length}, 64] y, float[2, 2, {total}, 16] nk, float[2, 2, {total}, 16] nv)
        <int32 t = {{{total}}}> {{
        y, nk, nv = ms.GroupQueryAttention<num_heads = 4, kv_num_heads = 2, do_rotary = {rotary},
            local_window_size = {window}>(q, k, v, pk, pv, e, t, c, s)
    }}"""
    q, k, v = normal(2, length, 64), normal(2, length, 32, seed=1), normal(2, length, 32, seed=2)
    inputs = {"q": q, "k": k, "v": v, "e": ends} | tables(16, 8)
    inputs |= {"pk": normal(2, 2, past, 16, seed=3), "pv": normal(2, 2, past, 16, seed=4)}
    model = graph(text.replace("ms.", "com.microsoft."), com_microsoft=1)
    found, wanted = Interpreter(legalized(model)).run(inputs), expected(model, inputs)
    np.testing.assert_allclose(found[0], wanted[0], rtol=1e-4, atol=1e-5)
    for ours, theirs in zip(found[1:], wanted[1:], strict=True):
        for b, end in enumerate(ends):  # beyond a sequence's end anything may stand
            np.testing.assert_allclose(ours[b, :, : end + 1], theirs[b, :, : end + 1], rtol=1e-5, atol=1e-6)


def test_group_query_attention_of_one_packed_input() -> None:
    text = """(float[2, 4, 64] q, float[2, 2, 0, 8] pk, float[2, 2, 0, 8] pv, int32[2] e)
        => (float[2, 4, 32] y, float[2, 2, 4, 8] nk, float[2, 2, 4, 8] nv) <int32 t = {4}> {
        y, nk, nv = ms.GroupQueryAttention<num_heads = 4, kv_num_heads = 2>(q, , , pk, pv, e, t)
    }"""
    past = np.zeros((2, 2, 0, 8), np.float32)
    check(text, {"q": normal(2, 4, 64), "pk": past, "pv": past, "e": np.array([3, 3], np.int32)})


def test_packed_queries_keys_and_values() -> None:
    text = """(float[2, 5, 4, 3, 8] q, float[96] b) => (float[2, 5, 32] y) {
        y = ms.MultiHeadAttention<num_heads = 4>(q, , , b)
    }"""
    model = graph(text.replace("ms.", "com.microsoft."), com_microsoft=1)
    q, b = normal(2, 5, 4, 3, 8), normal(96, seed=1)
    apart = graph("""(float[2, 5, 32] q, float[2, 5, 32] k, float[2, 5, 32] v, float[96] b) => (float[2, 5, 32] y) {
        y = com.microsoft.MultiHeadAttention<num_heads = 4>(q, k, v, b)
    }""", com_microsoft=1)  # fmt: skip
    parts = {name: q[:, :, :, i].reshape(2, 5, 32) for i, name in enumerate("qkv")}
    (found,), (wanted,) = Interpreter(legalized(model)).run({"q": q, "b": b}), expected(apart, parts | {"b": b})
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("segments", ["", "g"])
@pytest.mark.parametrize("mask", ["", "m"])
def test_embed_layer_normalization(segments: str, mask: str) -> None:
    table = "t" if segments else ""
    text = f"""(int32[2, 5] i, int32[2, 5] g, float[11, 8] w, float[7, 8] p, float[3, 8] t, float[8] s, float[8] b,
        int32[2, 5] m) => (float[2, 5, 8] y, int32[2] k, float[2, 5, 8] e) {{
        y, k, e = ms.EmbedLayerNormalization<epsilon = 1e-6>(i, {segments}, w, p, {table}, s, b, {mask})
    }}"""
    numbers = {name: codes(2, 5, seed=i) for i, name in enumerate("ig")}
    inputs = {"i": (numbers["i"] % 11).astype(np.int32), "g": (numbers["g"] % 3).astype(np.int32)}
    inputs |= {"w": normal(11, 8), "p": normal(7, 8, seed=1), "t": normal(3, 8, seed=2), "s": normal(8, seed=3)}
    inputs |= {"b": normal(8, seed=4), "m": np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], np.int32)}
    check(text, inputs)


def test_skip_layer_normalization_with_its_statistics() -> None:
    text = """(float[2, 5, 8] x, float[2, 5, 8] k, float[8] s, float[8] b)
        => (float[2, 5, 8] y, float[2, 5, 8] t) {
        y, m, d, t = ms.SkipLayerNormalization(x, k, s, b)
    }"""
    inputs = {"x": normal(2, 5, 8), "k": normal(2, 5, 8, seed=1), "s": normal(8, seed=2), "b": normal(8, seed=3)}
    check(text, inputs)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("zero", ["", "z"])
def test_weights_of_few_bits(bits: int, zero: str) -> None:
    """A last block that the 50 columns do not fill, and an odd number of blocks."""
    blocks, block = 3, 32
    width = -(-blocks * bits // 8)
    text = f"""(float[2, 3, 80] a, uint8[7, {blocks}, {block * bits // 8}] b, float[{7 * blocks}] s,
        uint8[{7 * width}] z) => (float[2, 3, 7] y) {{
        y = ms.MatMulNBits<K = 80, N = 7, bits = {bits}, block_size = {block}>(a, b, s, {zero})
    }}"""
    b, z = codes(7, blocks, block * bits // 8), codes(7 * width, seed=1)
    inputs = {"a": normal(2, 3, 80), "b": b, "s": np.abs(normal(7 * blocks, seed=2)), "z": z}
    model = graph(text.replace("ms.", "com.microsoft."), com_microsoft=1)
    (found,), (wanted,) = Interpreter(legalized(model)).run(inputs), expected(model, inputs)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-2)


SCALES = "<float r = {0.07}, float t = {0.03}, float u = {0.05}, uint8 z = {120}, uint8 w = {131}>"


@pytest.mark.parametrize(
    "node",
    [
        "ms.QLinearConcat<axis = 1>(u, w, a, r, z, b, t, w)",
        "ms.QLinearAveragePool<kernel_shape = [3, 2], pads = [1, 0, 1, 1], strides = [2, 1]>(a, r, z, u, w)",
        "ms.QLinearAveragePool<kernel_shape = [3, 2], channels_last = 1>(a, r, z, u, w)",
        "ms.QLinearSoftmax<axis = -1, opset = 13>(a, r, z, f, o)",
        "ms.QLinearWhere(c, a, r, z, b, t, w, u, w)",
    ],
)
def test_quantized_tensors(node: str) -> None:
    scales = SCALES[:-1] + ", float f = {0.00390625}, uint8 o = {0}>"
    text = f"""(uint8[2, 4, 6, 5] a, uint8[2, 4, 6, 5] b, bool[2, 4, 6, 5] c) => (uint8[n, m, k, l] y) {scales} {{
        y = {node}
    }}"""
    condition = codes(2, 4, 6, 5, seed=2) > 99
    check_quantized(text, {"a": codes(2, 4, 6, 5), "b": codes(2, 4, 6, 5, seed=1), "c": condition})


@pytest.mark.parametrize("result", ["", ", u, w"])
@pytest.mark.parametrize("trans_b", [0, 1])
def test_quantized_gemm(result: str, trans_b: int) -> None:
    shape = (7, 6) if trans_b else (6, 7)
    kind = "uint8" if result else "float"
    text = f"""(uint8[5, 6] a, uint8[{shape[0]}, {shape[1]}] b, int32[7] c) => ({kind}[5, 7] y) {SCALES} {{
        y = ms.QGemm<transB = {trans_b}, alpha = 1.0>(a, r, z, b, t, w, c{result})
    }}"""
    inputs = {"a": codes(5, 6), "b": codes(*shape, seed=1), "c": np.arange(-3000, 4000, 1000, dtype=np.int32)}
    (check_quantized if result else check)(text, inputs)


def test_quantized_attention() -> None:
    text = f"""(uint8[2, 5, 16] x, uint8[16, 96] w, float[96] b, int32[2, 5] m) => (float[2, 5, 32] y)
    {SCALES.replace("w =", "v =")} {{
        y = ms.QAttention<num_heads = 4>(x, w, b, r, t, m, z, v)
    }}"""
    mask = np.array([[1, 1, 1, 0, 0], [1] * 5], np.int32)
    inputs = {"x": codes(2, 5, 16), "w": codes(16, 96, seed=1), "b": normal(96), "m": mask}
    model = graph(text.replace("ms.", "com.microsoft."), com_microsoft=1)
    (found,), (wanted,) = Interpreter(legalized(model)).run(inputs), expected(model, inputs)
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
