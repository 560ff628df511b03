"""The parser: every construct reads back equal, and every error points at its place."""

from __future__ import annotations

import pytest

from kernelwright.ir.attributes import DenseArrayAttr, DictAttr, IntegerAttr, OpaqueAttr, StringAttr
from kernelwright.ir.diagnostics import ParseError
from kernelwright.ir.dialects.builtin import Func
from kernelwright.ir.equality import difference
from kernelwright.ir.parser import parse
from kernelwright.ir.symbols import symbol
from kernelwright.ir.types import i32

EVERYTHING = r"""
// A comment.
module @net attributes {kw.target = "cuda:sm_90a", kw.flag} {
  func.func private @external(i32, tensor<*xf32>) -> (f32, none)
  func.func @main(%x: tensor<?x3xf16, #kw.dims<"past + seq">> {kw.name = "input \22a\22"}, %y: index)
      -> (tensor<?x3xf16, #kw.dims<"past + seq">> {kw.name = "out"}) attributes {kw.note = "é"} {
    %w = "t.constant"() {value = dense_resource<conv1.weight> : tensor<64x3x7x7xf16>} : () -> tensor<64x3x7x7xf16>
    %pair:2 = "t.two"(%x, %w) ({
    ^bb0(%k: index, %z: vector<4x8xf32>):
      %d = "t.inner"(%z, %y) : (vector<4x8xf32>, index) -> vector<4x8xf32>
      "t.yield"(%d) : (vector<4x8xf32>) -> ()
    }, {
    }, {
    ^bb0:
    }) {
      array = array<i64: 2, -2>, empty = array<i32>, bits = array<i1: true, false>, halves = array<f16: 0.5, 0x7C00>,
      int = 7 : i8, hex = 0x10 : i32, index = 0 : index, plain = 5, float = -1.5e-3 : f32, nan = 0x7FC00000 : f32,
      text = "tab\09quote\22", flag, yes = true, no = false, unit = unit, type = tensor<4xf32>,
      list = [1 : i64, "x", [], unit], dict = {a = 1 : i64, "b c" = f32}, sym = @main, deep = @a::@"b c",
      function = (f32, index) -> (f32, none), single = (f32) -> f32, dense = dense<[[1, 2], [3, 4]]> : tensor<2x2xi64>,
      splat = dense<0.1> : tensor<4xf32>, none = dense<> : tensor<0x3xf32>, scalar = dense<3> : tensor<i8>,
      bools = dense<[true, false]> : tensor<2xi1>, lanes = dense<0> : vector<4xindex>,
      complex = dense<(1.0, -0.5)> : tensor<2xcomplex<f32>>, infinite = dense<[0x7F800000, 0.5]> : tensor<2xf32>,
      strings = dense<["a", "b"]> : tensor<2x!kw.string>, four = dense<[-8, 7]> : tensor<2xi4>,
      map = affine_map<(d0, d1) -> (d1)>, kind = #vector.kind<add>, nested = #a.b<1, "x>", c<d>>, bare = #gpu.block,
      "odd name" = 1 : i64
    } : (tensor<?x3xf16, #kw.dims<"past + seq">>, tensor<64x3x7x7xf16>)
      -> (tensor<?x3xf16, #kw.dims<"past + seq">>, !onnx.seq<tensor<?xf32, #kw.dims<"n">>>)
      loc(fused["/a/Conv", "b\0A"])
    %m = "t.buffer"() : () -> memref<2x?x64xf16, strided<[8192, ?, 1], offset: ?>, "shared">
    return %pair#0 : tensor<?x3xf16, #kw.dims<"past + seq">> loc("out")
  } loc("main")
}
"""


def test_everything_reads_back_equal() -> None:
    module = parse(EVERYTHING)
    text = str(module)
    again = parse(text)
    assert difference(module, again) is None
    assert str(again) == text


def test_attributes_have_their_values() -> None:
    main = parse(EVERYTHING).lookup("main")
    op = list(main.regions[0].block)[1]
    a = op.attributes
    assert a["array"] == DenseArrayAttr(type=a["array"].type, values=(2, -2))  # type: ignore[attr-defined]
    assert a["empty"] == DenseArrayAttr(i32, ())
    assert a["hex"] == IntegerAttr(16, i32)
    assert a["text"] == StringAttr('tab\tquote"')
    assert a["nested"] == OpaqueAttr("a.b", '1, "x>", c<d>')
    assert a["dict"] == DictAttr((("a", IntegerAttr(1)), ("b c", a["type"].__class__(a["float"].type))))  # type: ignore[attr-defined]
    assert op.location.names == ("/a/Conv", "b\n")
    assert op.operands[0].type.shape[0] == symbol("past") + symbol("seq")  # type: ignore[attr-defined]


def test_ops_outside_a_module_get_one() -> None:
    module = parse('%0 = "t.a"() : () -> f32\n"t.b"(%0) : (f32) -> ()')
    assert [op.name for op in module.block] == ["t.a", "t.b"]


def test_properties_are_attributes() -> None:
    module = parse('"t.a"() <{a = 1 : i64}> {b = 2 : i64} : () -> ()')
    assert set(module.block.terminator.attributes) == {"a", "b"}


def test_aliases_stand_for_attributes() -> None:
    module = parse('#map = affine_map<(d0) -> (d0)>\n"t.a"() {m = #map} : () -> ()')
    assert str(module.block.terminator.attributes["m"]) == "affine_map<(d0) -> (d0)>"


