"""Importing: what arrives in the onnx dialect, and what users read when a file cannot be imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.helper
import onnx.numpy_helper
import pytest
from onnx_graphs import compare, expected, graph, legalized, normal

from kernelwright.compiler.onnx import import_model
from kernelwright.ir.attributes import DenseAttr, DenseResourceAttr, StringAttr
from kernelwright.ir.core import Operation
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects import onnx as dialect
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.equality import equal
from kernelwright.ir.interpreter import Interpreter
from kernelwright.ir.parser import parse
from kernelwright.ir.verify import verify


def only(module: Module, name: str) -> Operation:
    (found,) = (op for op in module.walk() if op.name == name)
    return found


def test_a_node_is_an_op_with_its_attributes_and_name() -> None:
    model = graph("(float[N, 3, 8, 8] x, float[4, 3, 3, 3] w) => (float[N, 4, 8, 8] y) "
                  "{ y = Conv<pads = [1, 1, 1, 1], auto_pad = \"NOTSET\">(x, w) }")  # fmt: skip
    model.graph.node[0].name = "conv1"
    module = import_model(model)
    verify(module)
    conv = only(module, "onnx.Conv")
    assert conv.location.names == ("conv1",)
    assert str(conv.attributes["pads"]) == "array<i64: 1, 1, 1, 1>"
    assert str(conv.result.type) == 'tensor<?x4x8x8xf32, #kw.dims<"N">>'
    assert dialect.opsets(module) == {"ai.onnx": 21}


def test_the_names_of_inputs_and_outputs_are_kept() -> None:
    main = import_model(graph('(float[2] "a/b") => (float[2] "c.d") { "c.d" = Relu("a/b") }')).main
    assert main.arg_attrs is not None and main.res_attrs is not None
    assert dict(main.arg_attrs[0].items)["kw.name"] == StringAttr("a/b")
    assert dict(main.res_attrs[0].items)["kw.name"] == StringAttr("c.d")


def test_small_constants_are_inline_and_large_ones_resources() -> None:
    module = import_model(
        graph(
            "(float[20] x) => (float[20] y) <float[1] one = {1}, float[20] w = {" + ", ".join(["2"] * 20) + "}> "
            "{ z = Mul(x, w) y = Add(z, one) }"
        )
    )
    values = [op.attributes["value"] for op in module.main.block if op.name == dialect.CONSTANT]
    assert sorted(type(v).__name__ for v in values) == [DenseAttr.__name__, DenseResourceAttr.__name__]
    assert len(module.main.block.arguments) == 1


def test_an_input_with_an_initializer_is_a_constant() -> None:
    model = graph("(float[2] x, float[2] w) => (float[2] y) { y = Mul(x, w) }")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([3, 4], np.float32), "w"))
    module = import_model(model)
    assert [a.name for a in module.main.block.arguments] == ["x"]


def test_an_omitted_input_has_the_type_none() -> None:
    module = import_model(graph("(float[3] x, float high) => (float[3] y) { y = Clip(x, , high) }"))
    clip = only(module, "onnx.Clip")
    assert [str(v.type) for v in clip.operands] == ["tensor<3xf32>", "none", "tensor<f32>"]


def test_the_text_of_an_imported_module_reads_back_equal() -> None:
    model = graph("(float[N, 3] x, bool c) => (float[N, 3] y) "
                  "{ y = If (c) <then_branch = t () => (float[N, 3] a) { a = Relu(x) }, "
                  "else_branch = e () => (float[N, 3] b) { b = Neg(x) }> }")  # fmt: skip
    module = import_model(model)
    again = parse(str(module))
    assert equal(module, again)
    branches = only(module, "onnx.If")
    assert [op.name for region in branches.regions for op in region.block] == [
        "onnx.Neg", "onnx.yield", "onnx.Relu", "onnx.yield",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "dtype", ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "INT4", "UINT4", "FLOAT16", "UINT64", "BOOL"]
)
def test_initializers_of_every_kind_of_element(dtype: str) -> None:
    number = getattr(onnx.TensorProto, dtype)
    values = np.array([[0, 1, 1], [1, 0, 1]]).astype(onnx.helper.tensor_dtype_to_np_dtype(number))
    tensor = onnx.numpy_helper.from_array(values, "w")
    assert tensor.data_type == number
    body = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["w"], ["y"])],
        "g",
        [],
        [onnx.helper.make_tensor_value_info("y", number, [2, 3])],
        [tensor],
    )
    model = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", 21)])
    (found,) = Interpreter(legalized(model)).run({})
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found.astype(np.float32), values.astype(np.float32))


def test_strings_are_kept_in_the_text() -> None:
    model = graph('(float[2] x) => (float[2] y) { s = Constant<value_strings = ["a", "b\\"c"]>() y = Relu(x) }')
    assert r'strings = ["a", "b\22c"]' in str(import_model(model))


# Dimensions


def test_names_of_dimensions_become_identifiers() -> None:
    model = graph("(float[N] x) => (float[N] y) { y = Relu(x) }")
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch size*"
    assert str(import_model(model).main.block.arguments[0].type) == 'tensor<?xf32, #kw.dims<"batch_size">>'


def test_names_that_would_collide_are_numbered() -> None:
    model = graph("(float[a, b, lambda] x) => (float[a, b, lambda] y) { y = Relu(x) }")
    for dim, name in zip(model.graph.input[0].type.tensor_type.shape.dim, ["a b", "a-b", "lambda"], strict=True):
        dim.dim_param = name
    assert str(import_model(model).main.block.arguments[0].type).endswith('#kw.dims<"a_b", "a_b_2", "lambda_">>')


def test_open_dimensions_are_named_after_their_input() -> None:
    module = import_model(graph("(float[?, 3] x) => (float[?, 3] y) { y = Relu(x) }"))
    assert 'tensor<?x3xf32, #kw.dims<"x_d0">>' in str(module.main.block.arguments[0].type)


def test_an_expression_over_known_names_stays_one() -> None:
    model = graph("(float[past] x, float[total] z) => (float[past] y) { y = Relu(x) }")
    model.graph.input[1].type.tensor_type.shape.dim[0].dim_param = "past + 1"
    assert str(import_model(model).main.block.arguments[1].type) == 'tensor<?xf32, #kw.dims<"past + 1">>'


def test_given_shapes_fix_a_name_everywhere() -> None:
    model = graph("(float[N, M] x, float[N] z) => (float[N, M] y) { y = Relu(x) }")
    main = import_model(model, shapes={"x": (2, "width")}).main
    assert [str(a.type) for a in main.block.arguments] == ['tensor<2x?xf32, #kw.dims<"width">>', "tensor<2xf32>"]
    assert str(main.function_type.results[0]) == 'tensor<2x?xf32, #kw.dims<"width">>'


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"y": (1, 2)}, "the model has no input 'y'; did you mean"),
        ({"xx": (1, 2)}, "the model has no input 'xx'; did you mean 'x'?"),
        ({"x": (1, 2, 3)}, "input 'x' has 2 dimensions (Nx3) and the given shape 3 (1x2x3)"),
        ({"x": (1, 2)}, "input 'x' has the fixed size 3 in dimension 1; the given shape says 2"),
        ({"x": (1, 3), "z": (2,)}, "the given shapes make 'N' both 1 and 2"),
    ],
)
def test_given_shapes_that_do_not_fit(shapes: dict[str, tuple[int, ...]], message: str) -> None:
    model = graph("(float[N, 3] x, float[N] z) => (float[N, 3] y) { y = Relu(x) }")
    with pytest.raises(CompileError) as caught:
        import_model(model, shapes=shapes)
    assert message.partition("; did you mean")[0] in str(caught.value)


# Files


def save(model: onnx.ModelProto, folder: Path, **options: object) -> Path:
    path = folder / "model.onnx"
    onnx.save(model, path, **options)  # type: ignore[arg-type]
    return path


def weighted() -> onnx.ModelProto:
    """x @ w with a weight of 4 KiB."""
    model = graph("(float[N, 32] x, float[32, 32] w) => (float[N, 32] y) { y = MatMul(x, w) }")
    del model.graph.input[1]
    model.graph.initializer.append(onnx.numpy_helper.from_array(normal(32, 32), "w"))
    return model


def external(folder: Path) -> Path:
    return save(
        weighted(), folder, save_as_external_data=True, all_tensors_to_one_file=True, location="w.bin", size_threshold=0
    )


def base_of(array: np.ndarray) -> object:
    while isinstance(array.base, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return array


def test_external_data_is_mapped(tmp_path: Path) -> None:
    module = import_model(external(tmp_path))
    (weight,) = (op.attributes["value"] for op in module.main.block if op.name == dialect.CONSTANT)
    assert isinstance(weight, DenseResourceAttr) and weight.array is not None
    assert isinstance(base_of(weight.array), np.memmap)
    np.testing.assert_array_equal(weight.array, normal(32, 32))


def missing(path: Path) -> None:
    (path.parent / "w.bin").unlink()


def cut(path: Path) -> None:
    data = path.parent / "w.bin"
    data.write_bytes(data.read_bytes()[:-8])


def escaping(path: Path) -> None:
    model = onnx.load(path, load_external_data=False)
    model.graph.initializer[0].external_data[0].value = "../w.bin"
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (missing, "tensor 'w' keeps its data in 'w.bin', which is missing; put the file beside the model"),
        (cut, "tensor 'w' needs 4096 bytes at offset 0 of"),
        (escaping, "tensor 'w' keeps its data in '../w.bin', which is outside the model's folder"),
    ],
)
def test_damaged_external_data(tmp_path: Path, damage: Callable[[Path], None], message: str) -> None:
    path = external(tmp_path)
    damage(path)
    with pytest.raises(CompileError) as caught:
        import_model(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_truncated_file(tmp_path: Path) -> None:
    path = save(weighted(), tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CompileError, match=r"model.onnx' is not an ONNX model, or is truncated"):
        import_model(path)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\x89PNG\r\n\x1a\n" + bytes(64)])
def test_a_file_that_is_no_model(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(CompileError, match="is not an ONNX model"):
        import_model(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match=r"there is no file '.*none.onnx'"):
        import_model(tmp_path / "none.onnx")


def test_a_graph_that_the_checker_rejects() -> None:
    model = graph("(float[3] x) => (float[3] y) { y = Relu(x) }")
    model.graph.node[0].input[0] = "nowhere"
    with pytest.raises(CompileError, match=r"not a valid ONNX model.*nowhere"):
        import_model(model)


def test_unknown_operators_are_all_named() -> None:
    model = graph("(float[3] x) => (float[3] y) { a = Relux(x) b = Relux(a) y = Foo(b) }")
    with pytest.raises(CompileError) as caught:
        import_model(model)
    text = str(caught.value)
    assert "uses 'Relux', which ai.onnx opset 21 lacks; did you mean 'Relu'?" in text
    assert "2 nodes: 'a', 'b'" in text
    assert "uses 'Foo'" in text


def test_opsets_newer_than_onnx_are_refused() -> None:
    model = graph("(float[3] x) => (float[3] y) { y = Relu(x) }")
    model.opset_import[0].version = 9999
    with pytest.raises(CompileError, match="upgrade onnx"):
        import_model(model)


def test_opsets_before_the_oldest_are_converted() -> None:
    model = graph("(float[2, 3] x) => (float[2, 3] y) { y = BatchNormalization <is_test = 1> (x, a, b, c, d) }")
    model.graph.initializer.extend(onnx.numpy_helper.from_array(np.ones(3, np.float32), name) for name in "abcd")
    model.opset_import[0].version = 6
    module = import_model(model)
    assert dialect.opsets(module)[dialect.DOMAIN] == 7
    (op,) = (op for op in module.main.block if op.name == "onnx.BatchNormalization")
    assert "is_test" not in op.attributes


def test_what_the_converter_cannot_convert_is_told_as_too_old() -> None:
    model = graph("(float[3] x) => (float[3] y) { y = Upsample <scales = [2.0]> (x) }")
    model.opset_import[0].version = 1
    with pytest.raises(CompileError, match="7 is the oldest supported"):
        import_model(model)


def test_large_weights_stay_in_the_file(tmp_path: Path) -> None:
    path = save(weighted(), tmp_path)
    module = import_model(path)
    (weight,) = (op.attributes["value"] for op in module.main.block if op.name == dialect.CONSTANT)
    assert isinstance(weight, DenseResourceAttr) and weight.array is not None
    assert isinstance(base_of(weight.array), np.memmap)
    np.testing.assert_array_equal(weight.array, normal(32, 32))


def test_a_weight_whose_data_does_not_fit_its_shape(tmp_path: Path) -> None:
    model = weighted()
    model.graph.initializer[0].dims[0] = 33
    with pytest.raises(
        CompileError, match=r"tensor 'w' has 4096 bytes of data where its shape \[33, 32\] of float32 needs"
    ):
        import_model(save(model, tmp_path))


def test_every_truncation_is_an_error(tmp_path: Path) -> None:
    path = save(weighted(), tmp_path)
    content = path.read_bytes()
    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CompileError):
            import_model(path)


# Functions


def test_local_functions_are_inlined() -> None:
    model = onnx.parser.parse_model(
        """<ir_version: 10, opset_import: ["" : 21, "local" : 1]>
        graph (float[N] x) => (float[N] y) { y = local.twice_relu(x) }
        <domain: "local", opset_import: ["" : 21]>
        twice_relu (a) => (b) { c = Relu(a) b = Add(c, c) }"""
    )
    module = compare(model, {"x": normal(5)})
    assert [op.name for op in module.main.block] == ["nn.relu", "nn.add", "func.return"]


def test_operators_defined_by_others_are_expanded() -> None:
    """NegativeLogLikelihoodLoss has no legalization of its own."""
    model = graph(
        '(float[N, C] x, int64[N] t) => (float y) { y = NegativeLogLikelihoodLoss<reduction = "mean">(x, t) }'
    )
    inputs = {"x": normal(5, 3), "t": np.array([0, 2, 1, 1, 0])}
    module = legalized(model)
    (found,) = Interpreter(module).run(inputs)
    np.testing.assert_allclose(found, expected(model, inputs)[0], rtol=1e-5)
