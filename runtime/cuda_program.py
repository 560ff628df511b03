"""Device steps of a CUDA plan, prepared for one layout and one set of addresses."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from .control import DeviceStep, fill_element
from .cuda_device import CudaDevice
from .cuda_driver import LaunchShape
from .dtypes import item_size
from .errors import PlanError
from .expressions import Expression, evaluate, names
from .layout import Layout
from .plan import Copy, Fill, Launch, Native, Plan, TensorMap

Command = Callable[[int], None]
"""Puts one step's work onto a stream."""

_TENSOR_MAP_BYTES, _TENSOR_MAP_ALIGNMENT = 128, 64


class CudaProgram:
    """Consecutive device steps. issue() puts them onto a stream; nothing in it waits for the GPU."""

    def __init__(
        self,
        plan: Plan,
        device: CudaDevice,
        layout: Layout,
        addresses: Sequence[int],
        steps: Sequence[DeviceStep],
        overlap: bool = True,
    ) -> None:
        """Without `overlap`, no kernel starts before the one before it ends, whatever its launch says."""
        self.steps = steps
        late = {buffer.name for buffer in plan.buffers if buffer.segment}
        self.is_static = all(_names(step) <= layout.symbols.keys() and not _buffers(step) & late for step in steps)
        """False where sizes or places are known only after other steps; such a program cannot become a graph."""
        self._plan = plan
        self._device = device
        self._addresses = addresses
        self._overlap = overlap
        self._buffers = {buffer.name: index for index, buffer in enumerate(plan.buffers)}
        self._commands = self._prepare(layout.symbols) if self.is_static else []

    def issue(self, stream: int, symbols: Mapping[str, int], around: Callable[[int], None] | None = None) -> None:
        """Put all steps onto the stream; `around(i)` is called before step i, and once more at the end."""
        commands = self._commands or self._prepare(symbols)
        for index, command in enumerate(commands):
            if around is not None:
                around(index)
            command(stream)
        if around is not None:
            around(len(commands))

    def _prepare(self, symbols: Mapping[str, int]) -> list[Command]:
        commands: list[Command] = []
        after_kernel = False
        for step in self.steps:
            command = self._command(step, symbols, after_kernel)
            commands.append(command)
            # programmatic launch is defined between kernels alone
            after_kernel = isinstance(step, Launch) and command is not _nothing
        return commands

    def _command(self, step: DeviceStep, symbols: Mapping[str, int], after_kernel: bool) -> Command:
        if isinstance(step, Launch):
            return self._launch(step, symbols, after_kernel)
        if isinstance(step, Copy):
            return self._copy(step, symbols)
        if isinstance(step, Fill):
            return self._fill(step, symbols)
        assert isinstance(step, Native)
        raise PlanError(f"plan '{self._plan.name}': a native entry ('{step.entry}') cannot run on a GPU")

    def _launch(self, step: Launch, symbols: Mapping[str, int], after_kernel: bool) -> Command:
        x, y, z = (evaluate(size, symbols) for size in step.grid)
        if 0 in (x, y, z):
            return _nothing
        driver, function = self._device.driver, self._device.functions[step.kernel]
        shared = evaluate(step.shared_bytes, symbols)
        self._device.allow_shared_memory(step.kernel, shared)
        self._device.allow_cluster(step.kernel, step.cluster)
        overlap = bool(step.attributes.get("pdl")) and after_kernel and self._overlap
        cooperative = bool(step.attributes.get("cooperative"))
        config = driver.launch_config(LaunchShape((x, y, z), step.block, shared, step.cluster, overlap, cooperative))
        arguments = Arguments(
            [self._address(name) for name in step.buffers],
            [evaluate(scalar, symbols) for scalar in step.scalars],
            [self._tensor_map(map_, symbols) for map_ in step.tensor_maps],
        )

        def issue(stream: int) -> None:
            driver.launch(function, config, arguments.address, stream)

        return issue

    def _copy(self, step: Copy, symbols: Mapping[str, int]) -> Command:
        size = evaluate(step.bytes, symbols)
        source = self._address(step.src) + evaluate(step.src_offset, symbols)
        target = self._address(step.dst) + evaluate(step.dst_offset, symbols)
        driver = self._device.driver
        return (lambda stream: driver.copy(target, source, size, stream)) if size else _nothing

    def _fill(self, step: Fill, symbols: Mapping[str, int]) -> Command:
        element = fill_element(step, symbols)
        index = self._buffers[step.dst]
        size = evaluate(self._plan.buffers[index].bytes, symbols)
        count, target = size // item_size(step.dtype), self._addresses[index]
        driver = self._device.driver
        return (lambda stream: driver.fill(target, element, count, stream)) if count else _nothing

    def _tensor_map(self, map_: TensorMap, symbols: Mapping[str, int]) -> bytes:
        return self._device.driver.tensor_map(
            self._address(map_.buffer) + evaluate(map_.offset, symbols),
            map_.dtype,
            [evaluate(size, symbols) for size in map_.shape],
            [evaluate(stride, symbols) for stride in map_.strides],
            map_.box,
            map_.swizzle,
            map_.l2_promotion,
            map_.pixels,
        )

    def _address(self, buffer: str) -> int:
        return self._addresses[self._buffers[buffer]]


class Arguments:
    """The arguments of a launch in memory, and the array of their addresses that the driver reads."""

    def __init__(self, pointers: Sequence[int], scalars: Sequence[int], tensor_maps: Sequence[bytes]) -> None:
        self._values = np.array([*pointers, *(scalar & 0xFFFFFFFFFFFFFFFF for scalar in scalars)], np.uint64)
        maps = b"".join(tensor_maps)
        self._maps = np.zeros(len(maps) + _TENSOR_MAP_ALIGNMENT, np.uint8)
        start = -self._maps.ctypes.data % _TENSOR_MAP_ALIGNMENT
        self._maps[start : start + len(maps)] = np.frombuffer(maps, np.uint8)
        values, map_base = self._values.ctypes.data, self._maps.ctypes.data + start
        addresses = [values + 8 * index for index in range(len(self._values))]
        addresses += [map_base + _TENSOR_MAP_BYTES * index for index in range(len(tensor_maps))]
        self._table = (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
        self.address = ctypes.addressof(self._table)


def _nothing(_: int) -> None:
    """The command of a step without work."""


def _names(step: DeviceStep) -> set[str]:
    """The symbols that a step's sizes mention."""
    expressions: list[Expression | float] = []
    if isinstance(step, Launch):
        expressions += [*step.scalars, *step.grid, step.shared_bytes]
        for map_ in step.tensor_maps:
            expressions += [*map_.shape, *map_.strides, map_.offset]
    elif isinstance(step, Copy):
        expressions += [step.bytes, step.src_offset, step.dst_offset]
    elif isinstance(step, Fill):
        expressions.append(step.value)
    return {name for expression in expressions if isinstance(expression, str) for name in names(expression)}


def _buffers(step: DeviceStep) -> set[str]:
    """The buffers that a step uses."""
    if isinstance(step, Launch):
        return {*step.buffers, *(map_.buffer for map_ in step.tensor_maps)}
    if isinstance(step, Copy):
        return {step.src, step.dst}
    return {step.dst} if isinstance(step, Fill) else set()
