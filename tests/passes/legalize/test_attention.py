"""Attention and Einsum next to ONNX Runtime and, for the newest operator sets, ONNX's own reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, compare, graph, normal, ops


def qkv(queries: int, keys: int, heads: int = 4, groups: int = 4) -> dict[str, np.ndarray]:
    return {
        "q": normal(2, heads, queries, 8),
        "k": normal(2, groups, keys, 8, seed=1),
        "v": normal(2, groups, keys, 6, seed=2),
    }


INPUTS = "float[2, H, S, 8] q, float[2, G, T, 8] k, float[2, G, T, 6] v"


@pytest.mark.parametrize("attributes", ["", "<is_causal = 1>", "<scale = 0.3>", "<softcap = 2.0>"])
@pytest.mark.parametrize("groups", [4, 2])
def test_attention(attributes: str, groups: int) -> None:
    text = f"({INPUTS}) => (float[?, ?, ?, ?] y) {{ y = Attention{attributes}(q, k, v) }}"
    text = text.replace("H", "4").replace("G", str(groups))
    module = check(text, opset=24, judge="onnx", **qkv(5, 7, groups=groups))
    assert ("nn.attention" in ops(module)) == ("softcap" not in attributes)


@pytest.mark.parametrize("causal", [0, 1])
def test_a_mask_that_hides_all_keys_of_a_query_gives_zeros(causal: int) -> None:
    mask = np.random.default_rng(0).random((5, 7)) < 0.6
    mask[2] = False
    text = f"({INPUTS}, bool[5, 7] m) => (float[?, ?, ?, ?] y) {{ y = Attention<is_causal = {causal}>(q, k, v, m) }}"
    check(text.replace("H", "4").replace("G", "4"), opset=24, judge="onnx", m=mask, **qkv(5, 7))


@pytest.mark.parametrize(("type", "value"), [("float16", "float"), ("float", "float16")])
def test_values_of_another_type(type: str, value: str) -> None:
    dtypes = {"float": np.float32, "float16": np.float16}
    given = {name: x.astype(dtypes[value if name == "v" else type]) for name, x in qkv(5, 7).items()}
    text = f"({type}[2, 4, 5, 8] q, {type}[2, 4, 7, 8] k, {value}[2, 4, 7, 6] v) => ({type}[?, ?, ?, ?] y)"
    check(f"{text} {{ y = Attention (q, k, v) }}", opset=24, judge="onnx", **given)


def test_attention_on_a_cache() -> None:
    text = """(float[2, 3, 32] q, float[2, 3, 32] k, float[2, 3, 24] v, float[2, 4, P, 8] pk, float[2, 4, P, 6] pv)
    => (float[?, ?, ?] y, float[?, ?, ?, ?] k2, float[?, ?, ?, ?] v2) {
        y, k2, v2 = Attention<q_num_heads = 4, kv_num_heads = 4, is_causal = 1>(q, k, v, , pk, pv)
    }"""
    inputs = {"q": normal(2, 3, 32), "k": normal(2, 3, 32, seed=1), "v": normal(2, 3, 24, seed=2)}
    module = check(text, opset=24, judge="onnx", **inputs, pk=normal(2, 4, 5, 8), pv=normal(2, 4, 5, 6))
    assert "nn.attention" in ops(module)


def test_multi_head_attention_of_onnx_runtime() -> None:
    text = """(float[B, S, 32] q, float[B, T, 32] k, float[B, T, 32] v, float[96] b, int32[B, T] m)
    => (float[B, S, 32] y) {
        y = com.microsoft.MultiHeadAttention<num_heads = 4>(q, k, v, b, m)
    }"""
    mask = (np.arange(7) < np.array([[7], [4]])).astype(np.int32)
    inputs = {
        "q": normal(2, 5, 32),
        "k": normal(2, 7, 32, seed=1),
        "v": normal(2, 7, 32, seed=2),
        "b": normal(96),
        "m": mask,
    }
    compare(graph(text, com_microsoft=1), inputs)


def test_attention_of_onnx_runtime() -> None:
    text = """(float[B, S, 16] x, float[16, 96] w, float[96] b, int32[B, S] m) => (float[B, S, 32] y) {
        y = com.microsoft.Attention<num_heads = 4>(x, w, b, m)
    }"""
    mask = (np.arange(5) < np.array([[5], [3]])).astype(np.int32)
    compare(graph(text, com_microsoft=1), {"x": normal(2, 5, 16), "w": normal(16, 96), "b": normal(96), "m": mask})


EQUATIONS = [
    ("ij->ji", [(3, 5)]), ("ij->", [(3, 5)]), ("ii->i", [(4, 4)]), ("ij,jk->ik", [(3, 5), (5, 2)]),
    ("bij,bjk->bik", [(2, 3, 5), (2, 5, 4)]), ("bhqd,bhkd->bhqk", [(2, 3, 5, 4), (2, 3, 7, 4)]),
    ("i,j->ij", [(3,), (5,)]),
    ("...ij,...jk->...ik", [(2, 3, 5), (2, 5, 4)]), ("ij,jk", [(3, 5), (5, 2)]),
    ("ij,jk,kl->il", [(3, 5), (5, 2), (2, 4)]),
    ("bci,bcj->bij", [(2, 3, 4), (2, 3, 5)]),
]  # fmt: skip


@pytest.mark.parametrize(("equation", "shapes"), EQUATIONS)
def test_einsum(equation: str, shapes: list[tuple[int, ...]]) -> None:
    names = "abc"[: len(shapes)]
    inputs = {name: normal(*shape, seed=i) for i, (name, shape) in enumerate(zip(names, shapes, strict=True))}
    rank = np.einsum(equation, *inputs.values()).ndim
    result = f"float[{', '.join('?' * rank)}]" if rank else "float"
    arguments = ", ".join(f"float{list(x.shape)} {name}" for name, x in inputs.items())
    check(f'({arguments}) => ({result} y) {{ y = Einsum<equation = "{equation}">({", ".join(names)}) }}', **inputs)  # type: ignore[arg-type]
