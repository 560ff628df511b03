"""Errors as users see them: one message on standard error and an exit code, never a traceback unless asked for."""

from __future__ import annotations

import os
import sys
import traceback

import click

from ...ir.diagnostics import CompileError, InternalError
from ...runtime.errors import EngineError

_BUG = "this is a defect of Kernelwright, not of your input; please report it with the file that shows it"


def report(error: BaseException, verbose: bool = False) -> int:
    """Print `error` and return the exit code of the command."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        # The reader of our output went away; standard output must not be flushed again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        click.echo("interrupted", err=True)
        return 130
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.UsageError):
        error.show()
        return error.exit_code
    click.echo(_colored(text_of(error)), err=True)
    if verbose:
        click.echo("".join(traceback.format_exception(error)), err=True)
    return 1


def text_of(error: BaseException) -> str:
    """The message of any error, its notes below it."""
    if isinstance(error, InternalError):
        return f"{error}\nnote: {_BUG}"
    if isinstance(error, CompileError):
        return str(error)
    if isinstance(error, EngineError):
        return f"error: {error}"
    if isinstance(error, click.ClickException):
        return f"error: {error.format_message()}"
    if isinstance(error, OSError) and error.filename is not None:
        return f"error: cannot use '{error.filename}': {(error.strerror or str(error)).lower()}"
    if isinstance(error, MemoryError):
        return "error: out of memory"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" (at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"error: internal: {type(error).__name__}: {error}{where}\nnote: {_BUG}; --verbose shows where"


def _colored(text: str) -> str:
    return text.replace("error:", click.style("error:", fg="red", bold=True), 1)
