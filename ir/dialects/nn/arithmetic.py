"""Element-wise ops of two and more operands, which broadcast as NumPy's do."""

from __future__ import annotations

from ...core import Value
from ...declare import COMMUTATIVE
from ...loop_nest import Body, E
from ...types import Scalar, TensorType, Type
from .base import Binary, Elementwise, broadcast_shapes, scalar_type, shape, tensor_type


class Add(Binary, name="nn.add", traits=(COMMUTATIVE,)):
    """a + b. ONNX Add.

    Example: %y = "nn.add"(%a, %b) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    function = "add"


class Sub(Binary, name="nn.sub"):
    """a - b. ONNX Sub.

    Example: %y = "nn.sub"(%a, %b) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    function = "sub"


class Mul(Binary, name="nn.mul", traits=(COMMUTATIVE,)):
    """a b. ONNX Mul.

    Example: %y = "nn.mul"(%a, %b) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    function = "mul"


class Div(Binary, name="nn.div"):
    """a / b; of integers towards zero. ONNX Div.

    Example: %y = "nn.div"(%a, %b) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    function = "div"


class Fmod(Binary, name="nn.fmod"):
    """The remainder of a / b with the sign of a. ONNX Mod with fmod = 1.

    Example: %y = "nn.fmod"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    """

    function = "fmod"


class Mod(Binary, name="nn.mod"):
    """The remainder of a / b with the sign of b. ONNX Mod.

    Example: %y = "nn.mod"(%a, %b) : (tensor<4xi64>, tensor<4xi64>) -> tensor<4xi64>
    """

    function = "fmod"

    def combine(self, body: Body[E], *elements: E) -> E:
        a, b = elements
        remainder = body.apply("fmod", a, b)
        if self.dtype.is_unsigned:
            return remainder
        zero = body.constant(0, self.dtype)
        signs_differ = body.apply("xor", body.apply("lt", remainder, zero), body.apply("lt", b, zero))
        off = body.apply("and", body.apply("ne", remainder, zero), signs_differ)
        return body.apply("select", off, body.apply("add", remainder, b), remainder)


class Pow(Binary, name="nn.pow"):
    """a to the power b. ONNX Pow, both operands of one type.

    Example: %y = "nn.pow"(%a, %b) : (tensor<4xf32>, tensor<f32>) -> tensor<4xf32>
    """

    function = "pow"


class Min(Binary, name="nn.min", traits=(COMMUTATIVE,)):
    """The smaller; not-a-number where either is. ONNX Min of two.

    Example: %y = "nn.min"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    """

    function = "min"


class Max(Binary, name="nn.max", traits=(COMMUTATIVE,)):
    """The larger; not-a-number where either is. ONNX Max of two.

    Example: %y = "nn.max"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    """

    function = "max"


class Atan2(Binary, name="nn.atan2"):
    """The angle of the point (b, a). No ONNX op.

    Example: %y = "nn.atan2"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    """

    function = "atan2"


class Bitwise(Binary):
    """An op on the bits of integers or on booleans."""

    def infer(self) -> list[Type]:
        self.require(self.dtype.is_integer, f"needs integer or boolean operands, found {self.a.type}")
        return super().infer()


class And(Bitwise, name="nn.and", traits=(COMMUTATIVE,)):
    """Bits set in both. ONNX And, BitwiseAnd.

    Example: %y = "nn.and"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
    """

    function = "and"


class Or(Bitwise, name="nn.or", traits=(COMMUTATIVE,)):
    """Bits set in either. ONNX Or, BitwiseOr.

    Example: %y = "nn.or"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
    """

    function = "or"


class Xor(Bitwise, name="nn.xor", traits=(COMMUTATIVE,)):
    """Bits set in exactly one. ONNX Xor, BitwiseXor.

    Example: %y = "nn.xor"(%a, %b) : (tensor<4xi1>, tensor<4xi1>) -> tensor<4xi1>
    """

    function = "xor"


