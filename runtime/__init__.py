"""Runs plans: needs NumPy, and llvmlite for CPU plans or cuda-python for CUDA plans, but nothing of the compiler."""

from __future__ import annotations

from .cpu_context import CpuContext
from .cuda_context import CudaContext
from .cuda_tensor import DeviceTensor
from .engine import Engine, load
from .errors import DeviceError, EngineError, IndexRangeError, InputError, PlanError
from .plan import Plan
from .planfile import read_plan, write_plan

__all__ = [
    "CpuContext",
    "CudaContext",
    "DeviceError",
    "DeviceTensor",
    "Engine",
    "EngineError",
    "IndexRangeError",
    "InputError",
    "Plan",
    "PlanError",
    "load",
    "read_plan",
    "write_plan",
]
