"""Execution of plans on a GPU."""

from __future__ import annotations

import contextlib
import ctypes
import math
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Self

import numpy as np

from . import dlpack
from .arguments import Arguments, Tensor
from .cuda_binding import COPIED, HOST, CudaBinding, Route
from .cuda_device import CudaDevice
from .cuda_event import Event, Submitted
from .cuda_memory import ContextMemory, PreparedShapes, Signature
from .cuda_tensor import DeviceTensor, StreamOrder
from .dtypes import OBJECT, dtype_name, holder, item_size, numpy_dtype
from .errors import InputError
from .expressions import evaluate
from .index_checks import checked
from .layout import lay_out
from .plan import ALIGNMENT, Plan, Symbol
from .profile import StepTime
from .shapes import ShapeBinder

Identity = tuple[object, ...]
"""What tells the memory of a run's tensors from other memory."""

_LEGACY_STREAM = 1  # what DLPack calls the default stream
_MOST_SHAPES = 64  # shapes whose graphs a context keeps
_MOST_IN_FLIGHT = 8  # runs whose tensors are held before it is asked which are done
_MOST_BINDINGS = 16  # sets of the caller's addresses for each shape that have graphs of their own


class CudaContext:
    """Runs a plan on a stream, with memory of its own. One run at a time: several contexts serve several callers."""

    def __init__(
        self,
        plan: Plan,
        device: CudaDevice,
        profile: Mapping[str, Symbol] | None = None,
        stream: Any = None,
        graph: bool = True,
    ) -> None:
        """With `profile` narrower than the plan's, memory for its largest shapes is reserved at once."""
        self._plan = plan
        self._device = device
        self._driver = device.driver
        self._driver.enter()
        self._closed = False
        self._owns_stream = stream is None
        self.stream = self._driver.create_stream() if stream is None else stream_handle(stream)
        self._order = StreamOrder(self.stream)
        self._capture_stream = self._driver.create_stream() if graph else None
        self._arguments = Arguments(plan)
        self._binder = ShapeBinder(plan, profile)
        self._memory = ContextMemory(device)
        self._prepared: dict[Signature, PreparedShapes] = {}
        self._runs: dict[Identity, CudaBinding] = {}  # of memory that was used in place
        self._in_flight: list[tuple[int, tuple[object, ...]]] = []  # event at the end of a run, and what it still uses
        self._lock = threading.Lock()
        largest = self._binder.largest() if profile is not None else None
        if largest is not None:
            shapes = tuple(tuple(evaluate(size, largest) for size in spec.shape) for spec in plan.inputs)
            self._prepare(shapes)

    def run(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None, *, on_device: bool = False
    ) -> dict[str, Any]:
        """Outputs by name, for inputs by name: NumPy arrays, or tensors with `__dlpack__` on the host or this GPU.

        Outputs given in `outputs` are written in place; the others are fresh arrays, or DeviceTensors where
        `on_device`. The call returns when the host's outputs are complete; where all outputs stay on the device it does
        not wait for the GPU, and whatever uses them on the context's stream comes after. Raises InputError for anything
        that does not fit the plan, DeviceError where the GPU fails.
        """
        with self._lock:
            self._driver.enter()
            stream = self.stream or _LEGACY_STREAM
            used, key = self._identity(inputs, outputs, stream)
            if key in self._runs:
                self._runs[key].run()
                self._keep(*used)
                return dict(outputs or {})
            tensors = self._arguments.inputs(inputs, stream)
            given = self._arguments.outputs(outputs, stream) if outputs else {}
            prepared = self._prepare(tuple([tensor.shape for tensor in tensors]))
            self._check_devices(tensors, given, prepared)
            routes = self._routes(prepared, tensors, given, on_device)
            binding = self._binding(prepared, routes)
            self._send(prepared, tensors, routes)
            objects = self._places_of_objects(prepared)
            symbols = binding.run()
            found = self._receive(prepared, routes, given, symbols, tensors, binding.outputs) | dict(outputs or {})
            found |= {name: place[()] for name, place in objects.items()}
            if key and all(route > 0 for route in routes) and not self._plan.index_checks:
                self._runs[key] = binding
        return checked(self._plan, found, symbols) if self._plan.index_checks else found

    def _identity(
        self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None, stream: int
    ) -> tuple[list[Any], Identity]:
        """All tensors of a run, and what tells their memory from other memory; nothing unless all of it is known."""
        plan = self._plan
        if not outputs or len(outputs) != len(plan.outputs) or len(inputs) != len(plan.inputs):
            return [], ()
        try:
            tensors = [inputs[spec.name] for spec in plan.inputs] + [outputs[spec.name] for spec in plan.outputs]
        except (KeyError, TypeError):
            return [], ()
        return tensors, dlpack.identity(tensors, self._driver.number, stream) or ()

    def submit(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> Submitted:
        """Like `run` with `on_device`, and an event that is done once the outputs are complete.

        The call waits for the GPU only where a step of the plan needs a value on the host.
        """
        found = self.run(inputs, outputs, on_device=True)
        with self._lock:
            self._driver.enter()
            event = self._driver.create_event()
            self._driver.record(event, self.stream)
        return Submitted(found, Event(self._driver, event))

    def seconds(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> float:
        """Run once, and return how long the GPU took; tensors that stay on the device keep the host out of it."""
        self._driver.enter()
        events = [self._driver.create_event(timing=True) for _ in range(2)]
        try:
            self._driver.record(events[0], self.stream)
            self.run(inputs, outputs)
            self._driver.record(events[1], self.stream)
            return self._driver.seconds_between(*events)
        finally:
            for event in events:
                self._driver.destroy_event(event)

    def profile(self, inputs: Mapping[str, Any]) -> list[StepTime]:
        """Run once without a graph, and return what each launch, copy and host function took between two events."""
        with self._lock:
            self._driver.enter()
            tensors = self._arguments.inputs(inputs, self.stream or _LEGACY_STREAM)
            prepared = self._prepare(tuple([tensor.shape for tensor in tensors]))
            self._check_devices(tensors, {}, prepared)
            routes = self._routes(prepared, tensors, {}, on_device=False)
            self._send(prepared, tensors, routes)
            binding = self._new_binding(prepared, routes, timed=True)
            self._places_of_objects(prepared)
            binding.run()
            self._wait()
            return binding.times

    def to_device(self, array: np.ndarray) -> DeviceTensor:
        """A copy of `array` in GPU memory: an input that runs need not copy again."""
        dense = np.ascontiguousarray(array)
        with self._lock:
            self._driver.enter()
            tensor = DeviceTensor(self._driver, dtype_name(dense.dtype), array.shape, self._order)
            self._driver.synchronize(self.stream)  # the memory is there in the order of the stream
            if dense.nbytes:
                self._driver.copy_to_device(tensor.pointer, dense.ctypes.data, dense.nbytes)
        return tensor

    @property
    def arena_bytes(self) -> int:
        """Bytes of GPU memory the context holds as it is now; they grow with the shapes that are run."""
        return self._memory.total_bytes

    def synchronize(self) -> None:
        """Wait until everything that was run is complete."""
        with self._lock:
            self._driver.enter()
            self._wait()

    def close(self) -> None:
        """Wait for the GPU and give back graphs, memory and the context's own stream. The context is then of no use."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            self._driver.enter()
            self._wait()
            self._forget_shapes()
            self._memory.free()
            if self._capture_stream is not None:
                self._driver.destroy_stream(self._capture_stream)
            self._order.end()
            if self._owns_stream:
                self._driver.destroy_stream(self.stream)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # it may be half made, or the process is ending
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # Shapes and addresses

    def _prepare(self, signature: Signature) -> PreparedShapes:
        prepared = self._prepared.get(signature)
        if prepared is not None:
            return prepared
        layout = lay_out(self._plan, self._binder.bind(signature))
        prepared = PreparedShapes(self._plan, self._device, layout, signature)
        size = prepared.arena_bytes + prepared.staging_bytes
        if not self._memory.fits(size, prepared.staging_bytes):
            self._wait()
            self._forget_shapes()
            self._memory.grow(size, prepared.staging_bytes)
        if len(self._prepared) >= _MOST_SHAPES:
            self._wait()
            self._runs.clear()
            self._prepared.pop(next(iter(self._prepared))).close()
        self._prepared[signature] = prepared
        return prepared

    def _forget_shapes(self) -> None:
        self._runs.clear()
        for prepared in self._prepared.values():
            prepared.close()
        self._prepared.clear()

    def _check_devices(self, inputs: Sequence[Tensor], outputs: Mapping[int, Tensor], prepared: PreparedShapes) -> None:
        named = [("input", spec, tensor) for spec, tensor in zip(self._plan.inputs, inputs, strict=True)]
        named += [("output", self._plan.outputs[index], tensor) for index, tensor in outputs.items()]
        for what, spec, tensor in named:
            if isinstance(tensor, dlpack.View) and tensor.device_id != self._driver.number:
                raise InputError(
                    f"{what} '{spec.name}' is on GPU {tensor.device_id}, the plan runs on GPU {self._driver.number}"
                )
        read = [_extent(tensor) for tensor in inputs if isinstance(tensor, dlpack.View)]
        for index, tensor in outputs.items():
            name, shape = self._plan.outputs[index].name, prepared.output_shapes[index]
            if shape is None:
                raise InputError(
                    f"output '{name}': its shape is known only after the run, so it cannot be given", "leave it out"
                )
            if tensor.shape != shape:
                raise InputError(f"output '{name}': expected shape {list(shape)}, found {list(tensor.shape)}")
            if isinstance(tensor, dlpack.View) and any(_overlap(_extent(tensor), extent) for extent in read):
                raise InputError(f"output '{name}' lies in the memory of an input", "give it memory of its own")

    def _routes(
        self, prepared: PreparedShapes, inputs: Sequence[Tensor], given: Mapping[int, Tensor], on_device: bool
    ) -> tuple[Route, ...]:
        """How each input and output travels.

        GPU memory of the caller is used in place from the second time its addresses are seen: capturing a graph for
        addresses that never come again would cost more than the copies.
        """
        in_place = [_in_place(tensor) for tensor in inputs]
        for index in range(len(self._plan.outputs)):
            tensor = given.get(index)
            copied = on_device and self._plan.outputs[index].dtype != OBJECT
            in_place.append((COPIED if copied else HOST) if tensor is None else _in_place(tensor))
        routes = tuple(in_place)
        if all(route <= 0 for route in routes) or routes in prepared.bindings:
            return routes
        if routes in prepared.seen and len(prepared.bindings) < _MOST_BINDINGS:
            return routes
        if len(prepared.seen) > 4 * _MOST_BINDINGS:
            prepared.seen.clear()
        prepared.seen.add(routes)
        return tuple(COPIED if route > 0 else route for route in routes)

    def _binding(self, prepared: PreparedShapes, routes: tuple[Route, ...]) -> CudaBinding:
        binding = prepared.bindings.get(routes)
        if binding is None:
            binding = prepared.bindings[routes] = self._new_binding(prepared, routes)
        return binding

    def _new_binding(self, prepared: PreparedShapes, routes: tuple[Route, ...], timed: bool = False) -> CudaBinding:
        return CudaBinding(
            self._plan,
            self._device,
            prepared.layout,
            prepared.addresses(self._memory, routes),
            prepared.transfers(self._memory, routes),
            prepared.objects,
            partial(self._memory.late, self.stream),
            self.stream,
            self._capture_stream,
            timed,
        )

    # Data

    def _send(self, prepared: PreparedShapes, tensors: Sequence[Tensor], routes: Sequence[Route]) -> None:
        """Bring inputs to pinned memory, or start their copies to the context's own memory."""
        if self._in_flight:
            self._in_flight = [(event, used) for event, used in self._in_flight if not self._retire(event)]
            if self._in_flight and HOST in routes:
                self._wait()  # pinned memory is still in use
        for index, (tensor, size) in enumerate(zip(tensors, prepared.input_sizes, strict=True)):
            if self._plan.inputs[index].dtype == OBJECT:
                assert isinstance(tensor, np.ndarray)
                prepared.hold("input", index, tensor)
            elif not size:
                continue
            elif isinstance(tensor, np.ndarray):
                ctypes.memmove(prepared.pinned(self._memory, index), tensor.ctypes.data, size)
            elif routes[index] == COPIED:
                self._driver.copy(prepared.own(self._memory, index), tensor.pointer, size, self.stream)

    def _places_of_objects(self, prepared: PreparedShapes) -> dict[str, np.ndarray]:
        """New places for the outputs that are objects of the host, by name."""
        places: dict[str, np.ndarray] = {}
        for index, spec in enumerate(self._plan.outputs):
            if spec.dtype == OBJECT:
                places[spec.name] = holder()
                prepared.hold("output", index, places[spec.name])
        return places

    def _receive(
        self,
        prepared: PreparedShapes,
        routes: Sequence[Route],
        given: Mapping[int, Tensor],
        symbols: Mapping[str, int],
        tensors: Sequence[Tensor],
        late: Mapping[int, int],
    ) -> dict[str, Any]:
        """The outputs, `late` ones from their addresses; waits for the GPU where any of them is the host's."""
        results: dict[str, Any] = {}
        first = len(self._plan.inputs)
        for index, spec in enumerate(self._plan.outputs):
            shape = prepared.output_shapes[index] or tuple(evaluate(size, symbols) for size in spec.shape)
            result = given.get(index)
            if routes[first + index] == COPIED:
                if not isinstance(result, dlpack.View):
                    result = DeviceTensor(self._driver, spec.dtype, shape, self._order)
                size = math.prod(shape) * item_size(spec.dtype)
                source = late.get(index) or prepared.own(self._memory, first + index)
                if size:
                    self._driver.copy(result.pointer, source, size, self.stream)
            elif result is None:
                result = np.empty(shape, numpy_dtype(spec.dtype))
                if index in late and result.nbytes:
                    self._driver.copy(result.ctypes.data, late[index], result.nbytes, self.stream)
            results[spec.name] = result
        if HOST not in routes[first:]:
            self._keep(tensors, given)
            return results
        self._wait()
        for index, spec in enumerate(self._plan.outputs):
            result = results[spec.name]
            if isinstance(result, np.ndarray) and result.nbytes and index not in late and spec.dtype != OBJECT:
                ctypes.memmove(result.ctypes.data, prepared.pinned(self._memory, first + index), result.nbytes)
        return results

    def _keep(self, *used: object) -> None:
        """Hold on to memory until the work on the stream so far is done."""
        if self._in_flight and _same(self._in_flight[-1][1], used):
            event, _ = self._in_flight.pop()  # what it stood for is done before
        else:
            if len(self._in_flight) > _MOST_IN_FLIGHT:
                self._in_flight = [(event, used) for event, used in self._in_flight if not self._retire(event)]
            event = self._driver.create_event()
        self._driver.record(event, self.stream)
        self._in_flight.append((event, used))

    def _retire(self, event: int) -> bool:
        if not self._driver.is_done(event):
            return False
        self._driver.destroy_event(event)
        return True

    def _wait(self) -> None:
        self._driver.synchronize(self.stream)
        for event, _ in self._in_flight:
            self._driver.destroy_event(event)
        self._in_flight = []


def stream_handle(stream: Any) -> int:
    """The driver's handle of a stream of PyTorch, CuPy or cuda-python, or a number; else raises InputError."""
    if isinstance(stream, int):
        return stream
    for name in ("cuda_stream", "ptr", "handle"):
        if hasattr(stream, name):
            return int(getattr(stream, name))
    if hasattr(stream, "__cuda_stream__"):
        return int(stream.__cuda_stream__()[1])
    try:
        return int(stream)
    except (TypeError, ValueError):
        raise InputError(f"stream: expected a CUDA stream or its handle, found {type(stream).__name__}") from None


def _same(first: tuple[object, ...], second: tuple[object, ...]) -> bool:
    return len(first) == len(second) and all(a is b for a, b in zip(first, second, strict=True))


def _extent(view: dlpack.View) -> tuple[int, int]:
    return view.pointer, view.pointer + math.prod(view.shape) * item_size(view.dtype)


def _overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _in_place(tensor: Tensor) -> Route:
    """The address of device memory that kernels may use directly; kernels count on its alignment."""
    if isinstance(tensor, np.ndarray):
        return HOST
    return tensor.pointer if tensor.pointer and tensor.pointer % ALIGNMENT == 0 else COPIED
