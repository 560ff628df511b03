"""How long a candidate takes: its plan run on this machine's device."""

from __future__ import annotations

import statistics
import time
from typing import Any, Protocol

from ...runtime.engine import Engine
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

    def seconds(self, built: Built, runs: int) -> float: ...


class DeviceStopwatch:
    """Runs plans of `standalone` on the device. What they read is in cache where it fits."""

    def seconds(self, built: Built, runs: int) -> float:
        """The median over `runs` timed runs of the time of one launch. Raises DeviceError."""
        plan, tensors = built
        engine = Engine(plan, with_weights(plan, tensors))
        timed = self._on_gpu if plan.target.kind == "cuda" else self._on_cpu
        try:
            return statistics.median(timed(engine, runs)) / len(plan.outputs)
        finally:
            engine.close()

    def _on_cpu(self, engine: Engine, runs: int) -> list[float]:
        inputs = random_inputs(engine.plan, {})
        context = engine.create_context()
        for _ in range(WARM_UP):
            context.run(inputs)
        times = []
        for _ in range(runs):
            start = time.perf_counter()
            context.run(inputs)
            times.append(time.perf_counter() - start)
        context.close()
        return times

    def _on_gpu(self, engine: Engine, runs: int) -> list[float]:
        """Between two events: the host may be busy with compiling what comes next."""
        with engine.create_context() as context:
            arrays = random_inputs(engine.plan, {})
            inputs: dict[str, Any] = {name: context.to_device(array) for name, array in arrays.items()}
            outputs = context.run(inputs, on_device=True)
            for _ in range(WARM_UP):
                context.run(inputs, outputs)
            return [context.seconds(inputs, outputs) for _ in range(runs)]


def launches_for(estimate: float, result_bytes: int) -> int:
    """How many launches a timed run should hold."""
    by_time = int(ENOUGH_SECONDS / max(estimate, 1e-9)) + 1
    return max(1, min(by_time, MOST_LAUNCHES, MOST_BYTES // max(result_bytes, 1)))


def weight_sets_for(cache_bytes: int, weight_bytes: int, launches: int) -> int:
    """How many sets of weights launches should take in turn, so that each finds its own not in the cache."""
    wanted = -(-2 * cache_bytes // max(weight_bytes, 1))
    return max(1, min(wanted, launches, MOST_BYTES // max(weight_bytes, 1)))
