"""What a pass is: a frozen dataclass with a name, typed options as fields and `run`, which works in place.

    class FuseVertical(Pass):
        \"\"\"Merge chains of element-wise ops.\"\"\"
        name = "fuse-vertical"
        max_ops: int = 16                      # the option `max-ops` of `fuse-vertical{max-ops=8}`

        def run(self, module: Module, context: PassContext) -> None: ...

Declaring a class with a `name` registers it. `options` reads and prints pipelines, `manager` runs them.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, dataclass_transform

from ..ir.core import Operation
from ..ir.diagnostics import CompileError, Diagnostic, suggest
from ..ir.dialects.builtin import Module
from ..ir.location import Location

EXACT = 0.0
"""The tolerance of a pass whose results equal those before it, bit for bit."""

_ROUNDING = 1e-5
_PACKAGE = __name__.rpartition(".")[0]


@dataclass(frozen=True)
class Remark:
    """Why a pass did, or did not do, what a user might expect at one op."""

    pass_name: str
    message: str
    location: Location

    def concerns(self, node: str) -> bool:
        """Whether the remark is about the ONNX node `node`, or mentions it in quotes."""
        return node in self.location.names or f"'{node}'" in self.message

    def __str__(self) -> str:
        where = ", ".join(self.location.names) or "unnamed"
        return f"remark: {where}: {self.message} [{self.pass_name}]"


@dataclass
class PassContext:
    """What passes tell the compiler while they run; one for a whole pipeline."""

    remarks: list[Remark] = field(default_factory=list)
    statistics: dict[str, Counter[str]] = field(default_factory=dict)
    changed: bool = False
    changed_by: list[str] = field(default_factory=list)
    """The passes so far that changed the module, in the order of their runs."""
    current: Pass | None = None
    progress: Callable[[float], None] = lambda share: None
    """A long pass says here what share of its work is done."""

    def begin(self, current: Pass) -> None:
        """Called before each pass: what is reported from here on is `current`'s."""
        self.current = current
        self.changed = False

    @property
    def pass_name(self) -> str:
        return self.current.name if self.current else "?"

    def mark_changed(self) -> None:
        """Say that the module is not what it was before this pass."""
        self.changed = True

    def count(self, statistic: str, amount: int = 1) -> None:
        """Add to a statistic of the running pass; counting something means that the module changed."""
        if amount:
            self.statistics.setdefault(self.pass_name, Counter())[statistic] += amount
            self.changed = True

    def remark(self, op: Operation, message: str, nodes: Sequence[str] = ()) -> None:
        """Say why nothing was done at `op`, e.g. `not fused: /layer1/Add has two uses`.

        `nodes` are the ONNX nodes concerned, where they are not those of the op's location.
        """
        remark = Remark(self.pass_name, message, Location(tuple(nodes)) if nodes else op.location)
        if remark not in self.remarks:
            self.remarks.append(remark)


@dataclass_transform(frozen_default=True)
@dataclass(frozen=True)
class Pass:
    """The base of all passes. Subclasses become frozen dataclasses by themselves; the docstring is the help."""

    name: ClassVar[str] = ""
    tolerance: ClassVar[float] = _ROUNDING
    """How far results may move in f32, relative to their norm; EXACT for passes that never change a bit."""
    phase: ClassVar[str] = ""
    """For a user's pass: the phase at whose end it runs once its file is loaded; "" for only where it is named."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        dataclass(frozen=True)(cls)
        if "name" in cls.__dict__:
            _register(cls)

    def run(self, module: Module, context: PassContext) -> None:
        """Change `module` in place. Raises CompileError for what the user can mend."""
        raise NotImplementedError(f"pass '{self.name}' defines no run")

    def __str__(self) -> str:
        from_default = ((f, getattr(self, f.name)) for f in dataclasses.fields(self))
        options = [f"{option_name(f)}={value_text(v)}" for f, v in from_default if v != default_of(f)]
        return self.name + (f"{{{' '.join(options)}}}" if options else "")


PASSES: dict[str, type[Pass]] = {}
"""Every declared pass by its name."""


def source_file(cls: type) -> str:
    """The file that declares `cls`."""
    try:
        return inspect.getfile(cls)
    except (TypeError, OSError):
        return cls.__module__


def is_builtin(cls: type[Pass]) -> bool:
    """Whether a pass is Kernelwright's own, not a user's."""
    return cls.__module__.startswith(_PACKAGE.partition(".")[0] + ".")


def _register(cls: type[Pass]) -> None:
    other = PASSES.get(cls.name)
    if other is not None and (other.__module__, other.__qualname__) != (cls.__module__, cls.__qualname__):
        raise CompileError(
            Diagnostic(
                f"pass '{cls.name}' is declared twice",
                notes=(
                    f"first in {source_file(other)}",
                    f"again in {source_file(cls)}",
                    "give one of them another name",
                ),
            )
        )
    PASSES[cls.name] = cls


@functools.cache
def load_builtin_passes() -> None:
    """Import every module of this package, so that every pass and every canonicalization is registered."""
    package = importlib.import_module(_PACKAGE)
    for info in pkgutil.walk_packages(package.__path__, _PACKAGE + "."):
        importlib.import_module(info.name)


def lookup(name: str) -> type[Pass]:
    """The pass of that name. Raises CompileError, with the nearest name, where there is none."""
    if name not in PASSES:
        load_builtin_passes()
    if name not in PASSES:
        raise CompileError(
            Diagnostic(
                f"no pass is called '{name}'{suggest(name, PASSES)}", notes=("`kernelwright passes` lists all passes",)
            )
        )
    return PASSES[name]


def option_name(field: dataclasses.Field[Any]) -> str:
    return field.name.replace("_", "-")


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of an option, or `dataclasses.MISSING`."""
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def value_text(value: Any) -> str:
    """An option's value as pipeline text has it: `true`, `8`, `128,64`, `'two words'`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(map(value_text, value))
    text = str(value)
    plain = text and not any(c in text for c in " ,{}='\"")
    return text if plain or not isinstance(value, str) else f"'{text}'"
