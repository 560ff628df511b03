"""A CUDA plan on its GPU: code and weights, shared by the contexts of an engine."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .cuda_driver import Driver
from .errors import PlanTargetError
from .plan import ALIGNMENT, Plan, Target, Weight


class CudaDevice:
    """The kernels of a plan, loaded, and its weights in GPU memory."""

    def __init__(
        self, plan: Plan, tensors: Mapping[str, np.ndarray], number: int = 0, driver: Driver | None = None
    ) -> None:
        """Raises DeviceError where GPU `number` is missing or refuses, PlanTargetError where the plan is for others."""
        self.driver = driver or Driver(number)
        self.driver.enter()
        self._closed = False
        images = _images(plan, self.driver)
        self._modules = {
            name: self.driver.load_module(tensors[name].tobytes()) for name in sorted(set(images.values()))
        }
        self.functions: dict[str, Any] = {
            kernel.name: self.driver.function(self._modules[images[kernel.name]], kernel.entry)
            for kernel in plan.kernels
        }
        self._large_clusters: set[str] = set()
        self._shared_memory = dict.fromkeys(self.functions, _ALWAYS_ALLOWED)
        names = {buffer.storage.tensor for buffer in plan.buffers if isinstance(buffer.storage, Weight)}
        self._memory, self.weights = self._upload({name: tensors[name] for name in sorted(names)})

    def allow_shared_memory(self, kernel: str, size: int) -> None:
        """Let launches of `kernel` ask for `size` bytes of dynamic shared memory."""
        if size > self._shared_memory[kernel]:
            self.driver.allow_shared_memory(self.functions[kernel], size)
            self._shared_memory[kernel] = size

    def allow_cluster(self, kernel: str, shape: tuple[int, int, int] | None) -> None:
        """Let launches of `kernel` have clusters of `shape`."""
        if shape is not None and math.prod(shape) > _ALWAYS_ALLOWED_CLUSTER and kernel not in self._large_clusters:
            self.driver.allow_large_clusters(self.functions[kernel])
            self._large_clusters.add(kernel)

    def close(self) -> None:
        """Give back all GPU memory; contexts must be closed before."""
        if self._closed:
            return
        self._closed = True
        self.driver.enter()
        for module in self._modules.values():
            self.driver.unload_module(module)
        self._modules.clear()
        if self._memory:
            self.driver.free(self._memory)
        self.driver.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # it may be half made, or the process is ending
            self.close()

    def _upload(self, tensors: Mapping[str, np.ndarray]) -> tuple[int, dict[str, int]]:
        """One allocation with all tensors, and the address of each."""
        offsets: dict[str, int] = {}
        size = 0
        for name, tensor in tensors.items():
            offsets[name] = size
            size += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        if not size:
            return 0, dict.fromkeys(offsets, 0)
        memory = self.driver.allocate(size)
        for name, tensor in tensors.items():
            if tensor.nbytes:
                dense = np.ascontiguousarray(tensor)  # constants may be views that repeat or transpose elements
                self.driver.copy_to_device(memory + offsets[name], dense.ctypes.data, dense.nbytes)
        return memory, {name: memory + offset for name, offset in offsets.items()}


_ALWAYS_ALLOWED = 48 * 1024  # bytes of dynamic shared memory that need no permission
_ALWAYS_ALLOWED_CLUSTER = 8  # blocks


def _images(plan: Plan, driver: Driver) -> dict[str, str]:
    """The tensor to load for each kernel: its cubin, or on a GPU later than the plan's its PTX.

    Raises PlanTargetError where the GPU runs neither.
    """
    suits = Architecture.of(plan.target)
    if suits.runs_on(driver.capability):
        return {kernel.name: kernel.binary for kernel in plan.kernels}
    if suits.is_translated_on(driver.capability) and all(kernel.ptx for kernel in plan.kernels):
        return {kernel.name: kernel.ptx for kernel in plan.kernels}
    machine = f"sm_{driver.capability[0]}{driver.capability[1]}"
    raise PlanTargetError(
        f"the plan is for {suits.name} ('{plan.target.name}'), this GPU ({driver.name}) is {machine}",
        f"compile the model with --target cuda:{machine}",
    )


@dataclass(frozen=True)
class Architecture:
    """What a plan's code was compiled for: `sm_90a`, say, is 9.0 with the suffix "a"."""

    name: str
    capability: tuple[int, int]
    suffix: str

    @staticmethod
    def of(target: Target) -> Architecture:
        found = re.search(r"sm_(\d+)(\d)([af]?)$", target.arch or target.name)
        if found is None:
            raise PlanTargetError(f"the plan's target '{target.name}' names no GPU architecture (sm_...)")
        return Architecture(found[0], (int(found[1]), int(found[2])), found[3])

    def runs_on(self, capability: tuple[int, int]) -> bool:
        """`sm_90a` runs on 9.0 alone, `sm_100f` on its family (10.x), `sm_80` on 8.x from 8.0 up."""
        if self.suffix == "a":
            return capability == self.capability
        return capability[0] == self.capability[0] and capability >= self.capability

    def is_translated_on(self, capability: tuple[int, int]) -> bool:
        """Whether the driver makes code for the GPU from PTX: on every later one, but never with a suffix."""
        return not self.suffix and capability >= self.capability
