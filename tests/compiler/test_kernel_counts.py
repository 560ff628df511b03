"""A run of a graph launches no more than `benchmarks/kernel_counts.py` recorded; run that where it becomes less."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import zoo

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
COUNTS = json.loads((BENCHMARKS / "results" / "kernel_counts.json").read_text())["figures"]


@pytest.fixture(scope="module")
def kernel_counts() -> ModuleType:
    """The script, which is in no package."""
    sys.path.insert(0, str(BENCHMARKS))
    try:
        spec = importlib.util.spec_from_file_location("kernel_counts", BENCHMARKS / "kernel_counts.py")
        assert spec is not None and spec.loader is not None
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
    finally:
        sys.path.remove(str(BENCHMARKS))
    return script


@pytest.mark.parametrize("model", zoo.MODELS)
def test_no_more_launches_than_recorded(model: str, kernel_counts: ModuleType) -> None:
    assert kernel_counts.count(model) <= COUNTS[model]
