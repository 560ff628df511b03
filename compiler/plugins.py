"""Passes of the user's own: files named with `--load-pass`, and packages with entry points in `kernelwright.passes`."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import sys
import traceback
from importlib.metadata import entry_points
from pathlib import Path

from ..ir.diagnostics import CompileError, Diagnostic
from ..passes.base import PASSES, Pass

GROUP = "kernelwright.passes"


def load_file(path: str | Path) -> list[type[Pass]]:
    """Run a Python file and return the passes it declares. Raises CompileError, with the line, for what goes wrong."""
    path = Path(path).resolve()
    if not path.is_file():
        raise CompileError(f"cannot load passes from '{path}': no such file")
    module_name = f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise CompileError(f"cannot load passes from '{path}': expected a Python file (*.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except CompileError as error:
        raise error.with_note(f"while loading passes from {path}") from None
    except Exception as error:
        raise CompileError(
            Diagnostic(
                f"{_line(path, error)}: {type(error).__name__}: {error}",
                notes=("the file was loaded for its passes (--load-pass)",),
            )
        ) from error
    found = [cls for cls in PASSES.values() if cls.__module__ == module_name]
    if not found:
        note = "declare a subclass of kernelwright.Pass or kernelwright.PatternPass with a `name`"
        raise CompileError(Diagnostic(f"'{path}' declares no pass", notes=(note,)))
    return found


def load_entry_points() -> None:
    """Import what installed packages offer. Raises CompileError naming the package whose entry point fails."""
    _load_entry_points(tuple(sys.path))


@functools.cache
def _load_entry_points(path: tuple[str, ...]) -> None:
    """Once for each `path`: finding them reads the metadata of all that is installed."""
    for entry in entry_points(group=GROUP):
        try:
            entry.load()
        except Exception as error:
            package = entry.dist.name if entry.dist else "an installed package"
            what = f"{type(error).__name__}: {error}"
            raise CompileError(f"cannot load the passes '{entry.name}' of {package} ({entry.value}): {what}") from error


def _line(path: Path, error: Exception) -> str:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f"{path}:{error.lineno}"
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(path)]
    return f"{path}:{lines[-1]}" if lines else str(path)
