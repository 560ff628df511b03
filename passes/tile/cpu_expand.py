"""A 1x1 convolution and the depthwise one that reads it on CPUs, in one launch.

An item computes whole planes of a few channels into local memory, which stays in the core's own caches, and the
depthwise convolution of those: what is between the two is in no other core's cache and in no buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, bf16, f32
from . import access
from .access import Memory
from .cpu_conv import ConvSchedule, DirectConv, Geometry, pack_weights, storing, turning
from .cpu_depthwise import Depthwise, DepthwiseSchedule, depthwise_schedule, refusal
from .cpu_micro import is_float_up_to_f32, over_share, ranked_micro_tiles, unroll_of
from .elements import Element
from .frame import Frame, open_frame, tensor_type
from .merging import Merged
from .packing import is_constant
from .schedule import Schedule
from .strategies import AnyTarget, register

SCRATCH_BYTES = 256 * 1024
"""The most local memory for planes: it has to stay in the L2 cache beside what is read."""


@dataclass(frozen=True)
class ExpandSchedule(Schedule):
    """`pixels` x `channels` is the register tile of the 1x1 convolution, an item computes `panels` of them and their
    depthwise convolution in tiles of `rows` x `lanes`. `by_pixel`: lanes of the former are pixels too.
    """

    subject = "an expanding and a depthwise convolution"

    pixels: int
    channels: int
    panels: int
    unroll: int
    by_pixel: bool
    rows: int
    lanes: int


@dataclass(frozen=True)
class CpuExpandDepthwise:
    """A pointwise convolution with constant weights, element-wise ops, a depthwise convolution, element-wise ops."""

    name: str = "expand_depthwise"
    priority: int = 110

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        pair = _convolutions(func)
        if not isinstance(target, CpuTarget) or pair is None:
            return "not two convolutions on a CPU, one after the other"
        expand, depthwise = pair
        first, second = Geometry.of(expand), Geometry.of(depthwise)
        if first is None or second is None or not first.is_pointwise or first.group != 1 or second.outputs != 1:
            return "not a 1x1 and a depthwise convolution of images of static size"
        if (reason := refusal(func, depthwise)) is not None:
            return reason
        if not all(is_float_up_to_f32(tensor_type(v).scalar) for v in (expand.x, expand.w)):
            return "its elements are not f32 or narrower floats"
        if target.has_bf16_dots and any(tensor_type(v).scalar == bf16 for v in (expand.x, expand.w)):
            return "the processor adds products of pairs of bf16, which another strategy uses"
        weights = expand.w
        if not isinstance(weights, BlockArgument) or not weights.has_one_use or not is_constant(func, weights.index):
            return "its weights are not constants of the model"
        if not isinstance(expand.x, BlockArgument):
            return "its input is computed in the kernel"
        found = _schedule(first, second, target)
        return "its planes are larger than the cache of a core" if found is None else found.to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = ExpandSchedule.from_attribute(schedule)
        pair = _convolutions(func)
        assert pair is not None
        geometries = Geometry.of(pair[0]), Geometry.of(pair[1])
        assert geometries[0] is not None and geometries[1] is not None
        weights = pair[0].w
        pack_weights(func, pair[0], geometries[0], sizes.channels)
        _emit(open_frame(func), pair, weights, (geometries[0], geometries[1]), sizes)


register(CpuExpandDepthwise())


def _convolutions(func: kernel.Func) -> tuple[Conv, Conv] | None:
    """The two convolutions of a kernel with no more."""
    found = [op for op in func.block if isinstance(op, Conv)]
    return (found[0], found[1]) if len(found) == 2 else None


def _schedule(expand: Geometry, depthwise: Geometry, target: CpuTarget) -> ExpandSchedule | None:
    """The register tile and share that take the least time, cores being done together."""
    pixels, inputs = expand.out[0] * expand.out[1], expand.inputs
    by_channel = ranked_micro_tiles(target, pixels, expand.outputs, inputs, turning)
    options = [(time, tile.rows, tile.columns, False) for time, tile in by_channel]
    if pixels >= 4 * target.lanes(32):
        by_pixel = ranked_micro_tiles(target, expand.outputs, pixels, inputs, storing)
        options += [(time, tile.columns, tile.rows, True) for time, tile in by_pixel]
    found: list[tuple[float, ExpandSchedule]] = []
    inner = depthwise_schedule(depthwise, target)
    for time, tile_pixels, channels, by_pixel in options:
        panels = -(-expand.outputs // channels)
        for share in range(1, panels + 1):
            if share * channels * pixels * 4 > SCRATCH_BYTES:
                break
            items, unroll = -(-panels // share), unroll_of(inputs, 4)
            busiest = -(-items // target.cores) * share
            schedule = ExpandSchedule(tile_pixels, channels, share, unroll, by_pixel, inner.rows, inner.lanes)
            found.append((time / panels * busiest, schedule))
    return min(found, key=lambda item: item[0])[1] if found else None


def _emit(
    frame: Frame, pair: tuple[Conv, Conv], weights: Value, geometries: tuple[Geometry, Geometry], sizes: ExpandSchedule
) -> None:
    body, (expand, depthwise), (first, second) = frame.body, pair, geometries
    channels = sizes.panels * sizes.channels
    blocks = -(-first.outputs // channels)
    block, image = (
        body.indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent)
        for axis, extent in enumerate((blocks, first.batch))
    )
    type = MemRefType((channels, *first.out), f32, "local")
    scratch = Memory(body.builder.effect(tile.Alloc(64, result_types=[type])).results[0], (channels, *first.out))
    conv = ConvSchedule(
        sizes.pixels, sizes.channels, -(-first.out[0] * first.out[1] // sizes.pixels), sizes.panels, sizes.unroll,
        flat=True, staged=False, by_pixel=sizes.by_pixel,
    )  # fmt: skip
    planes = _Planes(frame, expand, weights, first, conv)
    planes.emit(image, block, depthwise.x, scratch)

    first_channel = block * channels

    def plane(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
        local = body.indices.scalar(counter, channels)

        def element(place: tuple[Dim, ...]) -> Element:
            inside = tuple(body.indices.normalize(i) for i in (local, *place[2:]))
            return access.load(body, scratch, inside, True, 0.0)

        channel = body.indices.derived(first_channel + local, second.group)
        Depthwise(frame, depthwise, second, DepthwiseSchedule(sizes.rows, sizes.lanes), element).emit(image, channel)
        return ()

    body.loop(symbols.minimum(channels, second.group - first_channel), 1, (), plane)
    frame.finish((blocks, first.batch), None)


@dataclass
class _Planes(DirectConv):
    """The 1x1 convolution, whose planes go to local memory."""

    def emit(self, image: Dim, block: Dim, tensor: Value, scratch: Memory) -> None:
        """Planes of `tensor`, which follows the convolution element by element, for a block of channels."""
        g, sizes, body = self.geometry, self.sizes, self.frame.body
        self.row_pixels, self.out_rows, self.segments = g.out[0] * g.out[1], 1, 1
        self.panels = -(-g.outputs // sizes.channels)
        self.image, self.out_row, self.segment, self.group = image, 0, 0, 0
        self.source, self.tensor = self._input(), tensor
        flat = body.builder.pure(tile.Flatten(scratch.value))
        self.target = Memory(flat, (symbols.product(scratch.shape),))
        self.first_channel = block * (sizes.panels * sizes.channels)
        over_share(body, block, sizes.panels, self.panels, self._panel)

    def _finish(self, acc: Element, channel: Dim, pixel: Dim) -> None:
        body = self.frame.body
        row, column = Merged((), self.geometry.out, body.indices).split(pixel)
        if self.root.bias is not None:
            acc = body.apply("add", acc, body.cast(body.read(self.root.bias, (channel,)), f32))
        body.bound[self.root.result] = lambda _: acc
        element = body.cast(body.read(self.tensor, (self.image, channel, row, column)), f32)
        for lane in body.indices.lanes_of(channel):
            body.limits.pop(lane, None)  # local memory has room for whole panels
        body.store(self.target, ((channel - self.first_channel) * self.row_pixels + pixel,), element)
