"""Tile ops that move boxes from one memref to another, at once or asynchronously."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ...core import Value
from ...types import Type
from .boxes import Places, box_index, masked_load, masked_store, verify_box, verify_start
from .compute import TileOp
from .memory import Cache
from .ordering import Barriers
from .state import Buffer, Worker, register_type

Engine = Literal["cp.async", "tma"]


class CopyOp(TileOp):
    """Move a box of `sizes` elements between memrefs of one element type, by all threads of the worker.

    Box dim v walks `source_dims[v]` of the source and `target_dims[v]` of the target, in steps of one. Dims in
    `checked` (of the source; of the target of a copy from shared to global memory) may be left: elements there read as
    `fill` and are not written. `width`: the bytes one thread moves at once.
    """

    source: Value
    target: Value
    source_start: tuple[Value, ...]
    target_start: tuple[Value, ...]
    sizes: tuple[int, ...]
    source_dims: tuple[int, ...]
    target_dims: tuple[int, ...]
    checked: tuple[int, ...] = ()
    fill: float = 0.0
    width: int = 16

    def infer(self) -> list[Type]:
        return []

    def verify(self) -> None:
        super().verify()
        source, target = self.memref_type(self.source, "source"), self.memref_type(self.target, "target")
        self.require(source.dtype == target.dtype, f"element types differ: {source} and {target}")
        verify_start(self, source, self.source_start)
        verify_start(self, target, self.target_start)
        box, ones = (self.sizes, register_type(source.dtype)), (1,) * len(self.sizes)
        checked = (self.checked, ()) if self.source_is_checked else ((), self.checked)
        verify_box(self, source, box, self.source_dims, ones, checked[0], lowest=0)
        verify_box(self, target, box, self.target_dims, ones, checked[1], lowest=0)

    def places(self, operands: Sequence[Any]) -> tuple[Places, Places]:
        """Where the box lies in the source and in the target."""
        source, target, *rest = operands
        rank, ones = len(self.source_start), (1,) * len(self.sizes)
        starts = rest[:rank], rest[rank : rank + len(self.target_start)]
        checked = (self.checked, ()) if self.source_is_checked else ((), self.checked)
        here = box_index(source, starts[0], self.sizes, self.source_dims, ones, checked[0])
        there = box_index(target, starts[1], self.sizes, self.target_dims, ones, checked[1])
        return here, there

    @property
    def source_is_checked(self) -> bool:
        """Whether `checked` speaks of the source: of the target where that alone is in global memory."""
        spaces = [self.memref_type(v, "memref").space for v in (self.source, self.target)]
        return not (spaces[0] and not spaces[1])


class Copy(CopyOp, name="tile.copy"):
    """Copy and wait for this thread's part; other threads see it after a `tile.barrier`."""

    def interpret(self, worker: Worker, *operands: Any) -> None:
        source, target, *_ = operands
        here, there = self.places(operands)
        dtype = self.memref_type(self.source, "source").dtype
        values = masked_load(worker, source, *here, self.fill, self.sizes, dtype)
        masked_store(worker, target, *there, values, self.sizes, None)


class CopyAsync(CopyOp, name="tile.copy_async"):
    """Start a copy from global to shared memory and go on; until it has landed the target must not be touched.

    Engine "cp.async", all threads: it belongs to the next `tile.commit_group` and has landed after the
    `tile.wait_group` for it, for other threads after a `tile.barrier` too. Engine "tma", one thread (`tile.elect`): the
    box, at most 256 elements along a dim and no wider than the target's swizzle, counts for the present phase of slot
    `slot` of `barriers`, and has landed for whoever waits for that phase.

    From shared to global memory (engine "tma", without barriers) it belongs to the next `tile.commit_group` of this
    engine; elements behind the end of the target are dropped. The source may be written again after `tile.wait_group`.
    """

    barriers: Value | None = None
    slot: Value | None = None
    engine: Engine = "cp.async"
    cache: Cache = "global"

    def verify(self) -> None:
        super().verify()
        spaces = [self.memref_type(v, "memref").space for v in (self.source, self.target)]
        stores = spaces == ["shared", ""]
        self.require(stores or spaces == ["", "shared"], "must copy between global and shared memory")
        self.require(self.engine == "tma" or not stores, "to global memory needs the engine 'tma'")
        wanted = self.engine == "tma" and not stores
        self.require((self.barriers is not None) == wanted, "has barriers where TMA loads, and only there")
        self.require(self.engine == "cp.async" or self.fill == 0, "by TMA fills with zeros")

    def interpret(self, worker: Worker, *operands: Any) -> None:
        self.require(self.engine == "cp.async" or worker.alone, "by TMA must be in a tile.elect")
        source, target, *_ = operands
        here, there = self.places(operands)
        dtype, agent, loads = self.memref_type(self.source, "source").dtype, worker.agent, self.source_is_checked
        values = masked_load(worker, source, *here, self.fill, self.sizes, dtype, asynchronous=not loads)
        if not loads:
            self._store(worker, source, target, here, there, values)
            return
        where, _ = there
        assert target.marks is not None
        target.marks.check_write(agent, where)
        target.marks.arriving[where] = True
        issued, tma = agent.time, self.engine == "tma"

        def deliver() -> None:
            target.array[where] = values
            target.marks.arriving[where] = False
            target.marks.write(agent, where, issued if tma else agent.time, ordinary=not tma)

        if tma:
            barriers: Barriers = operands[self.operand_index("barriers")]
            size = int(np.prod(self.sizes)) * dtype.bytes
            barriers.land(agent, int(operands[self.operand_index("slot")]), size, deliver)
        else:
            agent.uncommitted.setdefault(self.engine, []).append(deliver)

    def _store(
        self, worker: Worker, source: Buffer, target: Buffer, here: Places, there: Places, values: np.ndarray
    ) -> None:
        agent, (places, _), marks = worker.agent, here, source.marks
        assert marks is not None
        marks.reading[places] += 1

        def deliver() -> None:
            marks.reading[places] -= 1
            marks.read[..., agent.number][places] = agent.time
            masked_store(worker, target, *there, values, self.sizes, None)

        agent.uncommitted.setdefault(self.engine, []).append(deliver)


class Prefetch(TileOp, name="tile.prefetch"):
    """Bring the `sizes` box at `start` (box dim v walks memref dim v) near: a hint, without effect on results."""

    memref: Value
    start: tuple[Value, ...]
    sizes: tuple[int, ...]
    level: Literal["l1", "l2"] = "l2"

    def infer(self) -> list[Type]:
        return []

    def interpret(self, worker: Worker, *operands: Any) -> None:
        pass
