"""Crash reproducers: one .mlir file with the IR before the failing passes and the command that runs them.

    // kernelwright reproducer: pass 'cse' failed: KeyError: 'x'
    // configuration: --pass-pipeline=cse,dce --verify-each
    module { … }

`kernelwright opt FILE` reads the configuration where the command line gives no pipeline, so the file runs as it is.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..ir.core import Operation
from ..ir.diagnostics import CompileError, InternalError
from ..ir.dialects.builtin import Module
from ..passes.manager import Event, Instrument
from ..passes.options import print_pipeline
from .irfile import write_module

FALLBACK = Path("crash-reproducer.mlir")
"""Where reproducers go when nobody named a file."""

_CONFIGURATION = "// configuration: "


@dataclass
class CrashReproducer(Instrument):
    """Writes a reproducer when a pass fails.

    With a `path` for every failure, from the IR right before the failing pass; without one only for defects of
    Kernelwright, to FALLBACK, from the start of the phase (a copy a phase costs little).
    """

    path: Path | None = None
    flags: Sequence[str] = ()
    _copy: Operation | None = field(default=None, init=False)
    _first: int = field(default=0, init=False)

    def before_pass(self, event: Event) -> None:
        entered = event.position == 0 or event.step.phase != event.steps[event.position - 1].phase
        if self.path is not None or entered:
            self._copy, self._first = event.module.clone(), event.position

    def after_failure(self, event: Event, error: CompileError) -> CompileError:
        path = self.path or (FALLBACK if isinstance(error, InternalError) else None)
        if path is None or self._copy is None:
            return error
        passes = [step.transform for step in event.steps[self._first :]]
        module, self._copy = self._copy, None
        assert isinstance(module, Module)
        try:
            write_module(path, module, header(error, print_pipeline(passes), self.flags))
        except CompileError as failure:
            return error.with_note(f"no reproducer was written: {failure.diagnostics[0].message}")
        return error.with_note(f"reproduce: kernelwright opt {path}")


def header(error: CompileError, pipeline: str, flags: Sequence[str]) -> str:
    """The comment lines at the top of a reproducer."""
    options = shlex.join([f"--pass-pipeline={pipeline}", "--verify-each", *flags])
    first = error.diagnostics[0].message.splitlines()[0]
    return f"// kernelwright reproducer: {first}\n{_CONFIGURATION}{options}\n"


def configuration(text: str) -> list[str]:
    """The options a reproducer was written with, [] for any other IR text."""
    for line in text.splitlines():
        if line.startswith(_CONFIGURATION):
            return shlex.split(line[len(_CONFIGURATION) :])
        if not line.startswith("//"):
            break
    return []
