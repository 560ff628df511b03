"""Attention: ONNX's operator in all versions, and those that ONNX Runtime's optimizer writes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import Scalar, f32, f64, i64
from .content import dims, scalar
from .node import Node
from .registry import UnsupportedError, legalize


@dataclass
class Mask:
    """What queries see: keys where all of `conditions` hold, with `bias` added to their scores."""

    conditions: list[Value] = field(default_factory=list)
    bias: Value | None = None

    def __bool__(self) -> bool:
        return bool(self.conditions) or self.bias is not None

    def value(self, n: Node) -> Value | None:
        """One mask: booleans, or numbers to add."""
        if not self.conditions:
            return self.bias
        allowed = self.conditions[0]
        for condition in self.conditions[1:]:
            allowed = n(nn.And(allowed, condition))
        return allowed if self.bias is None else n(nn.Where(allowed, self.bias, n.like(-np.inf, self.bias)))


@dataclass
class Heads:
    """Query, key and value as [batch, heads, length, size]."""

    q: Value
    k: Value
    v: Value
    scale: float | None
    softcap: float = 0.0

    @property
    def lengths(self) -> tuple[Dim, Dim]:
        return dims(self.q)[2], dims(self.k)[2]

    @property
    def factor(self) -> float:
        size = dims(self.q)[3]
        assert self.scale is not None or isinstance(size, int)
        return self.scale if self.scale is not None else 1 / math.sqrt(size)  # type: ignore[arg-type]


def heads_of(n: Node, q: Value, k: Value, v: Value, scale: float | None, softcap: float = 0.0) -> Heads:
    """Queries whose size only a run knows are divided by its root here, where the node has no other scale."""
    size = dims(q)[3]
    if scale is None and not isinstance(size, int):
        wide = f64 if scalar(q) == f64 else f32
        root = n(nn.Rsqrt(n.cast(n.number(size), wide)))
        q, scale = n.cast(n(nn.Mul(n.cast(q, wide), root)), scalar(q)), 1.0
    return Heads(q, k, v, scale, softcap)


@legalize("Attention")
def attention(n: Node) -> list[Value | None]:
    """Inputs: q, k, v, mask, past key, past value, number of valid keys; 3-D inputs hold the heads side by side."""
    flat = len(dims(n[0])) == 3
    q, k, v = n[0], n[1], n[2]
    if flat:
        q = split_heads(n, q, n.int("q_num_heads"))
        k, v = (split_heads(n, x, n.int("kv_num_heads")) for x in (k, v))
    past: Dim = 0
    if n.get(4) is not None:
        past = dims(n[4])[2]
        k, v = n.concat([n[4], k], 2), n.concat([n[5], v], 2)
    scale = n.float("scale") if n.attribute("scale") is not None else None
    wide = _common_type(scalar(q), scalar(v))
    heads = heads_of(n, n.cast(q, wide), n.cast(k, wide), n.cast(v, wide), scale, n.float("softcap"))
    mask, causal = _mask(n, heads, past), n.flag("is_causal")
    scores: Value | None = None
    if not mask and not heads.softcap and not n.wants(3):
        y = n(nn.Attention(heads.q, heads.k, heads.v, scale=heads.scale, causal=causal, offset=past))
    else:
        if causal:
            mask.conditions.append(_causal(n, heads, past))
        y, scores = attend(n, heads, mask, n.int("qk_matmul_output_mode") if n.wants(3) else None)
        scores = None if scores is None else n.cast(scores, scalar(q))
    y = n.cast(y, scalar(q))
    return [join_heads(n, y) if flat else y, k, v, scores]


def _common_type(a: Scalar, b: Scalar) -> Scalar:
    """The type that holds the numbers of both."""
    if a == b or a.bits != b.bits:
        return max(a, b, key=lambda dtype: dtype.bits)
    return f32


def split_heads(n: Node, x: Value, count: Dim) -> Value:
    """[batch, length, heads * size] to [batch, heads, length, size]."""
    batch, length, width = dims(x)
    return n.transpose(n.reshape(x, [batch, length, count, symbols.floordiv(width, count)]), [0, 2, 1, 3])


def join_heads(n: Node, x: Value) -> Value:
    batch, heads, length, size = dims(x)
    return n.reshape(n.transpose(x, [0, 2, 1, 3]), [batch, length, symbols.mul(heads, size)])


def _mask(n: Node, heads: Heads, past: Dim) -> Mask:
    """The mask input, the valid keys of a cache, and the window."""
    mask = Mask()
    if (given := n.get(3)) is not None:
        given = _padded(n, given, heads.lengths[1])
        if scalar(given).is_bool:
            mask.conditions.append(given)
        else:
            mask.bias = given
    if (valid := n.get(6)) is not None:
        count = n.reshape(n.cast(valid, i64), [dims(valid)[0], 1, 1, 1])
        mask.conditions.append(n(nn.Lt(_positions(n, heads)[1], count)))
    for name, sign in (("left_window_size", 1), ("right_window_size", -1)):
        if n.int(name, -1) >= 0:
            mask.conditions.append(_window(n, heads, past, n.int(name), sign))
    return mask


def _padded(n: Node, mask: Value, keys: Dim) -> Value:
    """A mask shorter than the keys hides the rest."""
    own = dims(mask)
    missing = symbols.add(keys, symbols.mul(own[-1], -1))
    if own[-1] == 1 or not isinstance(missing, int) or missing <= 0:
        return mask
    low, high = (0,) * len(own), (0,) * (len(own) - 1) + (missing,)
    return n(nn.Pad(mask, low, high, value=0.0 if scalar(mask).is_bool else -math.inf))


def _positions(n: Node, heads: Heads) -> tuple[Value, Value]:
    """The numbers of queries, [queries, 1], and of keys, [1, keys]."""
    queries, keys = heads.lengths
    return n.iota([queries, 1], 0), n.iota([1, keys], 1)


def _query_positions(n: Node, heads: Heads, past: Dim) -> Value:
    """Where the queries stand among the keys: after the past, or at the end of a cache's valid keys."""
    queries, _ = _positions(n, heads)
    if (valid := n.get(6)) is not None:
        count = n.reshape(n.cast(valid, i64), [dims(valid)[0], 1, 1, 1])
        return n(nn.Add(queries, n(nn.Sub(count, n.size(heads.q, 2)))))
    if past == 0:
        return queries
    return n(nn.Add(queries, n.size(n[4], 2)))


