"""Tensors in GPU memory that the runtime owns: what a run returns where its outputs stay on the device."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np

from . import dlpack
from .cuda_driver import Driver
from .dtypes import item_size, numpy_dtype

_LEGACY_STREAM = 1  # the driver's handle of the default stream


class StreamOrder:
    """The stream in whose order tensors are freed. It may end before they do: then it is the default stream."""

    def __init__(self, stream: int) -> None:
        self.stream = stream

    def end(self) -> None:
        """Everything on the stream is done, and it is about to be destroyed."""
        self.stream = _LEGACY_STREAM


class DeviceTensor(dlpack.OwnTensor):
    """A dense tensor on a GPU. PyTorch, CuPy and others take it without a copy: `torch.from_dlpack(tensor)`.

    Its content is complete once the stream of the run is; numpy(), and libraries through DLPack, wait for that.
    """

    def __init__(self, driver: Driver, dtype: str, shape: tuple[int, ...], order: StreamOrder) -> None:
        """Uninitialized memory, allocated and freed in the order of a stream."""
        self.dtype = dtype
        self.shape = shape
        self.nbytes = math.prod(shape) * item_size(dtype)
        self._strides = dlpack.dense_strides(shape)
        self._driver = driver
        self._order = order
        self.pointer = driver.allocate_async(self.nbytes, order.stream)

    @property
    def _stream(self) -> int:
        return self._order.stream

    def numpy(self) -> np.ndarray:
        """A copy in host memory."""
        array = np.empty(self.shape, numpy_dtype(self.dtype))
        if array.nbytes:
            self._driver.enter()
            self._driver.copy(array.ctypes.data, self.pointer, array.nbytes, self._stream)
            self._driver.synchronize(self._stream)
        return array

    def __dlpack_device__(self) -> tuple[int, int]:
        return dlpack.CUDA, self._driver.number

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        """A capsule whose consumer may use it on `stream` (None: the default stream; -1: it will wait by itself)."""
        if dl_device not in (None, self.__dlpack_device__()) or copy:
            raise BufferError("a device tensor is exported where it is; use numpy() for a copy on the host")
        if stream != -1:
            self._make_wait(stream or _LEGACY_STREAM)
        return dlpack.export_tensor(self.pointer, self.__dlpack_device__(), self.dtype, self.shape, self)

    def view(self, stream: int | None) -> dlpack.View:
        """The memory as it is for other work on `stream`, which waits for what makes the content."""
        stream = stream or _LEGACY_STREAM
        if stream != self._stream:
            self._make_wait(stream)
        number = self._driver.number
        return dlpack.View(self.pointer, dlpack.CUDA, number, self.dtype, self.shape, self._strides, self)

    def identity(self, stream: int) -> object | None:
        """Of an own tensor, where it is used in the order of its stream."""
        own = (self._stream or _LEGACY_STREAM) == stream
        return (self._driver.number, self.pointer, self.dtype, self.shape) if own else None

    def _make_wait(self, stream: int) -> None:
        """Have `stream` wait for everything that is on the tensor's stream now."""
        self._driver.enter()
        event = self._driver.create_event()
        self._driver.record(event, self._stream)
        self._driver.wait(stream, event)
        self._driver.destroy_event(event)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        dtype = numpy_dtype(self.dtype)
        if dtype.kind == "V":
            raise AttributeError(f"the CUDA array interface has no type for {self.dtype}; use DLPack")
        return {
            "shape": self.shape,
            "typestr": dtype.str,
            "data": (self.pointer if self.nbytes else 0, False),
            "version": 3,
            "stream": self._stream or _LEGACY_STREAM,
        }

    def __del__(self) -> None:
        if not hasattr(self, "pointer"):
            return
        with contextlib.suppress(Exception):  # the stream or the whole context is gone, and the memory with it
            self._driver.enter()
            self._driver.free_async(self.pointer, self._stream)

    def __repr__(self) -> str:
        return f"DeviceTensor({self.dtype}, {list(self.shape)}, cuda:{self._driver.number})"
