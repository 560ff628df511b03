"""Make batch normalization part of the weights before it, or one product and one sum."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.declare import Op
from ...ir.dialects import nn
from ...ir.dialects.nn.base import Emit, scalar_type, tensor_type
from ...ir.dialects.nn.normalization import narrow, over_channels, wide
from ...ir.types import TensorType
from ..rewrite import PatternPass, Rewriter, pattern
from .match import producer


def _factor_and_shift(op: nn.BatchNorm, emit: Emit) -> tuple[Value, Value]:
    """f and s, [channels] of f32 or wider, with batch_norm(x) = x f + s."""
    variance = wide(op.variance, emit)
    epsilon = emit(nn.Constant.of(op.epsilon, scalar_type(variance)))
    factor = emit(nn.Mul(wide(op.scale, emit), emit(nn.Rsqrt(emit(nn.Add(variance, epsilon))))))
    shift = emit(nn.Sub(wide(op.bias, emit), emit(nn.Mul(wide(op.mean, emit), factor))))
    return factor, shift


def _is_constant(*values: Value | None) -> bool:
    return all(value is None or producer(value, nn.Constant) is not None for value in values)


def _is_folded(op: nn.BatchNorm, rw: Rewriter, *weights: Value | None) -> bool:
    """Whether scaled weights can take the place of `op`, of which nothing may be known only at run time."""
    if not op.x.has_one_use:
        rw.remark(op, "not folded into the weights before it: the result without normalization is read as well")
        return False
    if not _is_constant(*op.operands[1:], *weights):
        rw.remark(op, "not folded into the weights before it: they are not constants")
        return False
    return True


@pattern(nn.BatchNorm)
def batch_norm_of_conv(op: nn.BatchNorm, rw: Rewriter) -> None:
    """batch_norm(conv(x, w, b)) = conv(x, w f, b f + s)"""
    conv = producer(op.x, nn.Conv)
    if conv is None or not _is_folded(op, rw, conv.w, conv.bias):
        return

    def emit(part: Op) -> Value:
        return rw.insert(part).result

    factor, shift = _factor_and_shift(op, emit)
    type = tensor_type(conv.w)
    column = TensorType((type.dims[0], *(1,) * (type.rank - 1)), scalar_type(factor))
    scaled = emit(nn.Mul(wide(conv.w, emit), emit(nn.Reshape(factor, result_types=[column]))))
    bias = _scaled_bias(conv.bias, factor, shift, emit)
    new = nn.Conv(
        conv.x,
        narrow(scaled, conv.w, emit),
        conv.strides,
        conv.pads,
        conv.dilations,
        narrow(bias, conv.w, emit),
        conv.group,
        conv.to,
        conv.precision,
    )
    rw.replace(op, new, merging=[conv])


@pattern(nn.BatchNorm)
def batch_norm_of_matmul(op: nn.BatchNorm, rw: Rewriter) -> None:
    """batch_norm(a w + b) = a (w f) + (b f + s) for a matrix"""
    add = producer(op.x, nn.Add)
    product = op.x if add is None else add.a
    bias = None if add is None else add.b
    matmul = producer(product, nn.MatMul)
    if matmul is None or tensor_type(op.x).rank != 2 or tensor_type(matmul.b).rank != 2:
        return
    if bias is not None and (not product.has_one_use or tensor_type(bias).dims != tensor_type(op.scale).dims):
        return
    if not _is_folded(op, rw, matmul.b, bias):
        return

    def emit(part: Op) -> Value:
        return rw.insert(part).result

    factor, shift = _factor_and_shift(op, emit)
    if matmul.trans_b:
        column = tensor_type(factor).with_shape((*tensor_type(factor).dims, 1))
        spread = emit(nn.Reshape(factor, result_types=[column]))
    else:
        spread = factor
    weights = narrow(emit(nn.Mul(wide(matmul.b, emit), spread)), matmul.b, emit)
    total = narrow(_scaled_bias(bias, factor, shift, emit), op.x, emit)
    new = rw.insert(
        nn.MatMul(matmul.a, weights, matmul.trans_a, matmul.trans_b, to=matmul.to, precision=matmul.precision)
    )
    new.location = matmul.location
    rw.replace(op, nn.Add(new.result, total), merging=[matmul] if add is None else [matmul, add])


def _scaled_bias(bias: Value | None, factor: Value, shift: Value, emit: Emit) -> Value:
    if bias is None:
        return shift
    return emit(nn.Add(emit(nn.Mul(wide(bias, emit), factor)), shift))


@pattern(nn.BatchNorm)
def batch_norm_alone(op: nn.BatchNorm, rw: Rewriter) -> None:
    """batch_norm(x) = x f + s"""

    def emit(part: Op) -> Value:
        return rw.insert(part).result

    rank = tensor_type(op.x).rank
    factor, shift = _factor_and_shift(op, emit)
    scaled = emit(nn.Mul(wide(op.x, emit), over_channels(factor, rank, emit)))
    rw.replace(op, narrow(emit(nn.Add(scaled, over_channels(shift, rank, emit))), op.x, emit))


class FoldBatchNorm(PatternPass):
    """Scale the weights of the `conv` or `matmul` before a `batch_norm`, or make it a product and a sum.

        %0 = "nn.conv"(%x, %w) {…} : …
        %y = "nn.batch_norm"(%0, %scale, %bias, %mean, %variance) {epsilon = 1.0e-05 : f64} : …

    becomes a convolution whose weights and bias are computed from constants, for `fold-constants` to evaluate:

        %f = "nn.mul"(%scale, %rsqrt_of_variance) : …
        %1 = "nn.mul"(%w, %f_as_column) : …
        %y = "nn.conv"(%x, %1, %shift) {…} : …
    """

    name = "fold-batch-norm"
    patterns = (batch_norm_of_conv, batch_norm_of_matmul, batch_norm_alone)