def _causal(n: Node, heads: Heads, past: Dim) -> Value:
    return n(nn.Le(_positions(n, heads)[1], _query_positions(n, heads, past)))


def _window(n: Node, heads: Heads, past: Dim, size: int, sign: int) -> Value:
    """Keys at most `size` before (sign 1) or after (-1) the query."""
    query, key = _query_positions(n, heads, past), _positions(n, heads)[1]
    distance = n(nn.Sub(query, key) if sign > 0 else nn.Sub(key, query))
    return n(nn.Le(distance, n.constant(size, i64)))


def attend(n: Node, heads: Heads, mask: Mask, mode: int | None) -> tuple[Value, Value | None]:
    """The result and, in `mode`, the scores on the way; a query that sees no key gives zeros."""
    combined = mask.value(n)
    if mode is None and not heads.softcap:
        return n(nn.Attention(heads.q, heads.k, heads.v, mask=combined, scale=heads.scale)), None
    k, v = (_for_each_query(n, heads, x) for x in (heads.k, heads.v))
    raw = n(nn.MatMul(heads.q, k, trans_b=True))
    raw = n(nn.Mul(raw, n.like(heads.factor, raw)))
    capped = raw
    if heads.softcap:
        cap = n.like(heads.softcap, raw)
        capped = n(nn.Mul(n(nn.Tanh(n(nn.Div(raw, cap)))), cap))
    biased = capped
    if combined is not None and scalar(combined).is_bool:
        biased = n(nn.Where(combined, capped, n.like(-np.inf, capped)))
    elif combined is not None:
        biased = n(nn.Add(capped, combined))
    weights = _zero_where_blind(n, n(nn.Softmax(biased, 3)), combined)
    return n(nn.MatMul(weights, v)), None if mode is None else (raw, capped, biased, weights)[mode]


def _zero_where_blind(n: Node, y: Value, mask: Value | None) -> Value:
    """Softmax over no key at all is not a number; what it weighs is nothing."""
    if mask is None:
        return y
    last = len(dims(mask)) - 1
    if scalar(mask).is_bool:
        sees = n.reduce(mask, "or", [last], True)
    else:
        sees = n(nn.Gt(n.reduce(mask, "max", [last], True), n.like(-np.inf, mask)))
    return n(nn.Where(sees, y, n.like(0, y)))


