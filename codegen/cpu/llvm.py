"""LLVM itself: a target machine, text to optimized object code, and errors in our words."""

from __future__ import annotations

import re

import llvmlite.binding as binding

from ...ir.diagnostics import InternalError

_TEXT_LINE = re.compile(r"<string>:(\d+):(\d+): error: (.*)")


def initialize() -> None:
    """Make LLVM's back end for this machine's architecture ready; cheap when it is already."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()


def target_machine(triple: str, cpu: str, features: str, opt: int = 3) -> binding.TargetMachine:
    """Code generation for position-independent objects. Raises InternalError where this LLVM lacks the target."""
    initialize()
    try:
        target = binding.Target.from_triple(triple)
    except RuntimeError as error:
        raise InternalError(f"this LLVM cannot generate code for '{triple}': {error}") from None
    return target.create_target_machine(cpu=cpu, features=features, opt=opt, reloc="pic", codemodel="default")


def parse(source: str) -> binding.ModuleRef:
    """Parse and verify LLVM IR. Raises InternalError that shows the function and the line LLVM objects to."""
    try:
        module = binding.parse_assembly(source)
        module.verify()
    except RuntimeError as error:
        raise InternalError(_explain(source, str(error))) from None
    return module


def _explain(source: str, message: str) -> str:
    found = _TEXT_LINE.search(message)
    if found is None:
        return f"LLVM refuses the generated code: {message.strip()}"
    lines = source.split("\n")
    number = int(found[1]) - 1
    above = range(number, -1, -1)
    function = next((lines[i] for i in above if lines[i].startswith("define")), "")
    comment = next((lines[i].strip("; ") for i in above if lines[i].lstrip().startswith(";")), "")
    return (
        f"LLVM refuses the code of {function.partition('@')[2].partition('(')[0] or 'the module'}: {found[3]}\n"
        f"  {lines[number].strip()}\n  written for: {comment}"
    )


def optimize(module: binding.ModuleRef, machine: binding.TargetMachine) -> None:
    """LLVM's standard pipeline without its vectorizers: kernels are vectors already."""
    options = binding.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = False
    options.slp_vectorization = False
    options.loop_interleaving = False
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
