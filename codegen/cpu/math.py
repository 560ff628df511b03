"""Mathematical functions on lanes of f32, as polynomials in LLVM IR.

Each function of `FUNCTIONS` becomes one LLVM function a lane count, `@kw.exp.v64f32`, which is inlined where it is
called. Errors are at most 2 units in the last place (tests/codegen/cpu/test_math.py), infinities and not-a-number
come out as C's library gives them, and denormals are honoured. The polynomials are weighted minimax fits to the
function named beside them. For f64, and for the functions of `LIBRARY`, every lane calls C's library.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from .builder import Builder, Lanes

_MAGIC = 12582912.0  # 1.5 * 2**23: adding it rounds to an integer, which the low bits of the sum hold
_MAGIC_BITS = 0x4B400000
_MAGIC64 = 6755399441055744.0  # 1.5 * 2**52
_WIDTH = 16  # lanes of a 512-bit register
_LN2_HIGH, _LN2_LOW = 0.693145751953125, 1.428606765330187045e-06  # the high part times an exponent is exact


@dataclass
class Arithmetic:
    """Instructions on values of one type. `scales`: the processor has one that multiplies by powers of two."""

    builder: Builder
    type: Lanes
    scales: bool = False

    def operand(self, value: str | float) -> str:
        return value if isinstance(value, str) else self.type.constant(value)

    def _binary(self, instruction: str, a: str | float, b: str | float) -> str:
        text = f"{instruction} {self.type} {self.operand(a)}, {self.operand(b)}"
        return self.builder.define(instruction, text)

    def add(self, a: str | float, b: str | float) -> str:
        return self._binary("fadd" if self.type.is_float else "add", a, b)

    def sub(self, a: str | float, b: str | float) -> str:
        return self._binary("fsub" if self.type.is_float else "sub", a, b)

    def mul(self, a: str | float, b: str | float) -> str:
        return self._binary("fmul" if self.type.is_float else "mul", a, b)

    def div(self, a: str | float, b: str | float) -> str:
        return self._binary("fdiv", a, b)

    def fma(self, a: str | float, b: str | float, c: str | float) -> str:
        """a * b + c, rounded once."""
        return self.builder.intrinsic("fma", self.type, *map(self.operand, (a, b, c)))

    def abs(self, a: str) -> str:
        return self.builder.intrinsic("fabs", self.type, a)

    def copysign(self, magnitude: str, sign: str) -> str:
        return self.builder.intrinsic("copysign", self.type, magnitude, sign)

    def bits(self, instruction: str, a: str | float, b: str | float) -> str:
        """A bit operation or shift of integers."""
        return self._binary(instruction, a, b)

    def compare(self, predicate: str, a: str | float, b: str | float) -> str:
        """`olt`, `oeq`, … on floats; `eq`, `slt`, … on integers."""
        kind = "fcmp" if self.type.is_float else "icmp"
        return self.builder.define(kind, f"{kind} {predicate} {self.type} {self.operand(a)}, {self.operand(b)}")

    def select(self, condition: str, a: str | float, b: str | float) -> str:
        mask = self.type.of("i1")
        a, b = self.operand(a), self.operand(b)
        return self.builder.define("select", f"select {mask} {condition}, {self.type} {a}, {self.type} {b}")

    def bitcast(self, value: str, to: str) -> str:
        return self.builder.define("bits", f"bitcast {self.type} {value} to {self.type.of(to)}")

    def convert(self, instruction: str, value: str, to: str) -> str:
        return self.builder.define(instruction, f"{instruction} {self.type} {value} to {self.type.of(to)}")

    def polynomial(self, x: str, coefficients: Sequence[float]) -> str:
        """c0 + c1 x + c2 x² + …, from the highest power down."""
        value: str | float = coefficients[-1]
        for coefficient in reversed(coefficients[:-1]):
            value = self.fma(value, x, coefficient)
        return self.operand(value)

    def of(self, element: str) -> Arithmetic:
        return Arithmetic(self.builder, self.type.of(element), self.scales)


def ratio(f: Arithmetic, x: str | float, y: str) -> str:
    """x / y for y >= 1, zero where the quotient of 1 would be denormal."""
    if not f.scales:
        return f.div(x, y)
    # A reciprocal of 14 bits and one step of Newton's, which makes not-a-number of infinite y.
    quotient = f.builder.define("ratio", f"fdiv arcp {f.type} {f.operand(x)}, {y}")
    return f.select(f.compare("ult", y, 2.0**126), quotient, 0.0)


# exp(r) = 1 + r + r² q(r) for |r| <= ln(2) / 2
_EXP = (0.5000000095407963, 0.16666518600509278, 0.04166620509066055, 0.00836891806214569, 0.0013950538544177345)


def exp(f: Arithmetic, x: str) -> str:
    # exp(x) = 2**n * exp(r), n the integer nearest to x / ln(2). Beyond the clamps the result is 0 or infinite;
    # the comparisons are false for not-a-number, which passes on.
    x = f.select(f.compare("olt", x, -104.0), -104.0, x)
    x = f.select(f.compare("ogt", x, 89.0), 89.0, x)
    shifted = f.fma(x, 1 / math.log(2), _MAGIC)
    n = f.sub(shifted, _MAGIC)
    r = f.fma(n, -_LN2_LOW, f.fma(n, -_LN2_HIGH, x))
    p = f.fma(f.mul(r, r), f.polynomial(r, _EXP), r)
    if f.scales and (f.type.count or 0) % _WIDTH == 0:
        return _scaled(f, f.add(p, 1.0), n)
    i = f.of("i32")
    n_bits = i.sub(f.bitcast(shifted, "i32"), _MAGIC_BITS)
    if f.scales:
        power = f"llvm.ldexp.{f.type.suffix}.{i.type.suffix}"
        return f.builder.call("exp", f.type, power, [(f.type, f.add(p, 1.0)), (i.type, n_bits)])
    # 2**n in two factors: n reaches -150 and 128, which one exponent field does not hold.
    half = i.bits("ashr", n_bits, 1)
    scale1, scale2 = (_power_of_two(i, part) for part in (half, i.sub(n_bits, half)))
    return f.mul(f.mul(f.add(p, 1.0), scale1), scale2)


def _scaled(f: Arithmetic, x: str, n: str) -> str:
    """x * 2**n for integers n that are floats, as the instruction takes them."""
    one, builder = Lanes("float", _WIDTH), f.builder
    name = "llvm.x86.avx512.mask.scalef.ps.512"
    builder.declarations.add(f"declare {one} @{name}({one}, {one}, {one}, i16, i32)")
    parts = []
    for first in range(0, f.type.count or 0, _WIDTH):
        a, b = (_lanes(builder, f.type, v, range(first, first + _WIDTH)) for v in (x, n))
        parts.append(builder.define("exp", f"call {one} @{name}({one} {a}, {one} {b}, {one} {a}, i16 -1, i32 4)"))
    whole = parts[0]
    for number, part in enumerate(parts[1:], 1):
        # Two operands of a shuffle have one type.
        wide = Lanes("float", number * _WIDTH)
        spread = _lanes(builder, one, part, range(number * _WIDTH))
        order = ", ".join(f"i32 {lane}" for lane in range((number + 1) * _WIDTH))
        mask = f"<{(number + 1) * _WIDTH} x i32> <{order}>"
        whole = builder.define("joined", f"shufflevector {wide} {whole}, {wide} {spread}, {mask}")
    return whole


def _lanes(builder: Builder, type: Lanes, value: str, wanted: range) -> str:
    """The `wanted` lanes of a vector, undefined where it has none."""
    order = ", ".join(f"i32 {lane}" if lane < (type.count or 1) else "i32 poison" for lane in wanted)
    return builder.define("lanes", f"shufflevector {type} {value}, {type} poison, <{len(wanted)} x i32> <{order}>")


def _power_of_two(i: Arithmetic, exponent: str) -> str:
    return i.bitcast(i.bits("shl", i.add(exponent, 127), 23), "float")


# log(1 + f) = f - f² / 2 + f³ p(f) for |f| <= 1/3
_LOG = (
    0.33333215975687336, -0.24999797683114472, 0.2001040632566874, -0.16680486419184065,
    0.14005862534003508, -0.12184277811776735, 0.139844671938198, -0.12891600913089452,
)  # fmt: skip


def log(f: Arithmetic, x: str) -> str:
    # x = 2**e * m with m in [2/3, 4/3); denormals are scaled into range first.
    i = f.of("i32")
    small = f.compare("olt", x, 2.0**-126)
    scaled = f.select(small, f.mul(x, 2.0**23), x)
    bits = f.bitcast(scaled, "i32")
    e_bits = i.bits("and", i.sub(bits, 0x3F2AAAAB), 0xFF800000 - (1 << 32))
    m = f.sub(i.bitcast(i.sub(bits, e_bits), "float"), 1.0)
    e = f.add(i.convert("sitofp", i.bits("ashr", e_bits, 23), "float"), f.select(small, -23.0, 0.0))
    square = f.mul(m, m)
    tail = f.fma(f.mul(square, m), f.polynomial(m, _LOG), f.mul(e, _LN2_LOW))
    result = f.fma(e, _LN2_HIGH, f.add(f.fma(square, -0.5, tail), m))
    result = f.select(f.compare("ult", x, 0.0), math.nan, result)
    result = f.select(f.compare("oeq", x, 0.0), -math.inf, result)
    return f.select(f.compare("ueq", x, math.inf), x, result)


# tanh(x) = x + x s p(s), s = x², for |x| <= 0.6
_TANH = (-0.33333299270924727, 0.13331958214742617, -0.0537866813576996, 0.02080537754588216, -0.0059058606033275665)


def tanh(f: Arithmetic, x: str) -> str:
    magnitude = f.abs(x)
    square = f.mul(x, x)
    near = f.fma(f.mul(x, square), f.polynomial(square, _TANH), x)
    far = f.sub(1.0, ratio(f, 2.0, f.add(exp(f, f.add(magnitude, magnitude)), 1.0)))
    return f.copysign(f.select(f.compare("olt", magnitude, 0.6), near, far), x)


# erf(x) = x + x p(x²) for |x| <= 0.94, and 1 - exp(-x p(x)) from there to 4, where it is 1
_ERF_NEAR = (
    0.1283791478514754, -0.37612479182480774, 0.11281640166320236, -0.026759586637105127,
    0.00498215236666091, -0.0005931879970301432,
)  # fmt: skip
_ERF_FAR = (
    1.1286409658314587, 0.6351814895304315, 0.10618762589336644, -0.023720199806290188,
    0.0036229256550266435, -0.0003180614725032677, 1.07633603580633e-05,
)  # fmt: skip


def erf(f: Arithmetic, x: str) -> str:
    magnitude = f.abs(x)
    near = f.fma(x, f.polynomial(f.mul(x, x), _ERF_NEAR), x)
    t = f.select(f.compare("ogt", magnitude, 4.0), 4.0, magnitude)
    far = f.sub(1.0, exp(f, f.mul(f.polynomial(t, _ERF_FAR), f.sub(-0.0, t))))
    return f.select(f.compare("olt", magnitude, 0.93), near, f.copysign(far, x))


# sin(r) = r + r s p(s) and cos(r) = 1 - s / 2 + s² q(s), s = r², for |r| <= pi / 4
_SIN = (-0.16666666641526384, 0.008333329374079887, -0.0001983933098603481, 2.7182743841647137e-06)
_COS = (0.04166664680672492, -0.0013887364466141844, 2.4438089018431673e-05)


def _sin_or_cos(f: Arithmetic, x: str, quadrant_offset: int) -> str:
    # The quadrant is found in f64, which reduces arguments up to 2**50 exactly enough.
    d = f.of("double")
    wide = f.convert("fpext", x, "double")
    shifted = d.fma(wide, 2 / math.pi, _MAGIC64)
    n = d.sub(shifted, _MAGIC64)
    r = d.convert("fptrunc", d.fma(n, -6.123233995736766e-17, d.fma(n, -math.pi / 2, wide)), "float")
    square = f.mul(r, r)
    sine = f.fma(f.mul(r, square), f.polynomial(square, _SIN), r)
    cosine = f.fma(f.mul(square, square), f.polynomial(square, _COS), f.fma(square, -0.5, 1.0))
    i = f.of("i32")
    quadrant = i.add(f.of("i64").convert("trunc", d.bitcast(shifted, "i64"), "i32"), quadrant_offset)
    even = i.compare("eq", i.bits("and", quadrant, 1), 0)
    sign = i.bits("shl", i.bits("and", quadrant, 2), 30)
    return i.bitcast(i.bits("xor", f.bitcast(f.select(even, sine, cosine), "i32"), sign), "float")


def sin(f: Arithmetic, x: str) -> str:
    # Zero keeps its sign, which the quadrant does not know.
    return f.select(f.compare("oeq", x, 0.0), x, _sin_or_cos(f, x, 0))


def cos(f: Arithmetic, x: str) -> str:
    return _sin_or_cos(f, x, 1)


# 2**t for |t| <= 1/2, and atanh(s) / s in s² for |s| <= 0.172; both in f64
_EXP2 = (
    1.0, 0.693147180559953, 0.24022650695641948, 0.05550410866436151, 0.009618129193544819,
    0.0013333558237965456, 0.0001540343404695817, 1.5252655010311053e-05, 1.3259577575649609e-06,
)  # fmt: skip
_ATANH = (
    1.0, 0.3333333333320071, 0.20000000054176859, 0.14285705594941836, 0.11111816542673796,
    0.0906017583144967, 0.08372552008711602, 0.008741917460583181,
)  # fmt: skip


def _log2_wide(d: Arithmetic, x: str) -> str:
    """log2 of a positive f64 that was an f32."""
    j = d.of("i64")
    bits = d.bitcast(x, "i64")
    e_bits = j.bits("and", j.sub(bits, 0x3FE6A09E667F3BCD), -(1 << 52))
    m = j.bitcast(j.sub(bits, e_bits), "double")
    e = j.convert("sitofp", j.bits("ashr", e_bits, 52), "double")
    s = d.div(d.sub(m, 1.0), d.add(m, 1.0))
    return d.fma(d.mul(s, 2 / math.log(2)), d.polynomial(d.mul(s, s), _ATANH), e)


def _exp2_wide(d: Arithmetic, t: str) -> str:
    """2**t in f64, for results that are an f32; beyond those 0 and infinity after rounding to f32."""
    t = d.select(d.compare("olt", t, -200.0), -200.0, t)
    t = d.select(d.compare("ogt", t, 200.0), 200.0, t)
    shifted = d.add(t, _MAGIC64)
    r = d.sub(t, d.sub(shifted, _MAGIC64))
    j = d.of("i64")
    scale = j.bitcast(j.bits("shl", j.add(d.bitcast(shifted, "i64"), 1023), 52), "double")
    return d.mul(d.polynomial(r, _EXP2), scale)


def pow(f: Arithmetic, x: str, y: str) -> str:
    d = f.of("double")
    magnitude, exponent = f.abs(x), f.convert("fpext", y, "double")
    logarithm = _log2_wide(d, f.convert("fpext", magnitude, "double"))
    logarithm = d.select(f.compare("oeq", x, 0.0), -math.inf, logarithm)
    logarithm = d.select(f.compare("ueq", magnitude, math.inf), f.convert("fpext", magnitude, "double"), logarithm)
    result = d.convert("fptrunc", _exp2_wide(d, d.mul(exponent, logarithm)), "float")
    result = f.select(f.compare("oeq", magnitude, 1.0), 1.0, result)
    # A negative base: the sign of an odd power, and no power at all where the exponent is not an integer.
    half = f.mul(y, 0.5)
    is_integer = f.compare("oeq", f.builder.intrinsic("floor", f.type, y), y)
    is_even = f.compare("oeq", f.builder.intrinsic("floor", f.type, half), half)
    odd = f.of("i1").bits("and", is_integer, f.of("i1").bits("xor", is_even, 1))
    result = f.copysign(result, f.select(odd, x, 1.0))
    defined = f.of("i1").bits("or", is_integer, f.compare("ueq", f.abs(y), math.inf))
    finite_negative = f.of("i1").bits("and", f.compare("olt", x, 0.0), f.compare("one", magnitude, math.inf))
    undefined = f.of("i1").bits("and", finite_negative, f.of("i1").bits("xor", defined, 1))
    result = f.select(undefined, math.nan, result)
    result = f.select(f.compare("uno", x, y), math.nan, result)
    result = f.select(f.compare("oeq", x, 1.0), 1.0, result)
    return f.select(f.compare("oeq", y, 0.0), 1.0, result)


FUNCTIONS: dict[str, Callable[..., str]] = {
    "exp": exp, "log": log, "tanh": tanh, "erf": erf, "sin": sin, "cos": cos, "pow": pow,
    "ratio": ratio,
}  # fmt: skip

LIBRARY = (
    "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "atan2", "exp2", "expm1", "log2", "log1p",
    "log10", "cbrt",
)  # fmt: skip
"""What only C's library computes."""

