"""Products for `wgmma_gemm` with a schedule of one's own, on shapes that fill no tile."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from kernelwright.ir import target as targets
from kernelwright.ir.attributes import DenseAttr, DictAttr, StringAttr, SymbolRefAttr
from kernelwright.ir.core import Block, Region
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.symbols import symbol
from kernelwright.ir.types import SCALARS, Scalar, TensorType
from kernelwright.passes.tile.wgmma_blocks import WgmmaSchedule

# Attributes are passed as plain strings here, which the checker would not take for the literals they are.
nn: Any = dialect

SHARED = WgmmaSchedule(128, 256, 64, 2, 0, 4, 128, 8)
PINGPONG = WgmmaSchedule(128, 128, 64, 2, 1, 5, 128, 2)
TALL = WgmmaSchedule(256, 128, 64, 2, 0, 3, 128, 8)
WIDE = WgmmaSchedule(128, 192, 64, 2, 0, 4, 64, 8)
SMALL = WgmmaSchedule(64, 64, 64, 1, 0, 3, 64, 8)
SPLIT = WgmmaSchedule(64, 64, 64, 1, 0, 2, 64, 8, 4)
SPLIT_GROUPS = WgmmaSchedule(128, 64, 64, 2, 0, 2, 64, 8, 2)
TF32 = WgmmaSchedule(128, 128, 32, 2, 0, 3, 64, 8)
WIDE_BESIDE = WgmmaSchedule(128, 256, 64, 2, 0, 2, 64, 8, 1, 1)
BESIDE = WgmmaSchedule(128, 128, 64, 2, 0, 3, 64, 8, 1, 1)


@dataclass(frozen=True)
class WgmmaCase:
    """relu(a @ b + bias) + residual on `blocks` blocks; rows are a symbol where `dynamic`, b is a constant where
    `weight`, what follows the product is f32 where `wide`.
    """

    name: str
    schedule: WgmmaSchedule
    rows: int
    columns: int
    inner: int
    batch: tuple[int, ...] = ()
    trans_a: bool = False
    trans_b: bool = False
    dtype: str = "f16"
    dynamic: bool = False
    weight: bool = False
    blocks: int = 3
    tolerance: float = 1e-3
    wide: bool = False

    def __str__(self) -> str:
        return self.name

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        m, n, k = self.rows, self.columns, self.inner
        a, b = (k, m) if self.trans_a else (m, k), (n, k) if self.trans_b else (k, n)
        return [(*self.batch, *a), (*self.batch, *b), (n,), (*self.batch, m, n)]

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.rows)
        scales = (1.0, self.inner**-0.5, 1.0, 1.0)
        types = [dtype.numpy for dtype in self.dtypes]
        parts = zip(self.shapes, scales, types, strict=True)
        return [(rng.standard_normal(shape) * scale).astype(type) for shape, scale, type in parts]

    @property
    def dtypes(self) -> list[Scalar]:
        """Of the arrays."""
        behind = "f32" if self.wide else self.dtype
        return [SCALARS[name] for name in (self.dtype, self.dtype, behind, behind)]

    def expected(self, arrays: list[np.ndarray]) -> np.ndarray:
        """The result in float64."""
        a, b, bias, residual = (x.astype(np.float64) for x in arrays)
        a = np.swapaxes(a, -1, -2) if self.trans_a else a
        b = np.swapaxes(b, -1, -2) if self.trans_b else b
        return np.maximum(a @ b + bias, 0) + residual

    def kernel(self) -> tuple[Module, kernel.Func]:
        """The scheduled kernel, and a module whose `main` calls it: with b too, unless that is a constant."""
        rows = symbol("rows")
        shapes = [tuple(rows if self.dynamic and d == self.rows else d for d in shape) for shape in self.shapes]
        types = [TensorType(shape, dtype) for shape, dtype in zip(shapes, self.dtypes, strict=True)]
        block = Block(types)
        a, b, bias, residual = block.arguments
        options: dict[str, Any] = {"precision": "tf32"} if self.dtype == "f32" else {}
        if self.wide:
            options["to"] = SCALARS["f32"]
        product = block.append(nn.MatMul(a, b, self.trans_a, self.trans_b, **options))
        shifted = block.append(nn.Add(product.result, bias))
        result = block.append(nn.Add(block.append(nn.Relu(shifted.result)).result, residual)).result
        block.append(kernel.Return((result,)))
        func = kernel.Func(Region(block), "product")
        func.tactic, func.schedule = "wgmma_gemm", self.schedule.to_attribute()
        module = Module.empty("product")
        h200 = targets.builtin("cuda:h200")
        dataclasses.replace(h200, multiprocessors=self.blocks).attach(module)
        module.attributes["kw.phase"] = StringAttr("kernels")
        module.block.append(func)
        self._add_main(module, func, types)
        return module, func

    def _add_main(self, module: Module, func: kernel.Func, types: list[TensorType]) -> None:
        main = function("main", [])
        operands = []
        for name, type in zip(NAMES, types, strict=True):
            if name == "b" and self.weight:
                operands.append(main.block.append(nn.Constant(DenseAttr(self.arrays()[1]))).result)
            else:
                operands.append(main.block.add_argument(type, name))
        call = kernel.Call(tuple(operands), SymbolRefAttr(func.sym_name), result_types=[types[-1]])
        main.block.append(call)
        main.block.append(Return((call.results[0],)))
        named = [argument.name for argument in main.block.arguments]
        main.arg_attrs = tuple(DictAttr.of({"kw.name": StringAttr(str(name))}) for name in named)
        main.res_attrs = (DictAttr.of({"kw.name": StringAttr("y")}),)
        main.update_type()
        module.block.append(main)

    def feeds(self) -> dict[str, np.ndarray]:
        """The inputs of `main` by name."""
        arrays = dict(zip(NAMES, self.arrays(), strict=True))
        return {name: array for name, array in arrays.items() if name != "b" or not self.weight}


NAMES = ("a", "b", "bias", "residual")
WGMMA_CASES = [
    WgmmaCase("shared-tile", SHARED, 200, 264, 72),
    WgmmaCase("shared-tile-transposed", SHARED, 136, 272, 328, trans_a=True, trans_b=True),
    WgmmaCase("one-step", SHARED, 64, 8, 8, trans_b=True),
    WgmmaCase("two-rows", SMALL, 2, 72, 136),
    WgmmaCase("pingpong", PINGPONG, 300, 392, 200, batch=(2,), blocks=4),
    WgmmaCase("pingpong-one-block", PINGPONG, 257, 264, 328, trans_b=True, blocks=1),
    WgmmaCase("tall", TALL, 304, 136, 136, trans_a=True, trans_b=True),
    WgmmaCase("small", SMALL, 65, 264, 136, trans_b=True),
    WgmmaCase("split", SPLIT, 70, 136, 1160),
    WgmmaCase("split-batched", SPLIT, 64, 64, 256, batch=(2,), trans_b=True),
    WgmmaCase("split-groups", SPLIT_GROUPS, 130, 72, 328, trans_b=True, dynamic=True),
    WgmmaCase("dynamic", SMALL, 77, 72, 264, dynamic=True),
    WgmmaCase("weights", SMALL, 130, 136, 200, weight=True, blocks=2),
    WgmmaCase("weights-shared-tile", SHARED, 264, 264, 520, trans_b=True, weight=True, blocks=2),
    WgmmaCase("weights-pingpong", PINGPONG, 260, 264, 520, weight=True, blocks=1),
    WgmmaCase("wide", WIDE, 200, 392, 264, weight=True),
    WgmmaCase("beside", BESIDE, 300, 264, 136, weight=True, blocks=2),
    WgmmaCase("beside-wide", WIDE_BESIDE, 200, 272, 136, weight=True, blocks=2, wide=True),
    WgmmaCase("beside-batched", BESIDE, 130, 136, 72, batch=(2,), blocks=3),
    WgmmaCase("bf16", SHARED, 100, 136, 136, dtype="bf16", tolerance=1e-2),
    WgmmaCase("tf32-weights", TF32, 130, 136, 100, weight=True, dtype="f32", tolerance=2e-3),
    WgmmaCase("tf32", TF32, 130, 136, 68, trans_b=True, dtype="f32", tolerance=2e-3),
]
