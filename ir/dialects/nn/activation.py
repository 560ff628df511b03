"""Activation functions: element-wise ops that networks put between layers."""

from __future__ import annotations

import math
from typing import Literal

from ...loop_nest import Body, E
from .base import Unary
from .elementwise import FloatUnary
from .formulas import expm1_negative, log1p, logistic, negative


class Relu(Unary, name="nn.relu"):
    """max(x, 0). ONNX Relu.

    Example: %y = "nn.relu"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    function = "max"

    def combine(self, body: Body[E], *elements: E) -> E:
        return body.apply("max", *elements, body.constant(0, self.dtype))


class Composite(FloatUnary):
    """A function combined from several primitives."""

    function = "mul"


class Sigmoid(Composite, name="nn.sigmoid"):
    """1 / (1 + exp(-x)). ONNX Sigmoid.

    Example: %y = "nn.sigmoid"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        return logistic(body, elements[0], self.dtype)


class Silu(Composite, name="nn.silu"):
    """x sigmoid(x), also called Swish. ONNX Swish with alpha 1.

    Example: %y = "nn.silu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        return logistic(body, elements[0], self.dtype, numerator=elements[0])


class HardSigmoid(Composite, name="nn.hard_sigmoid"):
    """max(0, min(1, alpha x + beta)). ONNX HardSigmoid.

    Example: %y = "nn.hard_sigmoid"(%x) {alpha = 0.2 : f64, beta = 0.5 : f64} : (tensor<4xf32>) -> tensor<4xf32>
    """

    alpha: float = 0.2
    beta: float = 0.5

    def combine(self, body: Body[E], *elements: E) -> E:
        scaled = body.apply("mul", *elements, body.constant(self.alpha, self.dtype))
        shifted = body.apply("add", scaled, body.constant(self.beta, self.dtype))
        capped = body.apply("min", shifted, body.constant(1.0, self.dtype))
        return body.apply("max", capped, body.constant(0.0, self.dtype))


class HardSwish(Composite, name="nn.hard_swish"):
    """x max(0, min(1, x/6 + 1/2)). ONNX HardSwish.

    Example: %y = "nn.hard_swish"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        shifted = body.apply("add", *elements, body.constant(3.0, self.dtype))
        capped = body.apply("min", shifted, body.constant(6.0, self.dtype))
        gate = body.apply("max", capped, body.constant(0.0, self.dtype))
        sixth = body.apply("mul", gate, body.constant(1 / 6, self.dtype))
        return body.apply("mul", *elements, sixth)


class LeakyRelu(Composite, name="nn.leaky_relu"):
    """x, or alpha x below zero. ONNX LeakyRelu.

    Example: %y = "nn.leaky_relu"(%x) {alpha = 0.01 : f64} : (tensor<4xf32>) -> tensor<4xf32>
    """

    alpha: float = 0.01

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        scaled = body.apply("mul", x, body.constant(self.alpha, self.dtype))
        return body.apply("select", negative(body, x, self.dtype), scaled, x)


class Elu(Composite, name="nn.elu"):
    """x, or alpha (exp(x) - 1) below zero. ONNX Elu.

    Example: %y = "nn.elu"(%x) {alpha = 1.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
    """

    alpha: float = 1.0

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        below = body.apply("mul", expm1_negative(body, x, self.dtype), body.constant(self.alpha, self.dtype))
        return body.apply("select", negative(body, x, self.dtype), below, x)


class Selu(Composite, name="nn.selu"):
    """gamma elu(x, alpha). ONNX Selu.

    Example: %y = "nn.selu"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    alpha: float = 1.67326319217681884765625
    gamma: float = 1.05070102214813232421875

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        below = body.apply("mul", expm1_negative(body, x, self.dtype), body.constant(self.alpha, self.dtype))
        unscaled = body.apply("select", negative(body, x, self.dtype), below, x)
        return body.apply("mul", unscaled, body.constant(self.gamma, self.dtype))


class Celu(Composite, name="nn.celu"):
    """x, or alpha (exp(x / alpha) - 1) below zero. ONNX Celu.

    Example: %y = "nn.celu"(%x) {alpha = 1.0 : f64} : (tensor<4xf32>) -> tensor<4xf32>
    """

    alpha: float = 1.0

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        scaled = body.apply("div", x, body.constant(self.alpha, self.dtype))
        below = body.apply("mul", expm1_negative(body, scaled, self.dtype), body.constant(self.alpha, self.dtype))
        return body.apply("select", negative(body, x, self.dtype), below, x)


class Softplus(Composite, name="nn.softplus"):
    """log(1 + exp(x)). ONNX Softplus.

    Example: %y = "nn.softplus"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        small = body.apply("exp", body.apply("neg", body.apply("abs", x)))
        positive = body.apply("max", x, body.constant(0.0, self.dtype))
        return body.apply("add", positive, log1p(body, small, self.dtype))


class Softsign(Composite, name="nn.softsign"):
    """x / (1 + |x|). ONNX Softsign.

    Example: %y = "nn.softsign"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        return body.apply("div", x, body.apply("add", body.constant(1.0, self.dtype), body.apply("abs", x)))


class Mish(Composite, name="nn.mish"):
    """x tanh(softplus(x)). ONNX Mish.

    Example: %y = "nn.mish"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        # tanh(log(1 + e)) = n / (n + 2) with n = e (e + 2); it rounds to 1 long before x = 40, where e² would overflow.
        (x,) = elements
        two = body.constant(2.0, self.dtype)
        e = body.apply("exp", body.apply("min", x, body.constant(40.0, self.dtype)))
        n = body.apply("mul", e, body.apply("add", e, two))
        return body.apply("mul", x, body.apply("div", n, body.apply("add", n, two)))


class Gelu(Composite, name="nn.gelu"):
    """x Φ(x), Φ the normal distribution: by erf, or by tanh of a cubic. ONNX Gelu.

    Example: %y = "nn.gelu"(%x) {approximate = "none"} : (tensor<4xf32>) -> tensor<4xf32>
    """

    approximate: Literal["none", "tanh"] = "none"

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        if self.approximate == "tanh":
            # (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))
            cubic = body.apply("mul", body.apply("mul", x, x), body.constant(0.044715, self.dtype))
            inner = body.apply("mul", x, body.apply("add", cubic, body.constant(1.0, self.dtype)))
            doubled = body.apply("mul", inner, body.constant(2 * math.sqrt(2 / math.pi), self.dtype))
            return logistic(body, doubled, self.dtype, numerator=x)
        error = body.apply("erf", body.apply("mul", x, body.constant(math.sqrt(0.5), self.dtype)))
        half = body.apply("mul", x, body.constant(0.5, self.dtype))
        return body.apply("mul", half, body.apply("add", error, body.constant(1.0, self.dtype)))
