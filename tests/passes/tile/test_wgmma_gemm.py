"""`wgmma_gemm`: its programs in the interpreter and through NVRTC, and which products it takes."""

from __future__ import annotations

import re

import numpy as np
import pytest
from cuda_cases import CudaCase, gemm
from wgmma_cases import WGMMA_CASES, WgmmaCase

from kernelwright.codegen.cuda import nvrtc, sources
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions
from kernelwright.ir import target
from kernelwright.ir.diagnostics import CompileError
from kernelwright.ir.dialects import kernel, tile
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.passes.base import PassContext, lookup
from kernelwright.runtime.plan import Launch


def tiled(case: WgmmaCase) -> kernel.Func:
    module, func = case.kernel()
    lookup("tile-kernels")().run(module, PassContext())
    for op in module.walk():
        op.verify()
    return func


@pytest.mark.parametrize("case", WGMMA_CASES, ids=str)
def test_program(case: WgmmaCase) -> None:
    arrays = case.arrays()
    func = tiled(case)
    turned = case.dtype == "f32" and case.weight
    inputs = [arrays[0], arrays[1].T if turned else arrays[1], *arrays[2:]]
    (found,) = run_kernel(func, inputs, {"rows": case.rows})
    expected = case.expected(arrays)
    error = np.linalg.norm(found.reshape(expected.shape).astype(np.float64) - expected)
    assert error <= case.tolerance * np.linalg.norm(expected)


def test_kernels_compile() -> None:
    found = []
    for case in WGMMA_CASES:
        module, _ = case.kernel()
        for name in ("tile-kernels", "assign-layouts"):
            lookup(name)().run(module, PassContext())
        found += sources(module).values()
    for case, source in zip(WGMMA_CASES, found, strict=True):
        assert "wgmma_m64" in source.text and "tma_load_" in source.text
        assert ("tma_store_" in source.text) == (case.schedule.splits == 1)
        assert ("cluster_barrier" in source.text) == (case.schedule.splits > 1)
    nvrtc.compile_sources(found, "sm_90a")


def test_weights_are_on_their_way_before_the_launch_before_is_over() -> None:
    ops = [op.name for op in tiled(next(case for case in WGMMA_CASES if case.name == "weights")).walk()]
    assert ops.index("tile.copy_async") < ops.index("tile.wait_dependencies")
    ops = [op.name for op in tiled(next(case for case in WGMMA_CASES if case.name == "small")).walk()]
    assert ops.index("tile.wait_dependencies") < ops.index("tile.copy_async")


def test_the_plan_names_buffers_sizes_and_boxes_of_the_tensor_maps() -> None:
    module, _ = next(case for case in WGMMA_CASES if case.name == "dynamic").kernel()
    plan = compile_model(module, CompileOptions(target.builtin("cuda:h200"), start="kernels")).plan
    assert plan is not None
    (launch,) = plan.steps
    assert isinstance(launch, Launch)
    a, b, y = launch.tensor_maps
    assert (a.shape, a.strides, a.box, a.swizzle) == ((264, "rows"), (528,), (64, 64), 128)
    assert (b.shape, b.strides, b.box, b.swizzle) == ((72, 264), (144,), (64, 64), 128)
    assert (y.shape, y.strides, y.box, y.swizzle) == ((72, "rows"), (144,), (64, 64), 128)
    assert [map_.buffer for map_ in (a, b, y)] == [launch.buffers[i] for i in (0, 1, 4)]


def drop(func: kernel.Func, kind: type, number: int = 0) -> None:
    """Remove an op, as a defect would."""
    [op for op in func.walk() if isinstance(op, kind)][number].erase()


def test_the_interpreter_finds_a_missing_fence() -> None:
    case = WGMMA_CASES[0]
    func = tiled(case)
    drop(func, tile.FenceAsync)
    with pytest.raises(tile.ExecutionError, match=r"without a tile\.fence_async"):
        run_kernel(func, case.arrays(), {})


def test_the_interpreter_finds_a_stage_given_back_too_early() -> None:
    case = WGMMA_CASES[1]
    func = tiled(case)
    for op in func.walk():
        if isinstance(op, tile.MmaWait) and op.pending == 1:
            op.pending = 2
    with pytest.raises(tile.ExecutionError, match=r"written (while|after)"):
        run_kernel(func, case.arrays(), {})


def test_the_interpreter_finds_groups_that_do_not_take_turns() -> None:
    """A phase awaited before the one before it is over looks over already."""
    case = next(case for case in WGMMA_CASES if case.name == "pingpong-one-block")
    func = tiled(case)
    (turns,) = (op.result for op in func.walk() if isinstance(op, tile.AllocBarriers) and op.result.name == "turns")
    for op in [user for user, _ in turns.uses if isinstance(user, tile.Wait)]:
        op.erase()
    with pytest.raises(tile.ExecutionError):
        run_kernel(func, case.arrays(), {})


@pytest.mark.parametrize(
    ("build", "reason"),
    [
        (gemm(512, 512, 500), "rows of an operand do not begin at multiples of 16 bytes"),
        (gemm(8, 8, 64), "warp instructions are estimated to take"),
    ],
)
def test_what_it_leaves_to_warp_instructions(build: object, reason: str) -> None:
    case = CudaCase("case", build, "mma_gemm")  # type: ignore[arg-type]
    module = compile_model(
        case.module(case.network()), CompileOptions(target.builtin("cuda:h200"), stop="kernels")
    ).module
    context = PassContext()
    lookup("schedule-kernels")().run(module, context)
    tactics = [op.tactic for op in module.block if isinstance(op, kernel.Func)]
    assert "mma_gemm" in tactics
    assert any(re.search(reason, str(remark)) for remark in context.remarks)


def test_a_schedule_that_is_none_is_refused() -> None:
    module, func = WGMMA_CASES[0].kernel()
    assert func.schedule is not None
    func.schedule = type(func.schedule).of({})
    with pytest.raises(CompileError, match="not the schedule of a wgmma product"):
        lookup("tile-kernels")().run(module, PassContext())
