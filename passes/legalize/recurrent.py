"""Recurrent layers, which nn has with ONNX's operands."""

from __future__ import annotations

from typing import Any

from ...ir.core import Value
from ...ir.dialects import nn
from .node import Node
from .registry import UnsupportedError, legalize

# How many parameters the activations take that have any.
_PARAMETERS = {
    "leakyrelu": 1, "thresholdedrelu": 1, "elu": 1, "affine": 2, "scaledtanh": 2, "hardsigmoid": 2,
}  # fmt: skip
_BETA = {"affine", "scaledtanh", "hardsigmoid"}


def _activations(n: Node) -> tuple[str, ...]:
    """The activations as nn writes them, `elu(1.0)`; ONNX gives parameters only for those that take some."""
    alphas, betas = list(n.floats("activation_alpha") or ()), list(n.floats("activation_beta") or ())
    result: list[str] = []
    for name in n.strings("activations") or ():
        name = name.lower()
        parameters: list[float] = []
        if name in _PARAMETERS and alphas:
            parameters.append(alphas.pop(0))
            if name in _BETA:
                if not betas:
                    raise UnsupportedError(f"activation '{name}' with one of its two parameters")
                parameters.append(betas.pop(0))
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
        "direction": n.str("direction", "forward"),
        "activations": _activations(n),
        "clip": n.float("clip") if n.attribute("clip") is not None else None,
        "batch_first": n.flag("layout"),
    }


@legalize("LSTM")
def lstm(n: Node) -> list[Value]:
    own = {"initial_c": n.get(6), "peepholes": n.get(7), "input_forget": n.flag("input_forget")}
    return list(n.all(nn.Lstm(**_shared(n), **own)))


@legalize("GRU")
def gru(n: Node) -> list[Value]:
    return list(n.all(nn.Gru(**_shared(n), linear_before_reset=n.flag("linear_before_reset"))))


@legalize("RNN")
def rnn(n: Node) -> list[Value]:
    return list(n.all(nn.Rnn(**_shared(n))))
