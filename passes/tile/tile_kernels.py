"""tile-kernels: turn every scheduled kernel into a tile program."""

from __future__ import annotations

from ...ir.diagnostics import CompileError, Diagnostic, suggest
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.target import Target
from ..base import Pass, PassContext
from .strategies import STRATEGIES, find


class TileKernels(Pass):
    """Replace the body of every scheduled kernel by a tile program, as its `tactic` and `schedule` say."""

    name = "tile-kernels"

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module)
        for func in list(module.block):
            if not isinstance(func, kernel.Func) or func.is_tiled:
                continue
            func.require(func.tactic is not None, f"@{func.sym_name} has no schedule; run schedule-kernels before")
            strategy = find(func.tactic or "")
            if strategy is None or func.schedule is None:
                message = (
                    f"@{func.sym_name} has no known tactic: '{func.tactic}'{suggest(str(func.tactic), STRATEGIES)}"
                )
                raise CompileError(Diagnostic(message, func.location))
            try:
                strategy.build(func, func.schedule, target)
            except ValueError as error:
                raise CompileError(Diagnostic(f"@{func.sym_name}: {error}", func.location)) from error
            context.count(strategy.name)
