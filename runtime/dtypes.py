"""Element types by their MLIR names, as NumPy and safetensors know them.

Integers of 2 and 4 bits travel unpacked, one value a byte, as int8 and uint8; so do the codes of `f4E2M1FN`. `i1` is
NumPy's bool, one value a byte.
"""

from __future__ import annotations

import functools

import ml_dtypes
import numpy as np

from .errors import PlanError

OBJECT = "object"
"""Values of the host that are no dense tensors: strings, sequences, tensors whose shape only a run knows."""

_NUMPY: dict[str, np.dtype] = {
    "f64": np.dtype(np.float64),
    "f32": np.dtype(np.float32),
    "f16": np.dtype(np.float16),
    "bf16": np.dtype(ml_dtypes.bfloat16),
    "f8E4M3FN": np.dtype(ml_dtypes.float8_e4m3fn),
    "f8E4M3FNUZ": np.dtype(ml_dtypes.float8_e4m3fnuz),
    "f8E5M2": np.dtype(ml_dtypes.float8_e5m2),
    "f8E5M2FNUZ": np.dtype(ml_dtypes.float8_e5m2fnuz),
    "f8E8M0FNU": np.dtype(ml_dtypes.float8_e8m0fnu),
    "f4E2M1FN": np.dtype(ml_dtypes.float4_e2m1fn),
    "complex<f32>": np.dtype(np.complex64),
    "complex<f64>": np.dtype(np.complex128),
    "i64": np.dtype(np.int64),
    "i32": np.dtype(np.int32),
    "i16": np.dtype(np.int16),
    "i8": np.dtype(np.int8),
    "i4": np.dtype(np.int8),
    "i2": np.dtype(np.int8),
    "i1": np.dtype(np.bool_),
    "ui64": np.dtype(np.uint64),
    "ui32": np.dtype(np.uint32),
    "ui16": np.dtype(np.uint16),
    "ui8": np.dtype(np.uint8),
    "ui4": np.dtype(np.uint8),
    "ui2": np.dtype(np.uint8),
    OBJECT: np.dtype(object),
}

_SAFETENSORS = {
    "f64": "F64",
    "f32": "F32",
    "f16": "F16",
    "bf16": "BF16",
    "f8E4M3FN": "F8_E4M3",
    "f8E5M2": "F8_E5M2",
    "i64": "I64",
    "i32": "I32",
    "i16": "I16",
    "i8": "I8",
    "i1": "BOOL",
    "ui64": "U64",
    "ui32": "U32",
    "ui16": "U16",
    "ui8": "U8",
}

_NAMES = {dtype: name for name, dtype in _NUMPY.items() if name in _SAFETENSORS}
_FROM_SAFETENSORS = {code: _NUMPY[name] for name, code in _SAFETENSORS.items()}
_UNPACKED = {
    np.dtype(ml_dtypes.int4): np.dtype(np.int8),
    np.dtype(ml_dtypes.uint4): np.dtype(np.uint8),
    np.dtype(ml_dtypes.int2): np.dtype(np.int8),
    np.dtype(ml_dtypes.uint2): np.dtype(np.uint8),
}


def numpy_dtype(name: str) -> np.dtype:
    """The NumPy type of the MLIR element type `name`; raises PlanError for a name the runtime does not know."""
    if name not in _NUMPY:
        raise PlanError(f"unknown element type '{name}', known are: {', '.join(_NUMPY)}")
    return _NUMPY[name]


def dtype_name(dtype: np.dtype) -> str:
    """The MLIR name of a NumPy type, or NumPy's own name where MLIR has none (for messages)."""
    return _NAMES.get(dtype) or str(dtype)


def safetensors_code(dtype: np.dtype) -> str | None:
    """The safetensors code of a NumPy type, None when the format has none."""
    name = _NAMES.get(dtype)
    return None if name is None else _SAFETENSORS.get(name)


def from_safetensors(code: str) -> np.dtype | None:
    """The NumPy type of a safetensors code, None when NumPy has none."""
    return _FROM_SAFETENSORS.get(code)


def unpacked(array: np.ndarray) -> np.ndarray:
    """`array` with elements of 2 and 4 bits widened to one byte each; other arrays as they are."""
    wide = _UNPACKED.get(array.dtype)
    return array if wide is None else array.astype(wide)


def holder(value: object = None) -> np.ndarray:
    """A place for one object: an array without dimensions."""
    place = np.empty((), object)
    place[()] = value
    return place


@functools.cache
def item_size(name: str) -> int:
    """Bytes of one element of the MLIR element type `name`, as stored by the runtime."""
    return numpy_dtype(name).itemsize
