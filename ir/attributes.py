"""Attributes: compile-time constants on ops, immutable, compared by structure, printed as MLIR prints them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import types as t
from .strings import identifier, is_identifier, quote


class Attribute:
    """The base of all attributes."""


@dataclass(frozen=True)
class UnitAttr(Attribute):
    def __str__(self) -> str:
        return "unit"


@dataclass(frozen=True)
class BoolAttr(Attribute):
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True)
class IntegerAttr(Attribute):
    """`7 : i64`"""

    value: int
    type: t.Scalar = t.i64

    def __str__(self) -> str:
        return f"{self.value} : {self.type}"


@dataclass(frozen=True, eq=False)
class FloatAttr(Attribute):
    """`0.5 : f32`; not-a-number equals itself, and 0.0 differs from -0.0."""

    value: float
    type: t.Scalar = t.f64

    def _key(self) -> tuple[str, t.Scalar]:
        return float(self.value).hex(), self.type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatAttr) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __str__(self) -> str:
        return f"{float_text(self.value, self.type)} : {self.type}"


@dataclass(frozen=True)
class StringAttr(Attribute):
    value: str

    def __str__(self) -> str:
        return quote(self.value)


@dataclass(frozen=True)
class TypeAttr(Attribute):
    value: t.Type

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class SymbolRefAttr(Attribute):
    """`@conv1`: the symbol of an op in the module; `@kernels::@conv1` of one nested in another."""

    name: str
    nested: tuple[str, ...] = ()

    def __str__(self) -> str:
        return "::".join(map(symbol_text, (self.name, *self.nested)))


@dataclass(frozen=True)
class ArrayAttr(Attribute):
    """`[1 : i64, "x"]`"""

    values: tuple[Attribute, ...]

    def __str__(self) -> str:
        return "[" + ", ".join(map(str, self.values)) + "]"


@dataclass(frozen=True)
class DictAttr(Attribute):
    """`{a = 1 : i64}`; kept sorted by name."""

    items: tuple[tuple[str, Attribute], ...]

    @staticmethod
    def of(mapping: Mapping[str, Attribute]) -> DictAttr:
        return DictAttr(tuple(sorted(mapping.items())))

    def __str__(self) -> str:
        return dictionary_text(dict(self.items))


@dataclass(frozen=True)
class DenseArrayAttr(Attribute):
    """`array<i64: 2, 2>`: numbers of one type, without a shape."""

    type: t.Scalar
    values: tuple[int, ...] | tuple[float, ...] | tuple[bool, ...]

    def __str__(self) -> str:
        return f"array<{self.type}" + (": " if self.values else "") + f"{_numbers(self.values, self.type)}>"


class DenseAttr(Attribute):
    """`dense<[1, 2]> : tensor<2xi64>`: the elements of a small constant inline; compared by their bits.

    `type` follows from the array unless it is given: for a vector, and for `index` elements.
    """

    def __init__(self, array: np.ndarray, type: t.TensorType | t.VectorType | None = None) -> None:
        self.array = np.asarray(array)
        self.type = type or t.TensorType(self.array.shape, _dtype_of(self.array))

    def _key(self) -> tuple[object, ...]:
        strings = self.array.dtype == np.object_
        bits = tuple(self.array.flat) if strings else np.ascontiguousarray(self.array).tobytes()
        return self.type, self.array.shape, self.array.dtype, bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DenseAttr) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return f"DenseAttr({self})"

    def __str__(self) -> str:
        return f"dense<{_nested(self.array, self.type.dtype)}> : {self.type}"


@dataclass(frozen=True)
class DenseResourceAttr(Attribute):
    """`dense_resource<name> : type`: a weight by name; its elements travel beside the text in a safetensors file.

    `array` is None where the text was read without its weights; names are identifiers, unique in a module. Raises
    ValueError for another name (`strings.as_identifier` makes one of any text).
    """

    name: str
    type: t.TensorType
    array: np.ndarray | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not is_identifier(self.name):
            raise ValueError(f"'{self.name}' names no resource: it must be an identifier")

    def __str__(self) -> str:
        return f"dense_resource<{self.name}> : {self.type}"


@dataclass(frozen=True)
class OpaqueAttr(Attribute):
    """An attribute of another dialect kept as its text: `#vector.kind<add>`."""

    name: str
    body: str = ""

    def __str__(self) -> str:
        return f"#{self.name}" + (f"<{self.body}>" if self.body else "")


@dataclass(frozen=True)
class AffineAttr(Attribute):
    """`affine_map<(d0) -> (d0)>` or `affine_set<…>`, kept as its text."""

    kind: str
    body: str

    def __str__(self) -> str:
        return f"{self.kind}<{self.body}>"


def symbol_text(name: str) -> str:
    """`@name`, quoted where the name is not an identifier."""
    return "@" + identifier(name)


def dictionary_text(attributes: Mapping[str, Attribute]) -> str:
    entries = (identifier(n) if isinstance(a, UnitAttr) else f"{identifier(n)} = {a}" for n, a in attributes.items())
    return "{" + ", ".join(entries) + "}"


def float_text(value: float, scalar: t.Scalar) -> str:
    """The shortest decimal that reads back equal; hexadecimal bits for infinities and not-a-number."""
    value = float(value)
    if not math.isfinite(value):
        array = np.asarray(value, dtype=scalar.numpy)
        return f"0x{int.from_bytes(array.tobytes()[::-1]):0{scalar.bytes * 2}X}"
    return _decimal(repr(value))


def _decimal(text: str) -> str:
    mantissa, _, exponent = text.partition("e")
    mantissa = mantissa if "." in mantissa else mantissa + ".0"
    return f"{mantissa}e{exponent}" if exponent else mantissa


def _numbers(values: tuple[int, ...] | tuple[float, ...] | tuple[bool, ...], scalar: t.Scalar) -> str:
    if scalar.is_bool:
        return ", ".join("true" if v else "false" for v in values)
    return ", ".join(float_text(v, scalar) if scalar.is_float else str(int(v)) for v in values)


def _dtype_of(array: np.ndarray) -> t.Scalar | t.OpaqueType:
    return t.string if array.dtype == np.object_ else t.scalar_of(array.dtype)


def _nested(array: np.ndarray, dtype: t.Scalar | t.OpaqueType) -> str:
    if array.size == 0:
        return ""
    if isinstance(dtype, t.Scalar) and array.ndim and _is_splat(array):
        return _element(array.flat[0], dtype)
    return _list(array, dtype)


def _list(array: np.ndarray, dtype: t.Scalar | t.OpaqueType) -> str:
    if array.ndim == 0:
        return _element(array[()], dtype)
    return "[" + ", ".join(_list(part, dtype) for part in map(np.asarray, array)) + "]"


def _element(value: Any, dtype: t.Scalar | t.OpaqueType) -> str:
    if not isinstance(dtype, t.Scalar):
        return quote(str(value))
    if dtype.is_complex:
        part = t.SCALARS[dtype.name[8:-1]]
        return f"({float_text(value.real, part)}, {float_text(value.imag, part)})"
    if dtype.name in ("f32", "f16") and np.isfinite(value):
        return _decimal(str(value))
    return _numbers((value,), dtype)


def _is_splat(array: np.ndarray) -> bool:
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8).reshape(array.size, -1)
    return array.size > 1 and bool((flat == flat[0]).all())
