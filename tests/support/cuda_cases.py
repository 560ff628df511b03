"""Small networks for the strategies of CUDA on awkward shapes: modules, inputs, and what they compute in float64."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelwright.ir import target as targets
from kernelwright.ir.attributes import DenseAttr, DictAttr, StringAttr
from kernelwright.ir.core import Value
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.types import SCALARS, TensorType

# Attributes are passed as plain strings here, which the checker would not take for the literals they are.
nn: Any = dialect
Build = Callable[["Network"], Value]


class Network:
    """`main` under construction: inputs and weights are random numbers that `rounded` holds exactly."""

    def __init__(self, name: str, dtype: str, rounded: str) -> None:
        self.rng = np.random.default_rng(zlib.crc32(name.encode()))
        self.dtype, self.rounded = SCALARS[dtype], SCALARS[rounded]
        self.main = function("main", [])
        self.inputs: dict[str, np.ndarray] = {}
        self.arrays: dict[Value, np.ndarray] = {}

    def random(self, shape: Sequence[int], scale: float = 1.0) -> np.ndarray:
        values = self.rng.standard_normal(tuple(shape)) * scale
        return values.astype(self.rounded.numpy).astype(self.dtype.numpy)

    def input(self, *shape: int) -> Value:
        name = f"x{len(self.inputs)}"
        self.inputs[name] = self.random(shape)
        value = self.main.block.add_argument(TensorType(shape, self.dtype), name)
        self.arrays[value] = self.inputs[name]
        return value

    def weight(self, *shape: int) -> Value:
        """A constant whose products with unit variance have unit variance, the last dims being added over."""
        scale = float(np.prod(shape[1:])) ** -0.5 if len(shape) > 1 else 1.0
        return self.add(nn.Constant(DenseAttr(self.random(shape, scale))))

    def add(self, op: Any) -> Value:
        return self.main.block.append(op).results[0]

    def evaluate(self) -> np.ndarray:
        """What `main` returns."""
        values: dict[Value, Any] = dict(self.arrays)
        for op in self.main.block:
            if isinstance(op, dialect.NnOp):
                (values[op.results[0]],) = op.interpret([values[v] for v in op.operands], {})
        (returned,) = self.main.block.terminator.operands
        return values[returned]


@dataclass(frozen=True)
class CudaCase:
    """A network, the tactic of one of its kernels, and the relative error in norm that its precision allows."""

    name: str
    build: Build
    tactic: str
    dtype: str = "f16"
    tolerance: float = 2e-3

    def __str__(self) -> str:
        return self.name

    def expected(self) -> np.ndarray:
        """The result in float64."""
        return self.network("f64").evaluate()

    def network(self, dtype: str | None = None) -> Network:
        """The network in its own type, or the same numbers in another."""
        network = Network(self.name, dtype or self.dtype, self.dtype)
        result = self.build(network)
        network.main.block.append(Return((result,)))
        names = tuple(DictAttr.of({"kw.name": StringAttr(name)}) for name in network.inputs)
        network.main.arg_attrs = names
        network.main.res_attrs = (DictAttr.of({"kw.name": StringAttr("y")}),)
        network.main.update_type()
        return network

    def module(self, network: Network, target: str = "cuda:h200") -> Module:
        module = Module.empty("case")
        targets.builtin(target).attach(module)
        module.attributes["kw.phase"] = StringAttr("legalize")
        module.block.append(network.main)
        return module


def gemm(m: int, n: int, k: int, *, batch: tuple[int, ...] = (), shared: bool = False, **attributes: Any) -> Build:
    """relu(a @ b + bias) + residual; `shared`: one b for all batches."""

    def build(net: Network) -> Value:
        a = (*batch, k, m) if attributes.get("trans_a") else (*batch, m, k)
        b = (n, k) if attributes.get("trans_b") else (k, n)
        b = b if shared else (*batch, *b)
        product = net.add(nn.MatMul(net.input(*a), net.input(*b), **attributes))
        scaled = net.add(nn.Relu(net.add(nn.Add(product, net.weight(n)))))
        return net.add(nn.Add(scaled, net.input(*batch, m, n)))

    return build


def scores(batch: int, length: int, heads: int, width: int) -> Build:
    """q kᵀ of every head, queries and keys being slices of one tensor [batch, length, 3 · heads · width]."""

    def build(net: Network) -> Value:
        joined = net.input(batch, length, 3 * heads * width)
        q, k = (_heads(net, joined, part, heads, width) for part in (0, 1))
        return net.add(nn.MatMul(q, k, trans_b=True))

    return build


def weighted_values(batch: int, length: int, heads: int, width: int) -> Build:
    """relu(weights · values) of every head in [batch, length, heads · width], values being a slice as in `scores`."""

    def build(net: Network) -> Value:
        joined = net.input(batch, length, 3 * heads * width)
        values = _heads(net, joined, 2, heads, width)
        product = net.add(nn.Relu(net.add(nn.MatMul(net.input(batch, heads, length, length), values))))
        rows = net.add(nn.Transpose(product, (0, 2, 1, 3)))
        result = TensorType((batch, length, heads * width), net.dtype)
        return net.add(nn.Reshape(rows, result_types=[result]))

    return build


def attention(
    batch: int, length: int, heads: int, width: int, *, keys: int = 0, groups: int = 0, **attributes: Any
) -> Build:
    """Attention in [batch, length, heads · width]: of slices of one tensor as in `scores`, or of own `keys`."""

    def build(net: Network) -> Value:
        if keys:
            sizes = [(heads, length), *[(groups or heads, keys)] * 2]
            parts = [net.input(batch, count, rows, width) for count, rows in sizes]
        else:
            joined = net.input(batch, length, 3 * heads * width)
            parts = [_heads(net, joined, part, heads, width) for part in range(3)]
        rows = net.add(nn.Transpose(net.add(nn.Attention(*parts, **attributes)), (0, 2, 1, 3)))
        return net.add(nn.Reshape(rows, result_types=[TensorType((batch, length, heads * width), net.dtype)]))

    return build


def _heads(net: Network, joined: Value, part: int, heads: int, width: int) -> Value:
    batch, length, _ = joined.type.dims  # type: ignore[attr-defined]
    first = part * heads * width
    part_of = net.add(nn.Slice(joined, (0, 0, first), (batch, length, first + heads * width), (1, 1, 1)))
    split = net.add(nn.Reshape(part_of, result_types=[TensorType((batch, length, heads, width), net.dtype)]))
    return net.add(nn.Transpose(split, (0, 2, 1, 3)))


def conv(n: int, c: int, size: tuple[int, int], m: int, k: int, *, stride: int = 1, pad: int = 0, dilation: int = 1,
         group: int = 1, precision: str = "ieee") -> Build:  # fmt: skip
    """relu(conv(x, w, bias) + residual)."""

    def build(net: Network) -> Value:
        x, w, bias = net.input(n, c, *size), net.weight(m, c // group, k, k), net.weight(m)
        y = net.add(nn.Conv(x, w, (stride,) * 2, (pad,) * 4, (dilation,) * 2, bias, group, precision=precision))
        return net.add(nn.Relu(net.add(nn.Add(y, net.input(*y.type.dims)))))  # type: ignore[attr-defined]

    return build


def normalized_conv(n: int, c: int, size: tuple[int, int], m: int, *, stride: int = 1, gated: bool = False) -> Build:
    """conv1x1(relu(x * scale + shift), w) + residual; `gated`: every image has a scale of its own."""

    def build(net: Network) -> Value:
        scale = net.input(n, c, 1, 1) if gated else net.weight(c, 1, 1)
        scaled = net.add(nn.Add(net.add(nn.Mul(net.input(n, c, *size), scale)), net.weight(c, 1, 1)))
        y = net.add(nn.Conv(net.add(nn.Relu(scaled)), net.weight(m, c, 1, 1), (stride,) * 2, (0,) * 4, (1, 1)))
        return net.add(nn.Add(y, net.input(*y.type.dims)))  # type: ignore[attr-defined]

    return build


def gate(n: int, c: int, size: tuple[int, int], squeezed: int) -> Build:
    """x * hard_sigmoid(excite(relu(squeeze(mean of x)))): a block's gate, as MobileNetV3 has it."""

    def build(net: Network) -> Value:
        x = net.input(n, c, *size)
        mean = net.add(nn.Reduce(x, "mean", (2, 3), keep_dims=True))
        one = ((1, 1), (0,) * 4, (1, 1))
        hidden = net.add(nn.Relu(net.add(nn.Conv(mean, net.weight(squeezed, c, 1, 1), *one, net.weight(squeezed)))))
        raised = net.add(nn.Conv(hidden, net.weight(c, squeezed, 1, 1), *one, net.weight(c)))
        return net.add(nn.Mul(x, net.add(nn.HardSigmoid(raised))))

    return build


