"""Operators of ONNX Runtime's own domain that its optimizer and its quantizer write into files."""

from __future__ import annotations

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import f32, i32, i64
from .attention import fused_projection
from .content import dims, scalar
from .contraction import matrix_product, padding, window
from .node import Node, normal_axis
from .quantization import dequantized, quantized
from .registry import UnsupportedError, legalize

DOMAIN = "com.microsoft"


@legalize("EmbedLayerNormalization", domain=DOMAIN)
def embed_layer_normalization(n: Node) -> list[Value | None]:
    """Inputs: ids, segments, tables of words, positions and segments, scale, bias, mask, positions.

    The second result is the number of ids that the mask keeps, the third the sum of the embeddings.
    """
    ids = n[0]
    batch, length = dims(ids)
    positions = n.cast(n[8], i64) if n.get(8) is not None else n.iota([1, length], 1)
    total = n(nn.Add(n(nn.Gather(n[2], ids)), n(nn.Gather(n[3], positions))))
    if n.get(1) is not None and n.get(4) is not None:
        total = n(nn.Add(total, n(nn.Gather(n[4], n[1]))))
    y = n(nn.LayerNorm(total, n[5], n[6], axis=2, epsilon=n.float("epsilon", 1e-12)))
    if (mask := n.get(7)) is None:
        kept = n.full(0, [batch], i32)
    else:
        kept = n.cast(n.reduce(n.cast(mask, i32), "add", [1]), i32)
    return [y, kept, total]


@legalize("QLinearConcat", domain=DOMAIN)
def qlinear_concat(n: Node) -> Value:
    """Inputs: scale and zero point of the result, then each tensor with its own."""
    parts = [dequantized(n, n[i], n[i + 1], n[i + 2]) for i in range(2, len(n), 3)]
    axis = normal_axis(n.int("axis"), len(dims(parts[0])))
    return quantized(n, n.concat(parts, axis), n[0], n[1], scalar(n[2]))


@legalize("QLinearAveragePool", domain=DOMAIN)
def qlinear_average_pool(n: Node) -> Value:
    x = dequantized(n, n[0], n[1], n.get(2))
    rank = len(dims(x))
    last = n.flag("channels_last")
    if last:
        x = n.transpose(x, [0, rank - 1, *range(1, rank - 1)])
    kernel = n.ints("kernel_shape") or ()
    strides, dilations = window(n, len(kernel))
    pads = padding(n, dims(x)[2:], kernel, strides, dilations)
    counts, ceil = n.flag("count_include_pad"), n.flag("ceil_mode")
    y = n(nn.AvgPool(x, kernel, strides, pads, dilations, ceil_mode=ceil, count_include_pad=counts))
    if last:
        y = n.transpose(y, [0, *range(2, rank), 1])
    return quantized(n, y, n[3], n.get(4), scalar(n[0]))


@legalize("QLinearSoftmax", domain=DOMAIN)
def qlinear_softmax(n: Node) -> Value:
    """Before operator set 13 over all dimensions from the axis on, as one."""
    x = dequantized(n, n[0], n[1], n.get(2))
    shape, axis = dims(x), n.axis(len(dims(x)), default=-1)
    if n.int("opset", 13) < 13 and axis < len(shape) - 1:
        rows, columns = symbols.product(shape[:axis]), symbols.product(shape[axis:])
        y = n.reshape(n(nn.Softmax(n.reshape(x, [rows, columns]), 1)), shape)
    else:
        y = n(nn.Softmax(x, axis))
    return quantized(n, y, n[3], n.get(4), scalar(n[0]))


@legalize("QLinearWhere", domain=DOMAIN)
def qlinear_where(n: Node) -> Value:
    a, b = dequantized(n, n[1], n[2], n[3]), dequantized(n, n[4], n[5], n[6])
    return quantized(n, n(nn.Where(n[0], a, b)), n[7], n[8], scalar(n[1]))


