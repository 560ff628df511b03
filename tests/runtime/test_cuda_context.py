"""The logic of CUDA contexts (shapes, addresses, graphs, staging), on a driver that keeps books."""

from __future__ import annotations

import dataclasses
import gc
import inspect
from collections import Counter
from typing import Any, cast

import numpy as np
import pytest
from fake_cuda import ExchangeTensor, FakeDriver, FakeFunction, FakeTensor, floats

from kernelwright.runtime.cuda_context import CudaContext, stream_handle
from kernelwright.runtime.cuda_device import CudaDevice
from kernelwright.runtime.cuda_driver import Driver
from kernelwright.runtime.cuda_tensor import DeviceTensor
from kernelwright.runtime.errors import DeviceMemoryError, InputError, PlanTargetError
from kernelwright.runtime.host import host_function
from kernelwright.runtime.plan import (
    Alias,
    Arena,
    Buffer,
    Copy,
    Fill,
    Host,
    If,
    Input,
    Kernel,
    Launch,
    Loop,
    Output,
    Place,
    Plan,
    Read,
    Step,
    Symbol,
    Target,
    TensorMap,
    TensorSpec,
    Weight,
)
from kernelwright.runtime.verify import verify

ADD = Launch("add", ("x", "w", "h"), ("n",), ("ceildiv(n, 32)", 1, 1), 32)
REVERSE = Launch("reverse", ("h", "y"), ("n",), ("ceildiv(n, 32)", 1, 1), 32, shared_bytes=64 * 1024)
SCALE = Launch("scale", ("h",), ("n", "k"), ("ceildiv(n, 32)", 1, 1), 32)


def add(_, pointers, scalars) -> None:
    x, w, h = (floats(pointer, scalars[0]) for pointer in pointers)
    h[:] = x + w


def reverse(_, pointers, scalars) -> None:
    h, y = (floats(pointer, scalars[0]) for pointer in pointers)
    y[:] = h[::-1]


def scale(_, pointers, scalars) -> None:
    floats(pointers[0], scalars[0])[:] *= scalars[1]


def new_driver(**options) -> FakeDriver:
    kernels = {"add": (add, 3, 1), "reverse": (reverse, 2, 1), "scale": (scale, 1, 2)}
    return FakeDriver({name: FakeFunction(*kernel) for name, kernel in kernels.items()}, **options)


def reversed_sum(steps: tuple[Step, ...] = (ADD, REVERSE), **changes) -> tuple[Plan, dict[str, np.ndarray]]:
    plan = Plan(
        name="reversed_sum",
        target=Target("cuda", "cuda:sm_90a", "sm_90a"),
        precision="fp32",
        inputs=(TensorSpec("x", "f32", ("n",)),),
        outputs=(TensorSpec("y", "f32", ("n",)),),
        buffers=(
            Buffer("x", "4 * n", Input(0), "f32", ("n",)),
            Buffer("w", "4 * n", Weight("w"), "f32", ("n",)),
            Buffer("h", "4 * n", Arena(0), "f32", ("n",)),
            Buffer("k", 8, Arena("h.end"), "i64", ()),
            Buffer("y", "4 * n", Output(0), "f32", ("n",)),
        ),
        kernels=tuple(Kernel(name, name, "cubin", (f"{name}_node",)) for name in ("add", "reverse", "scale")),
        steps=steps,
        symbols=(Symbol("n", 0, 16, 4096), Symbol("k", origin="step")),
    )
    tensors = {"cubin": np.frombuffer(b"image", np.uint8), "w": np.sin(np.arange(4096, dtype=np.float32))}
    plan = dataclasses.replace(plan, **changes)
    verify(plan, tensors)
    return plan, tensors


