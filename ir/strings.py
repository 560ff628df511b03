"""String literals and identifiers of the textual IR."""

from __future__ import annotations

import re

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_$.]*")
_ESCAPE = re.compile(rb'\\([0-9A-Fa-f]{2}|[nt"\\])')
_NAMED = {b"n": b"\n", b"t": b"\t", b'"': b'"', b"\\": b"\\"}


def quote(text: str) -> str:
    """A string literal as MLIR reads it: bytes outside printable ASCII as two hexadecimal digits."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    out = ""
    for byte in text.encode():
        char = chr(byte)
        out += char if 32 <= byte < 127 and char not in '"\\' else f"\\{byte:02X}"
    return f'"{out}"'


def unquote(literal: str) -> str:
    """The text of a string literal, quotes included. Raises ValueError where its bytes are not UTF-8."""
    if "\\" not in literal:
        return literal[1:-1]

    def byte(match: re.Match[bytes]) -> bytes:
        code = match[1]
        return bytes([int(code, 16)]) if len(code) == 2 else _NAMED[code]

    return _ESCAPE.sub(byte, literal[1:-1].encode()).decode()


def identifier(name: str) -> str:
    """`name` itself where it can stand bare, else as a string literal."""
    return name if _IDENTIFIER.fullmatch(name) else quote(name)


def as_identifier(text: str) -> str:
    """`text` with every character that an identifier cannot have replaced by an underscore."""
    name = re.sub(r"[^A-Za-z0-9_$.]", "_", text)
    return name if _IDENTIFIER.match(name) else f"_{name}"


def is_identifier(name: str) -> bool:
    """Whether `name` can stand bare."""
    return _IDENTIFIER.fullmatch(name) is not None
