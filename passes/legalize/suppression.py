"""NonMaxSuppression: of boxes that overlap, the one with the best score."""

from __future__ import annotations

from ...ir.core import Block, Region, Value
from ...ir.dialects import nn
from ...ir.types import TensorType, f32, i1, i64
from .content import dims
from .node import Builder, Node
from .registry import legalize
from .run_time import Integers
from .selection import places_of


@legalize("NonMaxSuppression")
def non_max_suppression(n: Node) -> Value:
    """(batch, class, box) of the boxes that are kept, for each class from the best score to the worst.

    Candidates are the scores above the threshold. One is kept if no kept one that comes before it in its class
    overlaps it. That is found by repeating "drop what a kept one suppresses" until nothing changes: as often as
    suppressions depend on each other, and each time for all candidates at once.
    """
    boxes, scores = n[0], n[1]
    (batch, classes, count), ints = dims(scores), Integers(n)
    flat = n.reshape(scores, [batch * classes * count])
    wanted = n.broadcast(n.constant(True, i1), dims(flat))
    if n.get(4) is not None:
        wanted = n(nn.Gt(flat, n.reshape(n[4], ())))
    place = places_of(n, wanted)
    score = n(nn.Gather(flat, place))
    size = n.number(count)
    group, box = ints.floordiv(place, size), n(nn.Mod(place, size))
    total = n.number(classes)
    corners = n(
        nn.Gather(n.reshape(boxes, [batch * count, 4]), ints.add(ints.mul(ints.floordiv(group, total), size), box))
    )
    before = _before(n, group, score)
    kept = _kept(n, n(nn.And(before, _overlap(n, corners))))
    kept = n(nn.And(kept, _among_the_first(n, kept, before)))
    order = n.reduce(_count(n, kept, n(nn.Or(before, _pairs(n, nn.Lt, group)))), "add", [1])
    chosen = places_of(n, kept)
    (found,) = dims(chosen)
    chosen = n(nn.ScatterElements(n.full(0, (found,), i64), n(nn.Gather(order, chosen)), chosen))
    group, box = n(nn.Gather(group, chosen)), n(nn.Gather(box, chosen))
    columns = (ints.floordiv(group, total), n(nn.Mod(group, total)), box)
    return n.concat([n.unsqueeze(column, [1]) for column in columns], 1)


def _pairs(n: Node, compare: type[nn.Binary], values: Value) -> Value:
    """`compare` of entry j with entry i, at [i, j]."""
    return n(compare(n.unsqueeze(values, [0]), n.unsqueeze(values, [1])))  # type: ignore[call-arg]


def _before(n: Node, group: Value, score: Value) -> Value:
    """Whether candidate j is of the group of candidate i and has a better score, or an equal one and comes first."""
    place = n.iota(dims(score), 0)
    tied = n(nn.And(_pairs(n, nn.Eq, score), _pairs(n, nn.Lt, place)))
    better = n(nn.Or(_pairs(n, nn.Gt, score), tied))
    return n(nn.And(_pairs(n, nn.Eq, group), better))


def _overlap(n: Node, corners: Value) -> Value:
    """Whether the boxes j and i share more of their union than the threshold allows."""
    low, high = _extents(n, corners)
    zero = n.constant(0, f32)
    sides: list[Value] = []
    for axis in range(2):
        a, b = n.index(low, 1, axis), n.index(high, 1, axis)
        overlap = n(nn.Sub(_pairs(n, nn.Min, b), _pairs(n, nn.Max, a)))
        sides.append(n(nn.Max(overlap, zero)))
    shared = n(nn.Mul(*sides))
    lengths = n(nn.Sub(high, low))
    area = n(nn.Mul(n.index(lengths, 1, 0), n.index(lengths, 1, 1)))
    union = n(nn.Sub(_pairs(n, nn.Add, area), shared))
    limit = zero if n.get(3) is None else n.reshape(n[3], ())
    # Boxes without an area overlap nothing.
    some = n(nn.And(n(nn.Gt(shared, zero)), n(nn.Gt(union, zero))))
    return n(nn.And(some, n(nn.Gt(n(nn.Div(shared, union)), limit))))


def _extents(n: Node, corners: Value) -> tuple[Value, Value]:
    """The least and greatest coordinates of boxes [count, 4] along both axes."""
    a, b = n.narrow(corners, 1, 0, 2), n.narrow(corners, 1, 2, 4)
    if n.int("center_point_box"):
        half = n(nn.Mul(b, n.constant(0.5, f32)))
        return n(nn.Sub(a, half)), n(nn.Add(a, half))
    return n(nn.Min(a, b)), n(nn.Max(a, b))


def _kept(n: Node, suppresses: Value) -> Value:
    """The candidates i that no kept candidate j suppresses; `suppresses` has no cycles, so there is one answer."""
    count = dims(suppresses)[0]
    type = TensorType((count,), i1)
    block = Block([TensorType((), i64), TensorType((), i1), type])
    kept = block.arguments[2]
    anchor = block.append(nn.Constant.of(True, i1))
    inner = Builder(anchor, n.contents, n.learn)
    hit = inner.reduce(inner(nn.And(suppresses, inner.unsqueeze(kept, [0]))), "or", [1])
    still = inner(nn.Not(hit))
    changed = inner.reduce(inner(nn.Xor(still, kept)), "or", [0])
    anchor.erase()
    block.append(nn.Yield((changed, still)))
    start = n.broadcast(n.constant(True, i1), (count,))
    loop = nn.Loop(Region(block), condition=n.constant(True, i1), initial=(start,), result_types=[type])
    return n.all(loop)[0]


def _count(n: Node, kept: Value, pairs: Value) -> Value:
    """1 at [i, j] where j is kept and `pairs` holds."""
    return n.cast(n(nn.And(pairs, n.unsqueeze(kept, [0]))), i64)


def _among_the_first(n: Node, kept: Value, before: Value) -> Value:
    """Whether fewer candidates of the class than may be kept come before; none may, where the node does not say."""
    most = n.constant(0, i64) if n.get(2) is None else n.reshape(n.cast(n[2], i64), ())
    return n(nn.Lt(n.reduce(_count(n, kept, before), "add", [1]), most))
