"""Matrix products on GPUs, by tensor cores where the operands' type has them, else by multiply-adds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel
from ...ir.dialects.nn.base import broadcast_index
from ...ir.dialects.nn.contraction import MatMul
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim, Expr, ceildiv, product
from ...ir.target import CudaTarget
from ...ir.types import MemRefType, Scalar, TensorType
from .access import Memory
from .body import TileBody
from .cuda_blocks import BlockSchedule, Work, instruction_of, ranked_blocks, usual_sizes
from .cuda_contraction import Contraction, Grid, Problem
from .cuda_stages import AnyOperand, ReadOperand, box_operand
from .elements import Element, computing_type
from .epilogue import Placement, placements
from .frame import Frame, open_frame, returned, tensor_type
from .merging import Merged, Read
from .overlap_launches import overlaps
from .packing import is_constant
from .schedule import Schedule
from .strategies import AnyTarget, RankedStrategy, register

PlaceAt = Callable[[Sequence[Dim], Dim, Dim], Sequence[Dim]]
"""The index of an operand at (batch, outer, k)."""


@dataclass(frozen=True)
class Shape:
    """`batch` products of rows x inner by inner x columns; `row_dims` are the dims that were merged into rows."""

    batch: tuple[Dim, ...]
    row_dims: tuple[Dim, ...]
    columns: Dim
    inner: Dim

    @property
    def rows(self) -> Dim:
        return product(self.row_dims)

    @staticmethod
    def of(root: MatMul) -> Shape:
        """Batches that meet one right operand are rows of one product."""
        *batch, rows, columns = tensor_type(root.result).dims
        if product(tensor_type(root.b).dims[:-2]) == 1 and not root.trans_a:
            return Shape((), (*batch, rows), columns, root.inner)
        return Shape(tuple(batch), (rows,), columns, root.inner)


def work_of(func: kernel.Func, shape: Shape, dtype: Scalar, instruction: str) -> Work:
    """The product of a kernel at its usual sizes, as the model of time sees it."""
    number = usual_sizes(func)
    rows, columns, inner = number(shape.rows), number(shape.columns), number(shape.inner)
    types = {value.type for value in returned(func)}
    beside = sum(argument.type in types and argument.has_one_use for argument in func.block.arguments)
    return Work(rows, columns, inner, number(product(shape.batch)), dtype, instruction, beside=beside)


def _is_plain(value: Value) -> bool:
    """Whether a tensor is an argument of the kernel that only the product reads."""
    return isinstance(value, BlockArgument) and value.has_one_use


@dataclass(frozen=True)
class MmaGemm(RankedStrategy):
    """Products of matrices of floats, with the element-wise ops that follow on the accumulators."""

    name: str = "mma_gemm"
    priority: int = 100

    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        work = self._work(func, target)
        return work if isinstance(work, str) else ranked_blocks(work, target)

    def _work(self, func: kernel.Func, target: AnyTarget) -> Work | str:
        """The problem of a kernel, or why it is none."""
        root = single_root(func, MatMul)
        if not isinstance(target, CudaTarget) or not isinstance(root, MatMul):
            return "not one matrix product on a GPU"
        dtype = tensor_type(root.a).scalar
        instruction = instruction_of(dtype, root.precision)
        if instruction is None:
            return f"no instruction multiplies matrices of {dtype}"
        places = placements(func, root.result, statistics=True)
        if places is None or any(place.span > 1 for place in places):
            return "a result is not the product's elements, one by one"
        shape = Shape.of(root)
        if 0 in (*shape.batch, shape.rows, shape.columns, shape.inner):
            return "it is empty"
        return work_of(func, shape, dtype, instruction)

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        root = single_root(func, MatMul)
        assert isinstance(root, MatMul)
        _MmaGemm(Gemm(func, root), BlockSchedule.from_attribute(schedule)).build(overlaps(target))


def single_root(func: kernel.Func, kind: type) -> object | None:
    """The one op of `kind` in a kernel, if it has exactly one."""
    roots = [op for op in func.block if isinstance(op, kind)]
    return roots[0] if len(roots) == 1 else None


class Product(Protocol):
    """A contraction that is products of matrices: rows of the left operand by columns of the right one, by batch."""

    shape: Shape
    frame: Frame
    body: TileBody
    places: list[Placement]
    dtype: Scalar

    @property
    def root(self) -> MatMul | Conv: ...

    def batch(self, number: Dim) -> tuple[Dim, ...]: ...

    def left(self, batch: Sequence[Dim], depth: int) -> AnyOperand: ...

    def right(self, batch: Sequence[Dim], depth: int) -> AnyOperand: ...

    def bind(self, acc: Element, row: Dim, column: Dim) -> None: ...

    def index(self, batch: Sequence[Dim], row: Dim, column: Dim) -> tuple[Dim, ...]: ...


class Gemm:
    """A product in a kernel: its frame, and how its operands are read. `reduced`: as in `placements`."""

    def __init__(self, func: kernel.Func, root: MatMul, reduced: bool = False) -> None:
        self.root = root
        self.shape = shape = Shape.of(root)
        places = placements(func, root.result, reduced, statistics=True)
        assert places is not None
        self.places = places
        self.frame = open_frame(func, [self._shape_at(place) for place in places])
        self.body = self.frame.body
        self.dtype = tensor_type(root.a).scalar
        self.merged = len(shape.row_dims) > 1 and _is_plain(root.a)
        if self.merged:
            reshape_argument(self.frame, root.a, (shape.rows, shape.inner))

    def _shape_at(self, place: Placement) -> tuple[Dim, ...]:
        """The shape of a result's memory."""
        shape = self.shape
        columns = symbols.floordiv(shape.columns, place.span)
        return (*shape.batch, shape.rows, columns) if place.keeps_order else place.dims

    def batch(self, number: Dim) -> tuple[Dim, ...]:
        """The index along the batch's dims of batch `number`."""
        return Merged((), self.shape.batch, self.body.indices).split(number) if self.shape.batch else ()

    def left(self, batch: Sequence[Dim], depth: int) -> AnyOperand:
        """The left operand of one batch, read `depth` of k at a time."""
        root = self.root
        if self.merged:
            return operand(self.frame, root.a, lambda batch, m, k: (m, k), (), self.shape.rows, self.shape.inner, depth)

        def place(batch: Sequence[Dim], m: Dim, k: Dim) -> Sequence[Dim]:
            *outer, row = Merged((), self.shape.row_dims, self.body.indices).split(m)
            return broadcast_index(root.a, (*batch, *outer, *((k, row) if root.trans_a else (row, k))))

        return operand(self.frame, root.a, place, batch, self.shape.rows, self.shape.inner, depth)

    def right(self, batch: Sequence[Dim], depth: int) -> AnyOperand:
        """The right operand."""
        root = self.root
        batch = batch or (0,) * (tensor_type(root.b).rank - 2)

        def place(batch: Sequence[Dim], n: Dim, k: Dim) -> Sequence[Dim]:
            return broadcast_index(root.b, (*batch, *((n, k) if root.trans_b else (k, n))))

        return operand(self.frame, root.b, place, batch, self.shape.columns, self.shape.inner, depth)

    def bind(self, acc: Element, row: Dim, column: Dim) -> None:
        """What the root's result is while `acc` has its elements."""
        bind_root(self.body, self.root.result, acc)

    def index(self, batch: Sequence[Dim], row: Dim, column: Dim) -> tuple[Dim, ...]:
        """The index in the root's result."""
        return (*batch, *Merged((), self.shape.row_dims, self.body.indices).split(row), column)


