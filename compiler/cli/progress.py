"""A progress bar with the phase on a terminal, and nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from ..session import Report


@contextmanager
def progress_bar() -> Generator[Report | None]:
    """A function that shows phase, pass and share done; None where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    columns = (
        TextColumn("{task.fields[phase]:>9}"),
        BarColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=1.0, phase="")

        def report(phase: str, step: str, done: float) -> None:
            progress.update(task, phase=phase, description=step, completed=done)

        yield report
