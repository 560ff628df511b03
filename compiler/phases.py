"""The phases of a compilation: the words of `--compile-to` and `--compile-from`, and the dialect each one leaves."""

from __future__ import annotations

from ..ir.attributes import StringAttr
from ..ir.core import Operation
from ..ir.diagnostics import CompileError, suggest

ATTRIBUTE = "kw.phase"

PHASES = {
    "import": "read the ONNX file into the onnx dialect, operator by operator",
    "legalize": "express the model in the nn dialect, one op one meaning",
    "rewrite": "simplify and fuse, independent of the hardware",
    "kernels": "group ops into kernels, one launch each",
    "tile": "write each kernel as a tile program for the target",
    "plan": "place buffers, order launches",
    "source": "spell the tile programs as CUDA C or LLVM IR",
    "binary": "compile the sources and write the plan",
}
"""Every phase in order, and what it does."""

RESUMABLE = tuple(PHASES)[: tuple(PHASES).index("plan") + 1]
"""The phases whose output is IR, from which a compilation can be resumed."""

WITH_PASSES = RESUMABLE[1:]
"""The phases that are made of passes."""


def check(name: str, allowed: tuple[str, ...], option: str) -> str:
    """`name`, if it is one of `allowed`. Raises CompileError naming the option."""
    if name not in allowed:
        raise CompileError(f"{option}: '{name}' is none of {', '.join(allowed)}{suggest(name, allowed)}")
    return name


def after(start: str | None, stop: str) -> tuple[str, ...]:
    """The phases from the one after `start` (or the first) up to and including `stop`."""
    order = tuple(PHASES)
    first = 0 if start is None else order.index(start) + 1
    return order[first : order.index(stop) + 1]


def of(module: Operation) -> str | None:
    """The last phase that a module went through, where it says so."""
    attribute = module.attributes.get(ATTRIBUTE)
    return attribute.value if isinstance(attribute, StringAttr) else None


def mark(module: Operation, phase: str) -> None:
    """Write the phase into the module, after its other attributes: equal modules have equal texts."""
    module.attributes.pop(ATTRIBUTE, None)
    module.attributes[ATTRIBUTE] = StringAttr(phase)
