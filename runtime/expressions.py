"""Host shape arithmetic: integer expressions over symbolic dimensions, as text.

The text is that of the IR's dimensions (`past + seq`, `ceildiv(batch * seq, 128)`): integers, names, `+ - * // %`,
parentheses, and the functions `ceildiv(a, b)`, `min(...)` and `max(...)`. `//` and `%` round towards minus infinity.
A name may hold dots: `b3.end` is the end of buffer `b3` (see plan.Arena).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from types import CodeType

from .errors import PlanError, nearest

Expression = int | str
"""A size known now, or the text that computes it from symbols."""

_TOKEN = re.compile(r"\s*(?:(?P<int>\d+)|(?P<name>[A-Za-z_][\w.]*)|(?P<op>//|[-+*%(),]))")
_FUNCTIONS = {"ceildiv": (2, 2), "min": (1, None), "max": (1, None)}


def evaluate(expression: Expression, symbols: Mapping[str, int]) -> int:
    """The value of `expression` where each name has its value in `symbols`.

    Raises PlanError for a syntax error, a name that is not in `symbols`, or a division by zero.
    """
    if isinstance(expression, int):
        return expression
    try:
        return eval(_compiled(expression), _GLOBALS, {"s": symbols})
    except KeyError as error:
        note = nearest(error.args[0], symbols)
        known = ", ".join(f"'{name}'" for name in symbols) or "none"
        message = f"expression '{expression}': unknown name '{error.args[0]}', known are: {known}"
        raise PlanError(message, *([note] if note else [])) from None
    except ZeroDivisionError:
        raise PlanError(f"expression '{expression}': division by zero") from None


def names(expression: Expression) -> frozenset[str]:
    """The names that `expression` mentions."""
    return frozenset() if isinstance(expression, int) else _parsed(expression)[1]


def is_symbol(expression: Expression) -> bool:
    """True for text that is one plain name: a dimension that an input's shape can bind."""
    return isinstance(expression, str) and expression in names(expression)


def _ceildiv(a: int, b: int) -> int:
    return -(-a // b)


_GLOBALS = {"__builtins__": {}, "ceildiv": _ceildiv, "min": min, "max": max}


@functools.lru_cache(maxsize=65536)
def _compiled(text: str) -> CodeType:
    """Python code that computes `text` from a mapping `s`. Only what the parser lets through ever reaches it."""
    return compile(_parsed(text)[0], f"<expression {text}>", "eval")


@functools.lru_cache(maxsize=65536)
def _parsed(text: str) -> tuple[str, frozenset[str]]:
    """Python source of `text`, and the names in it."""
    parser = _Parser(text)
    return parser.parse(), frozenset(parser.names)


class _Parser:
    """Recursive descent from the text to Python source: sum, product, unary, atom."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.names: set[str] = set()
        self.tokens = self._tokenize()
        self.position = 0

    def parse(self) -> str:
        source = self._sum()
        if self._peek() is not None:
            raise self._error(f"unexpected '{self._peek()}'")
        return source

    def _tokenize(self) -> list[str]:
        tokens, position = [], 0
        text = self.text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._error(f"unexpected character '{text[position:].lstrip()[0]}'")
            tokens.append(match.group().strip())
            position = match.end()
        return tokens

    def _peek(self) -> str | None:
        return self.tokens[self.position] if self.position < len(self.tokens) else None

    def _next(self) -> str:
        token = self._peek()
        if token is None:
            raise self._error("unexpected end")
        self.position += 1
        return token

    def _expect(self, wanted: str) -> None:
        if self._peek() != wanted:
            raise self._error(f"expected '{wanted}', found '{self._peek() or 'the end'}'")
        self.position += 1

    def _sum(self) -> str:
        source = self._product()
        while self._peek() in ("+", "-"):
            source = f"({source} {self._next()} {self._product()})"
        return source

    def _product(self) -> str:
        source = self._unary()
        while self._peek() in ("*", "//", "%"):
            source = f"({source} {self._next()} {self._unary()})"
        return source

    def _unary(self) -> str:
        if self._peek() == "-":
            self._next()
            return f"(-{self._unary()})"
        return self._atom()

    def _atom(self) -> str:
        token = self._next()
        if token == "(":
            source = self._sum()
            self._expect(")")
            return source
        if token.isdigit():
            return str(int(token))
        if not (token[0].isalpha() or token[0] == "_"):
            raise self._error(f"unexpected '{token}'")
        if token in _FUNCTIONS and self._peek() == "(":
            return self._call(token)
        self.names.add(token)
        return f"s[{token!r}]"

    def _call(self, function: str) -> str:
        self._expect("(")
        arguments = [self._sum()]
        while self._peek() == ",":
            self._next()
            arguments.append(self._sum())
        self._expect(")")
        least, most = _FUNCTIONS[function]
        if len(arguments) < least or (most is not None and len(arguments) > most):
            raise self._error(f"'{function}' takes {least} arguments, found {len(arguments)}")
        # min(x) of one argument is x; Python's min would iterate over it
        return arguments[0] if len(arguments) == 1 else f"{function}({', '.join(arguments)})"

    def _error(self, message: str) -> PlanError:
        return PlanError(f"expression '{self.text}': {message}")
