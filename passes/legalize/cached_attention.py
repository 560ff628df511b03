"""Attention over a cache of keys and values, and the rotation of positions, as ONNX Runtime's optimizer writes them."""

from __future__ import annotations

import itertools

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import i64
from .attention import Mask, attend, heads_of, join_heads, microsoft_scale, split_heads
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

DOMAIN = "com.microsoft"


@legalize("RotaryEmbedding", domain=DOMAIN)
def rotary_embedding(n: Node) -> Value:
    """Inputs: x [batch, length, heads * size] or [batch, heads, length, size], positions, tables of cos and sin.

    Positions are [batch, length], or the first one of all sequences.
    """
    x, width = n[0], n.int("rotary_embedding_dim")
    flat = len(dims(x)) == 3
    if flat:
        count = n.int("num_heads")
        size = symbols.mul(dims(n[2])[1], 2)
        heads = count if width or count else symbols.floordiv(dims(x)[2], size)
        x = split_heads(n, x, heads)
    length, positions = dims(x)[2], n.cast(n[1], i64)
    if len(dims(positions)) < 2:
        positions = n(nn.Add(n.iota([1, length], 1), n.reshape(positions, [1, 1])))
    y = rotated(n, x, positions, n[2], n[3], n.flag("interleaved"))
    return join_heads(n, y) if flat else y


def rotated(n: Node, x: Value, positions: Value, cosines: Value, sines: Value, interleaved: bool) -> Value:
    """x [batch, heads, length, size] with pairs of its first elements turned by the angle of their position.

    A pair is two halves' elements at one place, or two neighbours if `interleaved`. The tables are [positions, pairs].
    """
    *outer, size = dims(x)
    pairs = dims(cosines)[1]
    cosine, sine = (n.unsqueeze(n(nn.Gather(table, positions)), [1]) for table in (cosines, sines))
    turned = n.narrow(x, 3, 0, symbols.mul(pairs, 2))
    if interleaved:
        apart = n.reshape(turned, [*outer, pairs, 2])
        first, second = n.index(apart, 4, 0), n.index(apart, 4, 1)
    else:
        first, second = n.narrow(turned, 3, 0, pairs), n.narrow(turned, 3, pairs, symbols.mul(pairs, 2))
    left = n(nn.Sub(n(nn.Mul(first, cosine)), n(nn.Mul(second, sine))))
    right = n(nn.Add(n(nn.Mul(first, sine)), n(nn.Mul(second, cosine))))
    if interleaved:
        joined = n.concat([n.unsqueeze(left, [4]), n.unsqueeze(right, [4])], 4)
        parts = [n.reshape(joined, [*outer, symbols.mul(pairs, 2)])]
    else:
        parts = [left, right]
    rest = n.narrow(x, 3, symbols.mul(pairs, 2), size) if size != symbols.mul(pairs, 2) else None
    return n.concat([*parts, *([] if rest is None else [rest])], 3)


@legalize("GroupQueryAttention", domain=DOMAIN)
def group_query_attention(n: Node) -> list[Value]:
    """Inputs: q, k, v, past key, past value, the number of keys but one of each sequence, the most keys, cos, sin.

    New keys and values follow the past ones of their sequence, wherever those end.
    """
    count, groups = n.int("num_heads"), n.int("kv_num_heads")
    if not count or not groups or count % groups:
        raise InvalidError(f"{count} query heads, no multiple of {groups} key heads")
    if any(n.get(i) is not None for i in (10, 11)) or n.flag("smooth_softmax"):
        raise UnsupportedError("a bias of scores, or softmax with a sink")
    q, k, v = _parts(n, count, groups)
    length = dims(q)[2]
    ends = n(nn.Add(n.reshape(n.cast(n[5], i64), [dims(q)[0], 1]), n.constant(1, i64)))
    starts = n(nn.Sub(ends, n.size(q, 2)))
    positions = n(nn.Add(starts, n.iota([1, length], 1)))
    if n.flag("do_rotary"):
        given = n.get(9)
        at = positions if given is None else n.cast(given, i64)
        q, k = (rotated(n, x, at, n[7], n[8], n.flag("rotary_interleaved")) for x in (q, k))
    k, v = (_appended(n, x, past, starts) for x, past in ((k, n.get(3)), (v, n.get(4))))
    heads = heads_of(n, q, k, v, microsoft_scale(n), n.float("softcap"))
    y, _ = attend(n, heads, Mask(_visible(n, positions, dims(k)[2])), None)
    return [join_heads(n, y), k, v]


def _parts(n: Node, count: int, groups: int) -> list[Value]:
    """Queries, keys and values by heads, which one input may hold side by side."""
    if n.get(1) is not None:
        return [split_heads(n, n[i], heads) for i, heads in enumerate((count, groups, groups))]
    size = symbols.floordiv(dims(n[0])[2], count + 2 * groups)
    ends = [symbols.mul(size, heads) for heads in (0, count, count + groups, count + 2 * groups)]
    parts = [n.narrow(n[0], 2, start, end) for start, end in itertools.pairwise(ends)]
    return [split_heads(n, part, heads) for part, heads in zip(parts, (count, groups, groups), strict=True)]


def _appended(n: Node, new: Value, past: Value | None, starts: Value) -> Value:
    """The past of every sequence with what is new from its start on, [batch, heads, keys, size]."""
    batch, heads, _, size = dims(new)
    kept: Dim = 0 if past is None else dims(past)[2]
    (total,) = n.sizes(6)
    keys = symbols.maximum(total, kept)
    offset = n(nn.Sub(n.iota([1, keys], 1), starts))
    inside = n(nn.And(n(nn.Ge(offset, n.constant(0, i64))), n(nn.Lt(offset, n.size(new, 2)))))
    place = n(nn.Max(n(nn.Min(offset, n(nn.Sub(n.size(new, 2), n.constant(1, i64))))), n.constant(0, i64)))
    index = n.broadcast(n.reshape(place, [batch, 1, keys, 1]), [batch, heads, keys, size])
    read = n(nn.GatherElements(new, index, 2))
    if past is None:
        before = n.full(0, [batch, heads, keys, size], scalar(new))
    else:
        before = n(nn.Pad(past, (0,) * 4, (0, 0, symbols.add(keys, symbols.mul(kept, -1)), 0)))
    return n(nn.Where(n.reshape(inside, [batch, 1, keys, 1]), read, before))


def _visible(n: Node, positions: Value, keys: Dim) -> list[Value]:
    """Which keys the queries at `positions` see: those up to their own, within the window."""
    batch, length = dims(positions)
    query, key = n.reshape(positions, [batch, 1, length, 1]), n.iota([1, 1, 1, keys], 3)
    conditions = [n(nn.Le(key, query))]
    if (window := n.int("local_window_size", -1)) >= 0:
        conditions.append(n(nn.Gt(key, n(nn.Sub(query, n.constant(window, i64))))))
    return conditions
