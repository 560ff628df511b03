"""Symbolic integers: the sizes of dynamic dimensions and the indices of loop nests.

An `Expr` is a polynomial with integer coefficients over atoms, kept in one canonical form, so that structural
equality is mathematical equality of polynomials: `batch * seq + seq == seq * (batch + 1)`. Atoms are symbols and
the calls `floordiv`, `mod`, `ceildiv`, `min`, `max`, simplified when they are built. An expression without atoms is
a plain `int`: every function here takes and returns `Dim = int | Expr`.

The text form is Python's (`"past + seq"`, `"(h + 1) // 2"`, `"ceildiv(n, 128)"`, `"min(a, b)"`); `parse` reads it.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache


@dataclass(frozen=True, order=True)
class Symbol:
    """A named integer, at least zero when it is a dimension."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Call:
    """An integer function that is not a polynomial; `function` is a key of `FUNCTIONS`."""

    function: str
    args: tuple[int | Expr, ...]

    def __str__(self) -> str:
        if self.function in _INFIX:
            left, right = (_operand(arg) for arg in self.args)
            return f"{left} {_INFIX[self.function]} {right}"
        return f"{self.function}({', '.join(map(str, self.args))})"


Atom = Symbol | Call
Monomial = tuple[Atom, ...]
_INFIX = {"floordiv": "//", "mod": "%"}


def _operand(value: int | Expr) -> str:
    text = str(value)
    return text if text.isidentifier() or text.isdigit() else f"({text})"


def _atom_text(atom: Atom) -> str:
    text = str(atom)
    return f"({text})" if isinstance(atom, Call) and atom.function in _INFIX else text


@dataclass(frozen=True, eq=False)
class Expr:
    """A polynomial: `terms` maps monomials (sorted atoms, repeated for powers) to coefficients other than 0."""

    terms: tuple[tuple[Monomial, int], ...]

    @cached_property
    def _hash(self) -> int:
        return hash(self.terms)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Expr) and self.terms == other.terms

    def __add__(self, other: int | Expr) -> int | Expr:
        return add(self, other)

    __radd__ = __add__

    def __neg__(self) -> int | Expr:
        return mul(self, -1)

    def __sub__(self, other: int | Expr) -> int | Expr:
        return add(self, mul(other, -1))

    def __rsub__(self, other: int | Expr) -> int | Expr:
        return add(other, mul(self, -1))

    def __mul__(self, other: int | Expr) -> int | Expr:
        return mul(self, other)

    __rmul__ = __mul__

    def __floordiv__(self, other: int | Expr) -> int | Expr:
        return floordiv(self, other)

    def __rfloordiv__(self, other: int | Expr) -> int | Expr:
        return floordiv(other, self)

    def __mod__(self, other: int | Expr) -> int | Expr:
        return mod(self, other)

    def __rmod__(self, other: int | Expr) -> int | Expr:
        return mod(other, self)

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in self.terms:
            factors = [_atom_text(atom) for atom in monomial]
            if abs(coefficient) != 1 or not factors:
                factors.insert(0, str(abs(coefficient)))
            sign = ("-" if coefficient < 0 else "") if not text else (" - " if coefficient < 0 else " + ")
            text += sign + " * ".join(factors)
        return text

    def __repr__(self) -> str:
        return f"Expr({self})"

    @property
    def constant(self) -> int:
        """The constant term."""
        return next((c for m, c in self.terms if not m), 0)


Dim = int | Expr


@lru_cache(maxsize=1 << 16)
def _order(monomial: Monomial) -> tuple[int, str]:
    return -len(monomial), "*".join(map(str, monomial))


def _make(terms: Mapping[Monomial, int]) -> Dim:
    kept = {m: c for m, c in terms.items() if c}
    if not kept:
        return 0
    if len(kept) == 1 and () in kept:
        return kept[()]
    if len(kept) > 1:
        kept = dict(sorted(kept.items(), key=lambda item: _order(item[0])))
    return Expr(tuple(kept.items()))


