"""Groups of ops: reductions with their neighbours, fused chains, several results, dynamic sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from tile_programs import check_kernel

from kernelwright.ir.core import Block, Operation, Value
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.parser import parse
from kernelwright.ir.printer import print_op
from kernelwright.ir.symbols import symbol
from kernelwright.ir.target import Target, builtin
from kernelwright.ir.types import Scalar, TensorType, f16, f32

nn: Any = dialect
N, S = symbol("n"), symbol("seq")
TARGETS = ["cpu-avx512", "cpu-neon", "cuda:h100", "cuda:sm_80"]


class Group:
    """A block under construction: compound ops are decomposed as they come."""

    def __init__(self, *shapes: Sequence[Any], dtype: Scalar = f32) -> None:
        self.block = Block([TensorType(tuple(shape), dtype) for shape in shapes])

    def __call__(self, op: Operation) -> Value:
        assert isinstance(op, dialect.NnOp)
        if op.compound:
            return op.decompose(self)
        self.block.append(op)
        return op.result

    def check(
        self, results: Sequence[Value], target: str | Target, tolerance: float = 1e-5, **sizes: int
    ) -> kernel.Func:
        rng = np.random.default_rng(7)
        arrays = []
        for argument in self.block.arguments:
            type = argument.type
            assert isinstance(type, TensorType)
            shape = [sizes[str(dim)] if not isinstance(dim, int) else dim for dim in type.dims]
            arrays.append(rng.standard_normal(shape).astype(type.scalar.numpy))
        return check_kernel(self.block, results, arrays, sizes, target, tolerance)


def softmax(group: Group, x: Value, *_: Value) -> list[Value]:
    return [group(nn.Softmax(x, len(x.type.dims) - 1))]  # type: ignore[attr-defined]


def layer_norm(group: Group, x: Value, scale: Value, bias: Value) -> list[Value]:
    return [group(nn.LayerNorm(x, scale, bias, len(x.type.dims) - 1, 1e-5))]  # type: ignore[attr-defined]


def mean_and_difference(group: Group, x: Value, *_: Value) -> list[Value]:
    mean = group(nn.Reduce(x, "mean", (len(x.type.dims) - 1,), True))  # type: ignore[attr-defined]
    return [mean, group(nn.Sub(x, mean))]


BUILDS: list[Callable[..., list[Value]]] = [softmax, layer_norm, mean_and_difference]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("columns", [1, 7, 49, 100, 768])
@pytest.mark.parametrize("build", BUILDS)
def test_rows(build: Callable[..., list[Value]], columns: int, target: str) -> None:
    group = Group((N, 3, columns), (columns,), (columns,))
    results = build(group, *group.block.arguments)
    func = group.check(results, target, n=3)
    assert func.tactic == ("rows" if columns >= 32 else "generic")


@pytest.mark.parametrize("target", ["cpu-avx2", "cuda:h100"])
@pytest.mark.parametrize("length", [1, 5, 64, 131])
def test_rows_of_dynamic_length(length: int, target: str) -> None:
    group = Group((N, S), (S,), (S,))
    func = group.check(softmax(group, *group.block.arguments), target, n=4, seq=length)
    assert func.tactic == "rows"


@pytest.mark.parametrize("target", TARGETS)
def test_rows_in_half_precision(target: str) -> None:
    group = Group((5, 130), (130,), (130,), dtype=f16)
    group.check(layer_norm(group, *group.block.arguments), target, 4e-3)


@pytest.mark.parametrize("target", ["cpu-avx2", "cuda:h100"])
def test_long_rows_do_not_fit_into_registers(target: str) -> None:
    group = Group((2, 9001))
    group.check(softmax(group, *group.block.arguments), target)


@pytest.mark.parametrize("rows", [3, 1])
@pytest.mark.parametrize("columns", [40, 96, 768, 1000, 1111, 2304, 8200, 17001])
@pytest.mark.parametrize("build", [softmax, layer_norm])
def test_many_rows(build: Callable[..., list[Value]], columns: int, rows: int) -> None:
    """Where there are rows for all of a GPU, few threads share one, or the blocks of a cluster a long one."""
    small = dataclasses.replace(builtin("cuda:h100"), multiprocessors=1, threads_per_multiprocessor=64)  # type: ignore[call-arg]
    group = Group((-(-6001 // columns // rows), rows, columns), (columns,), (columns,))
    func = group.check(build(group, *group.block.arguments), small)
    assert (func.cluster is not None) == (columns > 16384)


@pytest.mark.parametrize("target", ["cpu-avx2", "cuda:h100"])
@pytest.mark.parametrize("axes", [(0,), (1,), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("kind", ["add", "max", "mean"])
def test_reductions_over_any_axes(kind: str, axes: tuple[int, ...], target: str) -> None:
    group = Group((5, 33, 37))
    x = group.block.arguments[0]
    y = group(nn.Relu(group(nn.Reduce(group(nn.Mul(x, x)), kind, axes, False))))
    group.check([y], target)


@pytest.mark.parametrize("target", TARGETS)
def test_chain_through_views(target: str) -> None:
    group = Group((N, S, 24), (24,), (N, 4, S, 6))
    x, bias, other = group.block.arguments
    heads = group(nn.Reshape(group(nn.Add(x, bias)), result_types=[TensorType((N, S, 4, 6), f32)]))
    y = group(nn.Mul(group(nn.Transpose(heads, (0, 2, 1, 3))), other))
    flat = group(nn.Reshape(y, result_types=[TensorType((N * 4, S * 6), f32)]))
    group.check([flat], target, n=2, seq=5)


@pytest.mark.parametrize("target", TARGETS)
def test_padding_of_a_computed_tensor(target: str) -> None:
    group = Group((2, 3, 5, 7))
    y = group(nn.Exp(group.block.arguments[0]))
    group.check([group(nn.Pad(y, (0, 0, 1, 2), (0, 0, 3, 1), "constant", 0.5))], target)


@pytest.mark.parametrize("target", TARGETS)
def test_results_of_different_shapes(target: str) -> None:
    group = Group((9, 70), (3, 5))
    x, y = group.block.arguments
    group.check([group(nn.Relu(x)), group(nn.Exp(y)), group(nn.Transpose(x, (1, 0)))], target)


@pytest.mark.parametrize("sizes", [(0, 5), (1, 1), (3, 0), (1, 4099)])
@pytest.mark.parametrize("target", TARGETS)
def test_dynamic_elementwise(sizes: tuple[int, int], target: str) -> None:
    group = Group((N, S), (S,))
    x, y = group.block.arguments
    group.check([group(nn.Tanh(group(nn.Add(x, y))))], target, n=sizes[0], seq=sizes[1])


@pytest.mark.parametrize("target", ["cpu-avx2", "cuda:h100"])
@pytest.mark.parametrize("build", BUILDS)
def test_text_round_trip(build: Callable[..., list[Value]], target: str, mlir_opt: Callable[[str], str]) -> None:
    group = Group((N, 3, 100), (100,), (100,))
    func = group.check(build(group, *group.block.arguments), target, n=2)
    assert func.parent_op is not None
    text = print_op(func.parent_op)
    assert print_op(parse(text)) == text
    mlir_opt(text)
