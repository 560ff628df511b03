"""Tile ops that order memory and threads: barriers, groups of asynchronous copies, warp roles, dependent launches."""

from __future__ import annotations

from typing import Any

from ...core import Region, Value
from ...declare import TERMINATOR, Op
from ...types import OpaqueType, Type
from .compute import TileOp
from .state import Barriers, ExecutionError, Worker

barriers_type = OpaqueType("tile.barriers")


class Effect(TileOp):
    """An op without results."""

    def infer(self) -> list[Type]:
        return []


class Barrier(Effect, name="tile.barrier"):
    """All threads of the worker: what each did to shared and global memory before, each sees after."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.barrier()


class GridBarrier(Effect, name="tile.grid_barrier"):
    """All workers of the launch, which must fit on the machine at once; a `tile.barrier` and more."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.barrier()


class ClusterBarrier(Effect, name="tile.cluster_barrier"):
    """All workers of a cluster (`cluster` of `kernel.func`): each sees what the others did to shared memory before."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.barrier()


class CommitGroup(Effect, name="tile.commit_group"):
    """Close a group: the asynchronous copies started since the last one (maybe none)."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.commit_group()


class WaitGroup(Effect, name="tile.wait_group"):
    """Wait until all closed groups but the last `pending` have landed, for the thread that started them."""

    pending: int = 0

    def interpret(self, worker: Worker, *operands: Any) -> None:
        worker.wait_group(self.pending)


class AllocBarriers(TileOp, name="tile.alloc_barriers"):
    """`count` barriers in shared memory. A phase of a slot ends when `arrivals` arrivals came and its copies landed."""

    count: int
    arrivals: int = 1

    def infer(self) -> list[Type]:
        return [barriers_type]

    def interpret(self, worker: Worker, *operands: Any) -> Barriers:
        return Barriers.of(self.count, self.arrivals)


class Arrive(Effect, name="tile.arrive"):
    """One arrival at a slot; `bytes` more are expected from asynchronous copies in this phase."""

    barriers: Value
    slot: Value
    bytes: int = 0

    def interpret(self, worker: Worker, *operands: Any) -> None:
        operands[0].arrive(int(operands[1]))


class Wait(Effect, name="tile.wait"):
    """Wait until the slot's phase of that parity (`index`, 0 or 1) is over. A new slot is in phase 0."""

    barriers: Value
    slot: Value
    parity: Value

    def ready(self, worker: Worker, *operands: Any) -> bool:
        barriers, slot, parity = operands
        return barriers.phase[int(slot)] % 2 != int(parity)

    def interpret(self, worker: Worker, *operands: Any) -> None:
        if not self.ready(worker, *operands):
            raise ExecutionError("a wait was passed before its phase was over")


class Roles(Effect, name="tile.roles"):
    """Groups of `warps[i]` warps run region i at the same time; each region ends with `tile.end`.

    `registers[i]` is the registers a thread of the role may use, where roles should differ in that. A `tile.barrier`
    in a role is for its own threads.
    """

    bodies: tuple[Region, ...]
    warps: tuple[int, ...]
    registers: tuple[int, ...] | None = None

    def verify(self) -> None:
        super().verify()
        self.require(len(self.warps) == len(self.bodies), f"has {len(self.bodies)} regions for warps {self.warps}")


class End(Op, name="tile.end", traits=(TERMINATOR,)):
    """The end of a role."""

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
