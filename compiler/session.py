"""From pass options to a pass manager with its instruments, and what is printed when it is done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from ..ir.diagnostics import suggest
from ..ir.dialects.builtin import Module
from ..passes.base import PassContext, lookup
from ..passes.instruments import DumpIR, Progress, Timing
from ..passes.manager import Instrument, PassManager, Step
from ..passes.numerics import CheckNumerics
from . import plugins
from .fates import NodeFates
from .options import PassOptions
from .reproducers import FALLBACK, CrashReproducer

Report = Callable[[str, str, float], None]
"""Told the phase, the pass and the share of the work that is done."""

PASSES_SHARE = 0.3
"""The part of a compilation's time that passes take; code generation takes the rest."""


class Session:
    """The passes of one compilation: loads the user's, runs them all, prints dumps, remarks and times."""

    def __init__(self, options: PassOptions, report: Report | None = None) -> None:
        self.options = options
        self.timing = Timing() if options.timing else None
        self.fates = NodeFates()
        self.loaded = [cls for file in options.load for cls in plugins.load_file(file)]
        plugins.load_entry_points()
        self._instruments = list(self._make_instruments(report))

    def _make_instruments(self, report: Report | None) -> Iterable[Instrument]:
        options = self.options
        for names in (options.print_before, options.print_after, options.disabled):
            for name in names:
                lookup(name)
        if options.check_numerics:
            yield CheckNumerics()
        yield CrashReproducer(
            options.crash_reproducer or (FALLBACK if options.check_numerics else None),
            (
                *(f"--load-pass={Path(file).resolve()}" for file in options.load),
                *["--check-numerics"] * options.check_numerics,
            ),
        )
        yield DumpIR(
            before=options.print_before,
            after=options.print_after,
            every=options.print_after_all or (options.tree is not None and not _selects(options)),
            on_change=options.print_after_change,
            on_failure=options.print_after_failure,
            tree=options.tree,
        )
        if report is not None:
            yield Progress(lambda phase, step, done: report(phase, step, done * PASSES_SHARE))
        if self.timing is not None:
            yield self.timing
        yield self.fates

    def run(self, module: Module, steps: Iterable[Step]) -> PassContext:
        """Run `steps` on `module` in place. Raises CompileError."""
        manager = PassManager(steps, self._instruments, self.options.disabled, self.options.verify_each)
        context = PassContext()
        try:
            return manager.run(module, context)
        finally:
            self._print_remarks(module, context)

    def measure(self, name: str) -> AbstractContextManager[None]:
        """Count the time of something that is not a pass."""
        return self.timing.measure(name) if self.timing else nullcontext()

    def finish(self) -> None:
        """Print the time report, if one was asked for."""
        if self.timing is not None:
            print(self.timing.report(), file=sys.stderr)

    def _print_remarks(self, module: Module, context: PassContext) -> None:
        """All remarks, or what became of one node with the remarks about it."""
        node = self.options.remarks
        if node is None:
            return
        every = node in ("", "*")
        chosen = [str(remark) for remark in context.remarks if every or remark.concerns(node)]
        if not every:
            chosen[:0] = self._fate(module, node)
        print("\n".join(chosen or ["no remarks"]), file=sys.stderr)

    def _fate(self, module: Module, node: str) -> list[str]:
        fate = self.fates.of(module).get(node)
        if fate is None:
            return [f"no node is called '{node}'{suggest(node, self.fates.nodes)}"]
        return [f"fate: {node}: {fate}"]


def _selects(options: PassOptions) -> bool:
    return bool(
        options.print_before or options.print_after or options.print_after_change or options.print_after_failure
    )
