"""Floats narrower than f32: f16, bf16, 8-bit and 4-bit ones. Arithmetic on them is done in f32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...ir.diagnostics import CompileError
from ...ir.types import Scalar, bf16, f16
from .bf16 import rounded, widened
from .builder import Builder, Lanes, scalar_type


@dataclass(frozen=True)
class Format:
    """Bits of the exponent and the mantissa, the exponent's bias, and two codes, without the sign where they have one:
    of numbers too large (infinity, not-a-number or the largest number) and of not-a-number."""

    exponent: int
    mantissa: int
    bias: int
    beyond: int
    nan: int | None


FORMATS = {
    "f8E4M3FN": Format(4, 3, 7, 0x7F, 0x7F),
    "f8E5M2": Format(5, 2, 15, 0x7C, 0x7E),
    "f8E4M3FNUZ": Format(4, 3, 8, 0x80, 0x80),
    "f8E5M2FNUZ": Format(5, 2, 16, 0x80, 0x80),
    "f4E2M1FN": Format(2, 1, 1, 0x07, None),
}
POWERS_OF_TWO = "f8E8M0FNU"
"""An exponent alone: code c is 2^(c - 127), and 255 not-a-number."""


def is_narrow(dtype: Scalar) -> bool:
    return dtype.is_float and dtype.bits < 32


def constant(lanes: Lanes, dtype: Scalar, value: float) -> str:
    """A number of type `dtype` in every lane; narrow floats but f16 are their bits."""
    if is_narrow(dtype) and dtype != f16:
        return lanes.constant(int.from_bytes(np.array(value).astype(dtype.numpy).tobytes(), "little"))
    return lanes.constant(float(value) if lanes.is_float else int(value))


def extend(builder: Builder, dtype: Scalar, lanes: Lanes, value: str) -> str:
    """A narrow float as f32."""
    if dtype == f16:
        return builder.define("wide", f"fpext {lanes} {value} to {lanes.of('float')}")
    if dtype == bf16:
        return widened(builder, lanes, value)
    return _look_up(builder, dtype, lanes, value)


def _look_up(builder: Builder, dtype: Scalar, lanes: Lanes, value: str) -> str:
    """The number of each code, from a table."""
    codes = np.arange(1 << dtype.bits, dtype=np.uint8).view(dtype.numpy).astype(np.float32)
    element, wide = Lanes("float"), lanes.of("float")
    entries = ", ".join(f"float {element.constant(float(code))}" for code in codes)
    table = f"@kw.{dtype.name}"
    builder.declarations.add(f"{table} = private unnamed_addr constant [{codes.size} x float] [{entries}]")
    code = builder.define("code", f"and {lanes} {value}, {lanes.constant(codes.size - 1)}")
    index = builder.define("index", f"zext {lanes} {code} to {lanes.of('i64')}")
    places = builder.define("places", f"getelementptr float, ptr {table}, {lanes.of('i64')} {index}")
    if lanes.count is None:
        return builder.define("wide", f"load float, ptr {places}")
    every = lanes.of("i1").constant(1)
    arguments = [(f"<{lanes.count} x ptr>", places), ("i32", "4"), (lanes.of("i1"), every), (wide, "poison")]
    return builder.call("wide", wide, f"llvm.masked.gather.{wide.suffix}.v{lanes.count}p0", arguments)


def truncate(builder: Builder, dtype: Scalar, lanes: Lanes, value: str) -> str:
    """f32 rounded to a narrow float, to nearest and even."""
    if dtype == f16:
        return builder.define("half", f"fptrunc {lanes} {value} to {lanes.of(scalar_type(dtype))}")
    if dtype == bf16:
        return rounded(builder, lanes, value)
    if dtype.name == POWERS_OF_TWO:
        return _to_power_of_two(builder, lanes, value)
    if dtype.name not in FORMATS:
        raise CompileError(f"no code for conversions to {dtype} on a CPU")
    return _to_small(builder, FORMATS[dtype.name], lanes, value)


def _round_bits(builder: Builder, i: Lanes, bits: str, dropped: int) -> str:
    """`bits` with the last `dropped` ones ready to be cut off: half of their unit is added, ties to even."""
    last = builder.define("last", f"lshr {i} {bits}, {i.constant(dropped)}")
    odd = builder.define("odd", f"and {i} {last}, {i.constant(1)}")
    half = builder.define("half", f"add {i} {odd}, {i.constant((1 << dropped - 1) - 1)}")
    return builder.define("rounded", f"add {i} {bits}, {half}")


def _to_small(builder: Builder, format: Format, lanes: Lanes, value: str) -> str:
    """The code of f32 numbers."""
    i, mask = lanes.of("i32"), lanes.of("i1")
    magnitude = builder.intrinsic("fabs", lanes, value)
    bits = builder.define("bits", f"bitcast {lanes} {magnitude} to {i}")
    dropped = 23 - format.mantissa
    rounded = _round_bits(builder, i, bits, dropped)
    shifted = builder.define("shifted", f"lshr {i} {rounded}, {i.constant(dropped)}")
    normal = builder.define("normal", f"sub {i} {shifted}, {i.constant((127 - format.bias) << format.mantissa)}")
    # Below the least normal number codes count units of the last place.
    unit = 2.0 ** (1 - format.bias - format.mantissa)
    scaled = builder.define("scaled", f"fmul {lanes} {magnitude}, {lanes.constant(1 / unit)}")
    counted = builder.intrinsic("roundeven", lanes, scaled)
    small = builder.define("small", f"fcmp olt {lanes} {magnitude}, {lanes.constant(2.0 ** (1 - format.bias))}")
    safe = builder.define("safe", f"select {mask} {small}, {lanes} {counted}, {lanes} {lanes.constant(0.0)}")
    subnormal = builder.define("subnormal", f"fptosi {lanes} {safe} to {i}")
    limited = builder.call("limited", i, f"llvm.smin.{i.suffix}", [(i, normal), (i, i.constant(format.beyond))])
    code = builder.define("code", f"select {mask} {small}, {i} {subnormal}, {i} {limited}")
    code = _with_sign(builder, format, lanes, value, code)
    return builder.define("narrow", f"trunc {i} {code} to {lanes.of('i8')}")


def _to_power_of_two(builder: Builder, lanes: Lanes, value: str) -> str:
    """The exponent of the nearest power of two, ties to the larger; 255 for what is not positive or too large."""
    i, mask = lanes.of("i32"), lanes.of("i1")
    bits = builder.define("bits", f"bitcast {lanes} {value} to {i}")
    zero = builder.define("zero", f"icmp eq {i} {bits}, {i.constant(0)}")
    least = builder.define("least", f"icmp ule {i} {bits}, {i.constant(1 << 22)}")
    half = builder.define("half", f"add {i} {bits}, {i.constant(1 << 22)}")
    raised = builder.define("raised", f"select {mask} {least}, {i} {i.constant(0)}, {i} {half}")
    raised = builder.define("raised", f"select {mask} {zero}, {i} {i.constant(-1)}, {i} {raised}")
    exponent = builder.define("exponent", f"lshr {i} {raised}, {i.constant(23)}")
    code = builder.call("code", i, f"llvm.umin.{i.suffix}", [(i, exponent), (i, i.constant(255))])
    return builder.define("narrow", f"trunc {i} {code} to {lanes.of('i8')}")


def _with_sign(builder: Builder, format: Format, lanes: Lanes, value: str, code: str) -> str:
    i, mask = lanes.of("i32"), lanes.of("i1")
    signs = builder.define("bits", f"bitcast {lanes} {value} to {i}")
    place = format.exponent + format.mantissa
    moved = builder.define("moved", f"lshr {i} {signs}, {i.constant(31 - place)}")
    sign = builder.define("sign", f"and {i} {moved}, {i.constant(1 << place)}")
    if format.nan == 1 << place:  # the format has no negative zero: that code is its not-a-number
        zero = builder.define("zero", f"icmp eq {i} {code}, {i.constant(0)}")
        sign = builder.define("sign", f"select {mask} {zero}, {i} {i.constant(0)}, {i} {sign}")
    signed = builder.define("signed", f"or {i} {code}, {sign}")
    if format.nan is None:  # not-a-number becomes negative zero, as in ml_dtypes
        nan = builder.define("nan", f"fcmp uno {lanes} {value}, {value}")
        return builder.define("code", f"select {mask} {nan}, {i} {i.constant(1 << place)}, {i} {signed}")
    # The code of not-a-number keeps the sign where it has one.
    nan_code = (
        i.constant(format.nan)
        if format.nan == 1 << place
        else builder.define("nan", f"or {i} {sign}, {i.constant(format.nan)}")
    )
    nan = builder.define("nan", f"fcmp uno {lanes} {value}, {value}")
    return builder.define("code", f"select {mask} {nan}, {i} {nan_code}, {i} {signed}")
