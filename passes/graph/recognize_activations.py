"""Find activation functions that exporters spell out: sigmoid, silu, hard_sigmoid, hard_swish, softplus, mish."""

from __future__ import annotations

import math

from ...ir.core import Value
from ...ir.dialects import nn
from ..rewrite import PatternPass, Rewriter, pattern
from .match import either_way, number, plus, producer, times


@pattern(nn.Reciprocal)
def sigmoid(op: nn.Reciprocal, rw: Rewriter) -> None:
    """1 / (1 + exp(-x)) = sigmoid(x)"""
    exp = plus(op.x, 1)
    inner = None if exp is None else producer(exp, nn.Exp)
    negated = None if inner is None else producer(inner.x, nn.Neg)
    if negated is not None:
        rw.replace(op, nn.Sigmoid(negated.x), merging=[negated])


@pattern(nn.Mul)
def silu(op: nn.Mul, rw: Rewriter) -> None:
    """x · sigmoid(x) = silu(x)"""
    for x, gate in either_way(op):
        inner = producer(gate, nn.Sigmoid)
        if inner is not None and inner.x is x:
            rw.replace(op, nn.Silu(x), merging=[inner])
            return


@pattern(nn.Mul)
def hard_sigmoid(op: nn.Mul, rw: Rewriter) -> None:
    """clip(x + 3, 0, 6) / 6 = hard_sigmoid(x)"""
    if (clipped := times(op.result, 1 / 6)) is not None:
        _hard_sigmoid(op, clipped, rw)


@pattern(nn.Div)
def hard_sigmoid_by_division(op: nn.Div, rw: Rewriter) -> None:
    """clip(x + 3, 0, 6) / 6 = hard_sigmoid(x)"""
    if (clipped := times(op.result, 1 / 6)) is not None:
        _hard_sigmoid(op, clipped, rw)


def _hard_sigmoid(op: nn.Binary, clipped: Value, rw: Rewriter) -> None:
    clip = producer(clipped, nn.Clip)
    x = None if clip is None else plus(clip.x, 3)
    if clip is not None and x is not None and _bounds(clip) == (0, 6) and x.type == op.result.type:
        rw.replace(op, nn.HardSigmoid(x, 1 / 6, 0.5), merging=[clip])


def _bounds(clip: nn.Clip) -> tuple[object, object]:
    low, high = (None if bound is None else number(bound) for bound in (clip.low, clip.high))
    return low, high


@pattern(nn.Mul)
def hard_swish(op: nn.Mul, rw: Rewriter) -> None:
    """x · hard_sigmoid(x) with slope 1/6 = hard_swish(x)"""
    for x, gate in either_way(op):
        inner = producer(gate, nn.HardSigmoid)
        if inner is not None and inner.x is x and _is_sixth(inner):
            rw.replace(op, nn.HardSwish(x), merging=[inner])
            return


def _is_sixth(op: nn.HardSigmoid) -> bool:
    return math.isclose(op.alpha, 1 / 6, rel_tol=1e-6) and math.isclose(op.beta, 0.5, rel_tol=1e-6)


@pattern(nn.Mul, nn.Div)
def hard_swish_by_parts(op: nn.Mul | nn.Div, rw: Rewriter) -> None:
    """x · clip(x + 3, 0, 6) / 6 = hard_swish(x)"""
    product = times(op.result, 1 / 6)
    inner = None if product is None else producer(product, nn.Mul)
    if inner is None:
        return
    for x, gate in either_way(inner):
        clip = producer(gate, nn.Clip)
        if clip is not None and plus(clip.x, 3) is x and _bounds(clip) == (0, 6) and x.type == op.result.type:
            rw.replace(op, nn.HardSwish(x), merging=[clip, inner])
            return


@pattern(nn.Log)
def softplus(op: nn.Log, rw: Rewriter) -> None:
    """log(1 + exp(x)) = softplus(x), which does not overflow"""
    exp = plus(op.x, 1)
    inner = None if exp is None else producer(exp, nn.Exp)
    if inner is not None:
        rw.replace(op, nn.Softplus(inner.x), merging=[inner])


@pattern(nn.Mul)
def mish(op: nn.Mul, rw: Rewriter) -> None:
    """x · tanh(softplus(x)) = mish(x)"""
    for x, gate in either_way(op):
        tanh = producer(gate, nn.Tanh)
        inner = None if tanh is None else producer(tanh.x, nn.Softplus)
        if tanh is not None and inner is not None and inner.x is x:
            rw.replace(op, nn.Mish(x), merging=[inner, tanh])
            return


class RecognizeActivations(PatternPass):
    """Replace spelled-out activation functions by the ops that compute them in one accurate form.

        %0 = "nn.sigmoid"(%x) : (tensor<4xf32>) -> tensor<4xf32>
        %y = "nn.mul"(%x, %0) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>

    becomes

        %y = "nn.silu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    name = "recognize-activations"
    patterns = (
        sigmoid,
        silu,
        hard_sigmoid,
        hard_sigmoid_by_division,
        hard_swish,
        hard_swish_by_parts,
        softplus,
        mish,
    )
