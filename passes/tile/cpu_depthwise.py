"""Depthwise convolutions of NCHW images on CPUs: every channel has a filter of its own.

A work item is a channel of an image. Its plane is copied, with zeros around, into local memory; then vectors of
neighbouring output pixels of a few rows are accumulated together, so that a loaded row serves several rows of taps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.attributes import DictAttr, IntegerAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, VectorType, f32
from .cpu_conv import Geometry
from .cpu_micro import is_float_up_to_f32
from .elements import Element
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .strategies import AnyTarget, register

SCRATCH_BYTES = 256 * 1024
"""The largest padded plane: it has to stay in the L2 cache."""
ACCUMULATORS = 8
"""Vectors that are summed up together: enough to hide the latency of a multiply-add, few enough for all taps."""


@dataclass(frozen=True)
class DepthwiseSchedule:
    """A register tile is `rows` x `lanes` pixels of the output."""

    rows: int
    lanes: int

    def to_attribute(self) -> DictAttr:
        return DictAttr.of({name: IntegerAttr(value) for name, value in vars(self).items()})

    @staticmethod
    def from_attribute(attribute: DictAttr) -> DepthwiseSchedule:
        """Raises ValueError where `attribute` is not the schedule of a depthwise convolution."""
        values = {name: value.value for name, value in attribute.items if isinstance(value, IntegerAttr)}
        if values.keys() != DepthwiseSchedule.__dataclass_fields__.keys():
            raise ValueError(f"not the schedule of a depthwise convolution: {attribute}")
        return DepthwiseSchedule(**values)


@dataclass(frozen=True)
class CpuDepthwise:
    """One input channel a group; vectors of pixels."""

    name: str = "depthwise"
    priority: int = 110

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Conv)
        if not isinstance(target, CpuTarget) or not isinstance(root, Conv):
            return "not one convolution on a CPU"
        geometry = Geometry.of(root)
        if geometry is None or geometry.inputs != 1 or geometry.group == 1:
            return "not a depthwise convolution of images of static size"
        if not all(is_float_up_to_f32(tensor_type(v).scalar) for v in (root.x, root.w)):
            return "its elements are not f32 or narrower floats"
        if not isinstance(root.x, BlockArgument) or any(
            tensor_type(v).dims != tensor_type(root.result).dims for v in returned(func)
        ):
            return "a result has another shape than the convolution"
        sizes = _schedule(geometry, target)
        if 4 * _plane(geometry, sizes)[0] * _plane(geometry, sizes)[1] > SCRATCH_BYTES:
            return "its plane does not fit into local memory"
        return sizes.to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = DepthwiseSchedule.from_attribute(schedule)
        root = only_root(func, Conv)
        assert isinstance(root, Conv)
        geometry = Geometry.of(root)
        assert geometry is not None
        _Depthwise(open_frame(func), root, geometry, sizes).build()


register(CpuDepthwise())


def _schedule(geometry: Geometry, target: CpuTarget) -> DepthwiseSchedule:
    """Lanes that waste least of a row, the widest of those; rows that divide the output's."""
    rows, width = geometry.out
    widths = [target.lanes(32) // 2, target.lanes(32), 2 * target.lanes(32)]
    lanes = min(widths, key=lambda n: (-(-width // n) * n, -n))
    vectors = -(-lanes // target.lanes(32))
    most = max(ACCUMULATORS // vectors, 1)
    return DepthwiseSchedule(next((n for n in range(most, 1, -1) if rows % n == 0), 1), lanes)


def _plane(geometry: Geometry, sizes: DepthwiseSchedule) -> tuple[int, int]:
    """Rows and columns of the padded plane, with room for the last register tile of a row."""
    reach = [(k - 1) * d + 1 for k, d in zip(geometry.kernel, geometry.dilations, strict=True)]
    columns = -(-geometry.out[1] // sizes.lanes) * sizes.lanes
    height = (geometry.out[0] - 1) * geometry.strides[0] + reach[0]
    width = (columns - 1) * geometry.strides[1] + reach[1]
    return height, -(-width // 16) * 16


@dataclass
class _Depthwise:
    frame: Frame
    root: Conv
    geometry: Geometry
    sizes: DepthwiseSchedule

    def build(self) -> None:
        g, body, sizes = self.geometry, self.frame.body, self.sizes
        grid = (g.group * g.outputs, g.batch)
        indices = body.indices
        self.channel, self.image = (
            indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent) for axis, extent in enumerate(grid)
        )
        self.plane = self._padded_plane()
        blocks = (g.out[0] // sizes.rows, -(-g.out[1] // sizes.lanes))

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            position = indices.scalar(counter, blocks[0] * blocks[1])
            row, column = Merged((), blocks, indices).split(position)
            self._tile(row * sizes.rows, column * sizes.lanes)
            return ()

        body.loop(blocks[0] * blocks[1], 1, (), step)
        self.frame.finish(grid, None)

    def _padded_plane(self) -> Value:
        """The channel's plane with zeros around it."""
        g, body = self.geometry, self.frame.body
        shape = _plane(g, self.sizes)
        source = body.memories[self.root.x].value
        type = MemRefType(shape, tensor_type(self.root.x).scalar, "local")
        scratch = body.builder.effect(tile.Alloc(64, result_types=[type])).results[0]
        code = body.indices.scalar_code
        channel = Merged((), (g.group, g.outputs), body.indices).split(self.channel)[0]
        here = (code(self.image), code(channel), code(-g.low[0]), code(-g.low[1]))
        there = (code(0), code(0))
        body.builder.effect(tile.Copy(source, scratch, here, there, shape, (2, 3), (0, 1), (2, 3), 0.0))
        return scratch

    def _tile(self, first_row: Dim, first_column: Dim) -> None:
        """A register tile: its rows together, then each row's end."""
        g, body, sizes = self.geometry, self.frame.body, self.sizes
        indices = body.indices
        lane = indices.lane(sizes.lanes)
        column = indices.derived(first_column + lane, g.out[1])
        if g.out[1] % sizes.lanes:
            body.limits[indices.lane_of(lane)] = (column, g.out[1])
        sums: list[Element | None] = [None] * sizes.rows
        for depth in range((sizes.rows - 1) * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1):
            for tap in range(g.kernel[1]):
                self._add_products(sums, depth, tap, first_row, first_column, indices.lane_of(lane))
        for number, total in enumerate(sums):
            assert total is not None
            self._finish(total, first_row + number, column)

    def _add_products(
        self, sums: list[Element | None], depth: int, tap: int, first_row: Dim, first_column: Dim, lane: int
    ) -> None:
        """What input row `depth` of the tile, moved by a column tap, adds to each output row that it reaches."""
        g, body = self.geometry, self.frame.body
        users = [(row, depth - row * g.strides[0]) for row in range(len(sums))]
        users = [(row, offset // g.dilations[0]) for row, offset in users if offset % g.dilations[0] == 0]
        users = [(row, down) for row, down in users if 0 <= down < g.kernel[0]]
        if not users:
            return
        dtype = tensor_type(self.root.x).scalar
        start = (first_row * g.strides[0] + depth, first_column * g.strides[1] + tap * g.dilations[1])
        load = tile.Load(
            self.plane,
            tuple(map(body.indices.scalar_code, start)),
            (1,),
            (g.strides[1],),
            result_types=[VectorType((self.sizes.lanes,), dtype)],
        )
        pixels = body.cast(Element(body.builder.effect(load).results[0], dtype, (lane,)), f32)
        for row, down in users:
            weight = body.cast(body.read(self.root.w, (self.channel, 0, down, tap)), f32)
            product = body.apply("mul", pixels, weight)
            total = sums[row]
            sums[row] = product if total is None else body.apply("add", total, product)

    def _finish(self, total: Element, row: Dim, column: Dim) -> None:
        """Bias, the element-wise ops that follow, and the store."""
        body = self.frame.body
        if self.root.bias is not None:
            total = body.apply("add", total, body.cast(body.read(self.root.bias, (self.channel,)), f32))
        row = body.indices.derived(row, self.geometry.out[0])
        place = (self.image, self.channel, row, column)
        body.bound[self.root.result] = lambda _: total
        for tensor, memory in zip(returned(self.frame.func), self.frame.results, strict=True):
            body.store(memory, place, body.read(tensor, place))
