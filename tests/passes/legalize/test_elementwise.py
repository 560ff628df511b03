"""Element-wise operators next to ONNX Runtime, on awkward shapes."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from onnx_graphs import check, graph, legalized, normal, ops

from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.interpreter import Interpreter

X = normal(3, 1, 7)
UNARY = [
    "Abs", "Neg", "Exp", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Sign", "Sin", "Cos", "Tan", "Asin", "Acos",
    "Atan", "Sinh", "Cosh", "Tanh", "Asinh", "Atanh", "Erf", "Relu", "Sigmoid", "HardSwish", "Softplus", "Softsign",
    "Mish", "Elu<alpha = 0.7>", "Celu<alpha = 0.7>", "Selu", "LeakyRelu", "HardSigmoid", "ThresholdedRelu",
    "Shrink<lambd = 0.4, bias = 0.1>", "Gelu", 'Gelu<approximate = "tanh">', "Identity",
]  # fmt: skip
BINARY = ["Add", "Sub", "Mul", "Div", "Max", "Min", "Sum", "Mean"]


@pytest.mark.parametrize("operator", UNARY)
def test_one_operand(operator: str) -> None:
    name, _, attributes = operator.partition("<")
    x = np.abs(X) if name == "Sqrt" else np.clip(X, -0.9, 0.9) if name in ("Asin", "Acos", "Atanh") else X
    node = f"{name}{'<' + attributes if attributes else ''}(x)"
    check(f"(float[a, 1, b] x) => (float[a, 1, b] y) {{ y = {node} }}", x=x)


@pytest.mark.parametrize("operator", BINARY)
@pytest.mark.parametrize("shapes", [((3, 1, 7), (5, 1)), ((1,), (2, 3)), ((), (4,)), ((2, 0), (1, 1))])
def test_two_operands_broadcast(operator: str, shapes: tuple[tuple[int, ...], tuple[int, ...]]) -> None:
    a, b = (", ".join(map(str, shape)) for shape in shapes)
    text = f"(float[{a}] a, float[{b}] b) => (float[?] y) {{ y = {operator}(a, b) }}".replace("float[]", "float")
    y = np.broadcast_shapes(*shapes)
    text = text.replace("float[?]", f"float[{', '.join(map(str, y))}]")
    check(text, a=normal(*shapes[0]), b=normal(*shapes[1], seed=1))


@pytest.mark.parametrize("operator", ["Less", "LessOrEqual", "Greater", "GreaterOrEqual", "Equal"])
def test_comparisons(operator: str) -> None:
    values = np.array([-1, 0, 2, 2, np.inf], np.float32)
    check(f"(float[N] a, float[M, 1] b) => (bool[M, N] y) {{ y = {operator}(a, b) }}", a=values, b=values[:, None])


@pytest.mark.parametrize("operator", ["And", "Or", "Xor"])
def test_booleans(operator: str) -> None:
    a = np.array([True, False])
    check(f"(bool[N] a, bool[N, 1] b) => (bool[N, N] y) {{ y = {operator}(a, b) }}", a=a, b=a[:, None])


@pytest.mark.parametrize("operator", ["Add", "Sub", "Mul", "Div", "Mod", "Max", "Min"])
def test_integers(operator: str) -> None:
    """Division truncates, the remainder takes the divisor's sign."""
    a, b = np.array([-7, 7, -7, 7, 6]), np.array([2, 2, -2, -2, 3])
    check(f"(int64[N] a, int64[N] b) => (int64[N] y) {{ y = {operator}(a, b) }}", a=a, b=b)


def test_fmod() -> None:
    a, b = np.array([-7.5, 7.5], np.float32), np.array([2, -2], np.float32)
    check("(float[N] a, float[N] b) => (float[N] y) { y = Mod<fmod = 1>(a, b) }", a=a, b=b)


@pytest.mark.parametrize(("base", "exponent"), [("float", "float"), ("float", "int64"), ("int64", "int64")])
def test_powers_have_the_type_of_the_base(base: str, exponent: str) -> None:
    kinds = {"float": np.float32, "int64": np.int64}
    a, b = np.array([1, 2, 3]).astype(kinds[base]), np.array([2, 3, 0]).astype(kinds[exponent])
    check(f"({base}[3] a, {exponent}[3] b) => ({base}[3] y) {{ y = Pow(a, b) }}", a=a, b=b)


def test_shifts() -> None:
    a, b = np.array([1, 255, 16], np.uint8), np.array([1, 1, 3], np.uint8)
    for direction in ("LEFT", "RIGHT"):
        node = f'BitShift<direction = "{direction}">(a, b)'
        check(f"(uint8[3] a, uint8[3] b) => (uint8[3] y) {{ y = {node} }}", a=a, b=b)


@pytest.mark.parametrize("bounds", ["lo, hi", "lo", ", hi", ""])
def test_clip_by_inputs(bounds: str) -> None:
    inputs = f"x, {bounds}" if bounds else "x"
    text = f"(float[N] x) => (float[N] y) <float lo = {{-0.5}}, float hi = {{0.25}}> {{ y = Clip({inputs}) }}"
    check(text, x=normal(11))


