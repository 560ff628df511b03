"""Which of ONNX's backend tests on tensors of numbers lack a kernel: no more than are listed here."""

from __future__ import annotations

import unittest
from typing import Any

import onnx
import pytest
from onnx_suite import Recorder, cases, is_numeric

from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.host import resolve
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir.dialects.host import GAP

pytestmark = pytest.mark.slow

MISSING = {
    "affine_grid_3d_align_corners_expanded": "a branch gives a vector of one element, the other a number",
    "gradient_of_add": "derivatives",
    "gradient_of_add_and_mul": "derivatives",
    "loop11": "its carried value grows",
}


def test_only_the_listed_cases_lack_a_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    target = resolve("cpu")
    gaps: list[str] = []

    def legalize(cls: type, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> Any:
        if is_numeric(model):
            module = compile_model(model, CompileOptions(target=target, stop="legalize"))
            gaps.extend(step.reason for step in module.host_steps if step.reason.startswith(GAP))
        raise unittest.SkipTest("its kernels are another test's")

    monkeypatch.setattr(Recorder, "prepare", classmethod(legalize))
    missing: set[str] = set()
    for case in cases("cpu"):
        if case.kind == "real":
            continue  # these have files of data that are made first
        gaps.clear()
        with pytest.raises(unittest.SkipTest):
            case.run()
        if gaps:
            missing.add(case.name.removeprefix("test_").removesuffix("_cpu"))
    assert missing == MISSING.keys()
