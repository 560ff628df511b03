#!/usr/bin/env python3
"""Latency on the CPU of Kernelwright and ONNX Runtime, in turn in one run, as ratios.

    cpu.py [--precision fp32] [--threads 2] [--rounds 7] [--out cpu] [MODEL ...]

Each model runs at its own sizes. In every round each runtime is warmed up with one call and then timed over at least
`--seconds`; the median call of the round counts, and the median over the rounds is reported. Outputs are compared.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import record
from accuracy import relative_error

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))
import zoo

import kernelwright

Run = Callable[[], dict[str, np.ndarray]]


def ours(case: zoo.Case, inputs: dict[str, np.ndarray], options: argparse.Namespace) -> tuple[Run, float]:
    """A call of Kernelwright and the seconds the compilation took."""
    start = time.perf_counter()
    engine = kernelwright.compile(str(case.path), target="cpu", precision=options.precision)
    seconds = time.perf_counter() - start
    context = engine.create_context(threads=options.threads)
    return lambda: context.run(inputs), seconds


def onnx_runtime(case: zoo.Case, inputs: dict[str, np.ndarray], options: argparse.Namespace) -> tuple[Run, float]:
    """A call of ONNX Runtime and the seconds it took to load the model."""
    start = time.perf_counter()
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = options.threads
    settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(case.path), settings, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run() -> dict[str, np.ndarray]:
        return dict(zip(names, map(np.asarray, session.run(names, inputs)), strict=True))

    return run, time.perf_counter() - start


def median_call(run: Run, seconds: float) -> float:
    """The median duration of a call, in milliseconds, over at least `seconds` and 3 calls, after one to warm up."""
    run()
    times: list[float] = []
    while sum(times) < seconds or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def compare(model: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one model."""
    case = zoo.cases(model)[0]
    inputs = case.inputs()
    runs, builds = {}, {}
    for name, build in (("kernelwright", ours), ("onnxruntime", onnx_runtime)):
        runs[name], builds[name] = build(case, inputs, options)
    mine, theirs = runs["kernelwright"](), runs["onnxruntime"]()
    rounds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(options.rounds):
        for name in sorted(runs, reverse=number % 2 == 1):
            rounds[name].append(median_call(runs[name], options.seconds))
    latency = {name: round(statistics.median(times), 3) for name, times in rounds.items()}
    return {
        "case": str(case),
        "milliseconds": latency,
        "speedup": round(latency["onnxruntime"] / latency["kernelwright"], 3),
        "build_seconds": {name: round(seconds, 2) for name, seconds in builds.items()},
        "error": max(relative_error(np.asarray(mine[name]), theirs[name]) for name in theirs),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--out", default="cpu")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    rows = []
    for model in options.models or zoo.MODELS:
        rows.append(compare(model, options))
        row = rows[-1]
        times = "  ".join(f"{name} {value:9.3f} ms" for name, value in row["milliseconds"].items())
        print(f"{row['case']:44} {times}  x{row['speedup']:.2f}  error {row['error']:.1e}", flush=True)
    print(
        record.save(
            options.out, {"threads": options.threads, "precision": options.precision, "cases": rows}, options.folder
        )
    )


if __name__ == "__main__":
    main()
