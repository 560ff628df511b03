"""A CUDA plan on its GPU: code and weights, shared by the contexts of an engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
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
        check_target(plan.target, self.driver)
        binaries = sorted({kernel.binary for kernel in plan.kernels})
        self._modules = {name: self.driver.load_module(tensors[name].tobytes()) for name in binaries}
        self.functions: dict[str, Any] = {
            kernel.name: self.driver.function(self._modules[kernel.binary], kernel.entry) for kernel in plan.kernels
        }
        self._shared_memory = dict.fromkeys(self.functions, _ALWAYS_ALLOWED)
        names = {buffer.storage.tensor for buffer in plan.buffers if isinstance(buffer.storage, Weight)}
        self._memory, self.weights = self._upload({name: tensors[name] for name in sorted(names)})

    def allow_shared_memory(self, kernel: str, size: int) -> None:
        """Let launches of `kernel` ask for `size` bytes of dynamic shared memory."""
        if size > self._shared_memory[kernel]:
            self.driver.allow_shared_memory(self.functions[kernel], size)
            self._shared_memory[kernel] = size

    def close(self) -> None:
        """Give back all GPU memory; contexts must be closed before."""
        self.driver.enter()
        for module in self._modules.values():
            self.driver.unload_module(module)
        self._modules.clear()
        if self._memory:
            self.driver.free(self._memory)
            self._memory = 0
        self.driver.close()

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
                self.driver.copy_to_device(memory + offsets[name], tensor.ctypes.data, tensor.nbytes)
        return memory, {name: memory + offset for name, offset in offsets.items()}


_ALWAYS_ALLOWED = 48 * 1024  # bytes of dynamic shared memory that need no permission


def check_target(target: Target, driver: Driver) -> None:
    """Raises PlanTargetError unless the GPU runs code of the plan's architecture.

    `sm_90a` runs on 9.0 alone, `sm_100f` on its family (10.x), `sm_80` on 8.x from 8.0 up.
    """
    found = re.search(r"sm_(\d+)(\d)([af]?)$", target.arch or target.name)
    if found is None:
        raise PlanTargetError(f"the plan's target '{target.name}' names no GPU architecture (sm_...)")
    major, minor, suffix = int(found[1]), int(found[2]), found[3]
    fits = driver.capability[0] == major and driver.capability[1] >= minor
    if fits and (suffix != "a" or driver.capability[1] == minor):
        return
    machine = f"sm_{driver.capability[0]}{driver.capability[1]}"
    raise PlanTargetError(
        f"the plan is for {found[0]} ('{target.name}'), this GPU ({driver.name}) is {machine}",
        f"compile the model with --target cuda:{machine}",
    )