def perceptron(rows: int, *widths: int) -> Build:
    """Products by weights that are not turned, with an activation between."""

    def build(net: Network) -> Value:
        x = net.input(rows, widths[0])
        for before, after in itertools.pairwise(widths):
            x = net.add(nn.Tanh(net.add(nn.MatMul(x, net.weight(before, after)))))
        return x

    return build


def normalized_convs(n: int, c: int, size: tuple[int, int], m: int, *, stride: int = 1, gated: bool = False,
                     precision: str = "ieee") -> Build:  # fmt: skip
    """The means of conv1x1(relu(y * scale + shift), w) + conv1x1(y), y = conv3x3(x) with its channels last."""

    def build(net: Network) -> Value:
        x = net.input(n, 5, *size)
        y = net.add(nn.Conv(x, net.weight(c, 5, 3, 3), (1, 1), (1,) * 4, (1, 1), net.weight(c), precision=precision))
        scale = net.input(n, c, 1, 1) if gated else net.weight(c, 1, 1)
        scaled = net.add(nn.Relu(net.add(nn.Add(net.add(nn.Mul(y, scale)), net.weight(c, 1, 1)))))
        one = ((stride,) * 2, (0,) * 4, (1, 1))
        z = net.add(nn.Conv(scaled, net.weight(m, c, 1, 1), *one, net.weight(m), precision=precision))
        short = net.add(nn.Conv(y, net.weight(m, c, 1, 1), *one, precision=precision))
        return net.add(nn.Reduce(net.add(nn.Relu(net.add(nn.Add(z, short)))), "mean", (2, 3)))

    return build


