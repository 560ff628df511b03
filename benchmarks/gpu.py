#!/usr/bin/env python3
"""Latency on a GPU of Kernelwright and PyTorch, in turn in one process, as ratios.

    gpu.py [--set SET ...] [--skip CASE ...] [--compile] [--rounds 9] [--out gpu] [CASE ...]

A CASE is a network at sizes, resnet50@1 or bert_base@1,128, in a precision of its own where one stands in front of it:
tf32:resnet50@32. Each is one PyTorch module: PyTorch runs it in a CUDA graph, plain, and with --compile through
torch.compile(mode="max-autotune") in a CUDA graph; Kernelwright compiles its ONNX export, all cases at first, by as
many processes as --jobs. Inputs and outputs stay on the device. A round times `--calls` calls of each peer between two
events, in turn; the median of the rounds counts, and the best peer makes the ratio. Outputs are compared with PyTorch's
in fp32.
"""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import argparse
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from accuracy import relative_error
from cuda_graphs import graphed
from torch_models import build

import kernelwright

Run = Callable[[], object]
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "tf32": torch.float32, "fp32": torch.float32}
LARGE = ["resnet50", "efficientnet_b0", "mobilenet_v3_large", "inception_v3", "densenet121", "vit_b_16"]
SETS = {
    "batch1": [
        "resnet50@1", "efficientnet_b0@1", "mobilenet_v3_large@1", "inception_v3@1", "densenet121@1", "vit_b_16@1",
        "bert_base@1,128", "bert_base@1,384", "bert_large@1,384", "gpt2@1,512",
        "t5_small_enc@1,128", "lstm@1,50", "gru@1,50",
    ],
    "large": [
        *(f"{model}@{batch}" for batch in (32, 128) for model in LARGE),
        *(f"{model}@{batch},128" for batch in (32, 128) for model in ("bert_base", "bert_large")),
    ],
    "tf32": ["tf32:resnet50@1", "tf32:resnet50@32", "tf32:bert_base@1,128", "tf32:bert_base@32,128"],
}  # fmt: skip


@dataclass(frozen=True)
class Case:
    """A network at sizes, in a precision."""

    name: str
    network: str
    precision: str

    @staticmethod
    def of(name: str, precision: str) -> Case:
        own, _, network = name.rpartition(":")
        return Case(name, network, own or precision)


@dataclass(frozen=True)
class Compiled:
    """The plan file of a case and the seconds its compilation took, or why there is none."""

    path: str = ""
    seconds: float = 0.0
    failure: str = ""


def compile_case(case: Case, target: str, path: str) -> Compiled:
    """Export a case and write its plan to `path`."""
    torch.set_num_threads(1)
    with torch.no_grad(), tempfile.TemporaryDirectory() as folder:
        model = str(Path(folder) / "model.onnx")
        torch.onnx.export(*build(case.network), model, dynamo=True, external_data=False, verbose=False)
        start = time.perf_counter()
        try:
            kernelwright.compile(model, target=target, precision=case.precision).save(path)
        except kernelwright.CompileError as error:
            return Compiled(failure=str(error).splitlines()[0])
        return Compiled(path, time.perf_counter() - start)


def compile_all(cases: list[Case], folder: str, options: argparse.Namespace) -> list[Compiled]:
    paths = [str(Path(folder) / f"{number}.plan") for number in range(len(cases))]
    with ProcessPoolExecutor(options.jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(compile_case, cases, itertools.repeat(options.target), paths))


def pytorch(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], precision: str, compiled: bool) -> dict[str, Run]:
    """PyTorch's ways to run a module, by name."""
    dtype = DTYPES[precision]
    module = model.cuda().to(dtype)
    args = [x.cuda().to(dtype) if x.is_floating_point() else x.cuda() for x in inputs]
    if inputs[0].ndim == 4:
        module = module.to(memory_format=torch.channels_last)
        args = [x.contiguous(memory_format=torch.channels_last) for x in args]
    runs: dict[str, Run] = {"eager": lambda: module(*args), "graph": graphed(torch, lambda: module(*args))}
    if compiled:
        fast = torch.compile(module, mode="max-autotune-no-cudagraphs")
        runs["compile"] = graphed(torch, lambda: fast(*args))
    return runs


def reference(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> np.ndarray:
    """What PyTorch computes in fp32."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    return model.cuda()(*(x.cuda() for x in inputs)).float().cpu().numpy()


def milliseconds(run: Run, calls: int) -> float:
    """The mean duration of a call between two events."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / calls


def compare(case: Case, compiled: Compiled, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case."""
    if compiled.failure:
        return {"case": case.name, "failure": compiled.failure}
    model, inputs = build(case.network)
    expected = reference(model, inputs)
    allow = case.precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow
    engine = kernelwright.load(compiled.path)
    context = engine.create_context(stream=torch.cuda.current_stream())
    feeds = {spec.name: x.cuda() for spec, x in zip(engine.inputs, inputs, strict=True)}
    name = engine.outputs[0].name
    found = context.run({key: x.cpu().numpy() for key, x in feeds.items()})[name]
    runs: dict[str, Run] = {"kernelwright": lambda: context.run(feeds, on_device=True)}
    runs |= pytorch(model, inputs, case.precision, options.compile)
    rounds: dict[str, list[float]] = {key: [] for key in runs}
    for run in runs.values():
        milliseconds(run, 3)
    for _ in range(options.rounds):
        for key, run in runs.items():
            rounds[key].append(milliseconds(run, options.calls))
    context.close()
    latency = {key: round(statistics.median(times), 4) for key, times in rounds.items()}
    best = min(value for key, value in latency.items() if key != "kernelwright")
    return {
        "case": case.name,
        "milliseconds": latency,
        "speedup": round(best / latency["kernelwright"], 3),
        "compile_seconds": round(compiled.seconds, 1),
        "error": relative_error(np.asarray(found), expected),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--set", dest="sets", nargs="+", default=[], choices=sorted(SETS))
    parser.add_argument("--skip", nargs="+", default=[], metavar="CASE")
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--precision", default="fp16", choices=sorted(DTYPES))
    parser.add_argument("--compile", action="store_true", help="also torch.compile (minutes a case)")
    parser.add_argument("--jobs", type=int, default=min(12, os.cpu_count() or 1), help="processes that compile")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--out", default="gpu")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    chosen = [*options.cases, *(name for key in options.sets for name in SETS[key])] or list(
        itertools.chain(*SETS.values())
    )
    cases = [Case.of(name, options.precision) for name in chosen if name not in options.skip]
    torch.backends.cudnn.benchmark = True
    torch.set_grad_enabled(False)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for case, compiled in zip(cases, compile_all(cases, folder, options), strict=True):
            rows.append(compare(case, compiled, options))
            print(rows[-1], flush=True)
            torch.cuda.empty_cache()
    speedups = [row["speedup"] for row in rows if "speedup" in row]
    if speedups:
        print(f"geometric mean of {len(speedups)}: {statistics.geometric_mean(speedups):.3f}, least {min(speedups)}")
    print(record.save(options.out, {"precision": options.precision, "cases": rows}, options.folder))


if __name__ == "__main__":
    main()
