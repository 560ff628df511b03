"""From a kernel of `nn` ops to the frame of its tile program: memrefs for tensors, then grid and attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.core import Block, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import tensor_type
from ...ir.loop_nest import Index
from ...ir.symbols import Dim, product
from ...ir.types import MemRefType, Scalar
from . import access
from .access import Memory, Written
from .body import TileBody
from .builder import Builder, erase_unused
from .elements import Element
from .merging import address


@dataclass
class Frame:
    """A tile program under construction for `func`, whose `nn` ops stay until `finish`."""

    func: kernel.Func
    block: Block
    body: TileBody
    results: list[Memory]
    shapes: list[tuple[Dim, ...]]

    def finish(self, grid: Sequence[Dim], threads: int | None) -> None:
        """End the program and make it the body of the kernel."""
        self.block.append(kernel.Return(location=self.func.location))
        erase_unused(self.block)
        old = self.func.body.block
        for op in reversed(list(old)):
            op.drop_operands()
        self.func.body.blocks.clear()
        self.func.body.add_block(self.block)
        self.func.grid = tuple(grid)
        self.func.threads = threads
        self.func.arg_shapes = tuple(map(kernel.shape_text, self.shapes))


def returned(func: kernel.Func) -> tuple[Value, ...]:
    """The tensors a kernel returns."""
    return func.block.terminator.operands


def open_frame(func: kernel.Func, result_shapes: Sequence[Sequence[Dim]] | None = None) -> Frame:
    """A frame whose result memrefs have `result_shapes` (as many elements each; default: the tensors' own)."""
    block = Block()
    shapes = [tensor_type(argument).dims for argument in func.block.arguments]
    inputs = {}
    for argument, shape in zip(func.block.arguments, shapes, strict=True):
        value = block.add_argument(_memref(shape, tensor_type(argument).scalar), argument.name)
        inputs[argument] = Memory(value, shape)
    results = []
    wanted = result_shapes or [tensor_type(v).dims for v in returned(func)]
    for tensor, sizes in zip(returned(func), wanted, strict=True):
        value = block.add_argument(_memref(sizes, tensor_type(tensor).scalar))
        results.append(Memory(value, tuple(sizes)))
        shapes.append(tuple(sizes))
    body = TileBody(Builder(block, func.location), inputs)
    return Frame(func, block, body, results, shapes)


def _memref(shape: Sequence[Dim], dtype: Scalar) -> MemRefType:
    return MemRefType(tuple(dim if isinstance(dim, int) else None for dim in shape), dtype)


def only_root(func: kernel.Func, kind: type) -> object | None:
    """The one op of `kind` in a kernel, if it has exactly one."""
    roots = [op for op in func.block if isinstance(op, kind)]
    return roots[0] if len(roots) == 1 else None


def read_back(frame: Frame, tensor: Value, memory: Memory, settled: bool = False) -> None:
    """Have the elements of a tensor read from a result's memory, where the program has written them.

    Every read is made where it stands; with `settled`, outside of the inner loops that it does not depend on, as from
    any argument: that is for memory that nobody writes any more, and for CPUs, whose loads see all that was written.
    """
    body, dims = frame.body, tensor_type(tensor).dims
    flat = (Memory if settled else Written)(body.builder.pure(tile.Flatten(memory.value)), (product(dims),))
    if not settled:
        body.builder.written.add(flat.value)

    def element(place: Index) -> Element:
        element = access.load(body, flat, (body.indices.normalize(address(place, dims)),), False, 0.0)
        return body.cast(element, element.dtype)

    body.bound[tensor] = element