def test_clip_by_attributes() -> None:
    check("(float[N] x) => (float[N] y) { y = Clip<min = -0.5, max = 0.25>(x) }", opset=7, x=normal(11))


def test_where() -> None:
    condition = np.array([[True], [False]])
    check(
        "(bool[2, 1] c, float[N] a, float[2, N] b) => (float[2, N] y) { y = Where(c, a, b) }",
        c=condition,
        a=normal(5),
        b=normal(2, 5, seed=1),
    )


@pytest.mark.parametrize("attributes", ["", "<detect_negative = 0>", "<detect_positive = 0>"])
def test_infinities(attributes: str) -> None:
    x = np.array([np.inf, -np.inf, np.nan, 1], np.float32)
    check(f"(float[N] x) => (bool[N] y) {{ y = IsInf{attributes}(x) }}", x=x)


@pytest.mark.parametrize(("to", "text"), [(7, "int64"), (9, "bool"), (10, "float16"), (11, "double"), (2, "uint8")])
def test_casts(to: int, text: str) -> None:
    x = np.array([0, 0.5, 1.7, 250], np.float32)
    check(f"(float[N] x) => ({text}[N] y) {{ y = Cast<to = {to}>(x) }}", x=x)


def test_a_cast_to_strings_is_refused_with_a_reason() -> None:
    with pytest.raises(CompileError, match=r"operator 'Cast' of ai.onnx opset 21 is not supported: strings"):
        check("(float[2] x) => (string[2] y) { y = Cast<to = 8>(x) }", x=normal(2))


def test_prelu() -> None:
    check(
        "(float[2, 3, N] x, float[3, 1] s) => (float[2, 3, N] y) { y = PRelu(x, s) }", x=normal(2, 3, 5), s=normal(3, 1)
    )


def test_dropout_does_nothing_at_inference() -> None:
    module = check("(float[N] x) => (float[N] y) { y = Dropout(x) }", x=normal(5))
    assert ops(module) == []
    check("(float[N] x) => (float[N] y, bool[N] m) { y, m = Dropout(x) }", x=normal(5))
    with pytest.raises(CompileError, match="training mode"):
        check("(float[N] x, bool t) => (float[N] y) { y = Dropout(x, , t) }", x=normal(5), t=np.array(False))


def test_eye_like() -> None:
    check("(float[M, N] x) => (float[M, N] y) { y = EyeLike<k = 1>(x) }", x=normal(3, 5))


SMALL = np.array([0.3, -7.7, 1e9, -1e9, 464, 61441, 248, np.inf, -np.inf, np.nan], np.float32)


@pytest.mark.parametrize("number", [17, 18, 19, 20])
@pytest.mark.parametrize("saturate", [0, 1])
def test_casts_to_eight_bits(number: int, saturate: int) -> None:
    """Beyond the range is the largest number, or infinity, or not-a-number where there is no infinity."""
    dtype = {17: "float8e4m3fn", 18: "float8e4m3fnuz", 19: "float8e5m2", 20: "float8e5m2fnuz"}[number]
    check(
        f"(float[N] x) => ({dtype}[N] y) {{ y = Cast<to = {number}, saturate = {saturate}>(x) }}", judge="onnx", x=SMALL
    )


@pytest.mark.parametrize("rounding", ["up", "down", "nearest"])
@pytest.mark.parametrize("saturate", [0, 1])
def test_casts_to_powers_of_two(rounding: str, saturate: int) -> None:
    x = np.array([1, 1.5, 1.49, 3, 3.3e38, 6e-39, 5.9e-39, 1e-40, np.inf, np.nan, 0.7], np.float32)
    node = f'Cast<to = 24, saturate = {saturate}, round_mode = "{rounding}">(x)'
    check(f"(float[N] x) => (float8e8m0[N] y) {{ y = {node} }}", opset=24, judge="onnx", x=x)


def test_bit_casts() -> None:
    check("(float[N] x) => (int32[N] y) { y = BitCast<to = 6>(x) }", opset=26, judge="onnx", x=SMALL)
    check(
        "(int16[N] x) => (float16[N] y) { y = BitCast<to = 10>(x) }",
        opset=26,
        judge="onnx",
        x=np.array([1, -3], np.int16),
    )


def test_bit_casts_of_half_bytes() -> None:
    """int4 is held as a number in a byte: 15 of four bits is -1."""
    x = np.arange(16, dtype=np.uint8).astype(ml_dtypes.uint4)
    text = "(uint4[16] x) => (int4[16] y, uint4[16] z) { y = BitCast<to = 22>(x)  z = BitCast<to = 21>(y) }"
    y, z = Interpreter(legalized(graph(text, opset=26))).run({"x": x})
    assert y.astype(np.int8).tolist() == [*range(8), *range(-8, 0)]
    assert z.astype(np.int8).tolist() == list(range(16))