@dataclass(frozen=True)
class _MmaGemm:
    gemm: Gemm
    sizes: BlockSchedule

    def build(self, overlap: bool) -> None:
        gemm, sizes, shape = self.gemm, self.sizes, self.gemm.shape
        axes = (ceildiv(shape.columns, sizes.n), ceildiv(shape.rows, sizes.m), product(shape.batch))
        grid = Grid(gemm.frame, axes, sizes.splits)
        rank, (column_block, row_block, number) = grid.place()
        batch = gemm.batch(number)
        instruction = instruction_of(gemm.dtype, gemm.root.precision)
        assert instruction is not None
        first_row, first_column = row_block * sizes.m, column_block * sizes.n
        problem = Problem(shape.rows, shape.columns, shape.inner, first_row, first_column, gemm.dtype, instruction)
        operands = gemm.left(batch, sizes.k), gemm.right(batch, sizes.k)
        contraction = Contraction(gemm.body, problem, sizes, *operands, overlap, rank)
        acc = contraction.accumulate()
        index = gemm.index(batch, contraction.row, contraction.column)
        place = (*batch, contraction.row, contraction.column)
        finish(gemm.frame, gemm.root.result, acc, index, place)
        grid.finish(sizes.threads)


def reshape_argument(frame: Frame, argument: Value, shape: tuple[Dim, ...]) -> None:
    """Give a kernel's argument other dims, as many elements in the same order."""
    assert isinstance(argument, BlockArgument) and isinstance(argument.type, TensorType)
    memory = frame.body.memories[argument]
    sizes = tuple(dim if isinstance(dim, int) else None for dim in shape)
    memory.value.type = MemRefType(sizes, argument.type.scalar)
    frame.shapes[argument.index] = shape
    frame.body.memories = {**frame.body.memories, argument: Memory(memory.value, shape)}


