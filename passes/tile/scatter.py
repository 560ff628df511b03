"""The strategy `scatter`: updates go where their indices point, instead of being looked for by every element.

A worker owns a range of the result's elements. It copies them, walks all updates, and puts those into their places that
are in its range: no worker waits for another, and on a CPU updates of one place are combined in their order. On a GPU
the threads of the block that owns them combine them atomically.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.dialects import kernel, nn, tile
from ...ir.dialects.nn.base import scalar_type, shape
from ...ir.symbols import Dim, Expr, ceildiv, minimum, mul, product
from ...ir.target import CudaTarget
from ...ir.types import i64
from .elements import Element
from .frame import Frame, only_root, open_frame, returned
from .merging import Merged, row_major
from .nest import Tiles
from .plans import estimate
from .schedule import Schedule
from .strategies import AnyTarget, register

_FEW = 4
"""So many updates at most are quicker looked for."""
_SHARE = 4096
"""Elements of the result that make a worker worth its walk over all updates."""
_THREADS = 256

AnyScatter = nn.ScatterElements | nn.ScatterNd


@dataclass(frozen=True)
class ScatterSchedule(Schedule):
    """`workers` share the result; register tiles are `lanes` wide. With `threads` workers are blocks."""

    subject = "a scatter"

    workers: int
    lanes: int
    threads: int = 0


@dataclass(frozen=True)
class Scatter:
    """Scatters of more than a few updates that are a kernel of their own."""

    name: str = "scatter"
    priority: int = 20

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = _root(func)
        if root is None:
            return "the kernel is not one scatter"
        if root.reduction != "none" and scalar_type(root.x).bits < 32:
            return "narrow numbers would be rounded after each update"
        if root.reduction in ("max", "min") and scalar_type(root.x).is_unsigned:
            return "extremes in memory are those of signed numbers"
        if estimate(_looked_through(root)) <= _FEW:
            return "few updates are looked for by each element"
        size = estimate(product(shape(root.x)), unknown=1024)
        on_gpu = isinstance(target, CudaTarget)
        most = target.multiprocessors if isinstance(target, CudaTarget) else target.cores
        lanes = _THREADS if on_gpu else 2 * target.lanes(32)
        workers = max(min(most, size // (_SHARE if not on_gpu else 4 * _THREADS)), 1)
        return ScatterSchedule(workers, lanes, _THREADS if on_gpu else 0).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = _root(func)
        assert root is not None
        _Program(func, root, ScatterSchedule.from_attribute(schedule)).build()


def _root(func: kernel.Func) -> AnyScatter | None:
    root = only_root(func, nn.ScatterElements) or only_root(func, nn.ScatterNd)
    assert root is None or isinstance(root, AnyScatter)
    if root is None or returned(func) != (root.result,):
        return None
    others = [op for op in func.block if isinstance(op, nn.NnOp) and op is not root]
    return root if all(isinstance(op, nn.Constant) for op in others) else None


def _looked_through(root: AnyScatter) -> Dim:
    """The updates that each element of the result would have to look through."""
    dims = shape(root.indices)
    return dims[root.axis] if isinstance(root, nn.ScatterElements) else product(dims[:-1])


class _Program:
    """One worker's program for a scatter."""

    def __init__(self, func: kernel.Func, root: AnyScatter, schedule: ScatterSchedule) -> None:
        self.root, self.schedule = root, schedule
        self.dims, self.size = shape(root.x), product(shape(root.x))
        self.frame: Frame = open_frame(func, [(self.size,)])
        self.body, self.indices = self.frame.body, self.frame.body.indices
        (self.memory,) = self.frame.results
        self.update = shape(root.updates)

    def build(self) -> None:
        if self.size != 0:
            self._worker()
        self.frame.finish((self.schedule.workers,), self.schedule.threads or None)

    def _worker(self) -> None:
        lanes, builder = self.schedule.lanes, self.body.builder
        share = mul(ceildiv(ceildiv(self.size, self.schedule.workers), lanes), lanes)
        worker = self.indices.scalar(builder.pure(tile.ProgramId(0)), self.schedule.workers)
        first = minimum(mul(worker, share), self.size)
        self.range = first, minimum(symbols.add(first, share), self.size)
        self._tiles(self.size, self._copy).all(*self.range)
        if self.schedule.threads:
            builder.effect(tile.Barrier())
        if (count := product(self.update)) != 0:
            self._tiles(count, self._put).all(0, count)

    def _tiles(self, extent: Dim, emit: Callable[[Expr], None]) -> Tiles:
        return Tiles(self.frame, self.indices.lane(self.schedule.lanes), self.schedule.lanes, extent, emit)

    def _split(self, position: Dim, dims: tuple[Dim, ...]) -> tuple[Dim, ...]:
        return Merged((), dims, self.indices).split(position) if dims else ()

    def _copy(self, position: Expr) -> None:
        element = self.body.read(self.root.x, self._split(position, self.dims))
        self.body.store(self.memory, (position,), element)

    def _put(self, position: Expr) -> None:
        """Put a tile of updates into the places that are the worker's."""
        index = self._split(position, self.update)
        place, conditions = self._place(index)
        first, last = (self.body.number(bound, i64) for bound in self.range)
        conditions += [self.body.apply("ge", place, first), self.body.apply("lt", place, last)]
        if (limit := self.body.inside_lanes(sorted(self.indices.lanes_of(position)))) is not None:
            conditions.append(limit)
        elements, lanes = self.body.elements, tuple(sorted(self.indices.lanes_of(position)))
        mask = conditions[0]
        for condition in conditions[1:]:
            mask = self.body.apply("and", mask, condition)
        value = elements.cast(self.body.read(self.root.updates, index), self.memory.dtype)
        where = self.indices.code(self.body.as_index(place))
        value, where, mask = (elements.spread(element, lanes) for element in (value, where, mask))
        combine = None if self.root.reduction == "none" else self.root.reduction
        op = tile.Scatter(value.value, self.memory.value, (where.value,), mask.value, combine)
        self.body.builder.effect(op)

    def _place(self, index: tuple[Dim, ...]) -> tuple[Element, list[Element]]:
        """Where in the result the update at `index` goes, and the conditions under which it is there at all."""
        root, strides = self.root, row_major(self.dims)
        if isinstance(root, nn.ScatterElements):
            pointed = [(root.axis, index)]
            fixed = [(axis, i) for axis, i in enumerate(index) if axis != root.axis]
        else:
            lead, depth = len(shape(root.indices)) - 1, root.depth
            pointed = [(axis, (*index[:lead], axis)) for axis in range(depth)]
            fixed = [(depth + i, at) for i, at in enumerate(index[lead:])]
        conditions = [
            self.indices.inside(i, self.dims[axis]) for axis, i in fixed if not self.indices.within(i, self.dims[axis])
        ]
        start = sum((mul(i, strides[axis]) for axis, i in fixed), start=0)
        place = self.body.number(start, i64)
        for axis, at in pointed:
            found, inside = self._pointed(self.body.cast(self.body.read(root.indices, at), i64), self.dims[axis])
            conditions += inside
            place = self.body.apply("add", place, self.body.apply("mul", found, self.body.number(strides[axis], i64)))
        return place, conditions

    def _pointed(self, index: Element, size: Dim) -> tuple[Element, list[Element]]:
        """An index counted from the front, and whether there is such an element."""
        zero, extent = self.body.constant(0, i64), self.body.number(size, i64)
        below = self.body.apply("lt", index, zero)
        index = self.body.apply("select", below, self.body.apply("add", index, extent), index)
        return index, [self.body.apply("ge", index, zero), self.body.apply("lt", index, extent)]


register(Scatter())
