"""Strategies: the ways to turn a kernel of `nn` ops into a tile program.

A strategy registers itself by being an instance passed to `register`. `schedule-kernels` asks them in order of
priority, the highest first; `generic` applies to every kernel whose ops have loop nests.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from ...ir.attributes import DictAttr
from ...ir.diagnostics import InternalError
from ...ir.dialects import kernel
from ...ir.target import CpuTarget, CudaTarget
from ..base import load_builtin_passes
from .schedule import Schedule

AnyTarget = CpuTarget | CudaTarget


class Strategy(Protocol):
    """One way to write a kernel's tile program."""

    @property
    def name(self) -> str:
        """What `tactic` says."""
        ...

    @property
    def priority(self) -> int:
        """Strategies of higher priority are asked first."""
        ...

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        """The parameters for a kernel, or why the strategy does not fit it.

        It is also asked about kernels that no `main` calls, to learn which the target can run.
        """
        ...

    def build(self, func: kernel.Func, schedule: DictAttr, target: AnyTarget) -> None:
        """Replace the kernel's body by a tile program and set `grid`, `threads` and `arg_shapes`.

        It may change the calls of the kernel too, to pass an operand in another layout. Raises ValueError for a
        schedule that is not of this strategy.
        """
        ...


@runtime_checkable
class Tunable(Protocol):
    """A strategy with several schedules for a kernel, of which measurements may choose."""

    def candidates(self, func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
        """The schedules for a kernel, the most promising first; none where the strategy does not fit.

        They may be some even where `schedule` refuses because another strategy should be faster.
        """
        ...


class RankedStrategy(ABC):
    """The base of strategies whose cost model ranks all schedules for a kernel: Tunable by `ranked` alone."""

    @abstractmethod
    def ranked(self, func: kernel.Func, target: AnyTarget) -> Sequence[Schedule] | str:
        """The schedules for a kernel, at least one, that of the least estimated time first; or why none fits."""

    def schedule(self, func: kernel.Func, target: AnyTarget) -> DictAttr | str:
        found = self.ranked(func, target)
        return found if isinstance(found, str) else found[0].to_attribute()

    def candidates(self, func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
        found = self.ranked(func, target)
        return [] if isinstance(found, str) else [schedule.to_attribute() for schedule in found]


SPECIALIZED = 100
"""Strategies from this priority on are made for kernels around one root; those below write any loop nest."""

STRATEGIES: dict[str, Strategy] = {}
"""All strategies by name."""


def register(strategy: Strategy) -> Strategy:
    """Make a strategy known. Its name is its alone: it is all that a dump says of it."""
    if strategy.name in STRATEGIES and type(STRATEGIES[strategy.name]) is not type(strategy):
        raise InternalError(f"two strategies are called '{strategy.name}'")
    STRATEGIES[strategy.name] = strategy
    return strategy


def by_priority() -> list[Strategy]:
    """All strategies, the first to be asked first."""
    load_builtin_passes()
    return sorted(STRATEGIES.values(), key=lambda s: (-s.priority, s.name))


def specialized(func: kernel.Func, target: AnyTarget) -> Strategy | None:
    """The strategy made for kernels like `func` that takes it; None where only strategies for any loop nest might."""
    found = (s for s in by_priority() if s.priority >= SPECIALIZED and not isinstance(s.schedule(func, target), str))
    return next(found, None)


def candidates(strategy: Strategy, func: kernel.Func, target: AnyTarget) -> list[DictAttr]:
    """The schedules of a strategy for a kernel, the most promising first; none where it does not fit."""
    if isinstance(strategy, Tunable):
        return strategy.candidates(func, target)
    chosen = strategy.schedule(func, target)
    return [] if isinstance(chosen, str) else [chosen]


def find(name: str) -> Strategy | None:
    """The strategy that a `tactic` names."""
    if name not in STRATEGIES:
        load_builtin_passes()
    return STRATEGIES.get(name)
