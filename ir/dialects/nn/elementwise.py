"""Element-wise ops of one operand.

Each either names a primitive of `scalar.FUNCTIONS` or combines primitives, once, in a form that loses no accuracy
and does not overflow on the way; that form is both its NumPy meaning and what is compiled.
"""

from __future__ import annotations

import math

import numpy as np

from ...attributes import UnitAttr
from ...core import Value
from ...loop_nest import Body, E
from ...types import Scalar, Type, i1
from .base import Array, Elementwise, Unary, tensor_type


class FloatUnary(Unary):
    """A function of real numbers."""

    def infer(self) -> list[Type]:
        self.require(self.dtype.is_float, f"needs a floating-point operand, found {self.x.type}")
        return super().infer()


class Abs(Unary, name="nn.abs"):
    """|x|. ONNX Abs.

    Example: %y = "nn.abs"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    function = "abs"


class Neg(Unary, name="nn.neg"):
    """-x. ONNX Neg.

    Example: %y = "nn.neg"(%x) : (tensor<2x3xf32>) -> tensor<2x3xf32>
    """

    function = "neg"

    def combine(self, body: Body[E], *elements: E) -> E:
        if self.dtype.is_float:
            return body.apply("neg", *elements)
        return body.apply("sub", body.constant(0, self.dtype), *elements)


class Exp(FloatUnary, name="nn.exp"):
    """e to the power x. ONNX Exp.

    Example: %y = "nn.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "exp"


class Log(FloatUnary, name="nn.log"):
    """The natural logarithm. ONNX Log.

    Example: %y = "nn.log"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "log"


class Sqrt(FloatUnary, name="nn.sqrt"):
    """The square root. ONNX Sqrt.

    Example: %y = "nn.sqrt"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "sqrt"


class Rsqrt(FloatUnary, name="nn.rsqrt"):
    """1 / sqrt(x). No ONNX op; Reciprocal of Sqrt.

    Example: %y = "nn.rsqrt"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "rsqrt"


class Reciprocal(FloatUnary, name="nn.reciprocal"):
    """1 / x. ONNX Reciprocal.

    Example: %y = "nn.reciprocal"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "div"

    def combine(self, body: Body[E], *elements: E) -> E:
        return body.apply("div", body.constant(1.0, self.dtype), *elements)


class Floor(FloatUnary, name="nn.floor"):
    """The largest integer not above x. ONNX Floor.

    Example: %y = "nn.floor"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "floor"


class Ceil(FloatUnary, name="nn.ceil"):
    """The smallest integer not below x. ONNX Ceil.

    Example: %y = "nn.ceil"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "ceil"


class Round(FloatUnary, name="nn.round"):
    """The nearest integer, halves to even. ONNX Round.

    Example: %y = "nn.round"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "round"


class Sin(FloatUnary, name="nn.sin"):
    """The sine. ONNX Sin.

    Example: %y = "nn.sin"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "sin"


class Cos(FloatUnary, name="nn.cos"):
    """The cosine. ONNX Cos.

    Example: %y = "nn.cos"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "cos"


class Atan(FloatUnary, name="nn.atan"):
    """The inverse tangent. ONNX Atan.

    Example: %y = "nn.atan"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "atan"


class Tanh(FloatUnary, name="nn.tanh"):
    """The hyperbolic tangent. ONNX Tanh.

    Example: %y = "nn.tanh"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "tanh"


class Erf(FloatUnary, name="nn.erf"):
    """The error function. ONNX Erf.

    Example: %y = "nn.erf"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "erf"


