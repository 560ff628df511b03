"""Candidates are timed on the GPU, and what is chosen computes the right thing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from filecheck_plugin import run_command
from onnx_graphs import expected, graph

import kernelwright

pytestmark = pytest.mark.gpu


def test_the_fastest_candidate_is_taken(tmp_path: Path) -> None:
    model = graph("(float[64, 768] x, float[768, 512] w) => (float[64, 512] y) { m = MatMul (x, w) y = Relu (m) }")
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((768, 512), np.float32) / np.float32(28)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    model.graph.input.pop()
    onnx.save(model, str(tmp_path / "m.onnx"))
    options = ["--target=cuda:h200", "--precision=fp16", "--tune", f"--timing-cache={tmp_path}/times.jsonl"]
    plans = [tmp_path / "first.plan", tmp_path / "second.plan"]
    for plan in plans:
        code, _, err = run_command(["compile", str(tmp_path / "m.onnx"), "-o", str(plan), *options])
        assert code == 0, err
    assert plans[0].read_bytes() == plans[1].read_bytes()
    _, out, _ = run_command(["inspect", str(plans[0]), "--json"])
    (product,) = (kernel for kernel in json.loads(out)["kernels"] if kernel["timings"])
    fastest = min(product["timings"], key=lambda timing: timing["seconds"])
    assert (product["tactic"], product["schedule"]) == (fastest["tactic"], fastest["schedule"])
    assert len({timing["tactic"] for timing in product["timings"]}) > 1
    x = rng.standard_normal((64, 768), np.float32)
    found = kernelwright.load(str(plans[0])).run({"x": x})["y"]
    reference = expected(model, {"x": x})[0]
    assert np.linalg.norm(found - reference) / np.linalg.norm(reference) < 2e-3
