"""Reading ONNX files: the graph without its weights, checked, its functions inlined and its shapes inferred.

Weights are taken out first, large ones without being read, and stand in the graph as inputs: the checker, the inliner
and shape inference then work on kilobytes, for models beyond protobuf's two gigabytes too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.checker
import onnx.external_data_helper
import onnx.helper
import onnx.inliner
import onnx.shape_inference
from google.protobuf.message import DecodeError

from ...ir.diagnostics import CompileError, Diagnostic
from . import tensors, wire
from .schemas import check_opsets, unknown_operators, upgraded

Source = str | Path | bytes | onnx.ModelProto

_SMALL = 256
"""Initializers of at most this many elements stay in the graph: shape inference reads shapes from them."""


@dataclass
class Model:
    """An ONNX model: `proto` has no large initializers, `weights` holds all initializers by name."""

    name: str
    proto: onnx.ModelProto
    weights: dict[str, np.ndarray]
    folder: Path | None

    @property
    def graph(self) -> onnx.GraphProto:
        return self.proto.graph


def read_model(source: Source) -> Model:
    """Load and check `source`. Raises CompileError for anything that is not a valid model, naming file and node."""
    origin = f"'{source}'" if isinstance(source, str | Path) else "the model"
    proto, mapped = _load(source, origin)
    folder = Path(source).resolve().parent if isinstance(source, str | Path) else None
    name = Path(source).stem if isinstance(source, str | Path) else proto.graph.name
    proto = upgraded(proto)
    check_opsets(proto, origin)
    try:
        weights = _take_weights(proto.graph, folder, mapped)
    except CompileError as error:
        raise error.with_note(f"in {origin}") from None
    unknown_operators(proto, origin)
    _check(proto, origin)
    return Model(name, _inline(proto, origin), weights, folder)


def infer_shapes(model: Model) -> None:
    """Fill in the types of all values that ONNX's inference knows; what it gets wrong is left unknown."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model.proto, data_prop=True)
    except Exception:  # the inference throws what it likes; types are only hints to legalization
        return
    model.proto.CopyFrom(inferred)


def _load(source: Source, origin: str) -> tuple[onnx.ModelProto, dict[str, np.ndarray]]:
    """The model, and the bytes of its large initializers by name where they were left in the file."""
    if isinstance(source, onnx.ModelProto):
        proto = onnx.ModelProto()
        proto.CopyFrom(source)
        return proto, {}
    try:
        if isinstance(source, bytes):
            file = np.frombuffer(source, np.uint8)
        else:
            file = np.memmap(source, np.uint8, "r") if Path(source).stat().st_size else np.empty(0, np.uint8)
        content, mapped = wire.split(file)
        proto = onnx.load_model_from_string(content)
    except FileNotFoundError:
        raise CompileError(f"there is no file {origin}") from None
    except OSError as error:
        raise CompileError(f"{origin} cannot be read: {error.strerror}") from None
    except (DecodeError, ValueError, UnicodeDecodeError):
        raise CompileError(f"{origin} is not an ONNX model, or is truncated; export or copy it again") from None
    # Protobuf reads some other files as messages without known fields.
    if not proto.ir_version or not proto.HasField("graph") or not proto.opset_import:
        raise CompileError(f"{origin} is not an ONNX model, or is truncated; export or copy it again")
    return proto, mapped


def _take_weights(graph: onnx.GraphProto, folder: Path | None, mapped: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Remove the initializers from `graph`; large ones become inputs, so that the graph stays valid."""
    weights = {tensor.name: tensors.array_of(tensor, folder, mapped.get(tensor.name)) for tensor in graph.initializer}
    weights |= {sparse.values.name: tensors.dense_of(sparse, folder) for sparse in graph.sparse_initializer}
    small = [
        t for t in graph.initializer if weights[t.name].size <= _SMALL and not _is_external(t) and t.name not in mapped
    ]
    inputs = {value.name for value in graph.input} | {tensor.name for tensor in small}
    large = [
        onnx.helper.make_tensor_value_info(name, _data_type(array), array.shape)
        for name, array in weights.items()
        if name not in inputs
    ]
    kept = [_copy(tensor) for tensor in small]
    del graph.initializer[:]
    del graph.sparse_initializer[:]
    graph.initializer.extend(kept)
    graph.input.extend(large)
    return weights


def _is_external(tensor: onnx.TensorProto) -> bool:
    return onnx.external_data_helper.uses_external_data(tensor)


def _copy(tensor: onnx.TensorProto) -> onnx.TensorProto:
    copy = onnx.TensorProto()
    copy.CopyFrom(tensor)
    return copy


def _data_type(array: np.ndarray) -> int:
    if array.dtype.kind in "OUS":
        return onnx.TensorProto.STRING
    return onnx.helper.np_dtype_to_tensor_dtype(array.dtype)


def _check(proto: onnx.ModelProto, origin: str) -> None:
    try:
        onnx.checker.check_model(proto)
    except onnx.checker.ValidationError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        if "is deprecated" in lines[0]:
            # Some operators were withdrawn for a clearer version (GroupNormalization-18); files with them exist.
            return
        notes = tuple(lines[1:4])
        raise CompileError(Diagnostic(f"{origin} is not a valid ONNX model: {lines[0]}", notes=notes)) from None


def _inline(proto: onnx.ModelProto, origin: str) -> onnx.ModelProto:
    if not proto.functions:
        return proto
    try:
        return onnx.inliner.inline_local_functions(proto, convert_version=True)
    except Exception as error:
        first = str(error).strip().splitlines()[0]
        raise CompileError(f"the functions of {origin} cannot be inlined: {first}") from None


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """`graph` and all its subgraphs."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in subgraphs(attribute):
                yield from graphs(inner)


def subgraphs(attribute: onnx.AttributeProto) -> Iterable[onnx.GraphProto]:
    if attribute.type == onnx.AttributeProto.GRAPH:
        return (attribute.g,)
    return tuple(attribute.graphs)
