"""Recurrent layers, which nn has with ONNX's operands."""

from __future__ import annotations

from typing import Any

from ...ir.core import Value
from ...ir.dialects import nn
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

# ONNX's activations by their names in lower case: nn's names and how many parameters they take.
_ACTIVATIONS = {
    "sigmoid": ("sigmoid", 0), "tanh": ("tanh", 0), "relu": ("relu", 0), "softsign": ("softsign", 0),
    "softplus": ("softplus", 0), "leakyrelu": ("leaky_relu", 1), "thresholdedrelu": ("thresholded_relu", 1),
    "elu": ("elu", 1), "affine": ("affine", 2), "scaledtanh": ("scaled_tanh", 2), "hardsigmoid": ("hard_sigmoid", 2),
}  # fmt: skip


def _activations(n: Node) -> tuple[str, ...]:
    """The activations as nn writes them, `elu(1.0)`; ONNX lists parameters only for those that take some."""
    alphas, betas = list(n.floats("activation_alpha") or ()), list(n.floats("activation_beta") or ())
    result: list[str] = []
    for given in n.strings("activations") or ():
        if given.lower() not in _ACTIVATIONS:
            raise InvalidError(f"activation '{given}'; expected one of {', '.join(sorted(_ACTIVATIONS))}")
        name, count = _ACTIVATIONS[given.lower()]
        parameters = [source.pop(0) for source in (alphas, betas)[:count] if source]
        if parameters and len(parameters) < count:
            raise UnsupportedError(f"activation '{given}' with one of its two parameters")
        result.append(f"{name}({', '.join(map(str, parameters))})" if parameters else name)
    return tuple(result)


def _shared(n: Node) -> dict[str, Any]:
    """The operands and attributes that the three layers share."""
    return {
        "x": n[0],
        "w": n[1],
        "r": n[2],
        "bias": n.get(3),
        "sequence_lengths": n.get(4),
        "initial_h": n.get(5),
        "direction": n.choice("direction", "forward", "reverse", "bidirectional"),
        "activations": _activations(n),
        "clip": n.float("clip") if n.attribute("clip") is not None else None,
        "batch_first": n.flag("layout"),
    }


@legalize("LSTM")
def lstm(n: Node) -> list[Value]:
    own: dict[str, Any] = {"initial_c": n.get(6), "peepholes": n.get(7), "input_forget": n.flag("input_forget")}
    return list(n.all(nn.Lstm(**_shared(n), **own)))


@legalize("GRU")
def gru(n: Node) -> list[Value]:
    return list(n.all(nn.Gru(**_shared(n), linear_before_reset=n.flag("linear_before_reset"))))


@legalize("RNN")
def rnn(n: Node) -> list[Value]:
    return list(n.all(nn.Rnn(**_shared(n))))
