#!/usr/bin/env python3
"""Attention on a GPU, Kernelwright and PyTorch's scaled_dot_product_attention in turn in one process, as ratios.

    attention.py [--dtype fp16] [--copies 16] [--rounds 9] [--out attention] [CASE ...]

A case is KIND@BATCH,HEADS,LENGTH,SIZE or KIND@BATCH,HEADS/GROUPS,LENGTH,SIZE: `prefill` has as many queries as keys,
`causal` hides later keys, `decode` has one query. Both run `--copies` attentions on tensors of their own from one CUDA
graph, so that neither launches nor a warm cache count. The median of the rounds counts. Results are compared with
attention in float64.
"""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false, reportUntypedFunctionDecorator=false

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import record
import torch
from cuda_graphs import graphed
from gpu import milliseconds
from onnx import TensorProto, helper

import kernelwright

TYPES = {"fp16": (torch.float16, TensorProto.FLOAT16), "bf16": (torch.bfloat16, TensorProto.BFLOAT16)}
CASES = [
    *(f"prefill@1,16,{length},64" for length in (512, 1024, 2048, 4096, 8192)),
    *(f"causal@1,16,{length},64" for length in (512, 2048, 8192)),
    *(f"prefill@1,16,{length},128" for length in (512, 2048, 8192)),
    "prefill@32,12,128,64",
    *(f"decode@1,16,{length},64" for length in (128, 512, 2048, 8192)),
    *(f"decode@1,32,{length},128" for length in (128, 2048, 8192)),
    *(f"decode@8,32/8,{length},128" for length in (512, 2048, 8192)),
]
OPSET = 23


@dataclass(frozen=True)
class Case:
    """Sizes of one attention; `groups` key heads, each read by as many query heads."""

    text: str
    batch: int
    heads: int
    groups: int
    queries: int
    keys: int
    size: int
    causal: bool

    @staticmethod
    def of(text: str) -> Case:
        kind, _, sizes = text.partition("@")
        batch, heads, length, size = sizes.split(",")
        query_heads, _, groups = heads.partition("/")
        keys = int(length)
        queries = 1 if kind == "decode" else keys
        return Case(text, int(batch), int(query_heads), int(groups or query_heads), queries, keys, int(size),
                    kind == "causal")  # fmt: skip

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        keys = (self.batch, self.groups, self.keys, self.size)
        return [(self.batch, self.heads, self.queries, self.size), keys, keys]

    @property
    def bytes(self) -> int:
        """Of keys and values, 16 bits each."""
        return 4 * math.prod(self.shapes[1])

    @property
    def operations(self) -> float:
        seen = 0.5 if self.causal else 1.0
        return 4 * seen * self.batch * self.heads * self.queries * self.keys * self.size

    def model(self, copies: int, element: int) -> onnx.ModelProto:
        """An `Attention` for each copy, on its part of tensors that hold all: the host pays for every tensor."""
        shapes = [(copies * shape[0], *shape[1:]) for shape in self.shapes]
        parts = {name: [f"{name}{n}" for n in range(copies)] for name in "qkvy"}
        nodes = [helper.make_node("Split", [name], parts[name], num_outputs=copies) for name in "qkv"]
        for *operands, result in zip(*parts.values(), strict=True):
            nodes.append(helper.make_node("Attention", operands, [result], is_causal=int(self.causal)))
        nodes.append(helper.make_node("Concat", parts["y"], ["y"], axis=0))
        inputs = [helper.make_tensor_value_info(name, element, s) for name, s in zip("qkv", shapes, strict=True)]
        outputs = [helper.make_tensor_value_info("y", element, shapes[0])]
        graph = helper.make_graph(nodes, "attention", inputs, outputs)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=11)

    def expected(self, q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
        """In float64, head by head: all scores of a long case would not fit."""
        members, result = self.heads // self.groups, torch.empty(q.shape, dtype=torch.float64, device=q.device)
        for head in range(self.heads):
            keys, values = (x[:, head // members].double() for x in (k, v))
            scores = q[:, head].double() @ keys.mT / math.sqrt(self.size)
            if self.causal:
                hidden = torch.ones(scores.shape[-2:], dtype=torch.bool, device=q.device).triu(1)
                scores.masked_fill_(hidden, -math.inf)
            result[:, head] = scores.softmax(-1) @ values
        return result


def compare(case: Case, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case."""
    dtype, element = TYPES[options.dtype]
    copies = max(1, min(options.copies, int(4e9 / case.bytes), int(2e13 / case.operations)))
    tensors = [torch.randn((copies * n, *rest), device="cuda", dtype=dtype) for n, *rest in case.shapes]
    sets = list(zip(*(tensor.chunk(copies) for tensor in tensors), strict=True))
    engine = kernelwright.compile(case.model(copies, element), target=options.target)
    context = engine.create_context(stream=torch.cuda.current_stream())
    feeds = dict(zip("qkv", tensors, strict=True))
    results = {"y": torch.full_like(tensors[0], math.nan)}

    def ours() -> None:
        context.run(feeds, results, on_device=True)

    ours()
    found = results["y"].double()
    expected = torch.cat([case.expected(*one) for one in sets])
    error = (found - expected).norm() / expected.norm()

    def peer() -> None:
        for q, k, v in sets:
            torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=case.causal, enable_gqa=case.heads != case.groups
            )

    runs = {"kernelwright": ours, "sdpa": graphed(torch, peer)}
    rounds: dict[str, list[float]] = {key: [] for key in runs}
    for run in runs.values():
        milliseconds(run, 3)
    for _ in range(options.rounds):
        for key, run in runs.items():
            rounds[key].append(milliseconds(run, options.calls) / copies)
    latency = {key: round(statistics.median(times), 5) for key, times in rounds.items()}
    own = latency["kernelwright"]
    return {
        "case": case.text,
        "milliseconds": latency,
        "speedup": round(latency["sdpa"] / own, 3),
        "teraflops": round(case.operations / own / 1e9, 1),
        "gigabytes_per_second": round(case.bytes / own / 1e6),
        "error": float(error),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--dtype", default="fp16", choices=sorted(TYPES))
    parser.add_argument("--copies", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--out", default="attention")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    torch.set_grad_enabled(False)
    rows = []
    for text in options.cases or CASES:
        rows.append(compare(Case.of(text), options))
        print(rows[-1], flush=True)
        torch.cuda.empty_cache()
    mean = float(np.exp(np.mean([np.log(row["speedup"]) for row in rows])))
    print(f"geometric mean of the speedups: {mean:.3f}")
    print(
        record.save(options.out, {"precision": options.dtype, "speedup": round(mean, 3), "cases": rows}, options.folder)
    )


if __name__ == "__main__":
    main()
