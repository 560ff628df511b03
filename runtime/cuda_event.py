"""Events: when work that was put onto a stream is complete."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

from .cuda_driver import Driver


class Event:
    """A point on a stream. `handle` is the CUevent, for other streams to wait for."""

    def __init__(self, driver: Driver, handle: int) -> None:
        """Takes over `handle`, an event that was recorded."""
        self.handle = handle
        self._driver = driver

    @property
    def is_done(self) -> bool:
        """Whether everything before it on its stream is complete. Raises DeviceError where that failed."""
        self._driver.enter()
        return self._driver.is_done(self.handle)

    def wait(self) -> None:
        """Return once it is done; other threads run meanwhile. Raises DeviceError where work before it failed."""
        self._driver.enter()
        self._driver.synchronize_event(self.handle)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # the context it belongs to is gone
            self._driver.enter()
            self._driver.destroy_event(self.handle)


@dataclass(frozen=True)
class Submitted:
    """A run on its stream: `outputs` by name may be used on that stream, and elsewhere once `event` is done."""

    outputs: dict[str, Any]
    event: Event
