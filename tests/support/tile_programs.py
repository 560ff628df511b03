"""Kernels made into tile programs by the passes, and run by the interpreter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kernelwright.ir import target
from kernelwright.ir.core import Block, Region, Value
from kernelwright.ir.dialects import kernel
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.dialects.nn import NnOp
from kernelwright.ir.parser import parse
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.passes.base import PassContext, lookup


def kernel_module(block: Block, results: Sequence[Value], machine: str | target.Target) -> Module:
    """A module with one kernel: the ops of `block`, giving `results`."""
    module = Module.empty()
    (target.builtin(machine) if isinstance(machine, str) else machine).attach(module)
    block.append(kernel.Return(tuple(results)))
    module.block.append(kernel.Func(Region(block), "kernel"))
    return module


def tiled(module: Module) -> kernel.Func:
    """The kernel of a module as a tile program."""
    for name in ("schedule-kernels", "tile-kernels"):
        lookup(name)().run(module, PassContext())
    for op in module.walk():
        op.verify()
    (func,) = (op for op in module.block if isinstance(op, kernel.Func))
    return func


def evaluate(block: Block, arrays: Sequence[np.ndarray], sizes: Mapping[str, int]) -> dict[Value, np.ndarray]:
    """What the ops of a block mean, each on its own."""
    values: dict[Value, np.ndarray] = dict(zip(block.arguments, arrays, strict=True))
    for op in block:
        if isinstance(op, NnOp):
            found = op.interpret([values[v] for v in op.operands], dict(sizes))
            values.update(zip(op.results, found, strict=True))
    return values


def check_kernel(
    block: Block,
    results: Sequence[Value],
    arrays: Sequence[np.ndarray],
    sizes: Mapping[str, int],
    machine: str | target.Target,
    tolerance: float = 1e-5,
) -> kernel.Func:
    """Compare the tile program of a kernel with the meaning of its ops; the program, for more questions."""
    values = evaluate(block, arrays, sizes)
    func = tiled(kernel_module(block, results, machine))
    found = run_kernel(func, arrays, sizes)
    for result, array in zip(results, found, strict=True):
        expected = values[result]
        assert array.dtype == expected.dtype
        assert relative_error(array.reshape(expected.shape), expected) < tolerance
    return func


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """The largest difference of finite elements, relative to 1 + |expected|; others must be equal."""
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(expected)
    np.testing.assert_array_equal(found[~finite], expected[~finite])
    return float(np.max(np.abs(found[finite] - expected[finite]) / (1 + np.abs(expected[finite])), initial=0.0))


def program(arguments: str, body: str, shapes: str, grid: str = "1 : i64") -> kernel.Func:
    """A kernel whose arguments are the memrefs `%a: …, %b: …`, the last of them its result."""
    module = parse(
        f'"kernel.func"() ({{\n^bb0({arguments}):\n{INDICES}\n{body}\n"kernel.return"() : () -> ()\n}}) '
        f'{{sym_name = "kernel", grid = [{grid}], arg_shapes = [{shapes}]}} : () -> ()'
    )
    for op in module.walk():
        op.verify()
    (func,) = (op for op in module.walk() if isinstance(op, kernel.Func))
    return func


INDICES = "\n".join(
    f'%i{n} = "arith.constant"() {{value = {n} : index}} : () -> index' for n in (0, 1, 2, 3, 4, 5, 7, 8)
)
