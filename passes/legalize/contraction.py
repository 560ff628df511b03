"""Matrix products and convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim, add, ceildiv, mul
from ...ir.types import i32
from .content import dims
from .node import Node
from .registry import UnsupportedError, legalize


@legalize("MatMul")
def matmul(n: Node) -> Value:
    return matrix_product(n, n[0], n[1])


def matrix_product(n: Node, a: Value, b: Value) -> Value:
    """NumPy's matmul: an operand of rank 1 is a row or a column, whose dimension the result lacks."""
    row, column = len(dims(a)) == 1, len(dims(b)) == 1
    a = n.unsqueeze(a, [0]) if row else a
    b = n.unsqueeze(b, [1]) if column else b
    y = n(nn.MatMul(a, b))
    rank = len(dims(y))
    gone = [rank - 2] * row + [rank - 1] * column
    return n.squeeze(y, gone)


@legalize("Gemm")
def gemm(n: Node) -> Value:
    """alpha * a @ b + beta * c"""
    y = n(nn.MatMul(n[0], n[1], trans_a=n.flag("transA"), trans_b=n.flag("transB")))
    alpha, beta = n.float("alpha", 1.0), n.float("beta", 1.0)
    y = _scaled(n, y, alpha)
    if (c := n.get(2)) is None or beta == 0.0:
        return y
    return n(nn.Add(y, _scaled(n, c, beta)))


def _scaled(n: Node, x: Value, factor: float) -> Value:
    return x if factor == 1.0 else n(nn.Mul(x, n.like(factor, x)))


@legalize("FusedMatMul", "TransposeMatMul", domain="com.microsoft")
def fused_matmul(n: Node) -> Value:
    if n.flag("transBatchA") or n.flag("transBatchB"):
        raise UnsupportedError("transposed batches")
    a, b = n[0], n[1]
    trans_a, trans_b = n.flag("transA") and len(dims(a)) > 1, n.flag("transB") and len(dims(b)) > 1
    if len(dims(a)) == 1 or len(dims(b)) == 1:
        return _scaled(n, matrix_product(n, a, b), n.float("alpha", 1.0))
    return _scaled(n, n(nn.MatMul(a, b, trans_a=trans_a, trans_b=trans_b)), n.float("alpha", 1.0))


@legalize("MatMulInteger")
def matmul_integer(n: Node) -> Value:
    """(a - a_zero_point) @ (b - b_zero_point) in i32; a's zero point is one a row, b's one a column."""
    a, b = (n.cast(x, i32) for x in (n[0], n[1]))
    if (zero := n.get(2)) is not None:
        zero = n.cast(zero, i32)
        a = n(nn.Sub(a, n.unsqueeze(zero, [len(dims(zero))]) if dims(zero) else zero))
    if (zero := n.get(3)) is not None:
        zero = n.cast(zero, i32)
        b = n(nn.Sub(b, n.unsqueeze(zero, [len(dims(zero)) - 1]) if len(dims(zero)) > 1 else zero))
    return matrix_product(n, a, b)


@legalize("Conv")
def conv(n: Node) -> Value:
    x, w = n[0], n[1]
    kernel = [n.static(w, axis, "the kernel's size") for axis in range(2, len(dims(w)))]
    strides, dilations = window(n, len(kernel))
    pads = padding(n, dims(x)[2:], kernel, strides, dilations)
    return n(nn.Conv(x, w, bias=n.get(2), strides=strides, pads=pads, dilations=dilations, group=n.int("group", 1)))