def operand(
    frame: Frame,
    tensor: Value,
    place: PlaceAt,
    batch: Sequence[Dim],
    outer: Dim,
    inner: Dim,
    depth: int,
) -> AnyOperand:
    """An operand read at `place(batch, outer, k)`, `depth` of k at a time: copied as boxes where its memory allows."""
    body = frame.body
    walks, sample = body.probe(
        (*(_extent(i) for i in batch), outer, inner), lambda i: body.read(tensor, place(i[:-2], i[-2], i[-1]))
    )
    k_contiguous = True
    goes_on = symbols.mod(inner, depth) != 0 and any(_goes_on(body, read, walks[-1], inner) for read in sample.reads)
    if len(sample.reads) == 1 and sample.reads[0].index:  # a single number is the same everywhere
        (read,) = sample.reads
        last = body.indices.expand(read.index[-1])
        part = symbols.linear_part(last, str(walks[-1]))
        k_contiguous = part is None or part[0] != 0

        def box_place(first: Dim, k: Dim) -> Sequence[Dim]:
            values = dict(zip(map(str, walks), (*batch, first, k), strict=True))
            return [symbols.substitute(body.indices.expand(i), values) for i in read.index]

        weight = isinstance(read.tensor, BlockArgument) and is_constant(frame.func, read.tensor.index)
        box = box_operand(body, read, (walks[-2], walks[-1]), box_place, weight)
        if box is not None and not goes_on:
            return box

    def read_at(position: Dim, first: Dim, lane: Expr) -> Element:
        return body.read(tensor, place(batch, position, body.indices.derived(first + lane, inner)))

    return ReadOperand(read_at, k_contiguous)


def _goes_on(body: TileBody, read: Read, k: Expr, inner: Dim) -> bool:
    """Whether what is read behind the last k is not the end of a dim."""
    shape = body.memories[read.tensor].shape
    walked = [(body.indices.expand(i), size) for i, size in zip(read.index, shape, strict=True)]
    return not any(i == k and size == inner for i, size in walked)


def _extent(position: Dim) -> Dim:
    """Batches are only told apart in a dry run, so that any extent does."""
    return 1 << 20 if not isinstance(position, int) else 1


def bind_root(body: TileBody, root: Value, acc: Element) -> None:
    """Reading `root` gives `acc`, as the root's type is computed."""
    dtype = computing_type(tensor_type(root).scalar)
    body.bound[root] = lambda _: body.elements.cast(acc, dtype)


def finish(frame: Frame, root: Value, acc: Element, index: Sequence[Dim], merged: Sequence[Dim]) -> None:
    """The element-wise ops that follow `root`, on the accumulators at its `index`, stored at `merged` of the results
    that keep its order, elsewhere at their own index."""
    body = frame.body
    bind_root(body, root, acc)
    places = placements(frame.func, root, statistics=True)
    assert places is not None
    for tensor, memory, place in zip(returned(frame.func), frame.results, places, strict=True):
        element = body.read(tensor, place.index(index))
        body.store(memory, merged if place.keeps_order else place.index(index), element)


register(MmaGemm())
