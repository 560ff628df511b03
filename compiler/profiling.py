"""Where the time of a run goes: each kernel's time beside its work, its rates, and the least time its work can take."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..ir import target as targets
from ..ir.target import CpuTarget, CudaTarget
from ..runtime.expressions import evaluate
from ..runtime.plan import Plan
from ..runtime.profile import StepTime
from . import host
from .irfile import write_atomically

RUNS = 20
_MATRIX = {"fp16": "f16", "bf16": "bf16", "tf32": "tf32"}


@dataclass(frozen=True)
class Ceilings:
    """What the hardware can do: operations a second in the plan's precision, bytes a second of its memory."""

    flops: float
    bandwidth: float

    @staticmethod
    def of(plan: Plan) -> Ceilings | None:
        """Those of the plan's target; None for a target that no description here is of."""
        name = plan.target.name
        if name != "cpu" and name not in targets.names():
            return None
        target = host.resolve(name)
        if isinstance(target, CpuTarget):
            return Ceilings(target.flops, target.bandwidth)
        assert isinstance(target, CudaTarget)
        return Ceilings(target.matrix_flops.get(_MATRIX.get(plan.precision, ""), target.fp32_flops), target.bandwidth)

    def floor(self, flops: float, bytes: float) -> float:
        """The least seconds for an amount of work and of memory traffic."""
        return max(flops / self.flops, bytes / self.bandwidth)


def steps(context: Any, inputs: Mapping[str, np.ndarray]) -> list[StepTime]:
    """Every step of one run in order, with its median time of several runs."""
    runs = [context.profile(inputs) for _ in range(RUNS)]
    return [
        StepTime(samples[0].name, samples[0].onnx_nodes, float(np.median([sample.seconds for sample in samples])))
        for samples in zip(*runs, strict=True)
    ]


def by_kernel(plan: Plan, times: Sequence[StepTime], symbols: Mapping[str, int]) -> list[dict[str, Any]]:
    """A line for each kernel, the slowest first: all its calls in one run together.

    `flops` and `bytes` are the work of all calls. `floor_seconds` is the least time for that, None where nothing is
    known of the hardware.
    """
    known, ceilings = plan.kernel_table(), Ceilings.of(plan)
    lines: dict[str, dict[str, Any]] = {}
    for step in times:
        kernel = known.get(step.name)
        flops = evaluate(kernel.flops, symbols) if kernel else 0
        moved = evaluate(kernel.bytes, symbols) if kernel else 0
        first = {"name": step.name, "tactic": kernel.tactic if kernel else "", "calls": 0, "seconds": 0.0}
        line = lines.setdefault(step.name, {**first, "flops": 0, "bytes": 0, "floor_seconds": None, "onnx_nodes": ()})
        line["calls"] += 1
        line["seconds"] += step.seconds
        line["flops"] += flops
        line["bytes"] += moved
        line["onnx_nodes"] = tuple(dict.fromkeys((*line["onnx_nodes"], *step.onnx_nodes)))
        if ceilings is not None and kernel is not None:
            line["floor_seconds"] = (line["floor_seconds"] or 0.0) + ceilings.floor(flops, moved)
    return sorted(lines.values(), key=lambda line: -line["seconds"])


def export_trace(path: Path, plan: Plan, times: Sequence[StepTime], symbols: Mapping[str, int]) -> None:
    """Write the steps of a run, one behind the other, in Chrome's trace event format, which Perfetto opens.

    Raises CompileError where the file cannot be written.
    """
    known = plan.kernel_table()
    events: list[dict[str, Any]] = []
    start = 0.0
    for step in times:
        details: dict[str, Any] = {"ONNX nodes": ", ".join(step.onnx_nodes)}
        if (kernel := known.get(step.name)) is not None:
            details |= {"tactic": kernel.tactic, "schedule": kernel.schedule}
            details |= {"flops": evaluate(kernel.flops, symbols), "bytes": evaluate(kernel.bytes, symbols)}
        place = {"ph": "X", "pid": plan.name, "tid": plan.target.name}
        events.append({"name": step.name, **place, "ts": start * 1e6, "dur": step.seconds * 1e6, "args": details})
        start += step.seconds
    write_atomically(path, [json.dumps({"traceEvents": events, "displayTimeUnit": "ns"}).encode()])
