"""A module in the plan phase to a plan for a CPU: LLVM IR text, object code, and the runtime's program."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import target as targets
from ...ir.attributes import ArrayAttr, StringAttr
from ...ir.diagnostics import CompileError
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.target import CpuTarget, Target
from ...runtime import plan as run
from ..program import Program, kernel_record, precision_of
from . import arithmetic, bf16, control, indirect, llvm, math, memory, vectors
from .builder import Lanes
from .emitter import KernelEmitter
from .launch import entry_function, launch_function, run_function
from .pool import pool_source

HANDLERS = (arithmetic, control, indirect, memory, vectors)
"""The modules that register handlers of ops."""
BARRIER = "declare void @kw_barrier(ptr, i64)"


@dataclass(frozen=True)
class Source:
    """LLVM IR of kernels: a text a kernel, and what they share."""

    kernels: dict[str, str]
    entries: tuple[str, ...]
    functions: tuple[str, ...]
    declarations: tuple[str, ...]

    @property
    def text(self) -> str:
        """The whole module."""
        parts = ["\n".join(self.declarations), *self.functions, *self.kernels.values(), *self.entries]
        return "\n\n".join(part for part in parts if part) + "\n"


def generate(module: Module) -> tuple[run.Plan, dict[str, np.ndarray]]:
    """The plan of a module in the plan phase, and its tensors. Raises CompileError where it cannot be compiled."""
    target = Target.of(module)
    assert isinstance(target, CpuTarget)
    program = Program.of(module)
    steps, entries = native_steps(program)
    source = kernel_source(program.kernels, entries, target.features)
    objects = {"object": compile_object(source.text, target), "pool": pool_object(target)}
    levels = []
    for level in cpu_levels(module):
        text = kernel_source(program.kernels, entries, level.features).text
        names = (f"object/{level.name}", f"pool/{level.name}")
        objects |= zip(names, (compile_object(text, level), pool_object(level)), strict=True)
        levels.append(run.CpuLevel(level.name, level.features, names))
    tensors = program.tensors | {name: np.frombuffer(code, np.uint8) for name, code in objects.items()}
    for name, text in source.kernels.items():
        tensors[f"source:{name}"] = np.frombuffer(text.encode(), np.uint8)
    plan = run.Plan(
        name=module.sym_name or "model",
        target=run.Target("cpu", target.name, target.arch, target.features),
        precision=precision_of(module),
        inputs=program.inputs,
        outputs=program.outputs,
        buffers=program.buffers,
        kernels=tuple(kernel_record(k, binary="object", source=f"source:{k.sym_name}") for k in program.kernels),
        steps=steps,
        symbols=program.symbols,
        equalities=program.equalities,
        index_checks=program.index_checks,
        levels=tuple(levels),
    )
    return plan, tensors


def cpu_levels(module: Module) -> list[CpuTarget]:
    """The targets that the module's attribute `kw.cpu_levels` names: the plan's code is compiled for them too.

    Raises CompileError for a name that is no CPU's, or one of another architecture than the module's target.
    """
    attribute = module.attributes.get(targets.CPU_LEVELS)
    names = attribute.values if isinstance(attribute, ArrayAttr) else ()
    target, found = Target.of(module), []
    for name in names:
        assert isinstance(name, StringAttr)
        level = targets.builtin(name.value)
        if not isinstance(level, CpuTarget) or level.arch.split("-")[0] != target.arch.split("-")[0]:
            raise CompileError(f"'{name.value}' is no level of '{target.name}', which is for {target.arch}")
        found.append(level)
    return found


def native_steps(program: Program) -> tuple[tuple[run.Step, ...], list[str]]:
    """The program's steps, launches that follow each other joined to native functions; and those functions' text."""
    buffers = {buffer.name: place for place, buffer in enumerate(program.buffers)}
    symbols = {symbol.name: place for place, symbol in enumerate(program.symbols)}
    entries: list[str] = []

    def native(launches: Iterable[run.Launch]) -> run.Native:
        joined, name = tuple(launches), f"plan.{len(entries)}"
        entries.append(entry_function(name, joined, buffers, symbols))
        return run.Native(name, joined)

    def joined(steps: Iterable[run.Step]) -> tuple[run.Step, ...]:
        found: list[run.Step] = []
        for are_launches, group in itertools.groupby(steps, lambda step: isinstance(step, run.Launch)):
            if are_launches:
                found.append(native(step for step in group if isinstance(step, run.Launch)))
            else:
                found += map(with_natives, group)
        return tuple(found)

    def with_natives(step: run.Step) -> run.Step:
        match step:
            case run.If():
                return dataclasses.replace(step, then=joined(step.then), otherwise=joined(step.otherwise))
            case run.Loop():
                return dataclasses.replace(step, body=joined(step.body))
            case _:
                return step

    return joined(program.steps), entries


def kernel_source(
    kernels: Iterable[kernel.Func], entries: Sequence[str] = (), features: Collection[str] = ()
) -> Source:
    """The LLVM IR of tile programs, for processors with `features`.

    Raises CompileError, naming the op, for one that has no code.
    """
    texts: dict[str, str] = {}
    declarations: set[str] = {BARRIER}
    functions: set[tuple[str, Lanes]] = set()
    for func in kernels:
        emitter = KernelEmitter(func)
        comment = f"; {func.sym_name}: {', '.join(func.onnx or ())}".rstrip(": ")
        functions_text = [emitter.emit(), run_function(func), launch_function(func)]
        texts[func.sym_name] = comment + "\n" + "\n\n".join(functions_text)
        declarations |= emitter.builder.declarations
        functions |= emitter.builder.functions
    bodies = []
    for name, lanes in sorted(functions, key=lambda f: (f[0], str(f[1]))):
        define = bf16.definition if name in bf16.FUNCTIONS else math.definition
        body, needed = define(name, lanes, features)
        bodies.append(body)
        declarations |= needed
    return Source(texts, tuple(entries), tuple(bodies), tuple(sorted(declarations)))


def compile_object(source: str, target: CpuTarget) -> bytes:
    """Optimized object code of LLVM IR text, which may call the worker pool's functions."""
    features = ",".join(f"+{name.lstrip('+')}" for name in target.features)
    machine = llvm.target_machine(target.arch, target.cpu, features)
    module = llvm.parse(source)
    module.triple = target.arch
    module.data_layout = str(machine.target_data)
    llvm.optimize(module, machine)
    return bytes(machine.emit_object(module))


@functools.cache
def pool_object(target: CpuTarget) -> bytes:
    """Object code of the worker pool, which every plan contains; compiled once: it takes longer than most kernels."""
    return compile_object(pool_source(target.arch), target)
