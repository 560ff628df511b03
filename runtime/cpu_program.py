"""Steps of a CPU plan as a native program: one foreign call runs all of them.

A program is the memory that pool.ll's kw_program reads: a head, a record for each step, and the tables the records
point to. Its scalars are computed here, once for each shape of the inputs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .control import DeviceStep, fill_element
from .cpu_pool import Library, Pool
from .expressions import Expression, evaluate, names
from .plan import Copy, Fill, Native, Plan

_ENTRY, _NO_BARRIER = 1, 2  # flags of a record
_HEAD, _RECORD = 4, 5  # 8-byte words
_EVERYBODY = 1 << 30  # more pieces than there are workers
_SMALLEST_SHARE = 4096  # bytes of a copy or fill that one worker does
_STAMPS = 3  # the word of the head that holds the address of the time stamps


@dataclass
class _Record:
    function: int
    flags: int = 0
    buffers: list[int] = field(default_factory=list)
    scalars: list[Expression | Fill] = field(default_factory=list)
    """A Fill stands for the pattern it fills with."""


class Program:
    """A run of native steps, prepared for one set of symbols and one table of buffers."""

    def __init__(
        self, builder: ProgramBuilder, steps: Sequence[DeviceStep], symbols: Mapping[str, int], table: np.ndarray
    ) -> None:
        self.steps = steps
        self._buffers = table.ctypes.data
        self._function = builder.library.address("kw_program")
        records = [builder.record(step) for step in steps]
        indices = np.array([index for record in records for index in record.buffers] or [0], np.int32)
        scalars = [scalar for record in records for scalar in record.scalars]
        self._scalars = np.zeros(max(1, len(scalars)), np.int64)
        self._late: list[tuple[int, Expression | Fill]] = []  # scalars with names that steps give values to
        for place, scalar in enumerate(scalars):
            if _names(scalar) <= symbols.keys():
                self._scalars[place] = _value(scalar, symbols)
            else:
                self._late.append((place, scalar))
        # more workers than pieces of work would only meet at barriers
        self._workers = max(builder.pieces(step, symbols) for step in steps)
        plan_symbols = [symbols.get(symbol.name, 0) for symbol in builder.plan.symbols]
        self._symbols = np.array(plan_symbols or [0], np.int64)
        self._names = {symbol.name: place for place, symbol in enumerate(builder.plan.symbols)}
        self._stamps = np.zeros(len(records) + 1, np.int64)
        self._kept = (table, indices)
        self._memory = self._assemble(records, indices)
        self._address = self._memory.ctypes.data

    def run(self, pool: Pool) -> None:
        pool.run(self._function, self._buffers, self._address, min(pool.threads, self._workers))

    def update(self, symbols: Mapping[str, int]) -> None:
        """Take over the values that steps gave to symbols."""
        for place, scalar in self._late:
            self._scalars[place] = _value(scalar, symbols)
        for name, place in self._names.items():
            self._symbols[place] = symbols.get(name, 0)

    def run_timed(self, pool: Pool) -> list[int]:
        """Run with a barrier after each step, and return how many nanoseconds each took."""
        self._memory[_STAMPS] = self._stamps.ctypes.data
        try:
            self.run(pool)
        finally:
            self._memory[_STAMPS] = 0
        return np.diff(self._stamps).tolist()

    def _assemble(self, records: list[_Record], indices: np.ndarray) -> np.ndarray:
        words = [
            len(records),
            max((len(record.buffers) for record in records), default=0),
            self._symbols.ctypes.data,
            0,
        ]
        index, scalar = indices.ctypes.data, self._scalars.ctypes.data
        for record in records:
            words += [record.function, record.flags, len(record.buffers), index, scalar]
            index += len(record.buffers) * indices.itemsize
            scalar += len(record.scalars) * self._scalars.itemsize
        return np.array(words, np.uint64)


class ProgramBuilder:
    """Turns steps into programs; knows the code of a plan."""

    def __init__(self, plan: Plan, library: Library) -> None:
        self.plan = plan
        self.library = library
        self._kernels = plan.kernel_table()
        self._buffers = {buffer.name: index for index, buffer in enumerate(plan.buffers)}
        self._sizes = {buffer.name: buffer.bytes for buffer in plan.buffers}

    def record(self, step: DeviceStep) -> _Record:
        if isinstance(step, Native):
            return _Record(self.library.address(step.entry), _ENTRY)
        if isinstance(step, Copy):
            return _Record(
                self.library.address("kw_copy"),
                buffers=[self._buffers[step.src], self._buffers[step.dst]],
                scalars=[step.bytes, step.src_offset, step.dst_offset],
            )
        if isinstance(step, Fill):
            return _Record(
                self.library.address("kw_fill"),
                buffers=[self._buffers[step.dst]],
                scalars=[self._sizes[step.dst], step],
            )
        return _Record(
            self.library.address(self._kernels[step.kernel].entry),
            0 if step.attributes.get("barrier", True) else _NO_BARRIER,
            [self._buffers[name] for name in step.buffers],
            list(step.scalars),
        )

    def pieces(self, step: DeviceStep, symbols: Mapping[str, int]) -> int:
        """The most workers that a step can occupy, at least 1."""
        if isinstance(step, Native):
            return max((self.pieces(launch, symbols) for launch in step.launches), default=_EVERYBODY)
        if isinstance(step, Copy | Fill):
            size = step.bytes if isinstance(step, Copy) else self._sizes[step.dst]
            return evaluate(size, symbols) // _SMALLEST_SHARE + 1 if names(size) <= symbols.keys() else _EVERYBODY
        if step.attributes.get("cooperative") or not all(names(extent) <= symbols.keys() for extent in step.grid):
            return _EVERYBODY
        return max(1, math.prod(evaluate(extent, symbols) for extent in step.grid))


def _names(scalar: Expression | Fill) -> frozenset[str]:
    expression = scalar.value if isinstance(scalar, Fill) else scalar
    return names(expression) if isinstance(expression, str) else frozenset()


def _value(scalar: Expression | Fill, symbols: Mapping[str, int]) -> int:
    if not isinstance(scalar, Fill):
        return evaluate(scalar, symbols)
    element = fill_element(scalar, symbols)
    return int.from_bytes(element * (8 // len(element)), "little", signed=True)
