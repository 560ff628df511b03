"""Recurrent layers on GPUs whose blocks form clusters: a cluster runs all time steps of one direction.

Each block has some hidden units and keeps their recurrent weights in registers, as fragments of matrix instructions
whose columns are rows of the batch. A step leaves h of the block's units in its shared memory, twice in turn; when the
blocks have met, each collects h of all units. So a step costs a barrier of a cluster instead of one of the grid and two
ways through L2. Larger batches take more clusters, which know nothing of each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import scalar_type
from ...ir.dialects.nn.recurrent import Gru, Lstm, Recurrent
from ...ir.symbols import Dim, Expr, ceildiv, floordiv
from ...ir.types import MemRefType, Scalar, VectorType, f32
from . import access, cluster
from .access import Written
from .cuda_blocks import instruction_of
from .elements import Element
from .frame import Frame, only_root, open_frame
from .overlap_launches import overlaps
from .packing import is_constant
from .recurrent_cell import Cell, Places
from .reductions import power_of_two
from .schedule import Schedule
from .strategies import AnyTarget, register

ROWS = 8
"""Columns of the matrix instruction: rows of the batch that a cluster takes."""
WARP_ROWS = 16
"""Rows of the matrix instruction: gates of units that a warp has."""
MOST_WARPS = 8
MOST_HIDDEN = 640
"""Of so many a warp's weights take 160 registers of a thread."""
CHAINS = 4
"""Sums that a product is split into: each instruction waits for the one before it in its sum."""
PADDING = 8
"""Elements behind every row of h, so that eight rows lie in different banks."""


@dataclass(frozen=True)
class ClusterSchedule(Schedule):
    """`blocks` of a cluster have `units` each; `rows` of the batch are computed, of ROWS that are multiplied."""

    subject = "a recurrent layer of clusters"

    units: int
    blocks: int
    rows: int


