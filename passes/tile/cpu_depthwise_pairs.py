"""Depthwise convolutions of bf16 images on CPUs that add products of pairs.

A work item is a channel of an image, put into local memory with zeros around it. Neighbours in a row are pairs as they
lie: a vector of them times two taps is what these add to every second output, and the vector one further right what
they add to those between. (With strides of two the former are all outputs.) The two are interleaved where they are
stored. A last tap without a neighbour gets pairs whose second half is cleared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseAttr, DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim
from ...ir.target import CpuTarget
from ...ir.types import SCALARS, MemRefType, Scalar, VectorType, bf16, f32
from .cpu_conv import SCRATCH_BYTES, Geometry
from .cpu_micro import multiply_pairs, zeros
from .elements import Element
from .frame import Frame, only_root, open_frame, returned, tensor_type
from .merging import Merged
from .packing import is_constant, leading, padded, repack
from .schedule import Schedule
from .strategies import AnyTarget, register

UNROLLED = 4
"""Register tiles along a row that are spelled out instead of looped over."""
MOST_ROWS = 7
"""Rows of a register tile: enough sums to hide a product's latency, and images have multiples of seven."""
ROUND = 32
"""Columns to a multiple of which rows in local memory are made."""


@dataclass(frozen=True)
class DepthwisePairsSchedule(Schedule):
    """A register tile is `rows` rows of `lanes` sums, or twice as many where every second output has its own."""

    subject = "a depthwise convolution by pairs"

    rows: int
    lanes: int


@dataclass(frozen=True)
class CpuDepthwisePairs:
    """Depthwise convolution of bf16 by dot products of pairs of neighbours."""

    name: str = "depthwise_pairs"
    priority: int = 115

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Conv)
        if not isinstance(target, CpuTarget) or not isinstance(root, Conv):
            return "not one convolution on a CPU"
        geometry = Geometry.of(root)
        if geometry is None or geometry.inputs != 1 or geometry.group == 1:
            return "not a depthwise convolution of images of static size"
        if not target.has_bf16_dots or any(tensor_type(v).scalar != bf16 for v in (root.x, root.w)):
            return "its elements are not bf16, or the processor has no products of their pairs"
        if geometry.strides[1] > 2 or geometry.dilations[1] != 1 or geometry.kernel[1] == 1:
            return "its taps or outputs are no neighbours"
        if not isinstance(root.x, BlockArgument) or any(
            tensor_type(v).dims != tensor_type(root.result).dims for v in returned(func)
        ):
            return "a result has another shape than the convolution, or its input is computed in its kernel"
        if not isinstance(root.w, BlockArgument) or not root.w.has_one_use or not is_constant(func, root.w.index):
            return "its weights are not constants of the model"
        sizes = _schedule(geometry, target)
        if 2 * np.prod(_scratch_shape(geometry, sizes)) > SCRATCH_BYTES:
            return "a channel does not fit into local memory"
        return sizes.to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = DepthwisePairsSchedule.from_attribute(schedule)
        root = only_root(func, Conv)
        assert isinstance(root, Conv) and isinstance(root.w, BlockArgument)
        geometry = Geometry.of(root)
        assert geometry is not None
        weights = root.w
        _pack_weights(func, root)
        _DepthwisePairs(open_frame(func), root, weights, geometry, sizes).build()


register(CpuDepthwisePairs())


