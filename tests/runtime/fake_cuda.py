"""A CUDA driver that keeps books: device memory is host memory, streams run at once, kernels are Python functions.

It is strict where the real one is: freed memory must not be touched, and while a stream is captured nothing runs.
"""

from __future__ import annotations

import ctypes
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kernelwright.runtime.cuda_driver import LaunchShape
from kernelwright.runtime.dlpack import export_tensor
from kernelwright.runtime.dtypes import dtype_name
from kernelwright.runtime.errors import DeviceError, DeviceMemoryError

Kernel = Callable[[LaunchShape, Sequence[int], Sequence[int]], None]  # launch shape, pointers, scalars


def floats(address: int, count: int) -> np.ndarray:
    """`count` floats at an address."""
    return np.ctypeslib.as_array((ctypes.c_float * count).from_address(address)) if count else np.empty(0, np.float32)


@dataclass
class FakeFunction:
    """A kernel with the numbers of its pointers and scalars."""

    run: Kernel
    pointers: int
    scalars: int


@dataclass
class FakeDriver:
    functions: dict[str, FakeFunction] = field(default_factory=dict)
    capability: tuple[int, int] = (9, 0)
    name: str = "Fake H200"
    number: int = 0
    limit: int = 1 << 40
    """Bytes that can be allocated."""

    def __post_init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.maps: list[tuple[Any, ...]] = []
        self.blocks: dict[int, np.ndarray] = {}
        self.freed: list[tuple[int, int]] = []
        self.allocated = 0
        self.streams: set[int] = set()
        self.capturing: dict[int, list[Callable[[], None]]] = {}
        self.graphs: dict[int, list[Callable[[], None]]] = {}
        self.events: set[int] = set()
        self.pending = False  # whether events are still to come
        self._handles = iter(range(1000, 1_000_000))

    def _do(self, stream: int, work: Callable[[], None]) -> None:
        if stream in self.capturing:
            self.capturing[stream].append(work)
        else:
            work()

    def _write(self, target: int, content: bytes) -> None:
        self._check(target, len(content))
        ctypes.memmove(target, content, len(content))

    def _check(self, address: int, size: int) -> None:
        for start, length in self.freed:
            assert address + size <= start or address >= start + length, "use of freed memory"

    def enter(self) -> None:
        self.calls["enter"] += 1

    def load_module(self, image: bytes) -> str:
        return image.decode()

    def unload_module(self, module: str) -> None:
        self.calls["unload_module"] += 1

    def function(self, module: str, name: str) -> FakeFunction:
        return self.functions[name]

    def allow_shared_memory(self, function: FakeFunction, size: int) -> None:
        self.calls[f"allow {size}"] += 1

    def allow_large_clusters(self, function: FakeFunction) -> None:
        self.calls["allow_large_clusters"] += 1

    def registers(self, function: FakeFunction) -> int:
        return 32

    def allocate(self, size: int) -> int:
        self.calls["allocate"] += 1
        if self.allocated + size > self.limit:
            raise DeviceMemoryError("GPU 0 is out of memory (fake)")
        block = np.full(size + 256, 0xCB, np.uint8)
        address = -(-block.ctypes.data // 256) * 256
        self.blocks[address] = block
        self.allocated += size
        inside = block.ctypes.data, block.ctypes.data + len(block)
        self.freed = [(start, size) for start, size in self.freed if start >= inside[1] or start + size <= inside[0]]
        return address

    def free(self, pointer: int) -> None:
        block = self.blocks.pop(pointer)
        self.allocated -= len(block) - 256
        self.freed.append((pointer, len(block) - 256))

    def allocate_async(self, size: int, stream: int) -> int:
        return self.allocate(size)

    def free_async(self, pointer: int, stream: int) -> None:
        assert stream == 1 or stream in self.streams, "memory is freed in the order of a stream that is gone"
        self.free(pointer)

    def allocate_pinned(self, size: int) -> int:
        return self.allocate(size)

    def free_pinned(self, pointer: int) -> None:
        self.free(pointer)

    def copy_to_device(self, target: int, source: int, size: int) -> None:
        self.copy(target, source, size, 0)

    def copy(self, target: int, source: int, size: int, stream: int) -> None:
        self.calls["copy"] += 1

        def work() -> None:
            self._check(target, size)
            self._check(source, size)
            ctypes.memmove(target, source, size)

        self._do(stream, work)

    def fill(self, target: int, element: bytes, count: int, stream: int) -> None:
        self.calls["fill"] += 1
        self._do(stream, lambda: self._write(target, element * count))

    def create_stream(self) -> int:
        stream = next(self._handles)
        self.streams.add(stream)
        return stream

    def destroy_stream(self, stream: int) -> None:
        self.streams.remove(stream)

    def synchronize(self, stream: int) -> None:
        self.calls["synchronize"] += 1
        assert stream not in self.capturing, "synchronization of a stream under capture"
        self.pending = False

    def create_event(self, timing: bool = False) -> int:
        event = next(self._handles)
        self.events.add(event)
        return event

    def destroy_event(self, event: int) -> None:
        self.events.remove(event)

    def record(self, event: int, stream: int) -> None:
        assert event in self.events

    def record_in_graph(self, event: int, stream: int) -> None:
        self.calls["record_in_graph"] += 1
        assert event in self.events and stream in self.capturing

    def wait(self, stream: int, event: int) -> None:
        self.calls["wait"] += 1
        assert event in self.events

    def is_done(self, event: int) -> bool:
        return not self.pending

    def synchronize_event(self, event: int) -> None:
        assert event in self.events
        self.pending = False

    def seconds_between(self, start: int, end: int) -> float:
        return 1e-6

    def begin_capture(self, stream: int) -> None:
        self.calls["capture"] += 1
        self.capturing[stream] = []

    def end_capture(self, stream: int) -> int:
        graph = next(self._handles)
        self.graphs[graph] = self.capturing.pop(stream)
        return graph

    def abort_capture(self, stream: int) -> None:
        self.capturing.pop(stream)

    def launch_graph(self, graph: int, stream: int) -> None:
        self.calls["launch_graph"] += 1
        for work in self.graphs[graph]:
            work()

    def destroy_graph(self, graph: int) -> None:
        del self.graphs[graph]

    def launch_config(self, shape: LaunchShape) -> LaunchShape:
        return shape

    def launch(self, function: FakeFunction, config: LaunchShape, arguments: int, stream: int) -> None:
        self.calls["launch"] += 1
        table = (ctypes.c_void_p * (function.pointers + function.scalars)).from_address(arguments)
        values = [ctypes.c_int64.from_address(address or 0).value for address in table]

        def work() -> None:
            for pointer in values[: function.pointers]:
                self._check(pointer, 1)
            function.run(config, values[: function.pointers], values[function.pointers :])

        self._do(stream, work)

    def tensor_map(self, *arguments: Any) -> bytes:
        self.calls["tensor_map"] += 1
        self.maps.append(arguments)
        return bytes(128)

    def close(self) -> None:
        assert not self.blocks, "memory that was not freed"
        assert not self.graphs, "graphs that were not destroyed"
        self.calls["close"] += 1


class FakeTensor:
    """GPU memory of another library, given by DLPack."""

    def __init__(self, driver: FakeDriver, array: np.ndarray) -> None:
        self.pointer = driver.allocate(array.nbytes)
        memory = (ctypes.c_char * array.nbytes).from_address(self.pointer)
        self.array = np.ndarray(array.shape, array.dtype, memoryview(memory))
        self.array[...] = array
        self._device = driver.number

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, self._device

    def __dlpack__(self, *, stream: int | None = None, max_version: Any = None) -> Any:
        if stream is None:
            raise DeviceError("a consumer of GPU memory says on which stream")
        name = dtype_name(self.array.dtype)
        return export_tensor(self.pointer, self.__dlpack_device__(), name, self.array.shape, self)


class ExchangeTensor(FakeTensor):
    """One of a library that has DLPack's table of functions; `stream` is what the library works on."""

    stream = 0

    def describe(self, target: int) -> int:
        self.shape = (ctypes.c_int64 * self.array.ndim)(*self.array.shape)
        words = struct.pack("<Qiiihh", self.pointer, 2, self._device, self.array.ndim, 2 | 32 << 8, 1)
        words += struct.pack("<QQQ", ctypes.addressof(self.shape), 0, 0)
        ctypes.memmove(target, words, len(words))
        return 0


@ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
def _from_object(tensor: ExchangeTensor, target: int) -> int:
    return tensor.describe(target)


@ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int32, ctypes.c_int32, ctypes.c_void_p)
def _current_stream(kind: int, device: int, target: int) -> int:
    ctypes.c_void_p.from_address(target).value = ExchangeTensor.stream
    return 0


_functions = [ctypes.cast(function, ctypes.c_void_p).value for function in (_from_object, _current_stream)]
_table = ctypes.create_string_buffer(struct.pack("<IIQQQQQQ", 1, 3, 0, 0, 0, 0, *_functions))
_capsule = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
_name = b"dlpack_exchange_api"
_new_capsule = _capsule(("PyCapsule_New", ctypes.pythonapi))
setattr(ExchangeTensor, "__dlpack_c_exchange_api__", _new_capsule(ctypes.addressof(_table), _name, None))  # noqa: B010
