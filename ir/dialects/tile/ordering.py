"""Who has seen what: the order of accesses to shared memory within a worker, as barriers establish it.

A worker is one agent (number 0) or, in `tile.roles`, several. An agent's time passes at its barriers and arrivals. It
knows of every agent up to which time it sees what that one did; an access is in order after another that it knows of,
and a race after one that it does not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...diagnostics import CompileError

Delivery = Callable[[], None]


class ExecutionError(CompileError):
    """A tile program broke a rule while it ran: an index outside its memref, a race, a deadlock."""


@dataclass
class Agent:
    """Threads that go through a program together: the worker or a group of a role. `warps` arrive at barriers."""

    number: int
    known: np.ndarray
    warps: int = 1
    time: int = 1
    uncommitted: dict[str, list[Delivery]] = field(default_factory=dict)
    groups: dict[str, list[list[Delivery]]] = field(default_factory=dict)
    products: list[Delivery] = field(default_factory=list)

    @staticmethod
    def first(agents: int) -> Agent:
        return Agent(0, np.zeros(agents, np.int64))

    def fork(self, number: int, warps: int) -> Agent:
        """A group of a role, which knows what this agent knows."""
        return Agent(number, self.known.copy(), warps)

    def barrier(self) -> None:
        """Every thread sees what every other did."""
        self.known[self.number] = self.time
        self.time += 1

    def commit_group(self, engine: str) -> None:
        self.groups.setdefault(engine, []).append(self.uncommitted.pop(engine, []))

    def wait_group(self, engine: str, pending: int) -> None:
        """Let all committed groups but the last `pending` land."""
        groups = self.groups.setdefault(engine, [])
        landed = groups[: max(len(groups) - pending, 0)]
        del groups[: len(landed)]
        for group in landed:
            for deliver in group:
                deliver()

    def wait_products(self, pending: int) -> None:
        """Let all asynchronous matrix products but the last `pending` finish."""
        done = self.products[: max(len(self.products) - pending, 0)]
        del self.products[: len(done)]
        for finish in done:
            finish()

    def finish(self) -> None:
        """The end of the program. Raises ExecutionError for copies that may not have read shared memory yet."""
        if self.uncommitted.get("tma") or any(self.groups.get("tma", ())):
            raise ExecutionError("the program ends before its asynchronous stores have read shared memory")


@dataclass
class Marks:
    """For each element of shared memory: who used it last, and what is under way.

    `ordinary` elements were written by stores of threads, which TMA and wgmma see after a `tile.fence_async` only.
    """

    writer: np.ndarray
    written: np.ndarray
    read: np.ndarray
    arriving: np.ndarray
    reading: np.ndarray
    ordinary: np.ndarray

    @staticmethod
    def of(shape: tuple[int, ...], agents: int) -> Marks:
        return Marks(
            np.zeros(shape, np.int16),
            np.zeros(shape, np.int32),
            np.zeros((*shape, agents), np.int32),
            np.zeros(shape, np.bool_),
            np.zeros(shape, np.int16),
            np.zeros(shape, np.bool_),
        )

    def __getitem__(self, key: Any) -> Marks:
        return Marks(*(marks[key] for marks in self._all))

    def flattened(self) -> Marks:
        agents = self.read.shape[-1]
        return Marks(*(m.reshape((-1, agents) if m is self.read else -1) for m in self._all))

    @property
    def _all(self) -> tuple[np.ndarray, ...]:
        return self.writer, self.written, self.read, self.arriving, self.reading, self.ordinary

    def check_read(self, agent: Agent, index: Any, asynchronous: bool) -> None:
        """Note that the elements at `index` are read, by TMA or wgmma if `asynchronous`. Raises ExecutionError."""
        if self.arriving[index].any():
            raise ExecutionError("shared memory is read while an asynchronous copy into it is under way")
        if (self.written[index] > agent.known[self.writer[index]]).any():
            raise ExecutionError("shared memory is read after it was written without a barrier between")
        if asynchronous and self.ordinary[index].any():
            raise ExecutionError("TMA or wgmma read what threads have stored without a tile.fence_async between")
        self.read[..., agent.number][index] = agent.time

    def check_write(self, agent: Agent, index: Any) -> None:
        """Raises ExecutionError where the elements at `index` may still be used."""
        if (self.arriving[index] | (self.reading[index] > 0)).any():
            raise ExecutionError("shared memory is written while an asynchronous operation uses it")
        late = self.written[index] > agent.known[self.writer[index]]
        if (late | (self.read[index] > agent.known).any(-1)).any():
            raise ExecutionError("shared memory is written after it was used without a barrier between")

    def write(self, agent: Agent, index: Any, time: int, ordinary: bool) -> None:
        """Note that the elements at `index` are written."""
        self.writer[index] = agent.number
        self.written[index] = time
        self.ordinary[index] = ordinary


@dataclass
class Slot:
    """One barrier: what its phase waits for, what has come, and what whoever waits for it will know."""

    arrivals: int
    agents: int
    phase: int = 0
    arrived: int = 0
    expected: int = 0
    landed: int = 0
    copies: list[Delivery] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.gathered = np.zeros(self.agents, np.int64)
        self.released = np.zeros(self.agents, np.int64)

    def note(self, agent: Agent) -> None:
        """Whoever waits for the phase knows what `agent` knows and did."""
        np.maximum(self.gathered, agent.known, out=self.gathered)
        self.gathered[agent.number] = max(self.gathered[agent.number], agent.time)

    def settle(self) -> bool:
        """End the phase if nothing is missing."""
        if self.arrived < self.arrivals or self.expected != self.landed:
            return False
        for deliver in self.copies:
            deliver()
        self.copies.clear()
        self.arrived = self.expected = self.landed = 0
        np.maximum(self.released, self.gathered, out=self.released)
        self.phase += 1
        return True


class Barriers:
    """Barriers of `tile.alloc_barriers`: a phase of a slot ends when all arrivals and all expected bytes came."""

    def __init__(self, count: int, arrivals: int, agents: int) -> None:
        self.slots = [Slot(arrivals, agents) for _ in range(count)]

    def arrive(self, agent: Agent, slot: int, expected: int, arrivals: int) -> None:
        one = self.slots[slot]
        one.note(agent)
        one.arrived += arrivals
        one.expected += expected
        if one.arrived > one.arrivals:
            raise ExecutionError(f"{one.arrived} arrivals come to a barrier of {one.arrivals}")
        agent.time += 1
        one.settle()

    def land(self, agent: Agent, slot: int, size: int, deliver: Delivery) -> None:
        """A copy of `size` bytes that arrives in the present phase."""
        one = self.slots[slot]
        one.note(agent)
        one.landed += size
        agent.time += 1
        one.copies.append(deliver)
        one.settle()

    def is_over(self, slot: int, parity: int) -> bool:
        """Whether the phase of that parity is over."""
        return self.slots[slot].phase % 2 != parity

    def acquire(self, agent: Agent, slot: int) -> None:
        np.maximum(agent.known, self.slots[slot].released, out=agent.known)
