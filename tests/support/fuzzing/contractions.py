"""Products, convolutions, pools, resizes, recurrent cells and attention."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .families import family
from .graph import Graph, Tensor
from .numbers import F16, F32, F64, I8, I32, I64, U8

_TYPES = (F32, F32, F32, F64, F16)


@family(weight=3)
def matmul(g: Graph) -> None:
    x = g.operand(_TYPES, low=1)
    k, n = x.shape[-1], g.size()
    if x.rank == 1 or g.chance(0.15):
        shape: tuple[int, ...] = (k,) if g.chance(0.5) else (k, n)
    else:
        shape = (*(g.broadcastable(x.shape[:-2]) if g.chance(0.6) else ()), k, n)
    y = g.new(x.dtype, shape, 0.6)
    if x.rank == 1 and g.chance(0.3):
        y = g.new(x.dtype, (*g.shape(0, 1), k, n))
    g.node("MatMul", [x, y])


@family(since=11, weight=2)
def gemm(g: Graph) -> None:
    x = g.operand(_TYPES, low=2, high=2)
    trans_a, trans_b = g.random.randint(0, 1), g.random.randint(0, 1)
    m, k = x.shape[::-1] if trans_a else x.shape
    n = g.size()
    b = g.new(x.dtype, (n, k) if trans_b else (k, n), 0.7)
    c = g.new(x.dtype, g.choose([(n,), (m, n), (1, n), (m, 1), (1,), ()]), 0.7) if g.chance(0.7) else None
    beta = g.choose([1.0, 2.0]) if k else 1.0  # ONNX Runtime forgets it where nothing is summed
    g.node("Gemm", [x, b, c], alpha=g.choose([1.0, 0.5]), beta=beta, transA=trans_a, transB=trans_b)


_EQUATIONS = (
    *("ij,jk->ik", "bij,bjk->bik", "bij,bkj->bik", "i,j->ij", "ij->ji", "ii->i", "bij->bj", "ij,ij->"),
    *("...ij,jk->...ik", "abc,abd->cd", "bhid,bhjd->bhij"),
)


@family(since=12)
def einsum(g: Graph) -> None:
    equation = g.choose(_EQUATIONS)
    sizes = {letter: g.random.randint(1, 5) for letter in "abcdhijk"}
    lead = g.shape(0, 1)
    dtype = g.choose((F32, F64))

    def operand(term: str) -> Tensor:
        term = term.removeprefix("...") if (dots := term.startswith("...")) else term
        return g.new(dtype, (*(lead if dots else ()), *(sizes[letter] for letter in term)))

    g.node("Einsum", [operand(term) for term in equation.split("->")[0].split(",")], equation=equation)


def _window(g: Graph, sizes: Sequence[int], dilated: bool = True) -> dict[str, Any]:
    """Attributes of a window that fits a padded image."""
    rank = len(sizes)
    kernel = [g.random.randint(1, 3) for _ in sizes]
    dilations = [g.random.randint(1, 2) if dilated and g.chance(0.4) else 1 for _ in sizes]
    strides = [g.random.randint(1, 3) for _ in sizes]
    found: dict[str, Any] = {"kernel_shape": kernel}
    if g.chance(0.6):
        found["strides"] = strides
    if dilated and g.chance(0.5):
        found["dilations"] = dilations
    else:
        dilations = [1] * rank
    style = g.choose(["pads", "pads", "none", "SAME_UPPER", "SAME_LOWER", "VALID"])
    if style == "pads":
        found["pads"] = [g.random.randint(0, kernel[i % rank] - 1) for i in range(2 * rank)]
    elif style != "none":
        found["auto_pad"] = style
    for i in range(rank):
        padded = sizes[i] + sum(found.get("pads", [0] * 2 * rank)[i::rank])
        if padded < (kernel[i] - 1) * dilations[i] + 1:
            kernel[i] = 1
            if "pads" in found:
                found["pads"][i] = found["pads"][rank + i] = 0
    return found


def _image(g: Graph, channels: int, dtypes: Sequence[Any] = (F32, F32, F32, F64, F16), plain: bool = False) -> Tensor:
    """A batch of images; `plain` ones hold numbers alone."""
    rank = g.choose([1, 2, 2, 2, 3])
    images = [t for t in g.tensors if t.dtype in dtypes and t.rank == rank + 2 and t.array.size]
    found = [t for t in images if t.shape[1] == channels and not (plain and not np.isfinite(t.array).all())]
    if found and g.chance(0.7):
        return g.choose(found)
    sizes = [g.random.randint(1, 9 if rank < 3 else 5) for _ in range(rank)]
    return g.new(g.choose(dtypes), (g.random.randint(1, 2), channels, *sizes), 0.05, plain=plain)


@family(weight=3)
def conv(g: Graph) -> None:
    group = g.choose([1, 1, 1, 2, 3])
    x = _image(g, group * g.choose([1, 1, 2, 4, 8]))
    channels = group * g.choose([1, 1, 2, 5, 16])
    if g.chance(0.15):
        group = channels = x.shape[1]
    window = _window(g, x.shape[2:])
    # Whether a padded pixel is multiplied with a weight, which may be infinite, is left open.
    w = g.new(x.dtype, (channels, x.shape[1] // group, *window["kernel_shape"]), 0.8, plain=True)
    bias = g.new(x.dtype, (channels,), 0.9) if g.chance(0.5) else None
    g.node("Conv", [x, w, bias], group=group, **window)


@family()
def conv_transpose(g: Graph) -> None:
    group = g.choose([1, 1, 2])
    x = _image(g, group * g.choose([1, 2, 3]), (F32, F32, F64))
    window = _window(g, x.shape[2:])
    strides = window.get("strides", [1] * (x.rank - 2))
    if window.get("auto_pad"):
        window.pop("dilations", None)
        # ONNX Runtime makes the result smaller than asked for where strides are wider than windows.
        window["strides"] = [min(pair) for pair in zip(strides, window["kernel_shape"], strict=True)]
    w = g.new(x.dtype, (x.shape[1], g.random.randint(1, 3), *window["kernel_shape"]), 0.8, plain=True)
    if "pads" in window and g.chance(0.4):
        window["output_padding"] = [g.random.randint(0, s - 1) for s in strides]
    bias = g.new(x.dtype, (w.shape[1] * group,), 0.9) if g.chance(0.5) else None
    g.node("ConvTranspose", [x, w, bias], group=group, **window)


@family(since=12, weight=2)
def pool(g: Graph) -> None:
    kind = g.choose(["MaxPool", "MaxPool", "AveragePool", "LpPool"])
    # ONNX Runtime's largest of numbers and not-a-number is a number.
    x = _image(g, g.random.randint(1, 4), (F32, F32, F64) if kind != "LpPool" else (F32,), plain=True)
    dilated = kind == "MaxPool" or g.opset >= (19 if kind == "AveragePool" else 18)
    window = _window(g, x.shape[2:], dilated)
    if "auto_pad" in window:
        window.pop("dilations", None)  # which ONNX Runtime leaves out of the padding
        if g.symbols:
            window.pop("strides", None)  # with which it is the reference evaluator's word, and wrong
    if kind != "LpPool" or g.opset >= 18:
        window["ceil_mode"] = g.random.randint(0, 1) if "auto_pad" not in window else 0
    if kind == "AveragePool":
        window["count_include_pad"] = g.random.randint(0, 1)
    if kind == "LpPool":
        window["p"] = g.random.randint(1, 3)
    g.node(kind, [x], exact=kind == "MaxPool", **window)


@family()
def global_pool(g: Graph) -> None:
    kind = g.choose(["GlobalMaxPool", "GlobalAveragePool", "GlobalLpPool"])
    x = _image(g, g.random.randint(1, 4), (F32,), plain=True)
    g.node(kind, [x], exact=kind == "GlobalMaxPool")


@family(since=13)
def resize(g: Graph) -> None:
    x = _image(g, g.random.randint(1, 3), (F32,), plain=True)  # an infinity with a weight of 0 may be left out
    rank = x.rank - 2
    mode = g.choose(["nearest", "linear", "cubic"] if rank == 2 else ["nearest", "linear"])
    attributes: dict[str, Any] = {"mode": mode}
    attributes["coordinate_transformation_mode"] = g.choose(
        ["half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"]
    )
    if mode == "nearest":
        attributes["nearest_mode"] = g.choose(["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
    if mode == "cubic" and g.chance(0.5):
        attributes |= {"cubic_coeff_a": -0.5, "exclude_outside": g.random.randint(0, 1)}
    if g.chance(0.5):
        # ONNX and ONNX Runtime disagree on where the corners of an image of 3.6 pixels are.
        whole = attributes["coordinate_transformation_mode"] == "align_corners"
        scales = [1.0, 1.0, *(g.choose([1.0, 2.0, 3.0] if whole else [0.5, 0.6, 1.0, 2.0, 1.5]) for _ in range(rank))]
        g.node("Resize", [x, None, g.given(scales, F32, constant=1)], **attributes)
    else:
        sizes = [*x.shape[:2], *(g.random.randint(1, 9) for _ in range(rank))]
        g.node("Resize", [x, None, None, g.given(sizes, I64, constant=1)], **attributes)


@family(since=16, weight=0.5)
def grid_sample(g: Graph) -> None:
    sizes = [g.random.randint(1, most) for most in (2, 3, 6, 6)]
    x = g.new(F32, sizes, 0, plain=True)
    places = g.rng.uniform(-1.3, 1.3, (x.shape[0], *g.shape(2, 2), 2)).astype(np.float32)
    modes = ["linear", "nearest", "cubic"] if g.opset >= 20 else ["bilinear", "nearest", "bicubic"]
    attributes: dict[str, Any] = {"mode": g.choose(modes), "padding_mode": g.choose(["zeros", "border", "reflection"])}
    g.node(
        "GridSample",
        [x, g.given(places, constant=0.3, static=True)],
        align_corners=g.random.randint(0, 1),
        floor=16,
        **attributes,
    )


@family(since=10)
def integer_product(g: Graph) -> None:
    a = g.choose([U8, I8])
    b = g.choose([U8, I8]) if a == U8 else I8
    m, k, n = g.random.randint(1, 9), g.random.randint(1, 9), g.random.randint(1, 17)
    x = g.given(g.rng.integers(0, 100, (m, k)).astype(a), constant=0.1)
    w = g.given(g.rng.integers(0, 100, (k, n)).astype(b))
    zero_x = g.given(np.array(3, a), constant=0.9) if g.chance(0.6) else None
    zero_w = g.given(np.array(2, b), constant=0.9) if g.chance(0.4) else None
    if g.chance(0.6):
        g.node("MatMulInteger", [x, w, zero_x, zero_w], exact=True)
        return
    image = g.given(g.rng.integers(0, 100, (1, k, 5, 4)).astype(U8), constant=0.1)
    kernel = g.given(g.rng.integers(0, 50, (n, k, 2, 3)).astype(U8))
    g.node("ConvInteger", [image, kernel, g.given(np.array(4, U8))], exact=True, pads=[1, 0, 0, 1])


@family(since=13)
def quantize(g: Graph) -> None:
    x = g.operand(
        (F32,), low=1, high=3, exact=True, where=lambda t: bool(np.isfinite(t.array).all()) and 0 not in t.shape
    )
    target = g.choose([I8, U8])
    axis = g.axis(x.rank) if g.chance(0.4) else None
    shape = () if axis is None else (x.shape[axis],)
    scale = g.given(np.exp2(g.rng.integers(-4, 1, shape)).astype(np.float32))  # so that quotients are exact
    zero = g.given(g.rng.integers(0, 9, shape).astype(target)) if g.chance(0.8) else None
    (codes,) = g.node("QuantizeLinear", [x, scale, zero], exact=True, axis=axis)
    if g.chance(0.7):
        back = zero if codes.dtype == target else None
        g.node("DequantizeLinear", [codes, scale, back], axis=axis)


@family(since=14)
def recurrent(g: Graph) -> None:
    kind, gates = g.choose([("LSTM", 4), ("GRU", 3), ("RNN", 1)])
    direction = g.choose(["forward", "reverse", "bidirectional"])
    directions = 2 if direction == "bidirectional" else 1
    steps, batch, inputs, hidden = (g.random.randint(1, n) for n in (5, 3, 5, 7))

    def tensor(*shape: int, constant: float = 0.9) -> Tensor:
        # The number of hidden units is part of a kernel; beyond numbers ONNX Runtime's cells are approximations.
        return g.new(F32, shape, constant, static=True, plain=True)

    x = tensor(steps, batch, inputs, constant=0)
    w, r = tensor(directions, gates * hidden, inputs), tensor(directions, gates * hidden, hidden)
    b = tensor(directions, 2 * gates * hidden) if g.chance(0.6) else None
    lengths = g.given(g.rng.integers(1, steps + 1, batch), I32, constant=0.5) if g.chance(0.3) else None
    states = [tensor(directions, batch, hidden, constant=0.5) if g.chance(0.4) else None]
    if kind == "LSTM":
        states.append(tensor(directions, batch, hidden, constant=0.5) if g.chance(0.4) else None)
    attributes: dict[str, Any] = {"hidden_size": hidden, "direction": direction}
    if kind == "GRU":
        attributes["linear_before_reset"] = g.random.randint(0, 1)
    g.node(kind, [x, w, r, b, lengths, *states], 1 + len(states), **attributes)


@family(since=13)
def spelled_attention(g: Graph) -> None:
    """Scaled dot-product attention as exporters write it, of one tensor's three projections."""
    batch, length, heads, width = (g.random.randint(1, n) for n in (2, 9, 3, 8))
    dtype = g.choose((F32, F32, F16))
    x = g.new(dtype, (batch, length, heads * width), 0)

    def projected() -> Tensor:
        (product,) = g.node("MatMul", [x, g.new(dtype, (heads * width, heads * width), 1)])
        (split,) = g.node("Reshape", [product, g.constant([batch, length, heads, width], I64)], exact=True)
        (moved,) = g.node("Transpose", [split], exact=True, perm=[0, 2, 1, 3])
        return moved

    (keys,) = g.node("Transpose", [projected()], exact=True, perm=[0, 1, 3, 2])
    (scores,) = g.node("MatMul", [projected(), keys])
    (scores,) = g.node("Div", [scores, g.constant(np.array(width**0.5, dtype))])
    if g.chance(0.5):
        mask = np.where(g.rng.random((batch, 1, 1, length)) < 0.3, -1e4, 0).astype(dtype)
        (scores,) = g.node("Add", [scores, g.given(mask, constant=0.3)])
    (weights,) = g.node("Softmax", [scores], axis=-1)
    (mixed,) = g.node("MatMul", [weights, projected()])
    (rows,) = g.node("Transpose", [mixed], exact=True, perm=[0, 2, 1, 3])
    g.node("Reshape", [rows, g.constant([batch, length, heads * width], I64)], exact=True)


@family(since=23)
def attention(g: Graph) -> None:
    batch, queries, keys, heads, width = (g.random.randint(1, n) for n in (2, 6, 7, 4, 8))
    kv_heads = g.choose([n for n in range(1, heads + 1) if heads % n == 0])
    q, k, v = (g.new(F32, (batch, h, n, width), 0.1) for h, n in ((heads, queries), (kv_heads, keys), (kv_heads, keys)))
    mask = g.new(F32, (queries, keys), 0.5) if g.chance(0.4) else None
    g.node("Attention", [q, k, v, mask], is_causal=int(g.chance(0.4)), softcap=2.0 if g.chance(0.2) else None)
