"""Modules of one kernel whose call passes some operands as weights, for strategies that pack them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from kernelwright.ir.attributes import DenseResourceAttr, SymbolRefAttr
from kernelwright.ir.core import Block, Region, Value
from kernelwright.ir.dialects import kernel, nn
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.target import Target
from kernelwright.ir.types import TensorType
from kernelwright.passes.base import PassContext, lookup

Build = Callable[[Callable[[nn.NnOp], Value], Sequence[Value]], Value | tuple[Value, ...]]


class OneKernel:
    """A module with `main` and one kernel, which computes what `build(emit, arguments)` writes."""

    def __init__(self, types: Sequence[TensorType], weights: Mapping[int, np.ndarray], build: Build) -> None:
        self.module = Module.empty()
        block = Block(types)
        made = build(lambda op: block.append(op).results[0], block.arguments)
        results = made if isinstance(made, tuple) else (made,)
        block.append(kernel.Return(results))
        self.func = kernel.Func(Region(block), "kernel")
        self.module.block.append(self.func)
        main = function("main", [type for i, type in enumerate(types) if i not in weights])
        self.module.block.append(main)
        given = iter(main.block.arguments)
        operands = []
        for i, type in enumerate(types):
            if i in weights:
                value = DenseResourceAttr(f"w{i}", type, weights[i])
                operands.append(main.block.append(nn.Constant(value)).results[0])
            else:
                operands.append(next(given))
        kinds = [value.type for value in results]
        self.call = kernel.Call(tuple(operands), SymbolRefAttr("kernel"), result_types=kinds)
        main.block.append(self.call)
        main.block.append(Return(tuple(self.call.results)))
        main.update_type()

    def tile(self, target: Target) -> kernel.Func:
        """The kernel as a tile program for `target`."""
        target.attach(self.module)
        for name in ("schedule-kernels", "tile-kernels"):
            lookup(name)().run(self.module, PassContext())
        for op in self.module.walk():
            op.verify()
        return self.func

    def arrays(self, inputs: Sequence[np.ndarray]) -> list[np.ndarray]:
        """What the call passes: inputs, and weights as they are packed."""
        given = iter(inputs)
        return [v.owner.array if isinstance(v.owner, nn.Constant) else next(given) for v in self.call.operands]
