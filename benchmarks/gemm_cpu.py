#!/usr/bin/env python3
"""Matrix products on the CPU as parts of the peak that a loop of multiply-adds alone reaches, in turn in one process.

    gemm_cpu.py [--threads 1,2] [--rounds 9] [--realtime] [--out gemm_cpu] [DTYPE:CASE ...]


A case is a layer of a network at batch 1 (`bert-up`), or rows x columns x inner (`1024x1024x1024`), of `f32` or `bf16`,
with weights packed ahead. In
every round the loop of the case's type and its product run in turn, the fastest of a few calls each; the median of the
rounds' ratios counts. Results are compared with products in float64. The time of a run of an empty plan, which is what
a run costs beside its kernels, stands with them.
`--realtime` (root) keeps other processes of the machine off the cores meanwhile.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import record
from products import Product
from realtime import Realtime

from kernelwright.codegen.cpu import bf16, compile_object, pool_object
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import host
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.attributes import DictAttr, StringAttr
from kernelwright.ir.dialects.builtin import Module, Return, function
from kernelwright.ir.types import TensorType, f32
from kernelwright.runtime.cpu_pool import Library, Pool

LAYERS = (
    "1024x1024x1024", "bert-query", "bert-joined", "bert-up", "bert-down", "bert-large-up", "vit-up", "vit-down",
    "resnet-56", "resnet-28", "resnet-14", "resnet-7",
)  # fmt: skip
CASES = [f"{dtype}:{layer}" for dtype in ("f32", "bf16") for layer in LAYERS]
ACCUMULATORS = 12
"""Independent sums of the loop: enough to hide the latency of two multiply-adds a cycle."""
LOOP_SECONDS = 4e-3
CALLS = 5
EMPTY_RUNS = 2000


def loop_source(dtype: str, lanes: int, features: tuple[str, ...]) -> tuple[str, int]:
    """LLVM IR of `peak`, which multiplies and adds `symbols` times, and the operations a turn of it takes."""
    vector = f"<{lanes} x float>"
    if dtype == "bf16":
        widths = next(widths for name, widths in bf16.DOT_INSTRUCTIONS.items() if name in features)
        width, intrinsic = next(iter(widths.items()))
        vector, operand, work = f"<{width} x float>", f"<{2 * width} x bfloat>", 4 * width
        declaration = f"declare {vector} @{intrinsic}({vector}, {operand}, {operand})"
        call = f"call {vector} @{intrinsic}({vector} %a{{0}}, {operand} splat (bfloat 1.0), {operand} zeroinitializer)"
    else:
        declaration = f"declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})"
        one = f"{vector} splat (float 0.5)"
        call, work = f"call {vector} @llvm.fma.v{lanes}f32({vector} %a{{0}}, {one}, {one})", 2 * lanes
    numbers = range(ACCUMULATORS)
    phis = "\n".join(f"  %a{n} = phi {vector} [ zeroinitializer, %entry ], [ %b{n}, %turn ]" for n in numbers)
    steps = "\n".join(f"  %b{n} = " + call.format(n) for n in numbers)
    # Every sum is stored, so that none is left out.
    stores = "\n".join(
        f"  %p{n} = getelementptr {vector}, ptr %mine, i64 {n}\n  store {vector} %b{n}, ptr %p{n}" for n in numbers
    )
    return (
        f"""
{declaration}
define void @peak(ptr %buffers, ptr %count, i64 %worker, i64 %workers, ptr %barrier) {{
entry:
  %mine = alloca [{ACCUMULATORS} x {vector}], align 64
  %turns = load i64, ptr %count
  br label %turn
turn:
  %i = phi i64 [ 0, %entry ], [ %next, %turn ]
{phis}
{steps}
  %next = add i64 %i, 1
  %more = icmp ult i64 %next, %turns
  br i1 %more, label %turn, label %done
done:
{stores}
  call void asm sideeffect "", "r,~{{memory}}"(ptr %mine)
  ret void
}}
""",
        ACCUMULATORS * work,
    )


class Peak:
    """The loop of one element type on the workers of a pool."""

    def __init__(self, dtype: str, threads: int) -> None:
        target = host()
        source, self.work = loop_source(dtype, target.lanes(32), target.features)
        self.library = Library([compile_object(source, target), pool_object(target)], ["peak"])
        self.pool, self.threads = Pool(self.library, threads), threads
        self.turns = np.array([1000], np.int64)
        while fastest(self._run, 2) < LOOP_SECONDS:
            self.turns *= 2

    def _run(self) -> None:
        self.pool.run(self.library.address("peak"), 0, self.turns.ctypes.data, self.threads)

    def flops(self) -> float:
        """Operations a second of all workers."""
        return self.work * int(self.turns[0]) * self.threads / fastest(self._run, CALLS)

    def close(self) -> None:
        self.pool.close()


def fastest(call: Callable[[], object], calls: int) -> float:
    """The least seconds of a few calls, after one to warm up."""
    call()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def kernel_seconds(context: Any, inputs: dict[str, np.ndarray]) -> float:
    """The least time of the launches of a run."""
    return min(sum(step.seconds for step in context.profile(inputs)) for _ in range(CALLS))


def measure(case: str, threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case."""
    dtype, _, layer = case.partition(":")
    product = Product.of(layer, dtype)
    x, weights = product.arrays()
    compiled = compile_model(product.module(weights, host()), CompileOptions(host()))
    engine = compiled.engine()
    context, inputs = engine.create_context(threads=threads), {"x": x}
    found = context.run(inputs)["y"].astype(np.float64).reshape(product.rows, product.columns)
    expected = x.astype(np.float64) @ weights[0].astype(np.float64)
    peak = Peak(dtype, threads)
    ratios, times = [], []
    with Realtime(options.realtime):
        for _ in range(options.rounds):
            limit = peak.flops()
            times.append(kernel_seconds(context, inputs))
            ratios.append(product.flops / times[-1] / limit)
    peak.close()
    context.close()
    seconds = statistics.median(times)
    return {
        "case": case,
        "shape": [product.rows, product.columns, product.inner],
        "threads": threads,
        "tactic": engine.plan.kernels[0].tactic,
        "microseconds": round(seconds * 1e6, 1),
        "gflops": round(product.flops / seconds / 1e9, 1),
        "of_peak": round(statistics.median(ratios), 3),
        "error": float(np.linalg.norm(found - expected) / np.linalg.norm(expected)),
    }


