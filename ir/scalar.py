"""Scalar functions: the one table of what the element-wise ops compute, by name.

`nn.exp` says `function = "exp"`; its NumPy evaluation, its loop nest and the `arith`/`math` op that a tile program
uses for it all come from here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Numpy = Callable[..., Any]


@dataclass(frozen=True)
class ScalarFunction:
    """`numpy` computes it on arrays of one dtype; `float_op` and `int_op` name the upstream op, `unsigned_op` the one
    for unsigned integers where it differs; `predicate` marks comparisons, whose result is i1."""

    arity: int
    numpy: Numpy
    float_op: str | None = None
    int_op: str | None = None
    unsigned_op: str | None = None
    predicate: bool = False


def _trunc_div(a: Any, b: Any) -> Any:
    """Division as C does it: towards zero for integers (ONNX Div), exact for floats; x / 0 is 0 for integers."""
    if not np.issubdtype(np.asarray(a).dtype, np.integer):
        return a / b
    safe = np.where(b == 0, 1, b)
    quotient = a // safe
    inexact = (quotient * safe != a) & ((a < 0) != (safe < 0))
    return np.where(b == 0, 0, quotient + inexact).astype(np.asarray(a).dtype)


def _math(name: str) -> Callable[[Any], Any]:
    """A function of `math` on arrays, in float64, for what NumPy lacks."""
    function = np.vectorize(getattr(math, name), otypes=[np.float64])
    return lambda x: function(x).astype(np.asarray(x).dtype) if np.size(x) else x


FUNCTIONS: dict[str, ScalarFunction] = {
    "add": ScalarFunction(2, np.add, "arith.addf", "arith.addi"),
    "sub": ScalarFunction(2, np.subtract, "arith.subf", "arith.subi"),
    "mul": ScalarFunction(2, np.multiply, "arith.mulf", "arith.muli"),
    "div": ScalarFunction(2, _trunc_div, "arith.divf", "arith.divsi", "arith.divui"),
    "fmod": ScalarFunction(2, np.fmod, "arith.remf", "arith.remsi", "arith.remui"),
    "max": ScalarFunction(2, np.maximum, "arith.maximumf", "arith.maxsi", "arith.maxui"),
    "min": ScalarFunction(2, np.minimum, "arith.minimumf", "arith.minsi", "arith.minui"),
    "and": ScalarFunction(2, np.bitwise_and, None, "arith.andi"),
    "or": ScalarFunction(2, np.bitwise_or, None, "arith.ori"),
    "xor": ScalarFunction(2, np.bitwise_xor, None, "arith.xori"),
    "pow": ScalarFunction(2, np.power, "math.powf", "math.ipowi"),
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
    "erf": ScalarFunction(1, _math("erf"), "math.erf"),
    "tanh": ScalarFunction(1, np.tanh, "math.tanh"),
    "floor": ScalarFunction(1, np.floor, "math.floor"),
    "ceil": ScalarFunction(1, np.ceil, "math.ceil"),
    "round": ScalarFunction(1, np.rint, "math.roundeven"),
    "sin": ScalarFunction(1, np.sin, "math.sin"),
    "cos": ScalarFunction(1, np.cos, "math.cos"),
    "tan": ScalarFunction(1, np.tan, "math.tan"),
    "asin": ScalarFunction(1, np.arcsin, "math.asin"),
    "acos": ScalarFunction(1, np.arccos, "math.acos"),
    "atan": ScalarFunction(1, np.arctan, "math.atan"),
    "sinh": ScalarFunction(1, np.sinh, "math.sinh"),
    "cosh": ScalarFunction(1, np.cosh, "math.cosh"),
    "asinh": ScalarFunction(1, np.arcsinh, "math.asinh"),
    "acosh": ScalarFunction(1, np.arccosh, "math.acosh"),
    "atanh": ScalarFunction(1, np.arctanh, "math.atanh"),
}