class Run:
    """A context on a fake driver, and what y should be."""

    def __init__(self, steps: tuple[Step, ...] = (ADD, REVERSE), **options) -> None:
        self.driver = new_driver()
        plan, self.tensors = reversed_sum(steps)
        self.device = CudaDevice(plan, self.tensors, driver=cast(Driver, self.driver))
        self.context = CudaContext(plan, self.device, **options)

    def check(self, n: int, factor: int = 1, seed: int = 0) -> None:
        x = np.random.default_rng(seed).standard_normal(n, np.float32)
        np.testing.assert_array_equal(self.context.run({"x": x})["y"], self.expected(x, factor))

    def expected(self, x: np.ndarray, factor: int = 1) -> np.ndarray:
        return ((x + self.tensors["w"][: x.size]) * factor)[::-1]

    def tensor(self, n: int) -> FakeTensor:
        return FakeTensor(self.driver, np.arange(n, dtype=np.float32))


def test_the_fake_has_the_methods_of_the_driver() -> None:
    def methods(cls: type) -> dict[str, list[str]]:
        functions = inspect.getmembers(cls, inspect.isfunction)
        return {name: list(inspect.signature(f).parameters) for name, f in functions if not name.startswith("_")}

    real, fake = methods(Driver), methods(FakeDriver)
    assert real.keys() == fake.keys()
    assert all(real[name] == fake[name] for name in real if name != "tensor_map")


