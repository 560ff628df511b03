"""Conversions between element types."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...attributes import Attribute, OpaqueAttr, UnitAttr
from ...core import Value
from ...types import Scalar
from .base import ArithOp, element, same_shape, scalar_or_array
from .integer import unsigned


class Cast(ArithOp):
    """A conversion to the result's type, which the maker gives. Subclasses say between which elements."""

    value: Value

    def verify(self) -> None:
        super().verify()
        self.require(len(self.results) == 1, f"has one result, found {len(self.results)}")
        source, target = self.value.type, self.result.type
        fits = same_shape(source, target) and self.accepts(element(source), element(target))
        self.require(fits, f"does not convert {source} to {target}")

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        """Whether this op converts elements of `source` to `target`."""
        raise NotImplementedError

    @property
    def dtype(self) -> Any:
        """The NumPy dtype of the result's elements."""
        return element(self.result.type).numpy

    def evaluate(self, value: Any) -> Any:
        return scalar_or_array(np.asarray(value).astype(self.dtype))


class ExtF(Cast, name="arith.extf"):
    """A wider float."""

    fastmath: OpaqueAttr | None = None

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_float and target.is_float and source.bits < target.bits


class TruncF(Cast, name="arith.truncf"):
    """A narrower float, rounded to the nearest even."""

    roundingmode: Attribute | None = None
    fastmath: OpaqueAttr | None = None

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_float and target.is_float and source.bits > target.bits


class ExtSI(Cast, name="arith.extsi"):
    """A wider integer of the same signed value."""

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return _integers(source, target) and source.bits < target.bits

    def evaluate(self, value: Any) -> Any:
        value = np.asarray(value)
        # A one-bit integer is -1 where it is set.
        value = np.negative(value.astype(np.int8)) if value.dtype == np.bool_ else value
        return scalar_or_array(value.astype(self.dtype))


class ExtUI(Cast, name="arith.extui"):
    """A wider integer of the same unsigned value."""

    nonNeg: UnitAttr | None = None  # noqa: N815, upstream's name

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return _integers(source, target) and source.bits < target.bits

    def evaluate(self, value: Any) -> Any:
        return scalar_or_array(unsigned(value).astype(self.dtype))


class TruncI(Cast, name="arith.trunci"):
    """The low bits."""

    overflowFlags: OpaqueAttr | None = None  # noqa: N815, upstream's name

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return _integers(source, target) and source.bits > target.bits

    def evaluate(self, value: Any) -> Any:
        value = np.asarray(value)
        low = value & 1 if self.dtype == np.bool_ else value
        return scalar_or_array(low.astype(self.dtype))


class SIToFP(Cast, name="arith.sitofp"):
    """A signed integer as a float."""

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_integer and source.name != "index" and target.is_float

    def evaluate(self, value: Any) -> Any:
        value = np.asarray(value)
        value = np.negative(value.astype(np.int8)) if value.dtype == np.bool_ else value
        return scalar_or_array(value.astype(self.dtype))


class UIToFP(Cast, name="arith.uitofp"):
    """An unsigned integer as a float."""

    nonNeg: UnitAttr | None = None  # noqa: N815, upstream's name

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_integer and source.name != "index" and target.is_float

    def evaluate(self, value: Any) -> Any:
        return scalar_or_array(unsigned(value).astype(self.dtype))


class FPToSI(Cast, name="arith.fptosi"):
    """A float rounded towards zero; what does not fit, undefined upstream, is the nearest that does, and 0 for NaN."""

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_float and target.is_integer and target.name != "index"

    def evaluate(self, value: Any) -> Any:
        bits = element(self.result.type).bits
        return _to_integer(value, -(1 << bits - 1), (1 << bits - 1) - 1, self.dtype)


class FPToUI(Cast, name="arith.fptoui"):
    """A float rounded towards zero, as the bits of an unsigned integer; saturates as `arith.fptosi` does."""

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_float and target.is_integer and target.name != "index"

    def evaluate(self, value: Any) -> Any:
        bits = element(self.result.type).bits
        return _to_integer(value, 0, (1 << bits) - 1, self.dtype)


class IndexCast(Cast, name="arith.index_cast"):
    """Between `index` and an integer, signed."""

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_integer and target.is_integer and (source.name == "index") != (target.name == "index")


class IndexCastUI(Cast, name="arith.index_castui"):
    """Between `index` and an integer, unsigned."""

    nonNeg: UnitAttr | None = None  # noqa: N815, upstream's name

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.is_integer and target.is_integer and (source.name == "index") != (target.name == "index")

    def evaluate(self, value: Any) -> Any:
        return scalar_or_array(unsigned(value).astype(self.dtype))


class Bitcast(Cast, name="arith.bitcast"):
    """The same bits under another type of the same width."""

    def accepts(self, source: Scalar, target: Scalar) -> bool:
        return source.bits == target.bits and "index" not in (source.name, target.name)

    def evaluate(self, value: Any) -> Any:
        return scalar_or_array(np.ascontiguousarray(value).view(self.dtype).reshape(np.shape(value)))


def _integers(source: Scalar, target: Scalar) -> bool:
    return source.is_integer and target.is_integer and "index" not in (source.name, target.name)


def _to_integer(value: Any, low: int, high: int, dtype: Any) -> Any:
    # Python's numbers, because 2**63 - 1 is no float64.
    wide = np.asarray(value).astype(np.float64)
    whole = [0 if math.isnan(x) else int(min(max(x, low), high)) & 0xFFFF_FFFF_FFFF_FFFF for x in wide.flat]
    return scalar_or_array(np.array(whole, np.uint64).astype(np.int64).astype(dtype).reshape(wide.shape))
