#!/usr/bin/env python3
"""Count what a run of every model of the zoo launches: kernels and copies, at the sizes and batch of the zoo.

    kernel_counts.py [--target cpu] [MODEL ...]

Prints a line a model. For all models, writes benchmarks/results/kernel_counts.json and the table in docs/kernels.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import record

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "models"))
import zoo

from kernelwright.compiler import host
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.dialects import plan
from kernelwright.passes.base import PassContext
from kernelwright.passes.plan.lower_to_plan import LowerToPlan

TABLE = Path(__file__).resolve().parent.parent / "docs" / "kernels.md"


def count(model: str, target: str = "cpu") -> int:
    """The launches and copies of one run of `model` with all sizes known."""
    case = zoo.cases(model)[0]
    options = CompileOptions(host.resolve(target), shapes=case.shapes(), stop="kernels")
    module = compile_model(str(case.path), options).module
    # Steps do not depend on how kernels are tiled, which takes most of a compilation.
    LowerToPlan().run(module, PassContext())
    return sum(isinstance(op, plan.Launch | plan.Copy) for op in module.main.walk())


def table(counts: dict[str, int]) -> str:
    """The counts as a page of the documentation."""
    rows = [f"| {zoo.cases(model)[0]} | {number} |" for model, number in counts.items()]
    return "\n".join(
        [
            "# Kernels of the zoo's graphs",
            "",
            "Launches and copies in one run, all sizes known; written by `benchmarks/kernel_counts.py`, and",
            "`tests/compiler/test_kernel_counts.py` holds them.",
            "",
            "| graph | launches |",
            "|---|---|",
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--target", default="cpu")
    options = parser.parse_args()
    counts = {}
    for model in options.models or zoo.MODELS:
        counts[model] = count(model, options.target)
        print(f"{model:28} {counts[model]}", flush=True)
    if not options.models:
        print(record.save("kernel_counts", counts))
        TABLE.write_text(table(counts))


if __name__ == "__main__":
    main()
