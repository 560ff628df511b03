"""Convolutions of NCHW images on CPUs, without an im2col buffer.

A register tile holds neighbouring pixels of a row and output channels. Its lanes are channels: for every tap the
pixels' inputs are broadcast (so strides and dilations cost nothing) and multiplied by a vector of weights, and the
tile is turned in registers before what follows is computed and stored along pixels. Or its lanes are pixels, where
too few products would pay for the turning: then weights are broadcast. Either way weights are packed at compile time
into [channels / channels of a tile][input channel, tap][channels of a tile]. Without taps and strides (1x1) an image
is one row of pixels. Rows that need padding, and rows that element-wise ops make of what the kernel reads, are put
into local memory first; zeros stand around the latter, as the convolution asks. An item then computes several panels
of channels of what it made once.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.dialects.nn.pooling import AvgPool
from ...ir.symbols import Dim, Expr
from ...ir.target import CpuTarget
from ...ir.types import f32
from .access import Memory
from .cpu_conv_rows import RowWindow, staged_rows
from .cpu_micro import (
    MicroTile,
    accumulate,
    as_matrix,
    column_of,
    is_float_up_to_f32,
    multiply_add,
    over_share,
    row_of,
    timed_micro_tile,
    transposed,
    unroll_of,
    zeros,
)
from .elements import Element
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .packing import is_constant, leading, padded, repack, reshape, transpose
from .schedule import Schedule
from .strategies import AnyTarget, register

SCRATCH_BYTES = 192 * 1024
"""The most local memory for staged rows: it has to stay in the L2 cache beside the weights."""
NEAR_BYTES = 24 * 1024
"""Weights that stay in the L1 cache beside rows of pixels."""
LONGEST_STEP = 4
"""Pixels further apart are gathered one by one, where lanes are pixels."""
STAGING = 4
"""What computing a vector of staged pixels costs, in multiply-adds of a vector."""


@dataclass(frozen=True)
class ConvSchedule(Schedule):
    """`pixels` x `channels` is the register tile; an item takes `tiles` of them along a row of the output, and `panels`
    across channels. `flat`: the image is one row. `staged`: input rows are put into local memory first. `by_pixel`:
    lanes are pixels.
    """

    subject = "a convolution"

    pixels: int
    channels: int
    tiles: int
    panels: int
    unroll: int
    flat: bool
    staged: bool
    by_pixel: bool


@dataclass(frozen=True)
class Geometry:
    """A 2-D convolution with static sizes but for the batch."""

    batch: Dim
    group: int
    inputs: int
    outputs: int
    image: tuple[int, int]
    out: tuple[int, int]
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    low: tuple[int, int]
    is_padded: bool

    @staticmethod
    def of(op: Conv) -> Geometry | None:
        """None for what has other than two spatial axes, or symbolic sizes."""
        x, w, y = (tensor_type(v).dims for v in (op.x, op.w, op.result))
        sizes = [dim for dim in (*w, *x[1:], *y[1:]) if isinstance(dim, int)]
        if op.spatial_rank != 2 or len(sizes) < len(w) + len(x) + len(y) - 2:
            return None
        return Geometry(
            x[0], op.group, sizes[1], sizes[0] // op.group, _pair(x[2:]), _pair(y[2:]), _pair(w[2:]),
            _pair(op.strides), _pair(op.dilations), _pair(op.pads[:2]), any(op.pads),
        )  # fmt: skip

    @property
    def is_pointwise(self) -> bool:
        return self.kernel == (1, 1) and self.strides == (1, 1) and not self.is_padded

    def is_flat(self, func: kernel.Func) -> bool:
        """Whether an image may be walked as one row; the windows of a pooling before the convolution are in rows."""
        return self.is_pointwise and not any(isinstance(op, AvgPool) for op in func.block)

    @property
    def taps(self) -> int:
        return self.kernel[0] * self.kernel[1]

    def row_width(self, pixels: int) -> int:
        """Input columns that `pixels` neighbouring outputs read."""
        return (pixels - 1) * self.strides[1] + (self.kernel[1] - 1) * self.dilations[1] + 1


def _pair(values: Sequence[Dim]) -> tuple[int, int]:
    first, second = values
    assert isinstance(first, int) and isinstance(second, int)
    return first, second


@dataclass(frozen=True)
class CpuConv:
    """Direct convolution with broadcast pixels and packed weights."""

    name: str = "conv"
    priority: int = 100

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        geometry, root = direct_geometry(func, target), only_root(func, Conv)
        if isinstance(geometry, str):
            return geometry
        assert isinstance(target, CpuTarget) and isinstance(root, Conv)
        return _schedule(func, root, geometry, target).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = ConvSchedule.from_attribute(schedule)
        root = only_root(func, Conv)
        assert isinstance(root, Conv)
        geometry = Geometry.of(root)
        assert geometry is not None
        assert isinstance(root.w, BlockArgument)
        weights = root.w
        pack_weights(func, root, geometry, sizes.channels)
        shapes = [flat_shape(tensor_type(v).dims) if sizes.flat else tensor_type(v).dims for v in returned(func)]
        DirectConv(open_frame(func, shapes), root, weights, geometry, sizes).build()


def direct_geometry(func: kernel.Func, target: AnyTarget) -> Geometry | str:
    """The geometry of a kernel's one convolution, or why it cannot be computed directly with packed weights."""
    root = only_root(func, Conv)
    if not isinstance(target, CpuTarget) or not isinstance(root, Conv):
        return "not one convolution on a CPU"
    geometry = Geometry.of(root)
    if geometry is None:
        return "its channels or image have symbolic sizes, or it has other than two spatial axes"
    if not all(is_float_up_to_f32(tensor_type(v).scalar) for v in (root.x, root.w)):
        return "its elements are not f32 or narrower floats"
    if geometry.outputs < target.lanes(32) // 2:
        return f"a group has only {geometry.outputs} output channels"
    if not isinstance(root.w, BlockArgument) or not root.w.has_one_use or not is_constant(func, root.w.index):
        return "its weights are not constants of the model"
    if any(tensor_type(v).dims != tensor_type(root.result).dims for v in returned(func)):
        return "a result has another shape than the convolution"
    return geometry


