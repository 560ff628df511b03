"""Tile ops on memory: allocation, windows, loads, stores, gathers, copies.

Indices count elements, one `index` scalar a memref dim. Where a box of positions is moved, `dims[v]` is the memref dim
that dim `v` of the box walks and `steps[v]` its step: position p stands for the memref index

    start[d] + sum of p[v] * steps[v] over all v with dims[v] == d        for each memref dim d

so several box dims may walk one memref dim, none may (its index is the start), and `dims[v] == -1` walks none: the
same elements repeat along `v`. Indices must lie in the memref, except along the memref dims in `checked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from ...core import Value
from ...declare import PURE, Op
from ...types import MemRefType, Scalar, Type, VectorType, index
from .compute import TileOp
from .ordering import Barriers, ExecutionError
from .state import Buffer, Worker, register_type

Combine = Literal["add", "mul", "max", "min"]
Cache = Literal["all", "global", "streaming"]
Engine = Literal["cp.async", "tma"]
_Places = tuple[tuple[np.ndarray, ...], "np.ndarray | None"]

_COMBINE: dict[str, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


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
        _verify_start(self, source, self.start)
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
        _verify_start(self, memref, self.start)
        _verify_box(self, memref, _tile(self.result.type), self.dims, self.steps, self.checked, lowest=-1)

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        buffer, *start = operands
        shape, dtype = _tile(self.result.type)
        where, inside = box_index(buffer, start, shape, self.dims, self.steps, self.checked)
        return _masked_load(worker, buffer, where, inside, self.fill, shape, dtype)


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
        _verify_start(self, memref, self.start)
        _verify_box(self, memref, _tile(self.value.type), self.dims, self.steps, self.checked, lowest=0)

    def interpret(self, worker: Worker, *operands: Any) -> None:
        value, buffer, *start = operands
        shape, _ = _tile(self.value.type)
        where, inside = box_index(buffer, start, shape, self.dims, self.steps, self.checked)
        _masked_store(worker, buffer, where, inside, value, shape, self.combine)


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
        _verify_indices(self, memref, tile, self.indices, self.mask)

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        buffer, indices, mask = _gather_operands(operands, len(self.indices), skip=0)
        shape, dtype = _tile(self.result.type)
        return _masked_load(worker, buffer, *_any_index(buffer, indices, mask, shape), self.fill, shape, dtype)


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
        _verify_indices(self, memref, tile, self.indices, self.mask)

    def interpret(self, worker: Worker, *operands: Any) -> None:
        value = operands[0]
        buffer, indices, mask = _gather_operands(operands, len(self.indices), skip=1)
        shape, _ = _tile(self.value.type)
        _masked_store(worker, buffer, *_any_index(buffer, indices, mask, shape), value, shape, self.combine)


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
        _verify_start(self, source, self.source_start)
        _verify_start(self, target, self.target_start)
        box, ones = (self.sizes, register_type(source.dtype)), (1,) * len(self.sizes)
        checked = (self.checked, ()) if self.source_is_checked else ((), self.checked)
        _verify_box(self, source, box, self.source_dims, ones, checked[0], lowest=0)
        _verify_box(self, target, box, self.target_dims, ones, checked[1], lowest=0)

    def places(self, operands: Sequence[Any]) -> tuple[_Places, _Places]:
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
        values = _masked_load(worker, source, *here, self.fill, self.sizes, dtype)
        _masked_store(worker, target, *there, values, self.sizes, None)


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
        values = _masked_load(worker, source, *here, self.fill, self.sizes, dtype, asynchronous=not loads)
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
        self, worker: Worker, source: Buffer, target: Buffer, here: _Places, there: _Places, values: np.ndarray
    ) -> None:
        agent, (places, _), marks = worker.agent, here, source.marks
        assert marks is not None
        marks.reading[places] += 1

        def deliver() -> None:
            marks.reading[places] -= 1
            marks.read[..., agent.number][places] = agent.time
            _masked_store(worker, target, *there, values, self.sizes, None)

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


def box_index(
    buffer: Buffer,
    start: Sequence[Any],
    shape: Sequence[int],
    dims: Sequence[int],
    steps: Sequence[int],
    checked: Sequence[int],
) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
    """Index arrays for a box, one a memref dim, and where they are inside; clipped to the memref where `checked`."""
    where: list[np.ndarray] = []
    inside: np.ndarray | None = None
    for d, size in enumerate(buffer.array.shape):
        places: Any = np.int64(start[d])
        for v, (dim, step) in enumerate(zip(dims, steps, strict=True)):
            if dim == d:
                along = [1] * len(shape)
                along[v] = shape[v]
                places = places + (np.arange(shape[v], dtype=np.int64) * step).reshape(along)
        good = (places >= 0) & (places < size)
        if d in checked:
            inside = good if inside is None else inside & good
            places = np.where(good, places, 0)
        elif not np.all(good):
            where_text = f"indices from {np.min(places)} to {np.max(places)} leave dim {d} of size {size}"
            raise ExecutionError(f"a box of {tuple(shape)} leaves its memref: {where_text}")
        where.append(places)
    return tuple(where), inside


def _any_index(
    buffer: Buffer, indices: Sequence[Any], mask: Any, shape: Sequence[int]
) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
    where = [np.broadcast_to(np.asarray(i, np.int64), tuple(shape)) for i in indices]
    if mask is not None:
        where = [np.where(mask, i, 0) for i in where]
    for d, (places, size) in enumerate(zip(where, buffer.array.shape, strict=True)):
        good = (places >= 0) & (places < size)
        if not np.all(good if mask is None else good | ~mask):
            message = f"an index from {np.min(places)} to {np.max(places)} leaves dim {d} of size {size}"
            raise ExecutionError(f"a gather or scatter leaves its memref: {message}")
    return tuple(where), mask


def _gather_operands(operands: Sequence[Any], count: int, skip: int) -> tuple[Buffer, Sequence[Any], Any]:
    buffer, rest = operands[skip], operands[skip + 1 :]
    return buffer, rest[:count], rest[count] if len(rest) > count else None


def _masked_load(
    worker: Worker,
    buffer: Buffer,
    where: tuple[Any, ...],
    inside: Any,
    fill: float,
    shape: Sequence[int],
    dtype: Scalar,
    asynchronous: bool = False,
) -> Any:
    shape = tuple(shape)
    if inside is not None and not np.all(inside):
        values = np.full(shape, fill).astype(buffer.array.dtype)
        chosen = np.broadcast_to(inside, shape)
        places = tuple(np.broadcast_to(w, shape)[chosen] for w in where)
        values[chosen] = buffer.load(worker.agent, places, asynchronous)
    else:
        values = np.broadcast_to(buffer.load(worker.agent, where, asynchronous), shape)
    return values.astype(register_type(dtype).numpy)


def _masked_store(
    worker: Worker,
    buffer: Buffer,
    where: tuple[Any, ...],
    inside: Any,
    value: Any,
    shape: Sequence[int],
    combine: str | None,
) -> None:
    places = tuple(np.broadcast_to(w, tuple(shape)) for w in where)
    values = np.broadcast_to(value, tuple(shape))
    if inside is not None:
        chosen = np.broadcast_to(inside, tuple(shape))
        places, values = tuple(p[chosen] for p in places), values[chosen]
    values = values.astype(buffer.array.dtype)
    if combine is None:
        buffer.store(worker.agent, places, values)
    else:
        _COMBINE[combine].at(buffer.array, places, values)


def _tile(type: Type) -> tuple[tuple[int, ...], Scalar]:
    """A vector's shape and element type; a scalar is a tile without dims."""
    if isinstance(type, VectorType):
        return type.shape, type.dtype
    assert isinstance(type, Scalar)
    return (), type


