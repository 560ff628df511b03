"""Find layer normalization and its variant by the root mean square."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ..base import Pass, PassContext
from ..rewrite import Rewriter, apply_patterns, pattern
from .match import either_way, number, operand_with, power, producer


class RecognizeLayerNorm(Pass):
    """Replace (x - mean) / √(variance + ε) · scale + bias by `nn.layer_norm`, and x / √(mean of x² + ε) · scale by
    `nn.rms_norm`.

        %0 = "nn.mul"(%x, %x) : …
        %1 = "nn.reduce"(%0) {kind = "mean", axes = array<i64: 2>, keep_dims = true} : …
        %2 = "nn.add"(%1, %epsilon) : …
        %3 = "nn.rsqrt"(%2) : …
        %4 = "nn.mul"(%x, %3) : …
        %y = "nn.mul"(%4, %scale) : …

    becomes

        %y = "nn.rms_norm"(%x, %scale) {axis = 2 : i64, epsilon = 1.0e-06 : f64} : …
    """

    name = "recognize-layer-norm"

    def run(self, module: Module, context: PassContext) -> None:
        apply_patterns(module, [normalized_by_division, normalized_by_product, scale_of_norm, bias_of_norm], context)


@dataclass(frozen=True)
class _Statistic:
    """mean(of²) + epsilon over the axes from `axis` on."""

    of: Value
    axis: int
    epsilon: float
    ops: tuple[Operation, ...]


def _mean(value: Value) -> nn.Reduce | None:
    """The op that takes the mean over the last axes and keeps them."""
    op = producer(value, nn.Reduce)
    if op is None or op.kind != "mean" or not op.keep_dims or not op.axes:
        return None
    rank = tensor_type(op.x).rank
    return op if sorted(op.axes) == list(range(min(op.axes), rank)) else None


def _statistic(value: Value) -> _Statistic | None:
    add = producer(value, nn.Add)
    found = operand_with(add, number)
    if add is None or found is None:
        return None
    epsilon, variance = found
    mean = _mean(variance)
    squared = None if mean is None else power(mean.x, 2)
    if mean is None or squared is None:
        return None
    return _Statistic(squared, min(mean.axes), float(epsilon), (mean, add))


@pattern(nn.Div)
def normalized_by_division(op: nn.Div, rw: Rewriter) -> None:
    """x / √(mean(x²) + ε) = rms_norm(x)"""
    root = producer(op.b, nn.Sqrt)
    if root is not None and (statistic := _statistic(root.x)) is not None:
        _normalize(op, op.a, statistic, rw)


@pattern(nn.Mul)
def normalized_by_product(op: nn.Mul, rw: Rewriter) -> None:
    """x · rsqrt(mean(x²) + ε) = rms_norm(x), and layer_norm where x is centered"""
    for x, factor in either_way(op):
        root = producer(factor, nn.Rsqrt)
        if root is not None and (statistic := _statistic(root.x)) is not None:
            _normalize(op, x, statistic, rw)
            return


def _normalize(op: nn.Binary, x: Value, statistic: _Statistic, rw: Rewriter) -> None:
    if statistic.of is not x or x.type != op.result.type:
        rw.remark(op, "no normalization: what is divided is not what the mean of squares is of")
        return
    axis, epsilon = statistic.axis, statistic.epsilon
    centered = producer(x, nn.Sub)
    mean = None if centered is None else _mean(centered.b)
    if centered is not None and mean is not None and mean.x is centered.a and min(mean.axes) == axis:
        new = nn.LayerNorm(centered.a, axis=axis, epsilon=epsilon)
        rw.replace(op, new, merging=[mean, centered, *statistic.ops])
    else:
        rw.replace(op, nn.RmsNorm(x, axis=axis, epsilon=epsilon), merging=statistic.ops)


@pattern(nn.Mul)
def scale_of_norm(op: nn.Mul, rw: Rewriter) -> None:
    """norm(x) · scale = norm(x, scale)"""
    for y, scale in either_way(op):
        norm = y.owner
        if not isinstance(norm, nn.LayerNorm | nn.RmsNorm) or norm.scale is not None or not y.has_one_use:
            continue
        if isinstance(norm, nn.LayerNorm) and norm.bias is not None:
            continue
        if (vector := _over_normalized_axes(scale, norm, rw)) is not None:
            new = type(norm)(norm.x, vector, axis=norm.axis, epsilon=norm.epsilon)
            rw.replace(op, new, merging=[norm])
            return


@pattern(nn.Add)
def bias_of_norm(op: nn.Add, rw: Rewriter) -> None:
    """layer_norm(x, scale) + bias = layer_norm(x, scale, bias)"""
    for y, bias in either_way(op):
        norm = producer(y, nn.LayerNorm)
        if norm is None or norm.bias is not None or not y.has_one_use:
            continue
        if (vector := _over_normalized_axes(bias, norm, rw)) is not None:
            rw.replace(op, nn.LayerNorm(norm.x, norm.scale, vector, norm.axis, norm.epsilon), merging=[norm])
            return


def _over_normalized_axes(value: Value, norm: nn.LayerNorm | nn.RmsNorm, rw: Rewriter) -> Value | None:
    """`value` without leading ones, if it has a number for each place along the normalized axes."""
    type, wanted = tensor_type(value), tensor_type(norm.x).dims[norm.axis :]
    leading = type.rank - len(wanted)
    if leading < 0 or type.dims[leading:] != wanted or any(dim != 1 for dim in type.dims[:leading]):
        return None
    if leading == 0:
        return value
    if type.rank > tensor_type(norm.x).rank:
        return None
    return rw.insert(nn.Reshape(value, result_types=[type.with_shape(wanted)])).result
