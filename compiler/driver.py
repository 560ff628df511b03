"""From a model, or IR of any phase, to a plan.

The road is: import, the passes of `pipelines`, code generation. Everything a compilation depends on is in the module
(target, precision, profile) or in `CompileOptions`; there is no global state.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..ir.attributes import ArrayAttr, BoolAttr, StringAttr
from ..ir.diagnostics import CompileError, Diagnostic, InternalError
from ..ir.dialects import host as host_dialect
from ..ir.dialects import plan as plan_dialect
from ..ir.dialects.builtin import Module
from ..ir.index_checks import DEBUG_BOUNDS
from ..ir.target import ATTRIBUTE as TARGET
from ..ir.target import CPU_LEVELS, Target
from ..ir.verify import verify
from ..runtime.engine import Engine
from ..runtime.plan import Plan
from . import host, phases, pipelines, profiles, tuning
from .fates import without_kernel
from .irfile import read_module, write_atomically, write_module
from .onnx.importer import import_model
from .options import CompileOptions, PassOptions, Shapes
from .session import PASSES_SHARE, Report, Session

PRECISION = "kw.precision"
Tensors = Mapping[str, np.ndarray]


@dataclasses.dataclass(frozen=True)
class HostStep:
    """Nodes that the host runs instead of a kernel, and why."""

    nodes: tuple[str, ...]
    reason: str


@dataclasses.dataclass(frozen=True)
class Compiled:
    """Where a compilation stopped: always a module, and the plan with its tensors once code was generated."""

    module: Module
    plan: Plan | None = None
    tensors: Tensors = dataclasses.field(default_factory=dict)
    changed_by: Sequence[str] = ()
    """The passes that changed the module, in the order of their runs."""

    @property
    def host_steps(self) -> list[HostStep]:
        """What runs on the host, in the order of the model."""
        return host_steps(self.module)

    def engine(self, **options: Any) -> Engine:
        assert self.plan is not None
        return Engine(self.plan, self.tensors, **options)


def compile_model(source: Any, options: CompileOptions, report: Report | None = None) -> Compiled:
    """Compile a path to .onnx or .mlir, a ModelProto, or a Module, up to the phase `options.stop`.

    `report` is told phase, pass and progress. Raises CompileError for what the user can mend, InternalError for a
    defect of the compiler.
    """
    session = Session(options.passes, report)
    user = pipelines.user_steps(session.loaded, options.passes.add)
    module, start = _read(source, options, session, report)
    road = phases.after(start, options.stop)
    steps = pipelines.merged(tuning.inserted(pipelines.steps(Target.of(module)), options.tuning), user)
    context = session.run(module, [step for step in steps if step.phase in road])
    verify(module)
    if not options.host_fallback:
        _refuse_host_steps(module)
    phases.mark(module, options.stop if options.stop in phases.RESUMABLE else "plan")
    compiled = Compiled(module)
    if options.stop not in phases.RESUMABLE:
        compiled = _generate(module, options, session, report)
    session.finish()
    return dataclasses.replace(compiled, changed_by=tuple(context.changed_by))


def _read(source: Any, options: CompileOptions, session: Session, report: Report | None) -> tuple[Module, str]:
    """The module to start with and the last phase it went through."""
    if report is not None:
        report("import", str(source) if isinstance(source, (str, os.PathLike)) else "model", 0.0)
    if isinstance(source, os.PathLike):
        source = os.fspath(source)
    if isinstance(source, Module):
        module = source
    elif isinstance(source, str) and source.endswith(".mlir"):
        with session.measure("Parser"):
            module = read_module(source)
    else:
        with session.measure("Import"):
            module = import_model(source, shapes=options.shapes)
        phases.mark(module, "import")
    start = options.start or phases.of(module)
    if start is None:
        note = f"say which one with --compile-from ({', '.join(phases.RESUMABLE)})"
        raise CompileError(
            Diagnostic(f"the IR does not say which phase it comes from ({phases.ATTRIBUTE})", notes=(note,))
        )
    phases.check(start, phases.RESUMABLE, "--compile-from")
    if start == "import":
        profiles.attach(module, options)
    if TARGET not in module.attributes:
        options.target.attach(module)
    module.attributes.setdefault(PRECISION, StringAttr(options.precision))
    if options.cpu_levels:
        module.attributes[CPU_LEVELS] = ArrayAttr(tuple(map(StringAttr, options.cpu_levels)))
    if options.debug_bounds:
        module.attributes[DEBUG_BOUNDS] = BoolAttr(True)
    return module, start


def host_steps(module: Module) -> list[HostStep]:
    """The calls of the host in a module of any phase after legalization."""
    calls = (op for op in module.walk() if isinstance(op, host_dialect.Call | plan_dialect.Host))
    return [HostStep(op.location.names, op.reason) for op in calls]


def _refuse_host_steps(module: Module) -> None:
    found = [
        Diagnostic(f"{', '.join(map(repr, step.nodes))} would run on the host: {step.reason}")
        for step in host_steps(module)
    ]
    if found:
        raise CompileError(*found)


def _generate(module: Module, options: CompileOptions, session: Session, report: Report | None) -> Compiled:
    target = Target.of(module)
    # The back end of the other target is not imported: NVRTC is an optional dependency.
    generate = import_module(f"...codegen.{target.kind}", __name__).generate
    if report is not None:
        report("binary", "code generation", PASSES_SHARE)
    with session.measure("Code generation"):
        try:
            plan, tensors = generate(module)
        except CompileError:
            raise
        except Exception as error:
            raise InternalError(f"code generation failed: {type(error).__name__}: {error}") from error
    precision = module.attributes[PRECISION]
    assert isinstance(precision, StringAttr)
    plan = dataclasses.replace(
        plan,
        precision=precision.value,
        ir=str(module),
        provenance={"kernelwright": __version__, **plan.provenance},
        without_kernel=without_kernel(session.fates.of(module)),
    )
    return Compiled(module, plan, tensors)


def compile(
    model: Any,
    target: str | Target = "cpu",
    precision: str = "fp32",
    *,
    shapes: Shapes | None = None,
    min_shapes: Shapes | None = None,
    opt_shapes: Shapes | None = None,
    max_shapes: Shapes | None = None,
    disable_passes: Sequence[str] = (),
    load_passes: Sequence[str | os.PathLike[str]] = (),
    add_passes: Sequence[str] = (),
    host_fallback: bool = True,
    debug_bounds: bool = False,
    cpu_levels: Sequence[str] = (),
    report: Callable[[str, str, float], None] | None = None,
) -> Engine:
    """Compile an ONNX model (a path or a ModelProto), an .mlir file or a Module, and return an engine that runs it.

    `shapes` fixes input shapes by name; the three others give the profile of symbolic dimensions. `add_passes` are
    texts like "rewrite:my-pass". Nodes that no kernel does run on the host; without `host_fallback` they are errors.
    With `debug_bounds` a run raises IndexRangeError for an index outside its axis. `cpu_levels` are CPU targets
    ("cpu-avx2") that the engine's code is compiled for too, where its plan is to be saved for other machines.
    Raises CompileError.
    """
    options = CompileOptions(
        target=target if isinstance(target, Target) else host.resolve(target),
        precision=precision,
        shapes=shapes or {},
        min_shapes=min_shapes or {},
        opt_shapes=opt_shapes or {},
        max_shapes=max_shapes or {},
        host_fallback=host_fallback,
        debug_bounds=debug_bounds,
        cpu_levels=tuple(cpu_levels),
        passes=PassOptions(
            disabled=tuple(disable_passes), load=tuple(str(f) for f in load_passes), add=tuple(add_passes)
        ),
    )
    return compile_model(model, options, report).engine()


def write(compiled: Compiled, path: Path, stop: str) -> None:
    """Write what a compilation made: a plan, the sources, or IR with its weights beside it. Raises CompileError."""
    if stop in phases.RESUMABLE:
        write_module(path, compiled.module)
    elif stop == "source":
        write_atomically(path, [sources(compiled).encode()])
    else:
        compiled.engine().save(path)


def sources(compiled: Compiled) -> str:
    """The text of every source of a plan, each once, in the order of the kernels."""
    assert compiled.plan is not None
    names = dict.fromkeys(kernel.source for kernel in compiled.plan.kernels if kernel.source)
    return "\n".join(bytes(compiled.tensors[name]).decode() for name in names)
