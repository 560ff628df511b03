"""Types: immutable, compared by structure, printed as MLIR prints them.

A dynamic dimension of a tensor is a symbolic expression (`symbols.Expr`), printed as `?` in the shape and by name in
the encoding: `tensor<?x768xf16, #kw.dims<"batch * seq">>`. A dynamic dimension of a memref is `None`: its size is an
expression of the kernel's `arg_shapes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ml_dtypes
import numpy as np

from .strings import quote
from .symbols import Dim, Expr, product


class Type:
    """The base of all types."""


@dataclass(frozen=True)
class Scalar(Type):
    """An element type by its MLIR name. Signless integers `iN` mean signed numbers; `i1` is a boolean."""

    name: str

    def __str__(self) -> str:
        return self.name

    @cached_property
    def numpy(self) -> np.dtype:
        """The NumPy (or ml_dtypes) dtype that holds one element; sub-byte types take a byte each."""
        return np.dtype(_NUMPY[self.name])

    @property
    def bits(self) -> int:
        """Bits of one element in packed storage."""
        return _BITS[self.name]

    @property
    def bytes(self) -> int:
        """Bytes of one element in a buffer; sub-byte types take a whole byte in buffers."""
        return self.numpy.itemsize

    @property
    def is_float(self) -> bool:
        return self.name.startswith(("f", "bf"))

    @property
    def is_complex(self) -> bool:
        return self.name.startswith("complex")

    @property
    def is_integer(self) -> bool:
        """Whether this is an integer of any width or sign, `i1` and `index` included."""
        return self.name.startswith(("i", "ui"))

    @property
    def is_bool(self) -> bool:
        return self.name == "i1"

    @property
    def is_unsigned(self) -> bool:
        return self.name.startswith("ui") or self.is_bool


_NUMPY: dict[str, type[Any]] = {  # ml_dtypes' scalars share no base with NumPy's
    "f64": np.float64,
    "f32": np.float32,
    "f16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "f8E4M3FN": ml_dtypes.float8_e4m3fn,
    "f8E4M3FNUZ": ml_dtypes.float8_e4m3fnuz,
    "f8E5M2": ml_dtypes.float8_e5m2,
    "f8E5M2FNUZ": ml_dtypes.float8_e5m2fnuz,
    "f8E8M0FNU": ml_dtypes.float8_e8m0fnu,
    "f4E2M1FN": ml_dtypes.float4_e2m1fn,
    "i1": np.bool_,
    "i2": ml_dtypes.int2,
    "i4": ml_dtypes.int4,
    "i8": np.int8,
    "i16": np.int16,
    "i32": np.int32,
    "i64": np.int64,
    "ui2": ml_dtypes.uint2,
    "ui4": ml_dtypes.uint4,
    "ui8": np.uint8,
    "ui16": np.uint16,
    "ui32": np.uint32,
    "ui64": np.uint64,
    "index": np.int64,
    "complex<f32>": np.complex64,
    "complex<f64>": np.complex128,
}
_BITS = {name: np.dtype(dtype).itemsize * 8 for name, dtype in _NUMPY.items()} | {
    "i1": 1, "i2": 2, "ui2": 2, "i4": 4, "ui4": 4, "f4E2M1FN": 4,
}  # fmt: skip

SCALARS = {name: Scalar(name) for name in _NUMPY}
f64, f32, f16, bf16 = (SCALARS[n] for n in ("f64", "f32", "f16", "bf16"))
i1, i8, i16, i32, i64 = (SCALARS[n] for n in ("i1", "i8", "i16", "i32", "i64"))
ui8, ui16, ui32, ui64 = (SCALARS[n] for n in ("ui8", "ui16", "ui32", "ui64"))
index = SCALARS["index"]


def scalar_of(dtype: np.dtype | type) -> Scalar:
    """The element type of a NumPy dtype. Raises KeyError for one that has none (strings, objects)."""
    dtype = np.dtype(dtype)
    return next(s for s in SCALARS.values() if s.numpy == dtype and s is not index)


@dataclass(frozen=True)
class NoneType(Type):
    """The type of an omitted optional value."""

    def __str__(self) -> str:
        return "none"


@dataclass(frozen=True)
class OpaqueType(Type):
    """A type of a dialect that only has a name and parameters: `!kw.string`, `!onnx.seq<tensor<?xf32>>`."""

    name: str
    parameters: tuple[Type, ...] = ()

    def __str__(self) -> str:
        return f"!{self.name}" + (f"<{', '.join(map(str, self.parameters))}>" if self.parameters else "")


string = OpaqueType("kw.string")
none = NoneType()


@dataclass(frozen=True)
class TensorType(Type):
    """A value of `nn` and `onnx`: a shape of sizes and expressions and an element type.

    `shape` is None for an unranked tensor, which only the `onnx` dialect has.
    """

    shape: tuple[Dim, ...] | None
    dtype: Scalar | OpaqueType

    @property
    def dims(self) -> tuple[Dim, ...]:
        """The shape of a ranked tensor. Raises ValueError for an unranked one."""
        if self.shape is None:
            raise ValueError(f"{self} has no rank")
        return self.shape

    @property
    def rank(self) -> int:
        return len(self.dims)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return product(self.dims)

    @property
    def is_static(self) -> bool:
        return self.shape is not None and all(isinstance(dim, int) for dim in self.shape)

    @property
    def scalar(self) -> Scalar:
        """The element type of a numeric tensor. Raises ValueError for strings."""
        if not isinstance(self.dtype, Scalar):
            raise ValueError(f"{self} is not numeric")
        return self.dtype

    def with_shape(self, shape: Sequence[Dim]) -> TensorType:
        return TensorType(tuple(shape), self.dtype)

    def with_dtype(self, dtype: Scalar | OpaqueType) -> TensorType:
        return TensorType(self.shape, dtype)

    def __str__(self) -> str:
        if self.shape is None:
            return f"tensor<*x{self.dtype}>"
        names = [str(dim) for dim in self.shape if isinstance(dim, Expr)]
        encoding = ", #kw.dims<" + ", ".join(map(quote, names)) + ">" if names else ""
        return f"tensor<{_dims_text(self.shape)}{self.dtype}{encoding}>"


@dataclass(frozen=True)
class MemRefType(Type):
    """A buffer in a memory space ("" is the global or main memory); row-major unless `strides` (elements) say else.

    A size, stride or offset (elements; only told with strides) of None is dynamic.
    """

    shape: tuple[int | None, ...]
    dtype: Scalar
    space: str = ""
    strides: tuple[int | None, ...] | None = None
    offset: int | None = 0

    def __str__(self) -> str:
        layout = ""
        if self.strides is not None:
            offset = "" if self.offset == 0 else f", offset: {'?' if self.offset is None else self.offset}"
            layout = f", strided<[{', '.join('?' if s is None else str(s) for s in self.strides)}]{offset}>"
        space = f", {quote(self.space)}" if self.space else ""
        return f"memref<{_dims_text(self.shape)}{self.dtype}{layout}{space}>"


@dataclass(frozen=True)
class VectorType(Type):
    """A tile of values held in registers; every size is static."""

    shape: tuple[int, ...]
    dtype: Scalar

    def __str__(self) -> str:
        return f"vector<{_dims_text(self.shape)}{self.dtype}>"


@dataclass(frozen=True)
class FunctionType(Type):
    """The inputs and results of a function."""

    inputs: tuple[Type, ...]
    results: tuple[Type, ...]

    def __str__(self) -> str:
        results = ", ".join(map(str, self.results))
        single = len(self.results) == 1 and not isinstance(self.results[0], FunctionType)
        return f"({', '.join(map(str, self.inputs))}) -> {results if single else f'({results})'}"


def _dims_text(shape: Sequence[int | Expr | None]) -> str:
    return "".join(f"{dim}x" if isinstance(dim, int) else "?x" for dim in shape)
