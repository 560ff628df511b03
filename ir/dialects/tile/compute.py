"""Tile ops on scalars and register tiles: places, indices, reductions, matrix products."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from ...core import Value
from ...declare import PURE, Op
from ...symbols import Dim, substitute
from ...types import MemRefType, Type, VectorType, index
from .state import Buffer, Worker

ReduceKind = Literal["add", "mul", "max", "min", "and", "or", "xor"]

_REDUCTIONS: dict[str, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "max": np.maximum,
    "min": np.minimum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


class TileOp(Op):
    """An op of tile programs.

    `interpret` gives its results (None, one, or a tuple) for the operands of one worker. `ready` says whether it can
    go on: an op that waits is asked again after others have made progress.
    """

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        raise NotImplementedError(f"'{self.name}' has no interpretation")

    def ready(self, worker: Worker, *operands: Any) -> bool:
        return True

    def vector_type(self, value: Value, role: str) -> VectorType:
        """The type of a register tile. Raises VerifyError for another."""
        self.require(isinstance(value.type, VectorType), f"'{role}' must be a vector, found {value.type}")
        assert isinstance(value.type, VectorType)
        return value.type

    def memref_type(self, value: Value, role: str) -> MemRefType:
        """The type of a memref operand. Raises VerifyError for another."""
        self.require(isinstance(value.type, MemRefType), f"'{role}' must be a memref, found {value.type}")
        assert isinstance(value.type, MemRefType)
        return value.type


class ProgramId(TileOp, name="tile.program_id", traits=(PURE,)):
    """The worker's index along `axis` of the grid: 0, 1, … Workers run in any order and at the same time."""

    axis: int = 0

    def infer(self) -> list[Type]:
        return [index]

    def interpret(self, worker: Worker, *operands: Any) -> int:
        return worker.program[self.axis]


class NumPrograms(TileOp, name="tile.num_programs", traits=(PURE,)):
    """The number of workers along `axis` of the grid."""

    axis: int = 0

    def infer(self) -> list[Type]:
        return [index]

    def interpret(self, worker: Worker, *operands: Any) -> int:
        return worker.grid[self.axis]


class SymbolValue(TileOp, name="tile.symbol", traits=(PURE,)):
    """A size expression of the model's symbols, known at launch: `"ceildiv(batch * seq, 64)"`."""

    value: Dim

    def infer(self) -> list[Type]:
        return [index]

    def interpret(self, worker: Worker, *operands: Any) -> int:
        bound = substitute(self.value, worker.symbols)
        self.require(isinstance(bound, int), f"names a size that is not known: {bound}")
        assert isinstance(bound, int)
        return bound


class Iota(TileOp, name="tile.iota", traits=(PURE,)):
    """A `vector<…xindex>` whose element is its position along vector dim `axis`: 0, 1, …"""

    axis: int = 0

    def verify(self) -> None:
        super().verify()
        found = self.vector_type(self.result, "result")
        self.require(found.dtype == index and self.axis < len(found.shape), f"cannot count along dim {self.axis}")

    def interpret(self, worker: Worker, *operands: Any) -> np.ndarray:
        shape = self.vector_type(self.result, "result").shape
        along = [1] * len(shape)
        along[self.axis] = shape[self.axis]
        return np.broadcast_to(np.arange(shape[self.axis], dtype=np.int64).reshape(along), shape)


class Reduce(TileOp, name="tile.reduce", traits=(PURE,)):
    """Combine the elements of `source` along the vector dims `axes`, which the result lacks; a scalar if none is left.

    `max` and `min` of floats give NaN if an element is one. The order of combination is free. `and`, `or` and `xor`
    are bitwise, on integers. On a GPU all threads of the worker take part when elements of one result lie in several
    warps; `scratch` is the shared memory they exchange through (free before and after), absent when no warp needs
    another's elements.
    """

    source: Value
    scratch: Value | None = None
    kind: ReduceKind = "add"
    axes: tuple[int, ...] = ()

    def infer(self) -> list[Type]:
        source = self.vector_type(self.source, "source")
        self.require(all(0 <= a < len(source.shape) for a in self.axes), f"has no dims {self.axes} in {source}")
        shape = tuple(n for i, n in enumerate(source.shape) if i not in self.axes)
        return [VectorType(shape, source.dtype) if shape else source.dtype]

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        source = operands[0]
        with np.errstate(all="ignore"):
            return _REDUCTIONS[self.kind].reduce(source, axis=self.axes, dtype=source.dtype)


DOT_BF16 = "dpbf16ps"
"""The instruction of a `tile.mma` that adds products of pairs of bf16 on CPUs."""


