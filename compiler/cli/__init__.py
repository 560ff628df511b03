"""The command line. A command's module is imported when the command is called, so that `--help` answers at once."""

from __future__ import annotations

from .main import main

__all__ = ["main"]
