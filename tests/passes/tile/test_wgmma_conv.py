"""`wgmma_conv_pixels`: its programs in the interpreter and through NVRTC, and which convolutions it takes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from wgmma_conv_cases import WGMMA_CONV_CASES, WgmmaConvCase

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.dialects import kernel, tile
from kernelwright.ir.dialects import nn as dialect
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.target import CudaTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.passes.base import PassContext, lookup
from kernelwright.passes.tile import strategies
from kernelwright.runtime.plan import Launch


def tiled(case: WgmmaConvCase) -> tuple[Module, kernel.Func]:
    module, func = case.kernel()
    lookup("tile-kernels")().run(module, PassContext())
    for op in module.walk():
        op.verify()
    return module, func


def operands(module: Module, case: WgmmaConvCase) -> list[np.ndarray]:
    """What the call passes: packed weights."""
    (call,) = (op for op in module.main.block if isinstance(op, kernel.Call))
    feeds = iter(case.feeds().values())
    owners = [value.owner for value in call.operands]
    return [o.value.array if isinstance(o, dialect.Constant) else next(feeds) for o in owners]  # type: ignore[union-attr]


@pytest.mark.parametrize("case", WGMMA_CONV_CASES, ids=str)
def test_program(case: WgmmaConvCase) -> None:
    module, func = tiled(case)
    (found,) = run_kernel(func, operands(module, case), {"images": case.images})
    expected = case.expected()
    error = np.linalg.norm(found.reshape(expected.shape).astype(np.float64) - expected)
    assert error <= case.tolerance * np.linalg.norm(expected)


def test_kernels_compile() -> None:
    found = []
    for case in WGMMA_CONV_CASES:
        module, _ = tiled(case)
        lookup("assign-layouts")().run(module, PassContext())
        found += sources(module).values()
    for case, source in zip(WGMMA_CONV_CASES, found, strict=True):
        is_matrix = all(n == 1 for n in (*case.taps, *case.strides))
        assert ("tma_load_pixels_" in source.text) != is_matrix
    nvrtc.compile_sources(found, "sm_90a")


def test_the_plan_says_how_tma_walks_the_pixels() -> None:
    module, _ = next(case for case in WGMMA_CONV_CASES if case.name == "3x3-uneven").kernel()
    plan = compile_model(module, CompileOptions(target.builtin("cuda:h200"), start="kernels")).plan
    assert plan is not None
    (launch,) = plan.steps
    assert isinstance(launch, Launch)
    image, weights = (next(m for m in launch.tensor_maps if len(m.shape) == rank) for rank in (4, 2))
    assert (image.shape, image.box, image.swizzle) == ((24, 5, 6, 2), (64, 64), 128)
    assert image.pixels is not None and weights.pixels is None
    # 6 rows of output from -1 on, 3 of them 2 apart from 0 on; a window is 3 wide.
    assert (image.pixels.lower, image.pixels.upper, image.pixels.steps) == ((-1, 0), (0, -1), (1, 2))
    assert (weights.shape, weights.box) == ((9 * 64, 33), (64, 64))


def chosen(case: WgmmaConvCase) -> str:
    module, func = case.kernel()
    h200 = target.builtin("cuda:h200")
    assert isinstance(h200, CudaTarget)
    found = strategies.specialized(func, h200)
    assert module is not None and found is not None
    return found.name


def test_large_convolutions_take_it_and_small_ones_do_not() -> None:
    large = dataclasses.replace(WGMMA_CONV_CASES[0], size=(28, 28), channels=128, outputs=128, images=32)
    assert chosen(large) == "wgmma_conv_pixels"
    assert chosen(dataclasses.replace(large, channels=130)) == "mma_conv_pixels"  # rows of 260 bytes
    assert chosen(dataclasses.replace(large, strides=(9, 9))) == "mma_conv_pixels"
    assert chosen(dataclasses.replace(large, dtype="f32")) == "wgmma_conv_pixels"


def test_the_interpreter_finds_a_tap_outside_of_the_corner() -> None:
    module, func = tiled(WGMMA_CONV_CASES[0])
    copy = next(op for op in func.walk() if isinstance(op, tile.CopyPixelsAsync))
    copy.corner = (0, 0)
    with pytest.raises(Exception, match="before its corner"):
        run_kernel(func, operands(module, WGMMA_CONV_CASES[0]), {})
