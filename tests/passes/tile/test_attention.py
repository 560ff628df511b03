"""The strategy `attention` on awkward shapes: programs in the interpreter, kernels through NVRTC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from tile_programs import check_kernel

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.ir.core import Block, Value
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.dialects.nn.base import bind
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.target import CudaTarget, builtin
from kernelwright.ir.types import SCALARS, TensorType, i1
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile import cuda_attention
from kernelwright.passes.tile.attention_blocks import Heads, attention_candidates

nn: Any = dialect
LOWEST = float(np.finfo(np.float32).min)
TOLERANCE = {"f16": 4e-3, "bf16": 3e-2, "f32": 3e-6}


@dataclass(frozen=True)
class Case:
    """softmax(q kᵀ) v of `heads`, `groups` of keys; results in rows [batch, queries, heads, value]."""

    heads: int
    queries: int
    keys: int
    size: int
    value: int = 0
    groups: int = 0
    batch: int = 1
    dtype: str = "f16"
    mask: str = ""
    causal: bool = False
    offset: int = 0
    symbolic: bool = False
    joined: bool = False
    precision: str = "ieee"

    def run(self, target: str = "cuda:h200") -> kernel.Func:
        rng = np.random.default_rng(self.keys)
        block, arrays = Block(), []

        def argument(*dims: Dim, dtype: str = self.dtype, values: np.ndarray | None = None) -> Value:
            sizes = bind(dims, {"q": self.queries, "k": self.keys})
            values = rng.standard_normal(sizes) if values is None else values.reshape(sizes)
            arrays.append(values.astype(np.float32).astype(SCALARS[dtype].numpy))
            return block.add_argument(TensorType(dims, SCALARS[dtype]))

        queries: Dim = symbol("q") if self.symbolic else self.queries
        keys: Dim = symbol("k") if self.symbolic else self.keys
        groups, value = self.groups or self.heads, self.value or self.size
        if self.joined:
            parts = _parts(block, argument(self.batch, queries, 3 * self.heads * self.size), self.heads, self.size)
        else:
            q = argument(self.batch, self.heads, queries, self.size)
            parts = [q, *(argument(self.batch, groups, keys, n) for n in (self.size, value))]
        mask: Value | None = None
        if self.mask == "padding":  # every second batch sees nothing but what is masked alike
            hidden = np.arange(self.keys) >= np.where(np.arange(self.batch)[:, None] % 2, 0, self.keys // 2)
            mask = argument(self.batch, 1, 1, keys, dtype="f32", values=np.where(hidden, LOWEST, 0.0))
        elif self.mask == "bias":
            mask = argument(1, self.heads, queries, keys)
        elif self.mask == "boolean":
            seen = rng.random((self.batch, self.queries, self.keys)) < 0.6
            mask = argument(self.batch, 1, queries, keys, dtype=i1.name, values=seen)
        options = {"causal": self.causal, "offset": self.offset, "precision": self.precision}
        found = block.append(nn.Attention(*parts, mask, **options)).results[0]
        rows = block.append(nn.Transpose(found, (0, 2, 1, 3))).results[0]
        sizes = {"q": self.queries, "k": self.keys}
        return check_kernel(block, [rows], arrays, sizes, target, TOLERANCE[self.dtype])


def _parts(block: Block, joined: Value, heads: int, size: int) -> list[Value]:
    """Queries, keys and values as slices of one product."""
    parts = []
    for first in range(0, 3 * heads * size, heads * size):
        batch, rows, _ = joined.type.dims  # type: ignore[attr-defined]
        part = nn.Slice(joined, (0, 0, first), (batch, rows, first + heads * size), (1, 1, 1))
        split = TensorType((batch, rows, heads, size), joined.type.dtype)  # type: ignore[attr-defined]
        apart = block.append(nn.Reshape(block.append(part).results[0], result_types=[split])).results[0]
        parts.append(block.append(nn.Transpose(apart, (0, 2, 1, 3))).results[0])
    return parts


CASES = [
    Case(2, 32, 64, 64),
    Case(3, 33, 70, 64, batch=2, mask="padding"),
    Case(2, 128, 128, 64, joined=True),
    Case(2, 37, 37, 20, joined=True, batch=2),
    Case(2, 70, 70, 80, joined=True, causal=True),
    Case(4, 65, 130, 32, groups=2, causal=True, offset=65, symbolic=True),
    Case(2, 40, 64, 64, mask="boolean", symbolic=True),
    Case(2, 50, 67, 96, 64, groups=1, mask="bias"),
    Case(1, 7, 5, 24, causal=True),
    Case(1, 1, 1, 16),
    Case(1, 70, 70, 128, dtype="bf16", causal=True),
    Case(1, 40, 70, 256, dtype="bf16"),
    Case(8, 1, 200, 64, groups=2, causal=True, offset=199),
    Case(3, 1, 131, 128, batch=2, symbolic=True),
    Case(2, 1, 131, 72, mask="bias"),
    Case(2, 33, 70, 64, dtype="f32"),
    Case(2, 33, 70, 64, dtype="f32", precision="tf32"),
    Case(2, 1, 70, 40, dtype="f32", mask="padding"),
    Case(1, 37, 70, 200, dtype="f32"),
    Case(64, 130, 66, 64),
    Case(48, 70, 66, 128),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_program(case: Case) -> None:
    assert case.run().tactic == "mma_attention"


@pytest.mark.parametrize("target", ["cuda:h200", "cuda:sm_80"])
def test_kernels_compile(target: str) -> None:
    found = []
    for case in CASES[1:-2:3]:
        module = case.run(target).parent_op
        lookup("assign-layouts")().run(module, PassContext())  # type: ignore[arg-type]
        found += sources(module).values()  # type: ignore[arg-type]
    nvrtc.compile_sources(found, "sm_80" if target.endswith("80") else "sm_90a")


def test_heads_that_fit_nowhere_are_refused() -> None:
    with pytest.raises(Exception, match="no strategy"):
        Case(1, 8, 8, 520).run()


@pytest.mark.parametrize("case", [Case(2, 1, 1100, 40, batch=2), Case(4, 70, 70, 64, causal=True)], ids=str)
def test_all_candidates_are_right(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tuner may choose any of them; the one chosen without measuring comes first."""
    usual = (case.batch, case.queries, case.keys)
    heads = Heads(case.batch, case.heads, case.heads, case.queries, case.keys, case.size, case.size)
    target = builtin("cuda:h200")
    assert isinstance(target, CudaTarget)
    found = attention_candidates(heads, usual, SCALARS[case.dtype], target)
    assert case.run().schedule == found[0].to_attribute()
    assert len(set(found)) == len(found) > 2
    for schedule in found[1:]:
        monkeypatch.setattr(cuda_attention, "attention_candidates", lambda *_, one=schedule: [one])
        assert case.run().schedule == schedule.to_attribute()
