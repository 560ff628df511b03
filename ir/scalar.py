"""Scalar functions: the one table of what loop nests apply to elements, by name.

`nn.exp` says `function = "exp"`; its NumPy meaning and the `arith`/`math` op that a tile program uses for it come
from here. The table holds the primitives that a code generator has to know; every other element-wise op
(`nn.sigmoid`, `nn.asinh`, …) combines them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.polynomial import Chebyshev

Numpy = Callable[..., Any]


@dataclass(frozen=True)
class ScalarFunction:
    """`numpy` computes it on arrays of one dtype; `float_op` and `int_op` name the upstream op, `unsigned_op` the one
    for unsigned integers where it differs; `predicate` marks comparisons, whose result is i1; `fastmath` is what the
    float op may do by upstream's word."""

    arity: int
    numpy: Numpy
    float_op: str | None = None
    int_op: str | None = None
    unsigned_op: str | None = None
    predicate: bool = False
    fastmath: str | None = None


def _is_integer(array: Any) -> bool:
    return np.issubdtype(np.asarray(array).dtype, np.integer)


def _divide(a: Any, b: Any) -> Any:
    """Division as C does it: towards zero for integers (ONNX Div), exact for floats; x / 0 is 0 for integers."""
    if not _is_integer(a):
        return a / b
    safe = np.where(b == 0, 1, b)
    quotient = a // safe
    inexact = (quotient * safe != a) & ((a < 0) != (safe < 0))
    return np.where(b == 0, 0, quotient + inexact).astype(np.asarray(a).dtype)


def _power(a: Any, b: Any) -> Any:
    """Powers; a negative exponent of an integer counts as 0."""
    return np.power(a, np.maximum(b, 0)) if _is_integer(a) else np.power(a, b)


@cache
def _scaled_erfc() -> Chebyshev:
    """exp(x²) erfc(x) on [0.5, 6], to 1e-15."""
    return Chebyshev.interpolate(np.vectorize(lambda x: math.exp(x * x) * math.erfc(x)), 30, domain=[0.5, 6.0])


def _erf(x: Any) -> Any:
    """The error function, computed in float64: its series near 0, one minus the complement elsewhere."""
    wide = np.asarray(x, np.float64)
    near = np.clip(wide, -0.5, 0.5)
    square, series = near * near, np.zeros_like(near)
    for n in reversed(range(14)):
        series = series * square + (-1) ** n / (math.factorial(n) * (2 * n + 1))
    far = np.clip(np.abs(wide), 0.5, 6.0)
    tail = np.copysign(1 - np.exp(-far * far) * _scaled_erfc()(far), wide)
    value = np.where(np.abs(wide) < 0.5, 2 / math.sqrt(math.pi) * near * series, tail)
    return np.where(np.isnan(wide), wide, value).astype(np.asarray(x).dtype)


FUNCTIONS: dict[str, ScalarFunction] = {
    "add": ScalarFunction(2, np.add, "arith.addf", "arith.addi"),
    "sub": ScalarFunction(2, np.subtract, "arith.subf", "arith.subi"),
    "mul": ScalarFunction(2, np.multiply, "arith.mulf", "arith.muli"),
    "div": ScalarFunction(2, _divide, "arith.divf", "arith.divsi", "arith.divui"),
    "ratio": ScalarFunction(2, np.divide, "arith.divf", fastmath="arcp"),  # a / b for b >= 1
    "fmod": ScalarFunction(2, np.fmod, "arith.remf", "arith.remsi", "arith.remui"),
    "max": ScalarFunction(2, np.maximum, "arith.maximumf", "arith.maxsi", "arith.maxui"),
    "min": ScalarFunction(2, np.minimum, "arith.minimumf", "arith.minsi", "arith.minui"),
    "and": ScalarFunction(2, np.bitwise_and, None, "arith.andi"),
    "or": ScalarFunction(2, np.bitwise_or, None, "arith.ori"),
    "xor": ScalarFunction(2, np.bitwise_xor, None, "arith.xori"),
    "shift_left": ScalarFunction(2, np.left_shift, None, "arith.shli"),
    "shift_right": ScalarFunction(2, np.right_shift, None, "arith.shrsi", "arith.shrui"),
    "pow": ScalarFunction(2, _power, "math.powf", "math.ipowi"),
    "atan2": ScalarFunction(2, np.arctan2, "math.atan2"),
    "eq": ScalarFunction(2, np.equal, "arith.cmpf", "arith.cmpi", predicate=True),
    "ne": ScalarFunction(2, np.not_equal, "arith.cmpf", "arith.cmpi", predicate=True),
    "lt": ScalarFunction(2, np.less, "arith.cmpf", "arith.cmpi", predicate=True),
    "le": ScalarFunction(2, np.less_equal, "arith.cmpf", "arith.cmpi", predicate=True),
    "gt": ScalarFunction(2, np.greater, "arith.cmpf", "arith.cmpi", predicate=True),
    "ge": ScalarFunction(2, np.greater_equal, "arith.cmpf", "arith.cmpi", predicate=True),
    "select": ScalarFunction(3, np.where, "arith.select", "arith.select"),
    "neg": ScalarFunction(1, np.negative, "arith.negf"),
    "abs": ScalarFunction(1, np.abs, "math.absf", "math.absi"),
    "exp": ScalarFunction(1, np.exp, "math.exp"),
    "log": ScalarFunction(1, np.log, "math.log"),
    "sqrt": ScalarFunction(1, np.sqrt, "math.sqrt"),
    "rsqrt": ScalarFunction(1, lambda x: 1 / np.sqrt(x), "math.rsqrt"),
    "erf": ScalarFunction(1, _erf, "math.erf"),
    "tanh": ScalarFunction(1, np.tanh, "math.tanh"),
    "floor": ScalarFunction(1, np.floor, "math.floor"),
    "ceil": ScalarFunction(1, np.ceil, "math.ceil"),
    "round": ScalarFunction(1, np.rint, "math.roundeven"),
    "sin": ScalarFunction(1, np.sin, "math.sin"),
    "cos": ScalarFunction(1, np.cos, "math.cos"),
    "atan": ScalarFunction(1, np.arctan, "math.atan"),
}
