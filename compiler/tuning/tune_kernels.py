"""tune-kernels: choose each kernel's schedule by time."""

from __future__ import annotations

import hashlib
import math
import os
from concurrent.futures import wait
from dataclasses import dataclass
from pathlib import Path

from ... import __version__
from ...ir.attributes import DictAttr
from ...ir.diagnostics import CompileError, Diagnostic
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn import Constant
from ...ir.profile import Profile
from ...ir.symbols import Dim, substitute
from ...ir.target import ATTRIBUTE as TARGET
from ...ir.target import CudaTarget, Target
from ...ir.types import TensorType
from ...passes.base import EXACT, Pass, PassContext
from ...passes.kernel.outline import fingerprint
from ...passes.tile.packing import is_constant
from ...passes.tile.plans import estimate
from ...passes.tile.schedule_kernels import strategies_for
from ...passes.tile.strategies import candidates
from ...runtime.errors import DeviceError
from .alone import standalone
from .cache import Entry, TimingCache
from .measure import DeviceStopwatch, Stopwatch, launches_for, weight_sets_for
from .workers import workers

LEVELS: dict[int, int | None] = {0: 0, 1: 2, 2: 4, 3: 8, 4: 16, 5: None}
"""How many candidates of a kernel are timed at each builder level; None is all of them."""
HOPELESS = 2.0
"""A candidate that takes so many times as long as the fastest before it is run once."""


@dataclass(frozen=True)
class Candidate:
    """A strategy with parameters, and its time where it is known."""

    tactic: str
    schedule: DictAttr
    seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.seconds!r} {self.tactic} {self.schedule}"


class TuneKernels(Pass):
    """Time the candidates of each kernel on the device, and write the fastest as its `tactic` and `schedule`.

    `level` says how many candidates, those first that the cost model likes best: 0 none, 1 two, 2 four, 3 eight,
    4 sixteen, 5 all. Times come from the file `cache` where it has them, and new ones go into it; the median of `runs`
    timed runs counts. With `measure` false, or `error-on-miss`, nothing is timed: what the file lacks is left to the
    cost model, or an error. `force` is that of schedule-kernels.

    Two compilations with the same times choose the same schedules.
    """

    name = "tune-kernels"
    tolerance = EXACT
    level: int = 3
    cache: str = ""
    runs: int = 4
    measure: bool = True
    error_on_miss: bool = False
    force: tuple[str, ...] = ()

    def run(self, module: Module, context: PassContext) -> None:
        if self.level not in LEVELS:
            raise CompileError(f"the builder level is from 0 to {max(LEVELS)}, found {self.level}")
        times = TimingCache(Path(self.cache) if self.cache else None)
        kernels = [op for op in module.block if isinstance(op, kernel.Func) and not op.is_tiled and op.tactic is None]
        tuner = _Tuner(self, module, times, context)
        choices = [choice for func in kernels if (choice := tuner.open(func)) is not None]
        tuner.time(choices)
        for choice in choices:
            tuner.settle(choice)


@dataclass(frozen=True)
class Choice:
    """A kernel that has several candidates."""

    func: kernel.Func
    key: str
    candidates: list[Candidate]


