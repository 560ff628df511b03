#!/usr/bin/env python3
"""Kernels that only move memory on a GPU: Kernelwright, PyTorch and a plain copy, in turn in one process.

    movement.py [--megabytes 256] [--rounds 9] [--out movement] [CASE ...]             CASE: layer_norm-768-f16

Every case reads (or writes) tensors of `--megabytes`: element-wise ops, conversions, norms and softmax over rows of
several lengths, transposes. The copy is the driver's, device to device. A case's figure is its bytes a second over the
copy's, both counting what is read and what is written; the median of the rounds counts. Results are compared with the
same op in float64.
"""
# PyTorch is no dependency of ours, the tests' included: type checkers may not find it.
# pyright: reportMissingImports=false

from __future__ import annotations

import argparse
import math
import multiprocessing
import statistics
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import record
from cuda_graphs import graphed, milliseconds
from onnx import TensorProto, helper

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target as targets
from kernelwright.runtime import Engine
from kernelwright.runtime.plan import Plan

ROWS = (768, 1024, 4096, 50257)
BYTES = {"f16": 2, "f32": 4}
ELEMENTS = {"f16": TensorProto.FLOAT16, "f32": TensorProto.FLOAT}
CASES = [
    *(f"{op}-{dtype}" for op in ("add", "gelu", "cast") for dtype in BYTES),
    *(f"{op}-{row}-{dtype}" for op in ("layer_norm", "softmax") for row in ROWS for dtype in BYTES),
    *(f"{op}-{dtype}" for op in ("transpose", "nchw_nhwc", "nhwc_nchw", "heads") for dtype in BYTES),
]
ROW = 4096
"""The columns of element-wise cases."""
CHANNELS, SIDE = 256, 56
"""Images are of this size: a layer of ResNet-50's first stage."""
HEADS, HEAD, POSITIONS = 12, 64, 384
"""As an attention of BERT-base at 384 tokens sees its queries."""
PERMUTATIONS = {"transpose": (1, 0), "nchw_nhwc": (0, 2, 3, 1), "nhwc_nchw": (0, 3, 1, 2), "heads": (0, 2, 1, 3)}
TOLERANCE = {"f16": 2e-3, "f32": 1e-5}


