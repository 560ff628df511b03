"""Dataclasses to JSON values and back, driven by their annotations.

Fields that have their default are left out; a member of a union of dataclasses carries its class name as "class".
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from .errors import PlanError

T = TypeVar("T")
TAG = "class"
Decoder = Callable[[Any], Any]


def encode(value: Any) -> Any:
    """JSON value of a dataclass, tuple, dict or scalar. Dataclasses are tagged: decode() accepts tags everywhere."""
    if _is_class(value) and not isinstance(value, type):
        return {TAG: type(value).__name__, **_fields_that_differ(value)}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, dict):
        return {key: encode(item) for key, item in value.items()}
    return value


def decode(cls: type[T], value: Any, path: str = "plan") -> T:
    """The `cls` that encode() turned into `value`; raises PlanError that names the place where the two do not fit."""
    try:
        return _decoder(cls)(value)
    except _Misfit as misfit:
        raise PlanError(f"{path}{misfit.path}: {misfit.message}") from None


class _Misfit(Exception):  # noqa: N818, it never leaves this module
    """A value of another form than its annotation; the path grows on the way out."""

    def __init__(self, message: str, path: str = "") -> None:
        self.message = message
        self.path = path


def _fields_that_differ(value: Any) -> dict[str, Any]:
    encoded = {}
    for field in dataclasses.fields(value):
        item = getattr(value, field.name)
        default = field.default_factory() if callable(field.default_factory) else field.default
        if item != default or type(item) is not type(default):
            encoded[field.name] = encode(item)
    return encoded


@functools.cache
def _decoder(annotation: Any) -> Decoder:
    """A function that checks and builds values of the annotated type."""
    if _is_class(annotation):
        return _dataclass_decoder(annotation)
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is dict:
        return _dict_decoder(arguments[1])
    if origin is typing.Literal:
        return _literal_decoder(arguments)
    return _scalar_decoder(annotation)


def _is_class(annotation: Any) -> bool:
    return dataclasses.is_dataclass(annotation)


def _dataclass_decoder(cls: type) -> Decoder:
    hints = typing.get_type_hints(cls)
    decoders: dict[str, Decoder] = {}
    names = hints.keys()
    required = {
        field.name
        for field in dataclasses.fields(cls)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    }

    def build(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _mismatch(cls.__name__, value)
        given = value.keys() - {TAG}
        if value.get(TAG, cls.__name__) != cls.__name__:
            raise _Misfit(f"expected {cls.__name__}, found {value[TAG]}")
        if wrong := sorted(given - names):
            raise _Misfit(f"{cls.__name__} has no field '{wrong[0]}'")
        if missing := sorted(required - given):
            raise _Misfit(f"{cls.__name__} lacks field '{missing[0]}'")
        for name in given - decoders.keys():  # made on first use: the step classes are recursive
            decoders[name] = _decoder(hints[name])
        return cls(**_each(((name, decoders[name], value[name]) for name in given), ".{}"))

    return build


def _union_decoder(options: tuple[Any, ...]) -> Decoder:
    classes = {option.__name__: option for option in options if _is_class(option)}
    scalars = tuple(option for option in options if option in (int, str, bool, float, type(None)))
    others = [_decoder(option) for option in options if option not in scalars and not _is_class(option)]
    expected = " or ".join(getattr(option, "__name__", str(option)) for option in options)

    def build(value: Any) -> Any:
        if type(value) in scalars:
            return value
        if isinstance(value, dict) and value.get(TAG) in classes:
            return _decoder(classes[value[TAG]])(value)
        if len(others) == 1:
            return others[0](value)
        raise _mismatch(expected, value)

    return build


def _tuple_decoder(arguments: tuple[Any, ...]) -> Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        length, items = None, [_decoder(arguments[0])]
    else:
        length, items = len(arguments), [_decoder(argument) for argument in arguments]
    last = len(items) - 1

    def build(value: Any) -> Any:
        if not isinstance(value, list) or (length is not None and len(value) != length):
            raise _mismatch("a list" if length is None else f"a list of {length}", value)
        entries = ((i, items[min(i, last)], item) for i, item in enumerate(value))
        return tuple(_each(entries, "[{}]").values())

    return build


def _dict_decoder(values: Any) -> Decoder:
    decoder = _decoder(values)

    def build(value: Any) -> Any:
        if not isinstance(value, dict):
            raise _mismatch("an object", value)
        return _each(((key, decoder, item) for key, item in value.items()), ".{}")

    return build


def _each(entries: Iterable[tuple[Any, Decoder, Any]], part: str) -> dict[Any, Any]:
    """Decode entries (key, decoder, value); `part` with a key in it is what leads to an entry in a path."""
    decoded = {}
    for key, decoder, value in entries:
        try:
            decoded[key] = decoder(value)
        except _Misfit as misfit:
            raise _Misfit(misfit.message, part.format(key) + misfit.path) from None
    return decoded


def _literal_decoder(choices: tuple[Any, ...]) -> Decoder:
    def build(value: Any) -> Any:
        if value not in choices:
            raise _mismatch(" or ".join(map(repr, choices)), value)
        return value

    return build


def _scalar_decoder(expected: type) -> Decoder:
    def build(value: Any) -> Any:
        if type(value) is not expected:  # not isinstance: a bool is not an int here
            raise _mismatch(expected.__name__, value)
        return value

    return build


def _mismatch(expected: str, value: Any) -> _Misfit:
    return _Misfit(f"expected {expected}, found {value!r:.60}")
