from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from cpu_plans import ADD, REVERSE, expected, reversed_sum

from kernelwright.runtime import Engine, InputError, load
from kernelwright.runtime.plan import ARGUMENT_ALIGNMENT, Native

STEPS = {"launches": (ADD, REVERSE), "native": (Native("kw_main", (ADD, REVERSE)),)}


@pytest.fixture(params=STEPS)
def engine(request: pytest.FixtureRequest):
    with Engine(*reversed_sum(STEPS[request.param]), threads=2) as engine:
        yield engine


def ramp(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32) / 3


@pytest.mark.parametrize("n", [0, 1, 2, 17, 4096, 99_991])
def test_every_length_of_the_profile(engine: Engine, n: int) -> None:
    np.testing.assert_array_equal(engine.run({"x": ramp(n)})["y"], expected(ramp(n)))


def test_outputs_are_fresh_arrays(engine: Engine) -> None:
    first = engine.run({"x": ramp(5)})["y"]
    kept = first.copy()
    engine.run({"x": ramp(5) + 1})
    np.testing.assert_array_equal(first, kept)


def test_output_into_a_given_array(engine: Engine) -> None:
    y = np.zeros(9, np.float32)
    assert engine.run({"x": ramp(9)}, {"y": y})["y"] is y
    np.testing.assert_array_equal(y, expected(ramp(9)))


def test_saved_and_loaded(engine: Engine, tmp_path) -> None:
    engine.save(tmp_path / "m.plan")
    with load(tmp_path / "m.plan", threads=2) as loaded:
        assert loaded.plan == engine.plan
        np.testing.assert_array_equal(loaded.run({"x": ramp(31)})["y"], expected(ramp(31)))


def test_profile_lists_every_launch_with_its_nodes(engine: Engine) -> None:
    times = engine.create_context().profile({"x": ramp(5000)})
    assert [(time.name, time.onnx_nodes) for time in times] == [("add", ("Add_0",)), ("reverse", ("Reverse_1",))]
    assert all(time.seconds >= 0 for time in times) and sum(time.seconds for time in times) > 0


def test_profiles_tell_launches_of_one_kernel_apart() -> None:
    steps = (dataclasses.replace(ADD, onnx_nodes=("Add_7",)), ADD, REVERSE)
    with Engine(*reversed_sum(steps), threads=1) as engine:
        times = engine.create_context().profile({"x": ramp(50)})
    assert [time.onnx_nodes for time in times] == [("Add_7",), ("Add_0",), ("Reverse_1",)]


def test_a_profile_reserves_the_arena(engine: Engine) -> None:
    context = engine.create_context(profile={"n": (1, 1000)})
    assert context.arena_bytes == 4096
    context.run({"x": ramp(1000)})
    with pytest.raises(InputError, match="outside the profile: expected 1 to 1000, found 1001"):
        context.run({"x": ramp(1001)})


def misaligned(array: np.ndarray, offset: int) -> np.ndarray:
    """A copy of `array` whose memory begins `offset` bytes after a multiple of 64."""
    raw = np.zeros(array.nbytes + 128, np.uint8)
    start = -raw.ctypes.data % 64 + offset
    raw[start : start + array.nbytes] = array.reshape(-1).view(np.uint8)
    return raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)


@pytest.mark.parametrize("offset", [0, 1, 4, 8, 16, 20])
def test_kernels_see_aligned_memory(engine: Engine, offset: int) -> None:
    x, y = misaligned(ramp(33), offset), misaligned(ramp(33), offset)
    with engine.create_context() as context:
        assert context.run({"x": x}, {"y": y})["y"] is y
        (prepared,) = context._prepared.values()
        assert not (prepared.table % ARGUMENT_ALIGNMENT).any()
    np.testing.assert_array_equal(y, expected(ramp(33)))


def test_inputs_of_any_strides(engine: Engine) -> None:
    table = np.arange(99, dtype=np.float32).reshape(33, 3)
    for x in (table[:, 1], table[::-1, 0], np.broadcast_to(np.float32(2), (7,))):
        np.testing.assert_array_equal(engine.run({"x": x})["y"], expected(np.ascontiguousarray(x)))
