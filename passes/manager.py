"""Running a list of passes over a module, with instruments that look on.

Whatever a pass raises leaves here as one `CompileError` that names the pass: a user's pass with its file, one of
Kernelwright's own as an `InternalError`.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..ir.diagnostics import CompileError, Diagnostic, InternalError
from ..ir.dialects.builtin import Module
from ..ir.verify import verify
from .base import Pass, PassContext, is_builtin, lookup, source_file


@dataclass(frozen=True)
class Step:
    """A pass of a pipeline, with the phase it belongs to and the reason it stands there."""

    transform: Pass
    phase: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Event:
    """One pass of a running pipeline, as instruments see it."""

    module: Module
    context: PassContext
    steps: tuple[Step, ...]
    position: int

    @property
    def step(self) -> Step:
        return self.steps[self.position]

    @property
    def transform(self) -> Pass:
        return self.step.transform

    @property
    def remaining(self) -> tuple[Pass, ...]:
        """This pass and all that come after it."""
        return tuple(step.transform for step in self.steps[self.position :])

    @property
    def title(self) -> str:
        """The pass as headers name it: `Cse (cse)`."""
        return f"{type(self.transform).__name__} ({self.transform.name})"


class Instrument:
    """Looks on while passes run; every hook is optional."""

    def before_pass(self, event: Event) -> None: ...

    def after_pass(self, event: Event) -> None: ...

    def after_failure(self, event: Event, error: CompileError) -> CompileError:
        """The error to report, as it is or with a note of this instrument's."""
        return error

    def after_pipeline(self, module: Module, context: PassContext) -> None: ...


class PassManager:
    """Runs `steps`, less those of the passes named in `disabled`.

    The module is verified after the last pass and after every pass that is not Kernelwright's own; with `verify_each`
    after all of them.
    """

    def __init__(
        self,
        steps: Iterable[Step | Pass],
        instruments: Sequence[Instrument] = (),
        disabled: Iterable[str] = (),
        verify_each: bool = False,
    ) -> None:
        off = {lookup(name).name for name in disabled}
        wrapped = (step if isinstance(step, Step) else Step(step) for step in steps)
        self.steps = tuple(step for step in wrapped if step.transform.name not in off)
        self.instruments = tuple(instruments)
        self.verify_each = verify_each

    def run(self, module: Module, context: PassContext | None = None) -> PassContext:
        """Change `module` in place and return the context with remarks and statistics. Raises CompileError."""
        context = context or PassContext()
        for position in range(len(self.steps)):
            self._run_pass(Event(module, context, self.steps, position))
        for instrument in self.instruments:
            instrument.after_pipeline(module, context)
        return context

    def _run_pass(self, event: Event) -> None:
        event.context.begin(event.transform)
        self._guard(event, lambda: self._notify(event, "before"))
        self._guard(event, lambda: event.transform.run(event.module, event.context))
        if event.context.changed:
            event.context.changed_by.append(event.transform.name)
        last = event.position == len(self.steps) - 1
        if last or self.verify_each or not is_builtin(type(event.transform)):
            self._guard(event, lambda: verify(event.module), invalid_ir)
        self._guard(event, lambda: self._notify(event, "after"))

    def _notify(self, event: Event, when: str) -> None:
        # Like a stack: the last to look before a pass is the first to look after it.
        for instrument in self.instruments if when == "before" else reversed(self.instruments):
            hook = instrument.before_pass if when == "before" else instrument.after_pass
            hook(event)

    def _guard(
        self,
        event: Event,
        action: Callable[[], None],
        explain: Callable[[Event, Exception], CompileError] | None = None,
    ) -> None:
        try:
            action()
        except Exception as raised:
            error = (explain or failed)(event, raised)
            for instrument in self.instruments:
                error = instrument.after_failure(event, error)
            raise error from raised


def _place(event: Event) -> str:
    return f"while running pass '{event.transform.name}' ({event.position + 1} of {len(event.steps)})"


def _origin(transform: Pass) -> str:
    return "" if is_builtin(type(transform)) else f" of {source_file(type(transform))}"


def failed(event: Event, raised: Exception) -> CompileError:
    """What a pass raised, as one error."""
    if isinstance(raised, CompileError):
        return raised.with_note(_place(event))
    name, what = event.transform.name, f"{type(raised).__name__}: {raised}"
    frames = traceback.extract_tb(raised.__traceback__)
    if is_builtin(type(event.transform)):
        where = f"at {Path(frames[-1].filename).name}:{frames[-1].lineno} in {frames[-1].name}"
        return InternalError(Diagnostic(f"pass '{name}' failed: {what}", notes=(where, _place(event))))
    file = source_file(type(event.transform))
    lines = [f.lineno for f in frames if f.filename == file]
    place = f"{file}:{lines[-1]}" if lines else file
    return CompileError(Diagnostic(f"pass '{name}' of {place} raised {what}", notes=(_place(event),)))


def invalid_ir(event: Event, raised: Exception) -> CompileError:
    """The module does not verify after a pass."""
    if not isinstance(raised, CompileError):
        return failed(event, raised)
    transform, first = event.transform, raised.diagnostics[0]
    kind = InternalError if is_builtin(type(transform)) else CompileError
    message = f"pass '{transform.name}'{_origin(transform)} left invalid IR: {first.message}"
    return kind(replace(first, message=message, notes=(*first.notes, _place(event))))
