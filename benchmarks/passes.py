#!/usr/bin/env python3
"""What each pass is worth on the CPU: every model that a pass changes, with the pass off against on, in one run.

    passes.py [--rounds 5] [--realtime] [MODEL ...]

For each pass that may be switched off: launches, bytes that kernels move, and latency, without it and with it. Both
plans are timed in turn; the median over the rounds of the median call counts.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))
import zoo
from cpu_runtimes import median_call

import kernelwright
from kernelwright.compiler import host
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.inspection import describe_plan
from kernelwright.compiler.options import CompileOptions, PassOptions
from kernelwright.compiler.pipelines import optional_passes
from kernelwright.runtime.engine import Engine

MODELS = (
    "mobilenet_v3_large.ts",
    "inception_v3.ts",
    "densenet121.ts",
    "bert_base.ts",
    "gpt2_past.ts",
    "t5_small_dec.dynamo",
    "lstm.ts",
)


def kernels(case: zoo.Case, *disabled: str) -> str:
    """The text of the kernels of a case."""
    options = CompileOptions(host.resolve("cpu"), shapes=case.shapes(), stop="kernels", passes=PassOptions(disabled))
    return str(compile_model(str(case.path), options).module)


def build(case: zoo.Case, *disabled: str) -> Engine:
    return kernelwright.compile(str(case.path), shapes=case.shapes(), disable_passes=disabled)


def work(engine: Engine) -> tuple[int, int]:
    """The launches of a run and the bytes they move."""
    entries = describe_plan(engine.plan, engine.tensors)["kernels"]
    return sum(k["calls"] for k in entries), sum(k["calls"] * k["bytes"] for k in entries)


def effects(case: zoo.Case, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The effect of every pass that changes the kernels of a case."""
    usual, on = kernels(case), build(case)
    for name in optional_passes():
        if kernels(case, name) == usual:
            continue
        off = build(case, name)
        times = dict(zip(("off", "on"), latencies([off, on], case, options), strict=True))
        work_off, work_on = work(off), work(on)
        yield {
            "pass": name,
            "case": str(case),
            "launches": {"off": work_off[0], "on": work_on[0]},
            "megabytes": {"off": round(work_off[1] / 1e6, 2), "on": round(work_on[1] / 1e6, 2)},
            "milliseconds": times,
        }


def latencies(engines: list[Engine], case: zoo.Case, options: argparse.Namespace) -> list[float]:
    """The median latency of each engine, in milliseconds, measured in turn."""
    contexts = [engine.create_context(threads=options.threads) for engine in engines]
    inputs = case.inputs()
    rounds: list[list[float]] = [[] for _ in contexts]
    for number in range(options.rounds):
        order = list(enumerate(contexts))
        for i, context in reversed(order) if number % 2 else order:
            rounds[i].append(median_call(lambda: context.run(inputs), options.seconds, options.realtime))  # noqa: B023
    return [round(statistics.median(times), 3) for times in rounds]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.3)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    rows = []
    for model in options.models or MODELS:
        for row in effects(zoo.cases(model)[0], options):
            rows.append(row)
            print(
                f"{row['pass']:28} {row['case']:36} {row['launches']} {row['megabytes']} {row['milliseconds']}",
                flush=True,
            )
    print(record.save("passes", {"threads": options.threads, "effects": rows}, options.folder))


if __name__ == "__main__":
    main()
