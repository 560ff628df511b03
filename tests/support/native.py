"""Tile programs compiled for this machine and run, as the runtime does it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from kernelwright.codegen.cpu import compile_object, kernel_source, pool_object
from kernelwright.codegen.program import kernel_symbols
from kernelwright.compiler.host import host
from kernelwright.ir.dialects import kernel
from kernelwright.ir.symbols import substitute
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.types import MemRefType
from kernelwright.runtime.cpu_pool import Library, Pool


class NativeKernel:
    """One tile program as machine code."""

    def __init__(self, func: kernel.Func, target: CpuTarget | None = None) -> None:
        self.func = func
        target = target or host()
        self.source = kernel_source([func], features=target.features).text
        self.library = Library([compile_object(self.source, target), pool_object(target)], [func.sym_name])

    def __call__(self, inputs: Sequence[np.ndarray], sizes: Mapping[str, int], threads: int = 2) -> list[np.ndarray]:
        """The results, flat arrays of NaN bits before they are written, in the shapes of their memrefs."""
        arrays = [np.ascontiguousarray(array) for array in inputs]
        for argument, shape in list(zip(self.func.block.arguments, self.func.argument_shapes(), strict=True))[
            len(arrays) :
        ]:
            assert isinstance(argument.type, MemRefType)
            bound = [dim for dim in (substitute(dim, sizes) for dim in shape) if isinstance(dim, int)]
            raw = np.full(math.prod(bound) * argument.type.dtype.bytes, 0xFF, np.uint8)
            arrays.append(raw.view(argument.type.dtype.numpy).reshape(bound))
        self._run(arrays, sizes, threads)
        return arrays[len(inputs) :]

    def into(self, inputs: Sequence[np.ndarray], result: np.ndarray) -> np.ndarray:
        """Run with `result` as the memory of the one result, which may be smaller."""
        self._run([*map(np.ascontiguousarray, inputs), result], {}, threads=1)
        return result

    def _run(self, arrays: Sequence[np.ndarray], sizes: Mapping[str, int], threads: int) -> None:
        table = np.array([array.ctypes.data for array in arrays], np.uint64)
        scalars = np.array([sizes[name] for name in kernel_symbols(self.func)] or [0], np.int64)
        pool = Pool(self.library, threads)
        pool.run(self.library.address(self.func.sym_name), table.ctypes.data, scalars.ctypes.data, threads)
        pool.close()


def runs_here(target: CpuTarget) -> bool:
    """Whether this machine has the instruction sets of `target`."""
    return target.arch.split("-")[0] == host().arch.split("-")[0] and set(target.features) <= set(host().features)
