"""Writing one CUDA kernel as text: indented lines that remember the op they came from, and fresh names."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from ...ir.core import Operation

# Words that a generated name must not be: C++'s, CUDA's, and those the prelude defines.
_RESERVED = frozenset(
    [
        "alignas",
        "asm",
        "auto",
        "bool",
        "break",
        "case",
        "char",
        "class",
        "const",
        "continue",
        "default",
        "delete",
        "do",
        "double",
        "else",
        "enum",
        "extern",
        "false",
        "float",
        "for",
        "goto",
        "if",
        "inline",
        "int",
        "long",
        "namespace",
        "new",
        "operator",
        "private",
        "public",
        "register",
        "return",
        "short",
        "signed",
        "sizeof",
        "static",
        "struct",
        "switch",
        "template",
        "this",
        "throw",
        "true",
        "try",
        "typedef",
        "union",
        "unsigned",
        "using",
        "virtual",
        "void",
        "volatile",
        "while",
        "and",
        "or",
        "not",
        "xor",
        "lane",
        "warp",
        "thread",
        "shared",
        "f16",
        "bf16",
        "f8e4m3fn",
        "f8e4m3fnuz",
        "f8e5m2",
        "f8e5m2fnuz",
        "f8e8m0fnu",
        "f4e2m1fn",
        "min",
        "max",
        "blockIdx",
        "gridDim",
        "threadIdx",
        "blockDim",
    ]
)


@dataclass(frozen=True)
class Line:
    text: str
    op: Operation | None = None


@dataclass
class Writer:
    """Lines of a function's body. `op` is the op that is being spelled; `lead` come first, whenever they are found."""

    lines: list[Line] = field(default_factory=list)
    lead: list[Line] = field(default_factory=list)
    depth: int = 1
    op: Operation | None = None
    lead_depth: int = 1
    _taken: dict[str, int] = field(default_factory=dict)
    _shared: dict[str, str] = field(default_factory=dict)

    def line(self, text: str) -> None:
        self.lines.append(Line("  " * self.depth + text, self.op))

    def lead_line(self, text: str, first: bool = False) -> None:
        """A line at the start of the kernel or role."""
        self.lead.insert(0 if first else len(self.lead), Line("  " * self.lead_depth + text, self.op))

    def comment(self, text: str) -> None:
        self.line("// " + text.replace("\n", " "))

    @contextmanager
    def block(self, header: str) -> Generator[None]:
        """`header {`, the lines written inside, `}`; only the lines where the header is empty."""
        if not header:
            yield
            return
        self.line(f"{header} {{")
        self.depth += 1
        yield
        self.depth -= 1
        self.line("}")

    @contextmanager
    def scope(self, header: str) -> Generator[None]:
        """A block in which what is computed once is computed at its start, and `warp` and `thread` mean others."""
        lead, shared, lead_depth = self.lead, self._shared, self.lead_depth
        self.lead, self.lead_depth = [], self.depth + 1
        self._shared = {text: name for text, name in shared.items() if not re.search(r"\b(warp|thread)\b", text)}
        with self.block(header):
            start = len(self.lines)
            yield
            self.lines[start:start] = self.lead
        self.lead, self._shared, self.lead_depth = lead, shared, lead_depth

    @contextmanager
    def unrolled(self, count: int, step: int = 1, variable: str = "i") -> Generator[str]:
        """An unrolled loop over registers; gives its counter, or "0" where there is one turn and no loop."""
        if count <= step:
            yield "0"
            return
        advance = f"++{variable}" if step == 1 else f"{variable} += {step}"
        self.line("#pragma unroll")
        with self.block(f"for (int {variable} = 0; {variable} < {count}; {advance})"):
            yield variable

    def fresh(self, hint: str | None, default: str = "v") -> str:
        """A name like `hint` that nothing else has."""
        base = re.sub(r"\W", "_", hint or default)
        base = f"v{base}" if not base or base[0].isdigit() else base
        taken = self._taken.get(base)
        if taken is None and base not in _RESERVED:
            self._taken[base] = 0
            return base
        number = (taken or 0) + 1
        while f"{base}_{number}" in self._taken:
            number += 1
        self._taken[base] = number
        self._taken[f"{base}_{number}"] = 0
        return f"{base}_{number}"

    def hoisted(self, type: str, expression: str, hint: str) -> str:
        """The name of a constant that is computed once, at the start of the kernel."""
        if expression.isidentifier() or expression.isdigit():
            return expression
        if expression not in self._shared:
            name = self.fresh(hint)
            self._shared[expression] = name
            self.lead.append(Line(f"{'  ' * self.lead_depth}const {type} {name} = {expression};"))
        return self._shared[expression]


def total(*terms: str | int) -> str:
    """A sum in C, constants folded."""
    constant = sum(int(t) for t in terms if isinstance(t, int) or t.isdigit())
    texts = [t for t in terms if isinstance(t, str) and not t.isdigit()]
    if constant or not texts:
        texts.append(str(constant))
    return " + ".join(texts)


def times(a: str | int, b: str | int) -> str | int:
    """A product in C of two factors, each a number or the text of an expression."""
    a, b = (int(x) if isinstance(x, str) and x.isdigit() else x for x in (a, b))
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    if 0 in (a, b):
        return 0
    if a == 1 or b == 1:
        return b if a == 1 else a
    return f"{parenthesized(a)} * {parenthesized(b)}"


def parenthesized(text: str | int) -> str:
    """`text` so that it can stand beside any operator."""
    plain = isinstance(text, int) or re.fullmatch(r"[\w.]+|\w*\([^()]*\)|\w+\[[^\[\]]*\]", text)
    return str(text) if plain and not str(text).startswith("-") else f"({text})"
