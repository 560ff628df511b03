"""Recurrent layers: one kernel for all time steps.

A work item is a block of hidden units of one direction: at every step it needs h of the step before, which all items
make together, so the items meet at a `tile.grid_barrier` between steps and there is one a worker (or as many as fit
on the GPU at once). h of a step is read from the first result, where it was written, through local memory; other
states stay with the item, in the results for the last states. A GRU whose reset gate comes before the product needs
r * h of all units as well: items exchange it at the place of the step's result. Constant recurrent weights are packed
[directions][blocks][k][gates][units] on a CPU, whose lanes are units, and by pairs of k where it adds products of pairs
of bf16; a GPU reads them as they are, its lanes along k.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DictAttr
from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.recurrent import Gru, Lstm, Recurrent
from ...ir.symbols import Dim, Expr
from ...ir.target import CpuTarget
from ...ir.types import MemRefType, VectorType, bf16
from . import access
from .access import Memory, Written
from .cpu_micro import multiply_pairs, zeros
from .elements import Element
from .frame import only_root, open_frame, tensor_type
from .packing import is_constant, leading, padded, repack, reshape, transpose
from .recurrent_cell import NEW, RESET, UPDATE, Cell, Places
from .schedule import Schedule
from .strategies import AnyTarget, register

GPU_UNITS = 4
GPU_LANES = 256
"""The most positions along k that a thread block takes at a time."""
AHEAD_BYTES = 4096
"""Weights fetched while a cell computes: about as many as its time would stream."""


@dataclass(frozen=True)
class RecurrentSchedule(Schedule):
    """`units` of the hidden state are an item, `inner` positions of h are taken at a time.

    `workers`: the programs of the grid, all on the machine at once. `packed`: the weights are in the order of reading.
    `depth`: how many k a step of a product takes, 2 for pairs of bf16.
    """

    subject = "a recurrent layer"

    units: int
    inner: int
    workers: int
    threads: int
    packed: int
    depth: int = 1


@dataclass(frozen=True)
class RecurrentLayer:
    """All steps of `nn.lstm`, `nn.gru` and `nn.rnn` with projected inputs."""

    name: str = "recurrent"
    priority: int = 100

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        root = only_root(func, Recurrent)
        if not isinstance(root, Recurrent):
            return "not one recurrent layer"
        if root.w is not None:
            return "its inputs are not projected"
        hidden = root.hidden
        if not isinstance(hidden, int):
            return "its hidden size is not static"
        r = root.r
        packed = isinstance(r, BlockArgument) and is_constant(func, r.index) and r.has_one_use
        if isinstance(target, CpuTarget):
            units = min(2 * target.lanes(32), 1 << (hidden - 1).bit_length())
            narrow = tensor_type(root.x).scalar == bf16 == tensor_type(r).scalar
            in_pairs = packed and narrow and hidden % 2 == 0 and target.has_bf16_dots
            depth = 2 if in_pairs else 1
            return RecurrentSchedule(units, 1, target.cores, 0, int(packed), depth).to_attribute()
        units = next(n for n in range(GPU_UNITS, 0, -1) if hidden % n == 0)
        inner = next(n for n in range(min(hidden, GPU_LANES), 0, -1) if hidden % n == 0)
        workers = min(root.directions * (hidden // units), target.multiprocessors)
        return RecurrentSchedule(units, inner, workers, 128, 0).to_attribute()

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        sizes = RecurrentSchedule.from_attribute(schedule)
        root = only_root(func, Recurrent)
        assert isinstance(root, Recurrent)
        weights = root.r
        if sizes.packed:
            pack_recurrent_weights(func, root, sizes.units, sizes.depth)
        space = "local" if isinstance(target, CpuTarget) else "shared"
        _Layer(open_frame(func), root, weights, sizes, space).build()


register(RecurrentLayer())


def pack_recurrent_weights(func: kernel.Func, root: Recurrent, units: int, depth: int) -> None:
    """Have r passed as [directions][blocks][k / depth][gates][units, depth], filled with zeros."""
    directions, gates, hidden = root.directions, root.gates, root.hidden
    assert isinstance(hidden, int)
    blocks = -(-hidden // units)
    argument = root.r
    assert isinstance(argument, BlockArgument)
    type = tensor_type(argument)
    shape = (directions, blocks, hidden // depth, gates, units * depth)

    def pack(array: np.ndarray) -> np.ndarray:
        rows = padded(array.reshape(directions, gates, hidden, hidden), directions, gates, blocks * units, hidden)
        cut = rows.reshape(directions, gates, blocks, units, hidden // depth, depth)
        return np.ascontiguousarray(cut.transpose(0, 2, 4, 1, 3, 5).reshape(shape))

    views = [transpose(0, 3, 1, 4, 2)]
    if depth > 1:
        views = [reshape(*shape[:-1], units, depth), transpose(0, 3, 1, 4, 2, 5)]
    views += [
        reshape(directions, gates, blocks * units, hidden),
        leading(directions, gates, hidden, hidden),
        reshape(directions, gates * hidden, hidden),
    ]
    tag = f"units{units}{f'x{depth}' if depth > 1 else ''}"
    repack(func, argument.index, tag, pack, type.with_shape(shape), views)


@dataclass
class _Layer(Places):
    weights: Value
    sizes: RecurrentSchedule
    space: str

    def build(self) -> None:
        root, body = self.root, self.frame.body
        self.blocks = -(-self.hidden // self.sizes.units)
        every, *last = (Written(memory.value, memory.shape) for memory in self.frame.results)
        self.every, self.last = every, last
        self.scratch = self._alloc()
        self.phases = [self._advance]
        if isinstance(root, Gru) and not root.linear_before_reset:
            self.scaled = self._alloc()
            self.phases = [self._exchange_scaled, self._renew, self._publish]
        self._for_each_item(self._start_states)
        body.loop(self.time, 1, (), self._step)
        self.frame.finish((self.sizes.workers,), self.sizes.threads or None)

    def _alloc(self) -> Memory:
        """Local memory for h of one row."""
        dtype = self.dtype if self.sizes.depth == 1 else bf16  # as results are stored
        alloc = tile.Alloc(64, result_types=[MemRefType((self.hidden,), dtype, self.space)])
        return Written(self.frame.body.builder.effect(alloc).results[0], (self.hidden,))

    def _step(self, counter: Value, _: Sequence[Value]) -> Sequence[Value]:
        body = self.frame.body
        step = body.indices.scalar(counter, self.time)
        for phase in self.phases:
            self._for_each_item(functools.partial(phase, step))
            body.builder.effect(tile.GridBarrier())
        return ()

    def _for_each_item(self, work: Callable[[Expr, Expr, Expr], None]) -> None:
        """`work(direction, block, batch row)` for all items of this worker."""
        body, indices = self.frame.body, self.frame.body.indices
        items = self.root.directions * self.blocks
        number, programs = (indices.scalar(body.builder.pure(op)) for op in (tile.ProgramId(0), tile.NumPrograms(0)))
        # Neighbours follow each other: their weights are one stream, of as few directions as there can be.
        first, last = (symbols.floordiv(items * n, programs) for n in (number, number + 1))

        def item(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            number = indices.scalar(counter, items)
            direction = indices.derived(symbols.floordiv(number, self.blocks), self.root.directions)
            block = indices.derived(symbols.mod(number, self.blocks), self.blocks)
            body.loop(self.batch, 1, (), lambda row, _: self._row(row, direction, block, work))
            return ()

        body.loop(last, 1, (), item, first=first)

    def _row(
        self, row: Value, direction: Expr, block: Expr, work: Callable[[Expr, Expr, Expr], None]
    ) -> Sequence[Value]:
        work(direction, block, self.frame.body.indices.scalar(row, self.batch))
        return ()

    # Places

    def _unit(self, block: Expr) -> Dim:
        """The hidden units of a block, along a lane of their own."""
        body, indices = self.frame.body, self.frame.body.indices
        lane = indices.lane(self.sizes.units)
        unit = indices.derived(block * self.sizes.units + lane, self.hidden)
        if self.hidden % self.sizes.units:
            body.limits[indices.lane_of(lane)] = (unit, self.hidden)
        return unit

    def _load(self, memory: Memory, place: tuple[Dim, ...]) -> Element:
        """A read of memory that changes: never shared with another read."""
        body = self.frame.body
        element = access.load(body, memory, tuple(map(body.indices.normalize, place)), False, 0.0)
        return body.cast(element, element.dtype)

    # States

    def _start_states(self, direction: Expr, block: Expr, row: Expr) -> None:
        """The last states, which items keep between steps, before the first step."""
        unit = self._unit(block)
        starts = (self.root.initial_h, self.root.initial_c if isinstance(self.root, Lstm) else None)
        for memory, start in zip(self.last, starts, strict=False):
            place = self.state_at(direction, row, unit)
            element = self.zero() if start is None else self.frame.body.read(start, place)
            self.frame.body.store(memory, place, element)

    def _advance(self, step: Expr, direction: Expr, block: Expr, row: Expr) -> None:
        """One step of an item's units for one row of the batch."""
        body, root = self.frame.body, self.root
        time = self.time_of(step, direction)
        self._read_h(step, time, direction, row)
        unit = self._unit(block)
        self._prefetch_inputs(time, direction, block, row)
        sums = self._products(direction, block, unit, dict.fromkeys(range(root.gates), self.scratch))
        self._prefetch_weights(direction, block)
        place = self.state_at(direction, row, unit)
        old = [self._load(memory, place) for memory in self.last]
        old[0] = self._load(self.scratch, (unit,))
        body.builder.effect(tile.Barrier())
        cell = Cell(self, time, direction, row, unit, sums)
        new = cell.run(old)
        output = new[0]
        if root.sequence_lengths is not None:
            live = self.is_live(time, row)
            output = body.apply("select", live, output, self.zero())
            old[0] = self._load(self.last[0], place)
            new = [body.apply("select", live, after, before) for after, before in zip(new, old, strict=True)]
        body.store(self.every, self.every_at(time, direction, row, unit), output)
        for memory, state in zip(self.last, new, strict=True):
            body.store(memory, place, state)

    # A GRU whose reset gate scales h before the product

    def _exchange_scaled(self, step: Expr, direction: Expr, block: Expr, row: Expr) -> None:
        """r * h of the item's units, put where the step's result will be."""
        body = self.frame.body
        time = self.time_of(step, direction)
        self._read_h(step, time, direction, row)
        unit = self._unit(block)
        sums = self._products(direction, block, unit, {RESET: self.scratch})
        h = self._load(self.scratch, (unit,))
        body.builder.effect(tile.Barrier())
        scaled = body.apply("mul", Cell(self, time, direction, row, unit, sums).gate(RESET), h)
        body.store(self.every, self.every_at(time, direction, row, unit), scaled)

    def _renew(self, step: Expr, direction: Expr, block: Expr, row: Expr) -> None:
        """The next state from r * h of all units, put in the last states alone: others still read r * h."""
        body = self.frame.body
        time = self.time_of(step, direction)
        self._copy(self.scaled, lambda k: self._load(self.every, self.every_at(time, direction, row, k)))
        self._read_h(step, time, direction, row)
        unit = self._unit(block)
        sums = self._products(direction, block, unit, {UPDATE: self.scratch, NEW: self.scaled})
        h = self._load(self.scratch, (unit,))
        body.builder.effect(tile.Barrier())
        (state,) = Cell(self, time, direction, row, unit, sums).run([h])
        place = self.state_at(direction, row, unit)
        if self.root.sequence_lengths is not None:
            state = body.apply("select", self.is_live(time, row), state, self._load(self.last[0], place))
        body.store(self.last[0], place, state)

    def _publish(self, step: Expr, direction: Expr, block: Expr, row: Expr) -> None:
        """The item's part of the step's result."""
        body = self.frame.body
        time, unit = self.time_of(step, direction), self._unit(block)
        output = self._load(self.last[0], self.state_at(direction, row, unit))
        if self.root.sequence_lengths is not None:
            output = body.apply("select", self.is_live(time, row), output, self.zero())
        body.store(self.every, self.every_at(time, direction, row, unit), output)

    # Sequences and products

    def _read_h(self, step: Expr, time: Expr, direction: Expr, row: Expr) -> None:
        """Copy h of the step before into local memory: from the result, or where a sequence begins from its start."""
        body, indices, root = self.frame.body, self.frame.body.indices, self.root
        before = time + self.turn(direction, -1, 1)
        within = symbols.minimum(symbols.maximum(before, 0), self.time - 1)
        fresh = indices.compare("eq", step, 0)
        if root.sequence_lengths is not None:
            beyond = body.apply("eq", self.is_live(within, row), body.constant(False, fresh.dtype))
            fresh = body.apply("or", fresh, beyond)

        def state(k: Expr) -> Element:
            start = self.zero()
            if root.initial_h is not None:
                start = body.read(root.initial_h, self.state_at(direction, row, k))
            earlier = self._load(self.every, self.every_at(within, direction, row, k))
            return body.apply("select", fresh, start, earlier)

        self._copy(self.scratch, state)

    def _copy(self, target: Memory, source: Callable[[Expr], Element]) -> None:
        """Fill local memory with what `source` has for all hidden units."""
        body, indices = self.frame.body, self.frame.body.indices
        lanes = indices.lane(self.sizes.inner if self.sizes.inner > 1 else self.sizes.units)
        width = indices.elements.sizes[indices.lane_of(lanes)]

        def copy(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
            k = indices.derived(indices.scalar(counter, self.hidden, width) + lanes, self.hidden)
            if self.hidden % width:
                body.limits[indices.lane_of(lanes)] = (k, self.hidden)
            body.store(target, (k,), source(k))
            return ()

        body.loop(self.hidden, width, (), copy)
        body.builder.effect(tile.Barrier())

    def _products(self, direction: Expr, block: Expr, unit: Dim, states: dict[int, Memory]) -> dict[int, Element]:
        """For each gate in `states` the product of its state, which is in local memory, and rᵀ."""
        if self.sizes.depth > 1:
            return self._products_of_pairs(direction, block, unit, states)
        body, indices, sizes = self.frame.body, self.frame.body.indices, self.sizes
        inner = indices.lane(sizes.inner) if sizes.inner > 1 else 0
        lanes = tuple(sorted(indices.lanes_of(unit) | indices.lanes_of(inner)))
        zero = body.elements.spread(self.zero(), lanes).value

        def add(counter: Value, sums: Sequence[Value]) -> Sequence[Value]:
            k = indices.derived(indices.scalar(counter, self.hidden, sizes.inner) + inner, self.hidden)
            loaded = {memory: self._load(memory, (k,)) for memory in dict.fromkeys(states.values())}
            terms = []
            for (gate, memory), total in zip(states.items(), sums, strict=True):
                weight = body.read(self.root.r, (direction, self._gate_row(gate, unit), k))
                product = body.apply("mul", loaded[memory], weight)
                terms.append(body.apply("add", Element(total, self.dtype, lanes), product))
            return [body.elements.spread(term, lanes).value for term in terms]

        sums = body.loop(self.hidden, sizes.inner, [zero] * len(states), add)
        found = [self._summed(Element(total, self.dtype, lanes), inner) for total in sums]
        return dict(zip(states, found, strict=True))

    def _prefetch_inputs(self, time: Expr, direction: Expr, block: Expr, row: Expr) -> None:
        """Bring near what the cell adds to the products: it was written by other workers."""
        body, root, units = self.frame.body, self.root, self.sizes.units
        if not self.sizes.packed:
            return
        memory = body.memories[root.x]
        place = (row, time) if root.batch_first else (time, row)
        for gate in range(root.gates):
            column = (direction * root.gates + gate) * self.hidden + block * units
            start = tuple(map(body.indices.scalar_code, (*place, column)))
            body.builder.effect(tile.Prefetch(memory.value, start, (1, 1, units)))

    def _prefetch_weights(self, direction: Expr, block: Expr) -> None:
        """Keep the stream of weights going while the cell computes."""
        body, root = self.frame.body, self.root
        if not self.sizes.packed:
            return
        memory = body.memories[self.weights]
        flat = body.builder.pure(tile.Flatten(memory.value))
        size = self.hidden * root.gates * self.sizes.units
        following = symbols.minimum(direction * self.blocks + block + 1, root.directions * self.blocks - 1)
        start = body.indices.scalar_code(following * size)
        body.builder.effect(tile.Prefetch(flat, (start,), (min(AHEAD_BYTES // memory.dtype.bytes, size),)))

    def _products_of_pairs(
        self, direction: Expr, block: Expr, unit: Dim, states: dict[int, Memory]
    ) -> dict[int, Element]:
        """The same by two k a step."""
        body, code, units = self.frame.body, self.frame.body.indices.scalar_code, self.sizes.units
        packed = body.memories[self.weights]
        steps = self.hidden // 2

        def load(memory: Memory, place: tuple[Dim, ...], dims: tuple[int, int], width: int) -> Value:
            type = VectorType((1, width), bf16)
            op = tile.Load(memory.value, tuple(map(code, place)), dims, (1, 1), result_types=[type])
            return body.builder.pure(op) if memory.is_constant else body.builder.effect(op).results[0]

        def add(counter: Value, sums: Sequence[Value]) -> Sequence[Value]:
            step = body.indices.scalar(counter, steps)
            pairs = {memory: load(memory, (step * 2,), (-1, 0), 2) for memory in dict.fromkeys(states.values())}
            rows = [load(packed, (direction, block, step, gate, 0), (3, 4), 2 * units) for gate in states]
            return [
                multiply_pairs(body, pairs[memory], row, total)
                for memory, row, total in zip(states.values(), rows, sums, strict=True)
            ]

        sums = body.loop(steps, 1, [zeros(body, 1, units)] * len(states), add)
        lanes = tuple(sorted(body.indices.lanes_of(unit)))
        along = VectorType((units,), self.dtype)
        found = [body.builder.op("vector.shape_cast", (total,), along) for total in sums]
        return {gate: Element(value, self.dtype, lanes) for gate, value in zip(states, found, strict=True)}

    def _gate_row(self, gate: int, unit: Dim) -> Dim:
        return self.frame.body.indices.derived(gate * self.hidden + unit, self.root.gates * self.hidden)

    def _summed(self, element: Element, inner: Dim) -> Element:
        """The sum along the lane of k."""
        indices, builder = self.frame.body.indices, self.frame.body.builder
        if isinstance(inner, int):
            return element
        lane = indices.lane_of(inner)
        reduced = builder.pure(tile.Reduce(element.value, axes=(element.lanes.index(lane),)))
        return Element(reduced, element.dtype, tuple(other for other in element.lanes if other != lane))
