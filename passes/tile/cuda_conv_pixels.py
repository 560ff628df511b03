"""Convolutions on GPUs whose results have their channels last: products of output pixels by taps and input channels.

Rows are the output pixels of all images, columns the output channels. Where the input has its channels last too, 16
bytes of them at a time come by asynchronous copies, tap by tap (implicit GEMM); else, and where the kernel makes its
input, elements are gathered. Weights are packed to [outputs][taps][input channels] at compile time.
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
from .cuda_blocks import BlockSchedule, Work, instruction_of, ranked_blocks, seconds, usual_sizes
from .cuda_contraction import Contraction, Grid, Problem
from .cuda_conv import has_packable_weights
from .cuda_gemm import bind_root, reshape_argument, single_root
from .cuda_prologues import FragmentPrologue
from .cuda_stages import AnyOperand, BoxOperand, PixelsOperand, ReadOperand
from .elements import Element
from .epilogue import placements
from .frame import open_frame, returned, tensor_type
from .merging import Merged
from .overlap_launches import overlaps
from .packing import calls_of, packed_constant
from .schedule import Schedule
from .strategies import AnyTarget, RankedStrategy, register

COPY_BYTES = 16
WEIGHTS_TOGETHER = 8
"""Elements of a row of weights that one copy brings, of the narrowest type."""


@dataclass(frozen=True)
class MmaConvPixels(RankedStrategy):
    """Convolutions of one group with constant weights, and the element-wise ops that follow on the accumulators."""

    name: str = "mma_conv_pixels"
    priority: int = 105

    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        if (reason := objection(func, target)) is not None:
            return reason
        root = single_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(target, CudaTarget)
        return _ranked(func, root, target)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Conv)
        assert isinstance(root, Conv)
        _MmaPixels(func, root, BlockSchedule.from_attribute(schedule)).build(overlaps(target))


def objection(func: kernel.Func, target: AnyTarget) -> str | None:
    """Why the strategy does not fit a kernel; None where it does."""
    root = single_root(func, Conv)
    if not isinstance(target, CudaTarget) or not isinstance(root, Conv) or root.group != 1:
        return "not one convolution of one group on a GPU"
    dtype = tensor_type(root.x).scalar
    if instruction_of(dtype, root.precision) is None:
        return f"no instruction multiplies matrices of {dtype}"
    if not _has_channels_last(func, root):
        return "a result does not have its channels last"
    if not has_packable_weights(func, root):
        return "its weights are not known"
    sizes = tensor_type(root.result).dims[1:]
    if not all(isinstance(dim, int) for dim in sizes) or 0 in (*tensor_type(root.result).dims, *root.kernel):
        return "its result is empty or has symbolic sizes"
    return "it has no input channels" if tensor_type(root.w).dims[1] == 0 else None


def _has_channels_last(func: kernel.Func, root: Conv) -> bool:
    """Whether all results are [n, spatial…, channels], but for dims of size 1, and not in the root's own order too."""
    dims = tensor_type(root.result).dims
    wanted = [axis for axis in (0, *range(2, len(dims)), 1) if dims[axis] != 1]
    if wanted == sorted(wanted) and copied_image(root) is None:
        return False
    places = placements(func, root.result)
    return places is not None and all(place.moved == wanted for place in places)


def _ranked(func: kernel.Func, root: Conv, target: CudaTarget) -> list[BlockSchedule]:
    """All blocks, the fastest first. Steps along k should not be longer than a tap's channels, which zeros fill up."""
    outputs, channels, *taps = (int(n) for n in tensor_type(root.w).dims)  # type: ignore[arg-type]
    batch, _, *out = tensor_type(root.result).dims
    pixels = usual_sizes(func)(product((batch, *out)))
    dtype = tensor_type(root.x).scalar
    instruction = instruction_of(dtype, root.precision)
    assert instruction is not None
    gathered = copied_image(root) is None
    work = Work(pixels, outputs, math.prod(taps) * channels, 1, dtype, instruction, gathered)

    def time(schedule: BlockSchedule) -> float:
        width = channels if gathered else padded_channels(channels, schedule.k)
        return seconds(schedule, replace(work, inner=math.prod(taps) * width), target)

    return sorted(ranked_blocks(work, target), key=time)


