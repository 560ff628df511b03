"""`arith` and `math`: NumPy meaning against Python's own numbers, and text that upstream's tools verify."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelwright.ir import types as t
from kernelwright.ir.attributes import DenseAttr, FloatAttr, IntegerAttr
from kernelwright.ir.core import Block, Operation
from kernelwright.ir.declare import REGISTRY, Op
from kernelwright.ir.diagnostics import VerifyError
from kernelwright.ir.dialects import arith
from kernelwright.ir.dialects import math as maths
from kernelwright.ir.equality import difference
from kernelwright.ir.parser import parse
from kernelwright.ir.verify import verify


def op_of(cls: type[Op], *types: t.Type, result: t.Type | None = None, **attributes: Any) -> Any:
    values = Block(types).arguments
    if result is not None:
        attributes["result_types"] = [result]
    return cls(*values, **attributes)


def wrap(value: int, bits: int) -> int:
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def unsigned(value: int, bits: int) -> int:
    return value % (1 << bits)


SIGNED: dict[type[Op], Callable[[int, int], int]] = {
    arith.AddI: lambda a, b: a + b,
    arith.SubI: lambda a, b: a - b,
    arith.MulI: lambda a, b: a * b,
    arith.DivSI: lambda a, b: (abs(a) // abs(b)) * (1 if (a < 0) == (b < 0) else -1) if b else 0,
    arith.FloorDivSI: lambda a, b: a // b if b else 0,
    arith.CeilDivSI: lambda a, b: -(-a // b) if b else 0,
    arith.RemSI: lambda a, b: int(math.copysign(abs(a) % abs(b), a)) if b else 0,
    arith.MinSI: min,
    arith.MaxSI: max,
    arith.AndI: lambda a, b: a & b,
    arith.OrI: lambda a, b: a | b,
    arith.XOrI: lambda a, b: a ^ b,
}
UNSIGNED: dict[type[Op], Callable[[int, int], int]] = {
    arith.DivUI: lambda a, b: a // b if b else 0,
    arith.CeilDivUI: lambda a, b: -(-a // b) if b else 0,
    arith.RemUI: lambda a, b: a % b if b else 0,
    arith.MinUI: min,
    arith.MaxUI: max,
}
INTEGERS = [t.i8, t.i16, t.i32]


@pytest.mark.parametrize("cls", [*SIGNED, *UNSIGNED], ids=lambda cls: cls.op_name)
@given(st.sampled_from(INTEGERS), st.lists(st.tuples(st.integers(), st.integers()), min_size=1, max_size=9))
def test_integers_wrap_as_their_type(cls: type[Op], type: t.Scalar, pairs: list[tuple[int, int]]) -> None:
    pairs = [(wrap(a, type.bits), wrap(b, type.bits)) for a, b in pairs]
    if cls in UNSIGNED:
        expected = [wrap(UNSIGNED[cls](*(unsigned(x, type.bits) for x in p)), type.bits) for p in pairs]
    else:
        expected = [wrap(SIGNED[cls](*p), type.bits) for p in pairs]
    op = op_of(cls, *[t.VectorType((len(pairs),), type)] * 2)
    a, b = np.array(pairs, type.numpy).T
    with np.errstate(all="ignore"):
        result = op.evaluate(a, b)
    assert result.dtype == type.numpy
    assert result.tolist() == expected


@given(st.integers(-128, 127), st.integers(0, 7))
def test_shifts(a: int, b: int) -> None:
    x, y = np.int8(a), np.int8(b)
    types = (t.i8, t.i8)
    assert op_of(arith.ShLI, *types).evaluate(x, y) == wrap(a << b, 8)
    assert op_of(arith.ShRSI, *types).evaluate(x, y) == a >> b
    assert op_of(arith.ShRUI, *types).evaluate(x, y) == wrap(unsigned(a, 8) >> b, 8)


@pytest.mark.parametrize("predicate", range(10))
def test_integer_comparisons(predicate: int) -> None:
    name = arith.INTEGER_PREDICATES[predicate]
    values = np.array([-128, -1, 0, 1, 127], np.int8)
    a, b = (m.ravel() for m in np.meshgrid(values, values))
    op = op_of(arith.CmpI, *[t.VectorType((25,), t.i8)] * 2, predicate=predicate)
    x, y = (
        (a.astype(int), b.astype(int))
        if name[0] != "u"
        else (a.view(np.uint8).astype(int), b.view(np.uint8).astype(int))
    )
    expected = {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y}[name[-2:]]
    assert op.results[0].type == t.VectorType((25,), t.i1)
    assert (op.evaluate(a, b) == expected).all()


@pytest.mark.parametrize("predicate", range(16))
def test_float_comparisons(predicate: int) -> None:
    name = arith.FLOAT_PREDICATES[predicate]
    op = op_of(arith.CmpF, t.f32, t.f32, predicate=predicate)
    nan = np.float32("nan")
    for a, b in ((np.float32(1), np.float32(2)), (np.float32(2), np.float32(2)), (nan, np.float32(1)), (nan, nan)):
        unordered = bool(np.isnan(a) or np.isnan(b))
        if name in ("false", "true", "ord", "uno"):
            expected = {"false": False, "true": True, "ord": not unordered, "uno": unordered}[name]
        else:
            holds = {"eq": a == b, "ne": a != b, "lt": a < b, "le": a <= b, "gt": a > b, "ge": a >= b}[name[1:]]
            expected = unordered if unordered else bool(holds)
            expected = expected if name[0] == "u" else bool(holds) and not unordered
        assert bool(op.evaluate(a, b)) == expected, name


def test_not_a_number_in_minimum() -> None:
    a, b = np.array([1, np.nan], np.float32), np.array([np.nan, 2], np.float32)
    types = [t.VectorType((2,), t.f32)] * 2
    assert np.isnan(op_of(arith.MinimumF, *types).evaluate(a, b)).all()
    assert op_of(arith.MinNumF, *types).evaluate(a, b).tolist() == [1, 2]
    assert op_of(arith.MaxNumF, *types).evaluate(a, b).tolist() == [1, 2]


CASTS: list[tuple[type[Op], t.Scalar, t.Scalar, Any, Any]] = [
    (arith.ExtF, t.f16, t.f32, np.float16(0.5), np.float32(0.5)),
    (arith.TruncF, t.f32, t.bf16, np.float32(1.01), ml_dtypes.bfloat16(1.01)),
    (arith.ExtSI, t.i8, t.i32, np.int8(-1), np.int32(-1)),
    (arith.ExtSI, t.i1, t.i32, np.bool_(True), np.int32(-1)),
    (arith.ExtUI, t.i8, t.i32, np.int8(-1), np.int32(255)),
    (arith.ExtUI, t.i1, t.i32, np.bool_(True), np.int32(1)),
    (arith.ExtUI, t.SCALARS["i4"], t.i8, ml_dtypes.int4(-1), np.int8(15)),
    (arith.TruncI, t.i32, t.i8, np.int32(300), np.int8(44)),
    (arith.TruncI, t.i32, t.i1, np.int32(2), np.bool_(False)),
    (arith.SIToFP, t.i8, t.f32, np.int8(-1), np.float32(-1)),
    (arith.UIToFP, t.i8, t.f32, np.int8(-1), np.float32(255)),
    (arith.FPToSI, t.f32, t.i8, np.float32(-1.9), np.int8(-1)),
    (arith.FPToSI, t.f32, t.i8, np.float32(300), np.int8(127)),
    (arith.FPToSI, t.f64, t.i64, np.float64(1e300), np.int64(2**63 - 1)),
    (arith.FPToSI, t.f32, t.i32, np.float32("nan"), np.int32(0)),
    (arith.FPToUI, t.f32, t.i8, np.float32(255), np.int8(-1)),
    (arith.FPToUI, t.f32, t.i8, np.float32(-5), np.int8(0)),
    (arith.IndexCast, t.i32, t.index, np.int32(-1), np.int64(-1)),
    (arith.IndexCastUI, t.i32, t.index, np.int32(-1), np.int64(2**32 - 1)),
    (arith.Bitcast, t.f32, t.i32, np.float32(1), np.int32(0x3F800000)),
]


@pytest.mark.parametrize(("cls", "source", "target", "value", "expected"), CASTS)
def test_casts(cls: type[Op], source: t.Scalar, target: t.Scalar, value: Any, expected: Any) -> None:
    op = op_of(cls, source, result=target)
    op.verify()
    result = op.evaluate(value)
    assert result.dtype == target.numpy
    assert result == expected
    vector = op_of(cls, t.VectorType((2, 1), source), result=t.VectorType((2, 1), target))
    vector.verify()
    many = vector.evaluate(np.array([[value], [value]], source.numpy))
    assert many.shape == (2, 1)
    assert (many == expected).all()


def test_a_cast_refuses_other_types() -> None:
    with pytest.raises(VerifyError, match=r"'arith.extf' does not convert f32 to f16"):
        op_of(arith.ExtF, t.f32, result=t.f16).verify()


FLOAT_FUNCTIONS = [cls for cls in REGISTRY.values() if issubclass(cls, maths.FloatUnary)]


@pytest.mark.parametrize("cls", FLOAT_FUNCTIONS, ids=lambda cls: cls.op_name)
@pytest.mark.parametrize("type", [t.f16, t.bf16, t.f32, t.f64], ids=str)
def test_functions_keep_their_type_and_round_once(cls: type[Op], type: t.Scalar) -> None:
    x = np.array([0.25, 0.5, 0.75], type.numpy)
    x = x + type.numpy.type(1) if cls is maths.Acosh else x
    name = cls.op_name.partition(".")[2]
    reference = {"rsqrt": lambda v: v**-0.5, "absf": abs, "roundeven": round, "round": lambda v: math.floor(v + 0.5)}
    function = reference.get(name) or getattr(math, name)
    result = op_of(cls, t.VectorType((3,), type)).evaluate(x)
    assert result.dtype == type.numpy
    expected = np.array([function(float(v)) for v in x])
    tolerance = max(2 * float(ml_dtypes.finfo(type.numpy).eps), 5e-14)
    np.testing.assert_allclose(result.astype(np.float64), expected, rtol=tolerance)


def test_round_goes_away_from_zero() -> None:
    op = op_of(maths.Round, t.VectorType((6,), t.f32))
    values = np.array([0.5, 1.5, 2.5, -0.5, -2.5, 0.49999997], np.float32)
    assert op.evaluate(values).tolist() == [1, 2, 3, -1, -3, 0]


def test_fma_rounds_once() -> None:
    op = op_of(maths.Fma, t.f32, t.f32, t.f32)
    a = np.float32(1 + 2**-12)
    assert op.evaluate(a, a, np.float32(-1)) == np.float32(2**-11 + 2**-24)


def test_constants() -> None:
    assert arith.Constant(IntegerAttr(3, t.index)).evaluate() == 3
    assert arith.Constant(FloatAttr(0.5, t.f16)).evaluate().dtype == np.float16
    vector = arith.Constant(DenseAttr(np.zeros(4, np.float32), t.VectorType((4,), t.f32)))
    assert vector.result.type == t.VectorType((4,), t.f32)


def _shaped(shape: tuple[int, ...], scalar: t.Scalar) -> t.Type:
    return t.VectorType(shape, scalar) if shape else scalar


def every_op() -> str:
    """A module with each op of both dialects, once on scalars and once on vectors."""
    ops: list[Operation] = []
    for shape in ((), (4,)):
        of = functools.partial(_shaped, shape)
        values = {s: Operation("test.value", result_types=[of(s)]) for s in (t.f16, t.f32, t.i1, t.i8, t.i32, t.index)}
        ops += values.values()
        v = {scalar: op.result for scalar, op in values.items()}
        for cls in REGISTRY.values():
            if issubclass(cls, (arith.IntegerBinary,)):
                ops.append(cls(v[t.i32], v[t.i32]))
            elif issubclass(cls, arith.FloatBinary):
                ops.append(cls(v[t.f32], v[t.f32]))
            elif issubclass(cls, maths.FloatUnary):
                ops.append(cls(v[t.f32]))
        ops += [arith.CmpI(v[t.i8], v[t.i8], p) for p in range(10)]
        ops += [arith.CmpF(v[t.f32], v[t.f32], p) for p in range(16)]
        ops += [arith.Select(v[t.i1], v[t.f32], v[t.f32]), arith.NegF(v[t.f32]), maths.AbsI(v[t.i32])]
        ops += [maths.Fma(v[t.f32], v[t.f32], v[t.f32]), maths.FPowI(v[t.f32], v[t.i32])]
        for cls, source, target, _, _ in CASTS:
            if source in v and target in v:
                ops.append(cls(v[source], result_types=[of(target)]))
        ops.append(arith.TruncF(v[t.f32], result_types=[of(t.f16)]))
    ops.append(arith.Constant(IntegerAttr(3, t.index)))
    ops.append(arith.Constant(DenseAttr(np.array([1, 2], np.float32), t.VectorType((2,), t.f32))))
    module = parse("module {}")
    for op in ops:
        module.block.append(op)
    verify(module)
    assert difference(module, parse(str(module))) is None
    return str(module)


def test_upstream_verifies_every_op(mlir_opt: Callable[[str], str]) -> None:
    printed = mlir_opt(every_op())
    assert "arith.addf" in printed
    assert "arith.cmpf uno" in printed


def test_what_upstream_prints_reads_back(mlir_opt: Callable[..., str]) -> None:
    module = parse(mlir_opt(every_op(), "--mlir-print-op-generic"))
    verify(module)