def _terms(value: Dim) -> tuple[tuple[Monomial, int], ...]:
    return value.terms if isinstance(value, Expr) else (((), int(value)),)


def _atom(atom: Atom) -> Expr:
    return Expr((((atom,), 1),))


RUN_TIME = "run_"
"""How the names of symbols begin that get their value while a model runs, and may be 0 then."""


def is_run_time(name: str) -> bool:
    """Whether the symbol is no size of an input, but one that the model computes from its data."""
    return name.startswith(RUN_TIME)


def symbol(name: str) -> Expr:
    """The expression that is the symbol `name`."""
    return _atom(Symbol(name))


def add(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    total = dict(_terms(a))
    for monomial, coefficient in _terms(b):
        total[monomial] = total.get(monomial, 0) + coefficient
    return _make(total)


def mul(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    total: dict[Monomial, int] = {}
    for m1, c1 in _terms(a):
        for m2, c2 in _terms(b):
            monomial = tuple(sorted(m1 + m2, key=str))
            total[monomial] = total.get(monomial, 0) + c1 * c2
    return _make(total)


def _divide_exactly(a: Dim, b: Dim) -> Dim | None:
    """a / b when every term of `a` is divisible by the single-term `b`, else None."""
    (monomial, coefficient), *rest = _terms(b)
    if rest or coefficient == 0:
        return None
    quotient: dict[Monomial, int] = {}
    for m, c in _terms(a):
        left = list(m)
        for atom in monomial:
            if atom not in left:
                return None
            left.remove(atom)
        if c % coefficient:
            return None
        quotient[tuple(left)] = c // coefficient
    return _make(quotient)


def _split_multiples(a: Dim, divisor: int) -> tuple[Dim, Dim]:
    """`a` as (multiple, rest): the terms whose coefficients `divisor` divides, and the others (constants reduced)."""
    whole: dict[Monomial, int] = {}
    rest: dict[Monomial, int] = {}
    for m, c in _terms(a):
        q, r = divmod(c, divisor)
        if r == 0 or not m:
            whole[m] = q * divisor
            rest[m] = r
        else:
            rest[m] = c
    return _make(whole), _make(rest)


def floordiv(a: Dim, b: Dim) -> Dim:
    if isinstance(b, int) and b == 0:
        raise ZeroDivisionError("division of a symbolic size by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a // b
    if (exact := _divide_exactly(a, b)) is not None:
        return exact
    if isinstance(b, int) and b > 0:
        whole, rest = _split_multiples(a, b)
        if whole != 0:
            exact_part = _divide_exactly(whole, b)
            assert exact_part is not None
            return add(exact_part, floordiv(rest, b))
        inner = _single_call(a, "floordiv")
        if inner is not None and isinstance(inner.args[1], int):
            return floordiv(inner.args[0], inner.args[1] * b)
    return _atom(Call("floordiv", (a, b)))


def mod(a: Dim, b: Dim) -> Dim:
    if isinstance(b, int) and b == 0:
        raise ZeroDivisionError("remainder of a symbolic size by zero")
    if isinstance(a, int) and isinstance(b, int):
        return a % b
    if _divide_exactly(a, b) is not None:
        return 0
    if isinstance(b, int) and b > 0:
        whole, rest = _split_multiples(a, b)
        if whole != 0:
            return mod(rest, b)
    return _atom(Call("mod", (a, b)))


def ceildiv(a: Dim, b: Dim) -> Dim:
    if isinstance(a, int) and isinstance(b, int):
        return -(-a // b)
    if (exact := _divide_exactly(a, b)) is not None:
        return exact
    return _atom(Call("ceildiv", (a, b)))


def _single_call(value: Dim, function: str) -> Call | None:
    if isinstance(value, Expr) and len(value.terms) == 1:
        monomial, coefficient = value.terms[0]
        if coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], Call):
            return monomial[0] if monomial[0].function == function else None
    return None


def _extremum(function: str, pick: Callable[[Iterable[int]], int], args: tuple[Dim, ...]) -> Dim:
    flat: list[Dim] = []
    for arg in args:
        inner = _single_call(arg, function)
        flat.extend(inner.args if inner else (arg,))
    numbers = [arg for arg in flat if isinstance(arg, int)]
    others = sorted({arg for arg in flat if isinstance(arg, Expr)}, key=str)
    unique: list[Dim] = [*others, *([pick(numbers)] if numbers else [])]
    return unique[0] if len(unique) == 1 else _atom(Call(function, tuple(unique)))


def minimum(*args: Dim) -> Dim:
    return _extremum("min", min, args)


def maximum(*args: Dim) -> Dim:
    return _extremum("max", max, args)


FUNCTIONS: dict[str, Callable[..., Dim]] = {
    "floordiv": floordiv,
    "mod": mod,
    "ceildiv": ceildiv,
    "min": minimum,
    "max": maximum,
}


def product(values: Iterable[Dim]) -> Dim:
    """The product of sizes; 1 for none."""
    result: Dim = 1
    for value in values:
        result = mul(result, value)
    return result


def substitute(value: Dim, bindings: Mapping[str, Dim]) -> Dim:
    """`value` with every symbol that `bindings` names replaced; gives an `int` once all symbols are bound to one."""
    if isinstance(value, int):
        return value
    result: Dim = 0
    for monomial, coefficient in value.terms:
        term: Dim = coefficient
        for atom in monomial:
            if isinstance(atom, Symbol):
                factor = bindings.get(atom.name, _atom(atom))
            else:
                factor = FUNCTIONS[atom.function](*(substitute(arg, bindings) for arg in atom.args))
            term = mul(term, factor)
        result = add(result, term)
    return result


def free_symbols(value: Dim) -> set[str]:
    """The names of all symbols in `value`."""
    names: set[str] = set()
    for monomial, _ in _terms(value):
        for atom in monomial:
            names |= {atom.name} if isinstance(atom, Symbol) else set().union(*map(free_symbols, atom.args))
    return names


def linear_part(value: Dim, name: str) -> tuple[Dim, Dim] | None:
    """`(a, b)` with `value == a * name + b` and neither holding `name`; None where `value` is not linear in it."""
    slope: Dim = 0
    rest: Dim = 0
    for monomial, coefficient in _terms(value):
        inside = sum(1 for atom in monomial if atom == Symbol(name))
        others = tuple(atom for atom in monomial if atom != Symbol(name))
        if any(isinstance(atom, Call) and name in free_symbols(_atom(atom)) for atom in others) or inside > 1:
            return None
        if inside:
            slope = add(slope, _make({others: coefficient}))
        else:
            rest = add(rest, _make({monomial: coefficient}))
    return slope, rest


Interval = tuple[float, float]


def bounds(value: Dim, ranges: Mapping[str, Interval]) -> Interval:
    """The inclusive interval `value` lies in, by interval arithmetic; a symbol without a range is in [0, inf]."""
    low = high = 0.0
    for monomial, coefficient in _terms(value):
        term: Interval = (float(coefficient), float(coefficient))
        for atom in monomial:
            term = _interval_mul(term, _atom_bounds(atom, ranges))
        low, high = low + term[0], high + term[1]
    return low, high


def _interval_mul(a: Interval, b: Interval) -> Interval:
    products = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(products), max(products)


def _atom_bounds(atom: Atom, ranges: Mapping[str, Interval]) -> Interval:
    if isinstance(atom, Symbol):
        return ranges.get(atom.name, (0.0, math.inf))
    args = [bounds(arg, ranges) for arg in atom.args]
    if atom.function == "min":
        return min(a[0] for a in args), min(a[1] for a in args)
    if atom.function == "max":
        return max(a[0] for a in args), max(a[1] for a in args)
    (low, high), (div_low, div_high) = args
    if div_low < 0 or div_high < 1:
        return -math.inf, math.inf
    div_low = max(div_low, 1.0)  # where the expression has a value at all
    if atom.function == "mod":
        inside = low >= 0 and high < div_low
        return (low, high) if inside else (0.0, div_high - 1)
    rounding = math.floor if atom.function == "floordiv" else math.ceil
    quotients = [x / y if math.isfinite(x) else x for x in (low, high) for y in (div_low, div_high)]
    return tuple(rounding(q) if math.isfinite(q) else q for q in (min(quotients), max(quotients)))  # type: ignore[return-value]


def simplify(value: Dim, ranges: Mapping[str, Interval]) -> Dim:
    """`value` with `floordiv`, `mod`, `min` and `max` removed where `ranges` decide them.

    Example: with `r` in [0, 3], `(4 * i + r) // 4` is `i` and `(4 * i + r) % 4` is `r`.
    """
    if isinstance(value, int):
        return value
    result: Dim = 0
    for monomial, coefficient in value.terms:
        term: Dim = coefficient
        for atom in monomial:
            term = mul(term, _atom(atom) if isinstance(atom, Symbol) else _simplify_call(atom, ranges))
        result = add(result, term)
    return result


def _simplify_call(call: Call, ranges: Mapping[str, Interval]) -> Dim:
    args = tuple(simplify(arg, ranges) for arg in call.args)
    if call.function in ("min", "max"):
        return _simplify_extremum(call.function, args, ranges)
    a, b = args
    if call.function in ("floordiv", "mod") and isinstance(b, int) and b > 0:
        whole, rest = _split_multiples(a, b)
        low, high = bounds(rest, ranges)
        if low >= 0 and high < b:
            return rest if call.function == "mod" else floordiv(whole, b)
    elif call.function in ("floordiv", "mod"):
        low, _ = bounds(a, ranges)
        if low >= 0 and bounds(add(b, mul(a, -1)), ranges)[0] > 0:
            return a if call.function == "mod" else 0
    return FUNCTIONS[call.function](*args)


def _simplify_extremum(function: str, args: tuple[Dim, ...], ranges: Mapping[str, Interval]) -> Dim:
    kept: list[Dim] = []
    for i, arg in enumerate(args):
        others = [*kept, *args[i + 1 :]]
        differences = [add(other, mul(arg, -1)) if function == "min" else add(arg, mul(other, -1)) for other in others]
        if not any(bounds(difference, ranges)[1] <= 0 for difference in differences):
            kept.append(arg)
    return FUNCTIONS[function](*(kept or args[-1:]))


def parse(text: str) -> Dim:
    """Read the text form. Raises ValueError, naming the offending part, for anything else."""
    try:
        tree = ast.parse(text, mode="eval").body
    except SyntaxError:
        raise ValueError(f"{text!r} is not an integer expression") from None
    return _from_ast(tree, text)


_OPERATORS: dict[type[ast.operator], Callable[[Dim, Dim], Dim]] = {
    ast.Add: add,
    ast.Sub: lambda a, b: add(a, mul(b, -1)),
    ast.Mult: mul,
    ast.FloorDiv: floordiv,
    ast.Mod: mod,
}


def _from_ast(node: ast.expr, text: str) -> Dim:
    match node:
        case ast.Constant(value=int(number)) if not isinstance(number, bool):
            return number
        case ast.Name(id=name):
            return symbol(name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return mul(_from_ast(operand, text), -1)
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_from_ast(left, text), _from_ast(right, text))
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
            return FUNCTIONS[name](*(_from_ast(arg, text) for arg in args))
        case _:
            raise ValueError(f"{ast.unparse(node)!r} in {text!r} is not an integer expression")
