"""Host functions: operators that run in Python between a plan's launches, because no kernel can do them.

    @host_function("kw.nonzero")
    def nonzero(inputs, outputs, attributes):
        found = np.argwhere(inputs[0]).T
        outputs[0][: found.size] = found.ravel()
        return (found.shape[1],)

A function gets the arrays of its input and output buffers and the step's attributes, fills the outputs, and returns the
values of the step's symbols, if it has any. An output whose shape depends on those symbols is flat, with room for all
that there could be. The place of an object is an array of objects without dimensions: `outputs[0][()] = ["a", "b"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .errors import HostFunctionError, nearest
from .plan import Host

HostFunction = Callable[[Sequence[np.ndarray], Sequence[np.ndarray], Mapping[str, Any]], Sequence[int] | None]

_functions: dict[str, HostFunction] = {}

_PROVIDERS = {"onnx.node": "...compiler.onnx.reference"}
"""Modules of this package that register a function once they are imported, which needs more than the runtime does."""


def host_function(name: str) -> Callable[[HostFunction], HostFunction]:
    """Register the decorated function under `name`, in place of any that had the name."""

    def register(function: HostFunction) -> HostFunction:
        _functions[name] = function
        return function

    return register


def find(name: str) -> HostFunction:
    """The function called `name`; raises HostFunctionError where none is registered."""
    if name not in _functions and name in _PROVIDERS:
        try:
            import_module(_PROVIDERS[name], __name__)
        except ImportError as error:
            raise HostFunctionError(f"the plan needs the host function '{name}': {error}") from None
    if name in _functions:
        return _functions[name]
    note = nearest(name, _functions)
    raise HostFunctionError(
        f"the plan needs the host function '{name}', which is not registered",
        *([note] if note else ["import the module that registers it before loading the plan"]),
    )


def call(step: Host, inputs: Sequence[np.ndarray], outputs: Sequence[np.ndarray]) -> dict[str, int]:
    """Run a Host step; the values of its symbols. Raises HostFunctionError where the function raises."""
    where = f"host function '{step.function}'" + (f" (of {', '.join(step.onnx_nodes)})" if step.onnx_nodes else "")
    try:
        values = find(step.function)(inputs, outputs, step.attributes) or ()
    except HostFunctionError:
        raise
    except Exception as error:
        raise HostFunctionError(f"{where} failed: {type(error).__name__}: {error}") from error
    if len(values) != len(step.symbols):
        raise HostFunctionError(f"{where} returned {len(values)} sizes, its step names {len(step.symbols)}")
    return dict(zip(step.symbols, map(int, values), strict=True))
