"""Swap average pooling and 1x1 convolutions where less is left to compute or to move."""

from __future__ import annotations

import math

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import shape, tensor_type
from ...ir.types import TensorType
from ..rewrite import PatternPass, Rewriter, pattern
from .match import producer


def _is_pointwise(conv: nn.Conv) -> bool:
    """Whether every pixel of the result is made of one pixel of the input, all of which are used."""
    return all(n == 1 for n in (*conv.kernel, *conv.strides)) and not any(conv.pads) and conv.group == 1


def _counts_padding(pool: nn.AvgPool) -> bool:
    """Whether zeros around the input take part in a mean."""
    return pool.count_include_pad and (any(pool.pads) or pool.ceil_mode)


def _pool_of(x: Value, like: nn.AvgPool) -> nn.AvgPool:
    return nn.AvgPool(x, like.kernel, like.strides, like.pads, like.dilations, like.ceil_mode, like.count_include_pad)


def _conv_of(x: Value, like: nn.Conv, bias: Value | None) -> nn.Conv:
    return nn.Conv(x, like.w, like.strides, like.pads, like.dilations, bias, like.group, like.to, like.precision)


@pattern(nn.AvgPool)
def pool_before_conv(op: nn.AvgPool, rw: Rewriter) -> None:
    """avg_pool(conv1x1(x)) = conv1x1(avg_pool(x)) where pooling leaves fewer pixels"""
    conv = producer(op.x, nn.Conv)
    if conv is None or not _is_pointwise(conv) or conv.to is not None:
        return
    if math.prod(op.strides) == 1:
        return
    if not op.x.has_one_use:
        rw.remark(op, "not moved before the convolution: others read its result too")
        return
    if conv.bias is not None and _counts_padding(op):
        rw.remark(op, "not moved before the convolution: its mean counts padding, which has no bias")
        return
    pooled = rw.insert(_pool_of(conv.x, op))
    rw.replace(op, _conv_of(pooled.result, conv, conv.bias), merging=[conv])


@pattern(nn.Conv)
def conv_before_pool(op: nn.Conv, rw: Rewriter) -> None:
    """conv1x1(avg_pool(x)) = avg_pool(conv1x1(x)) where the convolution leaves fewer channels to pool"""
    pool = producer(op.x, nn.AvgPool)
    if pool is None or not _is_pointwise(op) or op.to is not None or math.prod(pool.strides) != 1:
        return
    outputs, inputs = shape(op.w)[:2]
    if not isinstance(outputs, int) or not isinstance(inputs, int) or outputs > inputs:
        return
    if not op.x.has_one_use:
        rw.remark(op, "not moved before the pooling: others read that too")
        return
    # Where zeros count, those around x are also around the convolution without its bias.
    apart = op.bias is not None and _counts_padding(pool)
    done = rw.insert(_conv_of(pool.x, op, None if apart else op.bias))
    pooled = _pool_of(done.result, pool)
    if not apart:
        rw.replace(op, pooled, merging=[pool])
        return
    assert op.bias is not None
    mean = rw.insert(pooled)
    bias = rw.insert(nn.Reshape(op.bias, result_types=[_channels_first(op)]))
    rw.replace(op, nn.Add(mean.result, bias.result), merging=[pool])


def _channels_first(conv: nn.Conv) -> TensorType:
    """The type of a bias that is added to the result of `conv`."""
    assert conv.bias is not None
    type = tensor_type(conv.bias)
    return type.with_shape((*type.dims, *(1,) * conv.spatial_rank))


class MovePools(PatternPass):
    """Pool the smaller of the two tensors that a 1x1 convolution stands between: means and sums over channels commute.

    A pooling that leaves fewer pixels goes before the convolution, which then has less to compute (DenseNet's
    transitions). One that keeps all pixels goes behind a convolution with fewer outputs than inputs, where other
    convolutions of the same input may be joined with it (Inception). A bias stays out of means that count padding.

    Before:
        %0 = "nn.avg_pool"(%x) {kernel = array<i64: 3, 3>, …} : (tensor<1x192x35x35xf32>) -> …
        %1 = "nn.conv"(%0, %w, %b) {…} : (tensor<1x192x35x35xf32>, tensor<32x192x1x1xf32>, …) -> …
    After:
        %0 = "nn.conv"(%x, %w) {…} : (tensor<1x192x35x35xf32>, tensor<32x192x1x1xf32>) -> tensor<1x32x35x35xf32>
        %1 = "nn.avg_pool"(%0) {…} : (tensor<1x32x35x35xf32>) -> tensor<1x32x35x35xf32>
        %2 = "nn.add"(%1, %b_of_channels) : (tensor<1x32x35x35xf32>, tensor<32x1x1xf32>) -> …
    """

    name = "move-pools"
    patterns = (pool_before_conv, conv_before_pool)
