"""Ops on one element as C expressions: `arith`, `math` and constants. Narrow floats are computed in float."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

from ...ir.attributes import BoolAttr, FloatAttr, IntegerAttr, OpaqueAttr
from ...ir.core import Operation, Value
from ...ir.diagnostics import InternalError
from ...ir.dialects.tile import ON_TILES
from ...ir.types import Scalar, VectorType
from .values import c_type, is_narrow
from .writer import parenthesized

_INFIX = {
    "arith.addf": "+", "arith.subf": "-", "arith.mulf": "*", "arith.divf": "/",
    "arith.addi": "+", "arith.subi": "-", "arith.muli": "*", "arith.divsi": "/", "arith.remsi": "%",
    "arith.andi": "&", "arith.ori": "|", "arith.xori": "^", "arith.shli": "<<", "arith.shrsi": ">>",
}  # fmt: skip
_UNSIGNED_INFIX = {"arith.divui": "/", "arith.remui": "%", "arith.shrui": ">>", "arith.ceildivui": "ceildiv"}
_UNSIGNED_CALLS = {"arith.maxui": "max", "arith.minui": "min"}
_CALLS = {
    "arith.maximumf": "maximum", "arith.minimumf": "minimum", "arith.maxsi": "max", "arith.minsi": "min",
    "arith.floordivsi": "floordiv", "arith.ceildivsi": "ceildiv", "math.absi": "abs", "math.ipowi": "int_power",
}  # fmt: skip
# C functions on double; the ones on float end in f.
_LIBRARY = {
    "arith.remf": "fmod", "arith.maxnumf": "fmax", "arith.minnumf": "fmin", "math.powf": "pow", "math.atan2": "atan2",
    "math.absf": "fabs", "math.exp": "exp", "math.expm1": "expm1", "math.log": "log",
    "math.log1p": "log1p", "math.log2": "log2", "math.sqrt": "sqrt", "math.rsqrt": "rsqrt", "math.erf": "erf",
    "math.tanh": "tanh", "math.floor": "floor", "math.ceil": "ceil", "math.roundeven": "rint", "math.round": "round",
    "math.trunc": "trunc", "math.sin": "sin", "math.cos": "cos", "math.tan": "tan", "math.atan": "atan",
    "math.fma": "fma", "math.copysign": "copysign", "math.sinh": "sinh", "math.cosh": "cosh",
}  # fmt: skip
_FLOAT_PREDICATES: dict[int, str] = {1: "==", 2: ">", 3: ">=", 4: "<", 5: "<=", 13: "!="}
_INTEGER_PREDICATES = ("==", "!=", "<", "<=", ">", ">=", "<", "<=", ">", ">=")
_FIRST_UNSIGNED_PREDICATE = 6

_Rule = Callable[[Operation, Sequence[str], "Scalar", "Scalar", str], str]


def element_type(value: Value) -> Scalar:
    """The element type of a scalar or a register tile."""
    type = value.type.dtype if isinstance(value.type, VectorType) else value.type
    assert isinstance(type, Scalar), f"{value.type} has no elements"
    return type


def is_pointwise(op: Operation) -> bool:
    """Whether an element of the result follows from the operands' elements at the same place."""
    return op.name in _EXPRESSIONS


def expression(op: Operation, operands: Sequence[str], index: str) -> str:
    """`op` in C, on the texts of its operands' elements; `index` is the C type of indices."""
    source = element_type(op.operands[-1]) if op.operands else element_type(op.results[0])
    return _EXPRESSIONS[op.name](op, operands, source, element_type(op.results[0]), index)


def constant(value: float, dtype: Scalar) -> str:
    """A number as a C literal of that type."""
    if dtype.is_bool:
        return "true" if value else "false"
    if dtype.is_complex:  # which are moved, and filled in with 0
        return f"{c_type(dtype)}{{{constant(value, _F64 if dtype.bytes == 16 else _F32)}, 0}}"
    if not dtype.is_float:
        return _integer(int(value), dtype)
    if is_narrow(dtype):
        return convert_float(constant(value, _F32), _F32, dtype)
    value = float(value)
    if not math.isfinite(value):
        return _not_finite(value, dtype)
    if dtype.name == "f64":
        return repr(value)
    single = (
        struct.unpack("f", struct.pack("f", value))[0] if abs(value) < 3.4028236e38 else math.copysign(math.inf, value)
    )
    if not math.isfinite(single):
        return _not_finite(single, dtype)
    text = f"{single:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.f"


def _not_finite(value: float, dtype: Scalar) -> str:
    if dtype.name == "f64":
        bits = struct.unpack("<q", struct.pack("<d", value))[0]
        return f"__longlong_as_double({bits}LL)"
    return f"__int_as_float({struct.unpack('<i', struct.pack('<f', value))[0]:#x})"


