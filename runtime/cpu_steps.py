"""Running the steps of a CPU plan: native programs, with whatever the host has to do between them."""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from . import host
from .cpu_pool import Pool
from .cpu_program import Program, ProgramBuilder
from .dtypes import numpy_dtype
from .expressions import evaluate, names
from .layout import Layout
from .plan import Copy, Fill, Host, If, Launch, Loop, Native, Read, Step
from .profile import StepTime, label

Action = Callable[[dict[str, int]], None]
"""One thing to do; gets the values of the symbols and may add to them."""


class StepRunner:
    """The steps of a plan, prepared for one layout and one table of buffers (addresses, in order of the plan)."""

    def __init__(
        self, builder: ProgramBuilder, layout: Layout, table: np.ndarray, pool: Pool, timed: bool = False
    ) -> None:
        """Where `timed`, every launch is a step of its own and run() fills `times`."""
        self.times: list[StepTime] = []
        self._builder = builder
        self._plan = builder.plan
        self._layout = layout
        self._table = table
        self._pool = pool
        self._timed = timed
        self._buffers = {buffer.name: index for index, buffer in enumerate(self._plan.buffers)}
        self._actions = self._prepare(self._plan.steps)

    def run(self) -> dict[str, int]:
        """Run all steps; the values of all symbols, those that steps computed included."""
        symbols = dict(self._layout.symbols)
        self.times = []
        for action in self._actions:
            action(symbols)
        return symbols

    def _prepare(self, steps: Sequence[Step]) -> list[Action]:
        """An action for each step, native steps in a row becoming one."""
        actions: list[Action] = []
        native: list[Launch | Native | Copy | Fill] = []
        for step in steps:
            if isinstance(step, Native) and self._timed and step.launches:
                native += step.launches
            elif isinstance(step, Launch | Native | Copy | Fill):
                if isinstance(step, Fill) and not self._is_known(step):
                    actions += self._program(native)
                    native = []
                    actions.append(self._late_fill(step))
                else:
                    native.append(step)
            else:
                actions += self._program(native)
                native = []
                actions.append(self._host_action(step))
        return actions + self._program(native)

    def _is_known(self, step: Fill) -> bool:
        return not isinstance(step.value, str) or names(step.value) <= self._layout.symbols.keys()

    def _program(self, steps: list[Launch | Native | Copy | Fill]) -> list[Action]:
        if not steps:
            return []
        program = Program(self._builder, steps, self._layout.symbols, self._table)

        def run(symbols: dict[str, int]) -> None:
            if len(symbols) > len(self._layout.symbols):  # steps gave values to some
                program.update(symbols)
            program.run(self._pool)

        def run_timed(symbols: dict[str, int]) -> None:
            program.update(symbols)
            for step, nanoseconds in zip(steps, program.run_timed(self._pool), strict=True):
                self.times.append(StepTime(*label(self._plan, step), nanoseconds * 1e-9))

        return [run_timed if self._timed else run]

    def _late_fill(self, step: Fill) -> Action:
        """A fill with a value that only the run knows: prepared when it comes."""

        def run(symbols: dict[str, int]) -> None:
            Program(self._builder, [step], symbols, self._table).run(self._pool)

        return run

    def _host_action(self, step: Step) -> Action:
        if isinstance(step, Host):
            return self._host_call(step)
        if isinstance(step, Read):
            return self._read(step)
        if isinstance(step, If):
            return self._branch(step)
        assert isinstance(step, Loop)
        return self._loop(step)

    def _host_call(self, step: Host) -> Action:
        def run(symbols: dict[str, int]) -> None:
            start = time.perf_counter()
            inputs = [self._array(name, symbols) for name in step.inputs]
            outputs = [self._array(name, symbols) for name in step.outputs]
            symbols.update(host.call(step, inputs, outputs))
            self.times.append(StepTime(*label(self._plan, step), time.perf_counter() - start))

        return run

    def _read(self, step: Read) -> Action:
        dtype = numpy_dtype(step.dtype)

        def run(symbols: dict[str, int]) -> None:
            at = int(self._table[self._buffers[step.buffer]]) + evaluate(step.offset, symbols)
            symbols[step.symbol] = int(np.frombuffer(ctypes.string_at(at, dtype.itemsize), dtype)[0])

        return run

    def _branch(self, step: If) -> Action:
        then, otherwise = self._prepare(step.then), self._prepare(step.otherwise)

        def run(symbols: dict[str, int]) -> None:
            for action in then if evaluate(step.condition, symbols) else otherwise:
                action(symbols)

        return run

    def _loop(self, step: Loop) -> Action:
        body = self._prepare(step.body)

        def run(symbols: dict[str, int]) -> None:
            done = 0
            if step.induction:
                symbols[step.induction] = done
            trips = None if step.trip_count is None else evaluate(step.trip_count, symbols)
            while (trips is None or done < trips) and evaluate(step.condition, symbols):
                for action in body:
                    action(symbols)
                done += 1
                if step.induction:
                    symbols[step.induction] = done

        return run

    def _array(self, name: str, symbols: dict[str, int]) -> np.ndarray:
        """A buffer as an array: of its shape, or flat and with room for the most where the shape is not known yet."""
        index = self._buffers[name]
        buffer, place = self._plan.buffers[index], self._layout.places[index]
        dtype = numpy_dtype(buffer.dtype)
        known = buffer.shape is not None and all(names(size) <= symbols.keys() for size in buffer.shape)
        shape = (
            tuple(evaluate(size, symbols) for size in buffer.shape or ()) if known else (place.bytes // dtype.itemsize,)
        )
        size = math.prod(shape) * dtype.itemsize
        if size == 0:
            return np.empty(shape, dtype)
        memory = (ctypes.c_char * size).from_address(int(self._table[index]))
        return np.ndarray(shape, dtype, memoryview(memory))
