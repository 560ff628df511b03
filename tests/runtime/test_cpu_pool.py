"""The worker pool: under load, idle, across forks, shared and apart."""

from __future__ import annotations

import dataclasses
import gc
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from cpu_plans import ADD, REVERSE, expected, objects, reversed_sum

import kernelwright.runtime
from kernelwright.codegen.cpu.pool import pool_source
from kernelwright.runtime import DeviceError, Engine
from kernelwright.runtime.cpu_pool import Library, Pool, physical_cores
from kernelwright.runtime.plan import Copy, Kernel, Launch


def ramp(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.float32) / 3


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_ten_thousand_runs(threads: int) -> None:
    """Each run has phases that read what other workers wrote before a barrier."""
    plan, tensors = reversed_sum((ADD, Copy("h", "y", "4 * n"), Copy("y", "h", "4 * n"), REVERSE))
    # more threads than processors have to wait for time slices at every barrier
    runs = 10_000 if threads <= len(os.sched_getaffinity(0)) else 200
    with Engine(plan, tensors, threads=threads) as engine:
        context = engine.create_context()
        x, y = ramp(1000), np.empty(1000, np.float32)
        for _ in range(runs):
            x[0] += 1
            y[:] = 0
            context.run({"x": x}, {"y": y})
            assert y[-1] == x[0] and y[0] == expected(x)[0]
        np.testing.assert_array_equal(y, expected(x))


@pytest.mark.parametrize(
    ("grid", "attributes", "n", "workers"),
    [
        ((1, 1, 1), {}, 100, 1),
        (("n", 2, 1), {}, 1, 2),
        (("n", 2, 1), {}, 2, 3),
        ((1, 1, 1), {"cooperative": True}, 1, 3),
    ],
)
def test_no_more_workers_than_pieces_of_work(grid, attributes, n: int, workers: int) -> None:
    plan, tensors = reversed_sum((Launch("count", ("y",), (), grid, attributes=attributes), ADD))
    plan = dataclasses.replace(plan, steps=plan.steps[:1], kernels=(Kernel("count", "count"),))
    with Engine(plan, tensors, threads=3) as engine:
        y = engine.run({"x": ramp(n)}, {"y": np.zeros(n, np.float32)})["y"]
        for again in (n, 1, n):
            engine.run({"x": ramp(again)})
    assert y[0] == workers


def test_runs_after_pauses_find_sleeping_workers() -> None:
    with Engine(*reversed_sum(), threads=2) as engine:
        for pause in (0.0, 0.0005, 0.001, 0.01, 0.05) * 4:
            time.sleep(pause)
            np.testing.assert_array_equal(engine.run({"x": ramp(100)})["y"], expected(ramp(100)))


def test_an_idle_pool_takes_no_processor_time() -> None:
    with Engine(*reversed_sum(), threads=4) as engine:
        engine.run({"x": ramp(100)})
        time.sleep(0.05)
        before = time.process_time()
        time.sleep(0.3)
        assert time.process_time() - before < 0.02


def test_contexts_of_one_engine_in_many_threads() -> None:
    """Two share the engine's workers, two have their own."""
    with Engine(*reversed_sum(), threads=2) as engine:
        contexts = [engine.create_context(threads=threads) for threads in (None, None, 1, 2)]
        failures: list[object] = []

        def work(number: int) -> None:
            for n in range(1, 300):
                x = ramp(n) + number
                if not np.array_equal(contexts[number].run({"x": x})["y"], expected(x)):
                    failures.append((number, n))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert not failures
        for context in contexts:
            context.close()