def convs(n: int, c: int, size: tuple[int, int], m: int, k: int, *, stride: int = 1, pad: int = 0, dilation: int = 1,
          precision: str = "ieee") -> Build:  # fmt: skip
    """The means of relu(conv(y) + conv1x1(max_pool(y))), y = conv3x3(x): between them channels may come last."""

    def build(net: Network) -> Value:
        x = net.input(n, 5, *size)
        y = net.add(nn.Conv(x, net.weight(c, 5, 3, 3), (1, 1), (1,) * 4, (1, 1), net.weight(c), precision=precision))
        z = net.add(nn.Conv(y, net.weight(m, c, k, k), (stride,) * 2, (pad,) * 4, (dilation,) * 2, net.weight(m),
                            precision=precision))  # fmt: skip
        pool = nn.MaxPool(y, (k,) * 2, (stride,) * 2, (pad,) * 4, (dilation,) * 2)
        short = net.add(nn.Conv(net.add(pool), net.weight(m, c, 1, 1), (1, 1), (0,) * 4, (1, 1), precision=precision))
        sums = net.add(nn.Relu(net.add(nn.Add(z, short))))
        return net.add(nn.Reduce(sums, "mean", (2, 3)))

    return build


def depthwise(n: int, c: int, size: tuple[int, int], k: int, *, stride: int = 1, pad: int = 0,
              precision: str = "ieee") -> Build:  # fmt: skip
    """conv1x1(y * gate of y), y = relu(depthwise(conv3x3(x))): a block of MobileNetV3, its images channels last."""

    def build(net: Network) -> Value:
        x, one = net.input(n, 5, *size), ((1, 1), (0,) * 4, (1, 1))
        wide = net.add(nn.Conv(x, net.weight(c, 5, 3, 3), (1, 1), (1,) * 4, (1, 1), net.weight(c), precision=precision))
        deep = nn.Conv(wide, net.weight(c, 1, k, k), (stride,) * 2, (pad,) * 4, (1, 1), net.weight(c), c)
        y = net.add(nn.Relu(net.add(deep)))
        mean = net.add(nn.Reduce(y, "mean", (2, 3), keep_dims=True))
        hidden = net.add(nn.Relu(net.add(nn.Conv(mean, net.weight(6, c, 1, 1), *one, net.weight(6)))))
        raised = net.add(nn.HardSigmoid(net.add(nn.Conv(hidden, net.weight(c, 6, 1, 1), *one, net.weight(c)))))
        z = nn.Conv(net.add(nn.Mul(y, raised)), net.weight(24, c, 1, 1), *one, precision=precision)
        return net.add(nn.Reduce(net.add(z), "mean", (2, 3)))

    return build


