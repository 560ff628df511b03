"""The CUDA runtime on a GPU, with kernels of the test's own. They are compiled for the GPU that is there."""

from __future__ import annotations

import dataclasses
import functools
import gc
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from kernelwright.runtime import DeviceTensor, Engine, load
from kernelwright.runtime.cuda_driver import Driver
from kernelwright.runtime.errors import DeviceError, DeviceMemoryError, InputError
from kernelwright.runtime.host import host_function
from kernelwright.runtime.plan import (
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
    Plan,
    Read,
    Step,
    Symbol,
    Target,
    TensorMap,
    TensorSpec,
    Weight,
)

pytestmark = pytest.mark.gpu

SOURCE = r"""
#define GLOBAL extern "C" __global__ void

GLOBAL add(const float* x, const float* w, float* h, long long n) {
  long long i = blockIdx.x * 32ll + threadIdx.x;
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  if (i < n) h[i] = x[i] + w[i];
}

GLOBAL reverse(const float* h, float* y, long long n) {
  extern __shared__ float unused[];
  long long i = blockIdx.x * 32ll + threadIdx.x;
#if __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
  if (i < n) y[i] = h[n - 1 - i];
}

GLOBAL scale(float* h, long long n, long long k) {
  long long i = blockIdx.x * 32ll + threadIdx.x;
  if (i < n) h[i] *= k;
}

#if __CUDA_ARCH__ >= 900
GLOBAL cluster_rank(float* y) {
  unsigned rank;
  asm("mov.u32 %0, %%cluster_ctarank;" : "=r"(rank));
  if (threadIdx.x == 0) y[blockIdx.x] = rank;
}

struct alignas(64) TensorMap { unsigned long long opaque[16]; };

// One block copies the 8 x 32 tile at (row, column) by TMA; what lies outside the tensor is zero.
GLOBAL tile_copy(float* y, long long row, long long column, const __grid_constant__ TensorMap map) {
  __shared__ alignas(128) float tile[8 * 32];
  __shared__ alignas(8) unsigned long long arrived;
  unsigned tile_at = __cvta_generic_to_shared(tile), arrived_at = __cvta_generic_to_shared(&arrived);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], 1;" :: "r"(arrived_at));
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    asm volatile("mbarrier.arrive.expect_tx.shared.b64 _, [%0], %1;" :: "r"(arrived_at), "r"(8 * 32 * 4) : "memory");
    asm volatile(
        "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];"
        :: "r"(tile_at), "l"(&map), "r"((int)column), "r"((int)row), "r"(arrived_at) : "memory");
  }
  __syncthreads();
  unsigned done = 0;
  while (!done)
    asm volatile("{ .reg .pred p; mbarrier.try_wait.parity.shared.b64 p, [%1], 0; selp.u32 %0, 1, 0, p; }"
                 : "=r"(done) : "r"(arrived_at) : "memory");
  for (int i = threadIdx.x; i < 8 * 32; i += blockDim.x) y[i] = tile[i];
}
#endif
"""

ARITY = ("add", "reverse", "scale", "cluster_rank", "tile_copy")
ADD = Launch("add", ("x", "w", "h"), ("n",), ("ceildiv(n, 32)", 1, 1), 32)
REVERSE = Launch("reverse", ("h", "y"), ("n",), ("ceildiv(n, 32)", 1, 1), 32, shared_bytes=64 * 1024)
SCALE = Launch("scale", ("h",), ("n", "k"), ("ceildiv(n, 32)", 1, 1), 32)
PDL = tuple(dataclasses.replace(step, attributes={"pdl": True}) for step in (ADD, REVERSE))


