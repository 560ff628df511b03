"""Size expressions of a model's symbols as LLVM integers, and index arithmetic that folds constants."""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.symbols import Call, Dim, Symbol
from .builder import Builder


def is_constant(value: str) -> bool:
    return value.lstrip("-").isdigit()


def add(builder: Builder, a: str, b: str) -> str:
    """a + b of two indices."""
    if is_constant(a) and is_constant(b):
        return str(int(a) + int(b))
    if "0" in (a, b):
        return b if a == "0" else a
    return builder.define("at", f"add i64 {a}, {b}")


def mul(builder: Builder, a: str, b: str) -> str:
    """a * b of two indices."""
    if is_constant(a) and is_constant(b):
        return str(int(a) * int(b))
    if "0" in (a, b):
        return "0"
    if "1" in (a, b):
        return b if a == "1" else a
    return builder.define("by", f"mul i64 {a}, {b}")


def size(builder: Builder, value: Dim, symbols: Mapping[str, str]) -> str:
    """`value` as an i64; `symbols` has the LLVM value of each symbol."""
    if isinstance(value, int):
        return str(value)
    total = "0"
    for monomial, coefficient in value.terms:
        term = str(coefficient)
        for atom in monomial:
            factor = symbols[atom.name] if isinstance(atom, Symbol) else _call(builder, atom, symbols)
            term = mul(builder, term, factor)
        total = add(builder, total, term)
    return total


def _call(builder: Builder, call: Call, symbols: Mapping[str, str]) -> str:
    args = [size(builder, arg, symbols) for arg in call.args]
    if call.function in ("min", "max"):
        result = args[0]
        for arg in args[1:]:
            test = builder.define("less", f"icmp {'slt' if call.function == 'min' else 'sgt'} i64 {result}, {arg}")
            result = builder.define(call.function, f"select i1 {test}, i64 {result}, i64 {arg}")
        return result
    a, b = args
    if call.function == "ceildiv":  # -(-a // b)
        return builder.define("ceildiv", f"sub i64 0, {floordiv(builder, builder.define('neg', f'sub i64 0, {a}'), b)}")
    quotient = floordiv(builder, a, b)
    if call.function == "floordiv":
        return quotient
    return builder.define("mod", f"sub i64 {a}, {mul(builder, quotient, b)}")


def floordiv(builder: Builder, a: str, b: str) -> str:
    """Division of any integer by a positive one, rounded down."""
    quotient = builder.define("quotient", f"sdiv i64 {a}, {b}")
    rest = builder.define("rest", f"srem i64 {a}, {b}")
    below = builder.define("below", f"ashr i64 {rest}, 63")
    return builder.define("floordiv", f"add i64 {quotient}, {below}")
