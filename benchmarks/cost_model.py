#!/usr/bin/env python3
"""The cost model of warpgroup products next to measurements of `gemm.py`.

    cost_model.py [--target cuda:h200] [--file gemm]

A line a product: what was measured, what the model says of the schedule that was measured, and the schedule it chooses
now where that is another. The last line is the error, root mean square of the logarithms of the ratios: what to look at
when a constant of `passes/tile/wgmma_blocks.py` changes.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import record

from kernelwright.ir import target as targets
from kernelwright.ir.target import CudaTarget
from kernelwright.ir.types import SCALARS
from kernelwright.passes.tile import wgmma_blocks
from kernelwright.passes.tile.cuda_blocks import Work
from kernelwright.passes.tile.wgmma_blocks import WgmmaSchedule


def described(schedule: WgmmaSchedule) -> str:
    turns = " in turn" if schedule.pingpong else ""
    parts = f", k in {schedule.splits}" if schedule.splits > 1 else ""
    return f"{schedule.m}x{schedule.n}x{schedule.k}, {schedule.groups} groups{turns}, {schedule.stages} stages{parts}"


def compare(case: dict[str, Any], dtype: str, target: CudaTarget) -> tuple[str, float]:
    """A line for a product, and the logarithm of estimated over measured time."""
    rows, columns, inner = case["shape"]
    work = Work(rows, columns, inner, 1, SCALARS[dtype], "")
    measured = WgmmaSchedule(**case["schedule"])
    seconds = case["microseconds"]["kernelwright"] * 1e-6
    estimate = wgmma_blocks.seconds(measured, work, target)
    result = SCALARS[dtype]
    best = min(wgmma_blocks.candidates(work, target, result), key=lambda one: wgmma_blocks.seconds(one, work, target))
    now = "" if best == measured else f" -> {described(best)}: {1e6 * wgmma_blocks.seconds(best, work, target):.2f}"
    line = f"{case['case']:18} {1e6 * seconds:9.2f} {1e6 * estimate:9.2f}  {described(measured)}{now}"
    return line, math.log(estimate / seconds)


def rms(errors: Iterable[float]) -> float:
    squares = [error * error for error in errors]
    return math.sqrt(sum(squares) / len(squares))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--file", default="gemm")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    target = targets.builtin(options.target)
    if not isinstance(target, CudaTarget):
        parser.error(f"{options.target} is no GPU")
    figures = json.loads((options.folder / f"{options.file}.json").read_text())["figures"]
    cases = [case for case in figures["cases"] if case["tactic"] == "wgmma_gemm" and "schedule" in case]
    if not cases:
        parser.error(f"{options.file} was measured without its schedules: run gemm.py again")
    compared = [compare(case, figures["dtype"], target) for case in cases]
    print(f"{'product':18} {'measured':>9} {'estimate':>9}  microseconds")
    print("\n".join(line for line, _ in compared))
    print(f"error of {len(compared)}: {100 * rms(error for _, error in compared):.1f} %")


if __name__ == "__main__":
    main()
