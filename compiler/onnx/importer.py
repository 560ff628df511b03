"""ONNX models as modules of the `onnx` dialect, one op a node."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import onnx
import onnx.helper

from ...ir.attributes import (
    ArrayAttr,
    Attribute,
    DenseArrayAttr,
    DictAttr,
    FloatAttr,
    IntegerAttr,
    StringAttr,
    TypeAttr,
)
from ...ir.core import Block, Operation, Region, Value
from ...ir.diagnostics import CompileError, Diagnostic
from ...ir.dialects import onnx as dialect
from ...ir.dialects.builtin import Func, Module, Return, function
from ...ir.location import Location
from ...ir.strings import as_identifier
from ...ir.symbols import Dim
from ...ir.types import TensorType, Type, f32, i64, none
from .expand import expand_functions
from .model import Model, Source, infer_shapes, read_model
from .schemas import node_name, opset_versions
from .shapes import Shapes, SymbolTable, input_shapes
from .tensors import array_of, constant_attribute, dense_of, element_type, type_of

Scope = dict[str, Value]


def import_model(source: Source, shapes: Shapes | None = None) -> Module:
    """The module of an ONNX model: a path, the bytes of a file or a `ModelProto`; opset 7 to the newest known.

    `shapes` fixes or names dimensions of inputs that the model leaves open: `{"x": (1, 3, "height", "width")}`. Named
    dimensions of the model become symbols; other open dimensions are named after their input. Operators that only
    their definition by other operators makes known to legalization are expanded. Raises CompileError, naming file and
    node, for what is not a valid model.
    """
    model = read_model(source)
    return _Importer(model).run(shapes or {})


class _Importer:
    def __init__(self, model: Model) -> None:
        self.model = model
        self.table = SymbolTable()
        self.types: dict[str, Type] = {}
        self.resources: set[str] = set()
        self.absent: dict[Block, Value] = {}

    def run(self, shapes: Shapes) -> Module:
        inputs = [v for v in self.model.graph.input if v.name not in self.model.weights]
        dims = input_shapes(inputs, self.table, shapes)
        _write_shapes(self.model, dims)
        infer_shapes(self.model)
        expand_functions(self.model)
        for value in (*self.model.graph.value_info, *self.model.graph.output):
            self.types[value.name] = self.type_of(value.type)
        module = Module.empty(self.model.name or None)
        module.attributes[dialect.OPSETS] = dialect.opsets_attribute(opset_versions(self.model.proto))
        module.block.append(self.main(inputs, dims))
        return module

    def main(self, inputs: Sequence[onnx.ValueInfoProto], dims: dict[str, tuple[Dim, ...]]) -> Func:
        types = [self.input_type(value, dims) for value in inputs]
        main = function("main", types)
        scope: Scope = {}
        for value, argument in zip(inputs, main.block.arguments, strict=True):
            argument.name = value.name
            scope[value.name] = argument
        for name, array in self.model.weights.items():
            scope[name] = self.constant(main.block, array, name)
        results = self.graph(self.model.graph, main.block, scope)
        main.block.append(Return(tuple(results)))
        main.arg_attrs = tuple(_named(value.name) for value in inputs)
        main.res_attrs = tuple(_named(value.name) for value in self.model.graph.output)
        main.update_type()
        return main

    def graph(self, graph: onnx.GraphProto, block: Block, scope: Scope) -> list[Value]:
        """Append the nodes of `graph`; returns its outputs."""
        for node in graph.node:
            self.node(node, block, scope)
        return [self.read(scope, value.name, graph.name) for value in graph.output]

    def subgraph(self, graph: onnx.GraphProto, outer: Scope) -> Region:
        """A region whose block takes the graph's inputs and yields its outputs; it may use values from outside."""
        scope = dict(outer)
        block = Block()
        region = Region(block)
        for value in (*graph.value_info, *graph.output):
            self.types[value.name] = self.type_of(value.type)
        constants = {tensor.name: array_of(tensor, self.model.folder) for tensor in graph.initializer}
        constants |= {s.values.name: dense_of(s, self.model.folder) for s in graph.sparse_initializer}
        for value in graph.input:
            if value.name not in constants:
                scope[value.name] = block.add_argument(self.type_of(value.type), value.name)
        for name, array in constants.items():
            scope[name] = self.constant(block, array, name)
        block.append(dialect.Yield(tuple(self.graph(graph, block, scope))))
        return region

    def node(self, node: onnx.NodeProto, block: Block, scope: Scope) -> None:
        location = Location((node_name(node),))
        operands = [self.read(scope, name, location.names[0]) if name else self.no_value(block) for name in node.input]
        attributes: dict[str, Attribute] = {}
        regions: dict[str, Region] = {}
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                regions[attribute.name] = self.subgraph(attribute.g, scope)
            elif attribute.type == onnx.AttributeProto.GRAPHS:
                regions |= {f"{attribute.name}.{i}": self.subgraph(g, scope) for i, g in enumerate(attribute.graphs)}
            else:
                attributes[attribute.name] = self.attribute(attribute, node)
        if regions:
            regions = dict(sorted(regions.items()))
            attributes[dialect.REGION_NAMES] = ArrayAttr(tuple(map(StringAttr, regions)))
        if (array := self.constant_of(node, attributes)) is not None:
            scope[node.output[0]] = self.constant(block, array, node.output[0], location)
            return
        types = [self.types.get(name, dialect.unknown) if name else none for name in node.output]
        name = dialect.op_name(node.domain, node.op_type)
        op = Operation(name, operands, types, attributes, list(regions.values()), location)
        block.append(op)
        scope.update((name, result) for name, result in zip(node.output, op.results, strict=True) if name)

    def read(self, scope: Scope, name: str, place: str) -> Value:
        value = scope.get(name)
        if value is None:
            raise CompileError(Diagnostic(f"'{place}' reads '{name}', which nothing before it computes"))
        return value

    def no_value(self, block: Block) -> Value:
        """The `none` of a block; made once, at its start."""
        if block not in self.absent:
            op = dialect.NoValue()
            if block.first is None:
                block.append(op)
            else:
                block.insert_before(op, block.first)
            self.absent[block] = op.result
        return self.absent[block]

    def constant(self, block: Block, array: np.ndarray, name: str, location: Location | None = None) -> Value:
        attribute = constant_attribute(array, self.resource(name))
        op = Operation(
            dialect.CONSTANT, (), [type_of(array)], {"value": attribute}, location=location or Location((name,))
        )
        block.append(op)
        return op.result

    def resource(self, name: str) -> str:
        """`name` as an identifier, with a number where a resource has it already (graphs may shadow names)."""
        stem = candidate = as_identifier(name)
        count = 1
        while candidate in self.resources:
            count += 1
            candidate = f"{stem}_{count}"
        self.resources.add(candidate)
        return candidate

    def constant_of(self, node: onnx.NodeProto, attributes: dict[str, Attribute]) -> np.ndarray | None:
        """The elements of a Constant node, whichever of its attributes holds them."""
        if node.op_type != "Constant" or node.domain not in ("", dialect.DOMAIN) or len(node.attribute) != 1:
            return None
        value = node.attribute[0]
        match value.name:
            case "value":
                return array_of(value.t, self.model.folder)
            case "sparse_value":
                return dense_of(value.sparse_tensor, self.model.folder)
            case "value_float" | "value_floats":
                return np.array(onnx.helper.get_attribute_value(value), np.float32)
            case "value_int" | "value_ints":
                return np.array(onnx.helper.get_attribute_value(value), np.int64)
            case "value_string" | "value_strings":
                texts = [value.s] if value.name == "value_string" else list(value.strings)
                array = np.array([text.decode(errors="replace") for text in texts], object)
                return array.reshape(()) if value.name == "value_string" else array
            case _:
                return None

    def attribute(self, attribute: onnx.AttributeProto, node: onnx.NodeProto) -> Attribute:
        kinds = onnx.AttributeProto
        match attribute.type:
            case kinds.FLOAT:
                return FloatAttr(attribute.f, f32)
            case kinds.FLOATS:
                return DenseArrayAttr(f32, tuple(attribute.floats))
            case kinds.INT:
                return IntegerAttr(attribute.i)
            case kinds.INTS:
                return DenseArrayAttr(i64, tuple(attribute.ints))
            case kinds.STRING:
                return StringAttr(attribute.s.decode(errors="backslashreplace"))
            case kinds.STRINGS:
                return ArrayAttr(tuple(StringAttr(s.decode(errors="backslashreplace")) for s in attribute.strings))
            case kinds.TENSOR:
                return self.tensor_attribute(array_of(attribute.t, self.model.folder), attribute, node)
            case kinds.SPARSE_TENSOR:
                return self.tensor_attribute(dense_of(attribute.sparse_tensor, self.model.folder), attribute, node)
            case kinds.TYPE_PROTO:
                return TypeAttr(self.type_of(attribute.tp))
            case _:
                kind = kinds.AttributeType.Name(attribute.type)
                raise CompileError(
                    f"attribute '{attribute.name}' of '{node_name(node)}' has the unsupported kind {kind}"
                )

    def tensor_attribute(self, array: np.ndarray, attribute: onnx.AttributeProto, node: onnx.NodeProto) -> Attribute:
        return constant_attribute(array, self.resource(f"{node_name(node)}.{attribute.name}"))

    def input_type(self, value: onnx.ValueInfoProto, dims: dict[str, tuple[Dim, ...]]) -> Type:
        if value.name not in dims:
            return self.type_of(value.type)
        return TensorType(dims[value.name], element_type(value.type.tensor_type.elem_type))

    def type_of(self, proto: onnx.TypeProto) -> Type:
        """The type that ONNX states; an unranked tensor where it knows no shape."""
        match proto.WhichOneof("value"):
            case "tensor_type":
                if not proto.tensor_type.elem_type:
                    return dialect.unknown
                return TensorType(self.dims(proto.tensor_type), element_type(proto.tensor_type.elem_type))
            case "sequence_type":
                return dialect.sequence(self.type_of(proto.sequence_type.elem_type))
            case "optional_type":
                return dialect.optional(self.type_of(proto.optional_type.elem_type))
            case "map_type":
                key = TensorType((), element_type(proto.map_type.key_type))
                return dialect.mapping(key, self.type_of(proto.map_type.value_type))
            case _:
                return dialect.unknown

    def dims(self, tensor: onnx.TypeProto.Tensor) -> tuple[Dim, ...] | None:
        if not tensor.HasField("shape"):
            return None
        dims: list[Dim] = []
        for dim in tensor.shape.dim:
            if dim.HasField("dim_value"):
                dims.append(dim.dim_value)
            elif dim.dim_param:
                dims.append(self.table.dim(dim.dim_param))
            else:
                return None  # an unnamed size of an intermediate value says nothing worth a symbol
        return tuple(dims)


def _named(name: str) -> DictAttr:
    return DictAttr.of({"kw.name": StringAttr(name)})


def _write_shapes(model: Model, dims: dict[str, tuple[Dim, ...]]) -> None:
    """Put the final input shapes into the graph, for shape inference; what was inferred from others is dropped."""
    changed = False
    for value in model.graph.input:
        if value.name not in dims:
            continue
        before = value.type.tensor_type.shape.SerializeToString()
        shape = onnx.TensorShapeProto(dim=[_dim_proto(dim) for dim in dims[value.name]])
        value.type.tensor_type.shape.CopyFrom(shape)
        changed = changed or before != shape.SerializeToString()
    if changed:
        _forget(model.graph.output)
        del model.graph.value_info[:]


def _forget(values: Iterable[onnx.ValueInfoProto]) -> None:
    for value in values:
        if value.type.HasField("tensor_type"):
            value.type.tensor_type.ClearField("shape")


def _dim_proto(dim: Dim) -> onnx.TensorShapeProto.Dimension:
    if isinstance(dim, int):
        return onnx.TensorShapeProto.Dimension(dim_value=dim)
    return onnx.TensorShapeProto.Dimension(dim_param=str(dim))
