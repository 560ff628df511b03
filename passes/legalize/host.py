"""Nodes that no nn op expresses, as calls of the host: their text is what the runtime hands to a reference evaluator.

The text is JSON: `{"opsets": {domain: version}, "dtypes": [element types of the inputs], "graph": GRAPH}`. A GRAPH has
the names of its `inputs` and `outputs` and its `nodes`, each with `operator`, `domain`, `inputs`, `outputs` (the empty
name is an omitted one) and `attributes`: numbers and texts as they are, all else under a key that says what it is.
"""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from ...ir import symbols
from ...ir.attributes import (
    ArrayAttr,
    Attribute,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    TypeAttr,
)
from ...ir.core import Block, Operation, OpResult, Region, Value
from ...ir.dialects import host
from ...ir.dialects import onnx as dialect
from ...ir.types import NoneType, OpaqueType, TensorType, Type, none
from .registry import UnsupportedError

DOMAINS = ("ai.onnx", "ai.onnx.ml", "ai.onnx.preview.training")
"""The domains whose operators a reference evaluator has."""

FUNCTION = "onnx.node"
_LIMIT = 1 << 20
"""Bytes of a tensor in the text of a node: more is data, and not a node's attribute."""


def host_call(op: Operation, opsets: Mapping[str, int], known_symbols: AbstractSet[str], reason: str) -> host.Call:
    """A call in place of `op`, not yet in a block, with a result for each that `op` is asked for.

    Raises UnsupportedError where the host cannot run it either.
    """
    domain, _ = dialect.operator_of(op.name)
    if domain not in DOMAINS:
        raise UnsupportedError(reason)
    encoder = _Encoder()
    node = encoder.node(op)
    results = [result for result in op.results if not isinstance(result.type, NoneType)]
    graph = {
        "inputs": list(encoder.inputs.values()),
        "outputs": [encoder.names[result] for result in results],
        "nodes": [*encoder.sequences, node],
    }
    dtypes = [str(value.type.dtype) if isinstance(value.type, TensorType) else "" for value in encoder.inputs]
    text = json.dumps({"opsets": dict(opsets), "dtypes": dtypes, "graph": graph}, separators=(",", ":"))
    types = [_result_type(result.type, known_symbols) for result in results]
    return host.Call(tuple(encoder.inputs), FUNCTION, text, reason, result_types=types, location=op.location)


def _result_type(type: Type, known_symbols: AbstractSet[str]) -> Type:
    """The type that the model states, where its sizes are numbers and sizes of inputs; else a tensor of any rank."""
    shape = type.shape if isinstance(type, TensorType) else None
    if isinstance(type, TensorType) and any(symbols.free_symbols(dim) - known_symbols for dim in shape or ()):
        return TensorType(None, type.dtype)
    return type


class _Encoder:
    """Names values; those from outside the node become its inputs, in the order they are met."""

    def __init__(self) -> None:
        self.names: dict[Value, str] = {}
        self.inputs: dict[Value, str] = {}
        self.sequences: list[dict[str, Any]] = []
        """Nodes that build sequences which legalization had looked through."""
        self._numbers = itertools.count()

    def node(self, op: Operation) -> dict[str, Any]:
        domain, operator = dialect.operator_of(op.name)
        attributes = {name: _encoded(value) for name, value in op.attributes.items() if name != dialect.REGION_NAMES}
        names = op.attributes.get(dialect.REGION_NAMES)
        inputs = [self.read(value) for value in op.operands]
        if isinstance(names, ArrayAttr):
            for name, region in zip(names.values, op.regions, strict=True):
                assert isinstance(name, StringAttr)
                attributes[name.value] = {"graph": self.graph(region)}
        return {
            "operator": operator,
            "domain": "" if domain == dialect.DOMAIN else domain,
            "inputs": inputs,
            "outputs": ["" if result.type == none else self.define(result) for result in op.results],
            "attributes": attributes,
        }

    def graph(self, region: Region) -> dict[str, Any]:
        block: Block = region.block
        inputs = [self.define(argument) for argument in block.arguments]
        *inner, end = list(block)
        nodes = [self.node(op) for op in inner if not isinstance(op, dialect.NoValue)]
        return {"inputs": inputs, "outputs": [self.read(value) for value in end.operands], "nodes": nodes}

    def define(self, value: Value) -> str:
        self.names[value] = name = f"v{next(self._numbers)}"
        return name

    def read(self, value: Value) -> str:
        owner = value.op if isinstance(value, OpResult) else None
        if isinstance(owner, dialect.NoValue) or isinstance(value.type, NoneType):
            return ""
        if value in self.names:
            return self.names[value]
        if isinstance(owner, dialect.Sequence):
            inputs = [self.read(element) for element in owner.elements]
            operator = "SequenceConstruct" if inputs else "SequenceEmpty"
            name = self.define(value)
            node = {"operator": operator, "domain": "", "inputs": inputs, "outputs": [name], "attributes": {}}
            self.sequences.append(node)
            return name
        name = self.inputs[value] = self.define(value)
        return name


def _encoded(attribute: Attribute) -> Any:
    match attribute:
        case IntegerAttr() | StringAttr() | FloatAttr():
            return attribute.value
        case DenseArrayAttr():
            kind = "floats" if attribute.type.is_float else "ints"
            return {kind: [float(v) if kind == "floats" else int(v) for v in attribute.values]}
        case ArrayAttr():
            return {"strings": [v.value for v in attribute.values if isinstance(v, StringAttr)]}
        case DenseAttr() | DenseResourceAttr():
            return {"tensor": _tensor(attribute)}
        case DictAttr():  # strings, as the importer writes them
            entries = dict(attribute.items)
            shape, strings = entries["shape"], entries["strings"]
            assert isinstance(shape, DenseArrayAttr)
            return {"texts": {"shape": [int(d) for d in shape.values], **_encoded(strings)}}
        case TypeAttr():
            return {"type": _type(attribute.value)}
        case _:
            raise UnsupportedError(f"an attribute of the kind {attribute}")


def _tensor(attribute: DenseAttr | DenseResourceAttr) -> dict[str, Any]:
    array = attribute.array
    if array is None or array.nbytes > _LIMIT:
        raise UnsupportedError("a constant inside it is too large for a node of the host")
    assert isinstance(attribute.type, TensorType)
    data = base64.b64encode(array.tobytes()).decode()
    return {"dtype": str(attribute.type.dtype), "shape": list(array.shape), "data": data}


def _type(type: Type) -> list[Any]:
    """A type as a tree: `["seq", ["tensor", "f32"]]`."""
    if isinstance(type, TensorType):
        return ["tensor", str(type.dtype)]
    if isinstance(type, OpaqueType):
        return [type.name.rpartition(".")[2], *map(_type, type.parameters)]
    raise UnsupportedError(f"the type {type}")
