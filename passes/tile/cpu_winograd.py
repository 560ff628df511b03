"""3x3 convolutions on CPUs with fewer multiplications: Winograd's minimal filtering along the columns of the image.

`m` rows of the result are made of m + 2 sums instead of 3 m: with the input rows d and the weights' rows g of a tap
column, y = A [(G g) * (B d)], where * adds over input channels and tap columns as a convolution does. G g is computed
at compile time, B d for all channels of an item in local memory. Pixels of a row stay neighbours, so that nothing is
gathered or interleaved, and the sums are those of `cpu_conv`. Rounding errors are at most twice those of the direct
sum.

Source: Lavin, Gray, Fast Algorithms for Convolutional Neural Networks (2015), along one dimension.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DictAttr, IntegerAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim, Expr, product
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, f32
from .access import Memory
from .cpu_conv import Geometry, storing, turning
from .cpu_micro import accumulate, column_of, multiply_add, over_share, row_of, timed_micro_tile, transposed, zeros
from .elements import Element
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .packing import calls_of, is_constant, packed_constant
from .strategies import AnyTarget, register

SCRATCH_BYTES = 256 * 1024
"""The most local memory for transformed rows: it has to stay in the L2 cache beside the weights."""
LEAST_CHANNELS = 16
"""With fewer channels the transformations cost more than they save."""
GAIN = 1.1
"""How much faster the model has to find it."""
STAGING = 3
"""What a transformed vector costs, in multiply-adds of a vector."""
VECTOR = 16


@dataclass(frozen=True)
class Transform:
    """The matrices for `m` rows of the result: of the weights' rows, and of the input's."""

    weights: tuple[tuple[float, ...], ...]
    inputs: tuple[tuple[int, ...], ...]


TRANSFORMS = {
    2: Transform(
        ((1, 0, 0), (1 / 2, 1 / 2, 1 / 2), (1 / 2, -1 / 2, 1 / 2), (0, 0, -1)),
        ((1, 0, -1, 0), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, 0, -1)),
    ),
    4: Transform(
        (
            (1 / 4, 0, 0), (-1 / 6, -1 / 6, -1 / 6), (-1 / 6, 1 / 6, -1 / 6), (1 / 24, 1 / 12, 1 / 6),
            (1 / 24, -1 / 12, 1 / 6), (0, 0, 1),
        ),
        (
            (4, 0, -5, 0, 1, 0), (0, -4, -4, 1, 1, 0), (0, 4, -4, -1, 1, 0), (0, -2, -1, 2, 1, 0), (0, 2, -1, -2, 1, 0),
            (0, 4, 0, -5, 0, 1),
        ),
    ),
}  # fmt: skip
"""Of F(2, 3) with the points 0, 1, -1 and of F(4, 3) with 0, 1, -1, 2, -2, each with infinity."""


@dataclass(frozen=True)
class WinogradSchedule:
    """`rows` of the result are made together. `pixels` x `channels` is the register tile, whose lanes are pixels if
    `by_pixel`; an item takes `tiles` of them along a row, and `panels` across channels.
    """

    rows: int
    pixels: int
    channels: int
    tiles: int
    panels: int
    by_pixel: bool

    def to_attribute(self) -> DictAttr:
        return DictAttr.of({name: IntegerAttr(int(value)) for name, value in vars(self).items()})

    @staticmethod
    def from_attribute(attribute: DictAttr) -> WinogradSchedule:
        """Raises ValueError where `attribute` is not the schedule of such a convolution."""
        values = {name: value.value for name, value in attribute.items if isinstance(value, IntegerAttr)}
        if values.keys() != WinogradSchedule.__dataclass_fields__.keys() or values["rows"] not in TRANSFORMS:
            raise ValueError(f"not the schedule of a convolution by Winograd's method: {attribute}")
        by_pixel = bool(values.pop("by_pixel"))
        return WinogradSchedule(**values, by_pixel=by_pixel)


@dataclass(frozen=True)
class CpuWinograd:
    """Convolutions of f32 with 3x3 taps next to each other, where fewer multiplications are faster."""

    name: str = "winograd"
    priority: int = 105

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Conv)
        if not isinstance(target, CpuTarget) or not isinstance(root, Conv):
            return "not one convolution on a CPU"
        geometry = Geometry.of(root)
        if geometry is None or geometry.kernel != (3, 3) or geometry.group != 1:
            return "it has other than 3x3 taps of static images"
        if geometry.strides != (1, 1) or geometry.dilations != (1, 1):
            return "its taps are not next to each other"
        if min(geometry.inputs, geometry.outputs) < LEAST_CHANNELS:
            return "it has few channels"
        if any(tensor_type(v).scalar != f32 for v in (root.x, root.w)):
            return "its elements are not f32"
        if not isinstance(root.x, BlockArgument) or not isinstance(root.w, BlockArgument):
            return "its operands are computed in its kernel"
        if not root.w.has_one_use or not is_constant(func, root.w.index):
            return "its weights are not constants of the model"
        if any(tensor_type(v).dims != tensor_type(root.result).dims for v in returned(func)):
            return "a result has another shape than the convolution"
        fitting = [rows for rows in TRANSFORMS if rows <= geometry.out[0]]
        found = [_timed(geometry, rows, target) for rows in fitting]
        if not found or min(found, key=lambda f: f[0])[0] * GAIN > _direct_time(geometry, target):
            return "a direct sum is as fast"
        return min(found, key=lambda f: f[0])[1].to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = WinogradSchedule.from_attribute(schedule)
        root = only_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(root.w, BlockArgument)
        geometry = Geometry.of(root)
        assert geometry is not None
        pack_weights(func, root.w, geometry, sizes)
        _Winograd(open_frame(func), root, root.w, geometry, sizes).build()


register(CpuWinograd())


def _direct_time(geometry: Geometry, target: CpuTarget) -> float:
    row, inner = geometry.out[1], 9 * geometry.inputs
    by_channel = timed_micro_tile(target, row, geometry.outputs, inner, turning)[0]
    by_pixel = timed_micro_tile(target, geometry.outputs, row, inner, storing)[0]
    return geometry.out[0] * min(by_channel, by_pixel)


def _timed(geometry: Geometry, rows: int, target: CpuTarget) -> tuple[float, WinogradSchedule]:
    """The schedule that makes `rows` rows together, and its time in multiply-adds of a vector."""
    row, inner, sums = geometry.out[1], 3 * geometry.inputs, rows + 2
    by_channel, tile = timed_micro_tile(target, row, geometry.outputs, inner, lambda t: turning(t) * rows / sums)
    by_pixel, other = timed_micro_tile(target, geometry.outputs, row, inner, lambda t: storing(t) * rows / sums)
    along = by_pixel < by_channel and other.columns <= row
    pixels, channels = (other.columns, other.rows) if along else (tile.rows, tile.columns)
    tiles, panels = _share(geometry, (rows, pixels, channels), target)
    blocks, across = -(-geometry.out[0] // rows), -(-geometry.outputs // channels)
    shares = -(-across // panels)
    staging = STAGING * geometry.inputs * shares * -(-row // target.lanes(32))
    time = blocks * sums * (min(by_channel, by_pixel) + staging)
    return time, WinogradSchedule(rows, pixels, channels, tiles, panels, along)


def _share(geometry: Geometry, register_tile: tuple[int, int, int], target: CpuTarget) -> tuple[int, int]:
    """How many register tiles along a row and panels of channels an item takes, so that cores are done together and
    few rows are transformed twice."""
    rows, pixels, channels = register_tile
    tiles, panels = -(-geometry.out[1] // pixels), -(-geometry.outputs // channels)
    sums, lanes = rows + 2, target.lanes(32)

    def time(share: tuple[int, int]) -> tuple[float, int]:
        items = -(-geometry.out[0] // rows) * -(-tiles // share[0]) * -(-panels // share[1])
        products = 3 * share[0] * share[1] * pixels * channels / lanes
        staging = STAGING * -(-(share[0] * pixels + 2) // lanes)
        return -(-items // target.cores) * (products + staging), items

    shares = [(t, p) for t in range(1, tiles + 1) for p in range(1, panels + 1)]
    fitting = [s for s in shares if 4 * geometry.inputs * sums * (s[0] * pixels + 2) <= SCRATCH_BYTES]
    return min(fitting or [s for s in shares if s[0] == 1], key=time)


def pack_weights(func: kernel.Func, weights: BlockArgument, geometry: Geometry, sizes: WinogradSchedule) -> None:
    """Have G g passed as [channels / channels of a tile][sum][input channel, tap column][channel of the tile]."""
    outputs, inputs = geometry.outputs, geometry.inputs
    transform = np.array(TRANSFORMS[sizes.rows].weights)
    panels = -(-outputs // sizes.channels)
    shape = (panels, len(transform), inputs * 3, sizes.channels)

    def pack(array: np.ndarray) -> np.ndarray:
        rows = np.einsum("sa,ocab->socb", transform, array.astype(np.float64))
        rows = np.pad(rows, [(0, 0), (0, panels * sizes.channels - outputs), (0, 0), (0, 0)])
        rows = rows.reshape(len(transform), panels, sizes.channels, inputs * 3).transpose(1, 0, 3, 2)
        return np.ascontiguousarray(rows, array.dtype)

    for call in calls_of(func):
        tag = f"winograd{sizes.rows}x{sizes.channels}"
        call.set_operand(weights.index, packed_constant(call.operands[weights.index], tag, pack))
    weights.type = tensor_type(weights).with_shape(shape)


@dataclass
class _Winograd:
    frame: Frame
    root: Conv
    weights: Value
    geometry: Geometry
    sizes: WinogradSchedule

    def build(self) -> None:
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        indices = body.indices
        self.tiles, self.panels = -(-g.out[1] // sizes.pixels), -(-g.outputs // sizes.channels)
        self.segments = -(-self.tiles // sizes.tiles)
        self.width = min(sizes.tiles * sizes.pixels, g.out[1]) + 2
        blocks, shares = -(-g.out[0] // sizes.rows), -(-self.panels // sizes.panels)
        grid = (self.segments * blocks, shares, g.batch)
        places = [indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent) for axis, extent in enumerate(grid)]
        block, self.segment = Merged((), (blocks, self.segments), indices).split(places[0])
        self.image = places[2]
        if g.out[0] % sizes.rows or g.out[1] % sizes.pixels:
            self.frame.func.in_place = None  # what is in two tiles is computed twice
        self.first_row = symbols.minimum(block * sizes.rows, g.out[0] - sizes.rows)
        self.staged = self._transformed_rows()
        over_share(body, places[1], sizes.panels, self.panels, self._panel)
        self.frame.finish(grid, None)

    def _panel(self, panel: Dim) -> None:
        self.panel = panel
        over_share(self.frame.body, self.segment, self.sizes.tiles, self.tiles, self._tile)

    # Input rows

    def _first_pixel(self) -> Dim:
        """The first column of the result in the item's segment."""
        if self.segments == 1:
            return 0
        return symbols.minimum(self.segment * (self.width - 2), self.geometry.out[1] - (self.width - 2))

    def _transformed_rows(self) -> Memory:
        """B d, as [input channel][sum][column] in local memory."""
        g, body, matrix = self.geometry, self.frame.body, TRANSFORMS[self.sizes.rows].inputs
        shape = (g.inputs, len(matrix), self.width)
        alloc = tile.Alloc(64, result_types=[MemRefType(shape, f32, "local")])
        scratch = Memory(body.builder.effect(alloc).results[0], shape)
        vector = min(self.width, VECTOR)
        lane = body.indices.lane(vector)
        starts = [*range(0, self.width - vector, vector), self.width - vector]
        column = self._first_pixel() - g.low[1]

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            channel = body.indices.scalar(counter, g.inputs)
            for start in starts:
                places = [(self.first_row + (i - g.low[0]), column + start + lane) for i in range(len(matrix))]
                rows = [body.read(self.root.x, (self.image, channel, *place), 0.0) for place in places]
                for number, factors in enumerate(matrix):
                    body.store(scratch, (channel, number, start + lane), self._combined(rows, factors))
            return ()

        body.loop(g.inputs, 1, (), step)
        return Memory(body.builder.pure(tile.Flatten(scratch.value)), (product(shape),))

    def _combined(self, elements: Sequence[Element], factors: Sequence[int]) -> Element:
        """The sum of elements times factors."""
        body = self.frame.body
        total: Element | None = None
        for element, factor in zip(elements, factors, strict=True):
            if factor == 0:
                continue
            if abs(factor) != 1:
                element = body.apply("mul", element, body.constant(float(abs(factor)), f32))
            if total is None:
                total = element if factor > 0 else body.apply("neg", element)
            else:
                total = body.apply("add" if factor > 0 else "sub", total, element)
        assert total is not None
        return total

    # One register tile of each row

    def _tile(self, tile_index: Dim) -> None:
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        indices = body.indices
        first: Dim = tile_index * sizes.pixels
        if g.out[1] % sizes.pixels:
            first = symbols.minimum(first, g.out[1] - sizes.pixels)
        channel_lane, pixel_lane = indices.lane(sizes.channels), indices.lane(sizes.pixels)
        channel = indices.derived(self.panel * sizes.channels + channel_lane, g.outputs)
        if g.outputs % sizes.channels:
            body.limits[indices.lane_of(channel_lane)] = (channel, g.outputs)
        lanes = (indices.lane_of(channel_lane), indices.lane_of(pixel_lane))
        self.lanes = lanes
        if not sizes.by_pixel:  # pixels by channels, until the rows are turned
            self.lanes = tuple(indices.lane_of(indices.lane(size)) for size in (sizes.pixels, sizes.channels))
        start = first - self._first_pixel()
        pixel = indices.derived(first + pixel_lane, g.out[1])
        for row, total in self._rows(start):
            value = total.value if sizes.by_pixel else transposed(body, total.value)
            self._finish(Element(value, f32, lanes), channel, indices.derived(self.first_row + row, g.out[0]), pixel)

    def _rows(self, start: Dim) -> list[tuple[int, Element]]:
        """The rows of the result: A of the sums, the first and the last of which are added to what is left of them."""
        apply = self.frame.body.apply
        one, two = self._sum(1, start), self._sum(2, start)
        plus, minus = apply("add", one, two), apply("sub", one, two)
        if self.sizes.rows == 2:
            return [(0, self._sum(0, start, plus)), (1, self._sum(3, start, minus))]
        three, four = self._sum(3, start), self._sum(4, start)
        more, less = apply("add", three, four), apply("sub", three, four)
        return [
            (0, self._sum(0, start, apply("add", plus, more))),
            (1, apply("add", minus, self._times(2, less))),
            (2, apply("add", plus, self._times(4, more))),
            (3, self._sum(5, start, apply("add", minus, self._times(8, less)))),
        ]

    def _times(self, factor: int, element: Element) -> Element:
        return self.frame.body.apply("mul", element, self.frame.body.constant(float(factor), f32))

    def _sum(self, number: int, start: Dim, first: Element | None = None) -> Element:
        """A sum over input channels and tap columns, on pixels by channels or channels by pixels, added to `first`."""
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        packed = body.memories[self.weights]
        flat = Memory(body.builder.pure(tile.Flatten(packed.value)), (product(packed.shape),))
        sums = len(TRANSFORMS[sizes.rows].inputs)
        shape = (sizes.channels, sizes.pixels) if sizes.by_pixel else (sizes.pixels, sizes.channels)
        acc = zeros(body, *shape) if first is None else first.value

        def step(position: Expr, part: int, total: Value) -> Value:
            for column in range(3):
                pixels = ((position + part) * sums + number) * self.width + start + column
                weights = (((self.panel * sums + number) * g.inputs + position + part) * 3 + column) * sizes.channels
                if sizes.by_pixel:
                    left = column_of(body, flat, weights, sizes.channels, 1)
                    right = row_of(body, self.staged, pixels, sizes.pixels, 1)
                else:
                    left = column_of(body, self.staged, pixels, sizes.pixels, 1)
                    right = row_of(body, flat, weights, sizes.channels, 1)
                total = multiply_add(body, left, right, total)
            return total

        return Element(accumulate(body, g.inputs, 1, acc, step), f32, self.lanes)

    def _finish(self, acc: Element, channel: Dim, row: Dim, pixel: Dim) -> None:
        """Bias, the element-wise ops that follow, and the store, on channels by pixels."""
        body = self.frame.body
        if self.root.bias is not None:
            acc = body.apply("add", acc, body.cast(body.read(self.root.bias, (channel,)), f32))
        body.bound[self.root.result] = lambda _: acc
        place = (self.image, channel, row, pixel)
        for tensor, memory in zip(returned(self.frame.func), self.frame.results, strict=True):
            body.store(memory, place, body.read(tensor, place))
