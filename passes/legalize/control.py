"""Control flow: subgraphs that are decided at compile time are inlined, others become regions."""

from __future__ import annotations

from collections.abc import Sequence

from ...ir.core import Block, Operation, Region, Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import TensorType, Type, i1, i64
from .content import dims, scalar
from .node import Node, normal_axis
from .registry import UnsupportedError, legalize

UNROLL_LIMIT = 16
"""Loops of at most this many iterations become their iterations, whose values are then known one by one."""


@legalize("If")
def if_(n: Node) -> list[Value]:
    condition = n.constant_of(n[0])
    if condition is not None:
        return n.inline(n.region("then_branch" if bool(condition.reshape(-1)[0]) else "else_branch"))
    branches = [_legalized(n, n.region(name)) for name in ("then_branch", "else_branch")]
    then, otherwise = ([v.type for v in branch.block.terminator.operands] for branch in branches)
    types = [_common(a, b) for a, b in zip(then, otherwise, strict=True)]
    return list(n.all(nn.If(n.reshape(n[0], ()), branches[0], branches[1], result_types=types)))


def _common(a: Type, b: Type) -> Type:
    if a != b:
        raise UnsupportedError(f"its branches give {a} and {b}; a result needs one shape")
    return a


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
    """Legalize the ops of a block and end it with nn.yield."""
    *inner, end = list(block)
    n.legalize(inner)
    refused = [v for v in end.operands if not isinstance(v.type, TensorType) or v.type.shape is None]
    if refused:
        raise UnsupportedError(f"a subgraph that yields {refused[0].type}")
    values = end.operands
    end.detach().drop_operands()
    block.append(nn.Yield(tuple(values)))


@legalize("Loop")
def loop(n: Node) -> list[Value]:
    """Inputs: trip count, condition, carried values. The body takes and yields them, and yields values to collect."""
    body, carried = n.region("body"), [n[i] for i in range(2, len(n))]
    count = n.sizes_of(n.get(0))
    trips = count[0] if count is not None else None
    goes_on = _always(n, body)
    if isinstance(trips, int) and trips <= UNROLL_LIMIT and goes_on and _starts(n):
        return _unrolled(n, body, trips, carried)
    region = _legalized_loop(n, body, [v.type for v in carried])
    yielded = region.block.terminator.operands[1 + len(carried) :]
    if yielded and (trips is None or not goes_on):
        raise UnsupportedError("it collects values and its number of iterations depends on data")
    types = [v.type for v in carried] + [_stacked(v, trips) for v in yielded if trips is not None]
    trip_count = None if n.get(0) is None else n.reshape(n[0], ())
    condition = None if n.get(1) is None else n.reshape(n[1], ())
    op = nn.Loop(region, trip_count=trip_count, condition=condition, initial=tuple(carried), result_types=types)
    return list(n.all(op))


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
    if collected and not trips:
        raise UnsupportedError("it collects values of no iteration")
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
    condition, *rest = region.block.terminator.operands
    if condition.type != TensorType((), i1):
        raise UnsupportedError(f"its condition is {condition.type}")
    for before, after in zip(types, rest, strict=False):
        if before != after.type:
            raise UnsupportedError(f"a carried value is {before} and becomes {after.type}")
    return region


@legalize("Scan")
def scan(n: Node) -> list[Value]:
    """A loop over entries of the scanned inputs along an axis, whose other results are stacked along one."""
    body, count = n.region("body"), n.int("num_scan_inputs")
    states, scanned = n.inputs[: len(n) - count], n.inputs[len(n) - count :]
    if n.opset < 9:
        raise UnsupportedError("the form with batches of opset 8")
    axes = [
        normal_axis(a, len(dims(x))) for a, x in zip(n.ints("scan_input_axes") or (0,) * count, scanned, strict=True)
    ]
    length = dims(scanned[0])[axes[0]]
    if not isinstance(length, int) or length > UNROLL_LIMIT or not length:
        raise UnsupportedError(f"a length of '{length}', which is not unrolled")
    backward = n.ints("scan_input_directions") or (0,) * count
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
    return states + _scan_outputs(n, outputs)


def _scan_outputs(n: Node, outputs: Sequence[Sequence[Value]]) -> list[Value]:
    axes = n.ints("scan_output_axes") or (0,) * len(outputs)
    backward = n.ints("scan_output_directions") or (0,) * len(outputs)
    stacked: list[Value] = []
    for values, axis, back in zip(outputs, axes, backward, strict=True):
        axis = normal_axis(axis, len(dims(values[0])) + 1)
        ordered = [n.unsqueeze(value, [axis]) for value in (reversed(values) if back else values)]
        stacked.append(n.concat(ordered, axis))
    return stacked
