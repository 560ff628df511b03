"""Formulas that several element-wise ops share, written in the primitives of `scalar.FUNCTIONS`."""

from __future__ import annotations

import math

from ...loop_nest import Body, E
from ...types import Scalar


def log1p(body: Body[E], x: E, dtype: Scalar) -> E:
    """log(1 + x) for x > -1, accurate near 0: the rounding of u = 1 + x cancels in log(u) / (u - 1)."""
    one = body.constant(1.0, dtype)
    u = body.apply("add", x, one)
    scaled = body.apply("mul", x, body.apply("div", body.apply("log", u), body.apply("sub", u, one)))
    infinite = body.apply("eq", u, body.constant(math.inf, dtype))
    return body.apply("select", body.apply("eq", u, one), x, body.apply("select", infinite, u, scaled))


def expm1_negative(body: Body[E], x: E, dtype: Scalar) -> E:
    """exp(min(x, 0)) - 1, accurate near 0, as tanh(x/2) (exp(x) + 1)."""
    low = body.apply("min", x, body.constant(0.0, dtype))
    half = body.apply("tanh", body.apply("mul", low, body.constant(0.5, dtype)))
    return body.apply("mul", half, body.apply("add", body.apply("exp", low), body.constant(1.0, dtype)))


def logistic(body: Body[E], x: E, dtype: Scalar, numerator: E | None = None) -> E:
    """numerator (default 1) / (1 + exp(-x)): keeps its relative accuracy while exp(-x) is finite; then 0."""
    one = body.constant(1.0, dtype)
    denominator = body.apply("add", one, body.apply("exp", body.apply("neg", x)))
    return body.apply("ratio", one if numerator is None else numerator, denominator)


def negative(body: Body[E], x: E, dtype: Scalar) -> E:
    """x < 0."""
    return body.apply("lt", x, body.constant(0.0, dtype))
