"""Trigonometric and hyperbolic functions that are combined from primitives."""

from __future__ import annotations

import math

from ...loop_nest import Body, E
from .activation import Composite
from .formulas import log1p, negative

_LARGE = 1e9
"""Beyond this, squares of numbers lose nothing by leaving out a 1, and squaring again would overflow f32."""


class Tan(Composite, name="nn.tan"):
    """The tangent. ONNX Tan.

    Example: %y = "nn.tan"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        return body.apply("div", body.apply("sin", *elements), body.apply("cos", *elements))


class Asin(Composite, name="nn.asin"):
    """The inverse sine. ONNX Asin.

    Example: %y = "nn.asin"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        one = body.constant(1.0, self.dtype)
        square = body.apply("mul", body.apply("sub", one, x), body.apply("add", one, x))
        half = body.apply("atan", body.apply("div", x, body.apply("add", one, body.apply("sqrt", square))))
        return body.apply("mul", half, body.constant(2.0, self.dtype))


class Acos(Composite, name="nn.acos"):
    """The inverse cosine. ONNX Acos.

    Example: %y = "nn.acos"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        one = body.constant(1.0, self.dtype)
        square = body.apply("div", body.apply("sub", one, x), body.apply("add", one, x))
        return body.apply("mul", body.apply("atan", body.apply("sqrt", square)), body.constant(2.0, self.dtype))


class Cosh(Composite, name="nn.cosh"):
    """The hyperbolic cosine. ONNX Cosh.

    Example: %y = "nn.cosh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        # With h = exp(|x| / 2): h² / 2 + 1 / (2 h²), which overflows no earlier than the result does.
        half = body.constant(0.5, self.dtype)
        h = body.apply("exp", body.apply("mul", body.apply("abs", *elements), half))
        scaled = body.apply("mul", half, h)
        return body.apply("add", body.apply("mul", scaled, h), body.apply("div", body.apply("div", half, h), h))


class Sinh(Cosh, name="nn.sinh"):
    """The hyperbolic sine, as tanh(x) cosh(x). ONNX Sinh.

    Example: %y = "nn.sinh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        return body.apply("mul", body.apply("tanh", *elements), super().combine(body, *elements))


class Asinh(Composite, name="nn.asinh"):
    """The inverse hyperbolic sine. ONNX Asinh.

    Example: %y = "nn.asinh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        one, size = body.constant(1.0, self.dtype), body.apply("abs", x)
        near = body.apply("min", size, body.constant(_LARGE, self.dtype))
        square = body.apply("mul", near, near)
        root = body.apply("sqrt", body.apply("add", square, one))
        small = log1p(
            body,
            body.apply("add", near, body.apply("div", square, body.apply("add", one, root))),
            self.dtype,
        )
        large = body.apply("add", body.apply("log", size), body.constant(math.log(2), self.dtype))
        far = body.apply("gt", size, body.constant(_LARGE, self.dtype))
        value = body.apply("select", far, large, small)
        return body.apply("select", negative(body, x, self.dtype), body.apply("neg", value), value)


class Acosh(Composite, name="nn.acosh"):
    """The inverse hyperbolic cosine; not-a-number below 1. ONNX Acosh.

    Example: %y = "nn.acosh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        two = body.constant(2.0, self.dtype)
        near = body.apply("min", x, body.constant(_LARGE, self.dtype))
        t = body.apply("sub", near, body.constant(1.0, self.dtype))
        # Below 1 the root is not-a-number: t + 2 is no less than 2, so that the signs differ also below -1.
        root = body.apply("sqrt", body.apply("mul", t, body.apply("max", body.apply("add", t, two), two)))
        small = log1p(body, body.apply("add", t, root), self.dtype)
        large = body.apply("add", body.apply("log", x), body.constant(math.log(2), self.dtype))
        far = body.apply("gt", x, body.constant(_LARGE, self.dtype))
        return body.apply("select", far, large, small)


class Atanh(Composite, name="nn.atanh"):
    """The inverse hyperbolic tangent. ONNX Atanh.

    Example: %y = "nn.atanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        size = body.apply("abs", x)
        ratio = body.apply(
            "div", body.apply("add", size, size), body.apply("sub", body.constant(1.0, self.dtype), size)
        )
        value = body.apply("mul", body.constant(0.5, self.dtype), log1p(body, ratio, self.dtype))
        return body.apply("select", negative(body, x, self.dtype), body.apply("neg", value), value)
