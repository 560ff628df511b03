"""Convolutions of bf16 images on CPUs that add products of pairs.

Direct convolution as `conv` does it, two input channels a step. Rows of the input, with the zeros that pad them, are
put into local memory first with the pixels of a pair of channels side by side, [pair][kernel row][pixel][2], where an
item's register tiles find them: broadcast pixels by vectors of output channels, or vectors of pixels by broadcast
weights. Weights are packed alike: [channels / channels of a tile][pair, tap][channels of a tile][2].
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, VectorType, bf16
from .access import Memory
from .body import TileBody
from .cpu_conv import SCRATCH_BYTES, STAGING, ConvSchedule, DirectConv, Geometry, direct_geometry, flat_shape, storing
from .cpu_conv_rows import RowWindow, input_rows, place_in, vectors
from .cpu_micro import MicroTile, multiply_pairs, ranked_micro_tiles, unroll_of
from .frame import only_root, open_frame, returned, tensor_type
from .packing import leading, padded, repack, reshape, transpose
from .schedule import Schedule
from .strategies import AnyTarget, RankedStrategy, register

LINE = 1.0
"""What bringing a cache line of weights near costs an item, in multiply-adds of a vector."""
FAR_LINE = 3.0
"""The same where the weights of an item are more than stays near until the next one."""
NEAR_BYTES = 512 * 1024
MOST_TILES = 16
"""Register tiles along a row that an item takes at most."""
MOST_OPTIONS = 24
"""Register tiles of which shares are compared."""


@dataclass(frozen=True)
class CpuConvPairs(RankedStrategy):
    """Direct convolution of bf16 by dot products of pairs of channels."""

    name: str = "conv_pairs"
    priority: int = 105

    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        geometry = direct_geometry(func, target)
        if isinstance(geometry, str):
            return geometry
        assert isinstance(target, CpuTarget)
        root = only_root(func, Conv)
        assert isinstance(root, Conv)
        if not target.has_bf16_dots or any(tensor_type(v).scalar != bf16 for v in (root.x, root.w)):
            return "its elements are not bf16, or the processor has no products of their pairs"
        if geometry.inputs == 1 or (geometry.inputs % 2 and geometry.group > 1):
            return "the channels of a group are no pairs"
        return _Costs(_in_pairs(geometry), geometry.is_flat(func), target).schedules()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = ConvSchedule.from_attribute(schedule)
        root = only_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(root.w, BlockArgument)
        geometry = Geometry.of(root)
        assert geometry is not None
        weights = root.w
        _pack_weights(func, root, geometry, sizes.channels)
        shapes = [flat_shape(tensor_type(v).dims) if sizes.flat else tensor_type(v).dims for v in returned(func)]
        _PairConv(open_frame(func, shapes), root, weights, _in_pairs(geometry), sizes).build()


register(CpuConvPairs())


def _in_pairs(geometry: Geometry) -> Geometry:
    """The geometry with pairs of channels as inputs."""
    return dataclasses.replace(geometry, inputs=-(-geometry.inputs // 2))


class _Costs:
    """Estimated times of schedules, in multiply-adds of a vector."""

    def __init__(self, geometry: Geometry, flat: bool, target: CpuTarget) -> None:
        self.g, self.flat, self.target, self.lanes = geometry, flat, target, target.lanes(32)
        self.row = geometry.out[0] * geometry.out[1] if flat else geometry.out[1]
        self.inner = geometry.inputs * geometry.taps

    def schedules(self) -> list[Schedule]:
        """The best share of every register tile, the fastest first."""
        options = [(time, tile, False) for time, tile in self._ranked(self.row, self.g.outputs, _turned)]
        if self.g.strides[1] == 1:
            by_pixel = self._ranked(self.g.outputs, self.row, storing)
            # Broadcast weights beyond the outputs would be multiplied, and their rows checked, for nothing.
            fitting = [(time, tile) for time, tile in by_pixel if not self.g.outputs % tile.rows]
            options += [(time, tile, True) for time, tile in fitting if tile.columns <= self.row]
        options.sort(key=lambda option: option[0])
        unroll = unroll_of(self.g.inputs, 4 if self.g.taps == 1 else 1)
        found: list[tuple[float, ConvSchedule]] = []
        for time, micro, by_pixel in options[:MOST_OPTIONS]:
            pixels, channels = (micro.columns, micro.rows) if by_pixel else (micro.rows, micro.columns)
            tiles, panels = -(-self.row // pixels), -(-self.g.outputs // channels)
            each = time / (tiles * panels)
            best, share = min((self._time(s, pixels, channels, each), s) for s in self._shares(tiles, panels, pixels))
            found.append((best, ConvSchedule(pixels, channels, *share, unroll, self.flat, True, by_pixel)))
        return [schedule for _, schedule in sorted(found, key=lambda one: one[0])]

    def _ranked(self, rows: int, columns: int, finish: Callable[[MicroTile], float]) -> list[tuple[float, MicroTile]]:
        return ranked_micro_tiles(self.target, rows, columns, self.inner, finish)

    def _shares(self, tiles: int, panels: int, pixels: int) -> list[tuple[int, int]]:
        """How many register tiles along a row and panels of channels an item may take."""
        along = [t for t in range(1, min(tiles, MOST_TILES) + 1) if self._scratch(t * pixels) <= SCRATCH_BYTES]
        across = dict.fromkeys(-(-panels // parts) for parts in range(1, panels + 1))
        return [(t, p) for t in along or [1] for p in across]

    def _scratch(self, pixels: int) -> int:
        return self.g.inputs * self.g.kernel[0] * 4 * self.g.row_width(pixels)

    def _time(self, share: tuple[int, int], pixels: int, channels: int, each: float) -> float:
        """All items with `share`, of which a register tile takes `each`."""
        g, (tiles, panels) = self.g, share
        row_tiles, all_panels = -(-self.row // pixels), -(-g.outputs // channels)
        rows = 1 if self.flat else g.out[0]
        items = rows * g.group * -(-row_tiles // tiles) * -(-all_panels // panels)
        width = -(-g.row_width(tiles * pixels) // self.lanes)
        lines = panels * self.inner * -(-channels // self.lanes)
        line = LINE if lines * 64 <= NEAR_BYTES else FAR_LINE
        item = tiles * panels * each + STAGING * g.inputs * g.kernel[0] * width + line * lines
        return -(-items // self.target.cores) * item


def _turned(option: MicroTile) -> float:
    """What turning, finishing and storing a register tile of pixels by channels costs.

    Rows of other than a power of two pixels are stored in parts.
    """
    squares = -(-option.rows // 16) * (option.columns / 16)
    return squares * (24 + 2.5 * min(option.rows, 16)) + option.columns * (2 + 2 * option.rows.bit_count())


def _pack_weights(func: kernel.Func, root: Conv, geometry: Geometry, columns: int) -> None:
    """Have the weights passed as [group, channels / columns][pair][tap][columns][2], filled with zeros."""
    assert isinstance(root.w, BlockArgument)
    g, outputs, inputs, taps = geometry.group, geometry.outputs, geometry.inputs, geometry.taps
    panels, pairs = -(-outputs // columns), -(-inputs // 2)
    rows = (g, panels, pairs * taps, 2 * columns)

    def pack(array: np.ndarray) -> np.ndarray:
        whole = padded(array.reshape(g, outputs, inputs, taps), g, panels * columns, 2 * pairs, taps)
        cut = whole.reshape(g, panels, columns, pairs, 2, taps).transpose(0, 1, 3, 5, 2, 4)
        return np.ascontiguousarray(cut.reshape(rows))

    views = [
        reshape(g, panels, pairs, taps, columns, 2),
        transpose(0, 1, 4, 2, 5, 3),
        reshape(g, panels * columns, 2 * pairs, taps),
        leading(g, outputs, inputs, taps),
        reshape(g * outputs, inputs, *geometry.kernel),
    ]
    repack(func, root.w.index, f"pairs{g}x{columns}", pack, tensor_type(root.w).with_shape(rows), views)


@dataclass
class _PairConv(DirectConv):
    """`geometry` counts pairs of channels, and places of the staged input pairs of elements."""

    def _staged(self) -> Memory:
        return staged_pairs(self.frame.body, self.root, self._window())

    def _product(self, pixels: Dim, channel: Dim, inner: Dim, tap: tuple[int, int], total: Value) -> Value:
        g, sizes = self.geometry, self.sizes
        row = inner * g.taps + tap[0] * g.kernel[1] + tap[1]
        if sizes.by_pixel:
            panel = (self.group * self.panels + self.panel) * g.inputs * g.taps
            left = self._column(self._packed_flat(), (panel + row) * sizes.channels, sizes.channels, 1)
            return multiply_pairs(self.frame.body, left, self._row(pixels), total)
        left = self._column(self.source, pixels, sizes.pixels, g.strides[1])
        right = self._weights(row)
        self._prefetch(inner, tap)
        return multiply_pairs(self.frame.body, left, right, total)

    def _column(self, memory: Memory, place: Dim, rows: int, step: int) -> Value:
        """`rows` pairs from the pair at `place` on, `step` pairs apart."""
        type = VectorType((rows, 2), memory.dtype)
        return self._load(memory, (place * 2,), (0, 0), (2 * step, 1), type)

    def _row(self, place: Dim) -> Value:
        """The pairs of the tile's pixels."""
        type = VectorType((1, 2 * self.sizes.pixels), self.source.dtype)
        return self._load(self.source, (place * 2,), (-1, 0), (1, 1), type)

    def _weights(self, row: Dim) -> Value:
        packed = self.frame.body.memories[self.weights]
        type = VectorType((1, 2 * self.sizes.channels), packed.dtype)
        return self._load(packed, (self.group, self.panel, row, 0), (2, 3), (1, 1), type)

    def _load(
        self, memory: Memory, place: tuple[Dim, ...], dims: Sequence[int], steps: Sequence[int], type: VectorType
    ) -> Value:
        body = self.frame.body
        start = tuple(map(body.indices.scalar_code, place))
        load = tile.Load(memory.value, start, tuple(dims), tuple(steps), result_types=[type])
        return body.builder.pure(load) if memory.is_constant else body.builder.effect(load).results[0]


