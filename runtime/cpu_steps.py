"""Running the steps of a CPU plan: native programs, with whatever the host has to do between them."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import numpy as np

from .control import Action, ControlFlow, DeviceStep
from .cpu_memory import ContextMemory
from .cpu_pool import Pool
from .cpu_program import Program, ProgramBuilder
from .layout import Layout, Place, roots
from .profile import StepTime, label


class CpuSteps:
    """The steps of a plan, prepared for one layout and one table of buffers (addresses, in order of the plan).

    `objects` are the places of the buffers that hold objects; `memory` is the context's.
    """

    def __init__(
        self,
        builder: ProgramBuilder,
        layout: Layout,
        table: np.ndarray,
        objects: Mapping[int, np.ndarray],
        pool: Pool,
        memory: ContextMemory,
        timed: bool = False,
    ) -> None:
        """Where `timed`, every launch is timed on its own and run() fills `times`."""
        self._builder = builder
        self._layout = layout
        self._table = table
        self._objects = objects
        self._pool = pool
        self._memory = memory
        self._roots = roots(builder.plan)
        self._timed = timed
        self._control = ControlFlow(builder.plan, layout, self, timed)
        self.run = self._control.run

    @property
    def times(self) -> list[StepTime]:
        return self._control.times

    def stretch(self, steps: Sequence[DeviceStep]) -> Action:
        program = Program(self._builder, steps, self._layout.symbols, self._table)
        at_start = len(self._layout.symbols)

        def run(symbols: dict[str, int]) -> None:
            if len(symbols) > at_start:  # steps have given values to some
                program.update(symbols)
            program.run(self._pool)

        def run_timed(symbols: dict[str, int]) -> None:
            program.update(symbols)
            for step, nanoseconds in zip(steps, program.run_timed(self._pool), strict=True):
                self.times.append(StepTime(*label(self._builder.plan, step), nanoseconds * 1e-9))

        return run_timed if self._timed else run

    def to_host(self, buffer: int, offset: int, size: int) -> np.ndarray:
        if size == 0:
            return np.empty(0, np.uint8)
        memory = (ctypes.c_char * size).from_address(int(self._table[buffer]) + offset)
        return np.ndarray((size,), np.uint8, memoryview(memory))

    def object(self, buffer: int) -> np.ndarray:
        return self._objects[buffer]

    def from_host(self, buffer: int, content: np.ndarray) -> None:
        """Nothing to do: to_host() gave the memory itself."""

    def place(self, segment: int, places: Mapping[int, Place], arena_bytes: int) -> None:
        self._memory.arena(segment, arena_bytes)
        for slot, place in places.items():
            root = self._roots.get((place.root, place.key))
            if root is None:
                base = self._memory.arena(int(place.key))
            elif root == slot:
                base = self._memory.output(int(place.key), place.bytes)
            else:
                base = int(self._table[root])
            self._table[slot] = base + place.offset
