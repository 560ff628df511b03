"""schedule-kernels: choose a strategy and its parameters for every kernel."""

from __future__ import annotations

from collections.abc import Iterable

from ...ir.diagnostics import CompileError, Diagnostic, suggest
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.target import Target
from ..base import EXACT, Pass, PassContext
from .strategies import AnyTarget, Strategy, by_priority, find


class ScheduleKernels(Pass):
    """Choose a strategy for every kernel without one: `tactic` is its name, `schedule` its parameters.

    Each text `NODE=STRATEGY` of `force` leaves the kernel that computes the ONNX node NODE that one strategy.
    """

    name = "schedule-kernels"
    tolerance = EXACT
    force: tuple[str, ...] = ()

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module)
        kernels = [op for op in module.block if isinstance(op, kernel.Func)]
        _check_forced(self.force, kernels)
        for func in kernels:
            if not func.is_tiled and func.tactic is None:
                _choose(func, target, strategies_for(func, self.force), context)


def strategies_for(func: kernel.Func, force: Iterable[str] = ()) -> list[Strategy]:
    """The strategies to ask about a kernel, in order: all, or the one that `force` names for one of its nodes."""
    for text in force:
        node, _, name = text.rpartition("=")
        if node in (func.onnx or ()):
            return [_named(name)]
    return by_priority()


def _named(name: str) -> Strategy:
    found = find(name)
    if found is None:
        known = {strategy.name: strategy for strategy in by_priority()}
        raise CompileError(f"no strategy is called '{name}'{suggest(name, known)}; there are {', '.join(known)}")
    return found


def _check_forced(force: Iterable[str], kernels: list[kernel.Func]) -> None:
    nodes = {node: func for func in kernels for node in func.onnx or ()}
    for text in force:
        node, equals, name = text.rpartition("=")
        if not equals:
            raise CompileError(f"expected NODE=STRATEGY to force a tactic, found '{text}'")
        _named(name)
        if node not in nodes:
            raise CompileError(f"'{text}': no kernel computes a node '{node}'{suggest(node, nodes)}")


def _choose(func: kernel.Func, target: AnyTarget, strategies: list[Strategy], context: PassContext) -> None:
    refusals = []
    for strategy in strategies:
        chosen = strategy.schedule(func, target)
        if not isinstance(chosen, str):
            func.tactic, func.schedule = strategy.name, chosen
            context.count(strategy.name)
            return
        refusals.append(f"{strategy.name}: {chosen}")
        context.remark(func, f"not scheduled as {refusals[-1]}", func.onnx or ())
    nodes = ", ".join(f"'{name}'" for name in func.onnx or ()) or f"the kernel @{func.sym_name}"
    wanted = "fix the sizes with --shapes, or let the default passes run; if neither helps, report the model"
    message = f"cannot compile {nodes} for {target.name}: no strategy fits"
    raise CompileError(Diagnostic(message, func.location, notes=("; ".join(refusals), wanted)))
