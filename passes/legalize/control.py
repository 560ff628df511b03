"""Control flow: subgraphs that are decided at compile time are inlined, others become regions."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir import symbols
from ...ir.core import Block, Operation, Region, Value
from ...ir.dialects import nn
from ...ir.symbols import Dim, free_symbols
from ...ir.types import TensorType, Type, i1, i64
from .content import dims, scalar
from .node import Builder, Node, normal_axis
from .registry import UnsupportedError, legalize

UNROLL_LIMIT = 16
"""Loops of at most this many iterations become their iterations, whose values are then known one by one."""
_MOST_COLLECTED = 1 << 20
"""Entries for which a loop that data end has memory; a trip count beyond says "any number"."""


@legalize("If")
def if_(n: Node) -> list[Value]:
    condition = n.constant_of(n[0])
    if condition is not None:
        return n.inline(n.region("then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"))
    branches = [_legalized(n, n.region(name)) for name in ("then_branch", "else_branch")]
    then, otherwise = ([v.type for v in branch.block.terminator.operands] for branch in branches)
    types = [_common(n, a, b) for a, b in zip(then, otherwise, strict=True)]
    for branch in branches:
        _reshape_yielded(n, branch.block, types)
    return list(n.all(nn.If(n.reshape(n[0], ()), branches[0], branches[1], result_types=types)))


def _common(n: Node, a: Type, b: Type) -> TensorType:
    """The type of a result that is `a` or `b`: sizes that differ are read from the condition."""
    assert isinstance(a, TensorType) and isinstance(b, TensorType)
    if (a.dtype, a.rank) != (b.dtype, b.rank):
        raise UnsupportedError(f"its branches give {a} and {b}; a result needs one rank")
    differ = [axis for axis, (m, k) in enumerate(zip(a.dims, b.dims, strict=True)) if m != k]
    if not differ:
        return a
    condition = n.reshape(n[0], ())
    sizes = [n(nn.Where(condition, n.number(a.dims[axis]), n.number(b.dims[axis]))) for axis in differ]
    read = dict(zip(differ, n.read(n.concat([n.reshape(size, (1,)) for size in sizes], 0)), strict=True))
    return a.with_shape([read.get(axis, size) for axis, size in enumerate(a.dims)])


def _reshape_yielded(n: Node, block: Block, types: Sequence[TensorType]) -> None:
    """Give what a branch yields the types of the results; its sizes are equal where the branch is taken."""
    end = block.terminator
    inner = Builder(end, n.contents, n.learn)
    end.set_operands([inner.reshape(value, type.dims) for value, type in zip(end.operands, types, strict=True)])


def _legalized(n: Node, region: Region) -> Region:
    """A copy of a subgraph in the nn dialect, to be the region of a new op."""
    copy = region.clone({})
    # The copy stands in the node while it is legalized, so that it has a place in the function.
    n.op.add_region(copy)
    try:
        _finish(n, copy.block)
    finally:
        n.op.regions.remove(copy)
    return copy


def _finish(n: Node, block: Block) -> None:
    """Legalize the ops of a block and end it with nn.yield.

    Raises UnsupportedError where it yields what only the host holds, or sizes that it computes itself.
    """
    *inner, end = list(block)
    n.legalize(inner)
    refused = [v for v in end.operands if not isinstance(v.type, TensorType) or v.type.shape is None]
    if refused:
        raise UnsupportedError(f"a subgraph that yields {refused[0].type}")
    values = end.operands
    own = {name for op in block for inner in op.walk() if isinstance(inner, nn.ReadSizes) for name in inner.symbols}
    if any(own & free_symbols(dim) for value in values for dim in dims(value)):
        raise UnsupportedError("a subgraph that yields a tensor whose size it computes")
    end.detach().drop_operands()
    block.append(nn.Yield(tuple(values)))


@legalize("Loop")
def loop(n: Node) -> list[Value]:
    """Inputs: trip count, condition, carried values. The body takes and yields them, and yields values to collect."""
    body, carried = n.region("body"), [n[i] for i in range(2, len(n))]
    count = n.sizes_of(n.get(0))
    trips = count[0] if count is not None else None
    goes_on = _always(n, body)
    collects = len(n.op.results) > len(carried)
    # What no iteration collects has a shape that the body alone knows.
    if isinstance(trips, int) and collects <= trips <= UNROLL_LIMIT and goes_on and _starts(n):
        return _unrolled(n, body, trips, carried)
    if not goes_on or not _starts(n):
        return _until(n, body, trips, carried) if collects else _repeated(n, body, _most(n), carried)
    if trips is None and collects and n.get(0) is not None:
        (trips,) = n.read(_trip_count(n))
    return _repeated(n, body, _most(n) if trips is None else n.number(trips), carried, trips)


def _most(n: Node) -> Value | None:
    return None if n.get(0) is None else _trip_count(n)


def _trip_count(n: Node) -> Value:
    """How often the loop runs at most, which is never less than not at all."""
    return n(nn.Max(n.cast(n.reshape(n[0], ()), i64), n.constant(0, i64)))


def _repeated(
    n: Node, body: Region, trip_count: Value | None, carried: Sequence[Value], trips: Dim | None = None
) -> list[Value]:
    """The loop as a region; what it collects has an entry for each of `trips`, its most iterations."""
    region = _legalized_loop(n, body, [v.type for v in carried])
    collected = region.block.terminator.operands[1 + len(carried) :]
    if collected and trips is None:
        raise UnsupportedError("it collects values and nothing says how many at most")
    condition = n.constant(True, i1) if n.get(1) is None else n.reshape(n[1], ())
    if _starts(n) and _always(n, body):
        condition = None
    types = [v.type for v in carried] + [_stacked(v, trips) for v in collected if trips is not None]
    op = nn.Loop(region, trip_count=trip_count, condition=condition, initial=tuple(carried), result_types=types)
    return list(n.all(op))


def _until(n: Node, body: Region, trips: Dim | None, carried: Sequence[Value]) -> list[Value]:
    """A loop that collects values until data end it: it counts its iterations, and the count is read behind it."""
    if trips is None and n.get(0) is not None:
        (trips,) = n.read(_trip_count(n))
    if trips is None or (isinstance(trips, int) and trips > _MOST_COLLECTED):
        raise UnsupportedError("it collects values until data end it, and nothing says how many at most")
    counting = body.clone({})
    block = counting.block
    block.add_argument(TensorType((), i64))
    condition, *yielded = block.terminator.operands
    yielded.insert(len(carried), block.arguments[0])  # the last iteration there was
    block.terminator.set_operands([condition, *yielded])
    start = n.constant(-1, i64)
    *results, last = _with_last(_repeated(n, counting, n.number(trips), [*carried, start], trips), len(carried))
    (count,) = n.read(n(nn.Add(last, n.constant(1, i64))))
    return [*results[: len(carried)], *(n.narrow(value, 0, 0, count) for value in results[len(carried) :])]


def _with_last(values: list[Value], index: int) -> list[Value]:
    """`values` with the one at `index` at the end."""
    return [*values[:index], *values[index + 1 :], values[index]]


def _starts(n: Node) -> bool:
    """Whether the loop's first condition is known to hold."""
    condition = n.constant_of(n.get(1))
    return n.get(1) is None or (condition is not None and bool(condition.all()))


