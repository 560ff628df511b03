"""What a tile program runs on when it is interpreted: buffers with their spaces, and one worker's state.

Vectors are NumPy arrays of the vector's shape, scalars NumPy or Python numbers, memrefs `Buffer`s. Shared memory keeps
marks of who used it when, so a program that would race on a GPU fails here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...types import SCALARS, MemRefType, Scalar
from .ordering import Agent, Marks

_SIGNLESS = {f"ui{bits}": SCALARS[f"i{bits}"] for bits in (2, 4, 8, 16, 32, 64)}


def register_type(dtype: Scalar) -> Scalar:
    """The element type in registers: integers are signless there, as `arith` wants them."""
    return _SIGNLESS.get(dtype.name, dtype)


UNWRITTEN = 0x5A
"""What the bytes of new memory are."""


@dataclass
class Buffer:
    """Memory of a memref; `array` has its shape and storage type."""

    array: np.ndarray
    space: str = ""
    marks: Marks | None = None

    @staticmethod
    def allocate(type: MemRefType, agents: int = 1) -> Buffer:
        """Memory with arbitrary contents, here a pattern that shows up in results."""
        shape = tuple(int(d or 0) for d in type.shape)
        array = np.frombuffer(np.full(int(np.prod(shape)) * type.dtype.bytes, UNWRITTEN, np.uint8), type.dtype.numpy)
        marks = Marks.of(shape, agents) if type.space == "shared" else None
        return Buffer(array.reshape(shape).copy(), type.space, marks)

    def __getitem__(self, key: Any) -> Buffer:
        return Buffer(self.array[key], self.space, self.marks[key] if self.marks else None)

    def flattened(self) -> Buffer:
        return Buffer(self.array.reshape(-1), self.space, self.marks.flattened() if self.marks else None)

    def load(self, agent: Agent, index: Any, asynchronous: bool = False) -> np.ndarray:
        """The elements at broadcast index arrays. Raises ExecutionError on a race."""
        if self.marks is not None:
            self.marks.check_read(agent, index, asynchronous)
        return self.array[index]

    def store(self, agent: Agent, index: Any, values: Any) -> None:
        """Write elements at broadcast index arrays. Raises ExecutionError on a race."""
        if self.marks is not None:
            self.marks.check_write(agent, index)
            self.marks.write(agent, index, agent.time, ordinary=True)
        self.array[index] = values


@dataclass
class Worker:
    """One worker of a launch: its place in the grid, the sizes of the model's symbols, and the agent that runs.

    `alone`: one thread runs, which counts for one arrival at a barrier. `cluster` has the workers that see each other's
    shared memory.
    """

    program: tuple[int, ...]
    grid: tuple[int, ...]
    symbols: Mapping[str, int]
    agent: Agent = field(default_factory=lambda: Agent.first(1))
    agents: list[Agent] = field(default_factory=list)
    shared: list[Buffer] = field(default_factory=list)
    alone: bool = False
    cluster: Sequence[Worker] = ()

    def __post_init__(self) -> None:
        if not self.agents:
            self.agents.append(self.agent)

    def allocate(self, type: MemRefType) -> Buffer:
        buffer = Buffer.allocate(type, len(self.agent.known))
        if buffer.marks is not None:
            self.shared.append(buffer)
        return buffer

    def fork(self, warps: int) -> Worker:
        """A group of warps of a role."""
        agent = self.agent.fork(len(self.agents), warps)
        self.agents.append(agent)
        return replace(self, agent=agent, alone=False)

    def elected(self) -> Worker:
        """One thread of the agent."""
        return replace(self, alone=True)

    @property
    def arrivals(self) -> int:
        return 1 if self.alone else self.agent.warps

    def barrier(self) -> None:
        self.agent.barrier()
        if self.agent is self.agents[0]:
            for agent in self.agents[1:]:
                self.agent.known[agent.number] = agent.time

    def fence_async(self) -> None:
        """TMA and wgmma see what this agent has stored."""
        for buffer in self.shared:
            assert buffer.marks is not None
            buffer.marks.ordinary[buffer.marks.writer == self.agent.number] = False

    @property
    def events(self) -> int:
        """A number that grows whenever something happens that another agent may wait for."""
        return sum(agent.time for agent in self.agents)
