"""Errors that a user of a plan can cause or meet.

Each message is lower case, names the thing, says what was expected and what was found, and the notes say what to do.
Command lines print `str(error)` and exit with 1; nothing here is ever a bug of the runtime.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EngineError(Exception):
    """Base of all errors of the runtime: one message, and notes that say what to do about it."""

    def __init__(self, message: str, *notes: str) -> None:
        super().__init__(message)
        self.message = message
        self.notes = notes

    def __str__(self) -> str:
        return "\n".join([self.message, *(f"note: {note}" for note in self.notes)])


class PlanError(EngineError):
    """A plan file, or the program in it, cannot be used."""


class NotAPlanError(PlanError):
    """The file is something else: not safetensors, or safetensors without a Kernelwright program."""


class PlanTruncatedError(PlanError):
    """The file ends before its header says it does."""


class PlanCorruptedError(PlanError):
    """The content does not have the hash that was recorded when the plan was written."""


class PlanVersionError(PlanError):
    """The plan is of another format version than this runtime reads."""


class PlanTargetError(PlanError):
    """The plan was compiled for hardware this machine does not have."""


class PlanWriteError(PlanError):
    """Writing failed; a plan that was there before is untouched."""


class InputError(EngineError):
    """An input or output given to `run` does not fit the plan: name, dtype, rank, shape, layout or device."""


class IndexRangeError(EngineError):
    """A run of a plan compiled with `--debug-bounds` met an index outside its axis."""


class SizeError(EngineError):
    """A run computed sizes that cannot be: a negative one, or two that must be equal and are not."""


class DeviceError(EngineError):
    """The device refused: no driver, no GPU, or a failed driver call."""


class DeviceMemoryError(DeviceError):
    """An allocation failed for lack of memory, on the host or on the GPU."""


class HostFunctionError(EngineError):
    """A host fallback is not registered here, or raised."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A note that suggests the known name closest to `name`, or None when none is close."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f"did you mean '{close[0]}'?" if close else None