def silu(n: int, c: int, size: tuple[int, int], m: int) -> Build:
    """The means of conv1x1(silu(conv1x1(100 silu(conv3x3(x))))): arguments from -300 to 300."""

    def build(net: Network) -> Value:
        x, one = net.input(n, 5, *size), ((1, 1), (0,) * 4, (1, 1))
        wide = net.add(nn.Silu(net.add(nn.Conv(x, net.weight(c, 5, 3, 3), (1, 1), (1,) * 4, (1, 1)))))
        large = net.add(nn.Mul(wide, net.add(nn.Constant(DenseAttr(np.full(1, 100, net.dtype.numpy))))))
        y = net.add(nn.Silu(net.add(nn.Conv(large, net.weight(m, c, 1, 1), *one))))
        return net.add(nn.Reduce(net.add(nn.Conv(y, net.weight(24, m, 1, 1), *one)), "mean", (2, 3)))

    return build


def softmax(rows: int, columns: int) -> Build:
    return lambda net: net.add(nn.Softmax(net.input(rows, columns), 1))


def reduction(kind: str, axes: tuple[int, ...], *shape: int) -> Build:
    return lambda net: net.add(nn.Sqrt(net.add(nn.Abs(net.add(nn.Reduce(net.input(*shape), kind, axes))))))


def layer_norm(rows: int, columns: int) -> Build:
    def build(net: Network) -> Value:
        return net.add(nn.LayerNorm(net.input(rows, columns), net.weight(columns), net.weight(columns), axis=1))

    return build


def normalized_products(rows: int, columns: int, hidden: int, *, before: bool, wide: bool = False) -> Build:
    """x = a @ w + r and then relu(norm(x) @ v) @ u + x, as networks with norms `before` their layers have it, or
    + norm(x), as those with norms behind. Where `wide`, x is kept in f32."""

    def build(net: Network) -> Value:
        to = {"to": SCALARS["f32"]} if wide and net.dtype.bits < 32 else {}
        product = net.add(nn.MatMul(net.input(rows, columns), net.weight(columns, columns), **to))
        residual = net.input(rows, columns)
        x = net.add(nn.Add(product, net.add(nn.Cast(residual, to["to"])) if to else residual))
        n = net.add(nn.LayerNorm(x, net.weight(columns), net.weight(columns), axis=1))
        n = net.add(nn.Cast(n, net.dtype)) if to else n
        y = net.add(nn.Relu(net.add(nn.MatMul(n, net.weight(columns, hidden)))))
        return net.add(nn.Add(net.add(nn.MatMul(y, net.weight(hidden, columns), **to)), x if before else n))

    return build


def transpose(*shape: int, order: Sequence[int] = ()) -> Build:
    """The dims in `order`, or in the reverse one."""
    return lambda net: net.add(nn.Transpose(net.input(*shape), tuple(order) or tuple(reversed(range(len(shape))))))


