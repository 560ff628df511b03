"""Recurrences over time with a state: linear attention and stateful convolutions."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ...ir import symbols
from ...ir.core import Block, Region, Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import TensorType, f32, i1, i64
from .content import dims, scalar
from .node import Builder, Node
from .registry import InvalidError, legalize

STEPS_LIMIT = 16
"""Up to so many steps of time become ops of their own."""


@dataclass
class _Step:
    """What one step of time reads, in f32: [batch, heads, 1, size]. Or what all steps do, the third axis being time."""

    q: Value
    k: Value
    v: Value
    decay: Value | None
    beta: Value | None

    def each(self, change: Callable[[Value], Value]) -> _Step:
        gates = (None if x is None else change(x) for x in (self.decay, self.beta))
        return _Step(change(self.q), change(self.k), change(self.v), *gates)


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
    state_shape = [batch, heads, key_size, dims(v)[3]]
    past = n.get(3)
    state = n.full(0, state_shape, f32) if past is None else n.cast(past, f32)
    steps, group = _Step(q, k, v, decay, beta), q_heads // heads
    run = _unrolled if isinstance(length, int) and length <= STEPS_LIMIT else _looped
    state, results = run(n, steps, length, state, group)
    y = n(nn.Mul(results, _scale(n, key_size)))
    joined = n.reshape(n.transpose(y, [0, 2, 1, 3]), [batch, length, symbols.mul(q_heads, dims(v)[3])])
    return [n.cast(joined, scalar(n[0])), n.cast(state, scalar(n[0]) if past is None else scalar(past))]


def _unrolled(n: Node, steps: _Step, length: Dim, state: Value, group: int) -> tuple[Value, Value]:
    """The last state, and what all steps read, each step being ops of its own."""
    assert isinstance(length, int)
    results: list[Value] = []
    for t in range(length):
        step = steps.each(lambda x, t=t: n.narrow(x, 2, t, t + 1))
        state = _advanced(n, state, step)
        results.append(_read(n, state, step.q, group))
    if not results:
        batch, heads, _, _ = dims(steps.q)
        return state, n.full(0, [batch, heads, 0, dims(state)[3]], f32)
    return state, n.concat(results, 2)


def _looped(n: Node, steps: _Step, length: Dim, state: Value, group: int) -> tuple[Value, Value]:
    """The last state, and what all steps read, by a loop over them."""
    block = Block([TensorType((), i64), TensorType((), i1), state.type])
    iteration, goes_on, before = block.arguments
    anchor = block.append(nn.Constant.of(True, i1))
    inner = Builder(anchor, n.contents, n.learn)
    step = steps.each(lambda x: inner.unsqueeze(inner(nn.Gather(x, iteration, 2)), [2]))
    after = _advanced(inner, before, step)
    result = inner.squeeze(_read(inner, after, step.q, group), [2])
    anchor.erase()
    block.append(nn.Yield((goes_on, after, result)))
    types = [state.type, TensorType((length, *dims(result)), f32)]
    loop = nn.Loop(Region(block), trip_count=n.number(length), initial=(state,), result_types=types)
    last, results = n.all(loop)
    return last, n.transpose(results, [1, 2, 0, 3])


def _scale(n: Node, size: Dim) -> Value:
    if n.float("scale"):
        return n.constant(n.float("scale"), f32)
    return n.constant(1 / math.sqrt(size), f32) if isinstance(size, int) else n(nn.Rsqrt(n.cast(n.number(size), f32)))


def _heads(n: Node, x: Value, heads: int) -> int:
    """How many heads a gate has: all, or one for all of them."""
    return 1 if dims(x)[2] == 1 else heads


def _by_heads(n: Node, x: Value, heads: int) -> Value:
    """[batch, time, heads * size] to [batch, heads, time, size] of f32."""
    batch, time, width = dims(x)
    split = n.reshape(n.cast(x, f32), [batch, time, heads, symbols.floordiv(width, heads)])
    return n.transpose(split, [0, 2, 1, 3])


def _advanced(n: Builder, state: Value, step: _Step) -> Value:
    """The state after a step."""
    if step.decay is not None:
        state = n(nn.Mul(state, n.transpose(n(nn.Exp(step.decay)), [0, 1, 3, 2])))
    new = step.v
    if step.beta is not None:
        new = n(nn.Mul(step.beta, n(nn.Sub(new, n(nn.MatMul(step.k, state))))))
    return n(nn.Add(state, n(nn.Mul(n.transpose(step.k, [0, 1, 3, 2]), new))))


def _read(n: Builder, state: Value, q: Value, group: int) -> Value:
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
