"""Elements of tile programs: SSA values with the lanes they vary along, and the ops of `arith` and `math` on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import scalar
from ...ir.attributes import Attribute, IntegerAttr, OpaqueAttr
from ...ir.core import Operation, Value
from ...ir.dialects import tile
from ...ir.types import SCALARS, Scalar, Type, VectorType, f32, i1, index
from .builder import Builder

_ORDERED = {"eq": 1, "gt": 2, "ge": 3, "lt": 4, "le": 5, "ne": 13}
"""Predicates of `arith.cmpf`: ordered, but `ne` is true for not-a-number."""
_SIGNED = {"eq": 0, "ne": 1, "lt": 2, "le": 3, "gt": 4, "ge": 5}
_UNSIGNED = {"eq": 0, "ne": 1, "lt": 6, "le": 7, "gt": 8, "ge": 9}
"""Predicates of `arith.cmpi`."""


@dataclass(frozen=True)
class Element:
    """A value of a tile program: a scalar without `lanes`, else a vector with a dim for each lane, in their order.

    `dtype` is the type it is computed in, signedness included (registers are signless).
    """

    value: Value
    dtype: Scalar
    lanes: tuple[int, ...] = ()


class Elements:
    """Ops on elements. `sizes` has the number of positions along each lane."""

    def __init__(self, builder: Builder) -> None:
        self.builder = builder
        self.sizes: list[int] = []

    def type(self, dtype: Scalar, lanes: Sequence[int]) -> Type:
        """The SSA type of an element."""
        register = tile.register_type(dtype)
        return VectorType(tuple(self.sizes[lane] for lane in lanes), register) if lanes else register

    def constant(self, value: float | bool, dtype: Scalar) -> Element:
        return Element(self.builder.constant(value, dtype), dtype)

    def spread(self, element: Element, lanes: tuple[int, ...]) -> Element:
        """The element along `lanes`, a superset of its own."""
        if element.lanes == lanes:
            return element
        assert set(element.lanes) <= set(lanes), f"lanes {element.lanes} do not fit into {lanes}"
        source, register = element.value, tile.register_type(element.dtype)
        if element.lanes and lanes[-len(element.lanes) :] != element.lanes:
            first = lanes.index(element.lanes[0])
            shape = tuple(self.sizes[lane] if lane in element.lanes else 1 for lane in lanes[first:])
            source = self.builder.op("vector.shape_cast", (source,), VectorType(shape, register))
        value = self.builder.op("vector.broadcast", (source,), self.type(element.dtype, lanes))
        return Element(value, element.dtype, lanes)

    def aligned(self, elements: Sequence[Element]) -> tuple[list[Element], tuple[int, ...]]:
        """The elements spread along the lanes of all of them."""
        lanes = tuple(sorted({lane for e in elements for lane in e.lanes}))
        return [self.spread(e, lanes) for e in elements], lanes

    def emit(self, name: str, args: Sequence[Element], dtype: Scalar, **attributes: Attribute) -> Element:
        """An upstream op on elements spread along common lanes, with a result of `dtype`."""
        spread, lanes = self.aligned(args)
        value = self.builder.op(name, [e.value for e in spread], self.type(dtype, lanes), **attributes)
        return Element(value, dtype, lanes)

    def apply(self, function: str, *args: Element) -> Element:
        """A function of `scalar.FUNCTIONS`; integers divided by zero give zero, as on NumPy."""
        entry = scalar.FUNCTIONS[function]
        dtype = args[-1].dtype
        if entry.predicate:
            return self._compare(function, args)
        if function in ("div", "fmod") and dtype.is_integer:
            return self._divide(function, *args)
        if function == "pow" and dtype.is_integer:
            args = (args[0], self.apply("max", args[1], self.constant(0, dtype)))
        return self._primitive(function, args, dtype)

    def _primitive(self, function: str, args: Sequence[Element], dtype: Scalar) -> Element:
        entry = scalar.FUNCTIONS[function]
        if dtype.is_bool and function in ("max", "min", "add", "mul"):
            name: str | None = "arith.ori" if function in ("max", "add") else "arith.andi"
        elif dtype.is_float:
            name = entry.float_op
        else:
            name = entry.unsigned_op if dtype.is_unsigned and entry.unsigned_op else entry.int_op
        if name is None:
            raise ValueError(f"'{function}' is not defined on {dtype}")
        allowed = {} if entry.fastmath is None else {"fastmath": OpaqueAttr("arith.fastmath", entry.fastmath)}
        return self.emit(name, args, dtype, **allowed)

    def _compare(self, function: str, args: Sequence[Element]) -> Element:
        dtype = args[0].dtype
        if dtype.is_float:
            return self.emit("arith.cmpf", args, i1, predicate=IntegerAttr(_ORDERED[function]))
        predicates = _UNSIGNED if dtype.is_unsigned else _SIGNED
        return self.emit("arith.cmpi", args, i1, predicate=IntegerAttr(predicates[function]))

    def _divide(self, function: str, a: Element, b: Element) -> Element:
        """Integer division that never traps: by zero it gives zero, by -1 the negation."""
        dtype = a.dtype
        zero, one = self.constant(0, dtype), self.constant(1, dtype)
        none = self.apply("eq", b, zero)
        if dtype.is_unsigned:
            quotient = self._primitive(function, (a, self.apply("select", none, one, b)), dtype)
        else:
            minus = self.apply("eq", b, self.constant(-1, dtype))
            safe = self.apply("select", self.apply("or", none, minus), one, b)
            quotient = self._primitive(function, (a, safe), dtype)
            negated = self.apply("sub", zero, a) if function == "div" else zero
            quotient = self.apply("select", minus, negated, quotient)
        return self.apply("select", none, zero, quotient)

    # Conversions

    def cast(self, element: Element, dtype: Scalar) -> Element:
        """Conversion to `dtype` itself (not to the type it is computed in); does not saturate."""
        source = element.dtype
        if source == dtype:
            return element
        if source == index or dtype == index:
            return self._cast_index(element, dtype)
        if dtype.is_bool:
            return self.apply("ne", element, self.constant(0, source))
        if source.is_float and dtype.is_float:
            return self._cast_float(element, dtype)
        if source.is_float:
            return self.emit("arith.fptoui" if dtype.is_unsigned else "arith.fptosi", (element,), dtype)
        if dtype.is_float:
            return self._int_to_float(element, dtype)
        if source.bits == dtype.bits:
            return Element(element.value, dtype, element.lanes)
        name = "arith.trunci" if dtype.bits < source.bits else "arith.extui" if source.is_unsigned else "arith.extsi"
        return self.emit(name, (element,), dtype)

    def _cast_index(self, element: Element, dtype: Scalar) -> Element:
        if element.dtype == index and dtype.is_float:
            return self.cast(self.emit("arith.index_cast", (element,), SCALARS["i64"]), dtype)
        if dtype.is_bool:
            return self.apply("ne", element, self.constant(0, index))
        unsigned = element.dtype.is_unsigned
        return self.emit("arith.index_castui" if unsigned else "arith.index_cast", (element,), dtype)

    def _int_to_float(self, element: Element, dtype: Scalar) -> Element:
        name = "arith.uitofp" if element.dtype.is_unsigned else "arith.sitofp"
        through = f32 if dtype.bits < 32 else dtype
        return self.cast(self.emit(name, (element,), through), dtype)

    def _cast_float(self, element: Element, dtype: Scalar) -> Element:
        source, made = element.dtype, element.value.owner
        if isinstance(made, Operation) and made.name == "arith.extf" and _element_type(made.operands[0]) == dtype:
            return Element(made.operands[0], dtype, element.lanes)  # what was widened is itself again
        if dtype.bits <= 8 or (source.bits < 32 and dtype.bits < 32):
            element = self.cast(element, f32)
        name = "arith.extf" if dtype.bits > element.dtype.bits else "arith.truncf"
        return self.emit(name, (element,), dtype)

    def saturate(self, element: Element, dtype: Scalar) -> Element:
        """An element limited to the numbers that the float `dtype` of a byte or less has."""
        codes = np.arange(1 << dtype.bits, dtype=np.uint8).view(dtype.numpy).astype(np.float32)
        finite = codes[np.isfinite(codes)]
        low, high = (self.constant(float(limit), element.dtype) for limit in (finite.min(), finite.max()))
        return self.apply("max", self.apply("min", element, high), low)


def _element_type(value: Value) -> Type:
    return value.type.dtype if isinstance(value.type, VectorType) else value.type


def computing_type(dtype: Scalar) -> Scalar:
    """The type in which elements of `dtype` are computed: f32 for narrower floats."""
    return f32 if dtype.is_float and dtype.bits < 32 else dtype