def test_tensor_maps_are_made_for_the_addresses_and_sizes_of_a_run() -> None:
    rows = TensorMap("h", "f32", (4, "n // 4"), (16,), (4, 8), 32, offset=64)
    run = Run((dataclasses.replace(ADD, tensor_maps=(rows,)), REVERSE))
    for n in (32, 400):
        run.check(n)
        pointer, dtype, shape, strides, box, swizzle, promotion, _ = run.driver.maps[-1]
        assert (dtype, shape, strides, box, swizzle, promotion) == ("f32", [4, n // 4], [16], (4, 8), 32, 128)
        assert pointer % 256 == 64


@pytest.mark.parametrize("graph", [True, False])
def test_every_length(graph: bool) -> None:
    run = Run(graph=graph)
    for n in (1, 31, 0, 4096, 31, 1):
        run.check(n, seed=n)


@pytest.mark.parametrize("view", [np.broadcast_to(np.float32(3), 4096), np.arange(8192, dtype=np.float32)[::2]])
def test_weights_may_be_views(view: np.ndarray) -> None:
    plan, tensors = reversed_sum()
    device = CudaDevice(plan, tensors | {"w": view}, driver=cast(Driver, new_driver()))
    y = CudaContext(plan, device).run({"x": np.ones(5, np.float32)})["y"]
    np.testing.assert_array_equal(y, (1 + view[:5])[::-1])


def test_a_submitted_run_has_an_event() -> None:
    run = Run()
    x = np.arange(7, dtype=np.float32)
    submitted = run.context.submit({"x": run.context.to_device(x)})
    run.driver.pending = True
    assert not submitted.event.is_done
    submitted.event.wait()
    assert submitted.event.is_done
    np.testing.assert_array_equal(submitted.outputs["y"].numpy(), run.expected(x))
    events = len(run.driver.events)
    del submitted
    assert len(run.driver.events) == events - 1


def test_one_capture_for_each_shape() -> None:
    run = Run()
    run.check(4096)
    for seed in range(5):
        run.check(64, seed=seed)
        run.check(65, seed=seed)
    assert run.driver.calls["capture"] == 3
    assert run.driver.calls["launch_graph"] == 11
    assert run.driver.calls["launch"] == 6  # two kernels, three captures


def test_growing_memory_drops_graphs_and_leaks_nothing() -> None:
    run = Run()
    for n in (16, 1000, 16, 4096, 16):
        run.check(n, seed=n)
    run.context.close()
    run.device.close()  # asserts that nothing is left
    run.context.close()
    run.device.close()
    assert run.driver.calls["close"] == 1
    assert not run.driver.streams and not run.driver.events


def test_a_narrow_profile_reserves_memory_at_once() -> None:
    run = Run(profile={"n": Symbol("n", 1, None, 2048)})
    allocations = run.driver.calls["allocate"]
    run.check(2048)
    run.check(17)
    assert run.driver.calls["allocate"] == allocations
    with pytest.raises(InputError, match="outside the profile"):
        run.check(2049)


def test_shared_memory_is_allowed_once() -> None:
    run = Run()
    run.check(5)
    run.check(6)
    assert run.driver.calls["allow 65536"] == 1


def test_device_inputs_are_used_in_place_when_they_come_again() -> None:
    run = Run()
    x = run.tensor(64)
    for _ in range(4):
        x.array += 1
        np.testing.assert_array_equal(run.context.run({"x": x})["y"], run.expected(x.array))
    assert run.driver.calls["capture"] == 2  # with a copy the first time, in place from the second on


def test_device_inputs_at_ever_new_addresses_share_a_graph() -> None:
    run = Run()
    tensors = [run.tensor(64) for _ in range(10)]
    for x in tensors:
        np.testing.assert_array_equal(run.context.run({"x": x})["y"], run.expected(x.array))
    assert run.driver.calls["capture"] == 1


def test_misaligned_device_memory_is_copied() -> None:
    run = Run()
    x = run.tensor(65)
    x.pointer += 4
    x.array = x.array[1:]
    for _ in range(3):
        np.testing.assert_array_equal(run.context.run({"x": x})["y"], run.expected(x.array))
    assert run.driver.calls["capture"] == 1


def test_outputs_on_the_device_outlive_their_context() -> None:
    run = Run()
    y = run.context.run({"x": np.ones(64, np.float32)}, on_device=True)["y"]
    pointer = y.pointer
    run.context.close()
    assert pointer in run.driver.blocks
    del y
    assert pointer not in run.driver.blocks


def test_outputs_stay_on_the_device() -> None:
    run = Run()
    run.check(64)
    x = run.tensor(64)
    before = run.driver.calls["synchronize"]
    ys = [run.context.run({"x": x}, on_device=True)["y"] for _ in range(3)]
    assert run.driver.calls["synchronize"] == before
    assert all(isinstance(y, DeviceTensor) for y in ys) and len({y.pointer for y in ys}) == 3
    for y in ys:
        np.testing.assert_array_equal(y.numpy(), run.expected(x.array))
        assert y.__dlpack_device__() == (2, 0)
        assert y.__cuda_array_interface__["shape"] == (64,)
    # one context's output is another's input
    np.testing.assert_array_equal(run.context.run({"x": ys[0]})["y"], run.expected(ys[0].numpy()))


def test_tensors_that_come_again_are_not_imported_again(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run()
    monkeypatch.setattr(ExchangeTensor, "stream", run.context.stream)
    x, y = (ExchangeTensor(run.driver, np.arange(8, dtype=np.float32)) for _ in range(2))

    def again(value: float) -> None:
        x.array[:], y.array[:] = value, 0
        run.context.run({"x": x}, {"y": y})
        np.testing.assert_array_equal(y.array, run.expected(x.array))

    imports = Counter[str]()
    imported = FakeTensor.__dlpack__
    monkeypatch.setattr(FakeTensor, "__dlpack__", lambda *a, **k: imports.update("t") or imported(*a, **k))
    again(1)
    again(2)
    again(3)
    seen, held = imports.total(), len(run.driver.events)
    again(4)
    again(5)
    assert (imports.total(), len(run.driver.events)) == (seen, held)
    monkeypatch.setattr(ExchangeTensor, "stream", run.context.stream + 1)  # the library has to order the streams
    again(6)
    assert imports.total() == seen + 2
    run.check(64)  # more memory drops all graphs
    run.check(4000)
    monkeypatch.setattr(ExchangeTensor, "stream", run.context.stream)
    again(7)
    other = ExchangeTensor(run.driver, np.arange(4, dtype=np.float32))
    with pytest.raises(InputError, match="expected shape"):
        run.context.run({"x": x}, {"y": other})


def test_a_run_is_timed_between_events() -> None:
    run = Run()
    outputs = run.context.run({"x": run.tensor(5)}, on_device=True)
    assert run.context.seconds({"x": run.tensor(5)}, outputs) > 0
    np.testing.assert_array_equal(outputs["y"].numpy(), run.expected(np.arange(5, dtype=np.float32)))
    outputs.clear()
    run.context.close()
    assert not run.driver.events


def test_device_outputs_into_given_memory() -> None:
    run = Run()
    x, y = run.tensor(64), run.tensor(64)
    for _ in range(3):
        y.array[:] = 0
        assert run.context.run({"x": x}, {"y": y})["y"] is y
        np.testing.assert_array_equal(y.array, run.expected(x.array))


def test_inputs_brought_to_the_device_are_not_copied_again() -> None:
    run = Run()
    x = np.arange(64, dtype=np.float32)
    there = run.context.to_device(x[::-1])
    outputs = run.context.run({"x": there}, on_device=True)
    run.context.run({"x": there}, outputs)  # addresses that are met again get a graph of their own
    copies = run.driver.calls["copy"]
    for _ in range(3):
        run.context.run({"x": there}, outputs)
    assert run.driver.calls["copy"] == copies
    np.testing.assert_array_equal(outputs["y"].numpy(), run.expected(x[::-1]))


def test_host_output_into_a_given_array() -> None:
    run = Run()
    x, y = np.ones(9, np.float32), np.zeros(9, np.float32)
    assert run.context.run({"x": x}, {"y": y})["y"] is y
    np.testing.assert_array_equal(y, run.expected(x))


def test_memory_in_use_is_kept_until_the_gpu_is_done() -> None:
    run = Run()
    run.driver.pending = True
    run.context.run({"x": np.ones(64, np.float32)}, on_device=True)
    assert len(run.driver.events) == 1
    before = run.driver.calls["synchronize"]
    run.driver.pending = True
    run.context.run({"x": np.ones(64, np.float32)}, on_device=True)  # pinned memory is in use: it has to wait
    assert run.driver.calls["synchronize"] == before + 1


@pytest.mark.parametrize("graph", [True, False])
def test_branches_loops_and_sizes_read_from_memory(graph: bool) -> None:
    steps = (
        ADD,
        Fill("k", 3, "i64"),
        Read(("k",), "k"),
        If("k - 2", (SCALE,), (Copy("x", "h", "4 * n"),)),
        Loop((Fill("k", 2, "i64"), Read(("k",), "k"), SCALE), trip_count=2),
        If("k - 2", (SCALE,), ()),
        REVERSE,
    )
    run = Run(steps, graph=graph)
    for n in (1, 100):
        run.check(n, factor=12)


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("on_device", [True, False])
def test_buffers_and_outputs_whose_size_is_read(graph: bool, on_device: bool) -> None:
    """The size grows and shrinks from run to run; what is known before stays a graph, and nothing leaks."""
    late: dict[str, Any] = {"dtype": "f32", "segment": 1}
    part = Launch("add", ("x", "w", "part"), ("k",), ("ceildiv(k, 32)", 1, 1), 32)
    turned = Launch("reverse", ("same", "y"), ("k",), ("ceildiv(k, 32)", 1, 1), 32)
    plan, tensors = reversed_sum(
        steps=(ADD, Read(("k",), "count"), Place(1), part, turned),
        inputs=(TensorSpec("x", "f32", ("n",)), TensorSpec("count", "i64", (1,))),
        outputs=(TensorSpec("y", "f32", ("k",)),),
        buffers=(
            Buffer("x", "4 * n", Input(0), "f32", ("n",)),
            Buffer("count", 8, Input(1), "i64", (1,)),
            Buffer("w", "4 * n", Weight("w"), "f32", ("n",)),
            Buffer("h", "4 * n", Arena(0), "f32", ("n",)),
            Buffer("part", "4 * k", Arena(0), shape=("k",), **late),
            Buffer("same", "4 * k", Alias("part"), shape=("k", 1), **late),
            Buffer("y", "4 * k", Output(0), shape=("k",), **late),
        ),
    )
    driver = new_driver()
    device = CudaDevice(plan, tensors, driver=cast(Driver, driver))
    with CudaContext(plan, device, graph=graph) as context:
        x = np.random.default_rng(1).standard_normal(2000, np.float32)
        for k in (3, 2000, 0, 1, 1999, 3):
            y = context.run({"x": x, "count": np.array([k])}, on_device=on_device)["y"]
            y = y.numpy() if on_device else y
            np.testing.assert_array_equal(y, (x + tensors["w"][:2000])[:k][::-1])
        assert driver.calls["capture"] == (1 if graph else 0)
        del y
    device.close()
    assert not driver.allocated


def test_host_functions_between_launches() -> None:
    @host_function("test.negate")
    def negate(inputs, outputs, attributes):
        assert attributes == {"by": 2}
        outputs[0][...] = -inputs[0]
        return [7]

    run = Run((ADD, Host("test.negate", ("h",), ("h",), ("k",), {"by": 2}), SCALE, REVERSE))
    for n in (5, 64):
        run.check(n, factor=-7)


@pytest.mark.parametrize("on_device", [False, True])
def test_objects_of_the_host_go_in_and_come_out(on_device: bool) -> None:
    """A host step reads a tensor of the GPU and an object, and makes another; another one writes to the GPU."""

    @host_function("test.repeat")
    def repeat(inputs, outputs, attributes):
        outputs[0][()] = [inputs[1][()]] * int(inputs[0].size)
        return []

    @host_function("test.count")
    def count(inputs, outputs, attributes):
        outputs[0][...] *= len(inputs[0][()])
        return []

    steps = (ADD, Host("test.repeat", ("h", "s"), ("t",)), Host("test.count", ("t", "h"), ("h",)), REVERSE)
    plan, tensors = reversed_sum()
    plan = dataclasses.replace(
        plan,
        inputs=(*plan.inputs, TensorSpec("s", "object")),
        outputs=(*plan.outputs, TensorSpec("t", "object")),
        buffers=(
            *plan.buffers,
            Buffer("s", 0, Input(1), "object", ()),
            Buffer("t", 0, Output(1), "object", ()),
        ),
        steps=steps,
    )
    verify(plan, tensors)
    run = Run()
    context = CudaContext(plan, CudaDevice(plan, tensors, driver=cast(Driver, run.driver)))
    for n, text in ((5, "a"), (64, "bc"), (5, "d")):
        x = np.random.default_rng(n).standard_normal(n, np.float32)
        found = context.run({"x": x, "s": text}, on_device=on_device)
        assert found["t"] == [text] * n
        if not on_device:
            np.testing.assert_array_equal(found["y"], run.expected(x, n))


def test_programmatic_launch_clusters_and_empty_grids() -> None:
    shapes = []

    def observed(shape, pointers, scalars) -> None:
        shapes.append(shape)
        add(shape, pointers, scalars)

    launch = dataclasses.replace(ADD, cluster=(16, 1, 1), attributes={"pdl": True})
    run = Run((launch, launch, REVERSE))
    run.device.functions["add"] = FakeFunction(observed, 3, 1)
    run.check(33)
    assert [(shape.grid, shape.cluster) for shape in shapes] == [((2, 1, 1), (16, 1, 1))] * 2
    assert [shape.overlap for shape in shapes] == [False, True]  # only after a kernel
    assert run.driver.calls["allow_large_clusters"] == 1
    run.check(0)
    assert len(shapes) == 2


@pytest.mark.parametrize("graph", [True, False])
def test_profile_times_every_launch(graph: bool) -> None:
    run = Run(graph=graph)
    times = run.context.profile({"x": np.ones(5, np.float32)})
    assert [(time.name, time.onnx_nodes) for time in times] == [("add", ("add_node",)), ("reverse", ("reverse_node",))]
    assert not run.driver.events and not run.driver.graphs
    assert run.driver.calls["record_in_graph"] == (3 if graph else 0)


@pytest.mark.parametrize(
    ("arch", "capability", "runs"),
    [
        ("sm_90a", (9, 0), True),
        ("sm_90", (9, 0), True),
        ("sm_80", (8, 6), True),
        ("sm_100f", (10, 3), True),
        ("sm_80", (9, 0), False),
        ("sm_86", (8, 0), False),
        ("sm_90a", (10, 0), False),
        ("sm_100a", (10, 3), False),
    ],
)
def test_architectures(arch: str, capability: tuple[int, int], runs: bool) -> None:
    plan, tensors = reversed_sum(target=Target("cuda", f"cuda:{arch}", arch))
    driver = new_driver(capability=capability)
    if runs:
        CudaDevice(plan, tensors, driver=cast(Driver, driver))
        return
    machine = f"sm_{capability[0]}{capability[1]}"
    with pytest.raises(PlanTargetError, match=f"the plan is for {arch} .*, this GPU .* is {machine}"):
        CudaDevice(plan, tensors, driver=cast(Driver, driver))


def test_later_gpus_run_the_ptx() -> None:
    loaded = []
    plan, tensors = reversed_sum(target=Target("cuda", "cuda:sm_80", "sm_80"))
    kernels = tuple(dataclasses.replace(kernel, ptx=f"ptx/{kernel.name}") for kernel in plan.kernels)
    tensors |= {kernel.ptx: np.frombuffer(kernel.ptx.encode(), np.uint8) for kernel in kernels}
    for capability in ((8, 9), (9, 0), (12, 0)):
        driver = new_driver(capability=capability)
        device = CudaDevice(dataclasses.replace(plan, kernels=kernels), tensors, driver=cast(Driver, driver))
        loaded.append(sorted(device._modules))
    assert loaded == [["cubin"], ["ptx/add", "ptx/reverse", "ptx/scale"], ["ptx/add", "ptx/reverse", "ptx/scale"]]


def test_an_output_in_the_memory_of_an_input() -> None:
    run = Run()
    x = run.tensor(64)
    with pytest.raises(InputError, match="output 'y' lies in the memory of an input"):
        run.context.run({"x": x}, {"y": x})


def test_forgotten_contexts_and_engines_leave_nothing() -> None:
    run = Run()
    driver = run.driver
    run.check(100)
    del run
    gc.collect()
    assert driver.calls["close"] == 1 and not driver.blocks and not driver.streams


def test_out_of_memory_leaves_a_usable_context() -> None:
    run = Run()
    run.check(16)
    run.driver.limit = run.driver.allocated + 1024
    with pytest.raises(DeviceMemoryError, match="out of memory"):
        run.check(4096)
    run.driver.limit = 1 << 40
    run.check(16)
    run.check(4096)


def test_tensor_on_another_gpu() -> None:
    run = Run()
    x = run.tensor(4)
    x._device = 1
    with pytest.raises(InputError, match="input 'x' is on GPU 1, the plan runs on GPU 0"):
        run.context.run({"x": x})


def test_stream_handles() -> None:
    class Torch:
        cuda_stream = 17

    class Protocol:
        def __cuda_stream__(self):
            return 0, 19

    assert [stream_handle(stream) for stream in (5, Torch(), Protocol())] == [5, 17, 19]
    with pytest.raises(InputError, match="expected a CUDA stream or its handle, found str"):
        stream_handle("stream")


def test_runs_on_the_callers_stream() -> None:
    run = Run(stream=77)
    run.check(8)
    run.context.close()
    assert not run.driver.streams


def test_device_tensors_free_their_memory() -> None:
    run = Run()
    run.context.run({"x": np.ones(4, np.float32)})
    before = run.driver.allocated
    y = run.context.run({"x": np.ones(4, np.float32)}, on_device=True)["y"]
    assert run.driver.allocated == before + 16
    del y
    gc.collect()
    assert run.driver.allocated == before
