"""Recurrences over time with a state: linear attention and stateful convolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import f32
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

STEPS_LIMIT = 256
"""Steps of time that become ops of their own."""


@dataclass
class _Step:
    """What one step of time reads, in f32: [batch, heads, 1, size]."""

    q: Value
    k: Value
    v: Value
    decay: Value | None
    beta: Value | None


@legalize("LinearAttention")
def linear_attention(n: Node) -> list[Value]:
    """Inputs: q, k, v, past state, decay, beta, all but the state [batch, time, heads * size].

    S = exp(g) S + k ⊗ v and y = scale · qᵀS, where the delta rules take from v what S gives for k first.
    """
    rule = n.choice("update_rule", "gated_delta", "linear", "gated", "delta")
    q_heads, heads = n.int("q_num_heads"), n.int("kv_num_heads")
    if not heads or q_heads % heads:
        raise InvalidError(f"{q_heads} query heads, no multiple of {heads} key heads")
    for index, name, wanted in ((4, "decay", "gated" in rule), (5, "beta", "delta" in rule)):
        if wanted != (n.get(index) is not None):
            raise InvalidError(f"update_rule '{rule}' {'needs' if wanted else 'takes no'} '{name}'")
    q, k, v = (_by_heads(n, n[i], count) for i, count in enumerate((q_heads, heads, heads)))
    decay, beta = (None if x is None else _by_heads(n, x, _heads(n, x, heads)) for x in (n.get(4), n.get(5)))
    batch, _, length, key_size = dims(q)
    if not isinstance(length, int) or length > STEPS_LIMIT:
        raise UnsupportedError(f"a length of '{length}'; expected a number of at most {STEPS_LIMIT}")
    state_shape = [batch, heads, key_size, dims(v)[3]]
    past = n.get(3)
    state = n.full(0, state_shape, f32) if past is None else n.cast(past, f32)
    results: list[Value] = []
    for t in range(length):
        now = [None if x is None else n.narrow(x, 2, t, t + 1) for x in (q, k, v, decay, beta)]
        assert now[0] is not None and now[1] is not None and now[2] is not None
        step = _Step(now[0], now[1], now[2], now[3], now[4])
        state = _advanced(n, state, step)
        results.append(_read(n, state, step.q, q_heads // heads))
    y = n(nn.Mul(n.concat(results, 2), n.constant(_scale(n, key_size), f32)))
    joined = n.reshape(n.transpose(y, [0, 2, 1, 3]), [batch, length, symbols.mul(q_heads, dims(v)[3])])
    return [n.cast(joined, scalar(n[0])), n.cast(state, scalar(n[0]) if past is None else scalar(past))]


def _scale(n: Node, size: symbols.Dim) -> float:
    if n.float("scale"):
        return n.float("scale")
    if not isinstance(size, int):
        raise UnsupportedError(f"no 'scale' and keys of the size '{size}'")
    return 1 / math.sqrt(size)


def _heads(n: Node, x: Value, heads: int) -> int:
    """How many heads a gate has: all, or one for all of them."""
    return 1 if dims(x)[2] == 1 else heads


def _by_heads(n: Node, x: Value, heads: int) -> Value:
    """[batch, time, heads * size] to [batch, heads, time, size] of f32."""
    batch, time, width = dims(x)
    split = n.reshape(n.cast(x, f32), [batch, time, heads, symbols.floordiv(width, heads)])
    return n.transpose(split, [0, 2, 1, 3])


def _advanced(n: Node, state: Value, step: _Step) -> Value:
    """The state after a step."""
    if step.decay is not None:
        state = n(nn.Mul(state, n.transpose(n(nn.Exp(step.decay)), [0, 1, 3, 2])))
    new = step.v
    if step.beta is not None:
        new = n(nn.Mul(step.beta, n(nn.Sub(new, n(nn.MatMul(step.k, state))))))
    return n(nn.Add(state, n(nn.Mul(n.transpose(step.k, [0, 1, 3, 2]), new))))


def _read(n: Node, state: Value, q: Value, group: int) -> Value:
    """qᵀS, [batch, query heads, 1, size]; `group` query heads read each state."""
    batch, heads, _, size = dims(q)
    grouped = n.reshape(q, [batch, symbols.floordiv(heads, group), group, size])
    return n.reshape(n(nn.MatMul(grouped, state)), [batch, heads, 1, dims(state)[3]])


@legalize("CausalConvWithState")
def causal_conv_with_state(n: Node) -> list[Value]:
    """A depthwise convolution of what was and what is; the last inputs become the new state."""
    x, w, bias, past = n[0], n[1], n.get(2), n.get(3)
    batch, channels, _ = dims(x)
    count, taps = n.static(w, 0, "the number of channels"), n.static(w, 2, "the kernel's size")
    activation = n.choice("activation", "none", "silu", "swish")
    state = n.full(0, [batch, channels, taps - 1], scalar(x)) if past is None else past
    joined = n.concat([state, x], 2) if taps > 1 else x
    y = n(nn.Conv(joined, w, (1,), (0, 0), (1,), bias, group=count))
    y = y if activation == "none" else n(nn.Silu(y))
    end = dims(joined)[2]
    return [y, n.narrow(joined, 2, symbols.add(end, 1 - taps), end)]
