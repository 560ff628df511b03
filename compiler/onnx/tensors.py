"""ONNX tensors as NumPy arrays and constant attributes; external data is mapped, not read."""

from __future__ import annotations

import math
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnx.external_data_helper
import onnx.numpy_helper

from ...ir.attributes import (
    ArrayAttr,
    Attribute,
    DenseArrayAttr,
    DenseAttr,
    DenseResourceAttr,
    DictAttr,
    StringAttr,
)
from ...ir.diagnostics import CompileError
from ...ir.types import OpaqueType, Scalar, TensorType, i64, scalar_of, string

INLINE_ELEMENTS = 16
"""Constants of at most this many elements stand in the text; larger ones are resources."""

# Packed below a byte: these are unpacked to a byte an element, so they cannot be mapped.
_PACKED = {
    onnx.TensorProto.INT4,
    onnx.TensorProto.UINT4,
    onnx.TensorProto.INT2,
    onnx.TensorProto.UINT2,
    onnx.TensorProto.FLOAT4E2M1,
    onnx.TensorProto.FLOAT6E2M3,
    onnx.TensorProto.FLOAT6E3M2,
}


def element_type(data_type: int) -> Scalar | OpaqueType:
    """The element type of `TensorProto.DataType`. Raises CompileError for one that the IR lacks."""
    if data_type == onnx.TensorProto.STRING:
        return string
    try:
        return scalar_of(onnx.helper.tensor_dtype_to_np_dtype(data_type))
    except (KeyError, StopIteration):
        name = onnx.TensorProto.DataType.Name(data_type)
        raise CompileError(f"tensors of element type {name} are not supported") from None


def array_of(tensor: onnx.TensorProto, folder: Path | None, raw: np.ndarray | None = None) -> np.ndarray:
    """The elements of `tensor`, whose raw data is `raw` where that was left in the file; strings as an object array.

    Raises CompileError for missing or short data.
    """
    if raw is not None:
        return _mapped(tensor, raw)
    if onnx.external_data_helper.uses_external_data(tensor):
        return _external(tensor, folder)
    return _native(onnx.numpy_helper.to_array(tensor))


def _mapped(tensor: onnx.TensorProto, raw: np.ndarray) -> np.ndarray:
    if tensor.data_type in _PACKED:
        whole = onnx.TensorProto()
        whole.CopyFrom(tensor)
        whole.raw_data = raw.tobytes()
        return _native(onnx.numpy_helper.to_array(whole))
    dtype, shape = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)), tuple(tensor.dims)
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise CompileError(
            f"tensor '{tensor.name}' has {len(raw)} bytes of data where its shape {list(shape)} of {dtype} needs "
            f"{math.prod(shape) * dtype.itemsize}"
        )
    return raw.view(dtype).reshape(shape)


def _native(array: np.ndarray) -> np.ndarray:
    """ONNX hands 4-bit types out as custom views at times; ml_dtypes' own are what the IR knows."""
    return array if array.dtype.kind != "V" else array.view(getattr(ml_dtypes, array.dtype.name))


def _external(tensor: onnx.TensorProto, folder: Path | None) -> np.ndarray:
    if folder is None:
        raise CompileError(
            f"tensor '{tensor.name}' keeps its data in another file, which a model in memory cannot name; "
            "give the model's path instead"
        )
    entries = {entry.key: entry.value for entry in tensor.external_data}
    path = _inside(folder, entries.get("location", ""), tensor.name)
    offset, shape = int(entries.get("offset", 0)), tuple(tensor.dims)
    if tensor.data_type in _PACKED or tensor.data_type == onnx.TensorProto.STRING:
        return _native(onnx.numpy_helper.to_array(tensor, str(folder)))
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
    needed, found = math.prod(shape) * dtype.itemsize, path.stat().st_size - offset
    if found < needed:
        raise CompileError(
            f"tensor '{tensor.name}' needs {needed} bytes at offset {offset} of '{path}', which has {max(found, 0)}; "
            "the file is truncated or belongs to another model"
        )
    if needed == 0:
        return np.empty(shape, dtype)
    # Mapped as bytes: memmap knows only NumPy's own types, and needs no alignment this way.
    return np.memmap(path, np.uint8, "r", offset, (needed,)).view(dtype).reshape(shape)


def _inside(folder: Path, location: str, tensor: str) -> Path:
    """The path of an external data file. Raises CompileError where it is absent or outside the model's folder."""
    path = folder / location
    if not location or not path.resolve().is_relative_to(folder.resolve()):
        raise CompileError(f"tensor '{tensor}' keeps its data in '{location}', which is outside the model's folder")
    if not path.is_file():
        raise CompileError(
            f"tensor '{tensor}' keeps its data in '{location}', which is missing; "
            f"put the file beside the model in '{folder}'"
        )
    return path


def dense_of(sparse: onnx.SparseTensorProto, folder: Path | None) -> np.ndarray:
    """A sparse tensor with its zeros."""
    values, indices = array_of(sparse.values, folder), array_of(sparse.indices, folder)
    dense = np.zeros(tuple(sparse.dims), values.dtype)
    if indices.ndim == 1:
        dense.reshape(-1)[indices] = values
    else:
        dense[tuple(indices.T)] = values
    return dense


def type_of(array: np.ndarray) -> TensorType:
    return TensorType(array.shape, string if array.dtype.kind in "OUS" else scalar_of(array.dtype))


def constant_attribute(array: np.ndarray, name: str) -> Attribute:
    """A small tensor inline, a large one as a resource called `name`, strings as `{shape = …, strings = […]}`."""
    type = type_of(array)
    if type.dtype == string:
        texts = ArrayAttr(tuple(StringAttr(str(text)) for text in array.reshape(-1)))
        return DictAttr.of({"shape": DenseArrayAttr(i64, array.shape), "strings": texts})
    if array.size <= INLINE_ELEMENTS:
        return DenseAttr(np.array(array))
    return DenseResourceAttr(name, type, array)
