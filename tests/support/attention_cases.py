"""Kernels of one attention on awkward shapes, with a schedule of one's own where wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from tile_programs import evaluate, kernel_module, relative_error, tiled

from kernelwright.ir.attributes import DictAttr, StringAttr, SymbolRefAttr
from kernelwright.ir.core import Block, Value
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.dialects.nn.base import bind
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import SCALARS, TensorType, i1
from kernelwright.passes.tile.schedule import Schedule
from kernelwright.passes.tile.wgmma_attention_blocks import WgmmaAttentionSchedule

# Attributes are passed as plain strings here, which the checker would not take for the literals they are.
nn: Any = dialect
LOWEST = float(np.finfo(np.float32).min)
TOLERANCE = {"f16": 4e-3, "bf16": 3e-2, "f32": 3e-6}


@dataclass(frozen=True)
class AttentionCase:
    """softmax(q kᵀ) v of `heads`, `groups` of keys; results in rows [batch, queries, heads, value].

    `joined`: queries, keys and values are slices of one tensor. `symbolic`: queries and keys are symbols q and k.
    """

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

    @property
    def sizes(self) -> dict[str, int]:
        return {"q": self.queries, "k": self.keys} if self.symbolic else {}

    def build(self) -> tuple[Block, Value, list[np.ndarray]]:
        """The ops, their result, and values of the arguments."""
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
        return block, block.append(nn.Transpose(found, (0, 2, 1, 3))).results[0], arrays

    def run(
        self, target: str = "cuda:h200", tactic: str | None = None, schedule: Schedule | None = None
    ) -> kernel.Func:
        """Check the tile program in the interpreter; with `tactic` that of one strategy and schedule."""
        block, rows, arrays = self.build()
        values = evaluate(block, arrays, self.sizes)
        module = kernel_module(block, [rows], target)
        _force(module, tactic, schedule)
        func = tiled(module)
        (found,) = run_kernel(func, arrays, self.sizes)
        assert found.dtype == values[rows].dtype
        assert relative_error(found.reshape(values[rows].shape), values[rows]) < TOLERANCE[self.dtype]
        return func

    def network(self, tactic: str, schedule: Schedule) -> tuple[Module, dict[str, np.ndarray]]:
        """A module whose `main` calls the scheduled kernel, and its inputs by name."""
        block, rows, arrays = self.build()
        types = [argument.type for argument in block.arguments]
        module = kernel_module(block, [rows], "cuda:h200")
        _force(module, tactic, schedule)
        module.attributes["kw.phase"] = StringAttr("kernels")
        (func,) = (op for op in module.block if isinstance(op, kernel.Func))
        main = function("main", [])
        names = [f"x{n}" for n in range(len(types))]
        operands = tuple(main.block.add_argument(type, name) for type, name in zip(types, names, strict=True))
        call = main.block.append(kernel.Call(operands, SymbolRefAttr(func.sym_name), result_types=[rows.type]))
        main.block.append(Return((call.results[0],)))
        main.arg_attrs = tuple(DictAttr.of({"kw.name": StringAttr(name)}) for name in names)
        main.res_attrs = (DictAttr.of({"kw.name": StringAttr("y")}),)
        main.update_type()
        module.block.append(main)
        return module, dict(zip(names, arrays, strict=True))

    def expected(self) -> np.ndarray:
        """The result in float64."""
        block, rows, arrays = self.build()
        wide = [a.astype(np.float64) if a.dtype != np.bool_ else a for a in arrays]
        return evaluate(block, wide, self.sizes)[rows]


def _force(module: Module, tactic: str | None, schedule: Schedule | None) -> None:
    if tactic is not None and schedule is not None:
        (func,) = (op for op in module.block if isinstance(op, kernel.Func))
        func.tactic, func.schedule = tactic, schedule.to_attribute()


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


_S = WgmmaAttentionSchedule
WGMMA_CASES = [
    (AttentionCase(2, 130, 129, 64), _S(2, 64, 2)),
    (AttentionCase(1, 1, 1, 64), _S(2, 64, 2)),
    (AttentionCase(1, 127, 127, 64, causal=True), _S(3, 64, 3, 1)),
    (AttentionCase(7, 131, 257, 40), _S(2, 128, 2)),
    (AttentionCase(1, 193, 191, 80, batch=2, mask="padding"), _S(3, 64, 2)),
    (AttentionCase(2, 140, 140, 128, joined=True, causal=True), _S(2, 64, 2, 1)),
    (AttentionCase(4, 150, 280, 64, groups=2, causal=True, offset=130, symbolic=True), _S(2, 128, 3)),
    (AttentionCase(2, 129, 64, 64, causal=True, offset=-65), _S(2, 64, 3)),
    (AttentionCase(2, 70, 67, 96, 64, groups=1, mask="bias"), _S(2, 64, 2)),
    (AttentionCase(2, 200, 130, 64, mask="boolean", symbolic=True), _S(2, 192, 2)),
    (AttentionCase(1, 65, 200, 256, dtype="bf16"), _S(1, 64, 2)),
    (AttentionCase(1, 130, 100, 192, 256), _S(2, 64, 2)),
    (AttentionCase(3, 1, 331, 128, batch=2, symbolic=True), _S(1, 64, 2, 0, 2)),
    (AttentionCase(8, 1, 300, 64, groups=2, causal=True, offset=299), _S(2, 64, 4, 0, 4)),
    (AttentionCase(2, 9, 520, 72, mask="bias"), _S(2, 64, 2, 0, 8)),
    (AttentionCase(1, 60, 129, 40, causal=True, offset=69), _S(2, 32, 4, 0, 2)),
    (AttentionCase(2, 1, 130, 64, mask="padding", batch=2), _S(1, 64, 2, 0, 1)),
    (AttentionCase(1, 3, 450, 64, causal=True, offset=447), _S(2, 64, 2, 0, 1)),
]
"""Attentions for `wgmma_attention`, each with a schedule."""
