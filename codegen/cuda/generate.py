"""From a module in the plan phase to a plan for CUDA."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ...ir.dialects import kernel, tile
from ...ir.dialects.builtin import Module
from ...ir.symbols import product
from ...ir.target import CudaTarget, Target
from ...runtime import plan as run
from ..program import Program, expression, kernel_record, precision_of
from . import nvrtc
from .asynchronous import MapParameter
from .source import Source, emit

Progress = Callable[[int, int], None]


def sources(module: Module) -> dict[str, Source]:
    """The CUDA C of every kernel of a module in the tile or plan phase, by kernel name."""
    return {op.sym_name: emit(op) for op in module.block if isinstance(op, kernel.Func) and op.is_tiled}


def generate(module: Module, progress: Progress | None = None) -> tuple[run.Plan, dict[str, np.ndarray]]:
    """The plan of a module in the plan phase, and its tensors: weights, and each kernel's cubin, PTX and source.

    `progress` is told how many of how many kernels are compiled. Raises CompileError where NVRTC is missing or a
    weight has no data.
    """
    target = Target.of(module)
    assert isinstance(target, CudaTarget)
    program = Program.of(module)
    texts = {function.sym_name: emit(function) for function in program.kernels}
    binaries = dict(zip(texts, nvrtc.compile_sources(list(texts.values()), target.arch, progress), strict=True))
    tensors = dict(program.tensors)
    kernels = []
    for function in program.kernels:
        name = function.sym_name
        binary, source = binaries[name], texts[name]
        parts = {"cubin": binary.cubin, "ptx": binary.ptx, "cu": source.text.encode()}
        for kind, data in parts.items():
            tensors[f"{kind}/{name}"] = np.frombuffer(data, np.uint8)
        details = {
            "binary": f"cubin/{name}",
            "ptx": f"ptx/{name}",
            "source": f"cu/{name}",
            "shared_bytes": source.shared_bytes,
        }
        kernels.append(dataclasses.replace(kernel_record(function, **details), entry=source.name))
    steps = tuple(_step(step, program, texts) for step in program.steps)
    plan = run.Plan(
        name=module.sym_name or "model",
        target=run.Target("cuda", target.name, target.arch),
        precision=precision_of(module),
        inputs=program.inputs,
        outputs=program.outputs,
        buffers=program.buffers,
        kernels=tuple(kernels),
        steps=steps,
        symbols=program.symbols,
        equalities=program.equalities,
        index_checks=program.index_checks,
        provenance={"nvrtc": nvrtc.version()},
        ir=str(module),
    )
    return plan, tensors


def _step(step: run.Step, program: Program, texts: dict[str, Source]) -> run.Step:
    if isinstance(step, run.If):
        then, otherwise = (tuple(_step(s, program, texts) for s in part) for part in (step.then, step.otherwise))
        return dataclasses.replace(step, then=then, otherwise=otherwise)
    if isinstance(step, run.Loop):
        return dataclasses.replace(step, body=tuple(_step(s, program, texts) for s in step.body))
    if not isinstance(step, run.Launch):
        return step
    source = texts[step.kernel]
    attributes: dict[str, int | str | bool] = {}
    if source.cooperative:
        attributes["cooperative"] = True
    function = next(f for f in program.kernels if f.sym_name == step.kernel)
    if any(isinstance(op, tile.WaitDependencies) for op in function.walk()):
        attributes["pdl"] = True
    x, y, z = (*(function.cluster or ()), *(1,) * (3 - len(function.cluster or ())))
    return dataclasses.replace(
        step,
        block=source.threads,
        shared_bytes=source.shared_bytes,
        cluster=(x, y, z) if function.cluster else None,
        tensor_maps=tuple(_tensor_map(map_, step.buffers[map_.argument]) for map_ in source.maps),
        attributes=attributes,
    )


def _tensor_map(map_: MapParameter, buffer: str) -> run.TensorMap:
    """A dense, row-major tensor as TMA describes it, the innermost dim first."""
    strides = [product(map_.shape[d:]) * map_.dtype.bytes for d in range(1, len(map_.shape))]
    return run.TensorMap(
        buffer,
        str(map_.dtype),
        tuple(expression(size) for size in reversed(map_.shape)),
        tuple(expression(stride) for stride in reversed(strides)),
        tuple(reversed(map_.box)),
        map_.swizzle,
        pixels=map_.pixels,
    )
