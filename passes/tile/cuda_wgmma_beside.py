"""Operands of the element-wise ops behind a product, such as a residual: TMA loads them while the product is computed.

They come a chunk of the result at a time, in the order of its elements, for each group of warps into memory of its own.
The first chunk of a tile is under way during its products, each other one while the one before is computed and stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir.core import BlockArgument, Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, floordiv
from ...ir.types import Scalar, VectorType, f32
from .access import Memory
from .cuda_gemm import Product, reshape_argument
from .cuda_stages import SPAN
from .elements import Element
from .epilogue import Placement
from .frame import returned, tensor_type
from .wgmma_blocks import ROWS

if TYPE_CHECKING:
    from .cuda_wgmma import WgmmaGemm
    from .cuda_wgmma_operands import TilePlace


def operands_beside(gemm: Product) -> list[BlockArgument]:
    """The arguments that stand beside the product: read where a result of their type is written, and nowhere else."""
    body, shape, found = gemm.body, gemm.shape, []
    for tensor, place in zip(returned(gemm.frame.func), gemm.places, strict=True):
        type = tensor_type(tensor)
        if not place.keeps_order or place.reduced is not None or not type.scalar.is_float:
            continue

        def index(i: Sequence[Dim], place: Placement = place) -> tuple[Dim, ...]:
            *batch, row, column = i
            return place.index(gemm.index(tuple(batch), row, column))

        def element(i: Sequence[Dim], tensor: Value = tensor) -> Element:
            gemm.bind(body.constant(0.0, f32), *i[-2:])
            return body.read(tensor, index(i))

        walks, sample = body.probe((*shape.batch, shape.rows, shape.columns), element)
        here = tuple(map(body.indices.normalize, index(walks)))
        for read in sample.reads:
            argument = read.tensor
            same = read.shape == type.dims and read.index == here and not read.unsure
            if same and isinstance(argument, BlockArgument) and argument.has_one_use and argument not in found:
                found += [argument] if tensor_type(argument).scalar == type.scalar else []
    return found


@dataclass
class Beside:
    """One operand in shared memory: a chunk for each group, and the barrier of its arrival."""

    program: WgmmaGemm
    argument: BlockArgument
    outside: Memory
    memory: Value
    full: Value

    @staticmethod
    def of(program: WgmmaGemm, argument: BlockArgument) -> Beside:
        gemm, sizes = program.gemm, program.sizes
        dtype = tensor_type(argument).scalar
        reshape_argument(gemm.frame, argument, (*gemm.shape.batch, gemm.shape.rows, gemm.shape.columns))
        outside = gemm.body.memories[argument]
        gemm.body.memories = {key: memory for key, memory in gemm.body.memories.items() if key is not argument}
        panel = SPAN // dtype.bytes
        memory = program.alloc("beside", (sizes.groups, sizes.chunk // panel, ROWS, panel), dtype, None)
        return Beside(program, argument, outside, memory, program.barriers("beside_full", sizes.groups, 1))

    @property
    def dtype(self) -> Scalar:
        return self.outside.dtype

    def fetch(self, place: TilePlace, group: Dim) -> None:
        """Start loading a chunk. The threads of the group have read the one before, and met since."""
        program, sizes = self.program, self.program.sizes
        panel = SPAN // self.dtype.bytes
        rank = len(self.outside.shape)

        def load() -> None:
            program.arrive(self.full, group, ROWS * sizes.chunk * self.dtype.bytes)
            for number in range(sizes.chunk // panel):
                there = (*place.batch, place.row, place.column + number * panel)
                op = tile.CopyAsync(
                    self.outside.value,
                    self.memory,
                    program.codes(*there),
                    program.codes(group, number, 0, 0),
                    (ROWS, panel),
                    (rank - 2, rank - 1),
                    (2, 3),
                    (rank - 2, rank - 1),
                    barriers=self.full,
                    slot=program.code(group),
                    engine="tma",
                )
                program.builder.effect(op)

        program.builder.elect(load)

    def take(self, number: int, chunks: int, done: Dim, group: Dim, lanes: tuple[int, int]) -> None:
        """Have reads of the argument give chunk `number` of a tile's `chunks`; `done` steps came before the tile."""
        program, sizes = self.program, self.program.sizes
        tiles = floordiv(done, (sizes.groups if sizes.pingpong else 1) * program.steps)
        before = tiles * chunks + number
        parity = program.indices.derived(before - 2 * floordiv(before, 2), 2)
        program.wait(self.full, group, program.code(parity))
        panel = SPAN // self.dtype.bytes
        shape = (ROWS, sizes.chunk // panel, panel)
        start = program.codes(group, 0, 0, 0)
        type = VectorType(shape, self.dtype)
        load = tile.Load(self.memory, start, (2, 1, 3), (1, 1, 1), alignment=16, result_types=[type])
        value = program.builder.effect(load).results[0]
        flat = program.builder.op("vector.shape_cast", (value,), VectorType((ROWS, sizes.chunk), self.dtype))
        element = Element(flat, self.dtype, lanes)
        program.body.bound[self.argument] = lambda _: program.body.cast(element, self.dtype)
