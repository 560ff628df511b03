"""Which elements of a memref an op moves: boxes of positions, gathered places, masks.

Where a box of positions is moved, `dims[v]` is the memref dim that dim `v` of the box walks and `steps[v]` its step:
position p stands for the memref index

    start[d] + sum of p[v] * steps[v] over all v with dims[v] == d        for each memref dim d

so several box dims may walk one memref dim, none may (its index is the start), and `dims[v] == -1` walks none: the
same elements repeat along `v`. Indices must lie in the memref, except along the memref dims in `checked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...core import Value
from ...declare import Op
from ...types import MemRefType, Scalar, Type, VectorType, index
from .ordering import ExecutionError
from .state import Buffer, Worker, register_type

Places = tuple[tuple[np.ndarray, ...], "np.ndarray | None"]
"""Index arrays, one a memref dim, and which of them count."""

_COMBINE: dict[str, Any] = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


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


def any_index(
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


def gather_operands(operands: Sequence[Any], count: int, skip: int) -> tuple[Buffer, Sequence[Any], Any]:
    buffer, rest = operands[skip], operands[skip + 1 :]
    return buffer, rest[:count], rest[count] if len(rest) > count else None


def masked_load(
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


def masked_store(
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


def tile_of(type: Type) -> tuple[tuple[int, ...], Scalar]:
    """A vector's shape and element type; a scalar is a tile without dims."""
    if isinstance(type, VectorType):
        return type.shape, type.dtype
    assert isinstance(type, Scalar)
    return (), type


def verify_start(op: Op, memref: MemRefType, start: Sequence[Value]) -> None:
    op.require(len(start) == len(memref.shape), f"needs {len(memref.shape)} start indices for {memref}")
    op.require(all(v.type == index for v in start), "needs start indices of type index")


def verify_box(
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


def verify_indices(op: Op, memref: MemRefType, tile: VectorType, indices: Sequence[Value], mask: Value | None) -> None:
    wanted = VectorType(tile.shape, index)
    op.require(len(indices) == len(memref.shape), f"needs {len(memref.shape)} indices for {memref}")
    op.require(all(i.type in (index, wanted) for i in indices), f"needs indices of type index or {wanted}")
    if mask is not None:
        op.require(isinstance(mask.type, VectorType) and mask.type.shape == tile.shape, f"has a mask {mask.type}")
