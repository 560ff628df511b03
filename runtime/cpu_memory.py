"""Memory of a CPU context: the arenas of its plan's segments, and outputs whose size a run computes."""

from __future__ import annotations

import numpy as np

from .errors import DeviceMemoryError
from .plan import ALIGNMENT


class ContextMemory:
    """The arena of each segment, which grows and then moves, and the late outputs of the run at hand."""

    def __init__(self) -> None:
        self._arenas: dict[int, np.ndarray] = {}
        self.outputs: dict[int, np.ndarray] = {}
        """The bytes of each output that lies in a later segment, by its number."""

    def holds(self, segment: int, size: int) -> bool:
        arena = self._arenas.get(segment)
        return arena is not None and arena.nbytes >= size + ALIGNMENT

    def arena(self, segment: int, size: int = 0) -> int:
        """Address of the segment's arena, of at least `size` bytes; where it grows, what was in it is gone."""
        if not self.holds(segment, size):
            self._arenas.pop(segment, None)
            self._arenas[segment] = _allocated(size + ALIGNMENT)
        return -(-self._arenas[segment].ctypes.data // ALIGNMENT) * ALIGNMENT

    def output(self, index: int, size: int) -> int:
        """Address of new memory for an output."""
        memory = _allocated(size + ALIGNMENT)
        start = -memory.ctypes.data % ALIGNMENT
        self.outputs[index] = memory[start : start + size]
        return memory.ctypes.data + start

    @property
    def bytes(self) -> int:
        """The bytes of all arenas as they are now."""
        return sum(arena.nbytes - ALIGNMENT for arena in self._arenas.values())

    def clear(self) -> None:
        self._arenas.clear()
        self.outputs.clear()


def _allocated(size: int) -> np.ndarray:
    """`size` bytes. Raises DeviceMemoryError where there is no room."""
    try:
        return np.empty(size, np.uint8)
    except (MemoryError, ValueError):
        message = f"cannot allocate {size / 1e6:.1f} MB for the arena"
        raise DeviceMemoryError(message, "run smaller shapes, or fewer contexts") from None
