#!/usr/bin/env python3
"""Matrix products on a GPU: Kernelwright's kernels and cuBLAS (through PyTorch), in turn in one process, as ratios.

    gemm.py [--dtype f16] [--rounds 9] [--out gemm] [CASE ...]              CASE: 8192x8192x8192, bert-up@8

A case is a layer of a network at a batch size, or rows x columns x inner. Products of one input with many weights make
one CUDA graph on either side, so that launches cost what they cost in a network and weights come from memory. A round
times the graphs in turn, behind work that keeps the GPU busy until the host is done; the median of the rounds' ratios
counts. Results are compared with products in float64.
"""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import multiprocessing
import re
import statistics
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import record
from cuda_graphs import graphed, milliseconds
from products import Product

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions, PassOptions
from kernelwright.ir import target as targets
from kernelwright.ir.types import SCALARS
from kernelwright.runtime import Engine
from kernelwright.runtime.plan import Plan, Weight

SQUARES = ["8192x8192x8192", "4096x4096x4096"]
BATCHES = {
    "bert-query": (1, 8, 32), "bert-joined": (1, 8, 32), "bert-up": (1, 8, 32, 128), "bert-down": (1, 8, 32, 128),
    "bert-large-up": (1, 32), "gpt2-joined": (1, 8), "gpt2-up": (1, 8), "gpt2-down": (1, 8), "vit-out": (1, 8, 32),
    "vit-up": (1, 8, 32), "vit-down": (1, 8), "resnet-56": (1, 32), "resnet-28": (1, 32), "resnet-14": (8, 128),
    "resnet-7": (1, 32),
}  # fmt: skip
CASES = [*SQUARES, *(f"{layer}@{batch}" for layer, batches in BATCHES.items() for batch in batches)]
GRAPH_SECONDS = 2e-4
"""What a graph should take, where memory and the number of weights allow."""
MOST_WEIGHTS = 64
WEIGHT_BYTES = 128e6
"""Twice what the cache holds."""


def seconds(product: Product) -> float:
    """Roughly what one takes."""
    return max(product.flops / 700e12, 3e-6)


def weights_of(product: Product) -> int:
    """How many products of different weights make a graph."""
    fit = int(WEIGHT_BYTES / (SCALARS[product.dtype].bytes * product.columns * product.inner))
    return max(1, min(MOST_WEIGHTS, fit, round(GRAPH_SECONDS / seconds(product))))


Built = tuple[Plan, dict[str, np.ndarray]]
"""A plan and its tensors without the weights."""


def build(case: str, dtype: str, target: str) -> Built:
    """The plan of a case, which is the same for any weights. Products of one input stay launches of their own."""
    product = Product.of(case, dtype)
    empty = [np.zeros((product.inner, product.columns), SCALARS[dtype].numpy) for _ in range(weights_of(product))]
    known = targets.builtin(target)
    options = CompileOptions(known, passes=PassOptions(disabled=("join-products",)))
    compiled = compile_model(product.module(empty, known), options)
    assert compiled.plan is not None
    weights = {buffer.storage.tensor for buffer in compiled.plan.buffers if isinstance(buffer.storage, Weight)}
    return compiled.plan, {name: array for name, array in compiled.tensors.items() if name not in weights}


def build_all(cases: list[str], options: argparse.Namespace) -> list[Built]:
    """The plans of all cases, by as many processes as there are cores."""
    arguments = cases, [options.dtype] * len(cases), [options.target] * len(cases)
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(build, *arguments))


class Peers:
    """The operands of a product on the device, and its runs on both sides."""

    def __init__(self, torch: Any, product: Product, engine: Any, x: np.ndarray, weights: list[np.ndarray]) -> None:
        self.torch, self.product = torch, product
        dtype = {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}[product.dtype]
        to_device = lambda array: torch.from_numpy(array.astype(np.float32)).cuda().to(dtype)  # noqa: E731
        self.x = to_device(x)
        self.weights = [to_device(weight).T.contiguous() for weight in weights]
        shape = (len(weights), product.rows, product.columns)
        self.found, self.theirs = (torch.empty(shape, dtype=dtype, device="cuda") for _ in range(2))
        self.context = engine.create_context(stream=torch.cuda.current_stream())

    def ours(self) -> None:
        self.context.run({"x": self.x}, {"y": self.found})

    def cublas(self) -> None:
        for number, weight in enumerate(self.weights):
            self.torch.mm(self.x, weight.T, out=self.theirs[number])

    def error(self) -> float:
        """The largest relative error in norm of the first and the last product."""
        self.found.fill_(float("nan"))
        self.ours()
        worst = 0.0
        for number in (0, -1):
            expected = self.x.double() @ self.weights[number].T.double()
            worst = max(worst, ((self.found[number].double() - expected).norm() / expected.norm()).item())
        return worst

    def times(self, rounds: int) -> tuple[list[float], list[float]]:
        """Microseconds of a product, a round each: ours and cuBLAS's."""
        theirs = graphed(self.torch, self.cublas)
        for run in (self.ours, theirs):
            milliseconds(self.torch, run, 3)
        calls = max(1, min(8, round(2e-3 / (len(self.weights) * seconds(self.product)))))
        found: tuple[list[float], list[float]] = ([], [])
        for _ in range(rounds):
            for times, run in zip(found, (self.ours, theirs), strict=True):
                times.append(1000 * milliseconds(self.torch, run, calls) / len(self.weights))
        return found


def compare(torch: Any, case: str, built: Built, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case."""
    product = Product.of(case, options.dtype)
    x, weights = product.arrays(weights_of(product))
    plan, tensors = built
    engine = Engine(plan, tensors | {f"w{number}": array for number, array in enumerate(weights)})
    peers = Peers(torch, product, engine, x, weights)
    error = peers.error()
    ours, theirs = peers.times(options.rounds)
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    mine = statistics.median(ours)
    peers.context.close()
    return {
        "case": case,
        "shape": [product.rows, product.columns, product.inner],
        "tactic": plan.kernels[0].tactic,
        "schedule": {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", plan.kernels[0].schedule)},
        "microseconds": {"kernelwright": round(mine, 2), "cublas": round(statistics.median(theirs), 2)},
        "tflops": round(product.flops / mine / 1e6, 1),
        "speedup": round(ratio, 3),
        "error": float(f"{error:.2e}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--dtype", default="f16", choices=["f16", "bf16", "f32"], help="f32: rounded to tf32")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--out", default="gemm")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    cases = options.cases or CASES
    plans = build_all(cases, options)
    import torch  # noqa: PLC0415, optional: --help works without

    torch.backends.cuda.matmul.allow_tf32 = True
    rows = []
    for case, built in zip(cases, plans, strict=True):
        rows.append(compare(torch, case, built, options))
        print(rows[-1], flush=True)
        torch.cuda.empty_cache()
    speedups = [row["speedup"] for row in rows]
    mean = statistics.geometric_mean(speedups)
    print(f"geometric mean of {len(rows)}: {mean:.3f}")
    figures = {"dtype": options.dtype, "cases": rows, "geometric_mean": round(mean, 3)}
    print(record.save(options.out, figures, options.folder))


if __name__ == "__main__":
    main()
