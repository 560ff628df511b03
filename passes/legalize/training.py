"""The update rules of training: a learning rate, the number of updates so far, then all tensors kind by kind."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ...ir.core import Value
from ...ir.dialects import nn
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, legalize

DOMAIN = "ai.onnx.preview.training"
Rule = Callable[..., Sequence[Value]]


def _updated(n: Node, kinds: int, rule: Rule) -> list[Value]:
    """The results of `rule` for the tensors of each kind, one for one: its first results, then its second ones, …"""
    count = len(n) - 2
    if count % kinds:
        raise InvalidError(f"{count} tensors, no multiple of {kinds}")
    size = count // kinds
    results = [rule(*(n[2 + kind * size + i] for kind in range(kinds))) for i in range(size)]
    return [result[k] for k in range(kinds - 1) for result in results]


def _scaled(n: Node, x: Value, factor: float) -> Value:
    return n(nn.Mul(x, n.like(factor, x)))


def _regularized(n: Node, x: Value, gradient: Value) -> Value:
    return n(nn.Add(_scaled(n, x, n.float("norm_coefficient")), gradient))


def _number(n: Node, index: int, like: Value) -> Value:
    """An input of one element as a number of the type of `like`."""
    return n.cast(n.reshape(n[index], ()), scalar(like))


def _is_later(n: Node) -> Value:
    """Whether this is not the first update."""
    count = n.reshape(n[1], ()) if dims(n[1]) else n[1]
    return n(nn.Gt(count, n.like(0, count)))


@legalize("Momentum", domain=DOMAIN)
def momentum(n: Node) -> list[Value]:
    alpha, beta = n.float("alpha"), n.float("beta")

    def rule(x: Value, gradient: Value, velocity: Value) -> Sequence[Value]:
        step = _regularized(n, x, gradient)
        weight = n(nn.Where(_is_later(n), n.like(beta, x), n.like(1, x)))
        new = n(nn.Add(_scaled(n, velocity, alpha), n(nn.Mul(weight, step))))
        # Nesterov's rule looks one step ahead.
        direction = new if n.str("mode") == "standard" else n(nn.Add(step, _scaled(n, new, alpha)))
        return n(nn.Sub(x, n(nn.Mul(_number(n, 0, x), direction)))), new

    return _updated(n, 3, rule)


@legalize("Adagrad", domain=DOMAIN)
def adagrad(n: Node) -> list[Value]:
    def rule(x: Value, gradient: Value, squares: Value) -> Sequence[Value]:
        decay = n(nn.Add(_scaled(n, _number(n, 1, x), n.float("decay_factor")), n.like(1, x)))
        rate = n(nn.Div(_number(n, 0, x), decay))
        step = _regularized(n, x, gradient)
        new = n(nn.Add(squares, n(nn.Mul(step, step))))
        size = n(nn.Add(n(nn.Sqrt(new)), n.like(n.float("epsilon", 1e-6), x)))
        return n(nn.Sub(x, n(nn.Div(n(nn.Mul(rate, step)), size)))), new

    return _updated(n, 3, rule)


@legalize("Adam", domain=DOMAIN)
def adam(n: Node) -> list[Value]:
    alpha, beta = n.float("alpha", 0.9), n.float("beta", 0.999)

    def average(old: Value, new: Value, weight: float) -> Value:
        return n(nn.Add(_scaled(n, old, weight), _scaled(n, new, 1 - weight)))

    def rule(x: Value, gradient: Value, first: Value, second: Value) -> Sequence[Value]:
        step = _regularized(n, x, gradient)
        first, second = average(first, step, alpha), average(second, n(nn.Mul(step, step)), beta)
        size = n(nn.Add(n(nn.Sqrt(second)), n.like(n.float("epsilon", 1e-6), x)))
        moved = n(nn.Sub(x, n(nn.Mul(_corrected_rate(n, x, alpha, beta), n(nn.Div(first, size))))))
        return _scaled(n, moved, 1 - n.float("norm_coefficient_post")), first, second

    return _updated(n, 4, rule)


def _corrected_rate(n: Node, like: Value, alpha: float, beta: float) -> Value:
    """The learning rate without the bias of averages that started at 0."""
    rate, count, one = _number(n, 0, like), _number(n, 1, like), n.like(1, like)
    first, second = (n(nn.Sub(one, n(nn.Pow(n.like(base, like), count)))) for base in (alpha, beta))
    corrected = n(nn.Div(n(nn.Mul(rate, n(nn.Sqrt(second)))), first))
    return n(nn.Where(_is_later(n), corrected, rate))
