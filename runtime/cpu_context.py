"""Execution of plans on the CPU."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from .arguments import Arguments
from .cpu_memory import ContextMemory
from .cpu_pool import Library, Pool, fitting_objects, physical_cores
from .cpu_program import ProgramBuilder
from .cpu_steps import CpuSteps
from .dtypes import OBJECT, holder, numpy_dtype
from .errors import InputError
from .expressions import evaluate, names
from .index_checks import checked
from .layout import Layout, lay_out
from .plan import ARGUMENT_ALIGNMENT, Native, Plan, Symbol, TensorSpec, Weight, walk
from .profile import StepTime
from .shapes import ShapeBinder

WEIGHT_ALIGNMENT = 64
_MOST_SHAPES = 256  # prepared shapes a context keeps

Signature = tuple[tuple[int, ...], ...]


class CpuDevice:
    """A plan's code, weights and worker threads: what its contexts share."""

    def __init__(
        self, plan: Plan, tensors: Mapping[str, np.ndarray], threads: int | None, affinity: Sequence[int] | None
    ) -> None:
        objects = fitting_objects(plan)
        functions = [kernel.entry for kernel in plan.kernels]
        functions += [step.entry for step in walk(plan.steps) if isinstance(step, Native)]
        self.library = Library([tensors[name].tobytes() for name in objects], functions)
        self.builder = ProgramBuilder(plan, self.library)
        wanted = {buffer.storage.tensor for buffer in plan.buffers if isinstance(buffer.storage, Weight)}
        self.weights = {name: _aligned(tensors[name], WEIGHT_ALIGNMENT) for name in wanted}
        self._threads = threads
        self._affinity = affinity
        self.pool = self.new_pool(threads)

    def new_pool(self, threads: int | None) -> Pool:
        """A pool of `threads` workers, by default one for each physical core. Its threads start with the first run."""
        return Pool(self.library, len(physical_cores()) if threads is None else threads, self._affinity)

    def close(self) -> None:
        self.pool.close()


class _Prepared:
    """Everything about a run that depends only on the shapes of its inputs."""

    def __init__(self, plan: Plan, device: CpuDevice, layout: Layout, memory: ContextMemory, pool: Pool) -> None:
        self.layout = layout
        self.pool = pool
        bases = {"arena": memory.arena(0), "input": 0, "output": 0, "object": 0, "late": 0}
        addresses = [
            (device.weights[str(place.key)].ctypes.data if place.root == "weight" else bases[place.root]) + place.offset
            for place in layout.places
        ]
        self.table = np.array(addresses or [0], np.uint64)
        self.input_slots = _slots(layout, "input")
        self.output_slots = _slots(layout, "output")
        self.outputs = [
            (numpy_dtype(spec.dtype), _known_shape(spec, layout), _capacity(layout, i, spec))
            for i, spec in enumerate(plan.outputs)
        ]
        self.is_plain = all(
            shape is not None and spec.dtype != OBJECT
            for spec, (_, shape, _) in zip(plan.outputs, self.outputs, strict=True)
        )
        """Whether what is written to an output is what a caller gets."""
        self.objects = {slot: holder() for slot, buffer in enumerate(plan.buffers) if buffer.dtype == OBJECT}
        self.steps = CpuSteps(device.builder, layout, self.table, self.objects, pool, memory)
        self.timed_steps: CpuSteps | None = None