def staged_pairs(body: TileBody, root: Conv, window: RowWindow) -> Memory:
    """Local memory [pair][kernel row][column][2] with a window of `root`'s input, zeros where that is padding."""
    channels, height = (int(n) for n in tensor_type(root.w).dims[1:3])  # type: ignore[arg-type]
    pairs = -(-channels // 2)
    shape = (pairs, height, 2 * window.width)
    alloc = tile.Alloc(64, result_types=[MemRefType(shape, bf16, "local")])
    scratch = Memory(body.builder.effect(alloc).results[0], shape)
    size, starts = vectors(window.width)
    half, lane = body.indices.lane(2), body.indices.lane(size)

    def stage(pair: Dim, outside: float | None) -> None:
        for tap, row in enumerate(input_rows(root, window, height)):
            for start in starts:
                place = place_in(body, root, window, row, window.column + start + lane)
                index = (window.image, window.group * channels + 2 * pair + half, *place)
                element = body.elements.cast(body.read(root.x, index, outside), bf16)
                body.store(scratch, (pair, tap, 2 * (start + lane) + half), element)

    def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
        stage(body.indices.scalar(counter, channels // 2), 0.0 if any(root.pads) else None)
        return ()

    body.loop(channels // 2, 1, (), step)
    if channels % 2:
        stage(pairs - 1, 0.0)
    return Memory(body.builder.pure(tile.Flatten(scratch.value)), (symbols.product(shape),))
