"""Memory of a CUDA context, and where things lie in it for given input shapes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from .cuda_binding import HOST, CudaBinding, Late, Route, Transfer
from .cuda_device import CudaDevice
from .dtypes import OBJECT, holder, item_size
from .expressions import evaluate, names
from .layout import Layout
from .plan import ALIGNMENT, Plan, TensorSpec

Signature = tuple[tuple[int, ...], ...]
"""The shapes of a run's inputs, in order of the plan."""


class ContextMemory:
    """The context's memory: on the GPU the arena and room for inputs and outputs, and pinned room for the latter."""

    def __init__(self, device: CudaDevice) -> None:
        self._driver = device.driver
        self.bytes = self.staging_bytes = 0
        self.base = self.pinned = 0
        self._late: dict[Late, tuple[int, int]] = {}

    def late(self, stream: int, what: Late, size: int) -> int:
        """Address of at least `size` bytes, whose content is of no use any more, for what a run places."""
        address, held = self._late.get(what, (0, -1))
        if held < size:
            if address:
                self._driver.synchronize(stream)  # earlier work may still use it
                self._driver.free(self._late.pop(what)[0])
            address = self._driver.allocate(max(size, ALIGNMENT))
            self._late[what] = address, size
        return address

    @property
    def total_bytes(self) -> int:
        return self.bytes + sum(size for _, size in self._late.values())

    def fits(self, size: int, staging: int) -> bool:
        return size <= self.bytes and staging <= self.staging_bytes

    def grow(self, size: int, staging: int) -> None:
        """At least `size` bytes on the GPU and `staging` pinned; what was there before is gone."""
        size, staging = max(size, self.bytes), max(staging, self.staging_bytes)
        self._free_block()
        self.base = self._driver.allocate(size)
        self.pinned = self._driver.allocate_pinned(staging)
        self.bytes, self.staging_bytes = size, staging

    def free(self) -> None:
        for address, _ in self._late.values():
            self._driver.free(address)
        self._late.clear()
        self._free_block()

    def _free_block(self) -> None:
        if self.base:
            self._driver.free(self.base)
        if self.pinned:
            self._driver.free_pinned(self.pinned)
        self.bytes = self.staging_bytes = self.base = self.pinned = 0


class PreparedShapes:
    """Everything about a run that depends only on the shapes of its inputs."""

    def __init__(self, plan: Plan, device: CudaDevice, layout: Layout, signature: Signature) -> None:
        self.layout = layout
        self.arena_bytes = layout.arena_bytes
        self._device = device
        self.input_sizes = [
            0 if spec.dtype == OBJECT else math.prod(shape) * item_size(spec.dtype)
            for spec, shape in zip(plan.inputs, signature, strict=True)
        ]
        self.output_shapes = [_known_shape(spec, layout) for spec in plan.outputs]
        self.output_sizes = [_output_bytes(layout, index) for index in range(len(plan.outputs))]
        self.offsets: list[int] = []  # of inputs and outputs, after the arena and in pinned memory
        self.staging_bytes = 0
        for size in (*self.input_sizes, *self.output_sizes):
            self.offsets.append(self.staging_bytes)
            self.staging_bytes += -(-size // ALIGNMENT) * ALIGNMENT
        self.objects = {slot: holder() for slot, buffer in enumerate(plan.buffers) if buffer.dtype == OBJECT}
        """Values of the host by the place of their buffer in the plan; those of inputs and outputs are each run's."""
        self.bindings: dict[tuple[Route, ...], CudaBinding] = {}
        self.seen: set[tuple[Route, ...]] = set()

    def addresses(self, memory: ContextMemory, routes: Sequence[Route]) -> list[int]:
        """The address of every buffer of the plan, in order."""
        roots = [route if route > 0 else self.own(memory, index) for index, route in enumerate(routes)]
        inputs = len(self.input_sizes)
        table = []
        for root, key, offset, _ in self.layout.places:
            if root == "arena":
                base = memory.base
            elif root == "weight":
                base = self._device.weights[str(key)]
            elif root in ("object", "late"):
                base = 0
            else:
                base = roots[int(key) + (inputs if root == "output" else 0)]
            table.append(base + offset)
        return table

    def hold(self, root: Literal["input", "output"], index: int, value: np.ndarray) -> None:
        """Let `value` be the place of an object that is an input or an output."""
        for slot, place in enumerate(self.layout.places):
            if slot in self.objects and place.root == root and place.key == index:
                self.objects[slot] = value

    def own(self, memory: ContextMemory, index: int) -> int:
        """Address of the context's own memory for an input, or an output counted after the inputs."""
        return memory.base + self.arena_bytes + self.offsets[index]

    def pinned(self, memory: ContextMemory, index: int) -> int:
        return memory.pinned + self.offsets[index]

    def transfers(self, memory: ContextMemory, routes: Sequence[Route]) -> tuple[list[Transfer], list[Transfer]]:
        """Copies from pinned memory before the steps, and to it after them."""
        before: list[Transfer] = []
        after: list[Transfer] = []
        sizes = (*self.input_sizes, *self.output_sizes)
        for index, (route, size) in enumerate(zip(routes, sizes, strict=True)):
            own, pinned = self.own(memory, index), self.pinned(memory, index)
            if route == HOST and size:
                is_input = index < len(self.input_sizes)
                (before if is_input else after).append(Transfer(*((own, pinned) if is_input else (pinned, own)), size))
        return before, after

    def close(self) -> None:
        for binding in self.bindings.values():
            binding.close()
        self.bindings.clear()


def _known_shape(spec: TensorSpec, layout: Layout) -> tuple[int, ...] | None:
    """The shape of an output; None where it depends on what the steps compute."""
    if not all(names(size) <= layout.symbols.keys() for size in spec.shape):
        return None
    return tuple(evaluate(size, layout.symbols) for size in spec.shape)


def _output_bytes(layout: Layout, output: int) -> int:
    """Bytes that the plan may write to an output."""
    return max((place.bytes for place in layout.places if place.root == "output" and place.key == output), default=0)
