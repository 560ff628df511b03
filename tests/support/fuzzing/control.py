"""Control flow: branches and loops whose bodies are small graphs that read tensors from outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from .families import family
from .graph import Graph, Tensor
from .numbers import BOOL, F32, I32, I64

_BODY = ("Relu", "Neg", "Abs", "Floor")
_INFO = helper.make_tensor_value_info


@family(since=13)
def branch(g: Graph) -> None:
    x = g.operand((F32, I32, I64), exact=True)
    y = g.new(x.dtype, x.shape)
    condition = g.given(np.array(g.chance(0.5)), BOOL, constant=0.4)
    element = helper.np_dtype_to_tensor_dtype(x.dtype)

    def body(operator: str, names: list[str]) -> onnx.GraphProto:
        result = g.fresh("b")
        node = helper.make_node(operator, names, [result])
        return helper.make_graph([node], "branch", [], [_INFO(result, element, list(x.shape))])

    bodies: dict[str, Any] = {
        "then_branch": body(g.choose(["Abs", "Neg"]), [x.name]),
        "else_branch": body("Max", [x.name, y.name]),
    }
    g.node("If", [condition], exact=True, captured=[x, y], **bodies)


@family(since=13)
def loop(g: Graph) -> None:
    """state = max(f(state), x); what the state was is stacked."""
    x = g.operand((F32, I64), exact=True, high=3)
    state = g.new(x.dtype, x.shape, 0.3)
    # The interpreters have no size for the rows that no iteration makes, where that is a symbol.
    trips = g.given(g.random.randint(1 if g.symbols else 0, 4), I64, constant=0.7)
    go_on = g.given(np.array(True), BOOL, constant=1)
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    i, c, s, c2, s2, out, f = (g.fresh("b") for _ in range(7))
    nodes = [
        helper.make_node("Identity", [c], [c2]),
        helper.make_node(g.choose(["Neg", "Abs"]), [s], [f]),
        helper.make_node("Max", [f, x.name], [s2]),
        helper.make_node("Identity", [s2], [out]),
    ]
    shape = list(x.shape)
    inputs = [_INFO(i, TensorProto.INT64, []), _INFO(c, TensorProto.BOOL, []), _INFO(s, element, shape)]
    outputs = [_INFO(c2, TensorProto.BOOL, []), _INFO(s2, element, shape), _INFO(out, element, shape)]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    g.node("Loop", [trips, go_on, state], 2, exact=True, captured=[x], body=body)


@family(since=13)
def scan(g: Graph) -> None:
    """Running extremes along the first axis."""
    x = g.operand((F32, I64), low=1, high=3, exact=True, where=lambda t: t.shape[0] > 0)
    start: Tensor = g.new(x.dtype, x.shape[1:], 0.3)
    element = helper.np_dtype_to_tensor_dtype(x.dtype)
    s, row, s2, out = (g.fresh("b") for _ in range(4))
    nodes = [helper.make_node("Max", [s, row], [s2]), helper.make_node("Neg", [s2], [out])]
    shape = list(x.shape[1:])
    inputs, outputs = ([_INFO(name, element, shape) for name in names] for names in ((s, row), (s2, out)))
    body = helper.make_graph(nodes, "body", inputs, outputs)
    directions: dict[str, Any] = {"scan_input_directions": [1]} if g.chance(0.3) else {}
    g.node("Scan", [start, x], 2, exact=True, body=body, num_scan_inputs=1, **directions)
