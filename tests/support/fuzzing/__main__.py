"""Differential fuzzing: random ONNX graphs, what they ought to compute, and every way Kernelwright computes them.

`python -m fuzzing --seeds 0:2000`, with dev and tests/support on PYTHONPATH, tries a range of seeds.
"""

from __future__ import annotations

import argparse
import collections
import sys
import time
from random import Random

from .build import build
from .check import check


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m fuzzing", description=__doc__)
    parser.add_argument("--seeds", default="0:100", help="FIRST:END, the end not included")
    parser.add_argument("--only", help="graphs of one family of operators")
    parser.add_argument("--way", help="compute the graphs in one way: nn, cpu, cuda, ...")
    parser.add_argument("--every-pass", action="store_true", help="leave out each pass in turn, not one by chance")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long")
    arguments = parser.parse_args()
    first, _, end = arguments.seeds.partition(":")
    started, failed = time.monotonic(), 0
    operators: collections.Counter[str] = collections.Counter()
    seed = int(first)
    for seed in range(int(first), int(end)):
        if time.monotonic() - started > arguments.seconds:
            break
        graph = build(Random(seed), arguments.only)
        operators.update(node.op_type for node in graph.nodes)
        failures = check(graph, arguments.every_pass, arguments.way)
        failed += bool(failures)
        for failure in failures:
            print(f"seed {seed}: {failure}\n{failure.model}", flush=True)
    else:
        seed += 1
    print(f"seeds {first}:{seed}: {failed} graphs fail, {operators.total()} nodes of {len(operators)} operators")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
