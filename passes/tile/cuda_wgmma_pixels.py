"""The strategy `wgmma_conv_pixels`: convolutions of Hopper between images with their channels last.

Rows are the output pixels of all images, columns the output channels. TMA walks the pixels of the image tap by tap
(implicit GEMM); where output pixels are input pixels, they are the rows of a matrix. Weights are packed to
[outputs][taps][input channels] at compile time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...ir.attributes import DictAttr
from ...ir.dialects import kernel
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim
from ...ir.target import CudaTarget
from .cuda_blocks import Work, instruction_of
from .cuda_conv_pixels import PixelsByTaps, channels_last_source, objection
from .cuda_gemm import Shape, reshape_argument, single_root, work_of
from .cuda_stages import SPAN, AnyOperand, BoxOperand
from .cuda_wgmma_gemm import WarpgroupStrategy, program, unsuitable, without_instruction
from .epilogue import Placement, placements
from .frame import tensor_type
from .strategies import AnyTarget, register


@dataclass(frozen=True)
class WgmmaConvPixels(WarpgroupStrategy):
    """Convolutions of one group with constant weights, and the element-wise ops that follow on the accumulators."""

    name: str = "wgmma_conv_pixels"
    priority: int = 112

    def refusal(self, func: kernel.Func, target: AnyTarget) -> str | None:
        if (reason := objection(func, target)) is not None:
            return reason
        root = single_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(target, CudaTarget)
        if (reason := without_instruction(tensor_type(root.x).scalar, root.precision, target)) is not None:
            return reason
        if channels_last_source(root) is None:
            return "its input is not an image in memory with its channels last, 16 bytes of them together"
        return unsuitable(PixelsProduct(func, root))

    def work(self, func: kernel.Func) -> Work:
        root = single_root(func, Conv)
        assert isinstance(root, Conv)
        dtype = tensor_type(root.x).scalar
        instruction = instruction_of(dtype, root.precision)
        assert instruction is not None
        conv = PixelsProduct(func, root)
        return replace(work_of(func, conv.shape, dtype, instruction), run=conv.width, taps=conv.tap_count)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(target, CudaTarget)
        conv = PixelsProduct(func, root)
        conv.pack()
        program(conv, schedule, target).build()


class PixelsProduct(PixelsByTaps):
    """A convolution as one product of matrices, whose index is [image, spatial…, channel]."""

    def __init__(self, func: kernel.Func, root: Conv) -> None:
        super().__init__(func, root, SPAN // tensor_type(root.x).scalar.bytes)
        self.is_matrix = self._is_matrix()
        if self.is_matrix:
            assert self.source is not None
            reshape_argument(self.frame, self.source, (self.rows, self.channels))
        self.shape = Shape((), (self.rows,), self.outputs, self.inner)
        self.places = self._places()

    def _is_matrix(self) -> bool:
        """Whether output pixels are input pixels, and nothing else reads the image under its own shape."""
        plain = self.source is not None and self.source.has_one_use
        return plain and all(n == 1 for n in (*self.taps, *self.root.strides)) and not any(self.root.pads)

    def _places(self) -> list[Placement]:
        """Where results stand, seen from the order of `index`."""
        found = placements(self.func, self.root.result)
        assert found is not None
        rank = len(self.out) + 2
        order = (0, *range(2, rank), 1)
        axes = [tuple(None if axis is None else order.index(axis) for axis in place.axes) for place in found]
        return [Placement(moved, place.dims) for moved, place in zip(axes, found, strict=True)]

    def batch(self, number: Dim) -> tuple[Dim, ...]:
        return ()

    def left(self, batch: Sequence[Dim], depth: int) -> AnyOperand:
        """The pixels."""
        if not self.is_matrix:
            return self.pixels()
        assert self.source is not None
        return BoxOperand(self.body.memories[self.source], lambda m, k: (m, k), 0, 1, 16)

    def right(self, batch: Sequence[Dim], depth: int) -> AnyOperand:
        """The weights."""
        return self.weights()

    def index(self, batch: Sequence[Dim], row: Dim, column: Dim) -> tuple[Dim, ...]:
        return (*self.split(row), column)


register(WgmmaConvPixels())