def flat_shape(shape: Sequence[Dim]) -> tuple[Dim, ...]:
    return (*shape[:2], symbols.product(shape[2:]))


def _schedule(func: kernel.Func, root: Conv, geometry: Geometry, target: CpuTarget) -> ConvSchedule:
    flat = geometry.is_flat(func)
    row = geometry.out[0] * geometry.out[1] if flat else geometry.out[1]
    taps = geometry.kernel[0] * geometry.kernel[1]
    pixels, channels, by_pixel = _register_tile(geometry, target, row)
    unroll = unroll_of(geometry.inputs, 4 if taps == 1 else 1)
    if not isinstance(root.x, BlockArgument):
        tiles, panels = staged_share(geometry, (pixels, channels), row, 1 if flat else geometry.out[0], target)
        return ConvSchedule(pixels, channels, tiles, panels, unroll, flat, staged=True, by_pixel=by_pixel)
    tiles = 1 if flat else -(-row // pixels)
    if geometry.is_padded:
        while tiles > 1 and _staged_bytes(geometry, tiles * pixels) > SCRATCH_BYTES:
            tiles = -(-tiles // 2)
    panels = _copied_share(geometry, channels, target) if geometry.is_padded else 1
    return ConvSchedule(pixels, channels, tiles, panels, unroll, flat, geometry.is_padded, by_pixel)


def _copied_share(geometry: Geometry, channels: int, target: CpuTarget) -> int:
    """How many panels use a copy of rows: a core's share, if their weights stay near from one row to the next."""
    panels = -(-geometry.outputs // channels)
    share, uneven = divmod(panels, target.cores)
    near = share * channels * geometry.inputs * geometry.taps * 4 <= NEAR_BYTES
    return share if near and not uneven else 1


def _register_tile(geometry: Geometry, target: CpuTarget, row: int) -> tuple[int, int, bool]:
    """Pixels and channels of the fastest register tile, and whether its lanes are pixels."""
    inner = geometry.inputs * geometry.kernel[0] * geometry.kernel[1]
    by_channel, tile = timed_micro_tile(target, row, geometry.outputs, inner, turning)
    if row >= 4 * target.lanes(32) and geometry.strides[1] <= LONGEST_STEP:
        by_pixel, other = timed_micro_tile(target, geometry.outputs, row, inner, storing)
        if by_pixel < by_channel:
            return other.columns, other.rows, True
    return tile.rows, tile.columns, False


def _staged_bytes(geometry: Geometry, pixels: int) -> int:
    """Local memory for the inputs of `pixels` neighbouring outputs."""
    return geometry.inputs * geometry.kernel[0] * 4 * geometry.row_width(pixels)


def staged_share(
    geometry: Geometry, register_tile: tuple[int, int], row: int, rows: int, target: CpuTarget
) -> tuple[int, int]:
    """How many register tiles along a row and panels of channels an item takes, so that cores are done together and
    few inputs are computed twice."""
    pixels, channels = register_tile
    tiles, panels = -(-row // pixels), -(-geometry.outputs // channels)
    taps, lanes = geometry.kernel[0] * geometry.kernel[1], target.lanes(32)

    def time(share: tuple[int, int]) -> tuple[int, int]:
        width = geometry.row_width(share[0] * pixels)
        items = rows * geometry.group * -(-tiles // share[0]) * -(-panels // share[1])
        products = share[0] * share[1] * taps * pixels * channels // lanes
        staging = STAGING * geometry.kernel[0] * -(-width // lanes)
        return -(-items // target.cores) * geometry.inputs * (products + staging), items

    shares = [(t, p) for t in range(1, min(tiles, 8) + 1) for p in range(1, panels + 1)]
    fitting = [share for share in shares if _staged_bytes(geometry, share[0] * pixels) <= SCRATCH_BYTES]
    return min(fitting or [share for share in shares if share[0] == 1], key=time)


def turning(option: MicroTile) -> float:
    """What turning, finishing and storing a register tile costs: shuffles by squares, then a few steps a channel."""
    return -(-option.rows // 16) * (option.columns / 16) * 64 + 4 * option.columns


def storing(option: MicroTile) -> float:
    """What finishing and storing a register tile of channels by pixels costs."""
    return 4 * option.rows * (option.columns / 16)


def pack_weights(func: kernel.Func, root: Conv, geometry: Geometry, columns: int) -> None:
    """Have the weights passed as [group, channels / columns][input channel][tap][columns], filled with zeros."""
    assert isinstance(root.w, BlockArgument)
    g, outputs, inputs = geometry.group, geometry.outputs, geometry.inputs
    taps = geometry.kernel[0] * geometry.kernel[1]
    panels = -(-outputs // columns)

    def pack(array: np.ndarray) -> np.ndarray:
        matrix = padded(array.reshape(g, outputs, inputs * taps), g, panels * columns, inputs * taps)
        return np.ascontiguousarray(matrix.reshape(g, panels, columns, inputs * taps).transpose(0, 1, 3, 2))

    views = [
        transpose(0, 1, 3, 2),
        reshape(g, panels * columns, inputs * taps),
        leading(g, outputs, inputs * taps),
        reshape(g * outputs, inputs, *geometry.kernel),
    ]
    packed = tensor_type(root.w).with_shape((g, panels, inputs * taps, columns))
    repack(func, root.w.index, f"conv{g}x{columns}", pack, packed, views)


@dataclass
class DirectConv:
    """The tile program of a direct convolution."""

    frame: Frame
    root: Conv
    weights: Value
    geometry: Geometry
    sizes: ConvSchedule

    def build(self) -> None:
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        self.row_pixels = g.out[0] * g.out[1] if sizes.flat else g.out[1]
        self.out_rows = 1 if sizes.flat else g.out[0]
        tiles = -(-self.row_pixels // sizes.pixels)
        self.segments = -(-tiles // sizes.tiles)
        self.panels = -(-g.outputs // sizes.channels)
        shares = -(-self.panels // sizes.panels)
        grid = (self.segments * self.out_rows, shares * g.group, g.batch)
        places = [
            body.indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent) for axis, extent in enumerate(grid)
        ]
        indices = body.indices
        self.out_row, self.segment = Merged((), (self.out_rows, self.segments), indices).split(places[0])
        self.group, share = Merged((), (g.group, shares), indices).split(places[1])
        self.image = places[2]
        self.source = self._staged() if sizes.staged else self._input()
        over_share(body, share, sizes.panels, self.panels, self._panel)
        self.frame.finish(grid, None)

    def _panel(self, panel: Dim) -> None:
        self.panel = panel
        over_share(
            self.frame.body, self.segment, self.sizes.tiles, -(-self.row_pixels // self.sizes.pixels), self._tile
        )

    # Where inputs lie: flat memory, and the position of a channel's tap for output column 0

    def _input(self) -> Memory:
        body = self.frame.body
        memory = body.memories[self.root.x]
        flat = body.builder.pure(tile.Flatten(memory.value))
        return Memory(flat, (symbols.product(memory.shape),))

    def _place(self, channel: Dim, tap: tuple[int, int]) -> Dim:
        g = self.geometry
        if self.sizes.staged:
            width = self._scratch_width()
            start = (channel * g.kernel[0] + tap[0]) * width + tap[1] * g.dilations[1]
            return start - self._first_pixel() * g.strides[1]
        plane = (self.image * g.group * g.inputs + self.group * g.inputs + channel) * g.image[0] * g.image[1]
        if self.sizes.flat:
            return plane
        row = self.out_row * g.strides[0] + tap[0] * g.dilations[0]
        return plane + row * g.image[1] + tap[1] * g.dilations[1]

    def _first_pixel(self) -> Dim:
        """The first output column of the item's segment."""
        if self.segments == 1:
            return 0
        return symbols.minimum(self.segment * self._segment_pixels(), self.row_pixels - self._segment_pixels())

    def _segment_pixels(self) -> int:
        return min(self.sizes.tiles * self.sizes.pixels, self.row_pixels)

    def _scratch_width(self) -> int:
        return self.geometry.row_width(self._segment_pixels())

    def _staged(self) -> Memory:
        return staged_rows(self.frame.body, self.root, self._window())

    def _window(self) -> RowWindow:
        """The part of the input that the item reads."""
        g = self.geometry
        column = self._first_pixel() * g.strides[1] - g.low[1]
        return RowWindow(self.image, self.group, self.out_row, column, self._scratch_width(), self.sizes.flat)

    # One register tile

    def _tile(self, tile_index: Dim) -> None:
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        indices = body.indices
        first: Dim = tile_index * sizes.pixels
        if self.row_pixels % sizes.pixels:
            first = symbols.minimum(first, self.row_pixels - sizes.pixels)
            self.frame.func.in_place = None  # pixels in two tiles are computed twice
        channel_lane, pixel_lane = indices.lane(sizes.channels), indices.lane(sizes.pixels)
        channel = indices.derived(self.panel * sizes.channels + channel_lane, g.outputs)
        if g.outputs % sizes.channels:
            body.limits[indices.lane_of(channel_lane)] = (channel, g.outputs)

        def products(position: Expr, part: int, total: Value) -> Value:
            for tap in itertools.product(range(g.kernel[0]), range(g.kernel[1])):
                pixels = self._place(position + part, tap) + first * g.strides[1]
                total = self._product(pixels, channel, position + part, tap, total)
            return total

        shape = (sizes.channels, sizes.pixels) if sizes.by_pixel else (sizes.pixels, sizes.channels)
        acc = accumulate(body, g.inputs, sizes.unroll, zeros(body, *shape), products)
        lanes = (indices.lane_of(channel_lane), indices.lane_of(pixel_lane))
        total = Element(acc if sizes.by_pixel else transposed(body, acc), f32, lanes)
        self._finish(total, self.group * g.outputs + channel, indices.derived(first + pixel_lane, self.row_pixels))

    def _product(self, pixels: Dim, channel: Dim, inner: Dim, tap: tuple[int, int], total: Value) -> Value:
        """The pixels from place `pixels` of the source on times the weights of an input channel's tap, added up."""
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        if not sizes.by_pixel:
            left = column_of(body, self.source, pixels, sizes.pixels, g.strides[1])
            place = (self.group * g.outputs + channel, inner, *tap)
            right = as_matrix(body, body.cast(body.read(self.root.w, place), f32).value, 1, sizes.channels)
            self._prefetch(inner, tap)
            return multiply_add(body, left, right, total)
        row = (self.group * self.panels + self.panel) * g.inputs + inner
        place = (row * g.taps + tap[0] * g.kernel[1] + tap[1]) * sizes.channels
        left = column_of(body, self._packed_flat(), place, sizes.channels, 1)
        return multiply_add(body, left, row_of(body, self.source, pixels, sizes.pixels, g.strides[1]), total)

    def _packed_flat(self) -> Memory:
        """The packed weights, one element after the other."""
        packed = self.frame.body.memories[self.weights]
        flat = self.frame.body.builder.pure(tile.Flatten(packed.value))
        return Memory(flat, (symbols.product(packed.shape),))

    def _prefetch(self, inner: Dim, tap: tuple[int, int]) -> None:
        """Bring the same weights of the next panel near: all weights of a net are more than the caches keep."""
        body, code = self.frame.body, self.frame.body.indices.scalar_code
        if self.panels > 1:
            following = symbols.minimum(self.panel + 1, self.panels - 1)
            place = (self.group, following, inner * self.geometry.taps + tap[0] * self.geometry.kernel[1] + tap[1], 0)
            packed = body.memories[self.weights]
            box = (1, 1, 1, int(packed.shape[-1]))  # type: ignore[arg-type]
            body.builder.effect(tile.Prefetch(packed.value, tuple(map(code, place)), box))

    def _finish(self, acc: Element, channel: Dim, pixel: Dim) -> None:
        """Bias and the element-wise ops that follow, on channels by pixels."""
        g, body = self.geometry, self.frame.body
        place: tuple[Dim, ...] = (self.out_row, pixel)
        if self.sizes.flat:
            place = Merged((), g.out, body.indices).split(pixel)
        if self.root.bias is not None:
            acc = body.apply("add", acc, body.cast(body.read(self.root.bias, (channel,)), f32))
        body.bound[self.root.result] = lambda _: acc
        for tensor, memory in zip(returned(self.frame.func), self.frame.results, strict=True):
            element = body.read(tensor, (self.image, channel, *place))
            target = (self.image, channel, pixel) if self.sizes.flat else (self.image, channel, *place)
            body.store(memory, target, element)


register(CpuConv())