class Sign(Unary, name="nn.sign"):
    """-1, 0 or 1; not-a-number stays. ONNX Sign.

    Example: %y = "nn.sign"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    function = "select"

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        zero, one = body.constant(0, self.dtype), body.constant(1, self.dtype)
        if self.dtype.is_unsigned:
            return body.apply("select", body.apply("gt", x, zero), one, zero)
        minus_one = body.constant(-1, self.dtype)
        not_positive = body.apply("select", body.apply("lt", x, zero), minus_one, x)
        return body.apply("select", body.apply("gt", x, zero), one, not_positive)


class Not(Unary, name="nn.not"):
    """Every bit inverted; of i1 the logical negation. ONNX Not, BitwiseNot.

    Example: %y = "nn.not"(%x) : (tensor<4xi1>) -> tensor<4xi1>
    """

    function = "xor"

    def infer(self) -> list[Type]:
        self.require(self.dtype.is_integer, f"needs an integer or boolean operand, found {self.x.type}")
        return super().infer()

    def combine(self, body: Body[E], *elements: E) -> E:
        ones = True if self.dtype.is_bool else (1 << self.dtype.bits) - 1 if self.dtype.is_unsigned else -1
        return body.apply("xor", *elements, body.constant(ones, self.dtype))


class _Test(Unary):
    """A question about a number, answered by i1."""

    function = "eq"

    def infer(self) -> list[Type]:
        self.require(self.dtype.is_float, f"needs a floating-point operand, found {self.x.type}")
        return [tensor_type(self.x).with_dtype(i1)]


class IsNan(_Test, name="nn.is_nan"):
    """Whether x is not-a-number. ONNX IsNaN.

    Example: %y = "nn.is_nan"(%x) : (tensor<4xf32>) -> tensor<4xi1>
    """

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        return body.apply("ne", x, x)


class IsInf(_Test, name="nn.is_inf"):
    """Whether x is infinite; `positive` and `negative` say which infinities count. ONNX IsInf.

    Example: %y = "nn.is_inf"(%x) {positive = true, negative = true} : (tensor<4xf32>) -> tensor<4xi1>
    """

    positive: bool = True
    negative: bool = True

    def combine(self, body: Body[E], *elements: E) -> E:
        (x,) = elements
        if self.positive and self.negative:
            return body.apply("eq", body.apply("abs", x), body.constant(math.inf, self.dtype))
        if not self.positive and not self.negative:
            return body.apply("lt", x, x)
        return body.apply("eq", x, body.constant(math.inf if self.positive else -math.inf, self.dtype))


class Cast(Elementwise, name="nn.cast"):
    """x as element type `to`. Floats become integers by truncation, anything becomes i1 by `!= 0`. ONNX Cast.

    What floats of a byte or less cannot hold becomes the nearest number that they do; with `unsaturated` it becomes
    infinite, or not-a-number where the type has no infinity.

    Example: %y = "nn.cast"(%x) {to = f16} : (tensor<4xf32>) -> tensor<4xf16>
    """

    x: Value
    to: Scalar
    unsaturated: UnitAttr | None = None

    def infer(self) -> list[Type]:
        return [tensor_type(self.x).with_dtype(self.to)]

    def combine(self, body: Body[E], *elements: E) -> E:
        return body.cast(elements[0], self.to, self.unsaturated is None)


class BitCast(Elementwise, name="nn.bitcast"):
    """The bits of x as numbers of another element type of the same width. ONNX BitCast.

    The bits of not-a-number may change where a float is narrower than f32.

    Example: %y = "nn.bitcast"(%x) {to = i32} : (tensor<4xf32>) -> tensor<4xi32>
    """

    x: Value
    to: Scalar

    def infer(self) -> list[Type]:
        source = tensor_type(self.x).scalar
        # Integers of 2 and 4 bits are held as numbers in a byte each, so that their bits depend on their sign.
        plain = all(dtype.name not in ("i1", "i2", "i4", "index") for dtype in (source, self.to))
        self.require(plain and source.bits == self.to.bits, f"cannot read the bits of {self.x.type} as {self.to}")
        return [tensor_type(self.x).with_dtype(self.to)]

    def evaluate(self, *operands: Array | None) -> Array:
        (x,) = operands
        assert x is not None
        return np.ascontiguousarray(x).view(self.to.numpy).reshape(x.shape)

    def combine(self, body: Body[E], *elements: E) -> E:
        return body.bitcast(elements[0], tensor_type(self.x).scalar, self.to)


class Identity(Elementwise, name="nn.identity"):
    """x. ONNX Identity and Dropout; canonicalization removes it.

    Example: %y = "nn.identity"(%x) : (tensor<4xf32>) -> tensor<4xf32>
    """

    x: Value

    def infer(self) -> list[Type]:
        return [self.x.type]

    def combine(self, body: Body[E], *elements: E) -> E:
        return elements[0]