@dataclass(frozen=True)
class ClusterRecurrent:
    """All steps of `nn.lstm`, `nn.gru` and `nn.rnn` with projected inputs, in 16 bits, a direction a cluster."""

    name: str = "cluster_recurrent"
    priority: int = 110

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Recurrent)
        if not isinstance(root, Recurrent):
            return "not one recurrent layer"
        if root.w is not None:
            return "its inputs are not projected"
        if not cluster.has_clusters(target):
            return "the target has no clusters"
        if instruction_of(scalar_type(root.r), root.precision) != "mma.m16n8k16":
            return "its weights are not of 16 bits"
        if isinstance(root, Gru) and not root.linear_before_reset:
            return "r * h of all units is needed before the product"
        hidden = root.hidden
        if not isinstance(hidden, int) or hidden % WARP_ROWS or hidden > MOST_HIDDEN:
            return f"its hidden size is not static, a multiple of {WARP_ROWS} and at most {MOST_HIDDEN}"
        blocks = _blocks(root.gates * hidden, hidden)
        if blocks is None:
            return f"its weights do not fit the registers of {cluster.LARGEST} blocks"
        batch = root.x.type.dims[0 if root.batch_first else 1]  # type: ignore[attr-defined]
        rows = min(power_of_two(max(batch, 1)), ROWS) if isinstance(batch, int) else ROWS
        return ClusterSchedule(hidden // blocks, blocks, rows).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = ClusterSchedule.from_attribute(schedule)
        root = only_root(func, Recurrent)
        assert isinstance(root, Recurrent)
        weights_first = overlaps(target) and isinstance(root.r, BlockArgument) and is_constant(func, root.r.index)
        _ClusterLayer(open_frame(func), root, sizes).build(weights_first)


register(ClusterRecurrent())


def _blocks(gate_rows: int, hidden: int) -> int | None:
    """The fewest blocks whose warps can hold the weights, each with whole instructions."""
    for blocks in (1, 2, 4, 8, 16):
        rows, uneven = divmod(gate_rows, blocks)
        if not uneven and hidden % blocks == 0 and rows % WARP_ROWS == 0 and rows <= MOST_WARPS * WARP_ROWS:
            return blocks
    return None


class _ClusterLayer(Places):
    def __init__(self, frame: Frame, root: Recurrent, sizes: ClusterSchedule) -> None:
        super().__init__(frame, root)
        self.sizes = sizes
        self.body, self.indices, self.builder = frame.body, frame.body.indices, frame.body.builder
        self.stored: Scalar = scalar_type(root.r)
        self.gate_rows = root.gates * sizes.units
        self.warps = self.gate_rows // WARP_ROWS
        self.every, *self.last = (Written(memory.value, memory.shape) for memory in frame.results)

    def build(self, weights_first: bool) -> None:
        """With `weights_first` they are loaded before the launch before is over."""
        programs = self._open_places()
        weights = self._weights()
        if weights_first:
            self.builder.effect(tile.TriggerDependents())
            self.builder.effect(tile.WaitDependencies())
        self._open_memory()
        states = [self._spread(state) for state in self._first_states()]
        inputs = [self._spread(x) for x in self._inputs(self.turn(self.direction, 0, self.time - 1), sure=False)]
        self.builder.effect(tile.Barrier())

        def step(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
            count = self.root.gates
            elements = [Element(value, self.dtype, self.lanes) for value in carried]
            return self._step(self.indices.scalar(counter, self.time), weights, elements[:count], elements[count:])

        carried = [element.value for element in (*inputs, *states)]
        last = self.body.loop(self.time, 1, carried, step)[self.root.gates :]
        for memory, state in zip(self.last, last, strict=True):
            place = self.state_at(self.direction, self.row, self.unit)
            self.body.store(memory, place, Element(state, self.dtype, self.lanes))
        cluster.meet(self.body)  # others may still read this block's part
        self.frame.finish((programs,), 32 * self.warps)
        self.frame.func.cluster = (self.sizes.blocks,)

    def _open_places(self) -> Dim:
        """Which direction, rows and units are this block's; the number of blocks."""
        indices, sizes, root = self.indices, self.sizes, self.root
        groups = ceildiv(self.batch, sizes.rows)
        clusters = root.directions * groups
        program = indices.scalar(self.builder.pure(tile.ProgramId(0)), clusters * sizes.blocks)
        number = indices.derived(floordiv(program, sizes.blocks), clusters)
        self.rank = indices.derived(program - number * sizes.blocks, sizes.blocks)
        self.direction = indices.derived(floordiv(number, groups), root.directions)
        group = indices.derived(number - self.direction * groups, groups)
        # The order of lanes is that of tiles' dims: rows of weights are [gates][units].
        self.gate_lane, self.row_lane, self.unit_lane = map(indices.lane, (root.gates, sizes.rows, sizes.units))
        self.row = indices.derived(group * sizes.rows + self.row_lane, self.batch)
        if symbols.mod(self.batch, sizes.rows) != 0:
            self.body.limits[indices.lane_of(self.row_lane)] = (self.row, self.batch)
        self.unit = indices.derived(self.rank * sizes.units + self.unit_lane, self.hidden)
        self.lanes = (indices.lane_of(self.row_lane), indices.lane_of(self.unit_lane))
        return clusters * sizes.blocks

    def _weights(self) -> list[Value]:
        """The rows of all gates of the block's units as register tiles, cut along k."""
        memory = self.body.memories[self.root.r]
        row = self.gate_lane * self.hidden + self.rank * self.sizes.units + self.unit_lane
        row = self.indices.derived(row, self.root.gates * self.hidden)
        parts = []
        for first in range(0, self.hidden, self._depth):
            k = self.indices.derived(first + self.indices.lane(self._depth), self.hidden)
            place = tuple(map(self.indices.normalize, (self.direction, row, k)))
            element = access.load(self.body, memory, place, False, 0.0)
            matrix = VectorType((self.gate_rows, self._depth), self.stored)
            parts.append(self.builder.op("vector.shape_cast", (element.value,), matrix))
        return parts

    @property
    def _depth(self) -> int:
        """Positions along k of a part of the weights."""
        parts = next(n for n in range(CHAINS, 0, -1) if self.hidden % (WARP_ROWS * n) == 0)
        return self.hidden // parts

    # Memory

    def _open_memory(self) -> None:
        """h of all units, its part of this block for two steps in turn, and the sums of the block's gates."""
        shape, pitch = (ROWS, self.hidden), self.hidden + PADDING
        self.h = Written(self._alloc("h", shape, (pitch, 1)), shape)
        part = (2, self.sizes.rows, self.sizes.units)
        self.part = Written(self._alloc("part", part), part)
        self.sums = cluster.shared_floats(self.body, (self.gate_rows, ROWS), "sums", 1)
        lane = self.indices.lane(self.hidden)
        cluster.write(self.body, self.h, (self.row_lane, lane), self._spread(self._first_h(lane), lane))

    def _alloc(self, name: str, shape: tuple[int, ...], strides: tuple[int, ...] | None = None) -> Value:
        alloc = tile.Alloc(result_types=[MemRefType(shape, self.stored, "shared", strides=strides)])
        alloc.result.name = name
        return self.builder.effect(alloc).results[0]

    def _first_h(self, unit: Dim) -> Element:
        if self.root.initial_h is None:
            return self.zero()
        return self.body.read(self.root.initial_h, self.state_at(self.direction, self.row, unit))

    def _first_states(self) -> list[Element]:
        states = [self._first_h(self.unit)]
        if isinstance(self.root, Lstm):
            start = self.root.initial_c
            place = self.state_at(self.direction, self.row, self.unit)
            states.append(self.zero() if start is None else self.body.read(start, place))
        return states

    def _spread(self, element: Element, along: Expr | None = None) -> Element:
        """An element along the lanes of rows and units, or of rows and `along`."""
        lanes = self.lanes if along is None else (self.lanes[0], self.indices.lane_of(along))
        return self.body.elements.spread(element, lanes)

    # Steps

    def _inputs(self, time: Dim, sure: bool = True) -> list[Element]:
        """x wᵀ of a step, by gate; nothing where there may be no such step."""
        places = [self.input_at(time, self.direction, self.row, g, self.unit) for g in range(self.root.gates)]
        return [self.body.read(self.root.x, place, None if sure else 0.0) for place in places]

    def _step(
        self, step: Expr, weights: list[Value], inputs: list[Element], old: list[Element]
    ) -> list[Value]:  # fmt: skip
        """One step; `inputs` were read during the step before."""
        body, root = self.body, self.root
        time = self.time_of(step, self.direction)
        following = self.indices.derived(symbols.minimum(step + 1, self.time - 1), self.time)
        ahead = self._inputs(self.time_of(following, self.direction))
        sums = self._products(weights)
        cell = Cell(self, time, self.direction, self.row, self.unit, sums, inputs)
        new = cell.run(old)
        output = new[0]
        if root.sequence_lengths is not None:
            live = self.is_live(time, self.row)
            output = body.apply("select", live, output, self.zero())
            new = [body.apply("select", live, after, before) for after, before in zip(new, old, strict=True)]
        new = [self._spread(state) for state in new]
        self._exchange(self.indices.derived(symbols.mod(step, 2), 2), new[0])
        body.store(self.every, self.every_at(time, self.direction, self.row, self.unit), output)
        return [element.value for element in (*map(self._spread, ahead), *new)]

    def _products(self, weights: list[Value]) -> dict[int, Element]:
        """h rᵀ of the block's units, by gate."""
        total: Value | None = None
        type = VectorType((self.gate_rows, ROWS), f32)
        for number, part in enumerate(weights):
            start = tuple(map(self.indices.scalar_code, (0, number * self._depth)))
            h = VectorType((ROWS, self._depth), self.stored)
            load = tile.Load(self.h.value, start, (0, 1), (1, 1), alignment=16, result_types=[h])
            zero = self.builder.op("vector.broadcast", (self.builder.constant(0.0, f32),), type)
            loaded = self.builder.effect(load).results[0]
            product = tile.Mma(part, loaded, zero, "mma.m16n8k16", False, True, (self.warps, 1))
            value = self.builder.effect(product).results[0]
            total = value if total is None else self.builder.op("arith.addf", (total, value), type)
        assert total is not None
        origin = (self.indices.scalar_code(0),) * 2
        self.builder.effect(tile.Store(total, self.sums.value, origin, (0, 1), (1, 1), ()))
        self.builder.effect(tile.Barrier())
        gates = range(self.root.gates)
        return {gate: self._sum(gate) for gate in gates}

    def _sum(self, gate: int) -> Element:
        start = (self.indices.scalar_code(gate * self.sizes.units), self.indices.scalar_code(0))
        type = VectorType((self.sizes.rows, self.sizes.units), f32)
        load = tile.Load(self.sums.value, start, (1, 0), (1, 1), result_types=[type])
        return Element(self.builder.effect(load).results[0], f32, self.lanes)

    def _exchange(self, buffer: Expr, state: Element) -> None:
        """Let all blocks of the cluster have h of this one's units, and collect theirs."""
        body, sizes = self.body, self.sizes
        narrow = body.elements.cast(state, self.stored)
        cluster.write(body, self.part, (buffer, self.row_lane, self.unit_lane), narrow)
        cluster.meet(body, stores_only=True)  # what it writes next follows from all it has read
        peers = self.builder.effect(tile.Peers(self.part.value, sizes.blocks)).results[0]
        zero, first = self.indices.scalar_code(0), self.indices.scalar_code(buffer)
        type = VectorType((sizes.rows, sizes.blocks, sizes.units), self.stored)
        width = math.gcd(sizes.units * self.stored.bytes, access.ALIGNMENT)
        load = tile.Load(peers, (zero, first, zero, zero), (2, 0, 3), (1, 1, 1), alignment=width, result_types=[type])
        parts = self.builder.effect(load).results[0]
        steps = (1, sizes.units, 1)
        self.builder.effect(tile.Store(parts, self.h.value, (zero, zero), (0, 1, 1), steps, alignment=width))
        self.builder.effect(tile.Barrier())
