"""Whatever prints must parse, to an equal module: generated modules, every .mlir file, and both of upstream's tools."""

from __future__ import annotations

import contextlib
import functools
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernelwright.ir import attributes as a
from kernelwright.ir import symbols
from kernelwright.ir import types as t
from kernelwright.ir.core import Block, Operation, Region, Value
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects.builtin import Func, Module, Return
from kernelwright.ir.equality import difference
from kernelwright.ir.location import Location
from kernelwright.ir.parser import parse
from kernelwright.ir.strings import as_identifier

ROOT = Path(__file__).resolve().parents[2]

# Types

SCALARS = st.sampled_from(list(t.SCALARS.values()))
SIZES = st.integers(0, 9)
EXPRESSIONS = st.sampled_from(["batch", "past + seq", "2 * n * m - 1", "ceildiv(n, 128)", "(h + 1) // 2", "min(a, b)"])
DIMS = st.one_of(SIZES, EXPRESSIONS.map(symbols.parse))


def shapes(dims: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(dims, min_size=least, max_size=4).map(tuple)


@st.composite
def memrefs(draw: st.DrawFn) -> t.MemRefType:
    shape = draw(shapes(st.one_of(st.none(), SIZES)))
    strides = tuple(draw(st.one_of(st.none(), st.integers(0, 99))) for _ in shape) if draw(st.booleans()) else None
    offset = draw(st.sampled_from([0, 7, None])) if strides is not None else 0
    element = draw(SCALARS.filter(lambda s: not s.is_complex))
    return t.MemRefType(shape, element, draw(st.sampled_from(["", "shared", 'odd "name"'])), strides, offset)


tensors = st.builds(t.TensorType, st.one_of(st.none(), shapes(DIMS)), st.one_of(SCALARS, st.just(t.string)))
plain_types = st.one_of(
    SCALARS,
    tensors,
    memrefs(),
    st.builds(t.VectorType, shapes(st.integers(1, 9), 1), SCALARS.filter(lambda s: not s.is_complex)),
    st.just(t.none),
    st.builds(t.OpaqueType, st.sampled_from(["kw.string", "onnx.seq"]), st.lists(tensors, max_size=2).map(tuple)),
)
functions = st.builds(t.FunctionType, *[st.lists(plain_types, max_size=3).map(tuple)] * 2)
types = st.one_of(plain_types, functions)

# Attributes

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAMES = st.one_of(
    st.sampled_from(["value", "kw.target", "array", "dense", "loc", "f32", "true", "_x$1"]), TEXT.filter(bool)
)
INTEGERS = [s for s in t.SCALARS.values() if s.is_integer]
FLOATS = [s for s in t.SCALARS.values() if s.is_float]


def integer_of(scalar: t.Scalar) -> st.SearchStrategy[int]:
    low, high = (0, 1 << scalar.bits) if scalar.is_unsigned else (-(1 << scalar.bits - 1), 1 << scalar.bits - 1)
    return st.integers(low, high - 1)


def rounded(value: float, scalar: t.Scalar) -> float:
    with np.errstate(over="ignore"):
        return float(np.asarray(value).astype(scalar.numpy))


def float_of(scalar: t.Scalar) -> st.SearchStrategy[float]:
    values = np.arange(256, dtype=np.uint8).view(scalar.numpy) if scalar.bytes == 1 and scalar.bits == 8 else None
    if values is not None:
        return st.sampled_from(values.astype(np.float64).tolist())
    if scalar.bits < 8:
        return st.sampled_from([0.5, -6.0])
    return st.floats(width=64 if scalar is t.f64 else 32).map(functools.partial(rounded, scalar=scalar))


@st.composite
def dense(draw: st.DrawFn) -> a.DenseAttr:
    scalar = draw(SCALARS)
    shape = draw(shapes(st.integers(0, 3)))
    bits = draw(st.binary(min_size=1, max_size=64))
    if scalar.is_float or scalar.is_complex:
        part = t.SCALARS[scalar.name[8:-1]] if scalar.is_complex else scalar
        values = np.array([draw(float_of(part)) for _ in range(3)]).astype(scalar.numpy)
    else:
        values = np.array([draw(integer_of(scalar)) for _ in range(3)], scalar.numpy)
    array = np.resize(values, shape) if bits[0] % 2 else np.full(shape, values[0], scalar.numpy)
    return a.DenseAttr(array, t.TensorType(shape, scalar))


numbers = st.one_of(
    st.sampled_from(INTEGERS).flatmap(lambda s: st.builds(a.IntegerAttr, integer_of(s), st.just(s))),
    st.sampled_from(FLOATS).flatmap(lambda s: st.builds(a.FloatAttr, float_of(s), st.just(s))),
    st.sampled_from(INTEGERS[1:]).flatmap(
        lambda s: st.builds(a.DenseArrayAttr, st.just(s), st.lists(integer_of(s), max_size=4).map(tuple))
    ),
    st.sampled_from(FLOATS).flatmap(
        lambda s: st.builds(
            a.DenseArrayAttr, st.just(s), st.lists(float_of(s).filter(np.isfinite), max_size=4).map(tuple)
        )
    ),
)
leaves = st.one_of(
    st.just(a.UnitAttr()),
    st.booleans().map(a.BoolAttr),
    numbers,
    TEXT.map(a.StringAttr),
    types.map(a.TypeAttr),
    st.builds(a.SymbolRefAttr, TEXT.filter(bool), st.lists(TEXT.filter(bool), max_size=2).map(tuple)),
    dense(),
    st.builds(a.DenseResourceAttr, NAMES.map(as_identifier), st.builds(t.TensorType, shapes(SIZES), SCALARS)),
    st.sampled_from([a.OpaqueAttr("vector.kind", "add"), a.OpaqueAttr("x.y"), a.OpaqueAttr("x.y", '<"a>">, 1')]),
    st.just(a.AffineAttr("affine_map", "(d0, d1)[s0] -> (d1 + s0)")),
)
attributes = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: a.ArrayAttr(tuple(values))),
        st.dictionaries(NAMES, inner, max_size=3).map(a.DictAttr.of),
    ),
    max_leaves=4,
)
dictionaries = st.dictionaries(NAMES.filter(lambda name: name != "sym_name"), attributes, max_size=3)