@dataclass(frozen=True)
class Case:
    """One op on a tensor of `elements` numbers, or about as many."""

    text: str
    op: str
    row: int
    dtype: str
    elements: int

    @staticmethod
    def of(text: str, megabytes: int) -> Case:
        op, *row, dtype = text.split("-")
        return Case(text, op, int(row[0]) if row else ROW, dtype, (megabytes << 20) // BYTES[dtype])

    @property
    def shape(self) -> tuple[int, ...]:
        match self.op:
            case "transpose":
                rows = 1 << (self.elements.bit_length() // 2)
                return rows, self.elements // rows
            case "nchw_nhwc":
                return self.elements // (CHANNELS * SIDE * SIDE), CHANNELS, SIDE, SIDE
            case "nhwc_nchw":
                return self.elements // (CHANNELS * SIDE * SIDE), SIDE, SIDE, CHANNELS
            case "heads":
                return self.elements // (POSITIONS * HEADS * HEAD), POSITIONS, HEADS, HEAD
            case _:
                return self.elements // self.row, self.row

    @property
    def result_shape(self) -> tuple[int, ...]:
        permutation = PERMUTATIONS.get(self.op, range(len(self.shape)))
        return tuple(self.shape[axis] for axis in permutation)

    @property
    def result_dtype(self) -> str:
        other = {"f16": "f32", "f32": "f16"}
        return other[self.dtype] if self.op == "cast" else self.dtype

    @property
    def inputs(self) -> int:
        return 2 if self.op == "add" else 1

    @property
    def bytes(self) -> int:
        """What is read and what is written."""
        return math.prod(self.shape) * (self.inputs * BYTES[self.dtype] + BYTES[self.result_dtype])

    def model(self) -> onnx.ModelProto:
        """The op as a model; a layer norm has its scale and bias as weights."""
        names = ["x", "other"][: self.inputs]
        element = ELEMENTS[self.dtype]
        weights = []
        match self.op:
            case "add":
                node = helper.make_node("Add", names, ["y"])
            case "gelu":
                node = helper.make_node("Gelu", names, ["y"])
            case "cast":
                node = helper.make_node("Cast", names, ["y"], to=ELEMENTS[self.result_dtype])
            case "softmax":
                node = helper.make_node("Softmax", names, ["y"], axis=-1)
            case "layer_norm":
                node = helper.make_node("LayerNormalization", [*names, "scale", "bias"], ["y"], axis=-1)
                weights = [helper.make_tensor(name, element, [self.row], [value] * self.row)
                           for name, value in (("scale", 1.5), ("bias", 0.25))]  # fmt: skip
            case _:
                node = helper.make_node("Transpose", names, ["y"], perm=PERMUTATIONS[self.op])
        inputs = [helper.make_tensor_value_info(name, element, self.shape) for name in names]
        output = helper.make_tensor_value_info("y", ELEMENTS[self.result_dtype], self.result_shape)
        graph = helper.make_graph([node], self.op, inputs, [output], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)

    def pytorch(self, torch: Any, *tensors: Any) -> Any:
        """The same by PyTorch's op."""
        functional = torch.nn.functional
        match self.op:
            case "add":
                return tensors[0] + tensors[1]
            case "gelu":
                return functional.gelu(tensors[0])
            case "cast":
                return tensors[0].to(torch.float32 if self.result_dtype == "f32" else torch.float16)
            case "softmax":
                return tensors[0].softmax(-1)
            case "layer_norm":
                scale, bias = (tensors[0].new_full((self.row,), value) for value in (1.5, 0.25))
                return functional.layer_norm(tensors[0], (self.row,), scale, bias)
            case _:
                return tensors[0].permute(PERMUTATIONS[self.op]).contiguous()


Built = tuple[Plan, dict[str, Any]]


def build(case: Case, target: str) -> Built:
    """The plan of a case and its tensors."""
    compiled = compile_model(case.model(), CompileOptions(targets.builtin(target)))
    assert compiled.plan is not None
    return compiled.plan, dict(compiled.tensors)


def build_all(cases: Sequence[Case], target: str) -> list[Built]:
    """The plans of all cases, by as many processes as there are cores."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        return list(pool.map(build, cases, [target] * len(cases)))


def relative_error(torch: Any, case: Case, found: Any, tensors: Sequence[Any]) -> float:
    """The norm of the difference from float64 over the norm, a few million numbers at a time."""
    if case.op in PERMUTATIONS:
        return 0.0 if torch.equal(found, case.pytorch(torch, *tensors)) else math.inf
    parts = max(1, math.prod(case.shape) >> 22)
    difference = norm = 0.0
    for part, *chunks in zip(*(tensor.chunk(parts) for tensor in (found, *tensors)), strict=True):
        wide = [chunk.double() for chunk in chunks]
        expected = wide[0] if case.op == "cast" else case.pytorch(torch, *wide)
        difference += (part.double() - expected).square().sum().item()
        norm += expected.square().sum().item()
    return math.sqrt(difference / norm)


def compare(torch: Any, case: Case, built: Built, options: argparse.Namespace) -> dict[str, Any]:
    """The figures of one case. Raises ValueError for a wrong result."""
    dtypes = {"f16": torch.float16, "f32": torch.float32}
    tensors = [torch.randn(case.shape, device="cuda", dtype=dtypes[case.dtype]) for _ in range(case.inputs)]
    found = torch.full(case.result_shape, math.nan, device="cuda", dtype=dtypes[case.result_dtype])
    context = Engine(*built).create_context(stream=torch.cuda.current_stream())
    feeds = dict(zip(("x", "other"), tensors, strict=False))
    for _ in range(3):  # from the third run on the tensors are used where they are
        context.run(feeds, {"y": found})
    error = relative_error(torch, case, found, tensors)
    if not error <= max(TOLERANCE[case.dtype], TOLERANCE[case.result_dtype]):
        raise ValueError(f"{case.text}: relative error {error:.1e}")
    whole = torch.empty(options.megabytes << 20, dtype=torch.uint8, device="cuda")  # other sizes are copied more slowly
    copied = torch.empty_like(whole)
    runs: dict[str, Callable[[], object]] = {
        "kernelwright": lambda: context.run(feeds, {"y": found}),
        "pytorch": graphed(torch, lambda: case.pytorch(torch, *tensors)),
        "copy": graphed(torch, lambda: copied.copy_(whole)),
    }
    for run in runs.values():
        milliseconds(torch, run, 3)
    rounds: dict[str, list[float]] = {key: [] for key in runs}
    for _ in range(options.rounds):
        for key, run in runs.items():
            rounds[key].append(milliseconds(torch, run, options.calls))
    context.close()
    bytes = {"kernelwright": case.bytes, "pytorch": case.bytes, "copy": 2 * copied.nbytes}
    rates = {key: [bytes[key] / time / 1e6 for time in times] for key, times in rounds.items()}
    share = statistics.median(a / b for a, b in zip(rates["kernelwright"], rates["copy"], strict=True))
    times = {key: statistics.median(values) for key, values in rounds.items()}
    return {
        "case": case.text,
        "shape": list(case.shape),
        "tactic": built[0].kernels[-1].tactic,
        "milliseconds": {key: round(time, 4) for key, time in times.items()},
        "gigabytes_per_second": {key: round(statistics.median(values)) for key, values in rates.items()},
        "share_of_copy": round(share, 3),
        "speedup": round(times["pytorch"] / times["kernelwright"], 3),
        "error": float(f"{error:.2e}"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*")
    parser.add_argument("--target", default="cuda:h200")
    parser.add_argument("--megabytes", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--calls", type=int, default=5)
    parser.add_argument("--out", default="movement")
    parser.add_argument("--folder", type=Path, default=record.RESULTS)
    options = parser.parse_args()
    cases = [Case.of(text, options.megabytes) for text in options.cases or CASES]
    plans = build_all(cases, options.target)
    import torch  # noqa: PLC0415, optional: --help works without

    torch.set_grad_enabled(False)
    rows = []
    for case, built in zip(cases, plans, strict=True):
        rows.append(compare(torch, case, built, options))
        print(rows[-1], flush=True)
        torch.cuda.empty_cache()
    shares = [row["share_of_copy"] for row in rows]
    print(f"share of the copy's speed: least {min(shares):.3f}, geometric mean {statistics.geometric_mean(shares):.3f}")
    figures = {"megabytes": options.megabytes, "cases": rows, "least_share": min(shares)}
    print(record.save(options.out, figures, options.folder))


if __name__ == "__main__":
    main()
