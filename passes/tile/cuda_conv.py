"""Convolutions on GPUs as matrix products whose right operand is gathered from the image.

Rows are the output channels of a group, columns the output pixels of an image, the inner dimension walks the taps of
the kernel and the input channels. The weights are packed into rows at compile time: tap by tap where the channels of a
tap fill whole stages of the main loop, so that a stage has one tap; channel by channel else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument
from ...ir.dialects import kernel
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim, Expr, ceildiv, product
from ...ir.target import CudaTarget
from ..analysis.prologues import ChannelPrologue, channel_prologue
from .cuda_blocks import BlockSchedule, Work, instruction_of, ranked_blocks, usual_sizes
from .cuda_contraction import Contraction, Grid, Problem
from .cuda_gemm import finish, operand, reshape_argument, single_root
from .cuda_prologues import FragmentPrologue
from .cuda_stages import AnyOperand, BoxOperand, ReadOperand, copy_width
from .elements import Element
from .epilogue import placements
from .frame import open_frame, returned, tensor_type
from .merging import Merged
from .overlap_launches import overlaps
from .packing import calls_of, is_constant, packed_constant
from .schedule import Schedule
from .strategies import AnyTarget, RankedStrategy, register

NARROW = 8
"""Groups with fewer channels than this are no matrices worth the name."""


@dataclass(frozen=True)
class _Sizes:
    """Per group: `rows` output channels, `channels` input channels of `taps`; `pixels` of an output image."""

    groups: int
    rows: int
    channels: int
    taps: tuple[int, ...]
    out: tuple[Dim, ...]
    batch: Dim

    @staticmethod
    def of(root: Conv) -> _Sizes:
        weights = tensor_type(root.w).dims
        result = tensor_type(root.result).dims
        rows, channels, *taps = (int(n) for n in weights)  # type: ignore[arg-type]
        return _Sizes(root.group, rows // root.group, channels, tuple(taps), tuple(result[2:]), result[0])

    @property
    def pixels(self) -> Dim:
        return product(self.out)

    @property
    def tap_count(self) -> int:
        return math.prod(self.taps)

    def by_tap(self, depth: int) -> bool:
        """Whether the inner dimension goes tap by tap."""
        return self.channels % depth == 0

    def inner(self, depth: int) -> int:
        """Elements of a packed row: a multiple of what one copy moves."""
        count = self.channels * self.tap_count
        return count if self.by_tap(depth) else -(-count // 8) * 8


@dataclass(frozen=True)
class MmaConv(RankedStrategy):
    """Convolutions of floats with constant weights, with the element-wise ops that follow on the accumulators."""

    name: str = "mma_conv"
    priority: int = 100

    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        work = self._work(func, target)
        return work if isinstance(work, str) else ranked_blocks(work, target)

    def _work(self, func: kernel.Func, target: AnyTarget) -> Work | str:
        """The problem of a kernel, or why it is none."""
        root = single_root(func, Conv)
        if not isinstance(target, CudaTarget) or not isinstance(root, Conv):
            return "not one convolution on a GPU"
        instruction = instruction_of(tensor_type(root.x).scalar, root.precision)
        if instruction is None:
            return f"no instruction multiplies matrices of {tensor_type(root.x).dtype}"
        places = placements(func, root.result)
        if places is None or not all(place.keeps_order for place in places):
            return "a result has another shape than the convolution"
        if not has_packable_weights(func, root):
            return "its weights are not known"
        sizes = _Sizes.of(root)
        if sizes.groups > 1 and min(sizes.rows, sizes.channels) < NARROW:
            return "its groups are too narrow"
        if 0 in tensor_type(root.result).dims or sizes.channels == 0:
            return "it is empty"
        dtype = tensor_type(root.x).scalar
        number = usual_sizes(func)
        pixels, images = number(sizes.pixels), number(sizes.batch)
        gathered = pointwise_image(root) is None or pixels * dtype.bytes % 4 != 0
        inner = sizes.channels * sizes.tap_count
        return Work(sizes.rows, pixels, inner, images * sizes.groups, dtype, instruction, gathered, sizes.channels)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Conv)
        assert isinstance(root, Conv)
        _Conv(func, root, BlockSchedule.from_attribute(schedule)).build(overlaps(target))


def has_packable_weights(func: kernel.Func, root: Conv) -> bool:
    """Whether the weights of a convolution are constants that nothing else of the kernel reads."""
    weights = root.w
    if not isinstance(weights, BlockArgument) or not weights.has_one_use or not tensor_type(weights).is_static:
        return False
    return is_constant(func, weights.index)


def is_pointwise(root: Conv) -> bool:
    """Whether output pixels are input pixels, and nobody else reads the image under its own shape."""
    image = pointwise_image(root)
    return image is not None and not image.ops


def pointwise_image(root: Conv) -> ChannelPrologue | None:
    """What a convolution computes on its input pixels, which are its output pixels; None where they are not."""
    one = all(n == 1 for n in (*tensor_type(root.w).dims[2:], *root.strides))
    image = channel_prologue(root.x) if one and not any(root.pads) else None
    return image if image is not None and not image.channels_last and image.source.has_one_use else None


class _Conv:
    def __init__(self, func: kernel.Func, root: Conv, block: BlockSchedule) -> None:
        self.func, self.root, self.block = func, root, block
        self.sizes = sizes = _Sizes.of(root)
        self.inner = sizes.inner(block.k)
        self._pack()
        self.frame = open_frame(func, [(sizes.batch, sizes.groups, sizes.rows, sizes.pixels) for _ in returned(func)])
        self.body = self.frame.body
        reshape_argument(self.frame, root.w, (sizes.groups, sizes.rows, self.inner))

    def _pack(self) -> None:
        """Have the calls pass the weights as [outputs, inner], in the order of the inner dimension."""
        sizes, inner, by_tap = self.sizes, self.inner, self.sizes.by_tap(self.block.k)

        def pack(array: np.ndarray) -> np.ndarray:
            rows = array.reshape(array.shape[0], sizes.channels, sizes.tap_count)
            rows = rows.transpose(0, 2, 1) if by_tap else rows
            flat = np.ascontiguousarray(rows).reshape(array.shape[0], -1)
            return np.pad(flat, [(0, 0), (0, inner - flat.shape[1])])

        weights = self.root.w
        assert isinstance(weights, BlockArgument)
        tag = f"rows{inner}{'t' if by_tap else ''}"
        for call in calls_of(self.func):
            call.set_operand(weights.index, packed_constant(call.operands[weights.index], tag, pack))

    def build(self, overlap: bool) -> None:
        sizes, block, indices = self.sizes, self.block, self.body.indices
        blocks = (sizes.batch, sizes.groups)
        axes = (ceildiv(sizes.pixels, block.n), ceildiv(sizes.rows, block.m), product(blocks))
        grid = Grid(self.frame, axes, block.splits)
        rank, (column_block, row_block, outer) = grid.place()
        self.image, self.group = Merged((), blocks, indices).split(outer)
        dtype = tensor_type(self.root.x).scalar
        instruction = instruction_of(dtype, self.root.precision)
        assert instruction is not None
        first = (row_block * block.m, column_block * block.n)
        problem = Problem(sizes.rows, sizes.pixels, self.inner, *first, dtype, instruction)
        contraction = Contraction(self.body, problem, block, self._weights(), self._pixels(), overlap, rank)
        acc = contraction.accumulate()
        channel = self.group * sizes.rows + contraction.row
        pixel = contraction.column
        index = (self.image, channel, *self._split(pixel))
        place = (self.image, self.group, contraction.row, pixel)
        finish(self.frame, self.root.result, self._with_bias(acc, channel), index, place)
        grid.finish(block.threads)

    def _split(self, pixel: Dim) -> tuple[Dim, ...]:
        """Where a pixel is along every axis."""
        return Merged((), self.sizes.out, self.body.indices).split(pixel)

    def _with_bias(self, acc: Element, channel: Dim) -> Element:
        if self.root.bias is None:
            return acc
        bias = self.body.cast(self.body.read(self.root.bias, (channel,)), acc.dtype)
        return self.body.apply("add", acc, bias)

    def _weights(self) -> AnyOperand:
        memory = self.body.memories[self.root.w]
        walks, _ = self.body.probe((self.sizes.rows, self.inner), lambda _: self.body.constant(0.0, memory.dtype))
        width = copy_width(self.body, memory, (0, walks[0], walks[1]), walks)
        return BoxOperand(memory, lambda m, k: (self.group, m, k), 1, 2, width, is_weight=True)

    def _pixels(self) -> AnyOperand:
        root, sizes = self.root, self.sizes
        image = pointwise_image(root)
        if image is None or self.inner != sizes.channels or (image.ops and sizes.groups > 1):
            return ReadOperand(self._pixel, k_contiguous=False)
        source = self.body.memories[image.source].shape
        reshape_argument(self.frame, image.source, (sizes.batch, sizes.groups * sizes.channels, sizes.pixels))

        def place(batch: Sequence[Dim], pixel: Dim, k: Dim) -> Sequence[Dim]:
            channel = k if sizes.groups == 1 else batch[1] * sizes.channels + k
            return (batch[0], channel, pixel)

        batch = (self.image, self.group)
        found = operand(self.frame, image.source, place, batch, sizes.pixels, sizes.channels, self.block.k)
        if not image.ops:
            return found
        if isinstance(found, BoxOperand):
            return replace(found, prologue=self._prologue(image))
        reshape_argument(self.frame, image.source, source)
        return ReadOperand(self._pixel, k_contiguous=False)

    def _prologue(self, image: ChannelPrologue) -> FragmentPrologue:
        channels = self.sizes.channels

        def index(pixel: Dim, k: Dim) -> Sequence[Dim]:
            return (self.image, k, *self._split(pixel))

        return FragmentPrologue(self.func, self.body, self.root.x, image, index, channels)

    def _pixel(self, pixel: Dim, first: Dim, lane: Expr) -> Element:
        """The element of the image that output pixel `pixel` multiplies with element first + lane of a weights' row."""
        root, sizes, indices = self.root, self.sizes, self.body.indices
        if sizes.by_tap(self.block.k):
            tap, start = Merged((), (sizes.tap_count, sizes.channels), indices).split(first)
            channel: Dim = indices.derived(start + lane, sizes.channels)
        else:
            k = indices.derived(first + lane, self.inner)
            channel, tap = Merged((), (ceildiv(self.inner, sizes.tap_count), sizes.tap_count), indices).split(k)
        taps = Merged((), sizes.taps, indices).split(tap)
        where = zip(self._split(pixel), taps, root.strides, root.pads, root.dilations, strict=False)
        source = [p * stride + t * dilation - low for p, t, stride, low, dilation in where]
        outside = 0.0 if any(root.pads) or self.inner != sizes.channels * sizes.tap_count else None
        return self.body.read(root.x, (self.image, self.group * sizes.channels + channel, *source), outside)


register(MmaConv())
