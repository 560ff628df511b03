"""Operators on shapes: what they do to data next to ONNX Runtime, and what is known of sizes afterwards."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from onnx_graphs import check, graph, legalized, normal, ops

from kernelwright.compiler.onnx import import_model
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects import nn
from kernelwright.ir.equalities import equalities
from kernelwright.ir.profile import Profile, Range
from kernelwright.passes.base import PassContext
from kernelwright.passes.legalize.legalize_onnx import LegalizeOnnx


def result(text: str) -> str:
    """The type of the first result of a legalized graph."""
    return str(legalized(graph(text)).main.function_type.results[0])


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("0, -1", 'tensor<?x?xf32, #kw.dims<"N", "3 * M">>'),
        ("-1, 3", 'tensor<?x3xf32, #kw.dims<"M * N">>'),
        ("-1", 'tensor<?xf32, #kw.dims<"3 * M * N">>'),
        ("0, 0, 3, 1", 'tensor<?x?x3x1xf32, #kw.dims<"N", "M">>'),
    ],
)
def test_reshape_by_constants(shape: str, expected: str) -> None:
    count = shape.count(",") + 1
    dims = ", ".join("?" * count)
    text = f"(float[N, M, 3] x) => (float[{dims}] y) <int64[{count}] s = {{{shape}}}> {{ y = Reshape(x, s) }}"
    assert result(text) == expected
    check(text, x=normal(2, 5, 3))


def test_sizes_that_are_computed_become_expressions() -> None:
    """What torch exports for x.view(batch, seq, heads, -1).transpose(1, 2)."""
    text = """(float[batch, seq, 12] x) => (float[?, ?, ?, ?] y)
    <int64 zero = {0}, int64 one = {1}, int64[1] axis = {0}, int64[1] four = {4}, int64[1] rest = {-1}> {
        shape = Shape(x)  b = Gather<axis = 0>(shape, zero)  s = Gather<axis = 0>(shape, one)
        bu = Unsqueeze(b, axis)  su = Unsqueeze(s, axis)
        target = Concat<axis = 0>(bu, su, four, rest)
        r = Reshape(x, target)  y = Transpose<perm = [0, 2, 1, 3]>(r)
    }"""
    module = check(text, x=normal(2, 5, 12))
    assert ops(module) == ["nn.reshape", "nn.transpose"]
    assert str(module.main.function_type.results[0]) == 'tensor<?x4x?x3xf32, #kw.dims<"batch", "seq">>'


def test_expand_by_a_choice_between_shapes() -> None:
    """torch's expand: Where(shape == -1, 1, shape)."""
    text = """(float[N, 1] x, float[N, M] like) => (float[?, ?] y)
    <int64[2] minus = {-1, -1}, int64[2] ones = {1, 1}> {
        s = Shape(like)  e = Equal(s, minus)  w = Where(e, ones, s)  y = Expand(x, w)
    }"""
    module = check(text, x=normal(3, 1), like=normal(3, 4))
    assert ops(module) == ["nn.broadcast_to"]


def test_sizes_used_as_data_are_computed_from_the_inputs() -> None:
    text = """(float[N, M] x) => (float[?, ?] y) <int64 i = {0}, int64 two = {2}> {
        r = Relu(x)  s = Shape(r)  n = Gather(s, i)  h = Div(n, two)  f = Cast<to = 1>(h)  y = Mul(r, f)
    }"""
    module = check(text, x=normal(7, 3))
    assert ops(module)[0] == "nn.dim"
    assert "nn.shape_of" not in ops(module)


@pytest.mark.parametrize(("start", "limit", "delta"), [(0, 5, 1), (2, 11, 3), (10, 0, -4), (5, 5, 1), (5, 1, 1)])
def test_ranges(start: int, limit: int, delta: int) -> None:
    given = f"<int64 a = {{{start}}}, int64 b = {{{limit}}}, int64 c = {{{delta}}}>"
    text = f"() => (int64[?] y) {given} {{ y = Range(a, b, c) }}"
    check(text)


