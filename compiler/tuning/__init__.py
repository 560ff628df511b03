"""Choosing schedules by measuring them: candidates of the strategies, times on the device, and a cache of times."""

from __future__ import annotations

from collections.abc import Iterable

from ...passes.manager import Step
from ...passes.tile.schedule_kernels import ScheduleKernels
from ..options import TuningOptions
from .tune_kernels import TuneKernels


def inserted(steps: Iterable[Step], options: TuningOptions) -> list[Step]:
    """The passes `steps` with tune-kernels before schedule-kernels, where `options` ask for it."""
    found: list[Step] = []
    for step in steps:
        if isinstance(step.transform, ScheduleKernels):
            if options.level:
                tune = TuneKernels(
                    options.level,
                    str(options.cache or ""),
                    options.runs,
                    options.measure,
                    options.error_on_miss,
                    options.force,
                )
                found.append(Step(tune, step.phase, "what was measured is known before the cost model is asked"))
            step = Step(ScheduleKernels(options.force), step.phase, step.reason)
        found.append(step)
    return found