def _verify_start(op: Op, memref: MemRefType, start: Sequence[Value]) -> None:
    op.require(len(start) == len(memref.shape), f"needs {len(memref.shape)} start indices for {memref}")
    op.require(all(v.type == index for v in start), "needs start indices of type index")


def _verify_box(
    op: Op,
    memref: MemRefType,
    tile: tuple[Sequence[int], Scalar],
    dims: Sequence[int],
    steps: Sequence[int],
    checked: Sequence[int],
    lowest: int,
) -> None:
    shape, dtype = tile
    rank = len(memref.shape)
    op.require(len(dims) == len(steps) == len(shape), f"needs a dim and a step for each of {len(shape)} tile dims")
    op.require(all(lowest <= d < rank for d in dims), f"has dims {tuple(dims)} for {memref}")
    op.require(all(0 <= d < rank for d in checked), f"checks dims {tuple(checked)} of {memref}")
    op.require(register_type(memref.dtype) == dtype, f"cannot move {dtype} elements to or from {memref}")


def _verify_indices(op: Op, memref: MemRefType, tile: VectorType, indices: Sequence[Value], mask: Value | None) -> None:
    wanted = VectorType(tile.shape, index)
    op.require(len(indices) == len(memref.shape), f"needs {len(memref.shape)} indices for {memref}")
    op.require(all(i.type in (index, wanted) for i in indices), f"needs indices of type index or {wanted}")
    if mask is not None:
        op.require(isinstance(mask.type, VectorType) and mask.type.shape == tile.shape, f"has a mask {mask.type}")
