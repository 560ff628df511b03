"""The LLVM function of one tile program.

`KernelEmitter` walks the program once and asks the handler of each op for its text; the handlers stand with their
dialects (arithmetic.py, vectors.py, memory.py, control.py) and decide nothing: every op has one spelling.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir.core import Block, Operation, Value
from ...ir.dialects import kernel
from ...ir.dialects.tile import ON_TILES
from ...ir.symbols import Dim
from ...ir.types import MemRefType, Scalar
from ..program import kernel_symbols
from . import sizes
from .builder import Builder
from .tiles import Tile, shape_of


@dataclass(frozen=True)
class Buffer:
    """A memref: where it starts, and its sizes and strides in elements, as LLVM values or literals."""

    pointer: str
    dtype: Scalar
    sizes: tuple[str, ...]
    strides: tuple[str, ...]


Handler = Callable[["KernelEmitter", Operation], None]
HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register the function that writes the ops `names`, and those they are called on register tiles."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys((*names, *(ON_TILES[n] for n in names if n in ON_TILES)), handler))
        return handler

    return register


class KernelEmitter:
    """Writes `define internal void @NAME.item(buffers…, symbols…, program ids…, grid…, barrier, workers)`."""

    def __init__(self, func: kernel.Func) -> None:
        self.func = func
        self.builder = Builder()
        self.symbols = kernel_symbols(func)
        self.allocations: list[str] = []
        self._tiles: dict[Value, Tile] = {}
        self._buffers: dict[Value, Buffer] = {}
        self._location: tuple[str, ...] = ()

    def emit(self) -> str:
        """The function's text. Raises CompileError, naming the op, for one that has no LLVM code."""
        parameters = self._parameters()
        self.block(self.func.block)
        head = f"define internal void @{quote(self.func.sym_name + '.item')}({', '.join(parameters)}) nounwind {{"
        return "\n".join([head, "entry:", *self.allocations, *self.builder.lines, "}"])

    def _parameters(self) -> list[str]:
        builder = self.builder
        arguments = self.func.block.arguments
        pointers = [f"%{builder.fresh(a.name or f'arg{a.index}')}" for a in arguments]
        values = {name: f"%{builder.fresh(name)}" for name in self.symbols}
        self.symbol_values = values
        axes = range(len(self.func.grid or ()))
        self.programs = [f"%{builder.fresh(f'program.{axis}')}" for axis in axes]
        self.grid = [f"%{builder.fresh(f'grid.{axis}')}" for axis in axes]
        builder.fresh("workers")
        builder.fresh("barrier")
        for argument, pointer, shape in zip(arguments, pointers, self.func.argument_shapes(), strict=True):
            assert isinstance(argument.type, MemRefType)
            self._buffers[argument] = self._row_major(pointer, argument.type.dtype, shape)
        integers = [*values.values(), *self.programs, *self.grid, "%workers"]
        return [*(f"ptr {p}" for p in pointers), *(f"i64 {v}" for v in integers), "ptr %barrier"]

    def _row_major(self, pointer: str, dtype: Scalar, shape: Sequence[Dim]) -> Buffer:
        extents = [sizes.size(self.builder, dim, self.symbol_values) for dim in shape]
        strides, stride = [], "1"
        for extent in reversed(extents):
            strides.append(stride)
            stride = sizes.mul(self.builder, stride, extent)
        return Buffer(pointer, dtype, tuple(extents), tuple(reversed(strides)))

    # What values are

    def tile(self, value: Value) -> Tile:
        return self._tiles[value]

    def scalar(self, value: Value) -> str:
        """The LLVM value of a scalar."""
        return self._tiles[value].parts[0]

    def buffer(self, value: Value) -> Buffer:
        return self._buffers[value]

    def set_tile(self, value: Value, tile: Tile) -> None:
        self._tiles[value] = tile

    def set_parts(self, value: Value, parts: Sequence[str]) -> None:
        shape, dtype = shape_of(value.type)
        self._tiles[value] = Tile(shape, dtype, tuple(parts))

    def set_buffer(self, value: Value, buffer: Buffer) -> None:
        self._buffers[value] = buffer

    # Walking

    def block(self, block: Block) -> None:
        """Write the ops of a block."""
        for op in block:
            if op.location.names and op.location.names != self._location:
                self._location = op.location.names
                self.builder.comment(", ".join(op.location.names))
            handler = HANDLERS.get(op.name)
            if handler is None:
                op.fail("has no LLVM code: it is not an op of tile programs for CPUs")
            handler(self, op)


def has_grid_barrier(func: kernel.Func) -> bool:
    """Whether the workers of a launch wait for each other: such a kernel runs as one program a worker."""
    return any(op.name == "tile.grid_barrier" for op in func.walk())


def quote(name: str) -> str:
    """An LLVM identifier; names with other characters than C's are quoted."""
    plain = all(c.isascii() and (c.isalnum() or c in "._$-") for c in name)
    return name if plain else '"' + name.replace("\\", "\\5C").replace('"', "\\22") + '"'