def _always(n: Node, body: Region) -> bool:
    """Whether the body yields the condition it was given, or a constant that holds."""
    condition = body.block.terminator.operands[0]
    while isinstance(condition.owner, Operation) and condition.owner.name == "onnx.Identity":
        condition = condition.owner.operands[0]
    if condition is body.block.arguments[1]:
        return _starts(n)
    value = condition.owner.attributes.get("value") if isinstance(condition.owner, Operation) else None
    array = getattr(value, "array", None)
    return array is not None and bool(array.all())


def _stacked(value: Value, count: Dim) -> TensorType:
    return TensorType((count, *dims(value)), scalar(value))


def _unrolled(n: Node, body: Region, trips: int, carried: Sequence[Value]) -> list[Value]:
    """The loop's iterations one after the other; collected values are joined at the end."""
    state = list(carried)
    collected: list[list[Value]] = [[] for _ in range(len(n.op.results) - len(state))]
    for i in range(trips):
        results = n.inline(body, [n.constant(i, i64), n.constant(True, i1), *state])
        state = results[1 : 1 + len(state)]
        for values, value in zip(collected, results[1 + len(state) :], strict=True):
            values.append(n.unsqueeze(value, [0]))
    return state + [n.concat(values, 0) for values in collected]


def _legalized_loop(n: Node, body: Region, types: Sequence[Type]) -> Region:
    """The body as the region of nn.loop; carried values keep their types from one iteration to the next."""
    region = body.clone({})
    wanted = [TensorType((), i64), TensorType((), i1), *types]
    for argument, type in zip(region.block.arguments, wanted, strict=True):
        argument.type = type
    n.op.add_region(region)
    try:
        _finish(n, region.block)
    finally:
        n.op.regions.remove(region)
    _require_carried(region, types)
    return region


def _require_carried(region: Region, types: Sequence[Type]) -> None:
    """Raise UnsupportedError where a carried value has another type after an iteration, or the condition is none."""
    condition, *rest = region.block.terminator.operands
    if condition.type != TensorType((), i1):
        raise UnsupportedError(f"its condition is {condition.type}")
    for before, after in zip(types, rest, strict=False):
        if before != after.type:
            raise UnsupportedError(f"a carried value is {before} and becomes {after.type}")


