"""Functions on bf16 that a module has for its processor: by the processor's instructions, else by moving bits.

bf16 are integers of 16 bits in LLVM's types, a pair of them one of 32 bits with the first in its lower half.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .builder import Builder, Lanes
from .tiles import mask

DOT, ROUND = "dot_bf16", "to_bf16"
FUNCTIONS = (DOT, ROUND)
DOT_INSTRUCTIONS = {
    "avx512bf16": {lanes: f"llvm.x86.avx512bf16.dpbf16ps.{32 * lanes}" for lanes in (16, 8, 4)},
    "bf16": {4: "llvm.aarch64.neon.bfdot.v4f32.v8bf16"},
}
"""The intrinsics that add products of pairs by their lanes, the widest first, by the feature that has them."""


def dot(builder: Builder, lanes: Lanes, acc: str, pair: str, pairs: str) -> str:
    """`acc` and the dot product of `pair`, one for all lanes, with each lane's of `pairs`."""
    return _call(builder, DOT, lanes, lanes, [(lanes, acc), (Lanes("i32"), pair), (lanes.of("i32"), pairs)])


def rounded(builder: Builder, lanes: Lanes, value: str) -> str:
    """f32 as bf16, rounded to nearest and even; a processor's instruction makes denormals zero."""
    return _call(builder, ROUND, lanes, lanes.of("i16"), [(lanes, value)])


def _call(builder: Builder, name: str, lanes: Lanes, result: Lanes, arguments: Sequence[tuple[Lanes, str]]) -> str:
    builder.functions.add((name, lanes))
    values = ", ".join(f"{type} {value}" for type, value in arguments)
    return builder.define(name, f"call {result} @kw.{name}.{lanes.suffix}({values})")


def widened(builder: Builder, lanes: Lanes, value: str) -> str:
    """bf16 as f32."""
    bits = builder.define("bits", f"zext {lanes} {value} to {lanes.of('i32')}")
    return _upper(builder, lanes.of("i32"), builder.define("bits", f"shl {lanes.of('i32')} {bits}, {_sixteen(lanes)}"))


def _upper(builder: Builder, lanes: Lanes, bits: str) -> str:
    return builder.define("wide", f"bitcast {lanes} {bits} to {lanes.of('float')}")


def _sixteen(lanes: Lanes) -> str:
    return lanes.of("i32").constant(16)


def definition(name: str, lanes: Lanes, features: Collection[str]) -> tuple[str, set[str]]:
    """The text of function `name` on f32 `lanes` for a processor with `features`, and the declarations it needs."""
    builder = Builder()
    for parameter in ("acc", "pair", "pairs", "x"):  # nothing else is called so
        builder.fresh(parameter)
    if name == DOT:
        result, parameters = lanes, f"{lanes} %acc, i32 %pair, {lanes.of('i32')} %pairs"
        value = _write_dot(builder, lanes, features)
    else:
        result, parameters = lanes.of("i16"), f"{lanes} %x"
        value = _write_rounded(builder, lanes, features)
    head = f"define internal {result} @kw.{name}.{lanes.suffix}({parameters}) alwaysinline nounwind {{"
    return "\n".join([head, "entry:", *builder.lines, f"  ret {result} {value}", "}"]), builder.declarations


def _write_rounded(builder: Builder, lanes: Lanes, features: Collection[str]) -> str:
    i = lanes.of("i32")
    if "avx512bf16" in features:
        half = builder.define("half", f"fptrunc {lanes} %x to {lanes.of('bfloat')}")
        return builder.define("bits", f"bitcast {lanes.of('bfloat')} {half} to {lanes.of('i16')}")
    bits = builder.define("bits", f"bitcast {lanes} %x to {i}")
    last = builder.define("last", f"lshr {i} {bits}, {_sixteen(lanes)}")
    odd = builder.define("odd", f"and {i} {last}, {i.constant(1)}")
    half = builder.define("half", f"add {i} {odd}, {i.constant(0x7FFF)}")
    nearest = builder.define("rounded", f"add {i} {bits}, {half}")
    # Rounding up could turn a not-a-number into an infinity: it is made quiet instead.
    quiet = builder.define("quiet", f"or {i} {bits}, {i.constant(0x400000)}")
    nan = builder.define("nan", f"fcmp uno {lanes} %x, %x")
    chosen = builder.define("chosen", f"select {lanes.of('i1')} {nan}, {i} {quiet}, {i} {nearest}")
    shifted = builder.define("upper", f"lshr {i} {chosen}, {_sixteen(lanes)}")
    return builder.define("half", f"trunc {i} {shifted} to {lanes.of('i16')}")