def empty_run(threads: int, realtime: bool) -> float:
    """Microseconds of a run of a plan without kernels."""
    main = function("main", [TensorType((16,), f32)])
    main.block.append(Return((main.block.arguments[0],)))
    main.arg_attrs, main.res_attrs = ((DictAttr.of({"kw.name": StringAttr(name)}),) for name in ("x", "y"))
    main.update_type()
    module = Module.empty("empty")
    host().attach(module)
    module.attributes["kw.phase"] = StringAttr("legalize")
    module.block.append(main)
    context = compile_model(module, CompileOptions(host())).engine().create_context(threads=threads)
    inputs = {"x": np.zeros(16, np.float32)}
    times = []
    with Realtime(realtime):
        for _ in range(EMPTY_RUNS):
            start = time.perf_counter()
            context.run(inputs)
            times.append(time.perf_counter() - start)
    context.close()
    return round(statistics.median(times) * 1e6, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--realtime", action="store_true")
    parser.add_argument("--out", default="gemm_cpu")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    counts = [int(count) for count in options.threads.split(",")]
    rows = []
    for case in options.cases:
        for threads in counts:
            rows.append(measure(case, threads, options))
            print(rows[-1], flush=True)
    empty = {str(threads): empty_run(threads, options.realtime) for threads in counts}
    print("microseconds of a run of an empty plan, by threads:", empty)
    print(record.save(options.out, {"cases": rows, "empty_run_microseconds": empty}, options.folder))


if __name__ == "__main__":
    main()
