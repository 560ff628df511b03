"""Matrix products as models of their own, and the layers of networks that benchmarks take them from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kernelwright.ir.attributes import DenseResourceAttr, DictAttr, StringAttr
from kernelwright.ir.dialects import nn
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.target import Target
from kernelwright.ir.types import SCALARS, TensorType

LAYERS = {
    "bert-query": (128, 768, 768), "bert-joined": (128, 2304, 768), "bert-up": (128, 3072, 768),
    "bert-down": (128, 768, 3072), "bert-large-up": (128, 4096, 1024), "gpt2-joined": (512, 2304, 768),
    "gpt2-up": (512, 3072, 768), "gpt2-down": (512, 768, 3072), "vit-out": (197, 768, 768),
    "vit-up": (197, 3072, 768), "vit-down": (197, 768, 3072), "resnet-56": (3136, 256, 64),
    "resnet-28": (784, 512, 128), "resnet-14": (196, 1024, 256), "resnet-7": (49, 512, 2048),
}  # fmt: skip
"""Rows at batch 1, columns and the inner size."""


@dataclass(frozen=True)
class Product:
    """rows x inner by inner x columns."""

    rows: int
    columns: int
    inner: int
    dtype: str = "f16"

    @staticmethod
    def of(case: str, dtype: str) -> Product:
        """`bert-up`, at a batch size `bert-up@8`, or `128x3072x768`. Raises KeyError for a layer not in LAYERS."""
        layer, _, batch = case.partition("@")
        if layer in LAYERS or "x" not in layer:
            rows, columns, inner = LAYERS[layer]
            return Product(rows * int(batch or 1), columns, inner, dtype)
        rows, columns, inner = map(int, case.split("x"))
        return Product(rows, columns, inner, dtype)

    @property
    def flops(self) -> int:
        return 2 * self.rows * self.columns * self.inner

    def arrays(self, weights: int = 1) -> tuple[np.ndarray, list[np.ndarray]]:
        """The input and the weights [inner, columns]; products of them have unit variance."""
        rng, numpy = np.random.default_rng(self.rows), SCALARS[self.dtype].numpy
        x = rng.standard_normal((self.rows, self.inner), np.float32).astype(numpy)
        weight = rng.standard_normal((self.inner, self.columns), np.float32) * self.inner**-0.5
        weight = weight.astype(numpy)
        return x, [np.roll(weight, number, 1) for number in range(weights)]

    def module(self, weights: list[np.ndarray], target: Target) -> Module:
        """One input `x` and one output `y` with its products with all weights, one after the other."""
        dtype = SCALARS[self.dtype]
        main = function("main", [])
        x = main.block.add_argument(TensorType((self.rows, self.inner), dtype), "x")
        parts = []
        for number, array in enumerate(weights):
            weight = DenseResourceAttr(f"w{number}", TensorType(array.shape, dtype), array)
            product = main.block.append(nn.MatMul(x, main.block.append(nn.Constant(weight)).result, precision="tf32"))
            whole = TensorType((1, self.rows, self.columns), dtype)
            parts.append(main.block.append(nn.Reshape(product.result, result_types=[whole])).result)
        main.block.append(Return((main.block.append(nn.Concat(tuple(parts), 0)).result,)))
        main.arg_attrs = (DictAttr.of({"kw.name": StringAttr("x")}),)
        main.res_attrs = (DictAttr.of({"kw.name": StringAttr("y")}),)
        main.update_type()
        module = Module.empty("products")
        target.attach(module)
        module.attributes["kw.phase"] = StringAttr("legalize")
        module.block.append(main)
        return module
