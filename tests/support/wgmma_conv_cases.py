"""Convolutions for `wgmma_conv_pixels` with a schedule of one's own: strided, padded, dilated, with odd sizes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
from wgmma_cases import PINGPONG, SHARED, SMALL, SPLIT

from kernelwright.ir import target as targets
from kernelwright.ir.attributes import DenseAttr, DictAttr, StringAttr, SymbolRefAttr
from kernelwright.ir.core import Block, Region
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.symbols import symbol
from kernelwright.ir.types import SCALARS, TensorType
from kernelwright.passes.tile.wgmma_blocks import WgmmaSchedule

# Attributes are passed as plain strings here, which the checker would not take for the literals they are.
nn: Any = dialect

TF32 = WgmmaSchedule(128, 64, 32, 2, 0, 3, 64, 8)
BESIDE = WgmmaSchedule(128, 256, 64, 2, 0, 2, 128, 8, 1, 1)
PINGPONG_BESIDE = WgmmaSchedule(128, 128, 64, 2, 1, 3, 128, 2, 1, 1)


@dataclass(frozen=True)
class WgmmaConvCase:
    """relu(conv(x, w) + bias + residual) of images [images, *size, channels]; images are a symbol where `dynamic`."""

    name: str
    schedule: WgmmaSchedule
    size: tuple[int, ...]
    channels: int
    outputs: int
    taps: tuple[int, ...]
    images: int = 1
    strides: tuple[int, ...] = (1, 1)
    pads: tuple[int, ...] = (0, 0, 0, 0)
    dilations: tuple[int, ...] = (1, 1)
    dtype: str = "f16"
    dynamic: bool = False
    blocks: int = 3
    tolerance: float = 1e-3

    def __str__(self) -> str:
        return self.name

    @property
    def out(self) -> tuple[int, ...]:
        axes = len(self.size)
        return tuple(
            (self.size[d] + self.pads[d] + self.pads[d + axes] - self.dilations[d] * (self.taps[d] - 1) - 1)
            // self.strides[d]
            + 1
            for d in range(axes)
        )

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the image, the weights, the bias and the residual."""
        weights = (self.outputs, self.channels, *self.taps)
        results = (self.images, *self.out, self.outputs)
        return [(self.images, *self.size, self.channels), weights, (self.outputs,), results]

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.channels + self.outputs)
        inner = self.channels * int(np.prod(self.taps))
        scales = (1.0, inner**-0.5, 1.0, 1.0)
        numpy = SCALARS[self.dtype].numpy
        return [(rng.standard_normal(s) * scale).astype(numpy) for s, scale in zip(self.shapes, scales, strict=True)]

    def expected(self) -> np.ndarray:
        """The result in float64."""
        x, w, bias, residual = (array.astype(np.float64) for array in self.arrays())
        axes = len(self.size)
        padded = np.pad(x, [(0, 0), *((self.pads[d], self.pads[d + axes]) for d in range(axes)), (0, 0)])
        total = np.zeros((self.images, *self.out, self.outputs))
        for tap in np.ndindex(*self.taps):
            where = [
                slice(t * dilation, t * dilation + (out - 1) * stride + 1, stride)
                for t, dilation, out, stride in zip(tap, self.dilations, self.out, self.strides, strict=True)
            ]
            total += padded[(slice(None), *where)] @ w[(slice(None), slice(None), *tap)].T
        return np.maximum(total + bias + residual, 0)

    def kernel(self) -> tuple[Module, kernel.Func]:
        """The scheduled kernel, and a module whose `main` calls it with constant weights."""
        dtype = SCALARS[self.dtype]
        images = symbol("images") if self.dynamic else self.images
        x_shape, w_shape, bias_shape, result_shape = self.shapes
        shapes = [(images, *x_shape[1:]), w_shape, bias_shape, (images, *result_shape[1:])]
        types = [TensorType(shape, dtype) for shape in shapes]
        block = Block(types)
        x, w, bias, residual = block.arguments
        rank = len(x_shape)
        first, last = (0, rank - 1, *range(1, rank - 1)), (0, *range(2, rank), 1)
        precision = {"precision": "tf32"} if self.dtype == "f32" else {}
        image = block.append(nn.Transpose(x, first)).result
        y = block.append(nn.Conv(image, w, self.strides, self.pads, self.dilations, bias, **precision)).result
        sums = block.append(nn.Add(y, block.append(nn.Transpose(residual, first)).result)).result
        result = block.append(nn.Transpose(block.append(nn.Relu(sums)).result, last)).result
        block.append(kernel.Return((result,)))
        func = kernel.Func(Region(block), "convolution")
        func.tactic, func.schedule = "wgmma_conv_pixels", self.schedule.to_attribute()
        module = Module.empty("convolution")
        dataclasses.replace(targets.builtin("cuda:h200"), multiprocessors=self.blocks).attach(module)
        module.attributes["kw.phase"] = StringAttr("kernels")
        module.block.append(func)
        self._add_main(module, func, types)
        return module, func

    def _add_main(self, module: Module, func: kernel.Func, types: list[TensorType]) -> None:
        main = function("main", [])
        x = main.block.add_argument(types[0], "x")
        residual = main.block.add_argument(types[3], "residual")
        _, weights, bias, _ = self.arrays()
        constants = [main.block.append(nn.Constant(DenseAttr(array))).result for array in (weights, bias)]
        operands = (x, *constants, residual)
        call = kernel.Call(operands, SymbolRefAttr(func.sym_name), result_types=[types[-1]])
        main.block.append(call)
        main.block.append(Return((call.results[0],)))
        main.arg_attrs = tuple(DictAttr.of({"kw.name": StringAttr(name)}) for name in ("x", "residual"))
        main.res_attrs = (DictAttr.of({"kw.name": StringAttr("y")}),)
        main.update_type()
        module.block.append(main)

    def feeds(self) -> dict[str, np.ndarray]:
        """The inputs of `main` by name."""
        x, _, _, residual = self.arrays()
        return {"x": x, "residual": residual}