class CpuContext:
    """Runs a plan; holds its arena. One run at a time: several contexts serve several callers."""

    def __init__(
        self, plan: Plan, device: CpuDevice, profile: Mapping[str, Symbol] | None = None, threads: int | None = None
    ) -> None:
        """With `profile` narrower than the plan's, memory for its largest shapes is reserved at once."""
        self._plan = plan
        self._device = device
        self._arguments = Arguments(plan)
        self._binder = ShapeBinder(plan, profile)
        self._owns_pool = threads is not None
        self._pool = device.new_pool(threads) if self._owns_pool else device.pool
        self._prepared: dict[Signature, _Prepared] = {}
        self._names = [spec.name for spec in plan.outputs]
        self._memory = ContextMemory()
        self._lock = threading.Lock()
        largest = self._binder.largest() if profile is not None else None
        if largest is not None:
            self._reserve(lay_out(plan, largest).arena_bytes)

    def run(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Outputs by name, for inputs by name: NumPy arrays, or CPU tensors with `__dlpack__`.

        Outputs are fresh arrays, except those given in `outputs`, which are written in place. Raises InputError for
        anything that does not fit the plan.
        """
        arrays = [_Placed.of(array) for array in self._arguments.host_inputs(inputs)]
        with self._lock:
            prepared = self._prepare(tuple([placed.array.shape for placed in arrays]))
            results = self._results(prepared, arrays, outputs)
            written = [_Placed.of(result) for result in results]
            self._point(prepared, arrays, written)
            symbols = prepared.steps.run()
            for result, placed in zip(results, written, strict=True):
                if placed.array is not result:
                    result[...] = placed.array
            found = self._finished(prepared, results, symbols)
            if outputs:
                found |= outputs
        return checked(self._plan, found, symbols) if self._plan.index_checks else found

    def profile(self, inputs: Mapping[str, Any]) -> list[StepTime]:
        """Run once, step by step, and return what each launch, copy and host function took."""
        arrays = [_Placed.of(array) for array in self._arguments.host_inputs(inputs)]
        with self._lock:
            prepared = self._prepare(tuple([placed.array.shape for placed in arrays]))
            results = self._results(prepared, arrays, None)  # held until the run is over
            self._point(prepared, arrays, [_Placed.of(result) for result in results])
            if prepared.timed_steps is None:
                prepared.timed_steps = CpuSteps(
                    self._device.builder,
                    prepared.layout,
                    prepared.table,
                    prepared.objects,
                    prepared.pool,
                    self._memory,
                    timed=True,
                )
            prepared.timed_steps.run()
            return prepared.timed_steps.times

    @property
    def arena_bytes(self) -> int:
        """Bytes of the arena as it is now; it grows with the shapes that are run."""
        return self._memory.bytes

    def close(self) -> None:
        """Give back the arena and the context's own threads; a later run takes them anew."""
        with self._lock:
            self._prepared.clear()
            self._memory.clear()
            if self._owns_pool:
                self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self, signature: Signature) -> _Prepared:
        prepared = self._prepared.get(signature)
        if prepared is None:
            layout = lay_out(self._plan, self._binder.bind(signature))
            self._reserve(layout.arena_bytes)
            if len(self._prepared) >= _MOST_SHAPES:
                del self._prepared[next(iter(self._prepared))]
            prepared = _Prepared(self._plan, self._device, layout, self._memory, self._pool)
            self._prepared[signature] = prepared
        return prepared

    def _reserve(self, size: int) -> None:
        """Have an arena of at least `size` bytes. Growing it moves it, so what was prepared is dropped."""
        if not self._memory.holds(0, size):
            self._prepared.clear()
            self._memory.arena(0, size)

    def _results(
        self, prepared: _Prepared, inputs: Sequence[_Placed], given: Mapping[str, Any] | None
    ) -> list[np.ndarray]:
        """Memory for each output: what the caller gave, or a fresh array (flat where the shape is not known yet)."""
        own = self._arguments.host_outputs(given) if given else {}
        results = []
        for index, (dtype, shape, capacity) in enumerate(prepared.outputs):
            if index not in own:
                results.append(np.empty(capacity if shape is None else shape, dtype))
                continue
            array = own[index]
            _check_output(self._plan.outputs[index], shape, array, inputs)
            results.append(array)
        return results

    def _point(self, prepared: _Prepared, inputs: Sequence[_Placed], outputs: Sequence[_Placed]) -> None:
        """Write the addresses of this run's inputs and outputs into the table."""
        for slots, arguments in ((prepared.input_slots, inputs), (prepared.output_slots, outputs)):
            for slot, index, offset in slots:
                prepared.table[slot] = arguments[index].address + offset
                if slot in prepared.objects:
                    prepared.objects[slot] = arguments[index].array

    def _finished(
        self, prepared: _Prepared, results: list[np.ndarray], symbols: Mapping[str, int]
    ) -> dict[str, np.ndarray]:
        if prepared.is_plain:
            return dict(zip(self._names, results, strict=True))
        for index, (_, shape, _) in enumerate(prepared.outputs):
            if shape is None:
                final = tuple(evaluate(size, symbols) for size in self._plan.outputs[index].shape)
                made = self._memory.outputs.pop(index, None)
                flat = results[index] if made is None else made.view(results[index].dtype)
                results[index] = flat[: math.prod(final)].reshape(final)
        values = [
            result[()] if spec.dtype == OBJECT else result
            for spec, result in zip(self._plan.outputs, results, strict=True)
        ]
        return dict(zip(self._names, values, strict=True))


def _slots(layout: Layout, root: str) -> list[tuple[int, int, int]]:
    """(slot in the table, number of the input or output, offset) of the buffers that lie in the caller's memory."""
    return [(slot, int(place.key), place.offset) for slot, place in enumerate(layout.places) if place.root == root]


def _known_shape(spec: TensorSpec, layout: Layout) -> tuple[int, ...] | None:
    """The shape of an output; None where it depends on what the steps compute."""
    if not all(names(size) <= layout.symbols.keys() for size in spec.shape):
        return None
    return tuple(evaluate(size, layout.symbols) for size in spec.shape)


def _capacity(layout: Layout, output: int, spec: TensorSpec) -> int:
    """Elements that the plan may write to an output."""
    sizes = [place.bytes for place in layout.places if place.root == "output" and place.key == output]
    return max(sizes, default=0) // numpy_dtype(spec.dtype).itemsize


def _check_output(
    spec: TensorSpec, shape: tuple[int, ...] | None, array: np.ndarray, inputs: Sequence[_Placed]
) -> None:
    if shape is None:
        raise InputError(
            f"output '{spec.name}': its shape is known only after the run, so it cannot be given", "leave it out"
        )
    if array.shape != shape:
        raise InputError(f"output '{spec.name}': expected shape {list(shape)}, found {list(array.shape)}")
    if any(np.may_share_memory(array, placed.array) for placed in inputs):
        raise InputError(f"output '{spec.name}' lies in the memory of an input", "give it memory of its own")


class _Placed(NamedTuple):
    """An argument in dense, aligned memory, and its address, which NumPy takes a microsecond to tell."""

    array: np.ndarray
    address: int

    @staticmethod
    def of(array: np.ndarray) -> _Placed:
        """`array` itself, or a copy where it is not placed so."""
        address = array.__array_interface__["data"][0]
        if address % ARGUMENT_ALIGNMENT == 0 and array.flags.c_contiguous:
            return _Placed(array, address)
        copy = _aligned(array, ARGUMENT_ALIGNMENT)
        return _Placed(copy, copy.ctypes.data)


def _aligned(tensor: np.ndarray, alignment: int) -> np.ndarray:
    """`tensor` in dense memory at a multiple of `alignment`; a copy where it is not."""
    if tensor.__array_interface__["data"][0] % alignment == 0 and tensor.flags.c_contiguous:
        return tensor
    memory = np.empty(tensor.nbytes + alignment, np.uint8)
    start = -memory.ctypes.data % alignment
    copy = memory[start : start + tensor.nbytes].view(tensor.dtype).reshape(tensor.shape)
    copy[...] = tensor
    return copy