def _write_dot(builder: Builder, lanes: Lanes, features: Collection[str]) -> str:
    pair = "%pair"
    if lanes.count is not None:
        one = builder.define("lane", f"insertelement {lanes.of('i32')} poison, i32 %pair, i64 0")
        every = mask([0] * lanes.count)
        pair = builder.define("every", f"shufflevector {lanes.of('i32')} {one}, {lanes.of('i32')} poison, {every}")
    for feature, widths in DOT_INSTRUCTIONS.items():
        fitting = [width for width in widths if feature in features and lanes.count and lanes.count % width == 0]
        if fitting:
            return _by_instruction(builder, lanes, pair, widths[fitting[0]], fitting[0])
    total = "%acc"
    for half in (_odd, _even):
        factors = ", ".join(f"{lanes} {half(builder, lanes, value)}" for value in (pair, "%pairs"))
        builder.declarations.add(f"declare {lanes} @llvm.fma.{lanes.suffix}({lanes}, {lanes}, {lanes})")
        total = builder.define("acc", f"call {lanes} @llvm.fma.{lanes.suffix}({factors}, {lanes} {total})")
    return total


def _odd(builder: Builder, lanes: Lanes, pairs: str) -> str:
    i = lanes.of("i32")
    return _upper(builder, i, builder.define("upper", f"and {i} {pairs}, {i.constant(-65536)}"))


def _even(builder: Builder, lanes: Lanes, pairs: str) -> str:
    i = lanes.of("i32")
    return _upper(builder, i, builder.define("lower", f"shl {i} {pairs}, {_sixteen(lanes)}"))


def _by_instruction(builder: Builder, lanes: Lanes, pair: str, intrinsic: str, width: int) -> str:
    """One instruction for every `width` lanes."""
    count = lanes.count or 1
    acc, pairs, halves = Lanes("float", width), Lanes("i32", width), Lanes("bfloat", 2 * width)
    builder.declarations.add(f"declare {acc} @{intrinsic}({acc}, {halves}, {halves})")

    def part(type: Lanes, value: str, first: int) -> str:
        if count == width:
            return value
        picked = mask(range(first, first + width))
        return builder.define("part", f"shufflevector {lanes.of(type.element)} {value}, "
                              f"{lanes.of(type.element)} poison, {picked}")  # fmt: skip

    def as_halves(value: str) -> str:
        return builder.define("halves", f"bitcast {pairs} {value} to {halves}")

    factor = as_halves(part(pairs, pair, 0))
    builder.declarations.add(f"declare {acc} @{intrinsic}({acc}, {halves}, {halves})")
    result = "poison"
    for first in range(0, count, width):
        arguments = (
            f"{acc} {part(acc, '%acc', first)}, {halves} {factor}, {halves} {as_halves(part(pairs, '%pairs', first))}"
        )
        one = builder.define("acc", f"call {acc} @{intrinsic}({arguments})")
        if count == width:
            return one
        wide = mask([lane - first if first <= lane < first + width else None for lane in range(count)])
        spread = builder.define("spread", f"shufflevector {acc} {one}, {acc} poison, {wide}")
        if result == "poison":
            result = spread
            continue
        joined = mask([lane + count if lane >= first else lane for lane in range(count)])
        result = builder.define("join", f"shufflevector {lanes} {result}, {lanes} {spread}, {joined}")
    return result
