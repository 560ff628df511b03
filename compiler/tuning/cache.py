"""The timing cache: a text file of JSON lines, one for every candidate that was ever timed.

    {"kernel": "3f2a…", "tactic": "mma_gemm", "schedule": "{m = 64 : i64, …}", "seconds": 3.1e-06, "name": "fc_Gemm",
     "target": "cuda:sm_90a", "version": "0.1.0"}

`kernel` is a hash of all that a time depends on: the kernel's ops and types, the usual sizes of its symbols, which
operands are weights, the target and the version of the compiler. The other fields are for readers. Lines may be edited,
deleted, sorted and joined with those of other files; of several lines for one candidate the last counts.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from ...ir.diagnostics import CompileError


@dataclass(frozen=True)
class Entry:
    """One line of the file."""

    kernel: str
    tactic: str
    schedule: str
    seconds: float
    name: str
    target: str
    version: str


class TimingCache:
    """Times by kernel and candidate; with a `path`, those of the file, which `record` appends to.

    Several processes may use one file: each appends whole lines under a lock.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises CompileError where the file cannot be read or a line is no entry."""
        self.path = path
        self._seconds: dict[tuple[str, str, str], float] = {}
        if path is not None and path.exists():
            for entry in _read(path):
                self._remember(entry)

    def lookup(self, kernel: str, tactic: str, schedule: str) -> float | None:
        """The time of a candidate in seconds, None where it was never taken."""
        return self._seconds.get((kernel, tactic, schedule))

    def record(self, entries: Iterable[Entry]) -> None:
        """Remember new times, in the file too. Raises CompileError where that cannot be written."""
        new = list(entries)
        for entry in new:
            self._remember(entry)
        if self.path is not None and new:
            _append(self.path, "".join(json.dumps(asdict(entry)) + "\n" for entry in new))

    def _remember(self, entry: Entry) -> None:
        self._seconds[entry.kernel, entry.tactic, entry.schedule] = entry.seconds


def _read(path: Path) -> Iterable[Entry]:
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CompileError(
            f"cannot read the timing cache '{path}': {getattr(error, 'strerror', None) or error}"
        ) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
            texts = {field.name: str(values[field.name]) for field in fields(Entry) if field.name != "seconds"}
            yield Entry(**texts, seconds=float(values["seconds"]))
        except (ValueError, KeyError, TypeError) as error:
            what = f"lacks {error}" if isinstance(error, KeyError) else "is no entry of JSON"
            message = f"timing cache {path}:{number}: the line {what}; mend or delete it"
            raise CompileError(message) from None


def _append(path: Path, text: str) -> None:
    try:
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, os.SEEK_END)
            try:
                file.write(text.encode())
                file.flush()
            except OSError:
                file.truncate(size)  # no half line is left on a full disk
                raise
    except OSError as error:
        raise CompileError(
            f"cannot write the timing cache '{path}': {(error.strerror or str(error)).lower()}"
        ) from None