def test_one_context_in_many_threads() -> None:
    with Engine(*reversed_sum(), threads=2) as engine:
        results: list[bool] = []

        def work(number: int) -> None:
            for _ in range(200):
                x = ramp(50) + number
                results.append(np.array_equal(engine.run({"x": x})["y"], expected(x)))

        workers = [threading.Thread(target=work, args=(number,)) for number in range(3)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert len(results) == 600 and all(results)


def threads_of_pools() -> int:
    return sum(thread.name.startswith("kernelwright-") for thread in threading.enumerate())


def test_threads_end_with_the_engine() -> None:
    before = threads_of_pools()
    engine = Engine(*reversed_sum(), threads=3)
    assert threads_of_pools() == before  # none before the first run
    engine.run({"x": ramp(3)})
    context = engine.create_context(threads=2)
    context.run({"x": ramp(3)})
    assert threads_of_pools() == before + 3
    context.close()
    engine.close()
    assert threads_of_pools() == before


def test_a_forgotten_engine_leaves_no_threads() -> None:
    before = threads_of_pools()
    engine = Engine(*reversed_sum(), threads=3)
    engine.run({"x": ramp(3)})
    del engine
    gc.collect()
    assert threads_of_pools() == before


def test_a_closed_context_runs_again() -> None:
    with Engine(*reversed_sum(), threads=2) as engine, engine.create_context(threads=2) as context:
        for _ in range(3):
            np.testing.assert_array_equal(context.run({"x": ramp(9)})["y"], expected(ramp(9)))
            context.close()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_processes_start_their_own_workers() -> None:
    with Engine(*reversed_sum(), threads=2) as engine:
        engine.run({"x": ramp(10)})
        child = os.fork()
        if child == 0:
            right = all(np.array_equal(engine.run({"x": ramp(n)})["y"], expected(ramp(n))) for n in (10, 77))
            os._exit(0 if right else 1)
        assert os.waitpid(child, 0)[1] == 0
        np.testing.assert_array_equal(engine.run({"x": ramp(10)})["y"], expected(ramp(10)))


def test_the_interpreter_exits_with_workers_running(tmp_path: Path) -> None:
    Engine(*reversed_sum()).save(tmp_path / "m.plan")
    program = (
        "import sys, numpy as np, kernelwright.runtime as runtime\n"
        "engine = runtime.load(sys.argv[1], threads=3)\n"
        "print(engine.run({'x': np.zeros(4, np.float32)})['y'][3])\n"
    )
    root = Path(kernelwright.runtime.__file__).parents[2]
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m.plan")],
        check=False,
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (result.stdout, result.stderr, result.returncode) == ("0.0\n", "", 0)


def test_affinity_pins_workers() -> None:
    processors = sorted(os.sched_getaffinity(0))
    others = set(threading.enumerate())  # engines of other tests that are not collected yet have workers too
    with Engine(*reversed_sum(), threads=2, affinity=processors[-1:]) as engine:
        engine.run({"x": ramp(4)})
        workers = [t for t in threading.enumerate() if t.name == "kernelwright-1" and t not in others]
        assert [os.sched_getaffinity(worker.native_id or 0) for worker in workers] == [{processors[-1]}]
        assert sorted(os.sched_getaffinity(0)) == processors  # the caller's thread is its own


def test_physical_cores_are_processors_of_this_process() -> None:
    cores = physical_cores()
    assert cores and set(cores) <= os.sched_getaffinity(0)


def test_a_processor_that_is_not_ours() -> None:
    with pytest.raises(DeviceError, match="affinity: this process may not use processor 9999, it may use"):
        Pool(Library([code.tobytes() for code in objects().values()]), 2, [9999])


def test_threads_that_do_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    start, started = threading.Thread.start, []

    def limited(thread: threading.Thread) -> None:
        if len(started) == 2:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    with Engine(*reversed_sum(), threads=4) as engine:
        monkeypatch.setattr(threading.Thread, "start", limited)
        with pytest.raises(DeviceError, match="cannot start 4 threads: can't start new thread"):
            engine.run({"x": ramp(4)})
        assert not any(thread.is_alive() for thread in started)
        monkeypatch.undo()
        np.testing.assert_array_equal(engine.run({"x": ramp(4)})["y"], expected(ramp(4)))


def test_no_threads_is_an_error() -> None:
    with pytest.raises(DeviceError, match="threads: expected at least 1, found 0"):
        Pool(Library([code.tobytes() for code in objects().values()]), 0)


def test_the_pool_is_valid_for_aarch64() -> None:
    llvm = pytest.importorskip("llvmlite.binding")
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    text = pool_source("aarch64-unknown-linux-gnu")
    module = llvm.parse_assembly(text)
    module.triple = "aarch64-unknown-linux-gnu"
    machine = llvm.Target.from_triple("aarch64-unknown-linux-gnu").create_target_machine(opt=2)
    assert "yield" in machine.emit_assembly(module)
    assert "x86" not in text.replace("x86-64", "")


def test_the_overhead_of_a_run_is_small() -> None:
    plan, tensors = reversed_sum((Launch("nothing"),))
    plan = dataclasses.replace(plan, kernels=(Kernel("nothing", "nothing"),))
    with Engine(plan, tensors, threads=1) as engine:
        context, x, y = engine.create_context(), ramp(8), np.empty(8, np.float32)
        times = []
        for _ in range(2000):
            start = time.perf_counter()
            context.run({"x": x}, {"y": y})
            times.append(time.perf_counter() - start)
        assert float(np.median(times)) < 50e-6  # 7 us on an idle machine