@legalize("QGemm", domain=DOMAIN)
def q_gemm(n: Node) -> Value:
    """Inputs: a and b with scale and zero point each, bias in steps of both scales, those of the result, if any."""
    trans_a, trans_b = n.flag("transA"), n.flag("transB")
    a = dequantized(n, n[0], n[1], n[2])
    b = dequantized(n, n[3], n[4], n[5], 0 if trans_b else 1)
    y = n(nn.MatMul(a, b, trans_a=trans_a, trans_b=trans_b))
    alpha = n.like(n.float("alpha", 1.0), y)
    if (bias := n.get(6)) is not None:
        step = n(nn.Mul(n.reshape(n[1], ()), n[4] if dims(n[4]) not in ((), (1,)) else n.reshape(n[4], ())))
        y = n(nn.Add(y, n(nn.Mul(n.cast(bias, f32), step))))
    y = n(nn.Mul(y, alpha))
    return y if n.get(7) is None else quantized(n, y, n[7], n.get(8), scalar(n[8]))


@legalize("QAttention", domain=DOMAIN)
def q_attention(n: Node) -> list[Value | None]:
    """Inputs: x, w, bias, their scales, mask, their zero points, past. Attention of what they stand for."""
    x = dequantized(n, n[0], n[3], n.get(6))
    product = n(nn.MatMul(x, dequantized(n, n[1], n[4], n.get(7), 1)))
    if n.flag("do_rotary"):
        raise UnsupportedError("the rotation of positions")
    return fused_projection(n, n(nn.Add(product, n[2])), mask=n.get(5), past=n.get(8))


@legalize("MatMulNBits", domain=DOMAIN)
def matmul_n_bits(n: Node) -> Value:
    """Inputs: a, weights [n, blocks, bytes] of some bits each, scales, zero points, groups, bias."""
    bits, block = n.int("bits", 4), n.int("block_size", 32)
    inner, columns = n.int("K"), n.int("N")
    if bits not in (2, 4, 8) or n.get(4) is not None:
        raise UnsupportedError(f"weights of {bits} bits" if bits not in (2, 4, 8) else "weights in groups of any order")
    blocks = -(-inner // block)
    weights = _unpacked(n, n.reshape(n[1], [columns, blocks, block * bits // 8]), bits)
    scales = n.reshape(n[2], [columns, blocks, 1])
    zero = _zero_points(n, n.get(3), bits, columns, blocks)
    wide = n(nn.Mul(n(nn.Sub(n.cast(weights, f32), zero)), n.cast(scales, f32)))
    table = n.narrow(n.reshape(wide, [columns, blocks * block]), 1, 0, inner)
    y = matrix_product(n, n.cast(n[0], f32), n.transpose(table, [1, 0]))
    if (bias := n.get(5)) is not None:
        y = n(nn.Add(y, n.cast(bias, f32)))
    return n.cast(y, scalar(n[0]))


def _unpacked(n: Node, x: Value, bits: int) -> Value:
    """The numbers of `bits` bits in bytes, the lowest first: [.., bytes] to [.., bytes * 8 / bits]."""
    if bits == 8:
        return x
    count = 8 // bits
    parts = [n(nn.ShiftRight(x, n.like(bits * i, x))) if i else x for i in range(count)]
    masked = [n.unsqueeze(n(nn.And(part, n.like(2**bits - 1, part))), [len(dims(x))]) for part in parts]
    return n.reshape(n.concat(masked, len(dims(x))), [*dims(x)[:-1], symbols.mul(dims(x)[-1], count)])


def _zero_points(n: Node, zero: Value | None, bits: int, columns: int, blocks: int) -> Value:
    """[columns, blocks, 1] of f32; in the middle of the range where there are none."""
    if zero is None:
        return n.constant(2.0 ** (bits - 1), f32)
    if not scalar(zero).is_integer:
        return n.cast(n.reshape(zero, [columns, blocks, 1]), f32)
    width = -(-blocks * bits // 8)
    numbers = _unpacked(n, n.reshape(zero, [columns, width]), bits)
    return n.cast(n.unsqueeze(n.narrow(numbers, 1, 0, blocks), [2]), f32)
