"""Tile ops that order memory and threads: barriers, groups of asynchronous copies, warp roles, dependent launches."""

from __future__ import annotations

from typing import Any

from ...core import Region, Value
from ...declare import TERMINATOR, Op
from ...types import OpaqueType, Type, index
from .compute import TileOp
from .copies import Engine
from .ordering import Barriers, ExecutionError
from .state import Worker

barriers_type = OpaqueType("tile.barriers")


class Effect(TileOp):
    """An op without results."""

    def infer(self) -> list[Type]:
        return []


class Barrier(Effect, name="tile.barrier"):
    """All threads of the worker, or of the group of a role: what each did to memory before, each sees after."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        self.require(not worker.alone, "stands in a tile.elect, where one thread would wait for ever")
        worker.barrier()


class FenceAsync(Effect, name="tile.fence_async"):
    """What these threads have stored to shared memory is there for TMA and wgmma after the next barrier."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.fence_async()


class GridBarrier(Effect, name="tile.grid_barrier"):
    """All workers of the launch, which must fit on the machine at once; a `tile.barrier` and more."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.barrier()


class ClusterBarrier(Effect, name="tile.cluster_barrier"):
    """All workers of a cluster (`cluster` of `kernel.func`): each sees what the others did to shared memory before.

    Whoever has passed it may end or write again: what the others had to read of its memory they have read. With
    `stores_only` they may still be at it, which costs less where memory changes only after their values were used.
    """

    stores_only: bool = False

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.barrier()


class CommitGroup(Effect, name="tile.commit_group"):
    """Close a group: the asynchronous copies of an engine started since the last one (maybe none)."""

    engine: Engine = "cp.async"

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.agent.commit_group(self.engine)


class WaitGroup(Effect, name="tile.wait_group"):
    """Wait until all closed groups but the last `pending` are done, for the thread that started them.

    "cp.async": they have landed in shared memory. "tma": they have read it; it may be written again.
    """

    pending: int = 0
    engine: Engine = "cp.async"

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.agent.wait_group(self.engine, self.pending)


class AllocBarriers(TileOp, name="tile.alloc_barriers"):
    """`count` barriers in shared memory, for use after the next `tile.barrier`.

    A phase of a slot ends when `arrivals` arrivals and all bytes that these expect have come.
    """

    count: int
    arrivals: int = 1

    def infer(self) -> list[Type]:
        return [barriers_type]

    def interpret(self, worker: Worker, *operands: Any) -> Barriers:
        return Barriers(self.count, self.arrivals, len(worker.agent.known))


class Arrive(Effect, name="tile.arrive"):
    """Each warp arrives at a slot once, in a `tile.elect` the one thread; what it did before is known to who waits.

    `bytes` more are expected from asynchronous copies in this phase.
    """

    barriers: Value
    slot: Value
    bytes: int = 0

    def interpret(self, worker: Worker, *operands: Any) -> None:
        self.require(self.bytes == 0 or worker.arrivals == 1, "expects bytes for every warp that arrives")
        operands[0].arrive(worker.agent, int(operands[1]), self.bytes, worker.arrivals)


class Wait(Effect, name="tile.wait"):
    """Wait until the slot's phase of that parity (`index`, 0 or 1) is over. A new slot is in phase 0."""

    barriers: Value
    slot: Value
    parity: Value

    def ready(self, worker: Worker, *operands: Any) -> bool:
        barriers, slot, parity = operands
        return barriers.is_over(int(slot), int(parity))

    def interpret(self, worker: Worker, *operands: Any) -> None:
        if not self.ready(worker, *operands):
            raise ExecutionError("a wait was passed before its phase was over")
        operands[0].acquire(worker.agent, int(operands[1]))


class Roles(Effect, name="tile.roles"):
    """Warps with programs of their own, at the same time; each region ends with `tile.end`.

    Region i is run by `groups[i]` groups (default: one) of `warps[i]` warps; an `index` argument of it is the number of
    the group. Warps are given out in the order of regions and groups. `registers[i]` is the registers a thread may use,
    where roles should differ in that. A `tile.barrier` in a role is for the threads of its group.
    """

    bodies: tuple[Region, ...]
    warps: tuple[int, ...]
    groups: tuple[int, ...] | None = None
    registers: tuple[int, ...] | None = None

    @property
    def group_counts(self) -> tuple[int, ...]:
        return self.groups or (1,) * len(self.warps)

    def verify(self) -> None:
        super().verify()
        count = len(self.bodies)
        for name, given in (("warps", self.warps), ("groups", self.groups), ("registers", self.registers)):
            self.require(given is None or len(given) == count, f"has {count} regions for {name} {given}")
        for region in self.bodies:
            found = [argument.type for argument in region.block.arguments]
            self.require(found in ([], [index]), "takes one argument a region, the number of the group")


class Elect(Effect, name="tile.elect"):
    """One thread of the worker, or of the group of a role, runs the region, which ends with `tile.end`."""

    body: Region


class End(Op, name="tile.end", traits=(TERMINATOR,)):
    """The end of a role or of what one thread does."""

    def infer(self) -> list[Type]:
        return []


class TriggerDependents(Effect, name="tile.trigger_dependents"):
    """The next launch of the stream may start; it sees this one's results only after its `tile.wait_dependencies`."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        pass


class WaitDependencies(Effect, name="tile.wait_dependencies"):
    """Wait for the launches this one was started before the end of; before that, touch weights only."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        pass
