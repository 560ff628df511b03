"""Depthwise convolutions of NCHW images on CPUs: every channel has a filter of its own.

A work item is a channel of an image, whose mean may be another result. Vectors of neighbouring output pixels of a few
rows are accumulated together, so that a vector of the input serves several rows of taps. Inputs are read where they
lie: register tiles at the edges of the plane are told apart from those within it, which check nothing; rows beyond an
edge add nothing, columns are masked.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.dialects.nn.reduction import Reduce
from ...ir.symbols import Dim, Expr
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, bf16, f32
from . import access
from .access import Memory
from .cpu_conv import Geometry
from .cpu_micro import is_float_up_to_f32
from .elements import Element
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .schedule import Schedule
from .strategies import AnyTarget, register

UNROLLED = 4
"""Register tiles along a row that are spelled out instead of looped over."""
ACCUMULATORS = 8
"""Vectors that are summed up together: enough to hide the latency of a multiply-add, few enough for all taps."""


@dataclass(frozen=True)
class DepthwiseSchedule(Schedule):
    """A register tile is `rows` x `lanes` pixels of the output."""

    subject = "a depthwise convolution"

    rows: int
    lanes: int


@dataclass(frozen=True)
class CpuDepthwise:
    """One input channel a group; vectors of pixels."""

    name: str = "depthwise"
    priority: int = 110

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Conv)
        if not isinstance(target, CpuTarget) or not isinstance(root, Conv):
            return "not one convolution on a CPU"
        reason = refusal(func, root)
        if reason is None and not isinstance(root.x, BlockArgument):
            reason = "its input is computed in the kernel"
        if (
            reason is None
            and plane_means(func) is not None
            and target.has_bf16_dots
            and tensor_type(root.w).scalar == bf16
        ):
            reason = "the processor adds products of pairs of bf16, which another strategy uses, without the means"
        geometry = Geometry.of(root)
        if reason is not None or geometry is None:
            return reason or "its image has symbolic sizes"
        return depthwise_schedule(geometry, target).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = DepthwiseSchedule.from_attribute(schedule)
        root = only_root(func, Conv)
        assert isinstance(root, Conv)
        geometry = Geometry.of(root)
        assert geometry is not None
        Depthwise(open_frame(func), root, geometry, sizes).build()


register(CpuDepthwise())


def refusal(func: kernel.Func, root: Conv) -> str | None:
    """Why a kernel's results are not a depthwise convolution's, what follows it and its planes' means; None if so."""
    geometry = Geometry.of(root)
    if geometry is None or geometry.inputs != 1 or geometry.group == 1:
        return "not a depthwise convolution of images of static size"
    if not all(is_float_up_to_f32(tensor_type(v).scalar) for v in (root.x, root.w)):
        return "its elements are not f32 or narrower floats"
    means = plane_means(func)
    if means is not None and returned(func)[:1] != (means.x,):
        return "it reduces something else than its first result"
    others = [v for v in returned(func) if means is None or v is not means.result]
    if any(tensor_type(v).dims != tensor_type(root.result).dims for v in others):
        return "a result has another shape than the convolution"
    if len([op for op in func.block if isinstance(op, Reduce)]) > int(means is not None):
        return "it reduces other things than the planes of its result"
    return None


def plane_means(func: kernel.Func) -> Reduce | None:
    """The op whose result, the kernel's second, is the mean of each plane of an image."""
    results = returned(func)
    op = results[1].owner if len(results) == 2 else None
    if not isinstance(op, Reduce) or op.kind != "mean" or op.axes != (2, 3) or tensor_type(op.x).rank != 4:
        return None
    return op


