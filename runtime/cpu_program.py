"""Steps of a CPU plan as a native program: one foreign call runs all of them.

A program is the memory that pool.ll's kw_program reads: a head, a record for each step, and the tables the records
point to. Its scalars are computed here, once for each shape of the inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from .cpu_pool import Library, Pool
from .dtypes import numpy_dtype
from .expressions import Expression, evaluate, names
from .plan import Copy, Fill, Launch, Native, Plan

NativeStep = Launch | Native | Copy | Fill

_ENTRY, _NO_BARRIER = 1, 2  # flags of a record
_HEAD, _RECORD = 4, 5  # 8-byte words
_STAMPS = 3  # the word of the head that holds the address of the time stamps


@dataclass
class _Record:
    function: int
    flags: int = 0
    buffers: list[int] = field(default_factory=list)
    scalars: list[Expression] = field(default_factory=list)


class Program:
    """A run of native steps, prepared for one set of symbols and one table of buffers."""

    def __init__(
        self, builder: ProgramBuilder, steps: Sequence[NativeStep], symbols: Mapping[str, int], table: np.ndarray
    ) -> None:
        self.steps = steps
        self._buffers = table.ctypes.data
        self._function = builder.library.address("kw_program")
        records = [builder.record(step, symbols) for step in steps]
        indices = np.array([index for record in records for index in record.buffers] or [0], np.int32)
        expressions = [scalar for record in records for scalar in record.scalars]
        self._scalars = np.zeros(max(1, len(expressions)), np.int64)
        self._late: list[tuple[int, Expression]] = []  # scalars with names that steps give values to
        for place, expression in enumerate(expressions):
            if names(expression) <= symbols.keys():
                self._scalars[place] = evaluate(expression, symbols)
            else:
                self._late.append((place, expression))
        plan_symbols = [symbols.get(symbol.name, 0) for symbol in builder.plan.symbols]
        self._symbols = np.array(plan_symbols or [0], np.int64)
        self._names = {symbol.name: place for place, symbol in enumerate(builder.plan.symbols)}
        self._stamps = np.zeros(len(records) + 1, np.int64)
        self._kept = (table, indices)
        self._memory = self._assemble(records, indices)
        self._address = self._memory.ctypes.data

    @property
    def is_static(self) -> bool:
        """True where nothing in the program depends on values that steps compute."""
        return not self._late

    def run(self, pool: Pool) -> None:
        pool.run(self._function, self._buffers, self._address)

    def update(self, symbols: Mapping[str, int]) -> None:
        """Take over the values that steps gave to symbols."""
        for place, expression in self._late:
            self._scalars[place] = evaluate(expression, symbols)
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

    def record(self, step: NativeStep, symbols: Mapping[str, int]) -> _Record:
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
                scalars=[evaluate(self._sizes[step.dst], symbols), fill_pattern(step, symbols)],
            )
        return _Record(
            self.library.address(self._kernels[step.kernel].entry),
            0 if step.attributes.get("barrier", True) else _NO_BARRIER,
            [self._buffers[name] for name in step.buffers],
            list(step.scalars),
        )


def fill_pattern(step: Fill, symbols: Mapping[str, int]) -> int:
    """Eight bytes that hold one or more elements of the fill's value, as a signed integer."""
    value = evaluate(step.value, symbols) if isinstance(step.value, str) else step.value
    element = np.array(value).astype(numpy_dtype(step.dtype))
    return int.from_bytes(element.tobytes() * (8 // element.itemsize), "little", signed=True)
