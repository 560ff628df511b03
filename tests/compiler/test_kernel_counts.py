"""A run of a graph launches no more, in no more memory, than `benchmarks/kernel_counts.py` recorded.

Where either becomes less, run that.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest
import zoo

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
FIGURES = json.loads((BENCHMARKS / "results" / "kernel_counts.json").read_text())["figures"]
LAYERS = {"bert_base": 12, "bert_large": 24, "vit_b_16": 12, "gpt2": 12, "gpt2_past": 12}
TRANSFORMERS = {name: 6 * layers + 6 for name, layers in LAYERS.items()}
# Norms have no launches of their own; a sixth one a layer puts keys and values into gpt2_past's caches.
SHORT = {name: 5 * layers + 7 for name, layers in LAYERS.items()} | {"gpt2_past": 6 * 12 + 6}
T5 = {"t5_small_enc": 7 * 6 + 6, "t5_small_dec": 11 * 6 + 6}
CNNS = {"mobilenet_v3_large": 60, "efficientnet_b0": 80, "resnet50": 56, "inception_v3": 90, "densenet121": 125}
MOST = {
    "cpu fp32": CNNS | TRANSFORMERS | T5,
    "cuda fp32": CNNS | T5,
    "cuda fp16": CNNS | SHORT | {"t5_small_enc": 6 * 6 + 6, "t5_small_dec": 9 * 6 + 6},
    # Of several images, channels that are joined do not lie side by side.
    "cpu fp32 open sizes": CNNS | TRANSFORMERS | T5 | {"inception_v3": 119, "densenet121": 180},
}
"""Launches that a net may never need again, whatever is recorded."""
NEAR_BOUND = 1.05
"""How much more than the largest live set an arena may take."""


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
def test_no_more_launches_and_memory_than_recorded(model: str, kernel_counts: ModuleType) -> None:
    for configuration in kernel_counts.CONFIGURATIONS:
        figure = kernel_counts.count(model, *configuration)
        name = kernel_counts.name(*configuration)
        recorded = FIGURES[model][name]
        most = MOST[name].get(model.partition(".")[0], recorded["launches"])
        assert figure["launches"] <= min(recorded["launches"], most)
        if "arena_bytes" not in figure:
            continue
        assert figure["arena_bytes"] <= recorded["arena_bytes"]
        assert figure["arena_bytes"] <= NEAR_BOUND * figure["largest_live_set_bytes"]
