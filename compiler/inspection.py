"""What a plan, a module or a model holds, as plain data for `inspect --json` and for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import numpy as np

from ..ir.dialects.builtin import Func, Module
from ..ir.types import TensorType
from ..runtime.expressions import evaluate, names
from ..runtime.layout import lay_out
from ..runtime.plan import ALIGNMENT, Alias, Copy, Host, Launch, Plan, Step, TensorSpec, Weight, launches, walk
from . import phases
from .irfile import resources
from .profiles import input_types
from .samples import symbol_values


def describe_plan(plan: Plan, tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """A plan as data. Sizes that depend on symbols are given at the profile's usual values (`symbols`)."""
    symbols = symbol_values(plan, {})
    weights = {buffer.storage.tensor for buffer in plan.buffers if isinstance(buffer.storage, Weight)}
    return {
        "name": plan.name,
        "target": plan.target.name,
        "arch": plan.target.arch,
        "precision": plan.precision,
        "inputs": [_tensor(spec) for spec in plan.inputs],
        "outputs": [_tensor(spec) for spec in plan.outputs],
        "symbols": {
            s.name: {"min": s.min, "opt": s.opt, "max": s.max, "shown": symbols[s.name]}
            for s in plan.symbols
            if s.origin == "input"
        },
        "kernels": _kernels(plan, symbols),
        "arena_bytes": lay_out(plan, symbols).arena_bytes,
        "arena_lower_bound_bytes": largest_live_set(plan, symbols),
        "weight_bytes": sum(tensors[name].nbytes for name in weights),
        "host_fallbacks": [
            {
                "function": step.function,
                "onnx_nodes": list(step.onnx_nodes),
                "reason": str(step.attributes.get("reason", "")),
            }
            for step in walk(plan.steps)
            if isinstance(step, Host)
        ],
        "nodes": _nodes(plan),
        "provenance": plan.provenance,
    }


def _kernels(plan: Plan, symbols: Mapping[str, int]) -> list[dict[str, Any]]:
    every = launches(plan.steps)
    calls = Counter(launch.kernel for launch in every)
    grids = {launch.kernel: launch.grid for launch in reversed(every)}
    return [
        {
            "name": kernel.name,
            "onnx_nodes": list(kernel.onnx_nodes),
            "calls": calls[kernel.name],
            "tactic": kernel.tactic,
            "schedule": kernel.schedule,
            "timings": [asdict(timing) for timing in kernel.timings],
            "grid": [_number(axis, symbols) for axis in grids.get(kernel.name, ())],
            "flops": _number(kernel.flops, symbols),
            "bytes": _number(kernel.bytes, symbols),
        }
        for kernel in plan.kernels
    ]


def _nodes(plan: Plan) -> dict[str, str]:
    """What became of every node of the model; where several kernels bear its name, the last makes its result."""
    found = {name: what for what, names in plan.without_kernel.items() for name in names}
    for step in walk(plan.steps):
        if isinstance(step, Host):
            found |= dict.fromkeys(step.onnx_nodes, "host")
        elif isinstance(step, Launch):
            found |= dict.fromkeys(step.onnx_nodes, f"kernel {step.kernel}")
    return found


def largest_live_set(plan: Plan, symbols: Mapping[str, int]) -> int:
    """The most bytes of arena buffers in use at one step: no placement of the buffers needs less."""
    bases: dict[str, str] = {}
    for buffer in plan.buffers:
        bases[buffer.name] = bases[buffer.storage.of] if isinstance(buffer.storage, Alias) else buffer.name
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for number, step in enumerate(walk(plan.steps)):
        for name in _buffers_of(step):
            first.setdefault(bases[name], number)
            last[bases[name]] = number
    change: Counter[int] = Counter()
    for buffer, place in zip(plan.buffers, lay_out(plan, symbols).places, strict=True):
        if place.root == "arena" and buffer.name in first:
            size = -(-place.bytes // ALIGNMENT) * ALIGNMENT
            change[first[buffer.name]] += size
            change[last[buffer.name] + 1] -= size
    return max(accumulate(change[step] for step in sorted(change)), default=0)


def _buffers_of(step: Step) -> tuple[str, ...]:
    match step:
        case Launch():
            return step.buffers
        case Copy():
            return step.src, step.dst
        case Host():
            return step.inputs + step.outputs
        case _:
            return ()


def _number(expression: int | str, symbols: Mapping[str, int]) -> int:
    return evaluate(expression, {**dict.fromkeys(names(expression), 1), **symbols})


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def describe_module(module: Module) -> dict[str, Any]:
    """A module as data: its interface and how many ops of each kind it has."""
    main = next((op for op in module.block if isinstance(op, Func) and op.sym_name == "main"), None)
    ops = Counter(op.name for op in module.walk() if op is not module)
    weights = dict(resources(module))
    return {
        "name": module.sym_name or "",
        "phase": phases.of(module),
        "inputs": [_typed(name, type) for name, type in input_types(main).items()] if main else [],
        "outputs": [_typed(name, type) for name, type in _outputs(main)] if main else [],
        "ops": dict(ops.most_common()),
        "weight_bytes": sum(array.nbytes for array in weights.values()),
        "weights": len(weights),
    }


def _typed(name: str, type: object) -> dict[str, Any]:
    if not isinstance(type, TensorType):
        return {"name": name, "type": str(type)}
    return {"name": name, "dtype": str(type.dtype), "shape": [d if isinstance(d, int) else str(d) for d in type.dims]}


def _outputs(main: Func) -> list[tuple[str, object]]:
    attributes = main.res_attrs or ()
    found: list[tuple[str, object]] = []
    for i, value in enumerate(main.block.terminator.operands):
        given = dict(attributes[i].items).get("kw.name") if i < len(attributes) else None
        found.append((str(getattr(given, "value", f"result{i}")), value.type))
    return found
