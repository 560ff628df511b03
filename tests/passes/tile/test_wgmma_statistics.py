"""Products that sum up spans of their rows, and products that scale their rows by such sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tile_programs import evaluate, kernel_module, relative_error

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.ir.core import Block, Value
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import SCALARS, TensorType, f16, f32
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile.wgmma_blocks import WgmmaSchedule

nn: Any = dialect
Add = Callable[[Any], Value]
ROWS = symbol("rows")
SPAN = 64
SHARED = WgmmaSchedule(128, 128, 64, 2, 0, 3, 64, 8)
PINGPONG = WgmmaSchedule(128, 128, 64, 2, 1, 3, 128, 2)
SMALL = WgmmaSchedule(64, 64, 64, 1, 0, 3, 64, 8)
BESIDE = WgmmaSchedule(64, 64, 64, 1, 0, 3, 64, 8, beside=1)
SPLIT = WgmmaSchedule(64, 64, 64, 1, 0, 2, 64, 8, 4)
SPLIT_WIDE = WgmmaSchedule(128, 192, 64, 2, 0, 2, 64, 8, 2)


@dataclass(frozen=True)
class Case:
    """Either x = a @ w + residual, x in f16 and the sums of x and x² over spans of 64 columns; or, where `reads`, the
    normalized rows of a times w, from such sums of a, plus the normalized rows of a residual, from its sums."""

    schedule: WgmmaSchedule
    rows: int
    columns: int
    inner: int
    reads: bool = False
    batch: tuple[int, ...] = ()
    dynamic: bool = False

    def block(self) -> tuple[Block, list[Value]]:
        rows: Dim = ROWS if self.dynamic else self.rows
        n, k = self.columns, self.inner
        types = [
            TensorType((*self.batch, rows, k), f16),
            TensorType((k, n), f16),
            TensorType((*self.batch, rows, n), f16 if self.reads else f32),
        ]
        if self.reads:
            types += [TensorType((*self.batch, rows, width // SPAN), f32) for width in (k, k, n, n)]
            types += [TensorType((n,), f32)]
        block = Block(types)

        def add(op: Any) -> Value:
            return block.append(op).results[0]

        return block, self._read(block, add) if self.reads else self._write(block, add)

    def _write(self, block: Block, add: Add) -> list[Value]:
        a, w, residual = block.arguments
        x = add(nn.Add(add(nn.MatMul(a, w, to=f32)), residual))
        *outer, n = x.type.dims  # type: ignore[attr-defined]
        spans = TensorType((*outer, n // SPAN, SPAN), f32)
        sums = []
        for value in (x, add(nn.Mul(x, x))):
            split = add(nn.Reshape(value, result_types=[spans]))
            sums.append(add(nn.Reduce(split, "add", (len(outer) + 1,))))
        return [x, add(nn.Cast(x, f16)), *sums]

    def _read(self, block: Block, add: Add) -> list[Value]:
        a, w, residual, a_sums, a_squares, r_sums, r_squares, column_sums = block.arguments
        mean, scale = _statistics(a_sums, a_squares, self.inner, add)
        product = add(nn.Sub(add(nn.MatMul(a, w, to=f32)), add(nn.Mul(mean, column_sums))))
        mean, r_scale = _statistics(r_sums, r_squares, self.columns, add)
        shifted = add(nn.Sub(add(nn.Cast(residual, f32)), mean))
        total = add(nn.Add(add(nn.Mul(product, scale)), add(nn.Mul(shifted, r_scale))))
        return [add(nn.Cast(total, f16))]

    def arrays(self, block: Block) -> list[np.ndarray]:
        rng = np.random.default_rng(self.inner)
        shapes = [[self.rows if d == ROWS else d for d in v.type.dims] for v in block.arguments]  # type: ignore[attr-defined]
        a, w, x = (rng.standard_normal(shape).astype(np.float16) for shape in shapes[:3])
        w = (w * self.inner**-0.5).astype(np.float16)
        if not self.reads:
            return [a, w, x.astype(np.float32)]
        sums = [f for t in (a, x) for f in (_sums(t), _sums(t.astype(np.float32) ** 2))]
        return [a, w, x, *sums, w.astype(np.float32).sum(0)]

    def program(self) -> kernel.Func:
        block, results = self.block()
        module = kernel_module(block, results, "cuda:h200")
        (func,) = (op for op in module.block if isinstance(op, kernel.Func))
        func.tactic, func.schedule = "wgmma_gemm", self.schedule.to_attribute()
        lookup("tile-kernels")().run(module, PassContext())
        for op in module.walk():
            op.verify()
        return func


def _sums(x: np.ndarray) -> np.ndarray:
    return x.astype(np.float32).reshape(*x.shape[:-1], -1, SPAN).sum(-1)


def _statistics(sums: Value, squares: Value, count: int, add: Add) -> tuple[Value, Value]:
    axis = len(sums.type.dims) - 1  # type: ignore[attr-defined]
    factor = add(nn.Constant.of(1 / count, SCALARS["f32"]))
    mean, square = (add(nn.Mul(add(nn.Reduce(x, "add", (axis,), True)), factor)) for x in (sums, squares))
    return mean, add(nn.Rsqrt(add(nn.Sub(square, add(nn.Mul(mean, mean))))))


CASES = [
    Case(SMALL, 5, 64, 72),
    Case(SMALL, 130, 192, 200, dynamic=True),
    Case(SHARED, 200, 192, 72),
    Case(PINGPONG, 300, 256, 136, batch=(2,)),
    Case(SPLIT, 70, 128, 520),
    Case(SPLIT_WIDE, 131, 576, 264),
    Case(SMALL, 5, 64, 64, reads=True),
    Case(SMALL, 130, 192, 768, reads=True, dynamic=True),
    Case(BESIDE, 130, 192, 128, reads=True),
    Case(SHARED, 200, 192, 128, reads=True),
    Case(PINGPONG, 300, 256, 192, reads=True, batch=(2,)),
    Case(SPLIT, 70, 128, 512, reads=True),
    Case(SPLIT_WIDE, 131, 576, 256, reads=True),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_program(case: Case) -> None:
    block, results = case.block()
    arrays, sizes = case.arrays(block), {"rows": case.rows}
    values = evaluate(block, arrays, sizes)
    found = run_kernel(case.program(), arrays, sizes)
    for result, array in zip(results, found, strict=True):
        expected = values[result]
        assert array.dtype == expected.dtype
        assert relative_error(array.reshape(expected.shape), expected) < 2e-3


def test_kernels_compile() -> None:
    found = []
    for case in CASES:
        module = case.program().parent_op
        lookup("assign-layouts")().run(module, PassContext())  # type: ignore[arg-type]
        found += sources(module).values()  # type: ignore[arg-type]
    nvrtc.compile_sources(found, "sm_90a")


def test_sums_are_read_before_the_products() -> None:
    """They are on their way while the first tiles of the operands are."""
    ops = [op.name for op in Case(SMALL, 70, 64, 128, reads=True).program().walk()]
    assert ops.index("math.rsqrt") < ops.index("tile.mma")
