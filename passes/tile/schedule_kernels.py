"""schedule-kernels: choose a strategy and its parameters for every kernel."""

from __future__ import annotations

from ...ir.diagnostics import CompileError, Diagnostic
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.target import Target
from ..base import EXACT, Pass, PassContext
from .strategies import AnyTarget, by_priority


class ScheduleKernels(Pass):
    """Choose a strategy for every kernel without one: `tactic` is its name, `schedule` its parameters."""

    name = "schedule-kernels"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module)
        for func in module.block:
            if isinstance(func, kernel.Func) and not func.is_tiled and func.tactic is None:
                _choose(func, target, context)


def _choose(func: kernel.Func, target: AnyTarget, context: PassContext) -> None:
    refusals = []
    for strategy in by_priority():
        chosen = strategy.schedule(func, target)
        if not isinstance(chosen, str):
            func.tactic, func.schedule = strategy.name, chosen
            context.count(strategy.name)
            return
        refusals.append(f"{strategy.name}: {chosen}")
        context.remark(func, f"not scheduled as {refusals[-1]}")
    nodes = ", ".join(f"'{name}'" for name in func.onnx or ()) or f"the kernel @{func.sym_name}"
    wanted = "fix the sizes with --shapes, or let the default passes run; if neither helps, report the model"
    message = f"cannot compile {nodes} for {target.name}: no strategy fits"
    raise CompileError(Diagnostic(message, func.location, notes=("; ".join(refusals), wanted)))
