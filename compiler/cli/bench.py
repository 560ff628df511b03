"""`kernelwright bench`: latency and throughput of a plan."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from ...runtime.engine import Engine, load
from .. import profiling
from ..options import Shapes
from ..samples import random_inputs, read_inputs, symbol_values
from .format import names_text, table, time_text
from .options import FILE, shapes_option

_PERCENTILES = (50, 90, 95, 99)


@click.command("bench")
@click.argument("plan", type=FILE)
@click.option("--iterations", type=int, help="Runs to measure  [default: as many as fit into --duration].")
@click.option("--warm-up", default=200.0, show_default=True, metavar="MS", help="Time to run before measuring.")
@click.option("--duration", default=3.0, show_default=True, metavar="S", help="Time to measure.")
@click.option("--input", "inputs", multiple=True, metavar="NAME=FILE.npy", help="An input (repeatable).")
@shapes_option
@click.option("--host-io", is_flag=True, help="On a GPU, count copies of inputs and outputs from and to the host too.")
@click.option(
    "--profile", is_flag=True, help="Also every kernel: its time, its rates, and its part of what the hardware can do."
)
@click.option("--export-trace", "trace", type=FILE, metavar="FILE", help="Write the profile for Perfetto (JSON).")
@click.option("--threads", type=int, help="Worker threads of a CPU plan  [default: physical cores].")
@click.option("--device", default=0, show_default=True, help="The number of the GPU.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON; times in seconds.")
def command(
    plan: Path,
    iterations: int | None,
    warm_up: float,
    duration: float,
    inputs: tuple[str, ...],
    shapes: Shapes,
    host_io: bool,
    profile: bool,
    trace: Path | None,
    threads: int | None,
    device: int,
    as_json: bool,
) -> None:
    """Run PLAN again and again, one inference after the other, and print percentiles of the latency."""
    with load(plan, threads=threads, device=device) as engine:
        given = read_inputs(inputs)
        arrays = {**random_inputs(engine.plan, shapes, given=given), **given}
        context = engine.create_context()
        run = (
            on_device(context, arrays) if engine.target.kind == "cuda" and not host_io else lambda: context.run(arrays)
        )
        times = measure(run, iterations, warm_up / 1000, duration)
        result = summary(times)
        if profile or trace is not None:
            symbols = symbol_values(engine.plan, {name: array.shape for name, array in arrays.items()})
            steps = profiling.steps(context, arrays)
            result["kernels"] = profiling.by_kernel(engine.plan, steps, symbols)
            if trace is not None:
                profiling.export_trace(trace, engine.plan, steps, symbols)
        context.close()
        click.echo(json.dumps(result, indent=2) if as_json else _text(engine, result))


def on_device(context: Any, arrays: dict[str, np.ndarray]) -> Callable[[], Any]:
    """A run whose inputs and outputs stay in GPU memory, to its end."""
    inputs = {name: context.to_device(array) for name, array in arrays.items()}
    outputs = context.run(inputs, on_device=True)

    def run() -> None:
        context.run(inputs, outputs)
        context.synchronize()

    return run


def measure(run: Callable[[], Any], iterations: int | None, warm_up: float, duration: float) -> np.ndarray:
    """Seconds of each of `iterations` calls, or of as many as take `duration` seconds, after warming up."""
    start = time.perf_counter()
    while time.perf_counter() - start < warm_up:
        run()
    times: list[float] = []
    start = before = time.perf_counter()
    while len(times) < iterations if iterations else (not times or before - start < duration):
        run()
        now = time.perf_counter()
        times.append(now - before)
        before = now
    return np.array(times)


def summary(times: np.ndarray) -> dict[str, Any]:
    """Latency statistics in seconds, and inferences a second."""
    latency = {f"p{p}": float(np.percentile(times, p)) for p in _PERCENTILES}
    latency |= {"mean": float(times.mean()), "min": float(times.min()), "max": float(times.max())}
    return {"iterations": len(times), "latency": latency, "throughput": len(times) / float(times.sum())}


def _text(engine: Engine, result: dict[str, Any]) -> str:
    latency = result["latency"]
    lines = [
        f"{engine.name} on {engine.target.name}, {engine.precision}: {result['iterations']} runs",
        "latency     " + "  ".join(f"{key} {time_text(latency[key])}" for key in ("p50", "p90", "p95", "p99")),
        "            " + "  ".join(f"{key} {time_text(latency[key])}" for key in ("mean", "min", "max")),
        f"throughput  {result['throughput']:.1f} inferences/s",
    ]
    if "kernels" in result:
        total = sum(kernel["seconds"] for kernel in result["kernels"]) or 1.0
        lines += ["", table(_HEADERS, [_row(kernel, total) for kernel in result["kernels"]], right=range(2, 8))]
    return "\n".join(lines)


_HEADERS = ["kernel", "tactic", "calls", "time", "share", "TFLOP/s", "GB/s", "of ceiling", "ONNX nodes"]


def _row(kernel: dict[str, Any], total: float) -> list[str]:
    seconds = kernel["seconds"]
    floor = kernel["floor_seconds"]
    return [
        kernel["name"],
        kernel["tactic"],
        str(kernel["calls"]),
        time_text(seconds),
        f"{seconds / total:.1%}",
        f"{kernel['flops'] / seconds / 1e12:.3g}" if seconds else "",
        f"{kernel['bytes'] / seconds / 1e9:.3g}" if seconds else "",
        f"{floor / seconds:.0%}" if floor is not None and seconds else "",
        names_text(kernel["onnx_nodes"]),
    ]
