"""Every pass that only makes a model faster can be switched off: results stay right, and it had something to do."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import block_models
import numpy as np
import onnx
import pytest
from onnx_graphs import expected

import kernelwright
from kernelwright.compiler import host
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions, PassOptions
from kernelwright.compiler.pipelines import optional_passes

IDLE = {"check-indices", "infer-shapes", "choose-layout", "fold-norms", "fuse-row-sums", "dce"}
"""Passes that these models, most of them static, on CPUs and without --debug-bounds, give nothing to do that shows."""

BOUND = 2e-5


@cache
def model(name: str) -> onnx.ModelProto:
    return block_models.MODELS[name]()


@cache
def reference(name: str) -> list[np.ndarray]:
    return expected(model(name), block_models.inputs(model(name)))


def compiled_text(name: str, *disabled: str) -> str:
    options = CompileOptions(host.resolve("cpu"), stop="kernels", passes=PassOptions(disabled=disabled))
    return str(compile_model(model(name), options).module)


def pairs() -> Iterator[tuple[str, str]]:
    for name in block_models.MODELS:
        for off in optional_passes():
            yield name, off


@pytest.mark.parametrize(("name", "off"), [(name, "") for name in block_models.MODELS] + list(pairs()))
def test_results_are_right_without_a_pass(name: str, off: str) -> None:
    engine = kernelwright.compile(model(name), disable_passes=[off] if off else [])
    found = engine.create_context(threads=2).run(block_models.inputs(model(name)))
    for ours, theirs in zip(found.values(), reference(name), strict=True):
        error = np.linalg.norm(np.asarray(ours, np.float64) - theirs) / np.linalg.norm(theirs.astype(np.float64))
        assert error <= BOUND


@pytest.mark.parametrize("off", sorted(set(optional_passes()) - IDLE))
def test_every_pass_has_something_to_do(off: str) -> None:
    assert any(compiled_text(name) != compiled_text(name, off) for name in block_models.MODELS)
