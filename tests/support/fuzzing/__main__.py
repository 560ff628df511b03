"""Differential fuzzing: random ONNX graphs, what they ought to compute, and every way Kernelwright computes them.

`python -m fuzzing --seeds 0:2000 --processes 8`, with dev and tests/support on PYTHONPATH, tries a range of seeds.
"""

from __future__ import annotations

import argparse
import collections
import os
import sys
import time
from collections.abc import Iterator

from .run import Options, Outcome, outcomes


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--seeds", default="0:100", help="FIRST:END, the end not included")
    parser.add_argument("--processes", type=int, default=1, help="how many graphs are tried at a time (0: one a core)")
    parser.add_argument("--only", help="graphs of one family of operators")
    parser.add_argument("--way", help="compute the graphs in one way: nn, cpu, cuda, ...")
    parser.add_argument("--every-pass", action="store_true", help="leave out each pass in turn, not one by chance")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="start no more graphs after so long")
    parser.add_argument("--models", action="store_true", help="print the smallest model that fails, too")
    arguments = parser.parse_args()
    first, _, end = arguments.seeds.partition(":")
    options = Options(arguments.only, arguments.way, arguments.every_pass)
    processes = arguments.processes or os.cpu_count() or 1
    seeds = _until(range(int(first), int(end)), time.monotonic() + arguments.seconds)
    sys.exit(_report(outcomes(seeds, options, processes), arguments.models))


def _until(seeds: range, deadline: float) -> Iterator[int]:
    for seed in seeds:
        if time.monotonic() > deadline:
            print(f"no time is left for seeds {seed}:{seeds.stop}", flush=True)
            return
        yield seed


def _report(found: Iterator[Outcome], models: bool) -> int:
    """Print each mismatch on a line, and what was tried; the exit code."""
    tried = failed = 0
    operators: collections.Counter[str] = collections.Counter()
    for outcome in found:
        tried, failed = tried + 1, failed + bool(outcome.failures)
        operators.update(outcome.operators)
        for failure in outcome.failures:
            print(f"seed {outcome.seed}: {' | '.join(str(failure).splitlines())}", flush=True)
            if models and failure.model:
                print(failure.model, flush=True)
    print(f"{tried} graphs, {failed} of them fail; {operators.total()} nodes of {len(operators)} operators")
    return 1 if failed or not tried else 0


if __name__ == "__main__":
    main()
