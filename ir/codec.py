"""How a Python annotation of an op's field becomes an attribute and back.

| annotation | attribute |
|---|---|
| `bool`, `int`, `float`, `str` | `true`, `1 : i64`, `1.0 : f64`, `"x"` |
| `tuple[int, ...]`, `tuple[float, ...]`, `tuple[bool, ...]` | `array<i64: 1, 2>`, `array<f64: …>`, `array<i1: …>` |
| `tuple[T, ...]` for any other T here | `[…]` |
| `Literal["a", "b"]` | `"a"`, checked |
| `Dim` | `4 : i64` or `"batch * seq"` |
| `tuple[Dim, ...]` | `array<i64: 1, 2>`, or `[1 : i64, "batch"]` where one is symbolic |
| `Scalar`, `Type` and subclasses | the type |
| `Attribute` and subclasses | itself |
| a class with `to_attribute` and `from_attribute` | what they say |
| `T | None` | absent for None |
"""

from __future__ import annotations

import types as python_types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from . import symbols
from .attributes import (
    ArrayAttr,
    Attribute,
    BoolAttr,
    DenseArrayAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    OpaqueAttr,
    StringAttr,
    SymbolRefAttr,
    TypeAttr,
    UnitAttr,
)
from .types import Type, f64, i1, i64


@dataclass(frozen=True)
class Codec:
    """Python value to attribute and back; `decode` raises TypeError or ValueError for an attribute of another kind."""

    encode: Callable[[Any], Attribute]
    decode: Callable[[Any], Any]
    description: str
    optional: bool = False


def _expect(kind: type[Attribute]) -> Callable[[Attribute], Any]:
    def decode(attribute: Attribute) -> Any:
        if not isinstance(attribute, kind):
            raise TypeError(f"expected {kind.__name__}, found {attribute}")
        return attribute.value  # type: ignore[attr-defined]

    return decode


def _encode_dim(value: symbols.Dim) -> Attribute:
    return IntegerAttr(value) if isinstance(value, int) else StringAttr(str(value))


def _decode_dim(attribute: Attribute) -> symbols.Dim:
    if isinstance(attribute, IntegerAttr):
        return attribute.value
    return symbols.parse(_expect(StringAttr)(attribute))


def _encode_dims(values: Sequence[symbols.Dim]) -> Attribute:
    if all(isinstance(value, int) for value in values):
        return DenseArrayAttr(i64, tuple(int(value) for value in values if isinstance(value, int)))
    return ArrayAttr(tuple(map(_encode_dim, values)))


def _decode_dims(attribute: Attribute) -> tuple[symbols.Dim, ...]:
    if isinstance(attribute, DenseArrayAttr) and attribute.type == i64:
        return tuple(int(value) for value in attribute.values)
    if not isinstance(attribute, ArrayAttr):
        raise TypeError(f"expected sizes, found {attribute}")
    return tuple(map(_decode_dim, attribute.values))


_DIM = Codec(_encode_dim, _decode_dim, "an integer or a size expression in quotes")
_PLAIN: dict[Any, Codec] = {
    bool: Codec(lambda v: BoolAttr(bool(v)), _expect(BoolAttr), "true or false"),
    int: Codec(lambda v: IntegerAttr(int(v)), _expect(IntegerAttr), "an integer"),
    float: Codec(lambda v: FloatAttr(float(v)), _expect(FloatAttr), "a floating-point number"),
    str: Codec(StringAttr, _expect(StringAttr), "a string"),
    symbols.Dim: _DIM,
    tuple[symbols.Dim, ...]: Codec(_encode_dims, _decode_dims, "integers or size expressions in quotes"),
}
_NUMBERS = {int: (i64, "integers"), float: (f64, "floating-point numbers"), bool: (i1, "booleans")}


def codec_for(hint: Any) -> Codec:
    """The codec of an annotation. Raises TypeError for one the table above lacks."""
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, python_types.UnionType) and type(None) in args:
        inner = codec_for(_union([arg for arg in args if arg is not type(None)]))
        return Codec(inner.encode, inner.decode, inner.description, optional=True)
    if origin is typing.Literal:
        return _choice(args)
    if origin is tuple and args[1:] == (...,):
        return _numbers(args[0]) if args[0] in _NUMBERS else _sequence(codec_for(args[0]))
    if isinstance(hint, type):
        return _class(hint)
    raise TypeError(f"no attribute stands for the annotation {hint}")


def _union(args: list[Any]) -> Any:
    result = args[0]
    for arg in args[1:]:
        result = result | arg
    return result


def _choice(names: tuple[str, ...]) -> Codec:
    def check(value: str) -> str:
        if value not in names:
            raise ValueError(f"expected one of {', '.join(names)}, found {value!r}")
        return value

    return Codec(
        lambda v: StringAttr(check(v)), lambda a: check(_expect(StringAttr)(a)), "one of " + ", ".join(map(repr, names))
    )


def _numbers(kind: type) -> Codec:
    scalar, plural = _NUMBERS[kind]

    def decode(attribute: Attribute) -> tuple[Any, ...]:
        if not isinstance(attribute, DenseArrayAttr) or attribute.type != scalar:
            raise TypeError(f"expected an array of {scalar}, found {attribute}")
        return tuple(kind(v) for v in attribute.values)

    return Codec(lambda v: DenseArrayAttr(scalar, tuple(kind(x) for x in v)), decode, f"an array of {plural}")


def _sequence(inner: Codec) -> Codec:
    def decode(attribute: Attribute) -> tuple[Any, ...]:
        if not isinstance(attribute, ArrayAttr):
            raise TypeError(f"expected an array attribute, found {attribute}")
        return tuple(inner.decode(a) for a in attribute.values)

    return Codec(lambda v: ArrayAttr(tuple(inner.encode(x) for x in v)), decode, f"a list, each {inner.description}")


_KINDS: dict[type[Attribute], str] = {
    Attribute: "an attribute",
    ArrayAttr: "a list",
    DictAttr: "a dictionary",
    OpaqueAttr: "an attribute #dialect.name<…>",
    SymbolRefAttr: "a symbol",
    UnitAttr: "there or not there",
}


def _class(hint: type) -> Codec:
    if issubclass(hint, Type):
        return Codec(TypeAttr, _expect(TypeAttr), "a type")
    if issubclass(hint, Attribute):

        def decode(attribute: Attribute) -> Attribute:
            if not isinstance(attribute, hint):
                raise TypeError(f"expected {hint.__name__}, found {attribute}")
            return attribute

        return Codec(lambda v: v, decode, _KINDS.get(hint, hint.__name__))
    if hasattr(hint, "to_attribute") and hasattr(hint, "from_attribute"):
        return Codec(lambda v: v.to_attribute(), hint.from_attribute, hint.__name__)  # type: ignore[attr-defined]
    raise TypeError(f"no attribute stands for the class {hint.__name__}")