def _schedule(geometry: Geometry, target: CpuTarget) -> DepthwisePairsSchedule:
    """Lanes that waste least of a row, the widest of those; rows that divide the output's."""
    rows, width = geometry.out
    widest = target.lanes(32)
    widths = [widest // 4, widest // 2, widest]

    def time(lanes: int) -> tuple[int, int]:
        # A quarter of a vector takes as long as half of one.
        return -(-width // (lanes * _parities(geometry))) * max(lanes, widest // 2), -lanes

    height = next((n for n in range(MOST_ROWS, 2, -1) if rows % n == 0), min(rows, 4))
    return DepthwisePairsSchedule(height, min(widths, key=time))


def _parities(geometry: Geometry) -> int:
    """Sums for every second output, or for all."""
    return 3 - geometry.strides[1]


def _scratch_shape(geometry: Geometry, sizes: DepthwisePairsSchedule) -> tuple[int, int]:
    g, each = geometry, sizes.lanes * _parities(geometry)
    rows = (g.out[0] - 1) * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1
    columns = max(-(-g.out[1] // each) * each * g.strides[1] + g.kernel[1] + 1, g.low[1] + g.image[1])
    return max(rows, g.low[0] + g.image[0]), -(-columns // ROUND) * ROUND


def _pack_weights(func: kernel.Func, root: Conv) -> None:
    """Have the weights passed as [channel][1][row][column], with a zero behind rows of an odd number of columns."""
    assert isinstance(root.w, BlockArgument)
    type = tensor_type(root.w)
    shape = tuple(int(n) for n in type.dims)  # type: ignore[arg-type]
    even = (*shape[:3], shape[3] + shape[3] % 2)
    repack(func, root.w.index, "even", lambda array: padded(array, *even), type.with_shape(even), [leading(*shape)])


@dataclass
class _DepthwisePairs:
    frame: Frame
    root: Conv
    weights: Value
    geometry: Geometry
    sizes: DepthwisePairsSchedule

    def build(self) -> None:
        g, body, sizes = self.geometry, self.frame.body, self.sizes
        grid = (g.group * g.outputs, g.batch)
        self.channel, self.image = (
            body.indices.scalar(body.builder.pure(tile.ProgramId(axis)), extent) for axis, extent in enumerate(grid)
        )
        self.source = Merged((), (g.group, g.outputs), body.indices).split(self.channel)[0]
        self.scratch = self._stage()
        self.parities = _parities(g)
        if g.out[0] % sizes.rows:
            self.frame.func.in_place = None  # rows in two tiles are computed twice
        self._each(-(-g.out[0] // sizes.rows), 0, self._row_of_tiles)
        self.frame.finish(grid, None)

    def _each(self, count: int, unrolled: int, emit: Callable[[Dim], None]) -> None:
        """`emit(number)` for numbers below `count`, in a loop if there are more than `unrolled`."""
        if count <= max(unrolled, 1):
            for number in range(count):
                emit(number)
            return

        def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            emit(self.frame.body.indices.scalar(counter, count))
            return ()

        self.frame.body.loop(count, 1, (), step)

    # The channel in local memory

    def _stage(self) -> Value:
        """The item's channel with zeros around it."""
        g, body = self.geometry, self.frame.body
        rows, columns = _scratch_shape(g, self.sizes)
        scratch = body.builder.effect(tile.Alloc(64, result_types=[MemRefType((rows, columns), bf16, "local")]))
        memory, code = scratch.results[0], body.indices.scalar_code
        zero = self._constant(np.zeros((1, columns), bf16.numpy), bf16)
        for row in (*range(g.low[0]), *range(g.low[0] + g.image[0], rows)):
            body.builder.effect(tile.Store(zero, memory, (code(row), code(0)), (0, 1), (1, 1)))
        start = tuple(map(code, (self.image, self.source, 0, -g.low[1])))
        target, sizes = (code(g.low[0]), code(0)), (g.image[0], columns)
        source = body.memories[self.root.x].value
        # Columns beside the image read zeros; where they are is known, so that checking them costs nothing.
        body.builder.effect(tile.Copy(source, memory, start, target, sizes, (2, 3), (0, 1), (3,), 0.0))
        return memory

    # Register tiles

    def _row_of_tiles(self, number: Dim) -> None:
        g, sizes = self.geometry, self.sizes
        first = symbols.minimum(number * sizes.rows, g.out[0] - sizes.rows)
        each = sizes.lanes * self.parities
        whole = g.out[1] // each
        self._each(whole, UNROLLED, lambda column: self._tile(first, column * each))
        if g.out[1] % each:
            self._tile(first, whole * each)

    def _tile(self, first_row: Dim, first_column: Dim) -> None:
        g, body, sizes = self.geometry, self.frame.body, self.sizes
        sums = [[zeros(body, 1, sizes.lanes)] * self.parities for _ in range(sizes.rows)]
        for depth in range((sizes.rows - 1) * g.strides[0] + (g.kernel[0] - 1) * g.dilations[0] + 1):
            users = [(row, depth - row * g.strides[0]) for row in range(sizes.rows)]
            users = [(row, offset // g.dilations[0]) for row, offset in users if offset % g.dilations[0] == 0]
            users = [(row, down) for row, down in users if 0 <= down < g.kernel[0]]
            for tap in range(0, g.kernel[1], 2) if users else ():
                for parity in range(self.parities):
                    place = (first_row * g.strides[0] + depth, first_column * g.strides[1] + tap + parity)
                    pairs = self._pairs(place, alone=tap + 1 == g.kernel[1])
                    for row, down in users:
                        taps = self._taps(down, tap)
                        sums[row][parity] = multiply_pairs(body, taps, pairs, sums[row][parity])
        self._finish(sums, first_row, first_column)

    def _pairs(self, place: tuple[Dim, Dim], alone: bool) -> Value:
        """Neighbours from a place of the scratch on; where a tap is `alone`, only the first of each pair."""
        builder, width = self.frame.body.builder, 2 * self.sizes.lanes
        start = tuple(map(self.frame.body.indices.scalar_code, place))
        type = VectorType((1, width), bf16)
        load = builder.effect(tile.Load(self.scratch, start, (0, 1), (1, 1), result_types=[type])).results[0]
        if not alone:
            return load
        bits = VectorType((1, width), SCALARS["i16"])
        first = self._constant(np.resize(np.array([-1, 0], np.int16), (1, width)), SCALARS["i16"])
        kept = builder.op("arith.andi", (builder.op("arith.bitcast", (load,), bits), first), bits)
        return builder.op("arith.bitcast", (kept,), type)

    def _constant(self, array: np.ndarray, dtype: Scalar) -> Value:
        type = VectorType(array.shape, dtype)
        return self.frame.body.builder.op("arith.constant", (), type, value=DenseAttr(array, type))

    def _taps(self, row: int, column: int) -> Value:
        """Two neighbouring weights of the channel."""
        body, packed = self.frame.body, self.frame.body.memories[self.weights]
        start = tuple(map(body.indices.scalar_code, (self.channel, 0, row, column)))
        type = VectorType((1, 2), packed.dtype)
        return body.builder.pure(tile.Load(packed.value, start, (2, 3), (1, 1), result_types=[type]))

    def _finish(self, sums: list[list[Value]], first_row: Dim, first_column: Dim) -> None:
        """Bias, the element-wise ops that follow, and the store."""
        g, body, indices = self.geometry, self.frame.body, self.frame.body.indices
        half, lane = indices.lane(2), indices.lane(self.sizes.lanes)
        position = 2 * lane + half if self.parities == 2 else lane
        column = indices.derived(first_column + position, g.out[1])
        lanes = [indices.lane_of(one) for one in ((half, lane) if self.parities == 2 else (lane,))]
        if isinstance(first_column, int) and first_column + self.sizes.lanes * self.parities > g.out[1]:
            body.limits |= dict.fromkeys(lanes, (column, g.out[1]))
        along = VectorType((self.sizes.lanes,), f32)
        for number, parts in enumerate(sums):
            found = [Element(body.builder.op("vector.shape_cast", (part,), along), f32, (lanes[-1],)) for part in parts]
            total = found[0]
            if self.parities == 2:
                total = body.apply("select", indices.compare("eq", half, 0), *found)
            if self.root.bias is not None:
                total = body.apply("add", total, body.cast(body.read(self.root.bias, (self.channel,)), f32))
            place = (self.image, self.channel, indices.derived(first_row + number, g.out[0]), column)
            body.bound[self.root.result] = lambda _, total=total: total
            for tensor, memory in zip(returned(self.frame.func), self.frame.results, strict=True):
                body.store(memory, place, body.read(tensor, place))
