"""A kernel in a module of its own: how a candidate is compiled and what it is run on."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import numpy as np

from ...ir.attributes import DenseResourceAttr, SymbolRefAttr
from ...ir.core import Block, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module, Return, function
from ...ir.target import Target
from ...ir.types import TensorType, Type
from ...passes.manager import PassManager
from ...passes.tile.packing import is_constant
from ...runtime.dtypes import numpy_dtype
from ...runtime.plan import Plan, Weight
from ..pipelines import steps

Built = tuple[Plan, dict[str, np.ndarray]]
"""A plan and its tensors, those of weights left out: any numbers do."""

PATTERN = 1 << 20
"""Random numbers that weights repeat."""


def standalone(func: kernel.Func, launches: int, sets: int = 1) -> Module:
    """A module whose `main` calls a copy of `func` `launches` times on its arguments, with `sets` of weights in turn.

    Weights are constants without elements.
    """
    module = func.parent_op
    assert isinstance(module, Module)
    alone = Module.empty()
    alone.attributes.update(module.attributes)
    alone.block.append(func.clone())
    main = function("main", [])
    constant = [is_constant(func, index) for index in range(len(func.block.arguments))]
    inputs = [
        None if constant[index] else main.block.add_argument(argument.type, f"x{index}")
        for index, argument in enumerate(func.block.arguments)
    ]
    types = [value.type for value in func.block.terminator.operands]
    results: list[Value] = []
    weights = [
        [_weight(main.block, argument.type, f"w{argument.index}_{n}") for argument in func.block.arguments
         if constant[argument.index]]
        for n in range(min(sets, launches))
    ]  # fmt: skip
    for launch in range(launches):
        rest = iter(weights[launch % len(weights)])
        operands = tuple(next(rest) if value is None else value for value in inputs)
        call = kernel.Call(operands, SymbolRefAttr(func.sym_name), result_types=types)
        main.block.append(call)
        results.append(call.results[0])
    main.block.append(Return(tuple(results)))
    main.update_type()
    alone.block.append(main)
    return alone


def _weight(block: Block, type: Type, name: str) -> Value:
    assert isinstance(type, TensorType)
    return block.append(nn.Constant(DenseResourceAttr(name, type, None))).results[0]


def compile_alone(module: Module) -> Built:
    """The plan of a module of `standalone`. Raises CompileError where the candidate does not compile."""
    for op in module.walk():
        if isinstance(op, nn.Constant) and isinstance(op.value, DenseResourceAttr) and op.value.array is None:
            type = op.value.type
            assert isinstance(type, TensorType)
            shape = tuple(dim for dim in type.dims if isinstance(dim, int))
            op.value = DenseResourceAttr(op.value.name, type, np.zeros(shape, type.scalar.numpy))
    target = Target.of(module)
    PassManager([step for step in steps(target) if step.phase in ("tile", "plan")]).run(module)
    generate: Any = import_module(f"....codegen.{target.kind}", __name__).generate
    plan, tensors = generate(module)
    weights = {buffer.storage.tensor for buffer in plan.buffers if isinstance(buffer.storage, Weight)}
    return plan, {name: array for name, array in tensors.items() if name not in weights}


def with_weights(plan: Plan, tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The tensors with weights of random numbers; integers are 0, which is valid as an index of anything."""
    pattern = np.random.default_rng(0).standard_normal(PATTERN, np.float32)
    found = dict(tensors)
    for buffer in plan.buffers:
        if isinstance(buffer.storage, Weight):
            dtype, bytes = numpy_dtype(buffer.dtype), int(buffer.bytes)
            count = bytes // dtype.itemsize
            is_float = buffer.dtype.startswith(("f", "bf"))
            values = pattern.astype(dtype) if is_float else np.zeros(1, dtype)
            found[buffer.storage.tensor] = np.resize(values, count)
    return found
