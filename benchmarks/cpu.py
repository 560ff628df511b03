#!/usr/bin/env python3
"""Latency on the CPU of Kernelwright, ONNX Runtime and OpenVINO, in turn in one run, as ratios.

    cpu.py [--precision fp32] [--threads 2] [--rounds 7] [--realtime] [--out cpu] [MODEL[@batch=8] ...]

Each runtime lives in a process of its own and sleeps while another is timed. In every round each is warmed up with one
call and then timed over at least `--seconds`, in an order that rotates; the median call of the round counts, and the
median over the rounds is reported. `--realtime` (root) keeps other processes of the machine off the cores meanwhile.
Outputs are compared with ONNX Runtime's. A runtime without the precision sits out.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import sys
from pathlib import Path
from typing import Any

import record
from accuracy import relative_error

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))
import zoo
from cpu_runtimes import RUNTIMES, OnnxRuntime, Worker


def case_of(text: str) -> zoo.Case:
    """`resnet50.ts`, or at other sizes: `resnet50.ts@batch=8`."""
    model, _, sizes = text.partition("@")
    case = zoo.cases(model)[0]
    given = {name: int(size) for name, _, size in (part.partition("=") for part in sizes.split(",") if part)}
    return dataclasses.replace(case, sizes={**case.sizes, **given})


def compare(case: zoo.Case, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case."""
    reference = Worker(OnnxRuntime, case, options.threads, "fp32")
    expected = reference.outputs()
    reference.close()
    workers: dict[str, Worker] = {}
    failed: dict[str, str] = {}
    for runtime in RUNTIMES:
        if options.precision in runtime.precisions:
            try:
                workers[runtime.name] = Worker(runtime, case, options.threads, options.precision)
            except RuntimeError as error:
                failed[runtime.name] = str(error)
    rounds: dict[str, list[float]] = {name: [] for name in workers}
    names = list(workers)
    for number in range(options.rounds):
        for turn in range(len(names)):
            name = names[(number + turn) % len(names)]
            rounds[name].append(workers[name].median_call(options.seconds, options.realtime))
    latency = {name: round(statistics.median(times), 3) for name, times in rounds.items()}
    mine = latency.pop("kernelwright")
    found = workers["kernelwright"].outputs()
    figures = {
        "case": str(case),
        "milliseconds": {"kernelwright": mine, **latency},
        "speedup": round(min(latency.values()) / mine, 3),
        "builds": {name: {k: round(v, 3) for k, v in worker.figures.items()} for name, worker in workers.items()},
        "error": max(relative_error(a, b) for a, b in zip(found, expected, strict=True)),
    }
    for worker in workers.values():
        worker.close()
    return figures | ({"failed": failed} if failed else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--out", default="cpu")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    rows = []
    for text in options.cases or zoo.MODELS:
        rows.append(compare(case_of(text), options))
        row = rows[-1]
        times = "  ".join(f"{name} {value:9.3f} ms" for name, value in row["milliseconds"].items())
        print(f"{row['case']:44} {times}  x{row['speedup']:.2f}  error {row['error']:.1e}", flush=True)
    figures = {"threads": options.threads, "precision": options.precision, "cases": rows}
    print(record.save(options.out, figures, options.folder))


if __name__ == "__main__":
    main()
