"""The strategy `wgmma_conv`: 1x1 convolutions as matrix products of Hopper.

Rows are the output channels, columns the pixels of an image, which lie side by side: `wgmma` reads such an operand as
it is, and TMA loads it where an image's pixels fill multiples of 16 bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument
from ...ir.dialects import kernel
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim, product
from ...ir.target import CudaTarget
from .cuda_blocks import Work, instruction_of
from .cuda_conv import is_pointwise
from .cuda_gemm import Shape, bind_root, operand, reshape_argument, single_root, work_of
from .cuda_stages import AnyOperand
from .cuda_wgmma_gemm import WarpgroupStrategy, program, unsuitable, without_instruction
from .elements import Element
from .epilogue import placements
from .frame import open_frame, returned, tensor_type
from .merging import Merged
from .strategies import AnyTarget, register


@dataclass(frozen=True)
class WgmmaConv(WarpgroupStrategy):
    """1x1 convolutions, with the element-wise ops that follow on the accumulators."""

    name: str = "wgmma_conv"
    priority: int = 110

    def refusal(self, func: kernel.Func, target: AnyTarget) -> str | None:
        root = single_root(func, Conv)
        if not isinstance(target, CudaTarget) or not isinstance(root, Conv):
            return "not one convolution on a GPU"
        if (reason := without_instruction(tensor_type(root.x).scalar, root.precision, target)) is not None:
            return reason
        weights = root.w
        if not is_pointwise(root) or root.group != 1:
            return "not a 1x1 convolution of one group"
        if not isinstance(weights, BlockArgument) or not weights.has_one_use or not tensor_type(weights).is_static:
            return "its weights are not read as they are"
        places = placements(func, root.result)
        if places is None or not all(place.keeps_order for place in places):
            return "a result has another shape than the convolution"
        if 0 in (*tensor_type(root.result).dims, *tensor_type(root.x).dims):
            return "it is empty"
        return unsuitable(PointwiseConv(func, root))

    def work(self, func: kernel.Func) -> Work:
        root = single_root(func, Conv)
        assert isinstance(root, Conv)
        dtype = tensor_type(root.x).scalar
        instruction = instruction_of(dtype, root.precision)
        assert instruction is not None
        return work_of(func, _shape(root), dtype, instruction)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(target, CudaTarget)
        program(PointwiseConv(func, root), schedule, target).build()


def _shape(root: Conv) -> Shape:
    batch, channels, *pixels = tensor_type(root.result).dims
    return Shape((batch,), (channels,), product(pixels), tensor_type(root.x).dims[1])


class PointwiseConv:
    """A convolution as products of its weights by each image."""

    def __init__(self, func: kernel.Func, root: Conv) -> None:
        self.root = root
        self.shape = shape = _shape(root)
        places = placements(func, root.result)
        assert places is not None
        self.places = places
        self.frame = open_frame(func, [(*shape.batch, shape.rows, shape.columns) for _ in returned(func)])
        self.body = self.frame.body
        self.dtype = tensor_type(root.x).scalar
        reshape_argument(self.frame, root.w, (shape.rows, shape.inner))
        reshape_argument(self.frame, root.x, (*shape.batch, shape.inner, shape.columns))

    def batch(self, number: Dim) -> tuple[Dim, ...]:
        """The image."""
        return (number,)

    def left(self, batch: Sequence[Dim], depth: int) -> AnyOperand:
        """The weights."""
        shape = self.shape
        return operand(self.frame, self.root.w, lambda _, m, k: (m, k), (), shape.rows, shape.inner, depth)

    def right(self, batch: Sequence[Dim], depth: int) -> AnyOperand:
        """The pixels of an image."""
        shape = self.shape
        return operand(
            self.frame, self.root.x, lambda b, pixel, k: (b[0], k, pixel), batch, shape.columns, shape.inner, depth
        )

    def bind(self, acc: Element, row: Dim, column: Dim) -> None:
        """The convolution's result while `acc` has the products of rows `row`: its bias comes on top."""
        if self.root.bias is not None:
            bias = self.body.cast(self.body.read(self.root.bias, (row,)), acc.dtype)
            acc = self.body.apply("add", acc, bias)
        bind_root(self.body, self.root.result, acc)

    def index(self, batch: Sequence[Dim], row: Dim, column: Dim) -> tuple[Dim, ...]:
        """The index in the convolution's result."""
        pixels = tensor_type(self.root.result).dims[2:]
        return (*batch, row, *Merged((), pixels, self.body.indices).split(column))


register(WgmmaConv())
