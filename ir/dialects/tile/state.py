"""What a tile program runs on when it is interpreted: buffers with their spaces, and one worker's state.

Vectors are NumPy arrays of the vector's shape, scalars NumPy or Python numbers, memrefs `Buffer`s. Shared memory keeps
marks of what was read and written since the last barrier, so a program that would race on a GPU fails here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...diagnostics import CompileError
from ...types import SCALARS, MemRefType, Scalar

_SIGNLESS = {f"ui{bits}": SCALARS[f"i{bits}"] for bits in (2, 4, 8, 16, 32, 64)}


class ExecutionError(CompileError):
    """A tile program broke a rule while it ran: an index outside its memref, a race, a deadlock."""


def register_type(dtype: Scalar) -> Scalar:
    """The element type in registers: integers are signless there, as `arith` wants them."""
    return _SIGNLESS.get(dtype.name, dtype)


@dataclass
class Marks:
    """For each element of shared memory: written or read since the last barrier, or still on its way."""

    written: np.ndarray
    read: np.ndarray
    arriving: np.ndarray

    @staticmethod
    def of(shape: tuple[int, ...]) -> Marks:
        return Marks(*(np.zeros(shape, np.bool_) for _ in range(3)))

    def __getitem__(self, key: Any) -> Marks:
        return Marks(self.written[key], self.read[key], self.arriving[key])

    def synchronize(self) -> None:
        self.written[...] = False
        self.read[...] = False


@dataclass
class Buffer:
    """Memory of a memref; `array` has its shape and storage type."""

    array: np.ndarray
    space: str = ""
    marks: Marks | None = None

    @staticmethod
    def allocate(type: MemRefType) -> Buffer:
        """Memory with arbitrary contents, here a pattern that shows up in results."""
        shape = tuple(int(d or 0) for d in type.shape)
        array = np.frombuffer(np.full(int(np.prod(shape)) * type.dtype.bytes, 0x5A, np.uint8), type.dtype.numpy)
        return Buffer(array.reshape(shape).copy(), type.space, Marks.of(shape) if type.space == "shared" else None)

    def __getitem__(self, key: Any) -> Buffer:
        return Buffer(self.array[key], self.space, self.marks[key] if self.marks else None)

    def flattened(self) -> Buffer:
        marks = self.marks
        flat = Marks(*(m.reshape(-1) for m in (marks.written, marks.read, marks.arriving))) if marks else None
        return Buffer(self.array.reshape(-1), self.space, flat)

    def load(self, index: tuple[Any, ...], checked: bool = True) -> np.ndarray:
        """The elements at broadcast index arrays. Raises ExecutionError on a race."""
        if self.marks is not None and checked:
            if self.marks.arriving[index].any():
                raise ExecutionError("shared memory is read while an asynchronous copy into it is under way")
            if self.marks.written[index].any():
                raise ExecutionError("shared memory is read after it was written without a tile.barrier between")
            self.marks.read[index] = True
        return self.array[index]

    def store(self, index: tuple[Any, ...], values: Any) -> None:
        """Write elements at broadcast index arrays. Raises ExecutionError on a race."""
        self.claim(index)
        self.array[index] = values

    def claim(self, index: tuple[Any, ...]) -> None:
        """Note that the elements at `index` are written."""
        if self.marks is None:
            return
        if (self.marks.read[index] | self.marks.written[index] | self.marks.arriving[index]).any():
            raise ExecutionError("shared memory is written after it was used without a tile.barrier between")
        self.marks.written[index] = True


Delivery = Callable[[], None]


@dataclass
class Barriers:
    """Barriers of `tile.alloc_barriers`: a slot completes a phase when all arrivals came and all its copies landed."""

    arrivals: int
    phase: list[int]
    pending: list[int]
    copies: list[list[Delivery]]

    @staticmethod
    def of(count: int, arrivals: int) -> Barriers:
        return Barriers(arrivals, [0] * count, [arrivals] * count, [[] for _ in range(count)])

    def arrive(self, slot: int) -> None:
        self.pending[slot] -= 1
        if self.pending[slot] == 0:
            for deliver in self.copies[slot]:
                deliver()
            self.copies[slot].clear()
            self.pending[slot] = self.arrivals
            self.phase[slot] += 1


@dataclass
class Worker:
    """One worker of a launch: its place in the grid, the sizes of the model's symbols, and what is under way.

    `cluster` has the workers that see each other's shared memory.
    """

    program: tuple[int, ...]
    grid: tuple[int, ...]
    symbols: Mapping[str, int]
    shared: list[Buffer] = field(default_factory=list)
    uncommitted: list[Delivery] = field(default_factory=list)
    groups: list[list[Delivery]] = field(default_factory=list)
    cluster: Sequence[Worker] = ()

    def allocate(self, type: MemRefType) -> Buffer:
        buffer = Buffer.allocate(type)
        if buffer.marks is not None:
            self.shared.append(buffer)
        return buffer

    def barrier(self) -> None:
        for buffer in self.shared:
            assert buffer.marks is not None
            buffer.marks.synchronize()

    def commit_group(self) -> None:
        self.groups.append(self.uncommitted)
        self.uncommitted = []

    def wait_group(self, pending: int) -> None:
        """Let all committed groups but the last `pending` land."""
        landed = self.groups[: max(len(self.groups) - pending, 0)]
        del self.groups[: len(landed)]
        for group in landed:
            for deliver in group:
                deliver()
