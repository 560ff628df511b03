"""`arith` and `math` on tiles, part by part.

Multiplications and additions may contract to fused multiply-adds; nothing else about floats is relaxed. Half floats
(f16, bf16) are computed in f32 and rounded after every op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ...ir.attributes import Attribute, BoolAttr, DenseAttr, FloatAttr, IntegerAttr, OpaqueAttr, StringAttr
from ...ir.core import Operation
from ...ir.types import Scalar
from . import math, narrow, sizes
from .builder import Builder, Lanes, scalar_type
from .emitter import KernelEmitter, handles
from .narrow import extend, is_narrow, truncate
from .tiles import part_count, part_lanes, shape_of

_CMPI = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")
_CMPF = (
    "false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord", "ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true",
)  # fmt: skip
_FLOAT = {"addf": "fadd contract", "subf": "fsub contract", "mulf": "fmul contract", "divf": "fdiv", "remf": "frem"}
_INTEGER = {
    "addi": "add", "subi": "sub", "muli": "mul", "andi": "and", "ori": "or", "xori": "xor",
}  # fmt: skip
_SHIFTS = {"shli": "shl", "shrsi": "ashr", "shrui": "lshr"}
_EXTREMA = {"maxsi": "smax", "minsi": "smin", "maxui": "umax", "minui": "umin"}

# Ops of `math` that LLVM has an intrinsic for which becomes instructions, on every float type.
_INTRINSICS = {
    "sqrt": "sqrt", "floor": "floor", "ceil": "ceil", "trunc": "trunc", "roundeven": "roundeven", "round": "round",
    "absf": "fabs", "fma": "fma", "copysign": "copysign",
}  # fmt: skip


# Constants


@handles("arith.constant")
def constant(emitter: KernelEmitter, op: Operation) -> None:
    shape, dtype = shape_of(op.result.type)
    lanes = part_lanes(shape, dtype)
    value = op.attributes["value"]
    if isinstance(value, DenseAttr) and value.array.size > 1:
        emitter.set_parts(op.result, _dense(np.broadcast_to(value.array, shape), lanes, dtype))
    else:
        number = value.array.flat[0] if isinstance(value, DenseAttr) else _number(value)
        emitter.set_parts(op.result, [narrow.constant(lanes, dtype, number)] * part_count(shape))


def _number(value: Attribute) -> float | int | bool:
    assert isinstance(value, IntegerAttr | FloatAttr | BoolAttr), f"{value} is not a number"
    return value.value


def _dense(array: np.ndarray, lanes: Lanes, dtype: Scalar) -> list[str]:
    element = Lanes(lanes.element)
    texts = [narrow.constant(element, dtype, value) for value in array.reshape(-1)]
    if lanes.count is None:
        return texts
    groups = [texts[i : i + lanes.count] for i in range(0, len(texts), lanes.count)]
    return ["<" + ", ".join(f"{lanes.element} {text}" for text in group) + ">" for group in groups]


# Computing by parts


def elementwise(emitter: KernelEmitter, op: Operation, compute: Callable[..., str]) -> None:
    """Each part of the result is `compute(builder, lanes of the operands, parts…)`."""
    tiles = [emitter.tile(v) for v in op.operands]
    lanes = tiles[0].lanes
    parts = zip(*(tile.parts for tile in tiles), strict=True)
    emitter.set_parts(op.result, [compute(emitter.builder, lanes, *operands) for operands in parts])


def float_op(emitter: KernelEmitter, op: Operation, compute: Callable[..., str]) -> None:
    """Like `elementwise`, on floats: half floats are widened to f32 and the result is rounded back."""
    dtype = emitter.tile(op.operands[0]).dtype
    if not is_narrow(dtype):
        elementwise(emitter, op, compute)
        return

    def in_f32(builder: Builder, lanes: Lanes, *operands: str) -> str:
        wide = lanes.of("float")
        extended = [extend(builder, dtype, lanes, operand) for operand in operands]
        result = compute(builder, wide, *extended)
        return result if op.result.type != op.operands[0].type else truncate(builder, dtype, wide, result)

    elementwise(emitter, op, in_f32)


@handles(*(f"arith.{name}" for name in _FLOAT))
def float_binary(emitter: KernelEmitter, op: Operation) -> None:
    name = op.name.removeprefix("arith.")
    if name == "remf":  # LLVM calls C's library by lane for it
        float_op(emitter, op, lambda b, t, x, y: _library_call(emitter, "fmod", t, x, y))
        return
    fastmath = op.attributes.get("fastmath")
    if name == "divf" and isinstance(fastmath, OpaqueAttr) and fastmath.body == "arcp":
        float_op(emitter, op, lambda b, t, x, y: _ratio(emitter, t, x, y))
        return
    instruction = _FLOAT[name]
    float_op(emitter, op, lambda b, t, x, y: b.define(name, f"{instruction} {t} {x}, {y}"))


def _ratio(emitter: KernelEmitter, lanes: Lanes, x: str, y: str) -> str:
    if lanes.element != "float":
        return emitter.builder.define("divf", f"fdiv {lanes} {x}, {y}")
    return _library_call(emitter, "ratio", lanes, x, y)


@handles("arith.negf")
def negate(emitter: KernelEmitter, op: Operation) -> None:
    float_op(emitter, op, lambda b, t, x: b.define("negf", f"fneg {t} {x}"))


@handles("arith.maximumf", "arith.minimumf", "arith.maxnumf", "arith.minnumf")
def float_extremum(emitter: KernelEmitter, op: Operation) -> None:
    kind = op.name.removeprefix("arith.")
    float_op(emitter, op, lambda b, t, x, y: extremum(b, t, kind[:3], x, y, propagate="num" not in kind))


def extremum(builder: Builder, lanes: Lanes, kind: str, x: str, y: str, propagate: bool = True) -> str:
    """The larger or smaller of x and y; not-a-number wins where `propagate`, else it loses."""
    # `select (a > b), a, b` is one instruction, which gives b where either is not-a-number.
    order = "ogt" if kind == "max" else "olt"
    if not x.startswith("%"):
        x, y = y, x
    first, second = (y, x) if propagate else (x, y)
    test = builder.define("order", f"fcmp {order} {lanes} {first}, {second}")
    chosen = builder.define(kind, f"select {lanes.of('i1')} {test}, {lanes} {first}, {lanes} {second}")
    if not y.startswith("%"):  # a constant is a number
        return chosen
    nan = builder.define("nan", f"fcmp uno {lanes} {first}, {first}")
    kept = first if propagate else second
    return builder.define(kind, f"select {lanes.of('i1')} {nan}, {lanes} {kept}, {lanes} {chosen}")


@handles(*(f"arith.{name}" for name in _INTEGER))
def integer_binary(emitter: KernelEmitter, op: Operation) -> None:
    name = op.name.removeprefix("arith.")

    def compute(builder: Builder, lanes: Lanes, x: str, y: str) -> str:
        if lanes.count is None and name in ("addi", "muli") and lanes.element == "i64":
            return (sizes.add if name == "addi" else sizes.mul)(builder, x, y)
        return builder.define(name, f"{_INTEGER[name]} {lanes} {x}, {y}")

    elementwise(emitter, op, compute)


@handles(*(f"arith.{name}" for name in _SHIFTS))
def shift(emitter: KernelEmitter, op: Operation) -> None:
    """Shifting by the width or more gives 0 (or the sign), where LLVM's instruction is undefined."""
    name = op.name.removeprefix("arith.")

    def compute(builder: Builder, lanes: Lanes, x: str, y: str) -> str:
        last = lanes.constant(lanes.width - 1)
        within = builder.define("within", f"icmp ule {lanes} {y}, {last}")
        amount = builder.define("amount", f"select {lanes.of('i1')} {within}, {lanes} {y}, {lanes} {last}")
        shifted = builder.define(name, f"{_SHIFTS[name]} {lanes} {x}, {amount}")
        if name == "shrsi":
            return shifted
        return builder.define(name, f"select {lanes.of('i1')} {within}, {lanes} {shifted}, {lanes} {lanes.constant(0)}")

    elementwise(emitter, op, compute)


