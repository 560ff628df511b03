"""Real-time scheduling while something is timed."""

from __future__ import annotations

import contextlib
import os


class Realtime:
    """Puts all threads of this process into the real-time class: other processes of a busy machine wait meanwhile."""

    def __init__(self, wanted: bool) -> None:
        self.wanted = wanted

    def __enter__(self) -> None:
        self._schedule(os.SCHED_FIFO, 10)

    def __exit__(self, *_: object) -> None:
        self._schedule(os.SCHED_OTHER, 0)

    def _schedule(self, policy: int, priority: int) -> None:
        if self.wanted:
            for thread in os.listdir("/proc/self/task"):
                with contextlib.suppress(ProcessLookupError):  # it has just ended
                    os.sched_setscheduler(int(thread), policy, os.sched_param(priority))
