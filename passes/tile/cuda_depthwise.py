"""Depthwise convolutions on GPUs between images with their channels last.

A thread has 16 bytes of a pixel's channels and adds up the taps. Weights are packed to [taps][channels] at compile
time.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, OpResult
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.dialects.nn.views import Transpose
from ...ir.symbols import Dim, Expr, ceildiv, mod
from ...ir.target import CudaTarget
from ...ir.types import f32
from . import access
from .access import ALIGNMENT
from .cuda_blocks import usual_sizes
from .cuda_contraction import program_ids
from .cuda_conv import has_packable_weights
from .cuda_gemm import bind_root, reshape_argument, single_root
from .elements import Element
from .epilogue import placements
from .frame import open_frame, returned, tensor_type
from .merging import Merged
from .overlap_launches import overlaps
from .packing import calls_of, packed_constant
from .schedule import Schedule
from .strategies import AnyTarget, RankedStrategy, register

THREADS = (128, 64, 256)
MOST_EARLY_TAPS = 9
"""Weights of more taps are not kept in registers while the launch before is awaited."""
SEGMENT = 64
"""Bytes of neighbouring channels below which memory moves more than is used."""


@dataclass(frozen=True)
class DepthwiseSchedule(Schedule):
    """A block computes `rows` x `columns` output pixels of `channels`."""

    subject = "a depthwise convolution"

    rows: int
    columns: int
    channels: int


@dataclass(frozen=True)
class DepthwisePixels(RankedStrategy):
    """Convolutions of two axes with a filter for each channel, with the element-wise ops that follow."""

    name: str = "depthwise_pixels"
    priority: int = 105

    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        root = single_root(func, Conv)
        if not isinstance(target, CudaTarget) or not isinstance(root, Conv) or not is_depthwise(root):
            return "not one depthwise convolution on a GPU"
        if _source(root) is None or not has_packable_weights(func, root):
            return "its input is not an image in memory with its channels last, or its weights are not known"
        places = placements(func, root.result)
        if places is None or not all(place.axes == (0, 2, 3, 1) for place in places):
            return "a result does not have its channels last"
        if 0 in tensor_type(root.result).dims:
            return "it is empty"
        return _ranked(func, root, target)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Conv)
        assert isinstance(root, Conv)
        _Depthwise(func, root, DepthwiseSchedule.from_attribute(schedule)).build(overlaps(target))


def is_depthwise(root: Conv) -> bool:
    """Whether every channel of an image with two axes has one filter of its own, and threads take whole 16 bytes."""
    outputs, inputs, *taps = tensor_type(root.w).dims
    channels, *spatial = tensor_type(root.result).dims[1:]
    dtype = tensor_type(root.x).scalar
    if len(taps) != 2 or inputs != 1 or root.group != channels or outputs != channels:
        return False
    static = isinstance(channels, int) and all(isinstance(dim, int) for dim in spatial)
    return static and dtype.is_float and dtype.bytes in (2, 4) and channels * dtype.bytes % ALIGNMENT == 0


def _source(root: Conv) -> BlockArgument | None:
    """The argument [n, rows, columns, channels] that is the input."""
    maker = root.x.op if isinstance(root.x, OpResult) else None
    if not isinstance(maker, Transpose) or maker.perm != (0, 3, 1, 2) or not isinstance(maker.x, BlockArgument):
        return None
    return maker.x


def _ranked(func: kernel.Func, root: Conv, target: CudaTarget) -> list[DepthwiseSchedule]:
    """Blocks that waste few threads, move whole segments of memory and keep all multiprocessors busy first."""
    number = usual_sizes(func)
    images, channels, *size = map(number, tensor_type(root.result).dims)
    bytes = tensor_type(root.x).scalar.bytes
    together = ALIGNMENT // bytes
    found: dict[DepthwiseSchedule, float] = {}
    for threads, wide, columns in itertools.product(THREADS, (64, 32, 16, 8), (32, 16, 8, 4, 2, 1)):
        rows, rest = divmod(threads * together, wide * columns)
        if rest or rows == 0 or wide < together or rows > 16:
            continue
        blocks = [-(-extent // step) for extent, step in zip((channels, *size), (wide, rows, columns), strict=True)]
        count = images * math.prod(blocks)
        busy = math.ceil(count * threads / (target.multiprocessors * 256)) * 256 * target.multiprocessors
        found[DepthwiseSchedule(rows, columns, wide)] = busy * max(1.0, SEGMENT / (wide * bytes)) + count * threads
    return sorted(found, key=lambda one: found[one])


class _Depthwise:
    def __init__(self, func: kernel.Func, root: Conv, block: DepthwiseSchedule) -> None:
        self.func, self.root, self.block = func, root, block
        self.images, self.channels, *size = tensor_type(root.result).dims
        self.size = tuple(size)
        self.taps = list(itertools.product(*(range(int(n)) for n in root.kernel)))  # type: ignore[arg-type]
        self._pack()
        self.frame = open_frame(func)
        self.body = self.frame.body
        reshape_argument(self.frame, root.w, (len(self.taps), self.channels))

    def _pack(self) -> None:
        """Have the calls pass the weights as [taps][channels]."""
        weights, count = self.root.w, len(self.taps)
        assert isinstance(weights, BlockArgument)

        def pack(array: np.ndarray) -> np.ndarray:
            return np.ascontiguousarray(array.reshape(array.shape[0], count).T)

        for call in calls_of(self.func):
            call.set_operand(weights.index, packed_constant(call.operands[weights.index], "taps", pack))

    def build(self, overlap: bool) -> None:
        body, block = self.body, self.block
        steps = (block.rows, block.columns, block.channels)
        extents = (*self.size, self.channels)
        high, wide, deep = (ceildiv(extent, step) for extent, step in zip(extents, steps, strict=True))
        grid = (deep, wide, self.images * high)
        channel_block, column_block, outer = program_ids(self.frame, grid)
        image, row_block = Merged((), (self.images, high), body.indices).split(outer)
        blocks = (row_block, column_block, channel_block)
        row, column, channel = map(self._position, blocks, steps, extents)
        early = overlap and len(self.taps) <= MOST_EARLY_TAPS
        weights = [self._weight(tap, channel) for tap in range(len(self.taps))] if early else []
        if overlap:
            body.builder.effect(tile.WaitDependencies())
        weights = weights or [self._weight(tap, channel) for tap in range(len(self.taps))]
        acc = self._sum(image, row, column, channel, weights)
        if self.root.bias is not None:
            acc = body.apply("add", acc, body.cast(body.read(self.root.bias, (channel,)), acc.dtype))
        bind_root(body, self.root.result, acc)
        for tensor, memory in zip(returned(self.func), self.frame.results, strict=True):
            place = (image, row, column, channel)
            body.store(memory, place, body.read(tensor, place))
        self.frame.finish(grid, block.rows * block.columns * block.channels * self._bytes // ALIGNMENT)

    @property
    def _bytes(self) -> int:
        return tensor_type(self.root.x).scalar.bytes

    def _position(self, block: Dim, step: int, extent: Dim) -> Expr:
        """The positions of a lane of the block's tile, which stop at the extent."""
        indices = self.body.indices
        lane = indices.lane(step)
        position = indices.derived(block * step + lane, extent)
        if mod(extent, step) != 0:
            self.body.limits[indices.lane_of(lane)] = (position, extent)
        return position

    def _weight(self, tap: int, channel: Expr) -> Element:
        return access.load(self.body, self.body.memories[self.root.w], (tap, channel), False, 0.0)

    def _sum(self, image: Dim, row: Expr, column: Expr, channel: Expr, weights: Sequence[Element]) -> Element:
        body, root = self.body, self.root
        source = _source(root)
        assert source is not None
        acc: Element | None = None
        for tap, weight in zip(self.taps, weights, strict=True):
            walks = zip((row, column), tap, root.strides, root.pads, root.dilations, strict=False)
            place = [at * stride + t * dilation - low for at, t, stride, low, dilation in walks]
            index = tuple(body.indices.normalize(i) for i in (image, *place, channel))
            x = body.cast(access.load(body, body.memories[source], index, True, 0.0), f32)
            term = body.apply("mul", x, body.cast(weight, f32))
            acc = term if acc is None else body.apply("add", acc, term)
        assert acc is not None
        return acc


register(DepthwisePixels())
