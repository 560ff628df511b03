"""How long a candidate takes: its plan run on this machine's device."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any, Protocol

from ...runtime.engine import Engine
from ...runtime.plan import Plan
from ..samples import random_inputs
from .alone import Built, with_weights

WARM_UP = 3
ENOUGH_SECONDS = 2e-4
"""A timed run holds as many launches as take about this long, so that its start does not count."""
MOST_LAUNCHES = 48
MOST_BYTES = 256 << 20
"""What the results of a timed run's launches may take together, and so may its weights."""


class Stopwatch(Protocol):
    """Times one candidate."""

    def seconds(self, built: Built, runs: int, limit: float) -> float: ...


class DeviceStopwatch:
    """Runs plans of `standalone` on the device. What they read is in cache where it fits."""

    def seconds(self, built: Built, runs: int, limit: float = math.inf) -> float:
        """The median over `runs` timed runs of the time of one launch; what takes longer than `limit` is run once.

        Raises DeviceError.
        """
        plan, tensors = built
        engine = Engine(plan, with_weights(plan, tensors))
        try:
            with engine.create_context() as context:
                run = (_gpu_run if plan.target.kind == "cuda" else _cpu_run)(context, plan)
                run()
                first = run() / len(plan.outputs)
                if first > limit:
                    return first
                for _ in range(WARM_UP - 2):
                    run()
                return statistics.median(run() for _ in range(runs)) / len(plan.outputs)
        finally:
            engine.close()


def _cpu_run(context: Any, plan: Plan) -> Callable[[], float]:
    """A run that tells its time."""
    inputs = random_inputs(plan, {})

    def run() -> float:
        start = time.perf_counter()
        context.run(inputs)
        return time.perf_counter() - start

    return run


def _gpu_run(context: Any, plan: Plan) -> Callable[[], float]:
    """A run that tells its time between two events: the host may be busy with compiling what comes next."""
    inputs: dict[str, Any] = {name: context.to_device(array) for name, array in random_inputs(plan, {}).items()}
    outputs = context.run(inputs, on_device=True)
    context.run(inputs, outputs)
    return lambda: context.seconds(inputs, outputs)


def launches_for(estimate: float, result_bytes: int) -> int:
    """How many launches a timed run should hold."""
    by_time = int(ENOUGH_SECONDS / max(estimate, 1e-9)) + 1
    return max(1, min(by_time, MOST_LAUNCHES, MOST_BYTES // max(result_bytes, 1)))


def weight_sets_for(cache_bytes: int, weight_bytes: int, launches: int) -> int:
    """How many sets of weights launches should take in turn, so that each finds its own not in the cache."""
    wanted = -(-2 * cache_bytes // max(weight_bytes, 1))
    return max(1, min(wanted, launches, MOST_BYTES // max(weight_bytes, 1)))