def error_function(rows: int, columns: int, scale: float) -> Build:
    """erf(scale · x)."""

    def build(net: Network) -> Value:
        factor = net.add(nn.Constant.of(scale, net.dtype))
        return net.add(nn.Erf(net.add(nn.Mul(net.input(rows, columns), factor))))

    return build


def with_transposed(rows: int, columns: int) -> Build:
    """relu(x + yᵀ): one operand runs along the result's rows in memory, the other along its columns."""

    def build(net: Network) -> Value:
        turned = net.add(nn.Transpose(net.input(columns, rows), (1, 0)))
        return net.add(nn.Relu(net.add(nn.Add(net.input(rows, columns), turned))))

    return build


SINGLE, TF32 = 2e-6, 2e-3
CASES = [
    CudaCase("gemm", gemm(128, 96, 128), "mma_gemm"),
    CudaCase("gemm-large", gemm(500, 600, 320), "wgmma_gemm"),
    CudaCase("gemm-tiny", gemm(5, 7, 3), "mma_gemm"),
    CudaCase("gemm-one-row", gemm(1, 100, 264), "mma_gemm"),
    CudaCase("gemm-transposed", gemm(70, 66, 100, trans_a=True, trans_b=True), "mma_gemm"),
    CudaCase("gemm-weights", gemm(33, 65, 72, trans_b=True), "mma_gemm"),
    CudaCase("gemm-odd", gemm(65, 41, 47, trans_b=True), "mma_gemm", "bf16", 2e-2),
    CudaCase("gemm-batched", gemm(49, 50, 32, batch=(2, 3), trans_b=True), "mma_gemm"),
    CudaCase("gemm-one-right", gemm(30, 64, 40, batch=(3,), shared=True), "mma_gemm"),
    CudaCase("gemm-scores", scores(2, 33, 3, 64), "mma_gemm"),
    CudaCase("gemm-scores-odd", scores(1, 19, 2, 20), "mma_gemm"),
    CudaCase("gemm-scores-f32", scores(2, 13, 3, 10), "mma_gemm", "f32", SINGLE),
    CudaCase("gemm-values", weighted_values(2, 33, 3, 64), "mma_gemm"),
    CudaCase("gemm-values-one-row", weighted_values(3, 1, 2, 24), "mma_gemm"),
    CudaCase("gemm-values-f32", weighted_values(2, 13, 3, 7), "mma_gemm", "f32", SINGLE),
    CudaCase("gemm-f32", gemm(77, 130, 50), "mma_gemm", "f32", SINGLE),
    CudaCase("gemm-f32-large", gemm(300, 400, 512, trans_b=True), "mma_gemm", "f32", SINGLE),
    CudaCase("gemm-tf32", gemm(77, 130, 50, precision="tf32"), "mma_gemm", "f32", TF32),
    CudaCase("gemm-tf32-transposed", gemm(64, 64, 96, trans_a=True, precision="tf32"), "mma_gemm", "f32", TF32),
    CudaCase("gemm-split", gemm(5, 70, 1100), "mma_gemm"),
    CudaCase("gemm-split-one-row", gemm(1, 130, 2056, trans_b=True), "mma_gemm"),
    CudaCase("conv-split", conv(1, 130, (7, 7), 40, 3, pad=1), "mma_conv"),
    CudaCase("convs-long", convs(1, 136, (7, 9), 40, 3, pad=1), "mma_conv_pixels"),
    CudaCase("conv-3x3", conv(1, 64, (14, 14), 48, 3, pad=1), "mma_conv"),
    CudaCase("conv-first", conv(2, 3, (31, 29), 24, 7, stride=2, pad=3), "mma_conv"),
    CudaCase("conv-1x1", conv(2, 64, (8, 8), 40, 1), "mma_conv"),
    CudaCase("conv-1x1-large", conv(3, 72, (24, 26), 264, 1), "wgmma_conv"),
    CudaCase("conv-1x1-odd", conv(2, 72, (7, 7), 130, 1), "mma_conv"),
    CudaCase("conv-1x1-long-steps", conv(1, 240, (7, 7), 40, 1), "mma_conv"),
    CudaCase("conv-1x1-strided", conv(1, 24, (9, 8), 40, 1, stride=2), "mma_conv"),
    CudaCase("conv-grouped", conv(1, 32, (9, 8), 40, 3, pad=1, group=2), "mma_conv"),
    CudaCase("conv-dilated", conv(1, 16, (13, 9), 24, 3, pad=2, dilation=2), "mma_conv", "f32", SINGLE),
    CudaCase("conv-tf32", conv(1, 64, (9, 8), 24, 3, pad=1, precision="tf32"), "mma_conv", "f32", TF32),
    CudaCase("conv-normalized", normalized_conv(2, 64, (8, 8), 40), "mma_conv"),
    CudaCase("conv-normalized-odd", normalized_conv(1, 72, (7, 7), 130), "mma_conv"),
    CudaCase("conv-normalized-strided", normalized_conv(1, 24, (9, 8), 40, stride=2), "mma_conv", "f32", SINGLE),
    CudaCase("conv-normalized-long", normalized_conv(1, 600, (6, 6), 40), "mma_conv"),
    CudaCase("convs-normalized", normalized_convs(1, 72, (9, 8), 40), "mma_conv_pixels"),
    CudaCase("convs-normalized-split", normalized_convs(1, 520, (7, 7), 24), "mma_conv_pixels"),
    CudaCase("convs-normalized-strided", normalized_convs(2, 40, (9, 7), 24, stride=2), "mma_conv_pixels"),
    CudaCase("convs-gated", normalized_convs(2, 24, (5, 7), 40, gated=True), "mma_conv_pixels", "bf16", 2e-2),
    CudaCase(
        "convs-gated-tf32",
        normalized_convs(1, 20, (5, 7), 16, gated=True, precision="tf32"),
        "mma_conv_pixels",
        "f32",
        TF32,
    ),
    CudaCase("conv-gated", normalized_conv(2, 40, (7, 5), 24, gated=True), "mma_conv", "bf16", 2e-2),
    CudaCase("convs-3x3", convs(1, 64, (14, 14), 48, 3, pad=1), "mma_conv_pixels"),
    CudaCase("convs-strided", convs(2, 72, (7, 9), 40, 3, stride=2, pad=1), "mma_conv_pixels"),
    CudaCase("convs-1x1", convs(2, 64, (8, 5), 33, 1), "mma_conv_pixels"),
    CudaCase("convs-dilated", convs(1, 16, (11, 9), 24, 3, pad=2, dilation=2), "mma_conv_pixels", "bf16", 2e-2),
    CudaCase("convs-odd", convs(1, 12, (9, 8), 20, 3, pad=1), "mma_conv_pixels"),
    CudaCase("convs-tf32", convs(1, 20, (9, 8), 24, 3, pad=1, precision="tf32"), "mma_conv_pixels", "f32", TF32),
    CudaCase("conv-depthwise", conv(1, 24, (13, 11), 24, 3, pad=1, group=24), "generic"),
    CudaCase("silu", silu(1, 128, (30, 28), 136), "wgmma_conv_pixels"),
    CudaCase("silu-bf16", silu(2, 24, (5, 7), 20), "mma_conv_pixels", "bf16", 2e-2),
    CudaCase("silu-f32", silu(1, 24, (5, 7), 20), "mma_conv", "f32", SINGLE),
    CudaCase("depthwise", depthwise(1, 64, (14, 14), 3, pad=1), "depthwise_pixels"),
    CudaCase("depthwise-odd", depthwise(2, 72, (13, 7), 5, pad=2), "depthwise_pixels"),
    CudaCase("depthwise-strided", depthwise(1, 40, (15, 11), 5, pad=2, stride=2), "depthwise_pixels", "bf16", 2e-2),
    CudaCase("depthwise-tf32", depthwise(1, 20, (9, 8), 3, pad=1, precision="tf32"), "depthwise_pixels", "f32", TF32),
    CudaCase("depthwise-large", depthwise(1, 24, (96, 88), 3, pad=1), "depthwise_pixels"),
    CudaCase("gate", gate(2, 96, (14, 14), 24), "chain"),
    CudaCase("gate-odd", gate(1, 37, (5, 7), 11), "chain"),
    CudaCase("gate-one-pixel", gate(3, 130, (1, 1), 1), "chain", "f32", SINGLE),
    CudaCase("gate-wide", gate(1, 1100, (7, 7), 300), "chain"),
    CudaCase("perceptron", perceptron(3, 40, 300, 17, 5), "chain", "f32", SINGLE),
    CudaCase("attention", attention(2, 77, 3, 64), "mma_attention"),
    CudaCase("attention-causal", attention(1, 130, 2, 128, causal=True), "wgmma_attention", "bf16", 1e-2),
    CudaCase("attention-odd", attention(1, 37, 2, 20), "mma_attention"),
    CudaCase("attention-decode", attention(2, 1, 4, 64, keys=300), "mma_attention"),
    CudaCase("attention-grouped", attention(1, 1, 8, 72, keys=777, groups=2, causal=True, offset=600), "mma_attention"),
    CudaCase("attention-f32", attention(1, 70, 2, 64), "mma_attention", "f32", 4e-6),
    CudaCase("attention-tf32", attention(1, 70, 2, 40, precision="tf32"), "mma_attention", "f32", TF32),
    CudaCase("softmax", softmax(37, 128), "rows"),
    CudaCase("softmax-odd", softmax(5, 1000), "rows", "f32", SINGLE),
    CudaCase("softmax-long", softmax(3, 20000), "rows", "f32", SINGLE),
    CudaCase("layer-norm", layer_norm(130, 768), "rows"),
    CudaCase("norm-before", normalized_products(131, 384, 1536, before=True, wide=True), "wgmma_gemm"),
    CudaCase("norm-behind", normalized_products(72, 512, 2048, before=False), "wgmma_gemm", "bf16", 2e-2),
    CudaCase("layer-norm-short", layer_norm(77, 20), "generic", "f32", SINGLE),
    CudaCase("softmax-cluster", softmax(2, 50257), "rows"),
    CudaCase("layer-norm-cluster", layer_norm(3, 17001), "rows", "f32", SINGLE),
    CudaCase("gelu", lambda net: net.add(nn.Gelu(net.input(65, 130))), "generic", tolerance=5e-4),
    CudaCase("erf", error_function(65, 130, 1.0), "generic", tolerance=5e-4),
    CudaCase("erf-near-0", error_function(65, 130, 2**-9), "generic", tolerance=5e-4),
    CudaCase("erf-far", error_function(65, 130, 64.0), "generic", "bf16", 4e-3),
    CudaCase("reduce-columns", reduction("mean", (1,), 3, 67, 45), "generic", "f32", SINGLE),
    CudaCase("reduce-columns-f16", reduction("add", (1, 2), 2, 9, 33, 72), "generic"),
    CudaCase("reduce-columns-max", reduction("max", (0,), 131, 7), "generic"),
    CudaCase("reduce-columns-turned", reduction("add", (1,), 5, 77, 3, 40), "generic", "f32", SINGLE),
    CudaCase("transpose", transpose(70, 33, 5), "generic"),
    CudaCase("transpose-2d", transpose(200, 136), "generic"),
    CudaCase("transpose-odd", transpose(67, 131), "generic", "f32", SINGLE),
    CudaCase("transpose-to-channels-last", transpose(2, 72, 7, 9, order=(0, 2, 3, 1)), "generic"),
    CudaCase("transpose-from-channels-last", transpose(2, 8, 8, 3, order=(0, 3, 1, 2)), "generic", "f32", SINGLE),
    CudaCase("transpose-and-add", with_transposed(130, 72), "generic"),
]
