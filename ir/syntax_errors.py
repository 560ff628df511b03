"""What a syntax error is called: lark's exceptions in the words of the IR."""

from __future__ import annotations

import re

from lark import Lark, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

_NAMES = {
    "VALUE": "a value (%x)",
    "SYMBOL": "a symbol (@name)",
    "LABEL": "a block label (^bb0)",
    "STRING": "a string",
    "WORD": "a type",
    "HASH": "an attribute (#name)",
    "NAME": "a name",
    "NUMBER": "a number",
    "LITERAL": "a number",
    "SCALAR": "an element type",
    "BANG": "a dialect's type (!name)",
    "SHAPE": "sizes (4x8x)",
    "INTEGER": "an integer",
    "MODULE": "'module'",
    "FUNCTION": "'func.func'",
    "RETURN": "'return'",
    "LOCATION": "a location",
    "DENSE": "elements (dense<…>)",
    "TRUTH": "true or false",
    "VISIBILITY": "'private'",
    "UNKNOWN": "'?'",
    "$END": "the end of the text",
}
_MOST = 6
_FOUND = re.compile(r'"(?:[^"\\\n]|\\.)*"|[%@#!^]?[\w$.]+|.', re.DOTALL)
_CUSTOM_OP = re.compile(r"[a-z_]\w*\.[\w.]+")


def describe(error: UnexpectedInput, text: str, lark: Lark) -> tuple[int, int, str]:
    """The offset and width of the offending text, and the message."""
    if isinstance(error, UnexpectedToken):
        allowed = error.accepts
        end = error.token.type == "$END"
        offset = len(text.rstrip()) if end else error.token.start_pos or 0
    else:
        assert isinstance(error, UnexpectedCharacters)
        allowed, end, offset = error.allowed, False, error.pos_in_stream or 0
    match = _FOUND.match(text, offset)
    found = match[0] if match and not end else "the end of the text"
    width = 1 if end else len(found)
    if ("MODULE" in allowed or set(allowed) == {"STRING"}) and _CUSTOM_OP.fullmatch(found):
        return offset, width, f'an op is written in its generic form, found {found}; write "{found}"(…) : (…) -> …'
    if found == '"':
        return offset, width, "the string has no end in this line"
    if found == "<":
        return offset, width, "this '<' has no matching '>'"
    quoted = found if end or found.startswith('"') else f"'{found}'"
    return offset, width, f"expected {_expected(allowed, lark)}, found {quoted}"


def _expected(allowed: set[str] | None, lark: Lark) -> str:
    if "MODULE" in (allowed or ()):
        return "an op or '}'" if "RBRACE" in (allowed or ()) else "an op"
    names = list(dict.fromkeys(_name(terminal, lark) for terminal in sorted(allowed or ())))
    if len(names) > _MOST:
        return "an attribute" if "NUMBER" in (allowed or ()) else "another token"
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + f" or {names[-1]}"


def _name(terminal: str, lark: Lark) -> str:
    if terminal in _NAMES:
        return _NAMES[terminal]
    return f"'{lark.get_terminal(terminal).pattern.value}'"