@legalize("Scan")
def scan_8(n: Node) -> list[Value]:
    """Scans of the entries of a batch, one by one, along the axis after it."""
    if n.get(0) is not None:
        raise UnsupportedError("sequences of different lengths")
    count = n.int("num_scan_inputs")
    given = [n[i] for i in range(1, len(n))]
    batch = n.static(given[0], 0, "the batch")
    if batch > UNROLL_LIMIT or not batch:
        raise UnsupportedError(f"a batch of {batch}, which is not unrolled")
    backward = n.ints("directions") or (0,) * count
    entries: list[list[Value]] = []
    for i in range(batch):
        values = [n.index(value, 0, i) for value in given]
        states, scanned = values[: len(values) - count], values[len(values) - count :]
        entries.append(_scan(n, states, scanned, (0,) * count, backward))
    return [n.concat([n.unsqueeze(value, [0]) for value in values], 0) for values in zip(*entries, strict=True)]


@legalize("Scan", since=9)
def scan(n: Node) -> list[Value]:
    """A loop over entries of the scanned inputs along an axis, whose other results are stacked along one."""
    count = n.int("num_scan_inputs")
    states, scanned = n.inputs[: len(n) - count], n.inputs[len(n) - count :]
    axes = [
        normal_axis(a, len(dims(x))) for a, x in zip(n.ints("scan_input_axes") or (0,) * count, scanned, strict=True)
    ]
    return _scan(n, states, scanned, axes, n.ints("scan_input_directions") or (0,) * count)


def _scan(
    n: Node, states: Sequence[Value], scanned: Sequence[Value], axes: Sequence[int], backward: Sequence[int]
) -> list[Value]:
    length, body = dims(scanned[0])[axes[0]], n.region("body")
    if not isinstance(length, int) or length > UNROLL_LIMIT or not length:
        return _scan_loop(n, body, states, scanned, axes, backward)
    outputs: list[list[Value]] = [[] for _ in range(len(n.op.results) - len(states))]
    for i in range(length):
        entries = [
            n.index(x, axis, length - 1 - i if back else i)
            for x, axis, back in zip(scanned, axes, backward, strict=True)
        ]
        results = n.inline(body, [*states, *entries])
        states = results[: len(states)]
        for values, value in zip(outputs, results[len(states) :], strict=True):
            values.append(value)
    return [*states, *_scan_outputs(n, outputs)]


def _scan_loop(
    n: Node,
    body: Region,
    states: Sequence[Value],
    scanned: Sequence[Value],
    axes: Sequence[int],
    backward: Sequence[int],
) -> list[Value]:
    """A scan as a loop that takes the entries of its iteration, and collects along a first axis."""
    length, region = dims(scanned[0])[axes[0]], body.clone({})
    block = region.block
    for argument, state in zip(block.arguments, states, strict=False):
        argument.type = state.type
    entries = block.arguments[len(states) :]
    looped = Block([TensorType((), i64), TensorType((), i1), *(state.type for state in states)])
    iteration, goes_on, *carried = looped.arguments
    for old, new in zip(block.arguments, carried, strict=False):
        old.replace_all_uses_with(new)
    n.op.add_region(outer := Region(looped))
    try:
        for op in list(block):
            looped.append(op.detach())
        first = looped.first
        assert first is not None
        inner = Builder(first, n.contents, n.learn)
        for argument, x, axis, back in zip(entries, scanned, axes, backward, strict=True):
            place = inner(nn.Sub(inner.number(symbols.add(length, -1)), iteration)) if back else iteration
            argument.replace_all_uses_with(inner(nn.Gather(x, place, axis)))
        end = looped.terminator
        end.set_operands([goes_on, *end.operands])
        _finish(n, looped)
    finally:
        n.op.regions.remove(outer)
    _require_carried(outer, [state.type for state in states])
    yielded = looped.terminator.operands[1 + len(states) :]
    types = [*(state.type for state in states), *(_stacked(value, length) for value in yielded)]
    results = n.all(nn.Loop(outer, trip_count=n.number(length), initial=tuple(states), result_types=types))
    return [*results[: len(states)], *_turned(n, results[len(states) :])]


def _turned(n: Node, values: Sequence[Value]) -> list[Value]:
    """Values that were collected along a first axis, along the axes and in the order the scan asks for."""
    output_axes = n.ints("scan_output_axes") or (0,) * len(values)
    backward = n.ints("scan_output_directions") or (0,) * len(values)
    turned: list[Value] = []
    for value, axis, back in zip(values, output_axes, backward, strict=True):
        rank = len(dims(value))
        axis = normal_axis(axis, rank)
        value = n(nn.Flip(value, (0,))) if back else value
        turned.append(n.transpose(value, [*range(1, axis + 1), 0, *range(axis + 1, rank)]))
    return turned


def _scan_outputs(n: Node, outputs: Sequence[Sequence[Value]]) -> list[Value]:
    axes = n.ints("scan_output_axes") or (0,) * len(outputs)
    backward = n.ints("scan_output_directions") or (0,) * len(outputs)
    stacked: list[Value] = []
    for values, axis, back in zip(outputs, axes, backward, strict=True):
        axis = normal_axis(axis, len(dims(values[0])) + 1)
        ordered = [n.unsqueeze(value, [axis]) for value in (reversed(values) if back else values)]
        stacked.append(n.concat(ordered, axis))
    return stacked
