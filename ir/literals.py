"""Types, attributes and locations out of their text: the parser's callbacks for the rules below the ops."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import Any, NoReturn

import numpy as np
from lark import Token

from . import symbols
from . import types as t
from .attributes import (
    AffineAttr,
    ArrayAttr,
    Attribute,
    BoolAttr,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    OpaqueAttr,
    StringAttr,
    SymbolRefAttr,
    TypeAttr,
    UnitAttr,
)
from .diagnostics import suggest
from .location import UNKNOWN, Location, fuse
from .strings import is_identifier, unquote

_SYMBOL = re.compile(r'@("(?:[^"\\]|\\.)*"|[A-Za-z0-9_$.-]+)')
_MOST_SPELLINGS = 100_000
_WORDS: dict[str, Attribute] = {"true": BoolAttr(True), "false": BoolAttr(False), "unit": UnitAttr()}


class Literals:
    """Callbacks named after grammar rules. A subclass gives `fail`, `inside` and `parse_token`."""

    def __init__(self) -> None:
        self.type_table: dict[str, t.Type] = {}
        self.words = dict(_WORDS)
        self.aliases: dict[str, Attribute] = {}

    def forget(self) -> None:
        """Drop what earlier texts spelled, before the tables grow without end."""
        if len(self.type_table) + len(self.words) > _MOST_SPELLINGS:
            self.type_table, self.words = {}, dict(_WORDS)
        self.aliases = {}

    def fail(self, token: Token | None, message: str) -> NoReturn:
        """Raise a ParseError that points at `token`, or where the innermost nested text starts."""
        raise NotImplementedError

    def inside(self, token: Token) -> AbstractContextManager[None]:
        """A context in which positions count from the start of `token`."""
        raise NotImplementedError

    def parse_token(self, start: str, token: Token) -> Any:
        """What the start rule `start` makes of the text of `token`."""
        raise NotImplementedError

    # Types

    def type(self, children: list[Any]) -> t.Type:
        word = children[0]
        return word if isinstance(word, t.Type) else self.type_of(word)

    def type_of(self, word: Token) -> t.Type:
        """The type `word` spells; each spelling is parsed once and its type shared."""
        found = self.type_table.get(word)
        if found is None:
            found = self.type_table[str(word)] = self.parse_token("type_text", word)
        return found

    def type_text(self, children: list[Any]) -> t.Type:
        return children[0]

    def scalar(self, children: list[Token]) -> t.Scalar:
        found = t.SCALARS.get(children[0])
        if found is None:
            self.fail(children[0], f"unknown type '{children[0]}'{suggest(children[0], t.SCALARS)}")
        return found

    def complex(self, children: list[Token]) -> t.Scalar:
        found = t.SCALARS.get(f"complex<{children[0]}>")
        if found is None:
            self.fail(children[0], f"complex elements are f32 or f64, found '{children[0]}'")
        return found

    def none(self, children: list[Any]) -> t.NoneType:
        return t.none

    def opaque_type(self, children: list[Any]) -> t.OpaqueType:
        return t.OpaqueType(children[0][1:], tuple(c for c in children[1:] if c is not None))

    def tensor(self, children: list[Any]) -> t.TensorType:
        text, dtype, dims = children
        if text == "*x":
            return t.TensorType(None, dtype)
        sizes = _sizes(text)
        unknown = sizes.count(None)
        if unknown != len(dims or ()):
            names = ", ".join(f'"n{i}"' for i in range(unknown))
            self.fail(text, f"each '?' of a tensor needs its size by name: tensor<{text}{dtype}, #kw.dims<{names}>>")
        named = iter(dims or ())
        return t.TensorType(tuple(next(named) if size is None else size for size in sizes), dtype)

    def dims(self, children: list[Token]) -> list[symbols.Expr]:
        found: list[symbols.Expr] = []
        for token in children:
            try:
                value = symbols.parse(unquote(token))
            except (ValueError, ZeroDivisionError) as error:
                self.fail(token, str(error))
            if isinstance(value, int):
                self.fail(token, f"a dynamic size needs a name, found the number {value}; write it in the shape")
            found.append(value)
        return found

    def memref(self, children: list[Any]) -> t.MemRefType:
        text: Token | None = children[0]
        _, dtype, layout, space = children
        if not isinstance(dtype, t.Scalar) or text == "*x":
            self.fail(text, f"a memref has a rank and scalar elements, found {text}{dtype}")
        strides, offset = layout or (None, 0)
        shape = _sizes(text)
        if strides is not None and len(strides) != len(shape):
            self.fail(text, f"{len(shape)} sizes and {len(strides)} strides")
        return t.MemRefType(shape, dtype, unquote(space) if space else "", strides, offset)

    def strided(self, children: list[Any]) -> tuple[tuple[int | None, ...], int | None]:
        *strides, offset = children
        sizes = tuple(_stride(s) for s in strides if s is not None)
        return sizes, 0 if offset is None else _stride(offset)

    def stride(self, children: list[Token]) -> Token:
        return children[0]

    def vector(self, children: list[Any]) -> t.VectorType:
        text, dtype = children
        sizes = tuple(size for size in _sizes(text) if size is not None)
        if not isinstance(dtype, t.Scalar) or sizes != _sizes(text):
            self.fail(text, f"a vector has known sizes and scalar elements, found {text}{dtype}")
        return t.VectorType(sizes, dtype)

    def types(self, children: list[t.Type | None]) -> tuple[t.Type, ...]:
        return tuple(child for child in children if child is not None)

    def one_type(self, children: list[Token]) -> tuple[t.Type, ...]:
        return (self.type_of(children[0]),)

    def results(self, children: list[Any]) -> tuple[t.Type, ...]:
        return children[0] or ()

    def function_type(self, children: list[Any]) -> t.FunctionType:
        return t.FunctionType(children[0] or (), children[1])

    # Attributes

    def number(self, children: list[Token]) -> Attribute:
        text, _, scalar = children[0].partition(":")
        text, scalar = text.strip(), scalar.strip()
        default = t.f64 if "." in text else t.i64
        type = self.scalar([children[0].update(value=scalar)]) if scalar else default
        value = self._value(children[0].update(value=text), type)
        if type.is_float:
            return FloatAttr(float(value), type)
        return IntegerAttr(int(value), type)

    def string(self, children: list[Token]) -> StringAttr:
        return StringAttr(self._unquote(children[0]))

    def word(self, children: list[Token]) -> Attribute:
        word = children[0]
        known = self.words.get(word)
        if known is None:
            known = self.words[str(word)] = self._word(word)
        return known

    def _word(self, word: Token) -> Attribute:
        if word.startswith("array<"):
            return self.parse_token("array_text", word)
        if word.startswith(("affine_map<", "affine_set<")):
            kind, _, body = word.partition("<")
            return AffineAttr(kind, body[:-1])
        return TypeAttr(self.type_of(word))

    def hash(self, children: list[Token]) -> Attribute:
        name, _, body = children[0][1:].partition("<")
        return self.aliases.get(name) or OpaqueAttr(name, body[:-1])

    def symbol_reference(self, children: list[Token]) -> SymbolRefAttr:
        root, *nested = symbol_names(children[0])
        return SymbolRefAttr(root, tuple(nested))

    def type_attribute(self, children: list[t.Type]) -> TypeAttr:
        return TypeAttr(children[0])

    def array(self, children: list[Attribute | None]) -> ArrayAttr:
        return ArrayAttr(tuple(child for child in children if child is not None))

    def dictionary_attribute(self, children: list[dict[Token, Attribute]]) -> DictAttr:
        return DictAttr.of({self.attribute_name(name): value for name, value in children[0].items()})

    def dictionary(self, children: list[tuple[Token, Attribute] | None]) -> dict[Token, Attribute]:
        found: dict[Token, Attribute] = {}
        for child in children:
            if child is None:
                continue
            if child[0] in found:
                self.fail(child[0], f"the attribute '{child[0]}' is given twice")
            found[child[0]] = child[1]
        return found

    def entry(self, children: list[Any]) -> tuple[Token, Attribute]:
        name, value = children
        return name, UnitAttr() if value is None else value

    def attribute_name(self, token: Token) -> str:
        return self._unquote(token) if token.startswith('"') else str(token)

    def array_text(self, children: list[Any]) -> DenseArrayAttr:
        type = self.scalar(children[:1])
        kind = float if type.is_float else bool if type.is_bool else int
        return DenseArrayAttr(type, tuple(kind(self._value(c, type)) for c in children[1:] if c is not None))

    def dense(self, children: list[Any]) -> Attribute:
        token, type = children
        if not isinstance(type, (t.TensorType, t.VectorType)) or type.shape is None:
            self.fail(token, f"the elements of a dense attribute are a tensor or a vector of known sizes, not {type}")
        content = self.parse_token("dense_text", token)
        if token.startswith("dense_resource"):
            if not isinstance(type, t.TensorType):
                self.fail(token, f"a resource is a tensor, not {type}")
            if not is_identifier(content):
                self.fail(token, f"'{content}' names no resource: it must be an identifier")
            return DenseResourceAttr(content, type)
        shape = tuple(size for size in type.shape if isinstance(size, int))
        if len(shape) != len(type.shape):
            self.fail(token, f"the elements of a dense attribute are of known sizes, not {type}")
        return DenseAttr(self._elements(token, content, shape, type.dtype), type)

    def _elements(
        self, token: Token, content: Any, shape: tuple[int, ...], dtype: t.Scalar | t.OpaqueType
    ) -> np.ndarray:
        numpy = dtype.numpy if isinstance(dtype, t.Scalar) else np.dtype(object)
        if content is None and 0 in shape:
            return np.zeros(shape, numpy)
        flat: list[Any] = []
        found = _flatten(content, flat)
        if found not in ((), shape):
            spelled = "ragged lists" if found is None else f"shape {list(found)}"
            self.fail(token, f"the elements have {spelled} where the type has {list(shape)}")
        with self.inside(token):
            values = [self._value(child, dtype) for child in flat]
        array = np.empty(len(values), numpy)
        array[:] = values
        return np.full(shape, array[0], numpy) if found == () else array.reshape(shape)

    def dense_text(self, children: list[Any]) -> Any:
        return children[0]

    def resource(self, children: list[Token]) -> str:
        return self.attribute_name(children[0])

    def list(self, children: list[Any]) -> list[Any]:
        return [child for child in children if child is not None]

    def complex_literal(self, children: list[Token]) -> tuple[Token, Token]:
        return children[0], children[1]

    def _value(self, literal: Token | tuple[Token, Token], type: t.Scalar | t.OpaqueType) -> Any:
        """A Python number, truth value or string; a hexadecimal literal is the bits of a float."""
        if isinstance(literal, tuple):
            if not (isinstance(type, t.Scalar) and type.is_complex):
                self.fail(literal[0], f"a pair of numbers is no {type}")
            part = t.SCALARS[type.name[8:-1]]
            return complex(self._value(literal[0], part), self._value(literal[1], part))
        if not isinstance(type, t.Scalar):
            return self._unquote(literal)
        value = _number(str(literal), type)
        if value is None:
            self.fail(literal, f"'{literal}' is no {type}")
        return value

    def _unquote(self, token: Token) -> str:
        try:
            return unquote(token)
        except (UnicodeDecodeError, KeyError):
            self.fail(token, "the string is not UTF-8")

    # Locations

    def location(self, token: Token | None) -> Location:
        return UNKNOWN if token is None else self.parse_token("location_text", token)

    def location_text(self, children: list[Location]) -> Location:
        return children[0]

    def named(self, children: list[Token]) -> Location:
        return Location((self._unquote(children[0]),))

    def named_child(self, children: list[Any]) -> Location:
        return fuse([Location((self._unquote(children[0]),)), children[1]])

    def file_location(self, children: list[Any]) -> Location:
        return UNKNOWN

    def unknown(self, children: list[Any]) -> Location:
        return UNKNOWN

    def fused(self, children: list[Any]) -> Location:
        return Location(tuple(name for child in children if isinstance(child, Location) for name in child.names))

    def callsite(self, children: list[Location]) -> Location:
        return fuse(children)


def symbol_names(token: str) -> list[str]:
    """`@a::@"b c"` as its names."""
    return [unquote(name) if name.startswith('"') else name for name in _SYMBOL.findall(token)]


def _sizes(text: str | None) -> tuple[int | None, ...]:
    return tuple(None if size == "?" else int(size) for size in text[:-1].split("x")) if text else ()


def _stride(token: Token) -> int | None:
    return None if token == "?" else int(token)


def _flatten(content: Any, flat: list[Any]) -> tuple[int, ...] | None:
    """Append the literals in nested lists to `flat`; the lists' shape, or None where they are ragged."""
    if not isinstance(content, list):
        flat.append(content)
        return ()
    shapes = {_flatten(child, flat) for child in content}
    inner = shapes.pop() if shapes else ()
    return None if shapes or inner is None else (len(content), *inner)


def _number(literal: str, type: t.Scalar) -> bool | int | float | None:
    """`literal` read as a `type`; None where it is not one or does not fit."""
    if literal in ("true", "false"):
        return literal == "true" if type.is_bool else None
    if literal.startswith('"'):
        return None
    if type.is_float or type.is_complex:
        return _float_of_bits(int(literal, 16), type) if "0x" in literal else float(literal)
    if "." in literal:
        return None
    value = int(literal, 16 if "0x" in literal else 10)
    low, high = (0, 1 << type.bits) if type.is_unsigned else (-1 << type.bits - 1, 1 << type.bits - 1)
    return value if low <= value < high else None


def _float_of_bits(bits: int, type: t.Scalar) -> float | None:
    if not 0 <= bits < 1 << 8 * type.bytes:
        return None
    return float(np.frombuffer(bits.to_bytes(type.bytes, "little"), type.numpy)[0])