def _for_each_query(n: Node, heads: Heads, x: Value) -> Value:
    """Keys or values once for each query head."""
    batch, groups, length, size = dims(x)
    count = dims(heads.q)[1]
    if groups == count:
        return x
    apart = n.reshape(x, [batch, groups, 1, length, size])
    spread = n.broadcast(apart, [batch, groups, symbols.floordiv(count, groups), length, size])
    return n.reshape(spread, [batch, count, length, size])


@legalize("MultiHeadAttention", domain="com.microsoft")
def multi_head_attention(n: Node) -> list[Value | None]:
    """Inputs: q, k, v, bias, padding mask of keys, bias of scores, past key, past value."""
    count = n.int("num_heads")
    inputs = with_bias(n, _packed(n), n.get(3))
    q, k, v = (x if len(dims(x)) == 4 else split_heads(n, x, count) for x in inputs)
    past: Dim = 0
    if n.get(6) is not None:
        past = dims(n[6])[2]
        k, v = n.concat([n[6], k], 2), n.concat([n[7], v], 2)
    heads = heads_of(n, q, k, v, microsoft_scale(n))
    mask = Mask(padding_mask(n, n.get(4)), n.get(5))
    return [finish(n, heads, mask, past), k, v]


def _packed(n: Node) -> list[Value]:
    """q, k and v [batch, length, heads * size]; q may hold all of them as [batch, length, heads, 3, size], k two."""

    def part(x: Value, i: int) -> Value:
        batch, length, heads, _, size = dims(x)
        return n.reshape(n.index(x, 3, i), [batch, length, symbols.mul(heads, size)])

    if n.get(1) is None:
        return [part(n[0], i) for i in range(3)]
    if n.get(2) is None:
        return [n[0], *(part(n[1], i) for i in range(2))]
    return [n[0], n[1], n[2]]


def with_bias(n: Node, inputs: list[Value], bias: Value | None) -> list[Value]:
    """Each of q, k and v plus its part of one bias."""
    if bias is None:
        return inputs
    start: Dim = 0
    result: list[Value] = []
    for x in inputs:
        end = symbols.add(start, dims(x)[-1])
        result.append(n(nn.Add(x, n.narrow(bias, 0, start, end))))
        start = end
    return result


def microsoft_scale(n: Node) -> float | None:
    return n.float("scale") or None


def padding_mask(n: Node, mask: Value | None) -> list[Value]:
    """[batch, keys] of integers, not 0 where a key counts; or [batch, queries, keys]."""
    if mask is None:
        return []
    shape = dims(mask)
    if len(shape) not in (2, 3):
        raise UnsupportedError(f"a mask of rank {len(shape)}")
    keeps = n(nn.Ne(mask, n.like(0, mask)))
    return [n.reshape(keeps, [shape[0], 1, 1, shape[1]] if len(shape) == 2 else [shape[0], 1, *shape[1:]])]


def finish(n: Node, heads: Heads, mask: Mask, past: Dim) -> Value:
    causal = n.flag("unidirectional")
    y = nn.Attention(heads.q, heads.k, heads.v, mask=mask.value(n), scale=heads.scale, causal=causal, offset=past)
    return join_heads(n, n(y))


@legalize("Attention", domain="com.microsoft")
def microsoft_attention(n: Node) -> list[Value | None]:
    """x @ w + b gives q, k and v side by side; the past and the present stack keys and values."""
    product = n(nn.MatMul(n[0], n[1]))
    if (bias := n.get(2)) is not None:
        product = n(nn.Add(product, bias))
    return fused_projection(n, product, n.get(3), n.get(4), n.get(5))


def fused_projection(
    n: Node, product: Value, mask: Value | None, past: Value | None, bias: Value | None = None
) -> list[Value | None]:
    """Attention of queries, keys and values side by side; the result, and the keys and values with the past ones."""
    count, start, parts = n.int("num_heads"), 0, list[Value]()
    widths: Sequence[Dim] = n.ints("qkv_hidden_sizes") or [symbols.floordiv(dims(product)[2], 3)] * 3
    for width in widths:
        end = symbols.add(start, width)
        parts.append(split_heads(n, n.narrow(product, 2, start, end), count))
        start = end
    q, k, v = parts
    before: Dim = 0
    if past is not None:
        before = dims(past)[3]
        k, v = (n.concat([n.index(past, 0, i), part], 2) for i, part in enumerate((k, v)))
    y = finish(n, heads_of(n, q, k, v, microsoft_scale(n)), Mask(padding_mask(n, mask), bias), before)
    present = n.concat([n.unsqueeze(k, [0]), n.unsqueeze(v, [0])], 0) if n.wants(1) else None
    return [y, present]
