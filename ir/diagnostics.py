"""What the compiler tells its users: one `Diagnostic`, one `CompileError`, one renderer.

Messages are lower case without a full stop, name the thing, say what was expected and what was found, and end with
what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from .location import UNKNOWN, Location


@dataclass(frozen=True)
class Diagnostic:
    """One message at a place; `notes` add where the thing comes from and what to do."""

    message: str
    location: Location = UNKNOWN
    severity: str = "error"
    notes: tuple[str, ...] = ()

    def render(self) -> str:
        """`file:line:column: error: message`, the source line with carets below the place, and a line a note."""
        position = self.location.position
        lines = [f"{self.severity}: {self.message}"]
        if position is not None:
            lines[0] = f"{position.file}:{position.line}:{position.column}: {lines[0]}"
            source = position.source_line
            if source is not None:
                lines.append(f"{position.line:>5} | {source}")
                lines.append(f"      | {' ' * (position.column - 1)}{'^' * max(position.width, 1)}")
        lines += [f"note: {note}" for note in self.notes]
        return "\n".join(lines)


class CompileError(Exception):
    """An error the user can mend: bad input, an unsupported op, an invalid IR text. Rendered without a traceback."""

    def __init__(self, *diagnostics: Diagnostic | str) -> None:
        self.diagnostics = tuple(Diagnostic(d) if isinstance(d, str) else d for d in diagnostics)
        super().__init__("\n".join(d.render() for d in self.diagnostics))

    def with_note(self, note: str) -> CompileError:
        """The same error with `note` added to its last diagnostic; the class is kept."""
        *first, last = self.diagnostics
        extended = Diagnostic(last.message, last.location, last.severity, (*last.notes, note))
        return type(self)(*first, extended)


class ParseError(CompileError):
    """A text that is not IR: its syntax, a type, an undefined value."""


class VerifyError(CompileError):
    """The IR breaks a rule: an op's types, the order of definitions, an unknown symbol."""


class InternalError(CompileError):
    """A defect of Kernelwright itself; the driver writes a reproducer and says where."""


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the nearest of `known`, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""
