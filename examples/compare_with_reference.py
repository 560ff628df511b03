#!/usr/bin/env python3
"""Compare outputs that `kernelwright run --output-dir` wrote with ONNX's reference evaluator.

compare_with_reference.py MODEL.onnx OUTPUTS_FOLDER NAME=FILE.npy ...
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from onnx.reference import ReferenceEvaluator

TOLERANCE = 2e-5  # fp32: the rounding of a deep network in two orders of summation


def relative_error(actual: np.ndarray, expected: np.ndarray) -> float:
    """|actual - expected| / |expected| in the Euclidean norm, in double precision."""
    difference = actual.astype(np.float64) - expected
    return float(np.linalg.norm(difference) / np.linalg.norm(expected.astype(np.float64)))


def main(model: str, folder: str, *arguments: str) -> int:
    inputs = {name: np.load(file) for name, _, file in (argument.partition("=") for argument in arguments)}
    evaluator = ReferenceEvaluator(model)
    worst = 0.0
    for name, result in zip(evaluator.output_names, evaluator.run(None, inputs), strict=True):
        expected = np.asarray(result)
        actual = np.load(Path(folder) / f"{name}.npy")
        if actual.shape != expected.shape:
            sys.exit(f"{name}: the plan gave shape {actual.shape}, the reference {expected.shape}")
        error = relative_error(actual, expected)
        top = np.argsort(-actual[0])[:5]
        print(f"{name}: shape {actual.shape}, top classes {top.tolist()}, relative error {error:.1e}")
        worst = max(worst, error)
    print("right" if worst <= TOLERANCE else f"wrong: the error is above {TOLERANCE:.0e}")
    return int(worst > TOLERANCE)


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
