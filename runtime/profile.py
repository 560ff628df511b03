"""Times of a run's steps, for profilers."""

from __future__ import annotations

from dataclasses import dataclass

from .plan import Copy, Fill, Host, Launch, Native, Plan, Step


@dataclass(frozen=True)
class StepTime:
    """What one executed step took, in seconds. `name` is the kernel's, the host function's, or "copy" or "fill"."""

    name: str
    onnx_nodes: tuple[str, ...]
    seconds: float


def label(plan: Plan, step: Step) -> tuple[str, tuple[str, ...]]:
    """The name and the ONNX nodes under which a profile lists `step`."""
    if isinstance(step, Launch):
        return step.kernel, step.onnx_nodes or plan.kernel(step.kernel).onnx_nodes
    if isinstance(step, Host):
        return step.function, step.onnx_nodes
    if isinstance(step, Native):
        return step.entry, ()
    return ("copy" if isinstance(step, Copy) else "fill" if isinstance(step, Fill) else type(step).__name__.lower()), ()