def test_a_value_may_be_used_before_its_definition() -> None:
    module = parse('"t.a"(%0#1) : (f32) -> ()\n%0:2 = "t.b"() : () -> (i32, f32)')
    first, second = module.block
    assert first.operands == (second.results[1],)


def test_names_of_regions_end_with_them() -> None:
    region = '({ ^bb0(%k: index): "t.use"(%k) : (index) -> () })'
    module = parse(f'"t.a"() {region} : () -> ()\n"t.a"() {region} : () -> ()')
    assert len(module.block) == 2


def test_functions_see_no_values_of_each_other() -> None:
    module = parse("func.func @a(%x: f32) { return }\nfunc.func @b(%x: i32) { return }")
    assert all(isinstance(op, Func) for op in module.block)


def test_positions_are_kept_on_ops() -> None:
    op = parse('\n  %0 = "t.a"() : () -> f32', "m.mlir").block.terminator
    position = op.location.position
    assert position is not None
    assert (position.file, position.line, position.column, position.width) == ("m.mlir", 2, 8, 5)


ERRORS = [
    ('"func.retrun"() : () -> ()', 1, 13, "the dialect 'func' has no op 'func.retrun'; did you mean 'func.return'?"),
    ("%0 = arith.addf %x, %x : f32", 6, 10, "an op is written in its generic form, found arith.addf"),
    ('"t.a"(%y) : (f32) -> ()', 7, 2, "the value %y is not defined here"),
    ('"t.a"(%x) : (f64) -> ()', 7, 2, "%x is of type f32, not f64"),
    ('"t.a"(%x#1) : (f32) -> ()', 7, 4, "%x stands for 1 values, so there is no %x#1"),
    ('"t.a"() : () -> tensor<?xf32>', 24, 2, 'tensor<?xf32, #kw.dims<"n0">>'),
    ('"t.a"() : () -> tensor<4xf31>', 26, 3, "unknown type 'f31'; did you mean 'f32'?"),
    ('"t.a"() : () -> tensor<4xf32', 23, 1, "this '<' has no matching '>'"),
    ('"t.a"() : () -> vector<?xf32>', 24, 2, "a vector has known sizes"),
    ('"t.a"() : () -> tensor<?xf32, #kw.dims<"a/2">>', 40, 5, "'a / 2' in 'a/2' is not an integer expression"),
    ('"t.a"() : () -> memref<!kw.string>', 17, 1, "a memref has a rank and scalar elements"),
    ('"t.a"() : () -> memref<4x2xf32, strided<[1]>>', 24, 4, "2 sizes and 1 strides"),
    ('"t.a"() {a = dense<[1,2]> : tensor<3xi64>} : () -> ()', 14, 12, "shape [2] where the type has [3]"),
    ('"t.a"() {a = dense<[[1],[2,3]]> : tensor<2xi8>} : () -> ()', 14, 18, "ragged lists"),
    ('"t.a"() {a = dense<[1, 300]> : tensor<2xi8>} : () -> ()', 24, 3, "'300' is no i8"),
    ('"t.a"() {a = array<i64: 1.5>} : () -> ()', 25, 3, "'1.5' is no i64"),
    ('"t.a"() {a = array<f32: 0xFFFFFFFFF>} : () -> ()', 25, 11, "'0xFFFFFFFFF' is no f32"),
    ('"t.a"() {a = 300 : i8} : () -> ()', 14, 3, "'300' is no i8"),
    ('"t.a"() {a = 1, a = 2} : () -> ()', 17, 1, "the attribute 'a' is given twice"),
    ('"t.a"() {a = } : () -> ()', 14, 1, "expected an attribute, found '}'"),
    ('"t.a() : () -> ()', 1, 1, "the string has no end in this line"),
    ('"t.a"(%x, : (f32) -> ()', 11, 1, "expected a value (%x), found ':'"),
    ('"t.a"(%x) : (f32, f32) -> ()', 1, 5, "the operands are 1, their types 2"),
    ('%x = "t.a"() : () -> f32', 1, 2, "the value %x is already defined in line 2"),
    ('%a:3 = "t.a"() : () -> (f32, f32)', 1, 4, "3 names for 2 results"),
    ('"func.func"() ({}) {sym_nam = "f"} : () -> ()', 21, 7, "has no attribute 'sym_nam'; did you mean 'sym_name'?"),
    (r'"t.\FF"() : () -> ()', 1, 7, "the string is not UTF-8"),
]


@pytest.mark.parametrize(("line", "column", "width", "message"), ERRORS)
def test_errors_point_at_their_place(line: str, column: int, width: int, message: str) -> None:
    text = f"module {{\nfunc.func @f(%x: f32) {{\n{line}\nreturn }}\n}}"
    with pytest.raises(ParseError) as caught:
        parse(text, "m.mlir")
    diagnostic = caught.value.diagnostics[0]
    position = diagnostic.location.position
    assert message in diagnostic.message
    assert position is not None
    assert (position.line, position.column, position.width) == (3, column, width)
    assert f"m.mlir:3:{column}: error: " in str(caught.value)


def test_the_end_of_the_text_is_a_place() -> None:
    with pytest.raises(ParseError, match=r"<text>:1:9: error: expected an op or '}', found the end of the text"):
        parse("module {\n")


def test_suggestions_for_values() -> None:
    with pytest.raises(ParseError, match="the value %weihgt is not defined here; did you mean '%weight'"):
        parse('%weight = "t.a"() : () -> f32\n"t.b"(%weihgt) : (f32) -> ()')
