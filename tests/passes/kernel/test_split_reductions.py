"""A reduction in two steps is the reduction, and its steps are kernels of their own."""

from __future__ import annotations

import numpy as np
import pytest

from kernelwright.compiler.pipelines import KERNELS
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.parser import parse
from kernelwright.passes.base import PassContext, lookup


def reduction(kind: str, dtype: str) -> Module:
    module = parse(
        f"""
        func.func @main(%x: tensor<2x300x500x{dtype}>) -> tensor<2x1x1x{dtype}> {{
          %y = "nn.reduce"(%x) {{kind = "{kind}", axes = array<i64: 1, 2>, keep_dims = true}}
             : (tensor<2x300x500x{dtype}>) -> tensor<2x1x1x{dtype}>
          return %y : tensor<2x1x1x{dtype}>
        }}"""
    )
    assert isinstance(module, Module)
    target.builtin("cuda:h100").attach(module)
    return module


@pytest.mark.parametrize("kind", ["add", "max", "mean"])
@pytest.mark.parametrize("dtype", ["f32", "f16"])
def test_two_steps_are_the_reduction(kind: str, dtype: str) -> None:
    module = reduction(kind, dtype)
    x = np.random.default_rng(0).standard_normal((2, 300, 500)).astype("f4" if dtype == "f32" else "f2")
    (expected,) = Interpreter(module).run([x])
    lookup("split-reductions")().run(module, PassContext())
    module.verify()
    assert sum(op.name == "nn.reduce" for op in module.walk()) == 2
    (found,) = Interpreter(module).run([x])
    np.testing.assert_allclose(found, expected, rtol=2e-3 if dtype == "f16" else 1e-4, atol=1e-3)


def test_steps_are_kernels_of_their_own() -> None:
    module = reduction("add", "f32")
    for transform, _ in KERNELS:
        transform.run(module, PassContext())
    kernels = [op for op in module.block if isinstance(op, kernel.Func)]
    assert [sum(op.name == "nn.reduce" for op in func.block) for func in kernels] == [1, 1]