def test_a_range_over_a_size_is_an_iota() -> None:
    text = """(float[N, M] x) => (int64[?] y) <int64 i = {1}, int64 zero = {0}, int64 one = {1}> {
        s = Shape(x)  m = Gather(s, i)  y = Range(zero, m, one)
    }"""
    module = check(text, x=normal(2, 5))
    assert ops(module) == ["nn.iota"]


def test_ranges_of_floats() -> None:
    text = "() => (float[?] y) <float a = {0.5}, float b = {2.1}, float c = {0.3}> { y = Range(a, b, c) }"
    check(text)


SLICES = [
    ("1", "3", "1", "1"), ("-2", "9223372036854775807", "1", "1"), ("0", "-1", "0", "2"), ("-1", "-100", "1", "-1"),
    ("4", "0", "0", "-2"), ("3", "2", "0", "1"), ("-100", "100", "1", "3"),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end", "axis", "step"), SLICES)
def test_slices(start: str, end: str, axis: str, step: str) -> None:
    text = (
        "(float[N, M] x) => (float[?, ?] y) "
        f"<int64[1] s = {{{start}}}, int64[1] e = {{{end}}}, int64[1] a = {{{axis}}}, int64[1] t = {{{step}}}> "
        "{ y = Slice(x, s, e, a, t) }"
    )
    check(text, x=normal(6, 5))


def test_slices_by_attributes() -> None:
    text = "(float[5, 6] x) => (float[?, ?] y) { y = Slice<axes = [1], starts = [1], ends = [-1]>(x) }"
    check(text, opset=9, x=normal(5, 6))


def test_the_last_entry_has_the_size_one() -> None:
    text = (
        "(float[N, M] x) => (float[?, ?] y) <int64[1] s = {-1}, int64[1] e = {9223372036854775807}, int64[1] a = {1}> "
    )
    assert result(text + "{ y = Slice(x, s, e, a) }") == 'tensor<?x1xf32, #kw.dims<"N">>'


def test_a_table_cut_to_a_length_keeps_the_lengths_name() -> None:
    """Positions up to 8: the sum has the length of x, and a caller may not exceed the table."""
    text = """(float[batch, seq, 4] x, float[8, 4] table) => (float[?, ?, ?] y)
    <int64 one = {1}, int64[1] axis = {0}, int64[1] zero = {0}> {
        s = Shape(x)  n = Gather(s, one)  e = Unsqueeze(n, axis)  t = Slice(table, zero, e, axis)  y = Add(x, t)
    }"""
    module = check(text, x=normal(2, 5, 4), table=normal(8, 4))
    assert str(module.main.function_type.results[0]) == 'tensor<?x?x4xf32, #kw.dims<"batch", "seq">>'
    assert [(str(e.left), str(e.right)) for e in equalities(module.main)] == [("seq", "min(seq, 8)")]
    assert Profile.of(module).range("seq").max == 8


def test_sizes_of_different_inputs_that_are_added_are_one() -> None:
    module = legalized(graph("(float[a, 3] x, float[b, 3] y) => (float[a, 3] z) { z = Add(x, y) }"))
    assert [str(arg.type) for arg in module.main.block.arguments] == ['tensor<?x3xf32, #kw.dims<"a">>'] * 2
    assert not equalities(module.main)


def test_a_profile_follows_the_sizes_that_became_one() -> None:
    module = import_model(graph("(float[a, 3] x, float[b, 3] y) => (float[a, 3] z) { z = Add(x, y) }"))
    Profile({"a": Range(1, 4, 16), "b": Range(2, 2, None)}).attach(module)
    LegalizeOnnx().run(module, PassContext())
    assert Profile.of(module).ranges == {"a": Range(2, 4, 16)}


@pytest.mark.parametrize("opset", [11, 13])
def test_squeeze_and_unsqueeze_by_attribute_and_by_input(opset: int) -> None:
    if opset == 11:
        text = "(float[N, 1, M] x) => (float[?, ?, ?] y) { a = Squeeze<axes = [-2]>(x) y = Unsqueeze<axes = [0]>(a) }"
    else:
        text = """(float[N, 1, M] x) => (float[?, ?, ?] y) <int64[1] s = {-2}, int64[1] u = {0}>
        { a = Squeeze(x, s) y = Unsqueeze(a, u) }"""
    check(text, opset=opset, x=normal(3, 1, 5))


def test_squeeze_of_all_ones() -> None:
    check("(float[1, 5, 1] x) => (float[5] y) { y = Squeeze(x) }", x=normal(1, 5, 1))


@pytest.mark.parametrize("axis", [0, 1, -1, 3])
def test_flatten(axis: int) -> None:
    check(f"(float[2, N, 5] x) => (float[?, ?] y) {{ y = Flatten<axis = {axis}>(x) }}", x=normal(2, 3, 5))


def test_split_in_equal_parts_and_by_sizes() -> None:
    check("(float[7, N] x) => (float[?, N] a, float[?, N] b) { a, b = Split<num_outputs = 2>(x) }", x=normal(7, 2))
    check("(float[6, N] x) => (float[?, N] a, float[?, N] b) { a, b = Split(x) }", opset=13, x=normal(6, 2))
    check(
        "(float[7, N] x) => (float[?, N] a, float[?, N] b) <int64[2] s = {2, 5}> { a, b = Split(x, s) }",
        opset=13,
        x=normal(7, 2),
    )


def test_concat_tile_and_transpose() -> None:
    check(
        "(float[N, 2] a, float[N, 3] b) => (float[N, 5] y) { y = Concat<axis = -1>(a, b) }",
        a=normal(4, 2),
        b=normal(4, 3),
    )
    check("(float[N, 3] x) => (float[?, 3] y) <int64[2] r = {2, 1}> { y = Tile(x, r) }", x=normal(4, 3))
    check("(float[N, 3, 2] x) => (float[2, 3, N] y) { y = Transpose(x) }", x=normal(4, 3, 2))


@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space(mode: str) -> None:
    text = f'(float[N, 12, 2, 3] x) => (float[N, 3, 4, 6] y) {{ y = DepthToSpace<blocksize = 2, mode = "{mode}">(x) }}'
    check(text, x=normal(1, 12, 2, 3))
    check(
        "(float[N, 3, 4, 6] x) => (float[N, 12, 2, 3] y) { y = SpaceToDepth<blocksize = 2>(x) }", x=normal(1, 3, 4, 6)
    )


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pads(mode: str) -> None:
    text = f'(float[3, N] x) => (float[?, ?] y) <int64[4] p = {{1, 2, 0, 3}}> {{ y = Pad<mode = "{mode}">(x, p) }}'
    check(text, x=normal(3, 5))


def test_negative_pads_cut() -> None:
    text = "(float[3, N] x) => (float[?, ?] y) <int64[4] p = {-1, 2, 0, -3}, float v = {7}> { y = Pad(x, p, v) }"
    check(text, x=normal(3, 5))
    check(
        "(float[3, 5] x) => (float[?, ?] y) { y = Pad<pads = [0, 1, 1, 0], value = 2.0>(x) }", opset=9, x=normal(3, 5)
    )


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("k", [-1, 0, 2])
def test_triangles(upper: int, k: int) -> None:
    text = f"(float[2, N, M] x) => (float[2, N, M] y) <int64 k = {{{k}}}> {{ y = Trilu<upper = {upper}>(x, k) }}"
    check(text, x=normal(2, 4, 5))


def test_a_shape_from_data_is_read() -> None:
    module = legalized(graph("(float[6] x, int64[2] s) => (float[?, ?] y) { y = Reshape<allowzero = 1>(x, s) }"))
    (read,) = (op for op in module.main.block if isinstance(op, nn.ReadSizes))
    assert read.symbols == ("run_0", "run_1")
    assert str(module.main.block.terminator.operands[0].type) == 'tensor<?x?xf32, #kw.dims<"run_0", "run_1">>'
    assert [(str(e.left), str(e.right)) for e in equalities(module.main)] == [("6", "run_0 * run_1")]


def test_sizes_of_inputs_are_not_read() -> None:
    module = legalized(
        graph(
            """(float[N, 6] x, int64[1] k) => (float[?, ?, ?] y) {
            n = Shape <end = 1> (x)  two = Constant <value_ints = [2]> ()
            s = Concat <axis = 0> (n, k, two)  y = Reshape(x, s)
        }"""
        )
    )
    (read,) = (op for op in module.main.block if isinstance(op, nn.ReadSizes))
    assert read.symbols == ("run_0",)
    assert str(module.main.block.terminator.operands[0].type) == 'tensor<?x?x2xf32, #kw.dims<"N", "run_0">>'


def test_all_unsupported_operators_are_in_one_error() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 21, "com.acme" : 1]>
        graph (float[4] x) => (float[4] y) { a = com.acme.Foo(x)  b = com.acme.Foo(a)  y = com.acme.Bar(b) }"""
    )
    with pytest.raises(CompileError) as caught:
        legalized(model)
    text = str(caught.value)
    assert "operator 'Foo' of com.acme opset 1 is not supported" in text
    assert "2 nodes: 'a', 'b'" in text
    assert "operator 'Bar' of com.acme opset 1 is not supported" in text


@pytest.mark.parametrize("condition", [0, 1])
def test_an_if_whose_condition_is_known_is_its_branch(condition: int) -> None:
    text = f"""(float[N] x) => (float[N] y) <bool c = {{{condition}}}> {{
        y = If (c) <then_branch = t () => (float[N] a) {{ a = Relu(x) }},
                    else_branch = e () => (float[N] b) {{ b = Neg(x) }}>
    }}"""
    module = check(text, x=normal(5))
    assert ops(module) == ["nn.relu" if condition else "nn.neg"]


def test_an_if_of_run_time_is_a_pair_of_regions() -> None:
    text = """(float[N] x, bool c) => (float[N] y) {
        y = If (c) <then_branch = t () => (float[N] a) { a = Relu(x) },
                    else_branch = e () => (float[N] b) { b = Neg(x) }>
    }"""
    (if_,) = (op for op in legalized(graph(text)).main.block if op.name == "nn.if")
    assert [op.name for region in if_.regions for op in region.block] == ["nn.relu", "nn.yield", "nn.neg", "nn.yield"]


LOOP = """(float[N] x) => (float[N] y, float[?, N] all) <int64 n = {%d}, bool go = {1}> {
    y, all = Loop (n, go, x) <body = b (int64 i, bool c, float[N] v) => (bool d, float[N] w, float[N] s)
        { d = Identity(c)  f = Cast<to = 1>(i)  w = Add(v, f)  s = Mul(w, w) }>
}"""


def test_a_short_loop_is_unrolled() -> None:
    module = check(LOOP % 3, x=normal(5))
    assert "nn.loop" not in ops(module)


def test_a_long_loop_is_a_region() -> None:
    module = legalized(graph(LOOP % 100))
    (loop,) = (op for op in module.main.block if op.name == "nn.loop")
    assert str(loop.results[1].type) == 'tensor<100x?xf32, #kw.dims<"N">>'


def test_a_scan_is_unrolled() -> None:
    text = """(float[2] h, float[5, 2] x) => (float[2] y, float[5, 2] ys) {
        y, ys = Scan<num_scan_inputs = 1, scan_input_directions = [1],
            body = b (float[2] s, float[2] v) => (float[2] t, float[2] o) { t = Add(s, v)  o = Identity(t) }>(h, x)
    }"""
    check(text, h=normal(2), x=normal(5, 2))


def test_one_hot_and_size() -> None:
    text = """(int64[N] i) => (float[?, ?] y) <int64 d = {4}, float[2] v = {-1, 2}> { y = OneHot<axis = 0>(i, d, v) }"""
    check(text, i=np.array([0, 3, -1, 7]))
    check("(float[N, 3] x) => (int64 y) { y = Size(x) }", x=normal(5, 3))
