"""`nn` ops that are ONNX operators under another name compute what ONNX Runtime computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from nn_cases import Case
from onnx import helper

from kernelwright.ir import types
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.types import TensorType

nn: Any = dialect
Build = Callable[..., dialect.NnOp]
OPSET = 20


def onnx_results(operator: str, operands: Sequence[np.ndarray | None], attributes: dict[str, Any]) -> list[np.ndarray]:
    """What ONNX Runtime computes for a model of one node."""
    names = ["" if operand is None else f"x{i}" for i, operand in enumerate(operands)]
    given = {name: operand for name, operand in zip(names, operands, strict=True) if operand is not None}
    schema = onnx.defs.get_schema(operator, OPSET)
    outputs = [f"y{i}" for i in range(len(schema.outputs) if operator in ("LSTM", "GRU", "RNN", "TopK") else 1)]
    node = helper.make_node(operator, names, outputs, **attributes)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
        for name, a in given.items()
    ]
    results = [helper.make_empty_tensor_value_info(name) for name in outputs]
    graph = helper.make_graph([node], "one", inputs, results)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return [np.asarray(result) for result in session.run(None, given)]


def check(
    operator: str,
    build: Build,
    operands: Sequence[Any],
    attributes: dict[str, Any] | None = None,
    extra: Sequence[np.ndarray | None] = (),
    tolerance: float = 1e-5,
) -> None:
    """`extra` are inputs of the ONNX operator that are attributes or types of the `nn` op."""
    case = Case(operator, build, operands)
    arrays = case.arrays()
    given = iter(arrays)
    expected = onnx_results(
        operator, [*(None if o is None else next(given) for o in operands), *extra], attributes or {}
    )
    op = case.op(arrays)
    op.verify()
    for found, wanted in zip(op.interpret(arrays, {}), expected, strict=True):
        assert found.dtype == wanted.dtype
        np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def ints(*values: Any) -> np.ndarray:
    return np.array(values, np.int64)


def tensor(*shape: int) -> dict[str, list[TensorType]]:
    return {"result_types": [TensorType(shape, types.f32)]}


X = np.linspace(-6, 6, 101, dtype=np.float32)
UNIT = np.linspace(-1, 1, 21, dtype=np.float32)
SIGNED = ints(-7, -3, -1, 0, 1, 2, 5)
UNARY = {
    "Abs": X, "Neg": X, "Exp": X, "Log": np.abs(X), "Sqrt": np.abs(X), "Reciprocal": X[:50], "Floor": X, "Ceil": X,
    "Round": np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32), "Sign": X, "Sin": X, "Cos": X, "Tan": X,
    "Asin": UNIT, "Acos": UNIT, "Atan": X, "Sinh": X, "Cosh": X, "Tanh": X, "Asinh": X * 1e6, "Acosh": 1 + np.abs(X),
    "Atanh": UNIT, "Erf": X, "Relu": X, "Sigmoid": X * 20, "HardSigmoid": X, "HardSwish": X, "Softplus": X * 10,
    "Softsign": X, "Mish": X, "Gelu": X, "LeakyRelu": X, "Elu": X, "Selu": X, "Celu": X, "Identity": X,
}  # fmt: skip


@pytest.mark.parametrize("operator", UNARY)
def test_unary(operator: str) -> None:
    check(operator, getattr(nn, operator), [UNARY[operator]])


@pytest.mark.parametrize(
    ("operator", "attributes", "names"),
    [
        ("LeakyRelu", {"alpha": 0.3}, {"alpha": 0.3}),
        ("Elu", {"alpha": 2.0}, {"alpha": 2.0}),
        ("Celu", {"alpha": 2.0}, {"alpha": 2.0}),
        ("Selu", {"alpha": 2.0, "gamma": 3.0}, {"alpha": 2.0, "gamma": 3.0}),
        ("HardSigmoid", {"alpha": 0.5, "beta": 0.1}, {"alpha": 0.5, "beta": 0.1}),
        ("Gelu", {"approximate": "tanh"}, {"approximate": "tanh"}),
    ],
)
def test_activation_parameters(operator: str, attributes: dict[str, Any], names: dict[str, Any]) -> None:
    check(operator, lambda x: getattr(nn, operator)(x, **names), [X], attributes)


@pytest.mark.parametrize("operands", [((7, 1, 5), (3, 1)), (SIGNED[:, None], SIGNED[SIGNED != 0])])
@pytest.mark.parametrize(
    ("operator", "name", "attributes"),
    [
        ("Add", "Add", {}),
        ("Sub", "Sub", {}),
        ("Mul", "Mul", {}),
        ("Div", "Div", {}),
        ("Mod", "Fmod", {"fmod": 1}),
        ("Min", "Min", {}),
        ("Max", "Max", {}),
        ("Equal", "Eq", {}),
        ("Less", "Lt", {}),
        ("LessOrEqual", "Le", {}),
        ("Greater", "Gt", {}),
        ("GreaterOrEqual", "Ge", {}),
        ("PRelu", "Prelu", {}),
    ],
)
def test_binary(operator: str, name: str, attributes: dict[str, Any], operands: tuple[Any, Any]) -> None:
    if operator == "PRelu":
        operands = ((2, 3, 5), (3, 1))
    check(operator, getattr(nn, name), operands, attributes)


def test_mod_takes_the_sign_of_the_divisor() -> None:
    check("Mod", nn.Mod, [SIGNED[:, None], SIGNED[SIGNED != 0]])


@pytest.mark.parametrize("spatial", [1, 2, 3])
@pytest.mark.parametrize("group", [1, 2, 4])
def test_conv(spatial: int, group: int) -> None:
    strides, dilations = (2, 1, 1)[:spatial], (1, 2, 1)[:spatial]
    pads = (1, 0, 2)[:spatial] + (0, 2, 1)[:spatial]
    check(
        "Conv",
        lambda x, w, b: nn.Conv(x, w, strides, pads, dilations, b, group),
        [(2, 4, *(7, 6, 5)[:spatial]), (8, 4 // group, *(3, 2, 3)[:spatial]), (8,)],
        {"strides": strides, "pads": pads, "dilations": dilations, "group": group},
    )


@pytest.mark.parametrize("group", [1, 2])
def test_conv_transpose(group: int) -> None:
    strides, dilations, pads, output_pads = (3, 2), (1, 2), (1, 0, 0, 2), (2, 1)
    check(
        "ConvTranspose",
        lambda x, w, b: nn.ConvTranspose(x, w, strides, pads, dilations, b, group, output_pads=output_pads),
        [(2, 4, 5, 3), (4, 6 // group, 3, 2), (6,)],
        {"strides": strides, "pads": pads, "dilations": dilations, "group": group, "output_padding": output_pads},
    )


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("count", [False, True])
def test_pooling(size: int, ceil: bool, count: bool) -> None:
    parameters = {"strides": (3, 2), "pads": (1, 0, 1, 1)}
    attributes = {"kernel_shape": (3, 2), "ceil_mode": int(ceil), **parameters}
    build = {"kernel": (3, 2), "dilations": (1, 1), "ceil_mode": ceil, **parameters}
    check("MaxPool", lambda x: nn.MaxPool(x, **build), [(2, 3, size, 6)], attributes)
    check(
        "AveragePool",
        lambda x: nn.AvgPool(x, **build, count_include_pad=count),
        [(2, 3, size, 6)],
        attributes | {"count_include_pad": int(count)},
    )


def test_dilated_max_pool() -> None:
    check(
        "MaxPool",
        lambda x: nn.MaxPool(x, (3,), (2,), (2, 2), (2,)),
        [(2, 3, 11)],
        {"kernel_shape": (3,), "strides": (2,), "pads": (2, 2), "dilations": (2,)},
    )


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"])
@pytest.mark.parametrize("sizes", [(7, 3), (5, 9), (2, 1)])
def test_resize(mode: str, coordinates: str, sizes: tuple[int, int]) -> None:
    check(
        "Resize",
        lambda x: nn.Resize(x, mode, coordinates, **tensor(1, 2, *sizes)),
        [(1, 2, 5, 4)],
        {"mode": mode, "coordinate_transformation_mode": coordinates},
        [None, None, ints(1, 2, *sizes)],
        tolerance=1e-4,
    )


@pytest.mark.parametrize("rounding", ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"])
def test_resize_by_scales(rounding: str) -> None:
    check(
        "Resize",
        lambda x: nn.Resize(x, "nearest", "half_pixel", rounding, (1.0, 2.6), **tensor(2, 13)),
        [(2, 5)],
        {"mode": "nearest", "nearest_mode": rounding},
        [None, np.array([1, 2.6], np.float32)],
    )


@pytest.mark.parametrize("exclusive", [0, 1])
@pytest.mark.parametrize("reverse", [0, 1])
def test_cumsum(exclusive: int, reverse: int) -> None:
    attributes = {"exclusive": exclusive, "reverse": reverse}
    check("CumSum", lambda x: nn.CumSum(x, 1, bool(exclusive), bool(reverse)), [(3, 5)], attributes, [np.array(1)])


def test_top_k() -> None:
    x = np.array([[1, 5, 5, 2, 5], [0, 0, -1, 3, 0]], np.float32)
    check("TopK", lambda x: nn.TopK(x, 3, 1), [x], {"axis": 1}, [ints(3)])
    check("TopK", lambda x: nn.TopK(x, 3, 1, False), [x], {"axis": 1, "largest": 0}, [ints(3)])


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("last", [0, 1])
def test_places_of_extrema(operator: str, last: int) -> None:
    x = np.array([[3, 1, 3, 1], [2, 2, 2, 2]], np.float32)
    attributes = {"axis": 1, "keepdims": 1, "select_last_index": last}
    check(operator, lambda x: getattr(nn, operator)(x, 1, True, bool(last)), [x], attributes)


@pytest.mark.parametrize(
    ("operator", "kind"),
    [("ReduceSum", "add"), ("ReduceMean", "mean"), ("ReduceMax", "max"), ("ReduceMin", "min"), ("ReduceProd", "mul")],
)
def test_reductions(operator: str, kind: str) -> None:
    check(operator, lambda x: nn.Reduce(x, kind, (0, 2)), [(3, 5, 7)], {"keepdims": 0}, [ints(0, 2)])


@pytest.mark.parametrize("how", ["none", "add", "mul", "min", "max"])
def test_scatter(how: str) -> None:
    elements = [(3, 5), ints([4, -5, 1], [0, 2, 3]), (2, 3)]
    check("ScatterElements", lambda *o: nn.ScatterElements(*o, 1, how), elements, {"axis": 1, "reduction": how})
    parts = [(3, 5, 2), ints([2, 4], [0, 1], [2, 3]), (3, 2)]
    check("ScatterND", lambda *o: nn.ScatterNd(*o, how), parts, {"reduction": how})


def test_gather() -> None:
    check("Gather", lambda x, i: nn.Gather(x, i, 1), [(3, 5, 2), ints([4, -1], [0, 2])], {"axis": 1})
    elements = [(3, 5), ints([4, -1], [0, 2])]
    check("GatherElements", lambda x, i: nn.GatherElements(x, i, 1), elements, {"axis": 1})
    check("GatherND", nn.GatherNd, [(3, 5, 2), ints([2, 4], [0, -1])])
    check("GatherND", lambda x, i: nn.GatherNd(x, i, 1), [(3, 5, 2), ints([[4]], [[-1]], [[1]])], {"batch_dims": 1})


@pytest.mark.parametrize("mode", ["constant", "edge", "reflect", "wrap"])
def test_pad(mode: str) -> None:
    value = [np.array(-1.5, np.float32)] if mode == "constant" else []
    check("Pad", lambda x: nn.Pad(x, (2, 0), (1, 3), mode, -1.5), [(3, 5)], {"mode": mode}, [ints(2, 0, 1, 3), *value])


def test_normalizations() -> None:
    check("Softmax", lambda x: nn.Softmax(x, 1), [(3, 7, 2)], {"axis": 1})
    check("LogSoftmax", lambda x: nn.LogSoftmax(x, 1), [(3, 7, 2)], {"axis": 1})
    vectors = [(7, 5), (7, 5)]
    check("LayerNormalization", lambda *o: nn.LayerNorm(*o, 1), [(3, 7, 5), *vectors], {"axis": 1})
    check("InstanceNormalization", nn.InstanceNorm, [(2, 3, 7), (3,), (3,)])
    check("LRN", lambda x: nn.Lrn(x, 3, 0.3, 0.75, 2.0), [(2, 7, 3, 3)], {"size": 3, "alpha": 0.3, "bias": 2.0})
    positive = np.linspace(0.5, 2, 7, dtype=np.float32)
    check("BatchNormalization", nn.BatchNorm, [(2, 7, 3), (7,), (7,), (7,), positive])


RECURRENT = {"RNN": ("Rnn", 1), "GRU": ("Gru", 3), "LSTM": ("Lstm", 4)}


def recurrent_operands(gates: int, directions: int, lengths: np.ndarray | None, full: bool) -> list[Any]:
    hidden, batch = 4, 2
    operands: list[Any] = [(5, batch, 3), (directions, gates * hidden, 3), (directions, gates * hidden, hidden)]
    if not full:
        return operands
    operands += [(directions, 2 * gates * hidden), lengths, (directions, batch, hidden)]
    return operands + ([(directions, batch, hidden), (directions, 3 * hidden)] if gates == 4 else [])


def lstm_operands(name: str, operands: Sequence[Any], **attributes: Any) -> dialect.NnOp:
    first, states = operands[:6], operands[6:]
    return getattr(nn, name)(*first, **dict(zip(("initial_c", "peepholes"), states, strict=False)), **attributes)


@pytest.mark.parametrize("operator", RECURRENT)
@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize("full", [False, True])
def test_recurrent(operator: str, direction: str, full: bool) -> None:
    name, gates = RECURRENT[operator]
    lengths = np.array([5, 3], np.int32)
    operands = recurrent_operands(gates, 2 if direction == "bidirectional" else 1, lengths, full)
    attributes = {"hidden_size": 4, "direction": direction}
    check(operator, lambda *o: lstm_operands(name, o, direction=direction), operands, attributes)


@pytest.mark.parametrize("operator", RECURRENT)
def test_recurrent_activations_and_clip(operator: str) -> None:
    name, gates = RECURRENT[operator]
    functions = ["HardSigmoid", "LeakyRelu", "Softsign"][-1 if gates == 1 else 0 : (2 if gates == 3 else 3)]
    ours = {"HardSigmoid": "hard_sigmoid(0.3,0.4)", "LeakyRelu": "leaky_relu(0.2)", "Softsign": "softsign"}
    parameters = {"activation_alpha": [0.3, 0.2], "activation_beta": [0.4]} if gates > 1 else {}
    attributes = {"hidden_size": 4, "clip": 0.5, "activations": functions, **parameters}
    operands = recurrent_operands(gates, 1, None, True)
    activations = tuple(ours[f] for f in functions)
    check(operator, lambda *o: lstm_operands(name, o, clip=0.5, activations=activations), operands, attributes)


def test_gru_with_the_reset_after_the_product() -> None:
    operands = recurrent_operands(3, 1, None, True)
    attributes = {"hidden_size": 4, "linear_before_reset": 1}
    check("GRU", lambda *o: nn.Gru(*o, linear_before_reset=True), operands, attributes)


def test_lstm_with_coupled_gates() -> None:
    operands = recurrent_operands(4, 1, None, False)
    attributes = {"hidden_size": 4, "input_forget": 1}
    check("LSTM", lambda *o: nn.Lstm(*o, input_forget=True), operands, attributes)
