"""Recurrent layers, which nn has with ONNX's operands."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import nn
from .content import dims
from .node import Node
from .registry import UnsupportedError, legalize

_Y, _Y_H, _Y_C = range(3)


def _common(n: Node) -> dict[str, object]:
    """What the three layers share. Raises UnsupportedError for what nn lacks."""
    if n.attribute("clip") is not None:
        raise UnsupportedError("'clip'")
    if n.attribute("activation_alpha") is not None or n.attribute("activation_beta") is not None:
        raise UnsupportedError("parameters of activations")
    return {"direction": n.str("direction", "forward")}


def _activations(n: Node, default: tuple[str, ...]) -> tuple[str, ...]:
    directions = 2 if n.str("direction", "forward") == "bidirectional" else 1
    given = n.strings("activations") or default * directions
    return tuple(name.lower() for name in given)


def _time_first(n: Node, x: Value) -> Value:
    """[batch, time, …] to [time, batch, …] where the layer says so."""
    return n.transpose(x, [1, 0, *range(2, len(dims(x)))]) if n.flag("layout") else x


def _batch_first(n: Node, results: list[Value]) -> list[Value]:
    """Y is [time, directions, batch, hidden], the states [directions, batch, hidden]; layout 1 has the batch first."""
    if not n.flag("layout"):
        return results
    return [n.transpose(results[0], [2, 0, 1, 3]), *(n.transpose(state, [1, 0, 2]) for state in results[1:])]


@legalize("LSTM")
def lstm(n: Node) -> list[Value]:
    if n.flag("input_forget"):
        raise UnsupportedError("'input_forget'")
    states = [None if (s := n.get(i)) is None else _time_first(n, s) for i in (5, 6)]
    op = nn.Lstm(
        _time_first(n, n[0]),
        n[1],
        n[2],
        n.get(3),
        n.get(4),
        *states,
        n.get(7),
        activations=_activations(n, ("Sigmoid", "Tanh", "Tanh")),
        **_common(n),
    )
    return _batch_first(n, list(n.all(op)))


@legalize("GRU")
def gru(n: Node) -> list[Value]:
    state = n.get(5)
    op = nn.Gru(
        _time_first(n, n[0]),
        n[1],
        n[2],
        n.get(3),
        n.get(4),
        None if state is None else _time_first(n, state),
        linear_before_reset=n.flag("linear_before_reset"),
        activations=_activations(n, ("Sigmoid", "Tanh")),
        **_common(n),
    )
    return _batch_first(n, list(n.all(op)))


@legalize("RNN")
def rnn(n: Node) -> list[Value]:
    state = n.get(5)
    op = nn.Rnn(
        _time_first(n, n[0]),
        n[1],
        n[2],
        n.get(3),
        n.get(4),
        None if state is None else _time_first(n, state),
        activations=_activations(n, ("Tanh",)),
        **_common(n),
    )
    return _batch_first(n, list(n.all(op)))
