"""Index expressions of tile programs: symbols bound to scalars, lanes and run-time elements; their proofs and code.

A symbol of an expression is one of: a scalar of the program (a loop's counter), a lane (the position along a dim of
register tiles), an element used as an index, a *derived* symbol that stands for another expression, or a size of the
model. Derived symbols have an extent: proofs use it, code substitutes the definition, so that splitting an index by
`m // d` and `m - d * (m // d)` costs nothing where the two meet again in an address.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import IntegerAttr
from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.symbols import Atom, Call, Dim, Expr, Interval, Symbol, symbol
from ...ir.types import i1, index
from .elements import Element, Elements


@dataclass(frozen=True)
class Affine:
    """`uniform + sum of position along lane * step`."""

    uniform: Dim
    steps: Mapping[int, int]


class Indices:
    """The symbols of one tile program."""

    def __init__(self, elements: Elements) -> None:
        self.elements = elements
        self.builder = elements.builder
        self.atoms: dict[str, Element] = {}
        self.lanes: dict[str, int] = {}
        self.definitions: dict[str, Dim] = {}
        self.extents: dict[str, Dim] = {}
        self.ranges: dict[str, Interval] = {}
        self.multiples: dict[str, int] = {}
        self._names = (f"%{n}" for n in itertools.count())
        self._codes: dict[Dim, Element] = {}
        # Symbols are bound once and before they are used, so what follows from an expression never changes.
        self._normal: dict[Dim, Dim] = {}
        self._expanded: dict[Dim, Dim] = {}
        self._affine: dict[Dim, Affine | None] = {}
        self._derived: dict[tuple[Dim, Dim], Expr] = {}

    # Binding symbols

    def _new(self, extent: Dim | None, multiple: int = 1) -> Expr:
        name = next(self._names)
        if extent is None:
            self.ranges[name] = (-math.inf, math.inf)
        else:
            self.extents[name] = extent
            self.ranges[name] = (0, extent - 1 if isinstance(extent, int) else math.inf)
        self.multiples[name] = multiple
        return symbol(name)

    def scalar(self, value: Value, extent: Dim | None = None, multiple: int = 1) -> Expr:
        """A symbol for an index in [0, extent) that `multiple` divides; an unknown integer without extent."""
        expr = self._new(extent, multiple)
        self.atoms[str(expr)] = Element(value, index)
        return expr

    def lane(self, size: int) -> Expr:
        """A symbol for the position along a new lane of `size` elements."""
        expr = self._new(size)
        self.lanes[str(expr)] = len(self.elements.sizes)
        self.elements.sizes.append(size)
        return expr

    def lane_of(self, expr: Expr) -> int:
        return self.lanes[str(expr)]

    def derived(self, definition: Dim, extent: Dim) -> Expr:
        """The symbol for an expression that lies in [0, extent)."""
        known = self._derived.get((definition, extent))
        if known is None:
            known = self._derived[definition, extent] = self._new(extent)
            self.definitions[str(known)] = definition
        return known

    def data(self, element: Element) -> Expr:
        """A symbol for an integer element, of which nothing is known."""
        expr = self._new(None)
        self.atoms[str(expr)] = self.elements.cast(element, index)
        return expr

    def is_data(self, name: str) -> bool:
        return name in self.atoms and name not in self.extents

    # Proofs

    def normalize(self, value: Dim) -> Dim:
        """An equal expression with quotients and remainders resolved where extents allow; no `mod` is left."""
        if isinstance(value, int):
            return value
        known = self._normal.get(value)
        if known is None:
            known = self._normal[value] = self._normalize(value)
        return known

    def _normalize(self, value: Expr) -> Dim:
        total: Dim = 0
        for monomial, coefficient in value.terms:
            term: Dim = coefficient
            for atom in monomial:
                term = term * (symbol(atom.name) if isinstance(atom, Symbol) else self._normalize_call(atom))
            total = total + term
        return symbols.simplify(total, self.ranges)

    def _normalize_call(self, call: Call) -> Dim:
        args = tuple(self.normalize(arg) for arg in call.args)
        if call.function == "floordiv":
            return self._quotient(*args)
        if call.function == "mod":
            a, b = args
            return a - b * self._quotient(a, b)
        return symbols.FUNCTIONS[call.function](*args)

    def _quotient(self, a: Dim, b: Dim) -> Dim:
        whole: Dim = 0
        rest: Dim = 0
        for term in terms(a):
            if symbols.mod(term, b) == 0:
                whole = whole + symbols.floordiv(term, b)
            else:
                rest = rest + term
        return whole if self.within(rest, b) else whole + symbols.floordiv(rest, b)

    def within(self, value: Dim, size: Dim) -> bool:
        """Whether `0 <= value < size` is certain."""
        return self.is_nonnegative(value) and self.is_nonnegative(size - 1 - value)

    def is_nonnegative(self, value: Dim) -> bool:
        """Whether `value >= 0` is certain, sizes being at least 0."""
        if symbols.bounds(value, self.ranges)[0] >= 0:
            return True
        lowest: Dim = 0
        for term in terms(value):
            least = self._least(term)
            if least is None:
                return False
            lowest = lowest + least
        return all(coefficient >= 0 for part in terms(lowest) for coefficient in _coefficients(part))

    def _least(self, term: Dim) -> Dim | None:
        """A lower bound of one term in sizes of the model; None where there is none."""
        if isinstance(term, int):
            return term
        ((monomial, coefficient),) = term.terms
        if all(isinstance(a, Symbol) and a.name not in self.ranges for a in monomial):
            return term
        if coefficient > 0:
            return 0 if all(symbols.bounds(_one(a), self.ranges)[0] >= 0 for a in monomial) else None
        bound: Dim = coefficient
        for atom in monomial:
            most = self._most(atom)
            if most is None:
                return None
            bound = bound * most
        return bound

    def _most(self, atom: Atom) -> Dim | None:
        if isinstance(atom, Symbol) and atom.name in self.extents:
            return self.extents[atom.name] - 1
        if isinstance(atom, Symbol) and atom.name not in self.ranges:
            return symbol(atom.name)
        low, high = symbols.bounds(_one(atom), self.ranges)
        return int(high) if low >= 0 and math.isfinite(high) else None

    # Decomposition

    def expand(self, value: Dim) -> Dim:
        """`value` with derived symbols replaced by their definitions, all the way down."""
        if isinstance(value, int):
            return value
        known = self._expanded.get(value)
        if known is None:
            known = self._expanded[value] = self._expand(value)
        return known

    def _expand(self, value: Dim) -> Dim:
        # The newest first: a definition names older symbols only, so a remainder meets its quotient unexpanded.
        while pending := symbols.free_symbols(value) & self.definitions.keys():
            newest = max(pending, key=_age)
            value = self.normalize(symbols.substitute(value, {newest: self.definitions[newest]}))
        return value

    def affine(self, value: Dim) -> Affine | None:
        """An expanded expression as uniform part and steps along lanes; None where lanes enter in any other way."""
        if value not in self._affine:
            self._affine[value] = self._decompose(value)
        return self._affine[value]

    def _decompose(self, value: Dim) -> Affine | None:
        uniform: Dim = 0
        steps: dict[int, int] = {}
        for term in terms(value):
            if not self.lanes_of(term):
                uniform = uniform + term
                continue
            assert isinstance(term, Expr)
            ((monomial, coefficient),) = term.terms
            atom = monomial[0]
            if len(monomial) > 1 or not isinstance(atom, Symbol) or atom.name not in self.lanes:
                return None
            steps[self.lanes[atom.name]] = coefficient
        return Affine(uniform, steps)

    def is_plain(self, value: Dim) -> bool:
        """Whether an expression is affine in lanes and needs no division."""
        expanded = self.expand(value)
        if self.affine(expanded) is None:
            return False
        atoms = (atom for term in terms(expanded) if isinstance(term, Expr) for atom in term.terms[0][0])
        return not any(isinstance(atom, Call) for atom in atoms)

    def lanes_of(self, value: Dim) -> set[int]:
        """The lanes along which an expression varies."""
        found: set[int] = set()
        for name in symbols.free_symbols(self.expand(value)):
            if name in self.lanes:
                found.add(self.lanes[name])
            elif name in self.atoms:
                found.update(self.atoms[name].lanes)
        return found

    def has_data(self, value: Dim) -> bool:
        """Whether an expression depends on run-time elements."""
        return any(map(self.is_data, symbols.free_symbols(self.expand(value))))

    def divisor(self, value: Dim) -> int:
        """A number that surely divides `value`; 0 for the constant 0."""
        result = 0
        for term in terms(value):
            if isinstance(term, int):
                result = math.gcd(result, term)
                continue
            ((monomial, coefficient),) = term.terms
            known = (self.multiples.get(a.name, 1) if isinstance(a, Symbol) else 1 for a in monomial)
            result = math.gcd(result, coefficient * math.prod(known))
        return result

    # Code

    def code(self, value: Dim) -> Element:
        """The index that an expression is, as an element."""
        value = self.expand(self.normalize(value))
        known = self._codes.get(value)
        if known is not None and self.builder.is_open(known.value):
            return known
        self._codes[value] = made = self._code(value)
        return made

    def scalar_code(self, value: Dim) -> Value:
        """The scalar that an expression without lanes is."""
        made = self.code(value)
        assert not made.lanes, f"{value} varies along lanes"
        return made.value

    def _code(self, value: Dim) -> Element:
        if isinstance(value, int):
            return self.elements.constant(value, index)
        if not symbols.free_symbols(value) & self.ranges.keys():
            return Element(self.builder.pure(tile.SymbolValue(value)), index)
        parts = sorted(terms(value), key=lambda term: bool(self.lanes_of(term)))
        total = self._term(parts[0])
        for part in parts[1:]:
            total = self._arith("add", total, self._term(part))
        return total

    def _term(self, term: Dim) -> Element:
        if isinstance(term, int):
            return self.elements.constant(term, index)
        ((monomial, coefficient),) = term.terms
        factors = sorted(monomial, key=lambda atom: bool(self.lanes_of(_one(atom))))
        result = self._atom(factors[0])
        for factor in factors[1:]:
            result = self._arith("mul", result, self._atom(factor))
        if coefficient != 1:
            result = self._arith("mul", result, self.elements.constant(coefficient, index))
        return result

    def _atom(self, atom: Atom) -> Element:
        if not symbols.free_symbols(_one(atom)) & self.ranges.keys():
            return Element(self.builder.pure(tile.SymbolValue(_one(atom))), index)
        if isinstance(atom, Call):
            return self._call(atom)
        if atom.name in self.atoms:
            return self.atoms[atom.name]
        lane = self.lanes[atom.name]
        op = tile.Iota(0, result_types=[self.elements.type(index, (lane,))])
        return Element(self.builder.pure(op), index, (lane,))

    def _call(self, call: Call) -> Element:
        args = [self.code(arg) for arg in call.args]
        if call.function in ("min", "max"):
            result = args[0]
            for arg in args[1:]:
                result = self._arith(f"{call.function}s", result, arg)
            return result
        positive = self.is_nonnegative(call.args[0])
        if call.function == "floordiv":
            return self.elements.emit("arith.divui" if positive else "arith.floordivsi", args, index)
        if call.function == "mod" and positive:
            return self.elements.emit("arith.remui", args, index)
        if call.function == "mod":
            a, b = call.args
            return self.code(a - b * symbols.floordiv(a, b))
        return self.elements.emit("arith.ceildivsi", args, index)

    def _arith(self, name: str, a: Element, b: Element) -> Element:
        return self.elements.emit(f"arith.{name}i", (a, b), index)

    def compare(self, predicate: str, a: Dim, b: Dim) -> Element:
        """A comparison of two expressions, signed."""
        return self.elements.apply(predicate, self.code(a), self.code(b))

    def inside(self, value: Dim, size: Dim) -> Element:
        """`0 <= value < size` as one unsigned comparison."""
        args = (self.code(value), self.code(size))
        return self.elements.emit("arith.cmpi", args, i1, predicate=IntegerAttr(6))


def terms(value: Dim) -> list[Dim]:
    """The terms of an expression, each an expression or the constant."""
    if isinstance(value, int):
        return [value] if value else []
    return [Expr(((m, c),)) if m else c for m, c in value.terms]


def _age(name: str) -> int:
    return int(name[1:])


def _one(atom: Atom) -> Expr:
    return Expr((((atom,), 1),))


def _coefficients(term: Dim) -> list[int]:
    return [term] if isinstance(term, int) else [c for _, c in term.terms]
