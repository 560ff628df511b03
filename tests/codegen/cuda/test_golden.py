"""The CUDA C of some kernels, word for word: the proof that a refactoring changed nothing.

`pytest --update-golden` writes the files anew; read the difference before it is committed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cuda_cases import CASES, CudaCase

from kernelwright.codegen.cuda import sources
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target

FOLDER = Path(__file__).parent / "golden"
CHOSEN = {
    "gemm", "gemm-odd", "gemm-f32", "gemm-tf32", "conv-3x3", "conv-1x1", "conv-depthwise", "softmax", "layer-norm",
    "transpose",
}  # fmt: skip


@pytest.mark.parametrize("case", [case for case in CASES if case.name in CHOSEN], ids=str)
def test_source(case: CudaCase, golden: Callable[[Path, str], None]) -> None:
    options = CompileOptions(target.builtin("cuda:h200"), stop="tile")
    module = compile_model(case.module(case.network()), options).module
    golden(FOLDER / f"{case.name}.cu", "\n".join(source.text for source in sources(module).values()))