@functools.cache
def compile_cubin(arch: str) -> bytes:
    """SOURCE as a cubin for an architecture; needs no GPU."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    _, program = nvrtc.nvrtcCreateProgram(SOURCE.encode(), b"test.cu", 0, [], [])
    options = [f"--gpu-architecture={arch}".encode(), b"--std=c++17"]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if status != nvrtc.nvrtcResult.NVRTC_SUCCESS:
        log = b" " * nvrtc.nvrtcGetProgramLogSize(program)[1]
        nvrtc.nvrtcGetProgramLog(program, log)
        pytest.fail(log.decode())
    cubin = b" " * nvrtc.nvrtcGetCUBINSize(program)[1]
    nvrtc.nvrtcGetCUBIN(program, cubin)
    return cubin


@functools.cache
def arch() -> str:
    major, minor = Driver().capability
    return f"sm_{major}{minor}a" if major >= 9 else f"sm_{major}{minor}"


def require_hopper() -> None:
    if Driver().capability < (9, 0):
        pytest.skip("needs sm_90 or later")


def reversed_sum(steps: tuple[Step, ...] = (ADD, REVERSE), most: int | None = 1 << 22) -> Engine:
    """y[i] = x[n - 1 - i] + w[n - 1 - i]."""
    source = compile_cubin(arch())
    names = [name for name in ARITY if name.encode() in source]
    plan = Plan(
        name="reversed_sum",
        target=Target("cuda", f"cuda:{arch()}", arch()),
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
        kernels=tuple(Kernel(name, name, "cubin", (f"{name}_node",)) for name in names),
        steps=steps,
        symbols=(Symbol("n", 0, 16, most), Symbol("k", origin="step")),
    )
    return Engine(plan, {"cubin": np.frombuffer(source, np.uint8), "w": weights(1 << 22)})


@functools.cache
def weights(count: int) -> np.ndarray:
    return np.sin(np.arange(count, dtype=np.float32))


def expected(x: np.ndarray, factor: int = 1) -> np.ndarray:
    return ((x + weights(1 << 22)[: x.size]) * np.float32(factor))[::-1]


def ramp(n: int, offset: float = 0) -> np.ndarray:
    return np.arange(n, dtype=np.float32) / 3 + np.float32(offset)


@pytest.mark.parametrize("graph", [True, False])
@pytest.mark.parametrize("steps", [(ADD, REVERSE), PDL], ids=["plain", "pdl"])
def test_every_length(steps: tuple[Step, ...], graph: bool) -> None:
    with reversed_sum(steps) as engine, engine.create_context(graph=graph) as context:
        for n in (1, 31, 0, 4096, 1 << 20, 31, 1, 77_777):
            for offset in range(3):
                np.testing.assert_array_equal(context.run({"x": ramp(n, offset)})["y"], expected(ramp(n, offset)))


def test_saved_and_loaded(tmp_path: Path) -> None:
    reversed_sum().save(tmp_path / "m.plan")
    with load(tmp_path / "m.plan") as engine:
        np.testing.assert_array_equal(engine.run({"x": ramp(99)})["y"], expected(ramp(99)))


def test_submitted_runs_have_events() -> None:
    with reversed_sum() as engine, engine.create_context() as context:
        submitted = [context.submit({"x": context.to_device(ramp(1 << 20, i))}) for i in range(5)]
        submitted[-1].event.wait()
        assert all(one.event.is_done for one in submitted)
        for i, one in enumerate(submitted):
            np.testing.assert_array_equal(one.outputs["y"].numpy(), expected(ramp(1 << 20, i)))


def test_device_tensors_in_and_out() -> None:
    with reversed_sum() as first, reversed_sum() as second:
        a, b = first.create_context(), second.create_context()
        for n in (64, 1000, 64):
            y = a.run({"x": ramp(n)}, on_device=True)["y"]
            assert isinstance(y, DeviceTensor) and y.shape == (n,)
            for _ in range(3):  # copied, then captured in place, then replayed
                z = b.run({"x": y}, on_device=True)["y"]
                np.testing.assert_array_equal(z.numpy(), expected(expected(ramp(n))))
            np.testing.assert_array_equal(b.run({"x": y})["y"], expected(expected(ramp(n))))
        a.close()
        b.close()


def test_device_outputs_into_given_memory() -> None:
    with reversed_sum() as engine, engine.create_context() as context:
        y = context.run({"x": ramp(512)}, on_device=True)["y"]
        for offset in range(4):
            assert context.run({"x": ramp(512, offset)}, {"y": y})["y"] is y
            np.testing.assert_array_equal(y.numpy(), expected(ramp(512, offset)))


def test_many_runs_without_waiting() -> None:
    """Runs that stay on the device overlap with the host; no result may be disturbed by a later run."""
    with reversed_sum() as engine, engine.create_context() as context:
        xs = [context.run({"x": ramp(100_000, i)}, on_device=True)["y"] for i in range(20)]
        ys = [context.run({"x": x}, on_device=True)["y"] for x in xs]
        for i, y in enumerate(ys):
            np.testing.assert_array_equal(y.numpy(), expected(expected(ramp(100_000, i))))


def test_torch_tensors_without_copies() -> None:
    torch = pytest.importorskip("torch")
    with reversed_sum() as engine:
        stream = torch.cuda.Stream()
        with torch.cuda.stream(stream), engine.create_context(stream=stream) as context:
            x = torch.arange(1000, device="cuda", dtype=torch.float32)
            for _ in range(3):
                x += 1
                y = torch.from_dlpack(context.run({"x": x}, on_device=True)["y"])
                np.testing.assert_array_equal((y * 2).cpu().numpy(), expected(x.cpu().numpy()) * 2)


@pytest.mark.parametrize("graph", [True, False])
def test_branches_loops_and_sizes_read_from_memory(graph: bool) -> None:
    steps = (
        ADD,
        Fill("k", 3, "i64"),
        Read(("k",), "k"),
        If("k - 2", (SCALE,), (Copy("x", "h", "4 * n"),)),
        Loop((Fill("k", 2, "i64"), Read(("k",), "k"), SCALE), trip_count=2),
        REVERSE,
    )
    with reversed_sum(steps) as engine, engine.create_context(graph=graph) as context:
        for n in (1, 1000, 1):
            np.testing.assert_allclose(context.run({"x": ramp(n)})["y"], expected(ramp(n), 12), rtol=1e-6)


def test_host_functions_between_launches() -> None:
    @host_function("test.gpu_negate")
    def negate(inputs, outputs, attributes):
        outputs[0][...] = -inputs[0]
        return [attributes["by"]]

    steps = (ADD, Host("test.gpu_negate", ("h",), ("h",), ("k",), {"by": 7}), SCALE, REVERSE)
    with reversed_sum(steps) as engine:
        np.testing.assert_allclose(engine.run({"x": ramp(77)})["y"], expected(ramp(77), -7), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["i8", "f16", "f32", "f64", "i64"])
def test_fills_of_every_width(dtype: str) -> None:
    size = int(dtype[1:]) // 8
    engine = reversed_sum((Fill("y", -3, dtype),))
    with engine:
        y = engine.run({"x": ramp(40)})["y"]
    numpy_name = {"i": "int", "f": "float"}[dtype[0]] + dtype[1:]
    np.testing.assert_array_equal(y.view(numpy_name), np.full(160 // size, -3, numpy_name))


def test_copies_with_offsets() -> None:
    steps = (Copy("x", "y", "4 * n - 40", 40, 0), Copy("w", "y", 40, 0, "4 * n - 40"))
    with reversed_sum(steps) as engine:
        y = engine.run({"x": ramp(30)})["y"]
    np.testing.assert_array_equal(y, np.concatenate([ramp(30)[10:], weights(1 << 22)[:10]]))


@pytest.mark.parametrize("graph", [True, False])
def test_clusters(graph: bool) -> None:
    require_hopper()
    launch = Launch("cluster_rank", ("y",), (), ("n", 1, 1), 32, (4, 1, 1))
    with reversed_sum((launch,)) as engine, engine.create_context(graph=graph) as context:
        np.testing.assert_array_equal(context.run({"x": ramp(16)})["y"], np.tile(np.arange(4, dtype=np.float32), 4))


@pytest.mark.parametrize("graph", [True, False])
def test_tensor_maps(graph: bool) -> None:
    """TMA copies of a dynamic matrix of n / 20 rows and 20 columns; a tile over the edge is filled with zeros."""
    require_hopper()
    map_ = TensorMap("x", "f32", (20, "n // 20"), (80,), (32, 8))
    launch = Launch("tile_copy", ("h",), (2, 0), (1, 1, 1), 64, tensor_maps=(map_,))
    with reversed_sum((launch, Copy("h", "y", 1024))) as engine, engine.create_context(graph=graph) as context:
        for rows in (13, 20, 13):
            x = np.zeros((8 + 2, 32), np.float32)
            x[: min(rows, 10), :20] = ramp(rows * 20).reshape(rows, 20)[:10]
            y = context.run({"x": ramp(rows * 20)})["y"][:256]
            np.testing.assert_array_equal(y[: min(256, rows * 20)], x[2:].ravel()[: min(256, rows * 20)])


def test_contexts_in_many_threads() -> None:
    with reversed_sum() as engine:
        failures: list[object] = []

        def work(number: int) -> None:
            with engine.create_context() as context:
                for n in range(1, 2000, 37):
                    y = context.run({"x": ramp(n, number)})["y"]
                    failures.extend([(number, n)] if not np.array_equal(y, expected(ramp(n, number))) else [])

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures


def test_memory_is_given_back() -> None:
    def free() -> int:
        driver = Driver()
        return driver._call("cuMemGetInfo")[0]

    def once() -> None:
        with reversed_sum() as engine, engine.create_context() as context:
            for n in (1 << 22, 1 << 21):
                context.run({"x": ramp(n)}, on_device=True)
                context.run({"x": ramp(n)})
        gc.collect()

    once()
    before = free()
    for _ in range(5):
        once()
    assert free() >= before - (8 << 20)


@pytest.mark.parametrize("graph", [True, False])
def test_profile_times_every_launch(graph: bool) -> None:
    with reversed_sum(PDL) as engine, engine.create_context(graph=graph) as context:
        context.profile({"x": ramp(1 << 20)})
        times = context.profile({"x": ramp(1 << 20)})
        print({time.name: f"{time.seconds * 1e6:.1f} us" for time in times})
    assert [time.name for time in times] == ["add", "reverse"]
    assert all(1e-7 < time.seconds < 1e-2 for time in times)


def test_out_of_memory_is_an_error_of_ours() -> None:
    with reversed_sum(most=None) as engine, engine.create_context() as context:
        with pytest.raises(DeviceMemoryError, match="GPU 0 is out of memory"):
            context._memory.grow(1 << 45, 1024)
        np.testing.assert_array_equal(context.run({"x": ramp(9)})["y"], expected(ramp(9)))


def test_wrong_inputs() -> None:
    with reversed_sum() as engine:
        with pytest.raises(InputError, match="outside the profile"):
            engine.run({"x": np.zeros((1 << 22) + 1, np.float32)})
        with pytest.raises(InputError, match="expected element type f32, found f64"):
            engine.run({"x": np.zeros(3)})


def test_no_such_gpu() -> None:
    with pytest.raises(DeviceError, match="no GPU number 99"):
        Driver(99)


def test_latency_of_a_small_plan() -> None:
    """The host's part of a run; printed, and bounded loosely."""
    with reversed_sum(PDL) as engine, engine.create_context() as context:
        x, y = ramp(1000), np.empty(1000, np.float32)
        device_x = context.run({"x": x}, on_device=True)["y"]
        device_y = context.run({"x": x}, on_device=True)["y"]
        figures = {}
        for name, inputs, outputs in (
            ("host to host", {"x": x}, {"y": y}),
            ("device to device", {"x": device_x}, {"y": device_y}),
        ):
            times = []
            for _ in range(1000):
                start = time.perf_counter()
                context.run(inputs, outputs)
                context.synchronize()
                times.append(time.perf_counter() - start)
            figures[name] = float(np.median(times))
        print({name: f"{seconds * 1e6:.1f} us" for name, seconds in figures.items()})
        assert max(figures.values()) < 200e-6
