"""What the blocks of a cluster tell each other through shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir.dialects import tile
from ...ir.symbols import Dim
from ...ir.target import CudaTarget
from ...ir.types import MemRefType, Scalar, f32
from . import access
from .access import Memory
from .elements import Element

if TYPE_CHECKING:
    from .body import TileBody

FIRST_CAPABILITY = 90
"""The first GPUs whose blocks see each other's shared memory."""
LARGEST = 16
"""Blocks of a cluster, at most."""
ROOM = 0.91
"""The part of the multiprocessors that clusters of more than two blocks can have at once: parts of the GPU have a few
multiprocessors that make no cluster."""


def has_clusters(target: object) -> bool:
    return isinstance(target, CudaTarget) and target.compute_capability >= FIRST_CAPABILITY


def clustered_multiprocessors(target: CudaTarget, size: Dim) -> int:
    """The multiprocessors on which clusters of `size` blocks can be at work at once."""
    return target.multiprocessors if isinstance(size, int) and size <= 2 else int(ROOM * target.multiprocessors)


def shared_floats(body: TileBody, shape: Sequence[int], name: str, padding: int = 0) -> Memory:
    """Shared memory of f32; every row is followed by `padding` floats that nobody uses."""
    return shared(body, shape, f32, name, padding)


def shared(body: TileBody, shape: Sequence[int], dtype: Scalar, name: str, padding: int = 0) -> Memory:
    """Shared memory of the block; every row is followed by `padding` elements that nobody uses."""
    strides = None
    if padding:
        steps = [1]
        for size in reversed(shape[1:]):
            steps.append(steps[-1] * size + (padding if len(steps) == 1 else 0))
        strides = tuple(reversed(steps))
    alloc = tile.Alloc(result_types=[MemRefType(tuple(shape), dtype, "shared", strides=strides)])
    alloc.result.name = name
    return Memory(body.builder.effect(alloc).results[0], tuple(shape))


def of_peer(body: TileBody, memory: Memory, rank: Dim) -> Memory:
    """The same memory of a block of the cluster."""
    peer = tile.Peer(memory.value, body.indices.scalar_code(rank))
    return Memory(body.builder.effect(peer).results[0], memory.shape)


def write(body: TileBody, memory: Memory, place: Sequence[Dim], element: Element) -> None:
    """Every element of a tile that the memory has a place for, whatever limits its lanes have elsewhere."""
    limits, body.limits = body.limits, {}
    for index, size in zip(place, memory.shape, strict=True):
        if str(index) in body.indices.lanes and not body.indices.within(index, size):
            body.limits[body.indices.lanes[str(index)]] = (index, size)
    access.store(body, memory, place, element)
    body.limits = limits


def read(body: TileBody, memory: Memory, place: Sequence[Dim]) -> Element:
    """Every element of a tile, whatever limits its lanes have elsewhere; read where the program stands."""
    limits, body.limits = body.limits, {}
    element = access.load(body, memory, place, False, 0.0)
    body.limits = limits
    return element


def meet(body: TileBody, stores_only: bool = False) -> None:
    """Wait for all blocks of the cluster; with `stores_only` loads from others may still be under way."""
    body.builder.effect(tile.ClusterBarrier(stores_only))