@handles(*(f"arith.{name}" for name in _EXTREMA))
def integer_extremum(emitter: KernelEmitter, op: Operation) -> None:
    name = _EXTREMA[op.name.removeprefix("arith.")]
    elementwise(emitter, op, lambda b, t, x, y: b.intrinsic(name, t, x, y))


@handles("arith.divsi", "arith.divui", "arith.remsi", "arith.remui", "arith.ceildivsi", "arith.floordivsi")
def integer_division(emitter: KernelEmitter, op: Operation) -> None:
    name = op.name.removeprefix("arith.")
    elementwise(emitter, op, lambda b, t, x, y: _divide(b, t, name, x, y))


def _divide(builder: Builder, lanes: Lanes, name: str, x: str, y: str) -> str:
    """Division that cannot trap: x / 0 is 0, and the least integer divided by -1 is itself."""
    constant = sizes.is_constant(y) and int(y) > 0
    if name in ("ceildivsi", "floordivsi"):
        if name == "floordivsi" and lanes.count is None and constant:
            return sizes.floordiv(builder, x, y)
        quotient = _divide(builder, lanes, "divsi", x, y)
        product = builder.define("product", f"mul {lanes} {quotient}, {y}")
        inexact = builder.define("inexact", f"icmp ne {lanes} {product}, {x}")
        signs = builder.define("signs", f"xor {lanes} {x}, {y}")
        order = "slt" if name == "floordivsi" else "sge"
        sign = builder.define("sign", f"icmp {order} {lanes} {signs}, {_zero(lanes)}")
        off = builder.define("off", f"and {lanes.of('i1')} {inexact}, {sign}")
        one = builder.define("one", f"{'sext' if name == 'floordivsi' else 'zext'} {lanes.of('i1')} {off} to {lanes}")
        return builder.define(name, f"add {lanes} {quotient}, {one}")
    instruction = {"divsi": "sdiv", "divui": "udiv", "remsi": "srem", "remui": "urem"}[name]
    if constant or (y.startswith("splat") and not y.endswith((" 0)", " -1)"))):
        return builder.define(name, f"{instruction} {lanes} {x}, {y}")
    mask = lanes.of("i1")
    zero = builder.define("zero", f"icmp eq {lanes} {y}, {_zero(lanes)}")
    minus = builder.define("minus", f"icmp eq {lanes} {y}, {lanes.constant(-1)}")
    unsafe = builder.define("unsafe", f"or {mask} {zero}, {minus}") if instruction[0] == "s" else zero
    safe = builder.define("safe", f"select {mask} {unsafe}, {lanes} {lanes.constant(1)}, {lanes} {y}")
    result = builder.define(name, f"{instruction} {lanes} {x}, {safe}")
    if name == "divsi":
        negated = builder.define("negated", f"sub {lanes} {_zero(lanes)}, {x}")
        result = builder.define(name, f"select {mask} {minus}, {lanes} {negated}, {lanes} {result}")
    return builder.define(name, f"select {mask} {zero}, {lanes} {_zero(lanes)}, {lanes} {result}")