def window(n: Node, rank: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Strides and dilations, 1 where they are not given."""
    strides, dilations = n.ints("strides") or (1,) * rank, n.ints("dilations") or (1,) * rank
    for name, values in (("strides", strides), ("dilations", dilations)):
        n.require(len(values) == rank and min(values, default=1) > 0, f"{name} {values}; expected {rank} positive ones")
    return strides, dilations


def padding(
    n: Node, sizes: Sequence[Dim], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]
) -> tuple[int, ...]:
    """Explicit pads (all before, then all after), or those that `auto_pad` implies."""
    mode = n.choice("auto_pad", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID")
    if mode == "NOTSET":
        return n.ints("pads") or (0,) * (2 * len(kernel))
    if mode == "VALID":
        return (0,) * (2 * len(kernel))
    totals = [_same_padding(*axis) for axis in zip(sizes, kernel, strides, dilations, strict=True)]
    small, large = [t // 2 for t in totals], [t - t // 2 for t in totals]
    return tuple(small + large if mode == "SAME_UPPER" else large + small)


def _same_padding(size: Dim, kernel: int, stride: int, dilation: int) -> int:
    """The padding that makes ceil(size / stride) results."""
    covered = add(mul(add(ceildiv(size, stride), -1), stride), (kernel - 1) * dilation + 1)
    total = add(covered, mul(size, -1))
    if not isinstance(total, int):
        raise UnsupportedError(f"'auto_pad' over the size '{size}', which is only known at run time")
    return max(total, 0)


@legalize("ConvInteger")
def conv_integer(n: Node) -> Value:
    x, w = (n.cast(v, i32) for v in (n[0], n[1]))
    if (zero := n.get(2)) is not None:
        x = n(nn.Sub(x, n.cast(zero, i32)))
    if (zero := n.get(3)) is not None:
        zero = n.cast(zero, i32)
        per_channel = len(dims(zero)) == 1 and dims(zero) != (1,)
        shaped = [*dims(zero), *[1] * (len(dims(w)) - 1)] if per_channel else [1] * len(dims(zero))
        w = n(nn.Sub(w, n.reshape(zero, shaped)))
    kernel = [n.static(w, axis, "the kernel's size") for axis in range(2, len(dims(w)))]
    strides, dilations = window(n, len(kernel))
    pads = padding(n, dims(x)[2:], kernel, strides, dilations)
    return n(nn.Conv(x, w, strides=strides, pads=pads, dilations=dilations, group=n.int("group", 1)))


@legalize("ConvTranspose")
def conv_transpose(n: Node) -> Value:
    x, w = n[0], n[1]
    kernel = [n.static(w, axis, "the kernel's size") for axis in range(2, len(dims(w)))]
    strides, dilations = window(n, len(kernel))
    extra = n.ints("output_padding") or (0,) * len(kernel)
    pads, extra = _transposed_padding(n, dims(x)[2:], kernel, strides, dilations, extra)
    fields: dict[str, Any] = {
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "output_pads": extra,
        "group": n.int("group", 1),
    }
    return n(nn.ConvTranspose(x, w, bias=n.get(2), **fields))


def _transposed_padding(
    n: Node,
    sizes: Sequence[Dim],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    extra: Sequence[int],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Pads and output pads; a wanted shape beyond what the strides reach is padded at the end."""
    shape, mode = n.ints("output_shape"), n.str("auto_pad", "NOTSET")
    if shape is None and mode in ("NOTSET", "VALID"):
        return n.ints("pads") or (0,) * (2 * len(kernel)), tuple(extra)
    totals: list[int] = []
    for i, (size, k, s, d, e) in enumerate(zip(sizes, kernel, strides, dilations, extra, strict=True)):
        wanted = mul(size, s) if shape is None else shape[i - len(kernel)]
        total = add(add(mul(add(size, -1), s), e + (k - 1) * d + 1), mul(wanted, -1))
        if not isinstance(total, int):
            raise UnsupportedError(
                f"'{'auto_pad' if shape is None else 'output_shape'}' over a size known only at run time"
            )
        totals.append(total)
    extra = [e + max(-t, 0) for e, t in zip(extra, totals, strict=True)]
    small, large = [max(t, 0) // 2 for t in totals], [max(t, 0) - max(t, 0) // 2 for t in totals]
    return tuple(small + large if mode == "SAME_UPPER" else large + small), tuple(extra)


@legalize("FusedConv", domain="com.microsoft")
def fused_conv(n: Node) -> Value:
    """Convolution, bias, residual (the fourth input) and activation."""
    y = conv(n)
    if (residual := n.get(3)) is not None:
        y = n(nn.Add(y, residual))
    activation, parameters = n.str("activation"), list(n.floats("activation_params") or ())
    match activation:
        case "":
            return y
        case "Relu":
            return n(nn.Relu(y))
        case "Sigmoid":
            return n(nn.Sigmoid(y))
        case "Tanh":
            return n(nn.Tanh(y))
        case "LeakyRelu":
            return n(nn.LeakyRelu(y, alpha=parameters[0]))
        case "Clip":
            return n(nn.Clip(y, n.like(parameters[0], y), n.like(parameters[1], y)))
        case "HardSigmoid":
            return n(nn.HardSigmoid(y, alpha=parameters[0], beta=parameters[1]))
        case _:
            raise UnsupportedError(f"activation '{activation}'")


@legalize("FusedGemm", domain="com.microsoft")
def fused_gemm(n: Node) -> Value:
    if n.str("activation") not in ("", "Relu"):
        raise UnsupportedError(f"activation '{n.str('activation')}'")
    y = gemm(n)
    return n(nn.Relu(y)) if n.str("activation") == "Relu" else y


@legalize("NhwcConv", domain="com.microsoft")
def nhwc_conv(n: Node) -> Value:
    """x and y have the channels last; w is as Conv's."""
    rank = len(dims(n[0]))
    x = n.transpose(n[0], [0, rank - 1, *range(1, rank - 1)])
    kernel = [n.static(n[1], axis, "the kernel's size") for axis in range(2, rank)]
    strides, dilations = window(n, len(kernel))
    pads = padding(n, dims(x)[2:], kernel, strides, dilations)
    group = n.int("group", 1)
    y = n(nn.Conv(x, n[1], bias=n.get(2), strides=strides, pads=pads, dilations=dilations, group=group))
    return n.transpose(y, [0, *range(2, rank), 1])
