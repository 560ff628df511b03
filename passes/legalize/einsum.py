"""Einsum: transposes, sums and one matrix product for each operand after the first."""

from __future__ import annotations

import functools

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from .content import dims
from .node import Node
from .registry import legalize

Term = tuple[Value, str]
"""A tensor and a letter for each of its dimensions."""


@legalize("Einsum")
def einsum(n: Node) -> Value:
    inputs, result = _parse(n)
    for x, letters in zip(n.inputs, inputs, strict=True):
        n.require(len(letters) == len(dims(x)), f"'{letters}' for an operand of {len(dims(x))} dimensions")
    unknown = set(result) - set("".join(inputs))
    n.require(not unknown, f"'{''.join(sorted(unknown))}' in the result, which no operand has")
    terms = [_diagonal(n, x, letters) for x, letters in zip(n.inputs, inputs, strict=True)]
    while len(terms) > 1:
        a, b, *rest = terms
        kept = set(result).union(*(letters for _, letters in rest))
        terms = [_product(n, a, b, kept), *rest]
    x, letters = _summed(n, terms[0], set(result))
    return n.transpose(x, [letters.index(letter) for letter in result])


def _parse(n: Node) -> tuple[list[str], str]:
    """The letters of every operand and of the result; an ellipsis becomes capital letters from a private range."""
    left, arrow, right = n.str("equation").replace(" ", "").partition("->")
    inputs = left.split(",")
    n.require(len(inputs) == len(n), f"{len(inputs)} terms for {len(n)} operands")
    hidden = max(
        (len(dims(x)) - len(t.replace("...", "")) for x, t in zip(n.inputs, inputs, strict=True) if "..." in t),
        default=0,
    )
    ellipsis = "".join(chr(0x3B1 + i) for i in range(hidden))
    spelled = [
        t.replace("...", ellipsis[hidden - (len(dims(x)) - len(t.replace("...", ""))) :]) if "..." in t else t
        for x, t in zip(n.inputs, inputs, strict=True)
    ]
    if arrow:
        return spelled, right.replace("...", ellipsis)
    everything = "".join(inputs).replace(".", "")
    once = sorted(letter for letter in set(everything) if everything.count(letter) == 1)
    return spelled, ellipsis + "".join(once)


def _diagonal(n: Node, x: Value, letters: str) -> Term:
    """A letter that stands twice in a term means the diagonal of its two dimensions."""
    for letter in dict.fromkeys(letters):
        while letters.count(letter) > 1:
            first = letters.index(letter)
            second = letters.index(letter, first + 1)
            shape = dims(x)
            on = n(nn.Eq(n.iota(shape, first), n.iota(shape, second)))
            x = n.reduce(n(nn.Where(on, x, n.like(0, x))), "add", [second])
            letters = letters[:second] + letters[second + 1 :]
    return x, letters


def _summed(n: Node, term: Term, kept: set[str]) -> Term:
    x, letters = term
    axes = [i for i, letter in enumerate(letters) if letter not in kept]
    return n.reduce(x, "add", axes), "".join(letter for letter in letters if letter in kept)


def _product(n: Node, a: Term, b: Term, kept: set[str]) -> Term:
    """Two terms as one: letters are batch, rows, columns or summed over."""
    a = _summed(n, a, kept | set(b[1]))
    b = _summed(n, b, kept | set(a[1]))
    batch = [letter for letter in a[1] if letter in b[1] and letter in kept]
    inner = [letter for letter in a[1] if letter in b[1] and letter not in kept]
    rows = [letter for letter in a[1] if letter not in b[1]]
    columns = [letter for letter in b[1] if letter not in a[1]]
    sizes = {letter: _size(a, b, letter) for letter in (*batch, *inner, *rows, *columns)}
    left = _matrix(n, a, sizes, batch, rows, inner)
    right = _matrix(n, b, sizes, batch, inner, columns)
    y = n(nn.MatMul(left, right))
    letters = [*batch, *rows, *columns]
    return n.reshape(y, [sizes[letter] for letter in letters]), "".join(letters)


def _size(a: Term, b: Term, letter: str) -> Dim:
    found = [dims(x)[letters.index(letter)] for x, letters in (a, b) if letter in letters]
    return functools.reduce(lambda p, q: q if p == 1 else p, found)


def _matrix(n: Node, term: Term, sizes: dict[str, Dim], *groups: list[str]) -> Value:
    """The term as [batch…, one dimension, one dimension], broadcast where it has size 1."""
    x, letters = term
    order = [letter for group in groups for letter in group]
    x = n.transpose(x, [letters.index(letter) for letter in order])
    x = n.broadcast(x, [sizes[letter] for letter in order])
    batch, *flat = groups
    merged = [symbols.product(sizes[letter] for letter in group) for group in flat]
    return n.reshape(x, [*(sizes[letter] for letter in batch), *merged])