class _Tuner:
    def __init__(self, options: TuneKernels, module: Module, times: TimingCache, context: PassContext) -> None:
        self.options = options
        self.times = times
        self.context = context
        self.target = Target.of(module)
        self.sizes = {name: known.opt for name, known in Profile.of(module).ranges.items()}
        self.target_text = str(module.attributes[TARGET])
        # What a network reads between two uses of a weight pushes it out of a GPU's cache, or does not.
        self.cold = isinstance(self.target, CudaTarget) and _weight_bytes(module) > self.target.l2_bytes

    def open(self, func: kernel.Func) -> Choice | None:
        """What there is to choose between for a kernel. Raises CompileError where times are missing and must not be."""
        found = self._proposals(func)
        if len(found) < 2:
            return None
        choice = Choice(func, self._key(func), found)
        missing = len(self._missing(choice))
        if missing and self.options.error_on_miss:
            raise self._miss(func, missing, len(found))
        return choice

    def settle(self, choice: Choice) -> None:
        """Write the fastest candidate whose time is known to the kernel."""
        timed = (self._known(choice.key, one) for one in choice.candidates)
        known = [one for one in timed if one.seconds is not None]
        if known:
            best = min(known, key=lambda one: one.seconds or 0.0)
            choice.func.tactic, choice.func.schedule = best.tactic, best.schedule
            choice.func.timings = tuple(map(str, known))
            self.context.count("tuned")

    def _least(self, choice: Choice) -> float:
        """The shortest time so far; infinity before any is taken."""
        known = (self._known(choice.key, one).seconds for one in choice.candidates)
        return min((seconds for seconds in known if seconds is not None), default=math.inf)

    def _missing(self, choice: Choice) -> list[Candidate]:
        return [one for one in choice.candidates if self._known(choice.key, one).seconds is None]

    def _proposals(self, func: kernel.Func) -> list[Candidate]:
        """Candidates: the first choice of every strategy, then the others, as the strategies rank them."""
        most = LEVELS[self.options.level]
        by_strategy = [
            [Candidate(strategy.name, schedule) for schedule in candidates(strategy, func, self.target)]
            for strategy in strategies_for(func, self.options.force)
        ]
        favourites = [one for found in by_strategy for one in found[:1]]
        others = [one for found in by_strategy for one in found[1:]]
        return [*favourites, *others][:most]

    def _known(self, key: str, one: Candidate) -> Candidate:
        return Candidate(one.tactic, one.schedule, self.times.lookup(key, one.tactic, str(one.schedule)))

    def _key(self, func: kernel.Func) -> str:
        """A hash of all that the times of a kernel's candidates depend on."""
        sizes = sorted(self.sizes.items())
        weights = [is_constant(func, index) for index in range(len(func.block.arguments))]
        text = "\n".join([__version__, self.target_text, str(sizes), str(weights), str(self.cold), fingerprint(func)])
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def time(self, choices: list[Choice]) -> None:
        """Compile all candidates without a time in parallel, and time each when its turn comes.

        What does not compile is left out. A CPU times when all is compiled: compiling would slow it.
        """
        jobs = (
            {(c.key, str(one)): (c, one) for c in choices for one in self._missing(c)} if self.options.measure else {}
        )
        if not jobs:
            return
        stopwatch: Stopwatch = DeviceStopwatch()
        cores = os.cpu_count() or 1
        with workers(min(cores, len(jobs))) as pool:
            builds = [pool.submit(self._module(choice, one)) for choice, one in jobs.values()]
            if not isinstance(self.target, CudaTarget):
                wait(builds)
            for number, ((choice, one), built) in enumerate(zip(jobs.values(), builds, strict=True), 1):
                try:
                    limit = HOPELESS * self._least(choice)
                    seconds = stopwatch.seconds(built.result(), self.options.runs, limit)
                except DeviceError as error:
                    raise self._no_device(error) from None
                except CompileError as error:
                    reason = f"not timed as {one.tactic} {one.schedule}: {error.diagnostics[0].message}"
                    self.context.remark(choice.func, reason)
                else:
                    self.times.record([self._entry(choice.func, choice.key, one, seconds)])
                self.context.progress(number / len(jobs))

    def _no_device(self, error: DeviceError) -> CompileError:
        note = "compile on the machine that has it, or take times from a --timing-cache without --tune"
        return CompileError(Diagnostic(f"cannot time candidates for {self.target.name}: {error}", notes=(note,)))

    def _module(self, choice: Choice, one: Candidate) -> Module:
        func = choice.func
        launches = launches_for(self._estimate(func), self._result_bytes(func))
        sets = 1
        if self.cold:
            assert isinstance(self.target, CudaTarget)
            sets = weight_sets_for(self.target.l2_bytes, self._weights(func), launches)
        module = standalone(func, launches, sets)
        (copy,) = (op for op in module.block if isinstance(op, kernel.Func))
        copy.tactic, copy.schedule = one.tactic, one.schedule
        return module

    def _weights(self, func: kernel.Func) -> int:
        """Bytes of the constants that a kernel is called with."""
        types = [a.type for a in func.block.arguments if is_constant(func, a.index)]
        return sum(self._number(t.size) * t.scalar.bytes for t in types if isinstance(t, TensorType))

    def _entry(self, func: kernel.Func, key: str, one: Candidate, seconds: float) -> Entry:
        return Entry(key, one.tactic, str(one.schedule), seconds, func.sym_name, self.target.name, __version__)

    def _estimate(self, func: kernel.Func) -> float:
        """Seconds that the traffic of a launch takes at full bandwidth."""
        return self._number(func.bytes or 0) / self.target.bandwidth

    def _result_bytes(self, func: kernel.Func) -> int:
        types = [value.type for value in func.block.terminator.operands]
        return sum(self._number(t.size) * t.scalar.bytes for t in types if isinstance(t, TensorType))

    def _number(self, size: Dim) -> int:
        return estimate(substitute(size, self.sizes), 1)

    def _miss(self, func: kernel.Func, missing: int, of: int) -> CompileError:
        nodes = ", ".join(f"'{name}'" for name in func.onnx or ()) or f"@{func.sym_name}"
        where = f"'{self.options.cache}'" if self.options.cache else "an empty timing cache"
        message = f"{where} lacks {missing} of {of} times for the kernel of {nodes}"
        note = "time them on the device, without --error-on-cache-miss"
        return CompileError(Diagnostic(message, func.location, notes=(note,)))


def _weight_bytes(module: Module) -> int:
    """Bytes of the constants of `main`."""
    constants = (op.result.type for op in module.walk() if isinstance(op, Constant))
    sizes = (type.size * type.scalar.bytes for type in constants if isinstance(type, TensorType))
    return sum(size for size in sizes if isinstance(size, int))