class Mma(TileOp, name="tile.mma", traits=(PURE,)):
    """`acc + a @ b`: a is MxK (KxM with `trans_a`), b is KxN (NxK with `trans_b`), acc and the result MxN.

    Products are added in the type of `acc` (f32, i32). CPU: register tiles; `instruction` "fma" (default) takes K outer
    products of a column of scalars and a row of vectors, "dpbf16ps" dots pairs of bf16 along K. `paired` then says that
    b is K/2x2N, with element (k, n) at [k / 2][2 n + k % 2], as such products read it. GPU: a and b are register tiles
    in the instruction's fragment layout or, for "wgmma", memrefs in shared memory (a may be a register tile too);
    `instruction` names one matrix instruction ("mma.m16n8k16", "wgmma.m64n128k16"), which the tile is cut into.
    `warps` cuts the tile for warp instructions: how many warps along M and N. "mma.m16n8k8" rounds f32 to tf32,
    "mma3.m16n8k8" cuts it in two tf32 numbers and takes three instructions, as exact as f32 products. With `paired` a
    thread has neighbours along K of such operands, as it has of an accumulator that becomes one. "fma" uses plain
    multiply-adds.

    A memref of three dims is a matrix cut into panels of columns: element (r, c) is at [c / columns][r][c % columns].
    A `wgmma` is asynchronous: until a `tile.mma_wait` for it, its operands must stay and its result must not be read.
    """

    a: Value
    b: Value
    acc: Value
    instruction: str = "fma"
    trans_a: bool = False
    trans_b: bool = False
    warps: tuple[int, ...] | None = None
    paired: bool = False

    @property
    def is_asynchronous(self) -> bool:
        return self.instruction.startswith("wgmma")

    @property
    def depth(self) -> int:
        """K."""
        _, k = self._shape(self.a, "a", self.trans_a)
        assert k is not None
        return k

    def infer(self) -> list[Type]:
        acc = self.vector_type(self.acc, "acc")
        (m, k), (k2, n) = self._shape(self.a, "a", self.trans_a), self._shape(self.b, "b", self.trans_b)
        if self.instruction == DOT_BF16:
            self.require(k is not None and k % 2 == 0, f"'a' must have pairs along K, found {k} columns")
            if self.paired and k2 is not None and n is not None:
                k2, n = 2 * k2, n // 2
        self.require(k == k2, f"inner dimensions differ: a has {k}, b has {k2}")
        self.require(acc.shape == (m, n), f"acc must be {m}x{n}, found {acc}")
        return [acc]

    def _shape(self, value: Value, role: str, transposed: bool) -> tuple[int | None, int | None]:
        self.require(isinstance(value.type, VectorType | MemRefType), f"'{role}' must be a vector or a memref")
        assert isinstance(value.type, VectorType | MemRefType)
        rank = len(value.type.shape)
        panelled = rank == 3 and isinstance(value.type, MemRefType)
        self.require(rank == 2 or panelled, f"'{role}' must have two dims, or three with panels, found {value.type}")
        *panels, rows, columns = value.type.shape
        self.require(None not in value.type.shape, f"'{role}' needs static sizes, found {value.type}")
        columns = int(columns or 0) * int(panels[0] or 0) if panels else columns
        return (columns, rows) if transposed else (rows, columns)

    def interpret(self, worker: Worker, *operands: Any) -> np.ndarray:
        a, b = (self._matrix(worker, x) if isinstance(x, Buffer) else x for x in operands[:2])
        acc = operands[2]
        if self.is_asynchronous:
            buffers = [x for x in operands[:2] if isinstance(x, Buffer)]
            worker.agent.products.append(_reading(worker, buffers))
        a, b = (a.T if self.trans_a else a), (b.T if self.trans_b else b)
        if self.instruction == DOT_BF16 and self.paired:
            b = b.reshape(a.shape[1] // 2, -1, 2).swapaxes(1, 2).reshape(a.shape[1], -1)
        return acc + a.astype(acc.dtype) @ b.astype(acc.dtype)

    def _matrix(self, worker: Worker, buffer: Buffer) -> np.ndarray:
        everything = (slice(None),) * buffer.array.ndim
        array = buffer.load(worker.agent, everything, asynchronous=self.is_asynchronous)
        return array if array.ndim == 2 else np.moveaxis(array, 0, 1).reshape(array.shape[1], -1)


def _reading(worker: Worker, buffers: Sequence[Buffer]) -> Callable[[], None]:
    """Note that an asynchronous product reads shared memory; gives what notes its end."""
    marks = [buffer.marks for buffer in buffers if buffer.marks is not None]
    for mark in marks:
        mark.reading += 1

    def finish() -> None:
        for mark in marks:
            mark.reading -= 1
            mark.read[..., worker.agent.number] = worker.agent.time

    return finish


class MmaWait(TileOp, name="tile.mma_wait"):
    """Wait until all but the last `pending` asynchronous products are done; with none pending, `acc` may be read.

    `finished`: with some pending too, since `acc` is the result of a product before them.
    """

    acc: Value
    pending: int = 0
    finished: bool = False

    def infer(self) -> list[Type]:
        return [self.acc.type]

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        worker.agent.wait_products(self.pending)
        return operands[0]


class ConvertLayout(TileOp, name="tile.convert_layout", traits=(PURE,)):
    """The same register tile with its elements in other threads, as the `tile.layout` attribute says (GPU only).

    `scratch` is the shared memory it goes through; without it, moves within warps suffice.
    """

    source: Value
    scratch: Value | None = None

    def infer(self) -> list[Type]:
        return [self.source.type]

    def interpret(self, worker: Worker, *operands: Any) -> Any:
        return operands[0]