ONE = (1, 1, 1, 1)
WGMMA_CONV_CASES = [
    WgmmaConvCase("3x3", SHARED, (7, 9), 64, 72, (3, 3), images=3, pads=ONE),
    WgmmaConvCase("3x3-pingpong", PINGPONG, (9, 8), 72, 136, (3, 3), images=4, pads=ONE, blocks=2),
    WgmmaConvCase("3x3-strided", SMALL, (9, 8), 16, 40, (3, 3), images=2, strides=(2, 2), pads=ONE),
    WgmmaConvCase("3x3-uneven", SMALL, (6, 5), 24, 33, (3, 3), images=2, strides=(2, 1), pads=(0, 1, 1, 2)),
    WgmmaConvCase("3x3-dilated", SMALL, (9, 11), 8, 16, (3, 3), pads=(2, 3, 2, 3), dilations=(2, 3)),
    WgmmaConvCase("3x3-valid", SMALL, (9, 7), 64, 64, (3, 3), images=3, dynamic=True),
    WgmmaConvCase("1x7", SMALL, (5, 17), 40, 48, (1, 7), images=2, pads=(0, 3, 0, 3)),
    WgmmaConvCase("1x1", SMALL, (7, 7), 72, 264, (1, 1), images=3),
    WgmmaConvCase("1x1-strided", SMALL, (7, 6), 40, 64, (1, 1), images=3, strides=(2, 2)),
    WgmmaConvCase("1x1-split", SPLIT, (5, 7), 520, 72, (1, 1), images=2),
    WgmmaConvCase("3x3-split", SPLIT, (5, 3), 64, 72, (3, 3), images=2, pads=ONE),
    WgmmaConvCase("1x1-beside", BESIDE, (9, 7), 72, 264, (1, 1), images=5, blocks=2),
    WgmmaConvCase("3x3-beside", BESIDE, (9, 7), 24, 136, (3, 3), images=3, pads=ONE, dynamic=True, blocks=1),
    WgmmaConvCase("pingpong-beside", PINGPONG_BESIDE, (9, 7), 72, 136, (1, 1), images=9, blocks=1),
    WgmmaConvCase("line", SMALL, (45,), 16, 24, (5,), images=3, strides=(2,), pads=(2, 1), dilations=(1,)),
    WgmmaConvCase("cube", SMALL, (4, 5, 3), 16, 24, (3, 2, 3), images=2, strides=(1, 2, 1), pads=(1, 0, 1, 1, 1, 1),
                  dilations=(1, 1, 1)),
    WgmmaConvCase("bf16", SMALL, (7, 9), 32, 40, (3, 3), pads=ONE, dtype="bf16", tolerance=1e-2),
    WgmmaConvCase("tf32", TF32, (6, 7), 36, 44, (3, 3), images=2, pads=ONE, dtype="f32", tolerance=2e-3),
]  # fmt: skip
