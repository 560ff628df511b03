#!/usr/bin/env python3
"""Latency on a GPU of Kernelwright and PyTorch, in turn in one process, as ratios.

    gpu.py [--precision fp16] [--compile] [--rounds 9] [--out gpu] [CASE ...]        CASE: resnet50@1, bert_base@1,128

Each case is one PyTorch module: PyTorch runs it in a CUDA graph, plain, and with --compile through
torch.compile(mode="max-autotune") in a CUDA graph; Kernelwright compiles its ONNX export. Inputs and outputs stay on
the device. A round times `--calls` calls of each peer between two events, in turn; the median of the rounds counts, and
the best peer makes the ratio. Outputs are compared with PyTorch's in fp32.
"""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
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
CASES = [
    "resnet50@1", "efficientnet_b0@1", "mobilenet_v3_large@1", "inception_v3@1", "densenet121@1", "vit_b_16@1",
    "bert_base@1,128", "bert_base@1,384", "bert_large@1,384", "gpt2@1,512", "t5_small_enc@1,128", "lstm@1,50",
    "gru@1,50", "resnet50@32", "vit_b_16@32", "bert_base@32,128",
]  # fmt: skip


def pytorch(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], options: argparse.Namespace) -> dict[str, Run]:
    """PyTorch's ways to run a module, by name."""
    dtype = DTYPES[options.precision]
    module = model.cuda().to(dtype)
    if inputs[0].ndim == 4:
        module = module.to(memory_format=torch.channels_last)
    args = [x.cuda().to(dtype) if x.is_floating_point() else x.cuda() for x in inputs]
    runs: dict[str, Run] = {"eager": lambda: module(*args), "graph": graphed(torch, lambda: module(*args))}
    if options.compile:
        fast = torch.compile(module, mode="max-autotune-no-cudagraphs")
        runs["compile"] = graphed(torch, lambda: fast(*args))
    return runs


def ours(model: torch.nn.Module, inputs: tuple[torch.Tensor, ...], options: argparse.Namespace) -> tuple[Any, float]:
    """An engine for the module's export and the seconds its compilation took."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "model.onnx")
        torch.onnx.export(model, inputs, path, dynamo=True, external_data=False, verbose=False)
        start = time.perf_counter()
        engine = kernelwright.compile(path, target=options.target, precision=options.precision)
        return engine, time.perf_counter() - start


def milliseconds(run: Run, calls: int) -> float:
    """The mean duration of a call between two events."""
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    begin.record()
    for _ in range(calls):
        run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / calls


def compare(case: str, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case."""
    model, inputs = build(case)
    expected = model(*inputs).float().numpy()
    engine, seconds = ours(model, inputs, options)
    context = engine.create_context(stream=torch.cuda.current_stream())
    feeds = {spec.name: x.cuda() for spec, x in zip(engine.inputs, inputs, strict=True)}
    name = engine.outputs[0].name
    found = context.run({key: x.cpu().numpy() for key, x in feeds.items()})[name]
    runs: dict[str, Run] = {"kernelwright": lambda: context.run(feeds, on_device=True)}
    runs |= pytorch(model, inputs, options)
    rounds: dict[str, list[float]] = {key: [] for key in runs}
    for run in runs.values():
        milliseconds(run, 3)
    for _ in range(options.rounds):
        for key, run in runs.items():
            rounds[key].append(milliseconds(run, options.calls))
    latency = {key: round(statistics.median(times), 4) for key, times in rounds.items()}
    best = min(value for key, value in latency.items() if key != "kernelwright")
    return {
        "case": case,
        "milliseconds": latency,
        "speedup": round(best / latency["kernelwright"], 3),
        "compile_seconds": round(seconds, 1),
        "error": relative_error(np.asarray(found), expected),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--precision", default="fp16", choices=sorted(DTYPES))
    parser.add_argument("--compile", action="store_true", help="also torch.compile (minutes a case)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--out", default="gpu")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    allow = options.precision != "fp32"
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allow
    torch.set_grad_enabled(False)
    rows = []
    for case in options.cases or CASES:
        try:
            row = compare(case, options)
        except kernelwright.CompileError as error:
            row = {"case": case, "failure": str(error).splitlines()[0]}
        rows.append(row)
        print(row, flush=True)
        torch.cuda.empty_cache()
    print(record.save(options.out, {"precision": options.precision, "cases": rows}, options.folder))


if __name__ == "__main__":
    main()
