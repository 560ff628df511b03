"""Differential fuzzing: random ONNX graphs, what they ought to compute, and every way Kernelwright computes them.

`python -m fuzzing --seeds 0:2000` (with dev and tests/support on PYTHONPATH) tries a range of seeds.
"""

from __future__ import annotations

from .build import build
from .check import Failure, check

__all__ = ["Failure", "build", "check"]
