#!/usr/bin/env python3
"""Follow the numbers of every model of the zoo through all passes, from `nn` to tile programs (`--check-numerics`).

    numerics.py [--processes 1] [--target cpu] [--precision fp32] [MODEL ...]

For all models, writes benchmarks/results/numerics_TARGET_PRECISION.json: how many passes were compared, the seconds
that took, and where a pass departed, its message.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))
import zoo

COMPARED = "check-numerics: "


def check(model: str, target: str, precision: str) -> dict[str, Any]:
    """What `compile --check-numerics` says of one model at its smaller sizes, in a process of its own."""
    case = min(zoo.cases(model), key=lambda case: sum(math.prod(shape) for shape in case.shapes().values()))
    shapes = ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in case.shapes().items())
    path = os.pathsep.join(map(os.path.abspath, sys.path))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "kernelwright", "compile", str(case.path), "--compile-to=tile"]
        command += [f"--target={target}", f"--precision={precision}", f"--shapes={shapes}", "--check-numerics"]
        done = subprocess.run(
            [*command, "-o", f"{folder}/model.tile.mlir"],
            capture_output=True,
            text=True,
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            check=False,
        )
    lines = done.stderr.splitlines()
    said = next((line for line in lines if line.startswith(COMPARED)), "")
    figures: dict[str, Any] = {"seconds": round(time.monotonic() - started, 1)}
    if done.returncode == 0 and said:
        return figures | {"passes": int(said.removeprefix(COMPARED).split()[0])}
    return figures | {"departed": "\n".join(lines[-5:])}


def check_all(models: Sequence[str], options: argparse.Namespace) -> dict[str, dict[str, Any]]:
    """The figures of each model; several at once, the largest files first."""
    largest_first = sorted(models, key=lambda model: -zoo.cases(model)[0].path.stat().st_size)
    found = {}
    with ThreadPoolExecutor(options.processes) as pool:
        results = pool.map(lambda model: check(model, options.target, options.precision), largest_first)
        for model, figures in zip(largest_first, results, strict=True):
            found[model] = figures
            print(f"{model:28} {figures}", flush=True)
    return {model: found[model] for model in models}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--precision", default="fp32")
    options = parser.parse_args()
    figures = check_all(options.models or zoo.MODELS, options)
    if not options.models:
        name = f"numerics_{options.target.replace(':', '_')}_{options.precision}"
        print(record.save(name, {"target": options.target, "precision": options.precision, "models": figures}))
    if any("departed" in one for one in figures.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()