def _integer(value: int, dtype: Scalar) -> str:
    if dtype.name == "i64":
        return f"{value}LL" if value != -(1 << 63) else "(-9223372036854775807LL - 1)"
    return str(value) if value != -(1 << 31) else "(-2147483647 - 1)"


def convert_float(text: str, source: Scalar, target: Scalar) -> str:
    """A conversion between float types."""
    if source == target:
        return text
    if is_narrow(source):
        text, source = f"to_float({text})", _F32
    if target == source:
        return text
    if not is_narrow(target):
        return f"({c_type(target)}){parenthesized(text)}"
    return f"from_float<{c_type(target)}>({'(float)' + parenthesized(text) if source.name == 'f64' else text})"


_F32, _F64 = Scalar("f32"), Scalar("f64")


def _in_float(build: Callable[[Sequence[str], Scalar], str]) -> _Rule:
    """A rule on floats, given for float and double, that also serves narrow types."""

    def rule(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
        if not is_narrow(source):
            return build(operands, source)
        wide = [f"to_float({text})" for text in operands]
        result = build(wide, _F32)
        return convert_float(result, _F32, target) if is_narrow(target) else result

    return rule


def _infix(symbol: str) -> _Rule:
    def build(operands: Sequence[str], source: Scalar) -> str:
        left, right = map(parenthesized, operands)
        return f"{left} {symbol} {right}"

    wide = _in_float(build)

    def rule(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
        text = wide(op, operands, source, target, index)
        # Narrow integers are promoted to int: cut the result to its type again.
        return f"({c_type(target)})({text})" if target.name in ("i8", "i16", "i1") else text

    return rule


def _unsigned_type(dtype: Scalar, index: str) -> str:
    name = f"unsigned {c_type(dtype, index).replace('signed char', 'char')}"
    return "unsigned" if name == "unsigned int" else name


def _unsigned(form: str) -> _Rule:
    def rule(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
        unsigned = _unsigned_type(source, index)
        left, right = (f"({unsigned}){parenthesized(text)}" for text in operands)
        text = f"{form}({left}, {right})" if form.isidentifier() else f"{left} {form} {right}"
        return f"({c_type(target, index)})({text})"

    return rule


def _call(name: str) -> _Rule:
    return _in_float(lambda operands, source: f"{name}({', '.join(operands)})")


def _library(name: str) -> _Rule:
    return _in_float(lambda operands, source: f"{name}{'' if source.name == 'f64' else 'f'}({', '.join(operands)})")


def _compare_floats(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    predicate = _integer_attribute(op, "predicate")
    a, b = (parenthesized(f"to_float({text})" if is_narrow(source) else text) for text in operands)
    if predicate in _FLOAT_PREDICATES:
        return f"{a} {_FLOAT_PREDICATES[predicate]} {b}"
    if predicate in (7, 14):  # ordered, unordered
        return f"{a} == {a} && {b} == {b}" if predicate == 7 else f"{a} != {a} || {b} != {b}"
    raise InternalError(f"'arith.cmpf' has no C for predicate {predicate}")


def _compare_integers(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    predicate = _integer_attribute(op, "predicate")
    a, b = map(parenthesized, operands)
    if predicate >= _FIRST_UNSIGNED_PREDICATE:
        unsigned = _unsigned_type(source, index)
        a, b = f"({unsigned}){a}", f"({unsigned}){b}"
    return f"{a} {_INTEGER_PREDICATES[predicate]} {b}"


def _integer_attribute(op: Operation, name: str) -> int:
    attribute = op.attributes[name]
    assert isinstance(attribute, IntegerAttr)
    return attribute.value


def _select(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    condition, a, b = map(parenthesized, operands)
    return f"{condition} ? {a} : {b}"


def _negate(operands: Sequence[str], source: Scalar) -> str:
    return f"-{parenthesized(operands[0])}"


def _convert_float(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    return convert_float(operands[0], source, target)


def _cast(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    """Between integers and indices, signed; from float towards zero."""
    text = f"to_float({operands[0]})" if is_narrow(source) else parenthesized(operands[0])
    if is_narrow(target):
        return convert_float(f"(float){text}", _F32, target)
    if source.is_float and target.bits < 32:
        text = _cut(f"(int){text}", target, signed=True)
    return f"({c_type(target, index)}){parenthesized(text)}"


def _cut(text: str, dtype: Scalar, signed: bool) -> str:
    """An int with the low bits of `text`: numbers that `dtype` does not hold wrap, as on CPUs."""
    unused = 32 - dtype.bits
    return f"(int)((unsigned)({text}) << {unused}) >> {unused}" if signed else f"{text} & {(1 << dtype.bits) - 1}"


def _cast_unsigned(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    text = parenthesized(operands[0])
    if source.is_bool:
        return f"({c_type(target, index)}){text}"
    text = f"({_unsigned_type(source, index)}){text}"
    return convert_float(f"(float){text}", _F32, target) if is_narrow(target) else f"({c_type(target, index)}){text}"


def _to_unsigned(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    text = f"to_float({operands[0]})" if is_narrow(source) else parenthesized(operands[0])
    if target.bits < 32:
        return f"({c_type(target)})({_cut(f'(int){text}', target, signed=False)})"
    wide = "(long long)" if target.bits == 32 else ""
    return f"({c_type(target, index)})({_unsigned_type(target, index)}){wide}{text}"


def _truncate(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    text = parenthesized(operands[0])
    return f"({text} & 1) != 0" if target.is_bool else f"({c_type(target, index)}){text}"


def _extend(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    text = parenthesized(operands[0])
    return f"-({c_type(target, index)}){text}" if source.is_bool else f"({c_type(target, index)}){text}"


def _constant(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    value = op.attributes["value"]
    assert isinstance(value, IntegerAttr | FloatAttr | BoolAttr), f"constant {value}"
    text = constant(value.value, target)
    return f"{text}LL" if target.name == "index" and index == "long long" else text


def _bitcast(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    """Between float and integer types of one width; narrow floats are structs of their bits."""
    text = operands[0]
    if is_narrow(source):
        text = f"{text}.bits" if text.isidentifier() else f"({text}).bits"
    else:
        text = f"{_BITS[source.name]}({text})" if source.is_float else text
    if is_narrow(target):
        return f"{c_type(target)}{{({'unsigned char' if target.bits <= 8 else 'unsigned short'}){parenthesized(text)}}}"
    return f"{_NUMBERS[target.name]}({text})" if target.is_float else f"({c_type(target)}){parenthesized(text)}"


_BITS = {"f32": "__float_as_int", "f64": "__double_as_longlong"}
_NUMBERS = {"f32": "__int_as_float", "f64": "__longlong_as_double"}


_EXACT = {
    **{f"math.{name}": _library(name) for name in ("exp2", "exp", "erf")},
    "arith.divf": _infix("/"),
}
_APPROXIMATE = {
    **{f"math.{name}": f"{name}_approximate" for name in ("exp2", "exp", "erf")},
    "arith.divf": "quotient_approximate",
}
_FLAGS = dict.fromkeys(_EXACT, "afn") | {"arith.divf": "arcp"}


def _relaxed(op: Operation, operands: Sequence[str], source: Scalar, target: Scalar, index: str) -> str:
    """The hardware's function (a few units in the last place), or one made of it, where `fastmath` allows that.

    An exact quotient takes a branch to a subroutine: SiLU of a tile of 64 x 64 then takes longer than its products.
    """
    name, fastmath = op.name, op.attributes.get("fastmath")
    allowed = isinstance(fastmath, OpaqueAttr) and fastmath.body in (_FLAGS[name], "fast")
    if allowed and source == _F32:
        return f"{_APPROXIMATE[name]}({', '.join(operands)})"
    return _EXACT[name](op, operands, source, target, index)


_UPSTREAM: dict[str, _Rule] = {
    "arith.constant": _constant,
    "arith.select": _select,
    "arith.cmpf": _compare_floats,
    "arith.cmpi": _compare_integers,
    "arith.negf": _in_float(_negate),
    "arith.extf": _convert_float,
    "arith.truncf": _convert_float,
    "arith.sitofp": _cast,
    "arith.fptosi": _cast,
    "arith.uitofp": _cast_unsigned,
    "arith.fptoui": _to_unsigned,
    "arith.extsi": _extend,
    "arith.extui": _cast_unsigned,
    "arith.trunci": _truncate,
    "arith.index_cast": _cast,
    "arith.index_castui": _cast_unsigned,
    "arith.bitcast": _bitcast,
    **{name: _infix(symbol) for name, symbol in _INFIX.items()},
    **{name: _unsigned(form) for name, form in (_UNSIGNED_INFIX | _UNSIGNED_CALLS).items()},
    **{name: _call(function) for name, function in _CALLS.items()},
    **{name: _library(function) for name, function in _LIBRARY.items()},
    **dict.fromkeys(_FLAGS, _relaxed),
}
# Register tiles have names of their own for some of upstream's ops.
_EXPRESSIONS = _UPSTREAM | {name: _UPSTREAM[upstream] for upstream, name in ON_TILES.items()}
