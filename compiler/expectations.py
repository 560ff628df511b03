"""`--verify-diagnostics`: errors that comments in the text announce.

%0 = "nn.relu"(%x) : (f32) -> f32     // expected-error {{expects a tensor}}
// expected-error@+1 {{unknown value}}
return %y : f32
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..ir.diagnostics import CompileError, Diagnostic

_EXPECTED = re.compile(r"//\s*expected-error(?:@([+-]\d+))?\s*\{\{(.*?)\}\}")


@dataclass(frozen=True)
class Expected:
    line: int
    text: str

    def matches(self, diagnostic: Diagnostic) -> bool:
        position = diagnostic.location.position
        return (position is None or position.line == self.line) and self.text in diagnostic.message


def expected_errors(text: str) -> list[Expected]:
    """The errors that comments of `text` announce, with the line each is expected at."""
    found: list[Expected] = []
    for number, line in enumerate(text.splitlines(), 1):
        found += [Expected(number + int(m.group(1) or 0), m.group(2)) for m in _EXPECTED.finditer(line)]
    return found


def compare(file: str, expected: list[Expected], error: CompileError | None) -> None:
    """Raise CompileError unless the errors are those expected, no more and no fewer."""
    missing = list(expected)
    for diagnostic in error.diagnostics if error else ():
        match = next((e for e in missing if e.matches(diagnostic)), None)
        if match is None:
            raise CompileError(Diagnostic(f"unexpected error: {diagnostic.message}", diagnostic.location))
        missing.remove(match)
    if missing:
        raise CompileError(f"{file}:{missing[0].line}: the expected error '{missing[0].text}' did not occur")
