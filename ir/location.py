"""Where an op comes from: the names of ONNX nodes, and the position in a text file it was parsed from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .strings import quote


@dataclass(frozen=True)
class FilePosition:
    """A position in a source text; `line` and `column` count from 1, `width` is the length of the caret line,
    `text` the whole source."""

    file: str
    line: int
    column: int
    width: int = 1
    text: str = field(default="", compare=False, repr=False)

    @property
    def source_line(self) -> str | None:
        """The line this points into; None where the text was not kept."""
        lines = self.text.split("\n", self.line)
        return lines[self.line - 1] if self.text and self.line <= len(lines) else None


@dataclass(frozen=True)
class Location:
    """`names` are printed as `loc("a")` or `loc(fused["a", "b"])`; `position` only serves diagnostics."""

    names: tuple[str, ...] = ()
    position: FilePosition | None = field(default=None, compare=False)

    def __str__(self) -> str:
        if len(self.names) == 1:
            return f"loc({quote(self.names[0])})"
        if self.names:
            return "loc(fused[" + ", ".join(map(quote, self.names)) + "])"
        return "loc(unknown)"


UNKNOWN = Location()


def fuse(locations: Iterable[Location]) -> Location:
    """The location of an op that replaces ops at `locations`: their names in order, each once."""
    names: dict[str, None] = {}
    position = None
    for location in locations:
        names.update(dict.fromkeys(location.names))
        position = position or location.position
    return Location(tuple(names), position)
