"""Pipelines as text: `canonicalize,fuse-vertical{max-ops=8},cse`, the syntax of MLIR without nesting.

| field of the pass | option text |
|---|---|
| `max_ops: int` | `max-ops=8` |
| `fast: bool` | `fast=true`, or `fast` alone |
| `ratio: float`, `kind: str` | `ratio=0.5`, `kind=gemm` or `kind='a b'` |
| `mode: Literal["a", "b"]` | `mode=a` |
| `block: tuple[int, ...]` | `block=128,64` |
| `limit: int | None` | `limit=3` or `limit=none` |
"""

from __future__ import annotations

import dataclasses
import re
import types as python_types
import typing
from collections.abc import Iterable, Iterator
from typing import Any

from ..ir.diagnostics import CompileError, Diagnostic, suggest
from .base import Pass, lookup, option_name

_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_OPTION = re.compile(r"\s*([A-Za-z0-9_-]+)(?:=('[^']*'|\"[^\"]*\"|[^\s'\"]*))?\s*")
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def parse_pipeline(text: str) -> list[Pass]:
    """The passes that `text` names. Raises CompileError for an unknown pass or option, or a value of another type."""
    return [_instantiate(name, options) for name, options in _split(text)]


def print_pipeline(passes: Iterable[Pass]) -> str:
    """The text that `parse_pipeline` reads back to equal passes; options at their defaults are left out."""
    return ",".join(map(str, passes))


def option_fields(cls: type[Pass]) -> dict[str, tuple[dataclasses.Field[Any], Any]]:
    """The options of a pass by their name in text: the field and its type."""
    hints = typing.get_type_hints(cls)
    return {option_name(f): (f, hints[f.name]) for f in dataclasses.fields(cls)}


def type_text(hint: Any) -> str:
    """The type of an option in words."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return "one of " + ", ".join(map(str, args))
    if origin is tuple:
        return f"a list of {type_text(args[0])}, comma-separated"
    if origin in (typing.Union, python_types.UnionType):
        return " or ".join("none" if arg is type(None) else type_text(arg) for arg in args)
    return {int: "int", float: "float", bool: "true or false", str: "str"}.get(hint, str(hint))


def _split(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while text[position:].strip():
        position += len(text[position:]) - len(text[position:].lstrip())
        name = _NAME.match(text, position)
        if name is None:
            raise _syntax_error(text, position, "expected the name of a pass")
        position, options = name.end(), ""
        if text[position : position + 1] == "{":
            end = _closing_brace(text, position)
            options, position = text[position + 1 : end], end + 1
        yield name.group(), options
        position += len(text[position:]) - len(text[position:].lstrip())
        if position < len(text):
            if text[position] != ",":
                raise _syntax_error(text, position, "expected ',' between passes")
            position += 1
            if not text[position:].strip():
                raise _syntax_error(text, position, "expected the name of a pass")


def _closing_brace(text: str, start: int) -> int:
    quote = None
    for i in range(start + 1, len(text)):
        if quote is None and text[i] == "}":
            return i
        if quote is None and text[i] in "'\"":
            quote = text[i]
        elif text[i] == quote:
            quote = None
    raise _syntax_error(text, start, "this '{' is never closed")


def _syntax_error(text: str, position: int, message: str) -> CompileError:
    return CompileError(Diagnostic(f"pass pipeline: {message}", notes=(text, " " * position + "^")))


def _instantiate(name: str, text: str) -> Pass:
    cls = lookup(name)
    fields = option_fields(cls)
    values: dict[str, Any] = {}
    for option, value in _options(name, text):
        if option not in fields:
            known = f"it has {', '.join(fields)}" if fields else "it has none"
            raise CompileError(f"pass '{name}' has no option '{option}'{suggest(option, fields) or '; ' + known}")
        field, hint = fields[option]
        try:
            values[field.name] = _value(value, hint)
        except ValueError:
            message = f"option '{option}' of pass '{name}' must be {type_text(hint)}, found '{value}'"
            raise CompileError(message) from None
    missing = [o for o, (f, _) in fields.items() if f.name not in values and _required(f)]
    if missing:
        raise CompileError(f"pass '{name}' needs the option '{missing[0]}', e.g. {name}{{{missing[0]}=…}}")
    return cls(**values)


def _required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _options(name: str, text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _OPTION.match(text, position)
        if match is None or match.end() == position:
            raise CompileError(f"pass '{name}': expected options like {{a=1 b=x}}, found '{text}'")
        value = match.group(2)
        yield match.group(1), "true" if value is None else value.strip("'\"")
        position = match.end()


def _value(text: str, hint: Any) -> Any:
    """`text` as a value of type `hint`. Raises ValueError."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, python_types.UnionType):
        if text == "none" and type(None) in args:
            return None
        return _value(text, next(arg for arg in args if arg is not type(None)))
    if origin is typing.Literal:
        return {str(choice): choice for choice in args}[text] if text in map(str, args) else _reject(text)
    if origin is tuple:
        return tuple(_value(part.strip(), args[0]) for part in text.split(",")) if text else ()
    if hint is bool:
        return _BOOLEANS[text] if text in _BOOLEANS else _reject(text)
    return hint(text)


def _reject(text: str) -> Any:
    raise ValueError(text)