def depthwise_schedule(geometry: Geometry, target: CpuTarget) -> DepthwiseSchedule:
    """Lanes that waste least of a row, the widest of those; rows that divide the output's."""
    rows, width = geometry.out
    widths = [target.lanes(32) // 2, target.lanes(32), 2 * target.lanes(32)]
    lanes = min(widths, key=lambda n: (-(-width // n) * n, -n))
    vectors = -(-lanes // target.lanes(32))
    most = max(ACCUMULATORS // vectors, 1)
    return DepthwiseSchedule(next((n for n in range(most, 1, -1) if rows % n == 0), 1), lanes)


@dataclass
class Depthwise:
    """Emits the planes of a depthwise convolution. `source`: its input's elements, by default those of its operand."""

    frame: Frame
    root: Conv
    geometry: Geometry
    sizes: DepthwiseSchedule
    source: Callable[[tuple[Dim, ...]], Element] | None = None

    def build(self) -> None:
        """The whole program."""
        g, body = self.geometry, self.frame.body
        grid = (g.group * g.outputs, g.batch)
        channel, image = (
            body.indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent) for axis, extent in enumerate(grid)
        )
        self.emit(image, channel)
        self.frame.finish(grid, None)

    def emit(self, image: Dim, channel: Dim) -> None:
        """One plane of the result."""
        body, sizes = self.frame.body, self.sizes
        self.image, self.channel = image, channel
        self.input = Merged((), (self.geometry.group, self.geometry.outputs), body.indices).split(channel)[0]
        self.means = plane_means(self.frame.func)
        self.sums = self._start_sums() if self.means is not None else None
        self._along(0, sizes.rows, 1, lambda row: self._along(1, sizes.lanes, UNROLLED, lambda c: self._tile(row, c)))
        if self.means is not None and self.sums is not None:
            self._store_mean(self.means, self.sums)

    def _along(self, axis: int, size: int, unrolled: int, emit: Callable[[Dim], None]) -> None:
        """`emit(first output)` for the register tiles along an axis: those at the edges of the plane one by one, those
        within it in a loop if they are many."""
        g, indices = self.geometry, self.frame.body.indices
        tiles = range(-(-g.out[axis] // size))
        within = [t for t in tiles if self._is_within(axis, t * size, size)]
        if len(within) <= unrolled:
            within = []
        for t in tiles:
            if not within or t < within[0] or t > within[-1]:
                emit(t * size)
            elif t == within[0]:
                first, count = t, len(within)

                def step(counter: Value, _: Sequence[Value], first: int = first, count: int = count) -> Sequence[Value]:
                    emit((indices.scalar(counter, count) + first) * size)
                    return ()

                self.frame.body.loop(count, 1, (), step)

    def _is_within(self, axis: int, first: int, size: int) -> bool:
        """Whether all that a register tile reads and writes along an axis is in the planes."""
        g = self.geometry
        low = first * g.strides[axis] - g.low[axis]
        high = low + (size - 1) * g.strides[axis] + (g.kernel[axis] - 1) * g.dilations[axis]
        return low >= 0 and high < g.image[axis] and first + size <= g.out[axis]

    def _tile(self, first_row: Dim, first_column: Dim) -> None:
        """A register tile: its rows together, then each row's end."""
        g, body, sizes = self.geometry, self.frame.body, self.sizes
        indices = body.indices
        lane = indices.lane(sizes.lanes)
        column = indices.derived(first_column + lane, g.out[1])
        if g.out[1] % sizes.lanes and not isinstance(first_column, Expr) and first_column + sizes.lanes > g.out[1]:
            body.limits[indices.lane_of(lane)] = (column, g.out[1])
        sums: list[Element | None] = [None] * sizes.rows
        for depth in range((sizes.rows - 1) * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1):
            row = first_row * g.strides[0] + (depth - g.low[0])
            if isinstance(row, int) and not 0 <= row < g.image[0]:
                continue
            for tap in range(g.kernel[1]):
                place = (first_column + lane) * g.strides[1] + (tap * g.dilations[1] - g.low[1])
                self._add_products(sums, depth, tap, (self.image, self.input, row, place))
        zero = body.constant(0.0, f32)
        found = [self._finish(zero if s is None else s, first_row + n, column) for n, s in enumerate(sums)]
        if self.sums is not None:
            self._add_to_sums(self.sums, found, column, indices.lane_of(lane))

    def _add_products(self, sums: list[Element | None], depth: int, tap: int, place: tuple[Dim, ...]) -> None:
        """What row `depth` of the tile's inputs, moved by a column tap, adds to each output row that it reaches."""
        g, body = self.geometry, self.frame.body
        users = [(row, depth - row * g.strides[0]) for row in range(len(sums))]
        users = [(row, offset // g.dilations[0]) for row, offset in users if offset % g.dilations[0] == 0]
        users = [(row, down) for row, down in users if 0 <= down < g.kernel[0]]
        if not users:
            return
        pixels = self.source(place) if self.source is not None else body.read(self.root.x, place, 0.0)
        pixels = body.cast(pixels, f32)
        for row, down in users:
            weight = body.cast(body.read(self.root.w, (self.channel, 0, down, tap)), f32)
            product = body.apply("mul", pixels, weight)
            total = sums[row]
            sums[row] = product if total is None else body.apply("add", total, product)

    def _finish(self, total: Element, row: Dim, column: Dim) -> Element:
        """Bias, the element-wise ops that follow, and the store; the first result's elements."""
        body = self.frame.body
        if self.root.bias is not None:
            total = body.apply("add", total, body.cast(body.read(self.root.bias, (self.channel,)), f32))
        row = body.indices.derived(row, self.geometry.out[0])
        place = (self.image, self.channel, row, column)
        body.bound[self.root.result] = lambda _: total
        results = returned(self.frame.func)[: 1 if self.means is not None else None]
        elements = [body.read(tensor, place) for tensor in results]
        for element, memory in zip(elements, self.frame.results, strict=False):
            body.store(memory, place, element)
        return elements[0]

    # The mean of a plane: sums by lane in local memory

    def _start_sums(self) -> Memory:
        body, lanes = self.frame.body, self.sizes.lanes
        type = MemRefType((lanes,), f32, "local")
        sums = Memory(body.builder.effect(tile.Alloc(64, result_types=[type])).results[0], (lanes,))
        body.store(sums, (body.indices.lane(lanes),), body.constant(0.0, f32))
        return sums

    def _add_to_sums(self, sums: Memory, rows: Sequence[Element], column: Dim, lane: int) -> None:
        """Add a tile's rows; lanes beyond the plane count nothing."""
        body = self.frame.body
        total = functools.reduce(functools.partial(body.apply, "add"), [body.cast(row, f32) for row in rows])
        if lane in body.limits:
            inside = body.indices.compare("lt", column, self.geometry.out[1])
            total = body.apply("select", inside, total, body.constant(0.0, f32))
        place = body.indices.lane(self.sizes.lanes)
        before = access.load(body, sums, (place,), False, 0.0)
        total = body.elements.spread(total, (lane,))
        here = Element(total.value, f32, before.lanes)
        body.store(sums, (place,), body.apply("add", before, here))

    def _store_mean(self, means: Reduce, sums: Memory) -> None:
        body = self.frame.body
        value = access.load(body, sums, (body.indices.lane(self.sizes.lanes),), False, 0.0).value
        total = Element(body.builder.pure(tile.Reduce(value, axes=(0,))), f32)
        pixels = self.geometry.out[0] * self.geometry.out[1]
        mean = body.apply("mul", total, body.constant(1 / pixels, f32))
        memory = self.frame.results[1]
        body.store(memory, (self.image, self.channel, 0, 0)[: len(memory.shape)], body.cast(mean, memory.dtype))