_SCALES = "avx512f"
"""The instruction set that has `vscalefps`."""
_BINARY = ("pow", "ratio", "atan2", "fmod", "ipow")


def function_name(name: str, type: Lanes) -> str:
    return f"kw.{name}.{type.suffix}"


def definition(name: str, type: Lanes, features: Collection[str] = ()) -> tuple[str, set[str]]:
    """The text of the LLVM function for `name` on lanes of `type`, and the declarations it needs.

    `features` are those of the processor that the text is for, by LLVM's names.
    """
    builder = Builder()
    arguments = [f"%{builder.fresh(argument)}" for argument in ("x", "y")[: 2 if name in _BINARY else 1]]
    inlined = ""
    if name == "ipow":
        result = _integer_power(builder, type, *arguments)
    elif name in FUNCTIONS and type.element == "float":
        # LLVM calls C's library for `ldexp` where no instruction does it, and for scalars.
        scales = _SCALES in features and type.count is not None
        result = FUNCTIONS[name](Arithmetic(builder, type, scales), *arguments)
        inlined = "alwaysinline "
    else:
        result = _by_lane(builder, name, type, arguments)
    parameters = ", ".join(f"{type} {argument}" for argument in arguments)
    head = f"define internal {type} @{function_name(name, type)}({parameters}) {inlined}nounwind {{"
    return "\n".join([head, "entry:", *builder.lines, f"  ret {type} {result}", "}"]), builder.declarations


