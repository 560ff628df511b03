"""Matrix products on CPUs: which strategy they get, and what they compute next to float64, on awkward shapes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from native import NativeKernel, runs_here
from weights import OneKernel

from kernelwright.compiler.host import host
from kernelwright.ir import target
from kernelwright.ir.dialects import nn, tile
from kernelwright.ir.symbols import symbol
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import TensorType, scalar_of

SEQ = symbol("seq")


@dataclass
class Product:
    """relu(a @ b + bias) + residual: `rows` are those of a, `symbolic` ones are called seq."""

    rows: int
    columns: int
    inner: int
    batch: tuple[int, ...] = ()
    weight: bool = True
    trans_a: bool = False
    trans_b: bool = False
    symbolic: bool = False
    dtype: Any = np.float32
    arrays: list[np.ndarray] = field(default_factory=list)

    def kernel(self) -> OneKernel:
        rng = np.random.default_rng(self.rows)
        left = (self.inner, self.rows) if self.trans_a else (self.rows, self.inner)
        right = (self.columns, self.inner) if self.trans_b else (self.inner, self.columns)
        outer = () if self.weight else self.batch
        shapes = [(*self.batch, *left), (*outer, *right), (self.columns,), (*self.batch, self.rows, self.columns)]
        self.arrays = [rng.standard_normal(shape).astype(self.dtype) for shape in shapes]
        types = [TensorType(shape, scalar_of(self.dtype)) for shape in shapes]
        if self.symbolic:
            types[0] = types[0].with_shape(tuple(SEQ if d == self.rows else d for d in types[0].dims))
            types[3] = types[3].with_shape((*self.batch, SEQ, self.columns))

        def build(emit, arguments):  # type: ignore[no-untyped-def]
            a, b, bias, residual = arguments
            product = emit(nn.MatMul(a, b, trans_a=self.trans_a, trans_b=self.trans_b))
            return emit(nn.Add(emit(nn.Relu(emit(nn.Add(product, bias)))), residual))

        return OneKernel(types, {1: self.arrays[1], 2: self.arrays[2]} if self.weight else {}, build)

    def inputs(self) -> list[np.ndarray]:
        return [self.arrays[0], self.arrays[3]] if self.weight else self.arrays

    def expected(self) -> np.ndarray:
        a, b, bias, residual = (array.astype(np.float64) for array in self.arrays)
        a, b = (a.swapaxes(-1, -2) if self.trans_a else a), (b.swapaxes(-1, -2) if self.trans_b else b)
        return np.maximum(a @ b + bias, 0) + residual

    def check(self, found: np.ndarray) -> None:
        expected = self.expected()
        error = np.abs(found.reshape(expected.shape).astype(np.float64) - expected)
        rounding = 2.0**-8 * np.abs(expected) if self.dtype == ml_dtypes.bfloat16 else 0.0
        assert (error <= rounding + 2e-6 * self.inner + 1e-5).all()


PRODUCTS = {
    "square": Product(64, 64, 64),
    "primes": Product(37, 29, 17),
    "one-row": Product(1, 100, 33),
    "one-column": Product(13, 1, 7),
    "one-product": Product(5, 19, 1),
    "one-element": Product(1, 1, 1),
    "wide": Product(3, 257, 64),
    "tall": Product(101, 16, 12),
    "transposed-weight": Product(23, 40, 31, trans_b=True),
    "transposed-left": Product(23, 40, 31, trans_a=True),
    "rows-of-batches": Product(7, 33, 20, batch=(2, 3)),
    "batches": Product(7, 33, 20, batch=(2, 3), weight=False),
    "batches-of-transposed": Product(19, 21, 18, batch=(3,), weight=False, trans_b=True),
    "symbolic-rows": Product(29, 48, 16, symbolic=True),
    "few-symbolic-rows": Product(3, 48, 16, symbolic=True),
    "symbolic-rows-of-batches": Product(11, 20, 8, batch=(2,), symbolic=True),
    "symbolic-batches-of-transposed": Product(11, 20, 8, batch=(2,), weight=False, trans_b=True, symbolic=True),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_native(name: str) -> None:
    product = PRODUCTS[name]
    one = product.kernel()
    func = one.tile(host())
    assert func.tactic == "gemm"
    (found,) = NativeKernel(func)(one.arrays(product.inputs()), {"seq": product.rows})
    product.check(found)


@pytest.mark.parametrize("name", PRODUCTS)
def test_smaller_registers(name: str) -> None:
    product, avx2 = PRODUCTS[name], target.builtin("cpu-avx2")
    assert isinstance(avx2, CpuTarget)
    one = product.kernel()
    func = one.tile(avx2)
    inputs, sizes = one.arrays(product.inputs()), {"seq": product.rows}
    found = [run_kernel(func, inputs, sizes)]
    if runs_here(avx2):
        found.append(NativeKernel(func, avx2)(inputs, sizes))
    for (result,) in found:
        product.check(result)


PAIRS = {
    "even": Product(14, 64, 32),
    "odd": Product(37, 29, 17),
    "one-row": Product(1, 100, 33),
    "one-product": Product(5, 19, 1),
    "transposed-weight": Product(23, 40, 31, trans_b=True),
    "transposed-left": Product(23, 40, 31, trans_a=True),
    "rows-of-batches": Product(7, 33, 20, batch=(2, 3)),
    "batches": Product(7, 33, 20, batch=(2, 3), weight=False),
    "batches-of-transposed": Product(19, 21, 18, batch=(3,), weight=False, trans_b=True),
    "symbolic-rows": Product(29, 48, 15, symbolic=True),
}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("level", ["cpu-avx512-bf16", "cpu-avx512", "cpu-avx2"])
def test_bf16(name: str, level: str) -> None:
    """Weights are packed in pairs for one processor, and its program runs on those that cannot multiply them too."""
    product = dataclasses.replace(PAIRS[name], dtype=ml_dtypes.bfloat16)
    one, with_dots, runs = product.kernel(), target.builtin("cpu-avx512-bf16"), target.builtin(level)
    assert isinstance(runs, CpuTarget)
    func = one.tile(with_dots)
    inputs, sizes = one.arrays(product.inputs()), {"seq": product.rows}
    product.check(run_kernel(func, inputs, sizes)[0])
    if runs_here(runs):
        product.check(NativeKernel(func, runs)(inputs, sizes)[0])


def test_weights_are_packed_in_pairs() -> None:
    product = Product(3, 5, 7, dtype=ml_dtypes.bfloat16)
    one = product.kernel()
    func = one.tile(target.builtin("cpu-avx512-bf16"))
    assert any(isinstance(op, tile.Mma) and op.instruction == tile.DOT_BF16 for op in func.walk())
    packed = next(v.owner for v in one.call.operands if isinstance(v.owner, nn.Constant))
    pairs = packed.array.reshape(4, -1, 2).astype(np.float32)
    expected = np.pad(product.arrays[1].astype(np.float32), ((0, 1), (0, 0))).reshape(4, 2, 5).swapaxes(1, 2)
    np.testing.assert_array_equal(pairs[:, :5], expected)
    assert not pairs[:, 5:].any()


def test_weights_are_packed_once() -> None:
    product = PRODUCTS["wide"]
    one = product.kernel()
    one.tile(host())
    packed = next(v.owner for v in one.call.operands if isinstance(v.owner, nn.Constant))
    panels, inner, columns = packed.array.shape
    assert inner == 64 and panels * columns >= 257
    flat = packed.array.transpose(1, 0, 2).reshape(inner, -1)
    np.testing.assert_array_equal(flat[:, :257], product.arrays[1])
    assert not flat[:, 257:].any()


def test_equal_tiles_instead_of_a_thin_last_one() -> None:
    func = Product(128, 768, 64).kernel().tile(host())
    rows = dict(func.schedule.items)["rows"].value  # type: ignore[union-attr]
    assert 128 % rows == 0


def test_overlapping_tiles_are_not_in_place() -> None:
    one = Product(37, 64, 8).kernel()
    one.func.in_place = (3,)
    func = one.tile(host())
    rows = dict(func.schedule.items)["rows"].value  # type: ignore[union-attr]
    assert 37 % rows != 0 and func.in_place is None


@pytest.mark.parametrize(("rows", "columns", "across"), [(300, 64, 1), (64, 300, 0)])
def test_workers_share_out_the_longer_side(rows: int, columns: int, across: int) -> None:
    func = Product(rows, columns, 32).kernel().tile(host())
    sizes = {name: value.value for name, value in func.schedule.items}  # type: ignore[union-attr]
    assert sizes["across"] == across
    tiles = -(-rows // sizes["rows"]), -(-columns // sizes["columns"])
    assert func.grid == (*(tiles[::-1] if across else tiles), 1)