def padded_channels(channels: int, depth: int) -> int:
    """The extent of a tap in a packed row: whole steps of `depth`."""
    return -(-channels // depth) * depth


def channels_last_source(root: Conv) -> BlockArgument | None:
    """The argument [n, spatial…, c] that is the convolution's input, where 16 bytes of channels lie together."""
    image = copied_image(root)
    return image.source if image is not None and not image.ops else None


def copied_image(root: Conv) -> ChannelPrologue | None:
    """What a convolution reads, where it can copy that as it lies: its channels last, 16 bytes of them together."""
    channels = tensor_type(root.x).dims[1]
    whole = isinstance(channels, int) and channels * tensor_type(root.x).scalar.bytes % COPY_BYTES == 0
    image = channel_prologue(root.x) if whole else None
    if image is None or not image.channels_last:
        return None
    # What is computed of the zeros around an image need not be zero.
    return None if image.ops and any((*root.pads, *(n - 1 for n in root.kernel))) else image


class PixelsByTaps:
    """A convolution as the product of output pixels by taps and input channels, `depth` of the latter at a time."""

    def __init__(self, func: kernel.Func, root: Conv, depth: int) -> None:
        self.func, self.root = func, root
        self.outputs, self.channels, *taps = (int(n) for n in tensor_type(root.w).dims)  # type: ignore[arg-type]
        self.taps = tuple(taps)
        self.tap_count = math.prod(taps)
        self.images, _, *out = tensor_type(root.result).dims
        self.out = tuple(int(n) for n in out)  # type: ignore[arg-type]
        self.image = copied_image(root)
        self.source = None if self.image is None else self.image.source
        # Copies take whole steps of a tap; single elements are gathered across taps.
        self.width = self.channels if self.source is None else padded_channels(self.channels, depth)
        self.inner = -(-self.tap_count * self.width // WEIGHTS_TOGETHER) * WEIGHTS_TOGETHER
        self.rows = product((self.images, *self.out))
        self.frame = open_frame(func, [(self.rows, self.outputs) for _ in returned(func)])
        self.body = self.frame.body
        self.dtype = tensor_type(root.x).scalar
        reshape_argument(self.frame, root.w, (self.outputs, self.inner))

    def pack(self) -> None:
        """Have the calls pass the weights as [outputs][taps][channels], zeros behind a tap's channels."""

        def pack(array: np.ndarray) -> np.ndarray:
            taps = array.reshape(self.outputs, self.channels, self.tap_count).transpose(0, 2, 1)
            wide = np.pad(taps, [(0, 0), (0, 0), (0, self.width - self.channels)]).reshape(self.outputs, -1)
            return np.ascontiguousarray(np.pad(wide, [(0, 0), (0, self.inner - wide.shape[1])]))

        weights = self.root.w
        assert isinstance(weights, BlockArgument)
        for call in calls_of(self.func):
            call.set_operand(weights.index, packed_constant(call.operands[weights.index], f"pixels{self.width}", pack))

    def bind(self, acc: Element, row: Dim, column: Dim) -> None:
        """The convolution's result while `acc` has the products of output channels `column`: the bias comes on top."""
        body, root = self.body, self.root
        if root.bias is not None:
            acc = body.apply("add", acc, body.cast(body.read(root.bias, (column,)), acc.dtype))
        bind_root(body, root.result, acc)

    def split(self, pixel: Dim) -> tuple[Dim, ...]:
        """The image and the place in it of an output pixel."""
        return Merged((), (self.images, *self.out), self.body.indices).split(pixel)

    def weights(self) -> BoxOperand:
        return BoxOperand(self.body.memories[self.root.w], lambda n, k: (n, k), 0, 1, COPY_BYTES, is_weight=True)

    def pixels(self) -> AnyOperand:
        if self.source is None:
            return ReadOperand(self._element, k_contiguous=True)
        memory = self.body.memories[self.source]
        rank = len(memory.shape)
        checked = tuple(range(rank - 1)) if self.width == self.channels else tuple(range(rank))
        corner = tuple(-low for low in self.root.pads[: rank - 2])
        return PixelsOperand(
            memory, self._start, self.out, self.root.strides, checked, corner, prologue=self._prologue()
        )

    def _prologue(self) -> FragmentPrologue | None:
        if self.image is None or not self.image.ops:
            return None

        def index(pixel: Dim, k: Dim) -> Sequence[Dim]:
            image, *place = self.split(pixel)
            return (image, k, *(p * stride for p, stride in zip(place, self.root.strides, strict=True)))

        return FragmentPrologue(self.func, self.body, self.root.x, self.image, index, self.channels)

    def _start(self, first: Dim, k: Dim) -> Sequence[Dim]:
        tap, channel = self._tap(k)
        return (first, *self._offsets(tap), channel)

    def _tap(self, k: Dim) -> tuple[Dim, ...]:
        return Merged((), (ceildiv(self.inner, self.width), self.width), self.body.indices).split(k)

    def _offsets(self, tap: Dim) -> list[Dim]:
        """How far a tap is from an output pixel's first input, along every axis."""
        first, *others = self.taps
        # Behind the last tap of a packed row, zeros may belong to another.
        first = max(first, -(-self.inner // (self.width * math.prod(others))))
        taps = Merged((), (first, *others), self.body.indices).split(tap)
        return [t * step - low for t, step, low in zip(taps, self.root.dilations, self.root.pads, strict=False)]

    def _element(self, pixel: Dim, first: Dim, lane: Expr) -> Element:
        """The element of the input that an output pixel multiplies with element first + lane of a weights' row."""
        root, indices = self.root, self.body.indices
        tap, channel = self._tap(indices.derived(first + lane, self.inner))
        image, *place = self.split(pixel)
        offsets = self._offsets(tap)
        source = [p * stride + offset for p, stride, offset in zip(place, root.strides, offsets, strict=True)]
        outside = 0.0 if any(root.pads) or self.inner != self.tap_count * self.channels else None
        return self.body.read(root.x, (image, channel, *source), outside)


class _MmaPixels(PixelsByTaps):
    def __init__(self, func: kernel.Func, root: Conv, block: BlockSchedule) -> None:
        super().__init__(func, root, block.k)
        self.block = block
        self.pack()

    def build(self, overlap: bool) -> None:
        block = self.block
        grid = Grid(self.frame, (ceildiv(self.outputs, block.n), ceildiv(self.rows, block.m)), block.splits)
        rank, (column_block, row_block) = grid.place()
        instruction = instruction_of(self.dtype, self.root.precision)
        assert instruction is not None
        first = (row_block * block.m, column_block * block.n)
        problem = Problem(self.rows, self.outputs, self.inner, *first, self.dtype, instruction)
        contraction = Contraction(self.body, problem, block, self.pixels(), self.weights(), overlap, rank)
        acc = contraction.accumulate()
        self._finish(acc, contraction.row, contraction.column)
        grid.finish(block.threads)

    def _finish(self, acc: Element, pixel: Dim, channel: Dim) -> None:
        """Bias and what follows, stored as [pixels, channels]."""
        self.bind(acc, pixel, channel)
        body = self.body
        image, *place = self.split(pixel)
        for tensor, memory in zip(returned(self.func), self.frame.results, strict=True):
            body.store(memory, (pixel, channel), body.read(tensor, (image, *place, channel)))


register(MmaConvPixels())