def _by_lane(builder: Builder, name: str, type: Lanes, arguments: Sequence[str]) -> str:
    """C's function on each lane."""
    scalar = Lanes(type.element)
    function = name if type.element == "double" else f"{name}f"
    if type.count is None:
        return builder.call(name, scalar, function, [(scalar, argument) for argument in arguments])
    result = "poison"
    for lane in range(type.count):
        values = [builder.define("x", f"extractelement {type} {argument}, i64 {lane}") for argument in arguments]
        one = builder.call(name, scalar, function, [(scalar, value) for value in values])
        result = builder.define("y", f"insertelement {type} {result}, {scalar} {one}, i64 {lane}")
    return result


def _integer_power(builder: Builder, type: Lanes, x: str, y: str) -> str:
    """x to the power y, wrapping, by squaring as often as y has bits; 0 for negative exponents unless x is 1 or -1."""
    i = Arithmetic(builder, type)
    result, base, one = type.constant(1), x, type.constant(1)
    for bit in range(type.width - 1):
        used = i.compare("ne", i.bits("and", i.bits("lshr", y, bit), 1), 0)
        result = i.mul(result, i.select(used, base, one))
        base = i.mul(base, base)
    unit = i.of("i1").bits("or", i.compare("eq", x, 1), i.compare("eq", x, -1))
    magnitude = i.select(i.compare("eq", i.bits("and", y, 1), 0), 1, x)
    negative = i.select(unit, magnitude, 0)
    return i.select(i.compare("slt", y, 0), negative, result)