def _zero(lanes: Lanes) -> str:
    return lanes.constant(0)


# Comparing and choosing


def _predicate(op: Operation, names: Sequence[str]) -> str:
    value = op.attributes["predicate"]
    if isinstance(value, StringAttr):
        return value.value
    assert isinstance(value, IntegerAttr)
    return names[value.value]


@handles("arith.cmpi", "arith.cmpf")
def compare(emitter: KernelEmitter, op: Operation) -> None:
    if op.name.endswith(".cmpi"):
        predicate = _predicate(op, _CMPI)
        elementwise(emitter, op, lambda b, t, x, y: b.define("cmpi", f"icmp {predicate} {t} {x}, {y}"))
    else:
        predicate = _predicate(op, _CMPF)
        float_op(emitter, op, lambda b, t, x, y: b.define("cmpf", f"fcmp {predicate} {t} {x}, {y}"))


@handles("arith.select")
def select(emitter: KernelEmitter, op: Operation) -> None:
    condition, first, second = map(emitter.tile, op.operands)
    lanes = first.lanes
    conditions = condition.parts if condition.shape == first.shape else condition.parts * len(first.parts)
    mask = condition.lanes
    emitter.set_parts(
        op.result,
        [
            emitter.builder.define("select", f"select {mask} {c}, {lanes} {a}, {lanes} {b}")
            for c, a, b in zip(conditions, first.parts, second.parts, strict=True)
        ],
    )


# Converting


@handles("arith.extf", "arith.truncf")
def convert_float(emitter: KernelEmitter, op: Operation) -> None:
    source, (_, target) = emitter.tile(op.operands[0]).dtype, shape_of(op.result.type)

    def compute(builder: Builder, lanes: Lanes, x: str) -> str:
        if is_narrow(source):
            x, lanes = extend(builder, source, lanes, x), lanes.of("float")
        if is_narrow(target):
            if lanes.element == "double":
                x, lanes = builder.define("half", f"fptrunc {lanes} {x} to {lanes.of('float')}"), lanes.of("float")
            return truncate(builder, target, lanes, x)
        to = lanes.of(scalar_type(target))
        if to == lanes:
            return x
        instruction = "fpext" if to.width > lanes.width else "fptrunc"
        return builder.define("convert", f"{instruction} {lanes} {x} to {to}")

    elementwise(emitter, op, compute)


