"""Element-wise operators, with broadcasting, on every type they take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx.helper

from .families import family
from .graph import Graph, Tensor, broadcasts
from .numbers import (
    ANY,
    BF16,
    BOOL,
    F16,
    F32,
    F64,
    FLOATS,
    I32,
    I64,
    INTS,
    NUMBERS,
    SIGNED,
    SMALL_FLOATS,
    UNSIGNED,
    is_float,
    numbers,
)

Attributes = Callable[[Graph], dict[str, Any]]


@dataclass(frozen=True)
class Row:
    """An operator of one operand; `exact`: its result is the same however it is computed."""

    name: str
    types: Sequence[np.dtype] = FLOATS
    exact: bool = False
    since: int = 7
    attributes: Attributes = lambda g: {}
    floor: float = 0


def _some(**ranges: tuple[float, float]) -> Attributes:
    """Each attribute given half of the time, from its range."""
    return lambda g: {k: round(g.random.uniform(*r), 3) for k, r in ranges.items() if g.chance(0.5)}


UNARY = [
    *(Row(name, NUMBERS, exact=True) for name in ("Abs", "Sign", "Relu")),
    Row("Neg", FLOATS + SIGNED, exact=True),
    *(Row(name, exact=True) for name in ("Floor", "Ceil", "Round")),
    Row("Identity", ANY, exact=True),
    Row("Not", (BOOL,), exact=True),
    Row("BitwiseNot", INTS, exact=True, since=18),
    Row("IsNaN", exact=True),
    Row("IsInf", (F32, F64), True, 10, lambda g: {"detect_negative": g.random.randint(0, 1)} if g.chance(0.5) else {}),
    *(
        Row(name)
        for name in (
            *("Exp", "Log", "Sqrt", "Reciprocal", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Tanh"),
            *("Asinh", "Acosh", "Atanh", "Softplus", "Softsign"),
        )
    ),
    Row("Erf", (F32, F16, BF16)),  # of f64 the judges have seven digits
    Row("Sigmoid", floor=1),
    Row("HardSigmoid", attributes=_some(alpha=(0.1, 1), beta=(0, 1))),
    Row("HardSwish", since=14),
    Row("LeakyRelu", attributes=_some(alpha=(-0.5, 2))),
    # exp(x) - 1, as their definitions have it, is as exact as numbers near 1 are.
    Row("Elu", attributes=_some(alpha=(0.1, 2)), floor=2),
    Row("Celu", (F32,), since=12, attributes=_some(alpha=(0.2, 2)), floor=2),
    Row("Selu", attributes=_some(alpha=(0.1, 2), gamma=(0.1, 2)), floor=4),
    Row("Mish", since=18),
    # 1 + erf(x), 1 + tanh(x) likewise.
    Row("Gelu", (F32, F16), since=20, floor=4, attributes=lambda g: {"approximate": g.choose(["none", "tanh"])}),
    Row("ThresholdedRelu", exact=True, since=10, attributes=_some(alpha=(-1, 1))),
    Row("Shrink", (F32,), attributes=_some(lambd=(0, 1), bias=(-1, 1))),
]


@family(weight=4)
def unary(g: Graph) -> None:
    row = g.choose([row for row in UNARY if row.since <= g.opset])
    # A step in the function asks for an operand that is known exactly.
    x = g.operand(row.types, exact=row.exact)
    g.node(row.name, [x], exact=row.exact, floor=row.floor, **row.attributes(g))


BINARY = [
    *((name, NUMBERS, False, 7) for name in ("Add", "Sub", "Mul")),
    *((name, NUMBERS, True, 9) for name in ("Less", "Greater", "Equal")),
    *((name, NUMBERS, True, 16) for name in ("LessOrEqual", "GreaterOrEqual")),
    *((name, (BOOL,), True, 7) for name in ("And", "Or", "Xor")),
    *((name, INTS, True, 18) for name in ("BitwiseAnd", "BitwiseOr", "BitwiseXor")),
]


@family(weight=4)
def binary(g: Graph) -> None:
    name, types, exact, _ = g.choose([row for row in BINARY if row[3] <= g.opset])
    x = g.operand(types, exact=exact)
    y = g.partner(x) if not exact else g.new(x.dtype, g.broadcastable(x.shape))
    g.node(name, [x, y] if g.chance(0.5) else [y, x], exact=exact or not is_float(x.dtype), floor=0)


@family(weight=2)
def division(g: Graph) -> None:
    """Integers are never divided by zero, nor the least by -1: no definition says what that is."""
    x = g.operand(FLOATS + INTS)
    shape = g.broadcastable(x.shape)
    if is_float(x.dtype):
        g.node("Div", [x, g.new(x.dtype, shape)])
        return
    y = numbers(g.rng, x.dtype, shape, g.special)
    y = np.where((y == 0) | (y == np.array(-1).astype(x.dtype)), np.array(3, x.dtype), y)
    if g.chance(0.5):
        g.node("Div", [x, g.given(y, constant=0.4)], exact=True)
    else:
        fmod = g.random.randint(0, 1) if x.dtype.itemsize < 8 else 0  # ONNX Runtime computes it in f64
        g.node("Mod", [x, g.given(y, constant=0.4)], exact=True, fmod=fmod)


@family()
def float_mod(g: Graph) -> None:
    x = g.operand((F32, F64), exact=True)
    y = numbers(g.rng, x.dtype, g.broadcastable(x.shape), False)
    g.node("Mod", [x, g.given(np.where(y == 0, np.array(0.5, x.dtype), y))], exact=True, fmod=1)


@family()
def power(g: Graph) -> None:
    x = g.operand((F32, F64, I32, I64), where=lambda t: is_float(t.dtype) or int(np.abs(t.array).max(initial=0)) < 200)
    if is_float(x.dtype):
        y = g.choose([F32, F64, I32, I64])
        exponent = numbers(g.rng, y, g.broadcastable(x.shape), False)
    else:
        exponent = g.rng.integers(0, 4, g.broadcastable(x.shape)).astype(g.choose([I32, I64]))
    g.node("Pow", [x, g.given(exponent)], exact=not is_float(x.dtype))


@family(weight=2)
def variadic(g: Graph) -> None:
    name = g.choose(["Max", "Min", "Sum", "Mean"])
    x = g.operand((F32, F64, F16, I32, I64) if name in ("Max", "Min") else (F32, F64, F16))
    operands = [x]
    for _ in range(g.random.randint(0, 3)):
        other = g.partner(x)
        if all(broadcasts(other.shape, operand.shape) for operand in operands):
            operands.append(other)
    g.random.shuffle(operands)
    g.node(name, operands, exact=name in ("Max", "Min"))


@family(since=11)
def shift(g: Graph) -> None:
    x = g.operand(UNSIGNED)
    bits = x.dtype.itemsize * 8
    y = g.given(g.rng.integers(0, bits, g.broadcastable(x.shape)).astype(x.dtype))
    g.node("BitShift", [x, y], exact=True, direction=g.choose(["LEFT", "RIGHT"]))


@family()
def where(g: Graph) -> None:
    x = g.operand((*FLOATS, I32, I64, *INTS, BOOL))
    y = g.partner(x)
    both = np.broadcast_shapes(x.shape, y.shape)
    condition = g.operand((BOOL,), where=lambda t: t.shape in (both, x.shape, y.shape)) if g.chance(0.3) else None
    condition = condition or g.new(BOOL, g.broadcastable(both))
    g.node("Where", [condition, x, y] if g.chance(0.5) else [condition, y, x], exact=True)


@family()
def prelu(g: Graph) -> None:
    x = g.operand((F32, F64, F16))
    slope = [n if g.chance(0.6) else 1 for n in x.shape[g.random.randint(0, x.rank) :]]
    g.node("PRelu", [x, g.new(x.dtype, slope, 0.7, plain=True)])  # 0 has no slope


@family(since=12)
def clip(g: Graph) -> None:
    x = g.operand((F32, F64, F16, I32, I64, *INTS))
    # Where ONNX Runtime is given no bound it takes the largest finite number, also of infinities.
    open = 0.0 if g.special else 0.3
    low, high = (None if g.chance(open) else g.given(np.array(v).astype(x.dtype)) for v in (1, 3))
    g.node("Clip", [x, low, high], exact=True)


CASTS = (*NUMBERS, BOOL, *SMALL_FLOATS)


@family(weight=2)
def cast(g: Graph) -> None:
    """Floats that an integer type cannot hold have no defined conversion."""
    source = g.choose(CASTS)
    target = g.choose(CASTS)
    if (source in SMALL_FLOATS or target in SMALL_FLOATS) and g.opset < 19:
        return
    x = g.operand((source,), exact=True) if source not in SMALL_FLOATS else g.new(source, g.shape())
    if is_float(source) and not is_float(target) and target != BOOL:
        limits = np.iinfo(target)
        wide = x.array.astype(np.float64)
        if not ((wide > max(limits.min, -(2**31)) - 1) & (wide < min(limits.max, 2**31))).all():
            return
    attributes: dict[str, Any] = {}
    if target in SMALL_FLOATS and is_float(source) and g.chance(0.5):
        attributes["saturate"] = g.random.randint(0, 1)
    if g.opset >= 19 and target not in SMALL_FLOATS and g.chance(0.2):
        g.node("CastLike", [x, g.new(target, g.shape(0, 2))], exact=True, **attributes)
    else:
        g.node("Cast", [x], exact=True, to=_data_type(target), **attributes)


def _data_type(dtype: np.dtype) -> int:
    return onnx.helper.np_dtype_to_tensor_dtype(dtype)


@family()
def chain(g: Graph) -> None:
    """What exporters write for one activation, in several nodes."""
    x = g.operand((F32, F32, F16, BF16))
    kind = g.choose(["gelu", "silu", "hard_swish", "softplus"])

    def number(value: float) -> Tensor:
        return g.constant(np.array(value).astype(x.dtype))

    if kind == "gelu":
        (scaled,) = g.node("Div", [x, number(2**0.5)])
        (erf,) = g.node("Erf", [scaled])
        (one,) = g.node("Add", [erf, number(1)])
        (product,) = g.node("Mul", [x, one])
        g.node("Mul", [product, number(0.5)])
    elif kind == "silu":
        g.node("Mul", [x, *g.node("Sigmoid", [x])])
    elif kind == "hard_swish":
        (moved,) = g.node("Add", [x, number(3)])
        (clipped,) = g.node("Clip", [moved, number(0), number(6)])
        (product,) = g.node("Mul", [x, clipped])
        g.node("Div", [product, number(6)])
    else:
        (exp,) = g.node("Exp", [x])
        g.node("Log", [*g.node("Add", [exp, number(1)])])
