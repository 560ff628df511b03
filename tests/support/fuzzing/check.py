"""One graph, computed in several ways and compared with what it ought to be."""

from __future__ import annotations

import dataclasses
import functools
import traceback
from collections.abc import Callable, Iterator, Mapping
from random import Random

import numpy as np
import onnx

from kernelwright.compiler import host, pipelines
from kernelwright.compiler.driver import compile_model
from kernelwright.compiler.options import CompileOptions, PassOptions
from kernelwright.ir.diagnostics import CompileError, InternalError
from kernelwright.ir.target import Target
from kernelwright.ir.tile_interpreter import TileInterpreter
from kernelwright.runtime.cuda_driver import Driver
from kernelwright.runtime.errors import DeviceError, EngineError

from .graph import Graph, deviation

Run = Callable[[onnx.ModelProto, Mapping[str, np.ndarray]], list[np.ndarray] | None]
"""Results of a model for inputs by name; None where this way has none."""

REQUIRED = {
    *("legalize-onnx", "decompose", "form-kernels", "schedule-kernels", "tile-kernels", "assign-layouts"),
    *("lower-to-plan", "assign-offsets", "project-recurrent-inputs"),
}
"""Passes that change the representation: the others can be left out."""


@dataclasses.dataclass(frozen=True)
class Failure:
    """`way` is how the graph was computed; `model` the smallest part of it that fails."""

    way: str
    message: str
    model: str = ""

    def __str__(self) -> str:
        return f"{self.way}: {self.message}"


def optional_passes(target: Target) -> list[str]:
    """The passes that a compilation for `target` may go without."""
    names = dict.fromkeys(step.transform.name for step in pipelines.steps(target))
    return [name for name in names if name not in REQUIRED]


def interpreted(stop: str, target: Target, disabled: tuple[str, ...] = ()) -> Run:
    """Compile to the phase `stop` and interpret that; what the host runs is left to it."""

    def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray] | None:
        options = CompileOptions(target, stop=stop, passes=PassOptions(disabled=disabled))
        compilation = compile_model(model, options)
        return None if compilation.host_steps else list(TileInterpreter(compilation.module).run(feeds))

    return run


def compiled(target: Target, disabled: tuple[str, ...] = ()) -> Run:
    """Compile and run."""

    def run(model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        options = CompileOptions(target, passes=PassOptions(disabled=disabled))
        settings = {"threads": 1} if target.kind == "cpu" else {}
        with compile_model(model, options).engine(**settings) as engine:
            found = engine.run(feeds)
            return [np.array(found[output.name]) for output in model.graph.output]

    return run


@functools.cache
def has_gpu() -> bool:
    try:
        Driver()
    except DeviceError:
        return False
    return True


def ways(random: Random) -> Iterator[tuple[str, Run]]:
    """How a graph is computed: `random` chooses the pass that is left out."""
    cpu, gpu = host.resolve("cpu"), host.resolve("cuda:sm_90a")
    if has_gpu():
        yield "cuda", compiled(gpu)
    passes = optional_passes(cpu)
    yield "nn", interpreted("legalize", cpu)
    yield "cpu", compiled(cpu)
    one = random.choice(passes)
    yield f"cpu without {one}", compiled(cpu, (one,))
    yield "cpu without optimization", compiled(cpu, tuple(passes))
    yield "tile programs of cuda", interpreted("tile", gpu)


def check(graph: Graph, every: bool = False, only: str | None = None) -> list[Failure]:
    """What is wrong with the results of `graph`: computed in one way or all, with `every` without each pass in turn."""
    results = graph.results()
    model = graph.model(results)
    tried = list(ways(graph.random))
    if every:
        cpu = host.resolve("cpu")
        tried += [(f"cpu without {name}", compiled(cpu, (name,))) for name in optional_passes(cpu)]
    tried = [(way, run) for way, run in tried if only in (None, way)]
    failures = [Failure(way, message) for way, run in tried if (message := departure(graph, model, run))]
    return [narrowed(graph, failures[0], dict(tried)[failures[0].way]), *failures[1:]] if failures else []


def departure(graph: Graph, model: onnx.ModelProto, run: Run) -> str | None:
    """How the results differ from what they ought to be, or what was raised; None where all is well."""
    tensors = {tensor.name: tensor for tensor in graph.tensors}
    try:
        found = run(model, graph.feeds(model))
    except (CompileError, EngineError) as error:
        return f"{type(error).__name__}: {error}" + ("" if not isinstance(error, InternalError) else _place(error))
    except Exception as error:
        return f"{type(error).__name__}: {error}" + _place(error)
    for output, array in zip(model.graph.output, found or (), strict=found is not None):
        if (wrong := deviation(np.asarray(array), tensors[output.name])) is not None:
            return f"'{output.name}' of {graph.makers[output.name].op_type} {wrong}"
    return None


def _place(error: BaseException) -> str:
    frames = traceback.extract_tb((error.__cause__ or error).__traceback__)[-3:]
    return "".join(f"\n  at {frame.filename.rpartition('/')[2]}:{frame.lineno} in {frame.name}" for frame in frames)


def narrowed(graph: Graph, failure: Failure, run: Run) -> Failure:
    """The failure of the smallest part of the graph, up to one node, that has one; with its text."""
    smallest = graph.model([output.name for output in graph.model(graph.results()).graph.output])
    message = failure.message
    for node in graph.nodes:
        part = graph.model(list(node.output))
        if (wrong := departure(graph, part, run)) is not None:
            smallest, message = part, wrong
            break
    return Failure(failure.way, message, onnx.printer.to_text(smallest))
