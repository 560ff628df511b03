"""How long a candidate takes: its kernel in a module of its own, compiled and run on this machine's device."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import numpy as np

from ...ir.attributes import DenseResourceAttr, SymbolRefAttr
from ...ir.core import Block, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module, Return, function
from ...ir.target import Target
from ...ir.types import TensorType, Type
from ...passes.manager import PassManager
from ...passes.tile.packing import is_constant
from ...runtime.engine import Engine
from ..pipelines import steps
from ..samples import random_inputs

WARM_UP = 3
ENOUGH_SECONDS = 2e-4
"""A timed run holds as many launches as take about this long, so that its start does not count."""
MOST_LAUNCHES = 48
MOST_BYTES = 256 << 20
"""What the results of a timed run's launches may take together."""


class Stopwatch(Protocol):
    """Times one candidate."""

    def prepare(self, module: Module) -> Engine: ...

    def seconds(self, engine: Engine, runs: int) -> float: ...


class DeviceStopwatch:
    """Compiles and runs modules of `standalone` on the device. Inputs and weights are in cache where they fit."""

    def __init__(self, target: Target) -> None:
        self._steps = [step for step in steps(target) if step.phase in ("tile", "plan")]

    def prepare(self, module: Module) -> Engine:
        """The engine of a module. Safe in several threads. Raises CompileError where the candidate does not compile."""
        PassManager(self._steps).run(module)
        generate = import_module(f"....codegen.{Target.of(module).kind}", __name__).generate
        return Engine(*generate(module))

    def seconds(self, engine: Engine, runs: int) -> float:
        """The median over `runs` timed runs of the time of one of the engine's launches. Raises DeviceError."""
        context: Any = engine.create_context()
        try:
            inputs = random_inputs(engine.plan, {})
            wait: Callable[[], None] = getattr(context, "synchronize", lambda: None)
            if engine.plan.target.kind == "cuda":
                inputs = {name: context.to_device(array) for name, array in inputs.items()}
            for _ in range(WARM_UP):
                context.run(inputs)
            wait()
            times = []
            for _ in range(runs):
                start = time.perf_counter()
                context.run(inputs)
                wait()
                times.append(time.perf_counter() - start)
            return statistics.median(times) / len(engine.plan.outputs)
        finally:
            context.close()


def standalone(func: kernel.Func, launches: int) -> Module:
    """A module whose `main` calls a copy of `func` `launches` times on its arguments; weights are random constants."""
    module = func.parent_op
    assert isinstance(module, Module)
    alone = Module.empty()
    alone.attributes.update(module.attributes)
    clone = func.clone()
    alone.block.append(clone)
    main = function("main", [])
    operands = [
        _weight(main.block, argument.type, index)
        if is_constant(func, index)
        else main.block.add_argument(argument.type, f"x{index}")
        for index, argument in enumerate(func.block.arguments)
    ]
    types = [value.type for value in func.block.terminator.operands]
    results: list[Value] = []
    for _ in range(launches):
        call = kernel.Call(tuple(operands), SymbolRefAttr(func.sym_name), result_types=types)
        main.block.append(call)
        results.append(call.results[0])
    main.block.append(Return(tuple(results)))
    main.update_type()
    alone.block.append(main)
    return alone


def _weight(block: Block, type: Type, index: int) -> Value:
    assert isinstance(type, TensorType)
    generator = np.random.default_rng(index)
    shape = tuple(dim for dim in type.dims if isinstance(dim, int))
    dtype = type.scalar.numpy
    # Small integers are valid as indices of anything that is not empty.
    random = generator.standard_normal(shape, np.float32) if type.scalar.is_float else np.zeros(shape)
    constant = nn.Constant(DenseResourceAttr(f"w{index}", type, random.astype(dtype)))
    return block.append(constant).results[0]


def launches_for(estimate: float, result_bytes: int) -> int:
    """How many launches a timed run should hold."""
    by_time = int(ENOUGH_SECONDS / max(estimate, 1e-9)) + 1
    return max(1, min(by_time, MOST_LAUNCHES, MOST_BYTES // max(result_bytes, 1)))
