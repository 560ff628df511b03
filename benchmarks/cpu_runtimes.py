"""The runtimes that `cpu.py` compares, and the process that each runs in.

A worker prepares one case, then times calls when it is told to and sleeps in between, so that nothing but the runtime
whose turn it is uses the processors. All get the sizes of the case as static shapes, their best setting.
"""

# The peers are no dependencies of ours, the tests' included: type checkers may not find them.
# pyright: reportMissingImports=false

from __future__ import annotations

import multiprocessing
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import zoo
from realtime import Realtime

Outputs = list[np.ndarray]


class Runtime(ABC):
    """One way to run an ONNX model: `build` prepares a case, `run` is what is timed."""

    name: str
    precisions: tuple[str, ...] = ("fp32",)

    def __init__(self, threads: int, precision: str) -> None:
        self.threads = threads
        self.precision = precision

    @abstractmethod
    def build(self, case: zoo.Case) -> dict[str, float]:
        """Prepare for the sizes of `case`; further figures to report beside the time this takes."""

    @abstractmethod
    def run(self, inputs: dict[str, np.ndarray]) -> Outputs: ...


class Kernelwright(Runtime):
    name = "kernelwright"
    precisions = ("fp32", "bf16")

    def build(self, case: zoo.Case) -> dict[str, float]:
        import kernelwright  # noqa: PLC0415, a process loads its own runtime only

        with tempfile.TemporaryDirectory() as folder:
            plan = Path(folder) / "model.plan"
            start = time.perf_counter()
            self._compile(case, plan)
            compiled = time.perf_counter()
            self.context = kernelwright.load(str(plan)).create_context(threads=self.threads)
            self.run(case.inputs())
            loaded = time.perf_counter()
            size = plan.stat().st_size
        return {"build_seconds": compiled - start, "load_seconds": loaded - compiled, "plan_megabytes": size / 1e6}

    def _compile(self, case: zoo.Case, plan: Path) -> None:
        """In another process: a machine that runs a plan need not have compiled it, and its memory counts alone."""
        shapes = ",".join(f"{name}:{'x'.join(map(str, shape))}" for name, shape in case.shapes().items())
        options = [f"--precision={self.precision}", f"--shapes={shapes}", "-o", str(plan)]
        command = [sys.executable, "-m", "kernelwright", "compile", str(case.path), *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())

    def run(self, inputs: dict[str, np.ndarray]) -> Outputs:
        return list(self.context.run(inputs).values())


class OnnxRuntime(Runtime):
    name = "onnxruntime"

    def build(self, case: zoo.Case) -> dict[str, float]:
        import onnxruntime  # noqa: PLC0415, a process loads its own runtime only

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = self.threads, 1
        for dim, size in case.sizes.items():
            options.add_free_dimension_override_by_name(dim, size)
        self.session = onnxruntime.InferenceSession(str(case.path), options, providers=["CPUExecutionProvider"])
        return {}

    def run(self, inputs: dict[str, np.ndarray]) -> Outputs:
        return list(self.session.run(None, inputs))  # type: ignore[arg-type]


class OpenVino(Runtime):
    name = "openvino"
    precisions = ("fp32", "bf16")

    def build(self, case: zoo.Case) -> dict[str, float]:
        import openvino  # noqa: PLC0415, a process loads its own runtime only

        core = openvino.Core()
        model = core.read_model(str(case.path))
        model.reshape({name: list(shape) for name, shape in case.shapes().items()})
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": self.threads,
            "INFERENCE_PRECISION_HINT": {"fp32": "f32", "bf16": "bf16"}[self.precision],
        }
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        return {}

    def run(self, inputs: dict[str, np.ndarray]) -> Outputs:
        results = self.request.infer(inputs, share_inputs=True, share_outputs=True)
        return [results[i] for i in range(len(results))]


RUNTIMES: tuple[type[Runtime], ...] = (Kernelwright, OnnxRuntime, OpenVino)


class Worker:
    """A runtime in a process of its own with one case prepared. Raises RuntimeError where it cannot run the case."""

    def __init__(self, runtime: type[Runtime], case: zoo.Case, threads: int, precision: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, far_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(far_end, runtime, case, threads, precision), daemon=True)
        self._process.start()
        far_end.close()
        self.figures: dict[str, float] = self._answer()

    def outputs(self) -> Outputs:
        return self._ask("outputs")

    def median_call(self, seconds: float, realtime: bool) -> float:
        """What `median_call` measures there."""
        return self._ask("time", seconds, realtime)

    def close(self) -> None:
        self._pipe.close()
        self._process.join()

    def _ask(self, *request: Any) -> Any:
        self._pipe.send(request)
        return self._answer()

    def _answer(self) -> Any:
        try:
            answer = self._pipe.recv()
        except EOFError:
            raise RuntimeError("the process ended") from None
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer


def _serve(pipe: Connection, runtime: type[Runtime], case: zoo.Case, threads: int, precision: str) -> None:
    inputs = case.inputs()
    one = runtime(threads, precision)
    try:
        start = time.perf_counter()
        figures = one.build(case)
        seconds = time.perf_counter() - start
        one.run(inputs)
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")
        return
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    pipe.send({"build_seconds": seconds, "peak_megabytes": peak, **figures})
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        if request[0] == "outputs":
            pipe.send([np.array(array) for array in one.run(inputs)])
        else:
            pipe.send(median_call(lambda: one.run(inputs), *request[1:]))


def median_call(call: Callable[[], object], seconds: float, realtime: bool = False) -> float:
    """The median of at least 3 calls within `seconds`, in milliseconds, after one to warm up."""
    with Realtime(realtime):
        call()
        times: list[float] = []
        while sum(times) < seconds or len(times) < 3:
            start = time.perf_counter()
            call()
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3
