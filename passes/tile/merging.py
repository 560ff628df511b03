"""Merging dims: adjacent dims of a loop nest that every access walks as one become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Value
from ...ir.symbols import Dim, Expr, product
from ...ir.types import TensorType
from .indices import Indices


@dataclass(frozen=True)
class Read:
    """One access to a tensor in memory: where, and whether the index may leave the tensor."""

    tensor: Value
    index: tuple[Dim, ...]
    unsure: bool = False

    @property
    def shape(self) -> tuple[Dim, ...]:
        assert isinstance(self.tensor.type, TensorType)
        return self.tensor.type.dims


@dataclass(frozen=True)
class Merged:
    """Adjacent dims `dims` of an iteration space, walked as one of `extent` positions."""

    dims: tuple[int, ...]
    extents: tuple[Dim, ...]
    indices: Indices

    @property
    def extent(self) -> Dim:
        return product(self.extents)

    def split(self, position: Dim) -> tuple[Dim, ...]:
        """The index along each dim at a position."""
        parts: list[Dim] = []
        for i in range(len(self.extents) - 1, 0, -1):
            inner = self.extents[i]
            if isinstance(position, int) and isinstance(inner, int):
                position, rest = divmod(position, inner)
                parts.append(rest)
                continue
            quotient = self.indices.derived(symbols.floordiv(position, inner), product(self.extents[:i]))
            parts.append(self.indices.derived(position - inner * quotient, inner))
            position = quotient
        return (position, *reversed(parts))


def row_major(shape: Sequence[Dim]) -> list[Dim]:
    """The strides of a dense array, in elements."""
    strides: list[Dim] = []
    stride: Dim = 1
    for size in reversed(shape):
        strides.append(stride)
        stride = stride * size
    return strides[::-1]


def address(index: Sequence[Dim], shape: Sequence[Dim]) -> Dim:
    """The position of an element in row-major order."""
    total: Dim = 0
    for i, stride in zip(index, row_major(shape), strict=True):
        total = total + i * stride
    return total


def merge_dims(
    indices: Indices, walks: Sequence[Expr], extents: Sequence[Dim], reads: Sequence[Read], keep: Sequence[int] = ()
) -> list[Merged]:
    """The dims that `walks` walk, merged where all reads allow; no dim in `keep` is merged with the one before it.

    Dims of size 1 disappear into a neighbour.
    """
    conditions = [_mergeable(read, indices) for read in reads]
    groups: list[list[int]] = []
    for d in range(len(walks)):
        if groups and d not in keep:
            last = groups[-1][-1]
            whole = product(extents[i] for i in groups[-1])
            alone = whole == 1 or extents[d] == 1
            if alone or all(test(walks[last], walks[d], extents[d]) for test in conditions):
                groups[-1].append(d)
                continue
        groups.append([d])
    return [Merged(tuple(g), tuple(extents[i] for i in g), indices) for g in groups]


def _mergeable(read: Read, indices: Indices) -> Callable[[Expr, Expr, Dim], bool]:
    place = indices.normalize(address(read.index, read.shape))

    def test(outer: Expr, inner: Expr, extent: Dim) -> bool:
        names = {str(outer), str(inner)}
        if read.unsure and any(names & symbols.free_symbols(i) for i in read.index):
            return False
        slopes = [symbols.linear_part(place, str(walk)) for walk in (outer, inner)]
        if slopes[0] is None or slopes[1] is None:
            return False
        return slopes[0][0] == slopes[1][0] * extent

    return test