# Modules


@st.composite
def blocks(draw: st.DrawFn, visible: list[Value], depth: int) -> Block:
    block = Block(draw(st.lists(types, max_size=2)))
    known = [*visible, *block.arguments]
    for argument in block.arguments:
        argument.name = draw(st.one_of(st.none(), TEXT))
    for _ in range(draw(st.integers(0, 3))):
        op = draw(operations(known, depth))
        block.append(op)
        known += op.results
    return block


@st.composite
def operations(draw: st.DrawFn, visible: list[Value], depth: int) -> Operation:
    regions = [
        Region(*([draw(blocks(visible, depth - 1))] * draw(st.integers(0, 1))))
        for _ in range(depth and draw(st.integers(0, 2)))
    ]
    op = Operation(
        draw(st.sampled_from(["t.a", "t.b_c", "u.x.y", "odd name"])),
        draw(st.lists(st.sampled_from(visible), max_size=3)) if visible else [],
        draw(st.lists(types, max_size=3)),
        draw(dictionaries),
        regions,
        Location(tuple(draw(st.lists(TEXT, max_size=2)))),
    )
    for result in op.results:
        result.name = draw(st.one_of(st.none(), st.sampled_from(["x", "x_0", "7", "/a/Conv:0", "é"])))
    return op


@st.composite
def modules(draw: st.DrawFn) -> Module:
    module = Module.empty(draw(st.one_of(st.none(), TEXT.filter(bool))))
    module.attributes.update({f"kw.{name}": value for name, value in draw(dictionaries).items()})
    for i in range(draw(st.integers(0, 2))):
        block = draw(blocks([], 2))
        returned = tuple(v for op in block for v in op.results)[:2]
        block.append(Return(returned))
        type = t.FunctionType(tuple(v.type for v in block.arguments), tuple(v.type for v in returned))
        func = Func(Region(block), f"f{i}", type)
        if type.inputs and draw(st.booleans()):
            func.arg_attrs = tuple(a.DictAttr.of(draw(dictionaries)) for _ in type.inputs)
        module.block.append(func)
    return module


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(modules())
def test_generated_modules(module: Module) -> None:
    text = str(module)
    again = parse(text)
    assert difference(module, again) is None, text
    assert str(parse(str(again))) == str(again)


@settings(max_examples=300, deadline=None)
@given(types)
def test_types(type: t.Type) -> None:
    op = parse(f'"t.a"() : () -> ({type})').block.terminator
    assert op.result.type == type


@settings(max_examples=300, deadline=None)
@given(attributes)
def test_attributes(attribute: a.Attribute) -> None:
    op = parse(f'"t.a"() {{x = {attribute}}} : () -> ()').block.terminator
    assert op.attributes["x"] == attribute


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('module {}()<>"%^@#:=->,.x1\n'), max_size=40))
def test_nonsense_is_an_error_of_ours(text: str) -> None:
    with contextlib.suppress(CompileError):
        parse(text)


# Files

SPLIT = "// -----\n"


def files() -> dict[str, list[str]]:
    """The cases of every .mlir file of the repository; those that are meant to be wrong are left out."""
    listed = subprocess.run(["git", "ls-files", "*.mlir"], cwd=ROOT, capture_output=True, text=True, check=False)
    found = {file: (ROOT / file).read_text().split(SPLIT) for file in listed.stdout.split() if (ROOT / file).exists()}
    right = {file: [text for text in cases if "expected-error" not in text] for file, cases in found.items()}
    return {file: cases for file, cases in right.items() if cases}


FILES = files()


@pytest.mark.parametrize("file", FILES)
def test_files(file: str) -> None:
    for text in FILES[file]:
        module = parse(text)
        assert difference(module, parse(str(module))) is None


@pytest.mark.parametrize("tool", ["mlir_opt", "xdsl_opt"])
@pytest.mark.parametrize("file", FILES)
def test_upstream_takes_files(file: str, tool: str, request: pytest.FixtureRequest) -> None:
    printed = SPLIT.join(f"{parse(text)}\n" for text in FILES[file])
    request.getfixturevalue(tool)(printed, "--split-input-file")
