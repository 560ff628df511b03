"""DLPack: tensors of other libraries in, device tensors out, without copies and without those libraries.

NumPy's own from_dlpack knows neither bfloat16 nor float8 nor device memory, so the protocol's structures are read and
written here (DLPack 1.0, and the capsules before it).
"""

from __future__ import annotations

import ctypes
import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .dtypes import numpy_dtype

CPU, CUDA, CUDA_HOST, CUDA_MANAGED = 1, 2, 3, 13
"""Device types of the protocol that hold memory which a plan can use."""

_READ_ONLY = 1  # flag of a tensor
_INT, _UINT, _FLOAT, _BFLOAT, _BOOL = 0, 1, 2, 4, 6
_DTYPES = {
    (_FLOAT, 64): "f64",
    (_FLOAT, 32): "f32",
    (_FLOAT, 16): "f16",
    (_BFLOAT, 16): "bf16",
    (10, 8): "f8E4M3FN",
    (12, 8): "f8E5M2",
    (_BOOL, 8): "i1",
    **{(_INT, bits): f"i{bits}" for bits in (8, 16, 32, 64)},
    **{(_UINT, bits): f"ui{bits}" for bits in (8, 16, 32, 64)},
}
_CODES = {name: code for code, name in _DTYPES.items()} | {"i4": (_INT, 8), "ui4": (_UINT, 8)}


class _Tensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_Destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class _Managed(ctypes.Structure):
    _fields_ = [("tensor", _Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


class _Versioned(ctypes.Structure):
    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("context", ctypes.c_void_p),
        ("deleter", ctypes.c_void_p),
        ("flags", ctypes.c_uint64),
        ("tensor", _Tensor),
    ]


_KINDS: dict[bytes, type[_Managed | _Versioned]] = {b"dltensor": _Managed, b"dltensor_versioned": _Versioned}

# The capsule is passed as an address where Python is taking it apart, and as an object elsewhere.
_api = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _Destructor)(("PyCapsule_New", _api))
_get_name = ctypes.PYFUNCTYPE(ctypes.c_char_p, ctypes.py_object)(("PyCapsule_GetName", _api))
_set_name = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_SetName", _api))
_get_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_is_valid_object = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", _api))
_pointer_of = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _api))

_USED = {name: b"used_" + name for name in _KINDS}  # kept alive: capsules store the address of their name


@dataclass(frozen=True)
class View:
    """Memory of another library's tensor; `owner` keeps it alive."""

    pointer: int
    device_type: int
    device_id: int
    dtype: str
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    owner: Any
    writable: bool = True

    @property
    def is_contiguous(self) -> bool:
        """True for dense row-major memory; strides of dimensions of one element do not matter."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != expected:
                return 0 in self.shape
            expected *= size
        return True

    def numpy(self) -> np.ndarray:
        """The tensor as an array over the same memory, which the host must be able to read."""
        dtype = numpy_dtype(self.dtype)
        if 0 in self.shape:
            return np.empty(self.shape, dtype)
        extent = 1 + sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        memory: Any = (ctypes.c_char * (extent * dtype.itemsize)).from_address(self.pointer)
        memory._owner = self.owner  # NumPy keeps `memory`, which keeps the owner
        return np.ndarray(self.shape, dtype, memory, strides=[stride * dtype.itemsize for stride in self.strides])


class _Owner:
    """Calls the deleter of an imported tensor when nobody uses its memory any more."""

    def __init__(self, address: int, deleter: int | None) -> None:
        self._address = address
        self._deleter = _Deleter(deleter) if deleter else None

    def __del__(self) -> None:
        if self._deleter is not None:
            self._deleter(self._address)


class OwnTensor(ABC):
    """A tensor of this runtime, whose memory is known without a capsule."""

    @abstractmethod
    def view(self, stream: int | None) -> View:
        """The tensor's memory, for use on a CUDA stream."""

    @abstractmethod
    def identity(self, stream: int) -> object | None:
        """What `identity` gives for it."""


class _ExchangeTable(ctypes.Structure):
    """DLPackExchangeAPI of DLPack 1.3: functions of a library that know tensors without capsules."""

    _fields_ = [
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("previous", ctypes.c_void_p),
        ("allocate", ctypes.c_void_p),
        ("managed_from_object", ctypes.c_void_p),
        ("managed_to_object", ctypes.c_void_p),
        ("from_object", ctypes.c_void_p),
        ("current_stream", ctypes.c_void_p),
    ]


_FromObject = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
_CurrentStream = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p)
_LEGACY_STREAM = 1


class _Exchange:
    """What a library's table offers: memory of a tensor, and the stream that the library works on."""

    def __init__(self, table: _ExchangeTable) -> None:
        self._from_object = _FromObject(table.from_object)
        self._current_stream = _CurrentStream(table.current_stream)

    def identity(self, value: Any) -> bytes | None:
        """The bytes of a DLTensor but for the addresses of its sizes, then its sizes and strides."""
        tensor = _Tensor()
        try:
            failed = self._from_object(value, ctypes.addressof(tensor))
        except (BufferError, RuntimeError, TypeError, ValueError):  # import_tensor will say it
            return None
        if failed:
            return None
        whole, rank = bytes(tensor), 8 * tensor.ndim
        shape, strides = (int.from_bytes(whole[at : at + 8], "little") for at in (24, 32))
        sizes = ctypes.string_at(shape, rank) if rank else b""
        return whole[:24] + whole[40:] + sizes + (ctypes.string_at(strides, rank) if strides and rank else b"")

    def stream(self, device: int) -> int | None:
        """The handle of the stream that the library works on."""
        handle = ctypes.c_void_p()
        failed = self._current_stream(CUDA, device, ctypes.addressof(handle))
        return None if failed else handle.value or _LEGACY_STREAM


