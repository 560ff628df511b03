"""`wgmma_rows`: products and norms of their rows in one kernel, and which it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tile_programs import check_kernel, kernel_module

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.ir.core import Block, Value
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.target import builtin
from kernelwright.ir.types import SCALARS, TensorType
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile import cuda_wgmma_rows
from kernelwright.passes.tile.strategies import specialized

nn: Any = dialect
ROWS = symbol("rows")


@dataclass(frozen=True)
class Case:
    """norm(a @ w + bias + residual), with the sum itself as a result too where `both`."""

    rows: int
    columns: int
    inner: int
    both: bool = False
    root_mean_square: bool = False
    batch: tuple[int, ...] = ()
    dynamic: bool = False
    dtype: str = "f16"

    def block(self) -> tuple[Block, list[Value]]:
        dtype, rows = SCALARS[self.dtype], ROWS if self.dynamic else self.rows
        n, k = self.columns, self.inner
        shapes: list[tuple[Dim, ...]] = [(*self.batch, rows, k), (k, n), (n,), (*self.batch, rows, n), (n,), (n,)]
        block = Block([TensorType(shape, dtype) for shape in shapes])
        a, w, bias, residual, scale, shift = block.arguments

        def add(op: Any) -> Value:
            return block.append(op).results[0]

        x = add(nn.Add(add(nn.Add(add(nn.MatMul(a, w)), bias)), residual))
        axis = len(self.batch) + 1
        norm = nn.RmsNorm(x, scale, axis, 1e-6) if self.root_mean_square else nn.LayerNorm(x, scale, shift, axis)
        y = norm.decompose(add)
        return block, [x, y] if self.both else [y]

    def run(self) -> kernel.Func:
        block, results = self.block()
        rng = np.random.default_rng(self.inner)
        arrays = []
        for argument in block.arguments:
            shape = [self.rows if dim == ROWS else int(dim) for dim in argument.type.dims]  # type: ignore[attr-defined]
            scale = self.inner**-0.5 if len(shape) == 2 and shape[0] == self.inner else 1.0
            arrays.append((rng.standard_normal(shape) * scale).astype(SCALARS[self.dtype].numpy))
        tolerance = 1e-2 if self.dtype == "f16" else 6e-2
        return check_kernel(block, results, arrays, {"rows": self.rows}, "cuda:h200", tolerance)

    def taken(self, target: str = "cuda:h200") -> str | None:
        """The name of the strategy made for such kernels that takes it."""
        block, results = self.block()
        (func,) = (op for op in kernel_module(block, results, target).block if isinstance(op, kernel.Func))
        found = specialized(func, builtin(target))
        return None if found is None else found.name


CASES = [
    Case(64, 128, 128),
    Case(70, 256, 512),
    Case(100, 192, 264, both=True, batch=(2,)),
    Case(5, 768, 768, dtype="bf16"),
    Case(33, 320, 72, both=True, dynamic=True),
    Case(40, 128, 256, root_mean_square=True),
]


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fused kernels are never estimated to be slower."""
    monkeypatch.setattr(cuda_wgmma_rows, "PEER", 0.0)


@pytest.mark.usefixtures("always")
@pytest.mark.parametrize("case", CASES, ids=str)
def test_program(case: Case) -> None:
    func = case.run()
    assert func.tactic == "wgmma_rows"
    assert func.cluster == (case.columns // 64,)


@pytest.mark.usefixtures("always")
def test_kernels_compile() -> None:
    found = []
    for case in CASES:
        module = case.run().parent_op
        lookup("assign-layouts")().run(module, PassContext())  # type: ignore[arg-type]
        found += sources(module).values()  # type: ignore[arg-type]
    nvrtc.compile_sources(found, "sm_90a")


def test_what_is_taken() -> None:
    assert Case(128, 512, 512, root_mean_square=True).taken() == "wgmma_rows"
    assert Case(128, 256, 512).taken() == "wgmma_rows"
    assert Case(128, 256, 512).taken("cuda:sm_80") is None
    assert Case(128, 768, 768).taken() is None, "so many peers take longer to meet than a kernel of its own"
    assert Case(128, 200, 768).taken() is None, "a block would have fewer columns than others"
    assert Case(4096, 256, 768).taken() is None, "its clusters would not be at work at the same time"


@pytest.mark.usefixtures("always")
def test_what_is_taken_at_no_cost() -> None:
    assert Case(128, 768, 768).taken() == "wgmma_rows"
    assert Case(128, 1088, 768).taken() is None, "no cluster is so large"
    assert Case(128, 768, 3072).taken() is None, "two kernels are faster: one splits the inner dimension"
