"""Find the gaussian error linear unit that exporters spell out."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ..base import Pass, PassContext
from ..rewrite import Rewriter, apply_patterns, pattern
from .match import either_way, is_number, plus, power, producer, times

Approximation = Literal["none", "tanh"]


class RecognizeGelu(Pass):
    """Replace x · (1 + erf(x / √2)) / 2, and its approximation by tanh, by `nn.gelu`.

        %0 = "nn.div"(%x, %sqrt2) : …
        %1 = "nn.erf"(%0) : …
        %2 = "nn.add"(%1, %one) : …
        %3 = "nn.mul"(%x, %2) : …
        %y = "nn.mul"(%3, %half) : …

    becomes

        %y = "nn.gelu"(%x) {approximate = "none"} : (tensor<4xf32>) -> tensor<4xf32>
    """

    name = "recognize-gelu"

    def run(self, module: Module, context: PassContext) -> None:
        apply_patterns(module, [gelu], context)
        for op in module.walk():
            if isinstance(op, nn.Erf):
                context.remark(op, "no gelu: what reads this erf is not x · (1 + erf(x / √2)) / 2")


@pattern(nn.Mul)
def gelu(op: nn.Mul, rw: Rewriter) -> None:
    """x · (1 + erf(x / √2)) / 2 = gelu(x)"""
    for x, gate in _halved_products(op):
        approximation = _gate_of(gate, x)
        if approximation is not None and x.type == op.result.type:
            function = plus(gate, 1)
            parts = [value.owner for value in (function, gate) if value is not None]
            rw.replace(op, nn.Gelu(x, approximation), merging=[p for p in parts if isinstance(p, nn.NnOp)])
            return


def _halved_products(op: nn.Mul) -> Iterator[tuple[Value, Value]]:
    """Every (x, gate) that `op` may be half the product of."""
    for a, b in either_way(op):
        if (half := times(a, 0.5)) is not None:
            yield half, b
            yield b, half
        if is_number(b, 0.5) and (product := producer(a, nn.Mul)) is not None:
            yield from either_way(product)


def _gate_of(gate: Value, x: Value) -> Approximation | None:
    """Which gate of gelu `gate` is for `x`, if any: 1 + erf(x / √2) or 1 + tanh(√(2/π) (x + 0.044715 x³))."""
    inner = plus(gate, 1)
    if inner is None:
        return None
    if (erf := producer(inner, nn.Erf)) is not None and times(erf.x, math.sqrt(0.5)) is x:
        return "none"
    if (tanh := producer(inner, nn.Tanh)) is None:
        return None
    cubic = times(tanh.x, math.sqrt(2 / math.pi))
    return "tanh" if cubic is not None and _is_cubic(cubic, x) else None


def _is_cubic(value: Value, x: Value) -> bool:
    """Whether `value` is x + 0.044715 x³, or x (1 + 0.044715 x²)."""
    if (total := producer(value, nn.Add)) is not None:
        for a, b in either_way(total):
            cube = times(b, 0.044715)
            if a is x and cube is not None and power(cube, 3) is x:
                return True
    if (product := producer(value, nn.Mul)) is not None:
        for a, b in either_way(product):
            scaled = plus(b, 1)
            square = None if scaled is None else times(scaled, 0.044715)
            if a is x and square is not None and power(square, 2) is x:
                return True
    return False
