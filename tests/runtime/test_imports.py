"""What the runtime needs, and when."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import kernelwright.runtime

OF_THE_COMPILER = {"onnx", "lark", "click", "rich", "onnxruntime", "kernelwright.ir", "kernelwright.compiler"}
OF_ONE_TARGET = {"llvmlite", "cuda", "safetensors"}


def test_importing_the_runtime_loads_nothing_of_the_compiler_and_no_back_end() -> None:
    program = "import sys, kernelwright.runtime\nprint(*sys.modules)"
    environment = {"PYTHONPATH": str(Path(kernelwright.runtime.__file__).parents[2])}
    result = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True, env=environment
    )
    loaded = set(result.stdout.split())
    assert "kernelwright.runtime.engine" in loaded
    assert loaded.isdisjoint(OF_THE_COMPILER | OF_ONE_TARGET)
