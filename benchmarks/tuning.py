#!/usr/bin/env python3
"""What tuning costs and what it gains: seconds of `kernelwright compile --tune`, latency without and with it.

    tuning.py [--precision fp16] [--level 3] [--out tuning] [CASE ...]                 CASE: resnet50@1, bert_base@1,128

Each case is compiled three times as the command line does it, in a process of its own: with the cost model alone, with
an empty timing cache, and with the cache that this has filled. The last two plans must be equal byte for byte. Latency
is the median of runs in turn, between events, tensors on the device.
"""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import record
import torch
from torch_models import build

import kernelwright

CASES = ["resnet50@1", "bert_base@1,128", "bert_large@1,384"]


def compiled(model: Path, plan: Path, options: Sequence[str]) -> float:
    """Seconds that the command takes to write `plan`. Raises CalledProcessError."""
    command = [sys.executable, "-m", "kernelwright", "compile", str(model), "-o", str(plan), *options]
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


class Timed:
    """A plan on the device, with an input and an output for its runs."""

    def __init__(self, plan: Path, inputs: tuple[torch.Tensor, ...]) -> None:
        self.engine = kernelwright.load(str(plan))
        self.context = self.engine.create_context()
        arrays = {spec.name: x.numpy() for spec, x in zip(self.engine.inputs, inputs, strict=True)}
        self.inputs = {name: self.context.to_device(array) for name, array in arrays.items()}
        self.outputs = self.context.run(self.inputs, on_device=True)
        for _ in range(5):
            self.seconds()

    def seconds(self) -> float:
        return self.context.seconds(self.inputs, self.outputs)


def compare(case: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """The figures of one case."""
    module, inputs = build(case)
    model, cache = folder / "model.onnx", folder / f"{case.partition('@')[0]}.jsonl"
    torch.onnx.export(module, inputs, str(model), dynamo=True, external_data=False, verbose=False)
    plain, first, second = (folder / f"{name}.plan" for name in ("plain", "first", "second"))
    usual = [f"--target={options.target}", f"--precision={options.precision}"]
    tuned = [*usual, f"--builder-level={options.level}", f"--timing-cache={cache}"]
    seconds = {
        "untuned": compiled(model, plain, usual),
        "cold": compiled(model, first, tuned),
        "warm": compiled(model, second, tuned),
    }
    plans = {"untuned": Timed(plain, inputs), "tuned": Timed(first, inputs)}
    rounds: dict[str, list[float]] = {name: [] for name in plans}
    for _ in range(options.rounds):
        for name, plan in plans.items():
            rounds[name].append(1000 * plan.seconds())
    latency = {name: statistics.median(times) for name, times in rounds.items()}
    return {
        "case": case,
        "build_seconds": {name: round(value, 1) for name, value in seconds.items()},
        "candidates": len(cache.read_text().splitlines()),
        "equal": first.read_bytes() == second.read_bytes(),
        "milliseconds": {name: round(value, 4) for name, value in latency.items()},
        "speedup": round(latency["untuned"] / latency["tuned"], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--precision", default="fp16")
    parser.add_argument("--level", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=51)
    parser.add_argument("--out", default="tuning")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    rows = []
    for case in options.cases or CASES:
        with tempfile.TemporaryDirectory() as folder:
            rows.append(compare(case, options, Path(folder)))
        print(rows[-1], flush=True)
    figures = {"precision": options.precision, "level": options.level, "cases": rows}
    print(record.save(options.out, figures, options.folder))


if __name__ == "__main__":
    main()
