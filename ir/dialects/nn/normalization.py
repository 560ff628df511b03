"""Normalizations: compound ops, recognized whole and spelled as reductions and element-wise ops before kernels form.

Statistics are taken in f32 or wider: narrow operands are cast first, the result is cast back last.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E, Index
from ...numpy_body import computing_type, convert, widen
from ...symbols import Dim
from ...types import TensorType, Type
from .arithmetic import Add, Mul, Sub
from .base import Array, Emit, NnOp, require_axis, require_same, scalar_type, shape, tensor_type
from .constants import Constant
from .elementwise import Cast, Exp, Log, Reciprocal, Rsqrt
from .reduction import Reduce
from .views import Reshape


def wide(value: Value, emit: Emit) -> Value:
    """`value` in the type that it is computed in."""
    dtype = computing_type(scalar_type(value))
    return value if dtype == scalar_type(value) else emit(Cast(value, dtype))


def narrow(value: Value, like: Value, emit: Emit) -> Value:
    """`value` in the element type of `like`."""
    dtype = scalar_type(like)
    return value if dtype == scalar_type(value) else emit(Cast(value, dtype))


def normalized(x: Value, axes: tuple[int, ...], epsilon: float, emit: Emit) -> Value:
    """(x - mean) / √(variance + epsilon) over `axes`; x is wide."""
    centered = emit(Sub(x, emit(Reduce(x, "mean", axes, True))))
    variance = emit(Reduce(emit(Mul(centered, centered)), "mean", axes, True))
    return emit(Mul(centered, emit(Rsqrt(_plus(variance, epsilon, emit)))))


def _plus(x: Value, number: float, emit: Emit) -> Value:
    return emit(Add(x, emit(Constant.of(number, scalar_type(x)))))


def affine(x: Value, scale: Value | None, bias: Value | None, emit: Emit) -> Value:
    """x scale + bias, whichever are there."""
    if scale is not None:
        x = emit(Mul(x, wide(scale, emit)))
    return x if bias is None else emit(Add(x, wide(bias, emit)))


def over_channels(value: Value, rank: int, emit: Emit) -> Value:
    """A vector [channels] as [channels, 1, …] that broadcasts to [batch, channels, …] of `rank`."""
    value = wide(value, emit)
    dims = (*shape(value), *(1,) * (rank - 2))
    return value if rank == 2 else emit(Reshape(value, result_types=[tensor_type(value).with_shape(dims)]))


def _standardize(x: Array, axes: tuple[int, ...], epsilon: float) -> Array:
    centered = x - x.mean(axes, keepdims=True)
    return centered / np.sqrt((centered * centered).mean(axes, keepdims=True) + np.asarray(epsilon, x.dtype))


def _columns(vector: Array, rank: int) -> Array:
    return widen(vector).reshape((-1,) + (1,) * (rank - 2))


class Compound(NnOp):
    """An op of floats that `decompose` spells in others; its result has the type of x."""

    x: Value
    has_loop_nest = False
    compound = True

    def infer(self) -> list[Type]:
        self.require(scalar_type(self.x).is_float, f"needs a floating-point operand, found {self.x.type}")
        return [self.x.type]


class Softmax(Compound, name="nn.softmax"):
    """exp(x) divided by its sum along `axis`. ONNX Softmax-13.

    Example: %y = "nn.softmax"(%x) {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    axis: int

    def infer(self) -> list[Type]:
        require_axis(self, self.axis, tensor_type(self.x).rank)
        return super().infer()

    def evaluate(self, x: Array) -> Array:
        shifted = widen(x)
        with np.errstate(invalid="ignore"):
            e = np.exp(shifted - shifted.max(self.axis, keepdims=True, initial=-np.inf))
            return (e / e.sum(self.axis, keepdims=True)).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        x = wide(self.x, emit)
        e = emit(Exp(emit(Sub(x, emit(Reduce(x, "max", (self.axis,), True))))))
        scale = emit(Reciprocal(emit(Reduce(e, "add", (self.axis,), True))))  # a division a row, not an element
        return narrow(emit(Mul(e, scale)), self.x, emit)


class LogSoftmax(Compound, name="nn.log_softmax"):
    """log(softmax(x)) along `axis`. ONNX LogSoftmax-13.

    Example: %y = "nn.log_softmax"(%x) {axis = 1 : i64} : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    axis: int

    def infer(self) -> list[Type]:
        require_axis(self, self.axis, tensor_type(self.x).rank)
        return super().infer()

    def evaluate(self, x: Array) -> Array:
        wide = widen(x)
        with np.errstate(invalid="ignore"):
            shifted = wide - wide.max(self.axis, keepdims=True, initial=-np.inf)
            return (shifted - np.log(np.exp(shifted).sum(self.axis, keepdims=True))).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        x = wide(self.x, emit)
        shifted = emit(Sub(x, emit(Reduce(x, "max", (self.axis,), True))))
        total = emit(Reduce(emit(Exp(shifted)), "add", (self.axis,), True))
        return narrow(emit(Sub(shifted, emit(Log(total)))), self.x, emit)


class LayerNorm(Compound, name="nn.layer_norm"):
    """(x - mean) / √(variance + epsilon) over the axes from `axis` on, times scale, plus bias. ONNX LayerNormalization.

    Example: %y = "nn.layer_norm"(%x, %scale, %bias) {axis = 1 : i64, epsilon = 1.0e-05 : f64,
        operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<2x3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    scale: Value | None = None
    bias: Value | None = None
    axis: int = 1
    epsilon: float = 1e-5

    def infer(self) -> list[Type]:
        require_axis(self, self.axis, tensor_type(self.x).rank)
        return super().infer()

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(self.axis, tensor_type(self.x).rank))

    def evaluate(self, x: Array, scale: Array | None = None, bias: Array | None = None) -> Array:
        y = _standardize(widen(x), self.axes, self.epsilon)
        y = y if scale is None else y * widen(scale)
        return (y if bias is None else y + widen(bias)).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        y = normalized(wide(self.x, emit), self.axes, self.epsilon, emit)
        return narrow(affine(y, self.scale, self.bias, emit), self.x, emit)


class RmsNorm(Compound, name="nn.rms_norm"):
    """x / √(mean of x² + epsilon) over the axes from `axis` on, times scale. ONNX RMSNormalization.

    Example: %y = "nn.rms_norm"(%x, %scale) {axis = 1 : i64, epsilon = 1.0e-06 : f64}
        : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    scale: Value | None = None
    axis: int = 1
    epsilon: float = 1e-5

    def infer(self) -> list[Type]:
        require_axis(self, self.axis, tensor_type(self.x).rank)
        return super().infer()

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(self.axis, tensor_type(self.x).rank))

    def evaluate(self, x: Array, scale: Array | None = None) -> Array:
        y = widen(x)
        y = y / np.sqrt((y * y).mean(self.axes, keepdims=True) + np.asarray(self.epsilon, y.dtype))
        return (y if scale is None else y * widen(scale)).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        x = wide(self.x, emit)
        square = emit(Reduce(emit(Mul(x, x)), "mean", self.axes, True))
        y = emit(Mul(x, emit(Rsqrt(_plus(square, self.epsilon, emit)))))
        return narrow(affine(y, self.scale, None, emit), self.x, emit)


class BatchNorm(Compound, name="nn.batch_norm"):
    """(x - mean) scale / √(variance + epsilon) + bias, with a number of each per channel (axis 1).
    ONNX BatchNormalization in inference.

    Example: %y = "nn.batch_norm"(%x, %scale, %bias, %mean, %variance) {epsilon = 1.0e-05 : f64}
        : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
    """

    scale: Value
    bias: Value
    mean: Value
    variance: Value
    epsilon: float = 1e-5

    def infer(self) -> list[Type]:
        type = tensor_type(self.x)
        self.require(type.rank >= 2, f"needs channels as axis 1, found {type}")
        for vector in self.operands[1:]:
            self.require(tensor_type(vector).rank == 1, f"needs a number for each channel, found {vector.type}")
            require_same(self, shape(vector)[0], type.dims[1], "numbers of channels")
        return super().infer()

    def evaluate(self, x: Array, scale: Array, bias: Array, mean: Array, variance: Array) -> Array:
        scale, bias, mean, variance = (_columns(v, x.ndim) for v in (scale, bias, mean, variance))
        factor = scale / np.sqrt(variance + np.asarray(self.epsilon, variance.dtype))
        return ((widen(x) - mean) * factor + bias).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        rank = tensor_type(self.x).rank
        inverse = emit(Rsqrt(_plus(wide(self.variance, emit), self.epsilon, emit)))
        factor = emit(Mul(wide(self.scale, emit), inverse))
        centered = emit(Sub(wide(self.x, emit), over_channels(self.mean, rank, emit)))
        y = emit(Mul(centered, over_channels(factor, rank, emit)))
        return narrow(emit(Add(y, over_channels(self.bias, rank, emit))), self.x, emit)


class InstanceNorm(Compound, name="nn.instance_norm"):
    """x of each sample and channel normalized over the other axes, times scale, plus bias. ONNX InstanceNormalization.

    Example: %y = "nn.instance_norm"(%x, %scale, %bias) {epsilon = 1.0e-05 : f64}
        : (tensor<2x3x4xf32>, tensor<3xf32>, tensor<3xf32>) -> tensor<2x3x4xf32>
    """

    scale: Value
    bias: Value
    epsilon: float = 1e-5

    def infer(self) -> list[Type]:
        self.require(tensor_type(self.x).rank >= 3, f"needs axes beyond batch and channels, found {self.x.type}")
        return super().infer()

    @property
    def axes(self) -> tuple[int, ...]:
        return tuple(range(2, tensor_type(self.x).rank))

    def evaluate(self, x: Array, scale: Array, bias: Array) -> Array:
        y = _standardize(widen(x), self.axes, self.epsilon)
        return (y * _columns(scale, x.ndim) + _columns(bias, x.ndim)).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        rank = tensor_type(self.x).rank
        y = normalized(wide(self.x, emit), self.axes, self.epsilon, emit)
        y = affine(y, over_channels(self.scale, rank, emit), over_channels(self.bias, rank, emit), emit)
        return narrow(y, self.x, emit)


class GroupNorm(Compound, name="nn.group_norm"):
    """x of each sample and group of channels normalized, times scale, plus bias a channel. ONNX GroupNormalization-21.

    Example: %y = "nn.group_norm"(%x, %scale, %bias) {groups = 2 : i64, epsilon = 1.0e-05 : f64}
        : (tensor<2x4x5xf32>, tensor<4xf32>, tensor<4xf32>) -> tensor<2x4x5xf32>
    """

    scale: Value
    bias: Value
    groups: int
    epsilon: float = 1e-5

    def infer(self) -> list[Type]:
        dims = shape(self.x)
        self.require(len(dims) >= 2, f"needs channels as axis 1, found {self.x.type}")
        whole = not isinstance(dims[1], int) or dims[1] % self.groups == 0
        self.require(whole, f"has {dims[1]} channels, no multiple of its {self.groups} groups")
        return super().infer()

    def evaluate(self, x: Array, scale: Array, bias: Array) -> Array:
        grouped = widen(x).reshape(x.shape[0], self.groups, -1) if x.size else widen(x)
        y = _standardize(grouped, (2,), self.epsilon).reshape(x.shape) if x.size else grouped
        return (y * _columns(scale, x.ndim) + _columns(bias, x.ndim)).astype(x.dtype)

    def decompose(self, emit: Emit) -> Value:
        x = wide(self.x, emit)
        type = tensor_type(x)
        members = symbols.floordiv(symbols.product(type.dims[1:]), self.groups)
        grouped = TensorType((type.dims[0], self.groups, members), type.dtype)
        y = normalized(emit(Reshape(x, result_types=[grouped])), (2,), self.epsilon, emit)
        y = emit(Reshape(y, result_types=[type]))
        scale, bias = (over_channels(v, type.rank, emit) for v in (self.scale, self.bias))
        return narrow(affine(y, scale, bias, emit), self.x, emit)


class Lrn(NnOp, name="nn.lrn"):
    """x / (bias + alpha / size · the sum of x² over `size` neighbouring channels) to the power beta. ONNX LRN.

    Example: %y = "nn.lrn"(%x) {size = 3 : i64, alpha = 1.0e-04 : f64, beta = 0.75 : f64, bias = 1.0 : f64}
        : (tensor<2x3x4xf32>) -> tensor<2x3x4xf32>
    """

    x: Value
    size: int
    alpha: float = 1e-4
    beta: float = 0.75
    bias: float = 1.0

    def infer(self) -> list[Type]:
        self.require(scalar_type(self.x).is_float, f"needs a floating-point operand, found {self.x.type}")
        self.require(tensor_type(self.x).rank >= 2, f"needs channels as axis 1, found {self.x.type}")
        return [self.x.type]

    def evaluate(self, x: Array) -> Array:
        y = widen(x)
        before = (self.size - 1) // 2
        padding = [(0, 0)] * x.ndim
        padding[1] = (before, self.size - 1 - before)
        squares = np.pad(y * y, padding)
        total = sum(squares[:, k : k + x.shape[1]] for k in range(self.size))
        scale = np.asarray(self.bias, y.dtype) + np.asarray(self.alpha / self.size, y.dtype) * total
        return convert(y / scale ** np.asarray(self.beta, y.dtype), scalar_type(self.x))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        dtype = scalar_type(self.x)
        batch, channel, *rest = index

        def square(at: Index) -> E:
            neighbour = body.read(self.x, (batch, channel + at[0] - (self.size - 1) // 2, *rest), 0)
            return body.apply("mul", neighbour, neighbour)

        total = body.reduce("add", (self.size,), square)
        scaled = body.apply("mul", total, body.constant(self.alpha / self.size, dtype))
        base = body.apply("add", scaled, body.constant(self.bias, dtype))
        power = body.apply("pow", base, body.constant(self.beta, dtype))
        return body.apply("div", body.read(self.x, index), power)
