"""The host function `onnx.node`: nodes that no kernel does, run by ONNX's reference evaluator."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.reference
from onnx import helper

from ...ir.types import SCALARS
from ...runtime.errors import HostFunctionError
from ...runtime.host import host_function


@host_function("onnx.node")
def run_node(inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray], attributes: Mapping[str, Any]) -> None:
    """Evaluate the node that `attributes["arguments"]` describes (passes/legalize/host.py has the form).

    Raises HostFunctionError for a result whose shape is not the one that the model states.
    """
    node = json.loads(attributes["arguments"])
    values = [_value(array, dtype) for array, dtype in zip(inputs, node["dtypes"], strict=True)]
    evaluator = _evaluator(attributes["arguments"], tuple(map(_signature, values)))
    results = evaluator.run(None, dict(zip(node["graph"]["inputs"], values, strict=True)))
    for place, result in zip(outputs, results, strict=True):
        if place.dtype == object:
            place[()] = np.array(result) if isinstance(result, np.ndarray) else result  # it may be the input itself
            continue
        place[...] = _shaped(np.asarray(result), place.shape).astype(place.dtype, copy=False)


def _shaped(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """`array` in the shape the model states: the evaluator's loops stack scalars as rows of one element."""
    if [d for d in array.shape if d != 1] == [d for d in shape if d != 1]:
        return array.reshape(shape)
    raise HostFunctionError(f"a result has the shape {list(array.shape)} where the model states {list(shape)}")


def _value(array: np.ndarray, dtype: str) -> Any:
    """What the evaluator takes: an object itself, a tensor in its own type."""
    if array.dtype == object and array.ndim == 0:
        return array[()]
    wanted = SCALARS[dtype].numpy
    return array if array.dtype == wanted else array.astype(wanted)


def _signature(value: Any) -> tuple[np.dtype, int] | None:
    return (value.dtype, value.ndim) if isinstance(value, np.ndarray) else None


@functools.lru_cache(maxsize=256)
def _evaluator(text: str, signatures: tuple[tuple[np.dtype, int] | None, ...]) -> onnx.reference.ReferenceEvaluator:
    """The evaluator of a node for inputs of these types, which some operators' definitions depend on."""
    node = json.loads(text)
    graph = _graph(node["graph"])
    for value, signature in zip(graph.input, signatures, strict=True):
        if signature is not None:
            data_type = _data_type(signature[0])
            value.CopyFrom(helper.make_tensor_value_info(value.name, data_type, [None] * signature[1]))
    opsets = [helper.make_opsetid(_domain(domain), version) for domain, version in node["opsets"].items()]
    return onnx.reference.ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))


def _data_type(dtype: np.dtype) -> int:
    return onnx.TensorProto.STRING if dtype.kind in "OUS" else helper.np_dtype_to_tensor_dtype(dtype)


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _graph(graph: Mapping[str, Any]) -> onnx.GraphProto:
    inputs, outputs = ([onnx.ValueInfoProto(name=name) for name in graph[key]] for key in ("inputs", "outputs"))
    return helper.make_graph([_node(node) for node in graph["nodes"]], "node", inputs, outputs)


def _node(node: Mapping[str, Any]) -> onnx.NodeProto:
    proto = helper.make_node(node["operator"], node["inputs"], node["outputs"], domain=node["domain"])
    for name, value in node["attributes"].items():
        proto.attribute.append(_attribute(name, value))
    return proto


def _attribute(name: str, value: Any) -> onnx.AttributeProto:
    if not isinstance(value, dict):
        return helper.make_attribute(name, value)
    ((kind, content),) = value.items()
    match kind:
        case "ints":
            return helper.make_attribute(name, content, attr_type=onnx.AttributeProto.INTS)
        case "floats":
            return helper.make_attribute(name, content, attr_type=onnx.AttributeProto.FLOATS)
        case "strings":
            return helper.make_attribute(name, content, attr_type=onnx.AttributeProto.STRINGS)
        case "graph":
            return helper.make_attribute(name, _graph(content))
        case "type":
            return helper.make_attribute(name, _type(content))
        case "texts":
            texts = np.array(content["strings"], object).reshape(content["shape"])
            return helper.make_attribute(name, onnx.numpy_helper.from_array(texts))
        case _:
            dtype = SCALARS[content["dtype"]].numpy
            array = np.frombuffer(base64.b64decode(content["data"]), dtype).reshape(content["shape"])
            return helper.make_attribute(name, onnx.numpy_helper.from_array(array))


def _type(tree: Sequence[Any]) -> onnx.TypeProto:
    kind, *parameters = tree
    if kind == "tensor":
        dtype = parameters[0]
        data_type = _data_type(SCALARS[dtype].numpy) if dtype in SCALARS else onnx.TensorProto.STRING
        return helper.make_tensor_type_proto(data_type, None)
    make = helper.make_sequence_type_proto if kind == "seq" else helper.make_optional_type_proto
    return make(_type(parameters[0]))
