"""Tile ops on memory: allocation, windows, loads, stores, gathers.

Indices count elements, one `index` scalar a memref dim; `boxes` says which elements `dims` and `steps` name.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ...core import Value
from ...declare import PURE
from ...types import MemRefType, Type
from .boxes import (
    any_index,
    box_index,
    gather_operands,
    masked_load,
    masked_store,
    tile_of,
    verify_box,
    verify_indices,
    verify_start,
)
from .compute import TileOp
from .state import Buffer, Worker, register_type

Combine = Literal["add", "mul", "max", "min"]
Cache = Literal["all", "global", "streaming"]


class Alloc(TileOp, name="tile.alloc"):
    """Memory of the worker's own, uninitialized, living as long as its program: in "shared" (GPU) or "local" (CPU).

    The result's strides may leave gaps (padding). `alignment` is in bytes. With `swizzle` = 32, 64 or 128 the 16-byte
    chunks within each span of that many bytes are permuted: of the offset in bytes, bits 4 and up are combined by
    exclusive or with as many bits from bit 7 on (log2 of swizzle / 16), the pattern of TMA and wgmma. With `stages` the
    first dim counts the stages of a pipeline.
    """

    alignment: int = 16
    swizzle: int = 0
    stages: int | None = None

    def verify(self) -> None:
        super().verify()
        type = self.memref_type(self.result, "result")
        self.require(type.space in ("shared", "local"), f"must be in shared or local memory, found {type}")
        self.require(None not in type.shape, f"needs static sizes, found {type}")
        self.require(self.swizzle in (0, 32, 64, 128), f"has no swizzle of {self.swizzle} bytes")

    def interpret(self, worker: Worker, *operands: Any) -> Buffer:
        return worker.allocate(self.memref_type(self.result, "result"))


class View(TileOp, name="tile.view", traits=(PURE,)):
    """A window of `source` that starts at `start` and keeps the memref dims `dims`, with the sizes of the result.

    No data moves. Strides are those of `source`; a swizzle of the source's allocation stays. Example: stage %s of a
    pipeline: `"tile.view"(%a, %s, %zero, %zero) {dims = array<i64: 1, 2>}`.
    """

    source: Value
    start: tuple[Value, ...]
    dims: tuple[int, ...]

    def verify(self) -> None:
        super().verify()
        source, result = self.memref_type(self.source, "source"), self.memref_type(self.result, "result")
        verify_start(self, source, self.start)
        self.require(len(self.dims) == len(result.shape), f"keeps {len(self.dims)} dims, found {result}")
        self.require(list(self.dims) == sorted(set(self.dims)), "must keep dims in their order")
        self.require(source.dtype == result.dtype and source.space == result.space, f"cannot view {source} as {result}")

    def interpret(self, worker: Worker, *operands: Any) -> Buffer:
        source, *start = operands
        sizes = dict(zip(self.dims, self.memref_type(self.result, "result").shape, strict=True))
        key: list[Any] = []
        for d, first in enumerate(map(int, start)):
            size = sizes.get(d, 1)
            size = source.array.shape[d] - first if size is None else size
            self.require(first >= 0 and first + size <= source.array.shape[d], "leaves its memref")
            key.append(slice(first, first + size) if d in sizes else first)
        return source[tuple(key)]


class Peer(TileOp, name="tile.peer"):
    """The memory of a `tile.alloc` that worker number `rank` of the cluster has; numbers go along axis 0 first.

    It stands and may be read between two `tile.cluster_barrier`s: before the first the other worker may not have
    begun, and the last keeps it from ending.
    """

    source: Value
    rank: Value

    def infer(self) -> list[Type]:
        made = isinstance(self.source.owner, Alloc)
        self.require(made and self.memref_type(self.source, "source").space == "shared", "needs a shared tile.alloc")
        return [self.source.type]

    def interpret(self, worker: Worker, *operands: Any) -> Buffer:
        buffer, rank = operands
        self.require(0 <= int(rank) < len(worker.cluster), f"names worker {rank} of {len(worker.cluster)}")
        number = next(n for n, own in enumerate(worker.shared) if own is buffer)
        return Buffer(worker.cluster[int(rank)].shared[number].array, buffer.space)


class Peers(TileOp, name="tile.peers"):
    """The memory of a dense `tile.alloc` of all `count` workers of the cluster, their numbers along a new first dim.

    As with `tile.peer`, it may be read between two `tile.cluster_barrier`s.
    """

    source: Value
    count: int

    def infer(self) -> list[Type]:
        source = self.memref_type(self.source, "source")
        made = isinstance(self.source.owner, Alloc) and source.space == "shared" and source.strides is None
        self.require(made, "needs a dense shared tile.alloc")
        return [MemRefType((self.count, *source.shape), source.dtype, source.space)]

    def interpret(self, worker: Worker, *operands: Any) -> Buffer:
        (buffer,) = operands
        self.require(self.count == len(worker.cluster), f"names {self.count} workers of {len(worker.cluster)}")
        number = next(n for n, own in enumerate(worker.shared) if own is buffer)
        return Buffer(np.stack([one.shared[number].array for one in worker.cluster]), buffer.space)


class Flatten(TileOp, name="tile.flatten", traits=(PURE,)):
    """The same dense, row-major memory with one dimension."""

    source: Value

    def infer(self) -> list[Type]:
        source = self.memref_type(self.source, "source")
        self.require(source.strides is None, f"needs dense memory, found {source}")
        size: int | None = 1
        for dim in source.shape:
            size = None if size is None or dim is None else size * dim
        return [MemRefType((size,), source.dtype, source.space)]

    def interpret(self, worker: Worker, *operands: Any) -> Buffer:
        return operands[0].flattened()


class Load(TileOp, name="tile.load"):
    """A register tile from memory, or a scalar when `dims` is empty: element p is `memref` at p's index (see above).

    Along the memref dims in `checked` indices may leave the memref, and such elements are `fill`. The result's element
    type is the memref's, except that unsigned integers become signless; conversions are ops of `arith`. Booleans are
    bytes in memory and `i1` in registers. `alignment`: along the last vector dim every group of so many bytes lies side
    by side at an address that is a multiple of it, and is inside or outside as a whole: the widest single access.
    `cache`: "global" bypasses L1, "streaming" expects no other use.
    `instruction` (GPU): "ldmatrix.x4", "ldmatrix.x2" or those with ".trans", for fragments from shared memory.
    """

    memref: Value
    start: tuple[Value, ...]
    dims: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    checked: tuple[int, ...] = ()
    fill: float = 0.0
    alignment: int = 1
    cache: Cache = "all"
    instruction: str | None = None

    def verify(self) -> None:
        super().verify()
        memref = self.memref_type(self.memref, "memref")
        verify_start(self, memref, self.start)
        verify_box(self, memref, tile_of(self.result.type), self.dims, self.steps, self.checked, lowest=-1)

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        buffer, *start = operands
        shape, dtype = tile_of(self.result.type)
        where, inside = box_index(buffer, start, shape, self.dims, self.steps, self.checked)
        return masked_load(worker, buffer, where, inside, self.fill, shape, dtype)


class Store(TileOp, name="tile.store"):
    """The reverse of `tile.load`: element p of `value` (a vector, or a scalar with empty `dims`) goes to p's index.

    Elements whose index leaves the memref along a dim in `checked` are dropped. Each element has a place of its own
    (`dims` has no −1). With `combine` memory becomes `combine(memory, value)`, atomically. `instruction` is set by
    `assign-layouts` where a matrix instruction stores the tile.
    """

    value: Value
    memref: Value
    start: tuple[Value, ...]
    dims: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    checked: tuple[int, ...] = ()
    combine: Combine | None = None
    alignment: int = 1
    cache: Cache = "all"
    instruction: str | None = None

    def infer(self) -> list[Type]:
        return []

    def verify(self) -> None:
        super().verify()
        memref = self.memref_type(self.memref, "memref")
        verify_start(self, memref, self.start)
        verify_box(self, memref, tile_of(self.value.type), self.dims, self.steps, self.checked, lowest=0)

    def interpret(self, worker: Worker, *operands: Any) -> None:
        value, buffer, *start = operands
        shape, _ = tile_of(self.value.type)
        where, inside = box_index(buffer, start, shape, self.dims, self.steps, self.checked)
        masked_store(worker, buffer, where, inside, value, shape, self.combine)


class Gather(TileOp, name="tile.gather"):
    """A register tile from any places: element p is `memref` at `(indices[0][p], indices[1][p], …)`.

    One index a memref dim: a `vector<…xindex>` of the result's shape or an `index` scalar. Where `mask`, a
    `vector<…xi1>` of that shape, is false nothing is read and the element is `fill`;
    elsewhere indices lie in the memref.
    """

    memref: Value
    indices: tuple[Value, ...]
    mask: Value | None = None
    fill: float = 0.0
    cache: Cache = "all"

    def verify(self) -> None:
        super().verify()
        memref = self.memref_type(self.memref, "memref")
        tile = self.vector_type(self.result, "result")
        self.require(tile.dtype == register_type(memref.dtype), f"cannot read {memref} as {tile}")
        verify_indices(self, memref, tile, self.indices, self.mask)

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        buffer, indices, mask = gather_operands(operands, len(self.indices), skip=0)
        shape, dtype = tile_of(self.result.type)
        return masked_load(worker, buffer, *any_index(buffer, indices, mask, shape), self.fill, shape, dtype)


class Scatter(TileOp, name="tile.scatter"):
    """The reverse of `tile.gather`; where two elements have one place, either stays, or with `combine` both count."""

    value: Value
    memref: Value
    indices: tuple[Value, ...]
    mask: Value | None = None
    combine: Combine | None = None

    def infer(self) -> list[Type]:
        return []

    def verify(self) -> None:
        super().verify()
        memref = self.memref_type(self.memref, "memref")
        tile = self.vector_type(self.value, "value")
        self.require(tile.dtype == register_type(memref.dtype), f"cannot write {tile} to {memref}")
        verify_indices(self, memref, tile, self.indices, self.mask)

    def interpret(self, worker: Worker, *operands: Any) -> None:
        value = operands[0]
        buffer, indices, mask = gather_operands(operands, len(self.indices), skip=1)
        shape, _ = tile_of(self.value.type)
        masked_store(worker, buffer, *any_index(buffer, indices, mask, shape), value, shape, self.combine)
