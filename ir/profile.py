"""The profile of a module: which values the symbolic dimensions of its inputs may take, as the attribute `kw.profile`.

    module attributes {kw.profile = {batch = array<i64: 1, 8, 64>}}

The numbers are the least, the usual (what schedules are chosen for) and the greatest value; -1 is "no limit".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .attributes import DenseArrayAttr, DictAttr
from .core import Operation
from .diagnostics import CompileError
from .types import i64

ATTRIBUTE = "kw.profile"


@dataclass(frozen=True)
class Range:
    """A dimension is from `min` to `max` (None: unbounded) and usually `opt`."""

    min: int = 1
    opt: int = 1
    max: int | None = None


@dataclass(frozen=True)
class Profile:
    """The ranges of symbols by name; a symbol without one may be anything from 1 on."""

    ranges: Mapping[str, Range] = field(default_factory=dict)

    @staticmethod
    def of(module: Operation) -> Profile:
        """The profile of a module, empty where it says nothing. Raises CompileError for a malformed attribute."""
        attribute = module.attributes.get(ATTRIBUTE)
        if attribute is None:
            return Profile()
        entries = attribute.items if isinstance(attribute, DictAttr) else ()
        ranges: dict[str, Range] = {}
        for name, numbers in entries:
            if not isinstance(numbers, DenseArrayAttr) or len(numbers.values) != 3:
                raise CompileError(f"{ATTRIBUTE}: '{name}' must be array<i64: min, opt, max>, found {numbers}")
            low, usual, high = (int(value) for value in numbers.values)
            ranges[name] = Range(low, usual, None if high < 0 else high)
        return Profile(ranges)

    def attach(self, module: Operation) -> None:
        numbers = {name: (r.min, r.opt, -1 if r.max is None else r.max) for name, r in self.ranges.items()}
        module.attributes[ATTRIBUTE] = DictAttr.of({name: DenseArrayAttr(i64, n) for name, n in numbers.items()})

    def range(self, symbol: str) -> Range:
        return self.ranges.get(symbol, Range())