class ShiftLeft(Bitwise, name="nn.shift_left"):
    """a 2^b. ONNX BitShift LEFT.

    Example: %y = "nn.shift_left"(%a, %b) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
    """

    function = "shift_left"


class ShiftRight(Bitwise, name="nn.shift_right"):
    """a / 2^b, rounded down. ONNX BitShift RIGHT.

    Example: %y = "nn.shift_right"(%a, %b) : (tensor<4xui8>, tensor<4xui8>) -> tensor<4xui8>
    """

    function = "shift_right"


class Eq(Binary, name="nn.eq", traits=(COMMUTATIVE,)):
    """a = b. ONNX Equal.

    Example: %y = "nn.eq"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    """

    function = "eq"


class Ne(Binary, name="nn.ne", traits=(COMMUTATIVE,)):
    """a ≠ b. Not of ONNX Equal.

    Example: %y = "nn.ne"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    """

    function = "ne"


class Lt(Binary, name="nn.lt"):
    """a < b. ONNX Less.

    Example: %y = "nn.lt"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    """

    function = "lt"


class Le(Binary, name="nn.le"):
    """a ≤ b. ONNX LessOrEqual.

    Example: %y = "nn.le"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    """

    function = "le"


class Gt(Binary, name="nn.gt"):
    """a > b. ONNX Greater.

    Example: %y = "nn.gt"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    """

    function = "gt"


class Ge(Binary, name="nn.ge"):
    """a ≥ b. ONNX GreaterOrEqual.

    Example: %y = "nn.ge"(%a, %b) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xi1>
    """

    function = "ge"


class Prelu(Elementwise, name="nn.prelu"):
    """x, or slope x below zero; `slope` broadcasts to x. ONNX PRelu.

    Example: %y = "nn.prelu"(%x, %slope) : (tensor<2x3xf32>, tensor<3xf32>) -> tensor<2x3xf32>
    """

    x: Value
    slope: Value
    function = "mul"

    def combine(self, body: Body[E], *elements: E) -> E:
        x, slope = elements
        below = body.apply("lt", x, body.constant(0, scalar_type(self.x)))
        return body.apply("select", below, body.apply("mul", x, slope), x)


class Where(Elementwise, name="nn.where"):
    """a where the condition holds, else b. ONNX Where.

    Example: %y = "nn.where"(%c, %a, %b) : (tensor<3xi1>, tensor<2x3xf32>, tensor<f32>) -> tensor<2x3xf32>
    """

    condition: Value
    a: Value
    b: Value
    function = "select"

    def infer(self) -> list[Type]:
        condition, a, b = (tensor_type(v) for v in self.operands)
        self.require(scalar_type(self.condition).is_bool, f"needs a condition of i1, found {condition}")
        self.require(a.dtype == b.dtype, f"operand types differ: {a.dtype} and {b.dtype}")
        return [TensorType(broadcast_shapes(self, [condition.dims, a.dims, b.dims]), a.dtype)]


class Clip(Elementwise, name="nn.clip"):
    """min(max(x, low), high), each bound a scalar or missing. ONNX Clip.

    Example: %y = "nn.clip"(%x, %low, %high) {operandSegmentSizes = array<i32: 1, 1, 1>}
        : (tensor<4xf32>, tensor<f32>, tensor<f32>) -> tensor<4xf32>
    """

    x: Value
    low: Value | None = None
    high: Value | None = None
    function = "min"

    def infer(self) -> list[Type]:
        for bound in (self.low, self.high):
            same = bound is None or (shape(bound) == () and scalar_type(bound) == scalar_type(self.x))
            self.require(same, f"needs bounds of tensor<{self.dtype}>, found {bound.type if bound else None}")
        return [self.x.type]

    @property
    def dtype(self) -> Scalar:
        return scalar_type(self.x)

    def combine(self, body: Body[E], *elements: E) -> E:
        x, *bounds = elements
        if self.low is not None:
            x = body.apply("max", x, bounds.pop(0))
        return body.apply("min", x, bounds[0]) if bounds else x
