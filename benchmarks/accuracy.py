#!/usr/bin/env python3
"""Compare every output of every model of the zoo with ONNX Runtime: the relative error ‖ours - theirs‖ / ‖theirs‖.

    accuracy.py [--target cpu] [--precision fp32] [--out NAME] [MODEL ...]

The reference is ONNX Runtime on the CPU in fp32 on the same inputs.
Prints a line a case and writes benchmarks/results/NAME.json; exits with 1 where a case is beyond its bound.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))
import zoo

import kernelwright

BOUNDS = {"fp32": 2e-5, "tf32": 5e-3, "fp16": 1e-2, "bf16": 5e-2}


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """‖ours - theirs‖ / ‖theirs‖ in float64; infinite where ours is not finite."""
    a, b = ours.astype(np.float64), theirs.astype(np.float64)
    error = np.linalg.norm((a - b).ravel()) / max(np.linalg.norm(b.ravel()), 1e-30)
    return float(error) if np.isfinite(error) else float("inf")


def reference(case: zoo.Case, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """ONNX Runtime's outputs by name."""
    session = onnxruntime.InferenceSession(str(case.path), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, map(np.asarray, session.run(names, inputs)), strict=True))


def measure(model: str, target: str, precision: str) -> list[dict[str, Any]]:
    """The errors of one model at each of its sizes, from one compiled engine."""
    cases = zoo.cases(model)
    start = time.perf_counter()
    engine = kernelwright.compile(str(cases[0].path), target=target, precision=precision)
    seconds = time.perf_counter() - start
    rows: list[dict[str, Any]] = []
    for case in cases:
        inputs = case.inputs()
        theirs = reference(case, inputs)
        ours = engine.run(inputs)
        errors = {name: relative_error(np.asarray(ours[name]), theirs[name]) for name in theirs}
        rows.append(
            {
                "case": str(case),
                "error": max(errors.values()),
                "outputs": errors,
                "compile_seconds": round(seconds, 2),
            }
        )
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=zoo.MODELS)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=sorted(BOUNDS))
    parser.add_argument("--out", help="name of the result file")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for model in options.models or zoo.MODELS:
        found: list[dict[str, Any]]
        try:
            found = measure(model, options.target, options.precision)
        except kernelwright.CompileError as error:
            found = [{"case": model, "error": float("inf"), "failure": str(error).splitlines()[0]}]
        rows += found
        for row in found:
            verdict = "ok" if row["error"] <= BOUNDS[options.precision] else "BEYOND"
            print(f"{row['case']:48} {row['error']:.2e} {verdict} {row.get('failure', '')}", flush=True)
    name = options.out or f"accuracy_{options.target.replace(':', '_')}_{options.precision}"
    print(record.save(name, {"bound": BOUNDS[options.precision], "cases": rows}, options.folder))
    return int(any(row["error"] > BOUNDS[options.precision] for row in rows))


if __name__ == "__main__":
    sys.exit(main())
