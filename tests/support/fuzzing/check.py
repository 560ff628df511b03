"""One graph, computed in several ways and compared with what it ought to be."""

from __future__ import annotations

import dataclasses
import functools
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
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


@dataclasses.dataclass
class Compiled:
    """Compile and run. `changed_by`: the optional passes that had something to do, known after the run."""

    target: Target
    disabled: Sequence[str] = ()
    changed_by: Sequence[str] = ()

    def __call__(self, model: onnx.ModelProto, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        options = CompileOptions(self.target, passes=PassOptions(disabled=tuple(self.disabled)))
        settings = {"threads": 1} if self.target.kind == "cpu" else {}
        compiled = compile_model(model, options)
        self.changed_by = [name for name in dict.fromkeys(compiled.changed_by) if name not in REQUIRED]
        with compiled.engine(**settings) as engine:
            found = engine.run(feeds)
            return [np.array(found[output.name]) for output in model.graph.output]


@functools.cache
def has_gpu() -> bool:
    try:
        Driver()
    except DeviceError:
        return False
    return True


def ways(random: Random, every: bool) -> Iterator[tuple[str, Run]]:
    """How a graph is computed, each to be tried before the next is asked for: a pass is left out that had something to
    do, by the choice of `random`, or `every` one in turn."""
    cpu, gpu = host.resolve("cpu"), host.resolve("cuda:sm_90a")
    if has_gpu():
        yield "cuda", Compiled(gpu)
    yield "nn", interpreted("legalize", cpu)
    whole = Compiled(cpu)
    yield "cpu", whole
    chosen = whole.changed_by if every or not whole.changed_by else [random.choice(whole.changed_by)]
    for name in chosen:
        yield f"cpu without {name}", Compiled(cpu, (name,))
    yield "cpu without optimization", Compiled(cpu, optional_passes(cpu))
    yield "tile programs of cuda", interpreted("tile", gpu)


def check(graph: Graph, every: bool = False, only: str | None = None) -> list[Failure]:
    """What is wrong with the results of `graph`: computed in one way or all, with `every` without each pass in turn."""
    results = graph.results()
    model = graph.model(results)
    failures: list[Failure] = []
    for way, run in ways(graph.random, every):
        if only in (None, way) and (message := departure(graph, model, run)) is not None:
            failure = Failure(way, message)
            failures.append(failure if failures else narrowed(graph, failure, run))
    return failures


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
