"""Many seeds, on one or several processes: a graph that crashes or never ends is a failure like any other."""

from __future__ import annotations

import itertools
import multiprocessing
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from random import Random

from .build import build
from .check import Failure, check

SECONDS = 600.0
"""The longest that one graph may take."""


@dataclass(frozen=True)
class Options:
    """The family of operators and the way that all graphs are of, where one is asked for; and see `check`."""

    only: str | None = None
    way: str | None = None
    every_pass: bool = False


@dataclass(frozen=True)
class Outcome:
    seed: int
    failures: list[Failure]
    operators: list[str] = field(default_factory=list)


def outcomes(seeds: Iterator[int], options: Options, processes: int) -> Iterator[Outcome]:
    """The outcome of every seed, as they come."""
    if processes == 1:
        yield from (_outcome(seed, options) for seed in seeds)
        return
    # Each begins anew: threads and handles of this process do not survive a fork.
    context = multiprocessing.get_context("spawn")
    workers = [_Worker(context, options, seed) for seed in itertools.islice(seeds, processes)]
    while workers:
        wait([worker.connection for worker in workers], timeout=1)
        for worker in list(workers):
            outcome = worker.outcome()
            if outcome is None:
                continue
            yield outcome
            seed = next(seeds, None)
            if seed is None:
                worker.stop()
                workers.remove(worker)
            else:
                worker.give(seed)


def _outcome(seed: int, options: Options) -> Outcome:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of NumPy, about infinities
        graph = build(Random(seed), options.only)
        failures = check(graph, options.every_pass, options.way)
    return Outcome(seed, failures, [node.op_type for node in graph.nodes])


def _serve(connection: Connection, options: Options) -> None:
    while (seed := connection.recv()) is not None:
        connection.send(_outcome(seed, options))


class _Worker:
    """A process that tries one seed after the other, and is replaced when it dies."""

    def __init__(self, context: SpawnContext, options: Options, seed: int) -> None:
        self.context, self.options = context, options
        self._start()
        self.give(seed)

    def _start(self) -> None:
        self.connection, other = self.context.Pipe()
        self.process = self.context.Process(target=_serve, args=(other, self.options), daemon=True)
        self.process.start()
        other.close()

    def give(self, seed: int) -> None:
        self.seed, self.deadline = seed, time.monotonic() + SECONDS
        self.connection.send(seed)

    def outcome(self) -> Outcome | None:
        """What became of the seed; None while it runs."""
        if self.connection.poll():
            try:
                return self.connection.recv()
            except EOFError:
                self.process.join()
                return self._lost(f"the process ended with code {self.process.exitcode}")
        if time.monotonic() > self.deadline:
            return self._lost(f"takes more than {SECONDS:.0f} seconds")
        return None

    def _lost(self, why: str) -> Outcome:
        self.process.kill()
        self._start()
        return Outcome(self.seed, [Failure("crash", why)])

    def stop(self) -> None:
        self.connection.send(None)
        self.process.join()