_CASTS = {
    "extsi": "sext", "extui": "zext", "trunci": "trunc", "sitofp": "sitofp", "uitofp": "uitofp",
    "fptosi": "fptosi", "fptoui": "fptoui", "index_cast": "sext", "index_castui": "zext", "bitcast": "bitcast",
}  # fmt: skip


@handles(*(f"arith.{name}" for name in _CASTS))
def cast(emitter: KernelEmitter, op: Operation) -> None:
    source, (_, target) = emitter.tile(op.operands[0]).dtype, shape_of(op.result.type)
    instruction = _CASTS[op.name.partition(".")[2]]

    def compute(builder: Builder, lanes: Lanes, x: str) -> str:
        to = lanes.of(scalar_type(target))
        if is_narrow(source) and instruction != "bitcast":
            x, lanes = extend(builder, source, lanes, x), lanes.of("float")
        if is_narrow(target) and instruction != "bitcast":
            wide = builder.define("convert", f"{instruction} {lanes} {x} to {lanes.of('float')}")
            return truncate(builder, target, lanes.of("float"), wide)
        return _cast(builder, lanes, to, instruction, x)

    elementwise(emitter, op, compute)


def _cast(builder: Builder, lanes: Lanes, to: Lanes, instruction: str, x: str) -> str:
    if lanes == to and instruction != "fptoui":
        return x
    if sizes.is_constant(x) and not to.is_float and lanes.width <= to.width and int(x) >= 0:
        return x
    if instruction in ("sext", "zext") and to.width < lanes.width:
        instruction = "trunc"
    if instruction in ("fptoui", "fptosi") and to.width < 64:
        # Through a wider signed integer, so that numbers out of range wrap as C compilers make them do.
        wide = lanes.of("i32" if to.width < 32 else "i64" if instruction == "fptoui" else "i32")
        x = builder.define("integer", f"fptosi {lanes} {x} to {wide}")
        return x if wide == to else builder.define("convert", f"trunc {wide} {x} to {to}")
    return builder.define("convert", f"{instruction} {lanes} {x} to {to}")


# Functions


@handles(*(f"math.{name}" for name in _INTRINSICS))
def intrinsic(emitter: KernelEmitter, op: Operation) -> None:
    name = _INTRINSICS[op.name.removeprefix("math.")]
    float_op(emitter, op, lambda b, t, *x: b.intrinsic(name, t, *x))


@handles("math.rsqrt")
def rsqrt(emitter: KernelEmitter, op: Operation) -> None:
    def compute(builder: Builder, lanes: Lanes, x: str) -> str:
        return builder.define("rsqrt", f"fdiv {lanes} {lanes.constant(1.0)}, {builder.intrinsic('sqrt', lanes, x)}")

    float_op(emitter, op, compute)


@handles("math.absi")
def absolute(emitter: KernelEmitter, op: Operation) -> None:
    def compute(builder: Builder, lanes: Lanes, x: str) -> str:
        return builder.call("absi", lanes, f"llvm.abs.{lanes.suffix}", [(lanes, x), ("i1", "false")])

    elementwise(emitter, op, compute)


@handles(*(f"math.{name}" for name in (*math.LIBRARY, *math.FUNCTIONS, "powf")))
def function(emitter: KernelEmitter, op: Operation) -> None:
    name = op.name.removeprefix("math.").replace("powf", "pow")
    float_op(emitter, op, lambda b, t, *x: _library_call(emitter, name, t, *x))


@handles("math.ipowi")
def integer_power(emitter: KernelEmitter, op: Operation) -> None:
    elementwise(emitter, op, lambda b, t, *x: _library_call(emitter, "ipow", t, *x))


def _library_call(emitter: KernelEmitter, name: str, lanes: Lanes, *operands: str) -> str:
    """Call a function of math.py, which the module then has."""
    emitter.builder.functions.add((name, lanes))
    arguments = ", ".join(f"{lanes} {operand}" for operand in operands)
    return emitter.builder.define(name, f"call {lanes} @{math.function_name(name, lanes)}({arguments})")
