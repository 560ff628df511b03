#!/usr/bin/env python3
"""Count what a run of every model of the zoo launches (kernels and copies) and the memory it works in.

    kernel_counts.py [MODEL ...]

Prints a line a model. For all models, writes benchmarks/results/kernel_counts.json and docs/kernels.md.
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
from kernelwright.ir.dialects.builtin import Func
from kernelwright.ir.symbols import Dim
from kernelwright.passes.analysis.liveness import arena_lifetimes
from kernelwright.passes.manager import PassManager
from kernelwright.passes.plan.assign_offsets import AssignOffsets
from kernelwright.passes.plan.lower_to_plan import LowerToPlan

TABLE = Path(__file__).resolve().parent.parent / "docs" / "kernels.md"


CONFIGURATIONS = (("cpu", "fp32"), ("cuda:sm_90a", "fp32"), ("cuda:sm_90a", "fp16"), ("cpu", "fp32", "open sizes"))


def count(model: str, target: str, precision: str, sizes: str = "") -> dict[str, int]:
    """What one run of `model` launches; with all sizes known its arena's bytes and the largest live set's too."""
    case = zoo.cases(model)[0]
    options = CompileOptions(
        host.resolve(target),
        precision,
        shapes={} if sizes and model not in zoo.STATIC else case.shapes(),
        stop="kernels",
    )
    module = compile_model(str(case.path), options).module
    # Steps do not depend on how kernels are tiled, which takes most of a compilation.
    PassManager([LowerToPlan(), AssignOffsets()]).run(module)
    launches = sum(isinstance(op, plan.Launch | plan.Copy) for op in module.main.walk())
    if sizes:
        return {"launches": launches}
    arena, bound = arena_bytes(module.main)
    return {"launches": launches, "arena_bytes": arena, "largest_live_set_bytes": bound}


def arena_bytes(main: Func) -> tuple[int, int]:
    """Where the last buffer of a placed arena ends, and the most bytes in use at one step."""
    lifetimes = [(life, aligned(life.bytes)) for life in arena_lifetimes(main)]
    arena = max(((life.op.offset or 0) + size for life, size in lifetimes), default=0)
    steps = {life.start for life, _ in lifetimes}
    return arena, max((sum(size for life, size in lifetimes if life.start <= s <= life.end) for s in steps), default=0)


def aligned(size: Dim) -> int:
    assert isinstance(size, int)
    return -(-size // plan.ALIGNMENT) * plan.ALIGNMENT


def table(figures: dict[str, dict[str, dict[str, int]]]) -> str:
    """The figures as a page of the documentation."""
    rows = []
    for model, by_configuration in figures.items():
        launches = [str(figure["launches"]) for figure in by_configuration.values()]
        memory = by_configuration["cpu fp32"]
        arena, bound = memory["arena_bytes"], memory["largest_live_set_bytes"]
        rows.append(
            f"| {zoo.cases(model)[0]} | {' | '.join(launches)} | {arena / 1e6:.2f} | {arena / max(bound, 1):.3f} |"
        )
    names = [name(*configuration) for configuration in CONFIGURATIONS]
    return "\n".join(
        [
            "# Kernels and memory of the zoo's graphs",
            "",
            "Launches and copies in one run, all sizes known or left open; the arena of one run on the CPU, and its",
            "ratio to the largest set of tensors alive at one step, below which no placement can go. Written by",
            "`benchmarks/kernel_counts.py`; `tests/compiler/test_kernel_counts.py` holds the figures.",
            "",
            f"| graph | {' | '.join(names)} | arena MB | of the largest live set |",
            "|---|" + "---|" * (len(names) + 2),
            *rows,
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    options = parser.parse_args()
    figures = {}
    for model in options.models or zoo.MODELS:
        figures[model] = {name(*configuration): count(model, *configuration) for configuration in CONFIGURATIONS}
        print(f"{model:28} {[tuple(figure.values()) for figure in figures[model].values()]}", flush=True)
    if not options.models:
        print(record.save("kernel_counts", figures))
        TABLE.write_text(table(figures))


def name(target: str, precision: str, sizes: str = "") -> str:
    """A configuration as tables head it."""
    return f"{target.partition(':')[0]} {precision} {sizes}".rstrip()


if __name__ == "__main__":
    main()
