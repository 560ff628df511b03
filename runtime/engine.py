"""Engines: loaded plans, and the contexts that run them."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np

from .cpu_context import CpuContext, CpuDevice
from .cuda_context import CudaContext
from .cuda_device import CudaDevice
from .plan import Plan, Symbol, Target, TensorSpec
from .planfile import read_plan, write_plan
from .profile import StepTime
from .shapes import input_profile, narrowed
from .verify import verify


class Context(Protocol):
    """One sequence of runs of an engine, with memory of its own. Contexts of an engine run independently."""

    def run(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]: ...

    def profile(self, inputs: Mapping[str, Any]) -> list[StepTime]: ...

    def close(self) -> None: ...

    @property
    def arena_bytes(self) -> int: ...


def load(
    path: str | os.PathLike[str], *, threads: int | None = None, affinity: Sequence[int] | None = None, device: int = 0
) -> Engine:
    """The engine of a plan file, ready to run on this machine.

    `threads` (default: physical cores) and `affinity` (processor numbers) concern CPU plans, `device` (the number of
    the GPU) CUDA plans. Raises PlanError or one of its subclasses where the file is no valid plan for this machine, and
    DeviceError where the device is missing or refuses.
    """
    plan, tensors = read_plan(path)
    engine = Engine(plan, tensors, threads=threads, affinity=affinity, device=device)
    engine.prepare()
    return engine


class Engine:
    """A compiled model. Engines are shared by threads; each caller that runs concurrently has a context."""

    def __init__(
        self,
        plan: Plan,
        tensors: Mapping[str, np.ndarray],
        *,
        threads: int | None = None,
        affinity: Sequence[int] | None = None,
        device: int = 0,
    ) -> None:
        """Raises PlanError where the plan contradicts itself. The device is not touched before prepare() or a run."""
        verify(plan, tensors)
        self.plan = plan
        self.tensors = tensors
        self._threads = threads
        self._affinity = affinity
        self._device_number = device
        self._device: Any = None  # a CpuDevice or a CudaDevice: they share no interface but our use of them
        self._context: Context | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return self.plan.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        hidden = {name for check in self.plan.index_checks for name in (check.least, check.greatest)}
        return tuple(spec for spec in self.plan.outputs if spec.name not in hidden)

    @property
    def target(self) -> Target:
        return self.plan.target

    @property
    def precision(self) -> str:
        return self.plan.precision

    @property
    def profiles(self) -> dict[str, Symbol]:
        """The symbolic dimensions of the inputs and the values they may have."""
        return input_profile(self.plan)

    def prepare(self) -> None:
        """Load code and weights onto the device, if that has not happened; the first run does it otherwise."""
        with self._lock:
            if self._device is None:
                self._device = self._open_device()

    def create_context(
        self,
        profile: Mapping[str, tuple[int, int]] | None = None,
        *,
        stream: Any = None,
        threads: int | None = None,
        graph: bool = True,
    ) -> Any:
        """A new context: a CpuContext or a CudaContext.

        `profile` narrows symbols to (min, max) and reserves memory for the largest shapes at once. `stream` is the CUDA
        stream to run on (a handle, or an object with `cuda_stream`, `ptr` or `__cuda_stream__`), by default one of its
        own; `graph` = False launches kernels one by one instead of replaying a CUDA graph. `threads` gives a CPU
        context workers of its own; without it the contexts of an engine share workers and take turns.
        """
        self.prepare()
        symbols = None if profile is None else narrowed(self.plan, profile)
        if self.plan.target.kind == "cpu":
            return CpuContext(self.plan, self._device, symbols, threads)
        return CudaContext(self.plan, self._device, symbols, stream, graph)

    def run(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Run in the engine's own context, see CpuContext.run and CudaContext.run."""
        context = self._context
        if context is None:
            created = self.create_context()
            with self._lock:
                context = self._context = self._context or created
        return context.run(inputs, outputs)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the plan file, in one step; raises PlanWriteError where the system refuses."""
        write_plan(path, self.plan, self.tensors)

    def source(self, kernel: str) -> str:
        """Source text of a kernel, empty where the plan has none; raises KeyError for an unknown kernel."""
        name = self.plan.kernel(kernel).source
        return self.tensors[name].tobytes().decode() if name else ""

    def close(self) -> None:
        """Give back the engine's context, threads and device memory. Its other contexts must not be used afterwards."""
        with self._lock:
            if self._context is not None:
                self._context.close()
            if self._device is not None:
                self._device.close()
            self._context = self._device = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open_device(self) -> Any:
        if self.plan.target.kind == "cpu":
            return CpuDevice(self.plan, self.tensors, self._threads, self._affinity)
        return CudaDevice(self.plan, self.tensors, self._device_number)