_exchanges: dict[type, _Exchange | None] = {}


def _exchange_of(kind: type) -> _Exchange | None:
    """The table of a type of tensors, if it has one that is known."""
    if kind not in _exchanges:
        capsule = getattr(kind, "__dlpack_c_exchange_api__", None)
        table = None
        if capsule is not None and _is_valid_object(capsule, b"dlpack_exchange_api"):
            table = _ExchangeTable.from_address(_get_pointer(capsule, b"dlpack_exchange_api"))
        usable = table is not None and table.major == 1 and table.from_object and table.current_stream
        _exchanges[kind] = _Exchange(table) if table is not None and usable else None
    return _exchanges[kind]


def identity(tensors: Sequence[Any], device: int, stream: int) -> tuple[object, ...] | None:
    """Equal values for tensors with equal memory, types, shapes and strides, found in a microsecond or two each.

    None where a library cannot tell so quickly, or works on another stream than `stream` of the GPU `device`: then
    whoever uses the memory must wait for it, as `import_tensor` does.
    """
    found: list[object] = []
    current: dict[_Exchange, int | None] = {}
    for tensor in tensors:
        if isinstance(tensor, OwnTensor):
            one = tensor.identity(stream)
        else:
            exchange = _exchange_of(type(tensor))
            if exchange is None:
                return None
            if exchange not in current:
                current[exchange] = exchange.stream(device)
            one = exchange.identity(tensor) if current[exchange] == stream else None
        if one is None:
            return None
        found.append(one)
    return tuple(found)


def import_tensor(tensor: Any, stream: int | None = None) -> View:
    """The memory of an object with `__dlpack__`; `stream` is where a CUDA tensor will be used.

    Raises BufferError for an element type or a layout the protocol cannot give us.
    """
    if isinstance(tensor, OwnTensor):
        return tensor.view(stream)
    capsule = _capsule(tensor, stream)
    name = _get_name(capsule)
    kind = _KINDS.get(name)
    if kind is None:
        raise BufferError("its DLPack capsule is already used or of an unknown kind")
    address = _get_pointer(capsule, name)
    managed = kind.from_address(address)
    _set_name(capsule, _USED[name])
    owner = _Owner(address, managed.deleter)
    if kind is _Versioned and managed.major != 1:
        raise BufferError(f"its DLPack version {managed.major}.{managed.minor} is unknown")
    source = managed.tensor
    dtype = _DTYPES.get((source.code, source.bits))
    if dtype is None or source.lanes != 1:
        raise BufferError(f"its DLPack type (code {source.code}, {source.bits} bits, {source.lanes} lanes) is unknown")
    shape = tuple(source.shape[: source.ndim])
    strides = tuple(source.strides[: source.ndim]) if source.strides else dense_strides(shape)
    pointer = (source.data or 0) + source.byte_offset
    writable = kind is _Managed or not managed.flags & _READ_ONLY
    return View(pointer, source.device_type, source.device_id, dtype, shape, strides, owner, writable)


def _capsule(tensor: Any, stream: int | None) -> Any:
    arguments = {} if stream is None else {"stream": stream}
    try:
        return tensor.__dlpack__(max_version=(1, 0), **arguments)
    except TypeError:  # made before DLPack 1.0
        return tensor.__dlpack__(**arguments)


def dense_strides(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a row-major tensor, in elements."""
    return tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))


_exported: dict[int, tuple[Any, ...]] = {}  # what the consumers of our capsules still use, by address of its _Managed


def export_tensor(pointer: int, device: tuple[int, int], dtype: str, shape: tuple[int, ...], owner: Any) -> Any:
    """A DLPack capsule over dense memory at `pointer`; `owner` lives until the consumer is done with it."""
    sizes = (ctypes.c_int64 * max(1, len(shape)))(*shape)
    strides = (ctypes.c_int64 * max(1, len(shape)))(*dense_strides(shape))
    code, bits = _CODES[dtype]
    managed = _Managed()
    managed.tensor = _Tensor(pointer, *device, len(shape), code, bits, 1, sizes, strides, 0)
    managed.deleter = ctypes.cast(_delete, ctypes.c_void_p).value
    address = ctypes.addressof(managed)
    _exported[address] = (managed, sizes, strides, owner)
    return _new(address, b"dltensor", _destroy)


@_Deleter
def _delete(address: int) -> None:
    _exported.pop(address, None)


@_Destructor
def _destroy(capsule: int) -> None:
    if _is_valid(capsule, b"dltensor"):  # nobody took it
        _exported.pop(_pointer_of(capsule, b"dltensor"), None)
