"""Indices that left their axis in a run of a plan compiled with `--debug-bounds`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .errors import IndexRangeError
from .expressions import evaluate
from .plan import IndexCheck, Plan


def checked(plan: Plan, results: dict[str, Any], symbols: Mapping[str, int]) -> dict[str, Any]:
    """The results of a run without the ranges of indices. Raises IndexRangeError where one left its axis."""
    ranges = {name: results.pop(name) for check in plan.index_checks for name in (check.least, check.greatest)}
    for check in plan.index_checks:
        _check(check, _on_host(ranges[check.least]), _on_host(ranges[check.greatest]), symbols)
    return results


def _check(check: IndexCheck, least: np.ndarray, greatest: np.ndarray, symbols: Mapping[str, int]) -> None:
    for place, expression in enumerate(check.sizes):
        size, low, high = evaluate(expression, symbols), int(least.flat[place]), int(greatest.flat[place])
        if low > high:  # there are no indices
            continue
        if low < -size or high >= size:
            # the one that is farther outside
            worst = low if -size - low > high - size + 1 else high
            nodes = ", ".join(f"'{node}'" for node in check.onnx_nodes)
            raise IndexRangeError(
                f"{nodes}: index {worst} is outside its axis of size {size}: expected {-size} to {size - 1}",
                "without --debug-bounds a gather takes the nearest element instead, and a scatter writes nothing",
            )


def _on_host(value: Any) -> np.ndarray:
    return value if isinstance(value, np.ndarray) else value.numpy()
