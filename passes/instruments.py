"""Instruments of the pass manager: dumps of the IR with MLIR's flags and headers, timing, progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from ..ir.diagnostics import CompileError
from .manager import Event, Instrument


@dataclass
class DumpIR(Instrument):
    """Prints the module around passes, to `stream` (standard error by default) or to files below `tree`.

    `before` and `after` name passes, `every` means after all of them; `on_change` prints only where a pass made the
    text another one, `on_failure` what a failing pass leaves behind.
    """

    before: Collection[str] = ()
    after: Collection[str] = ()
    every: bool = False
    on_change: bool = False
    on_failure: bool = False
    tree: Path | None = None
    stream: TextIO | None = None
    _previous: str = field(default="", init=False)

    def before_pass(self, event: Event) -> None:
        if self.on_change:
            self._previous = str(event.module)
        if event.transform.name in self.before:
            self._dump(event, "Before", event.title)

    def after_pass(self, event: Event) -> None:
        selected = self.every or event.transform.name in self.after
        if selected or (self.on_change and str(event.module) != self._previous):
            self._dump(event, "After", event.title)

    def after_failure(self, event: Event, error: CompileError) -> CompileError:
        if self.on_failure or self.every:
            class_name = type(event.transform).__name__
            self._dump(event, "After", f"{class_name} Failed ({event.transform.name})")
        return error

    def _dump(self, event: Event, when: str, title: str) -> None:
        text = f"// -----// IR Dump {when} {title} //----- //\n{event.module}\n"
        if self.tree is None:
            (self.stream or sys.stderr).write(text + "\n")
            return
        folder = self.tree / event.step.phase
        folder.mkdir(parents=True, exist_ok=True)
        prefix = "before_" if when == "Before" else ""
        (folder / f"{event.position:03}_{prefix}{event.transform.name}.mlir").write_text(text)


@dataclass
class Span:
    """A named stretch of time and the stretches inside it."""

    name: str
    seconds: float = 0.0
    children: list[Span] = field(default_factory=list)

    def child(self, name: str) -> Span:
        if not self.children or self.children[-1].name != name:
            self.children.append(Span(name))
        return self.children[-1]

    def lines(self, total: float, depth: int = 0) -> Iterator[str]:
        yield f"  {self.seconds:8.4f} ({self.seconds / total:6.1%})  {'  ' * depth}{self.name}"
        for child in self.children:
            yield from child.lines(total, depth + 1)


class Timing(Instrument):
    """Wall time by phase and pass, as a tree; the driver adds what is not a pass with `measure`."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.root = Span("Total")
        self._clock = clock
        self._started = 0.0

    def before_pass(self, event: Event) -> None:
        self._started = self._clock()

    def after_pass(self, event: Event) -> None:
        elapsed = self._clock() - self._started
        phase = self.root.child(event.step.phase or "Pipeline")
        phase.seconds += elapsed
        phase.children.append(Span(event.title, elapsed))

    @contextmanager
    def measure(self, name: str) -> Generator[None]:
        """Count the time of a `with` block as a child of the root."""
        started = self._clock()
        yield
        self.root.child(name).seconds += self._clock() - started

    def report(self) -> str:
        """The tree, as MLIR's `--mlir-timing` prints it."""
        total = sum(child.seconds for child in self.root.children)
        rule = "===" + "-" * 73 + "==="
        head = [rule, "... Execution time report ...".center(79).rstrip(), rule]
        head += [f"  Total Execution Time: {total:.4f} seconds", "", "   ----Wall Time----  ----Name----"]
        body = [line for child in self.root.children for line in child.lines(total or 1.0)]
        return "\n".join([*head, *body, f"  {total:8.4f} ({1:6.1%})  Total"])


@dataclass
class Progress(Instrument):
    """Tells `report` the phase, the pass, and the share of passes that are done."""

    report: Callable[[str, str, float], None]

    def before_pass(self, event: Event) -> None:
        def within(share: float) -> None:
            self.report(event.step.phase, event.transform.name, (event.position + share) / len(event.steps))

        event.context.progress = within
        within(0.0)
