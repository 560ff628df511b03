"""What a user asks of a compilation, as frozen dataclasses; the command line and the Python API both fill them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..ir.diagnostics import CompileError, suggest
from ..ir.target import Target

PRECISIONS = ("fp32", "tf32", "fp16", "bf16")

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class PassOptions:
    """Which passes run and what is told about them; the options of docs/cli.md by the same names."""

    disabled: tuple[str, ...] = ()
    load: tuple[str, ...] = ()
    add: tuple[str, ...] = ()
    print_before: tuple[str, ...] = ()
    print_after: tuple[str, ...] = ()
    print_after_all: bool = False
    print_after_change: bool = False
    print_after_failure: bool = False
    tree: Path | None = None
    verify_each: bool = False
    check_numerics: bool = False
    timing: bool = False
    remarks: str | None = None
    crash_reproducer: Path | None = None


@dataclass(frozen=True)
class TuningOptions:
    """How schedules are chosen: by the cost model alone (`level` 0), or by times of more and more candidates (to 5).

    `cache` keeps times; without `measure`, only those it has count. `force` holds texts `NODE=STRATEGY`.
    """

    level: int = 0
    cache: Path | None = None
    runs: int = 4
    measure: bool = True
    error_on_miss: bool = False
    force: tuple[str, ...] = ()


@dataclass(frozen=True)
class CompileOptions:
    """A whole compilation. `shapes` fixes input shapes; the other three give the profile of symbolic dimensions.

    `host_fallback` lets the host run nodes that no kernel does; without it they are errors. `debug_bounds` has
    every run check the indices of gathers and scatters. `cpu_levels` are CPU targets whose processors the plan's code
    is compiled for too.
    """

    target: Target
    precision: str = "fp32"
    shapes: Shapes = field(default_factory=dict)
    min_shapes: Shapes = field(default_factory=dict)
    opt_shapes: Shapes = field(default_factory=dict)
    max_shapes: Shapes = field(default_factory=dict)
    start: str | None = None
    stop: str = "binary"
    passes: PassOptions = PassOptions()
    host_fallback: bool = True
    debug_bounds: bool = False
    cpu_levels: tuple[str, ...] = ()
    tuning: TuningOptions = TuningOptions()

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            known = ", ".join(PRECISIONS)
            raise CompileError(f"precision '{self.precision}' is none of {known}{suggest(self.precision, PRECISIONS)}")


def parse_shapes(text: str, option: str = "--shapes") -> dict[str, tuple[int, ...]]:
    """`x:1x3x224x224,y:4` as shapes by input name; `s:` is a scalar. Raises CompileError naming the option."""
    shapes: dict[str, tuple[int, ...]] = {}
    for part in filter(None, text.split(",")):
        name, colon, dims = part.rpartition(":")
        sizes = [size for size in dims.split("x") if size]
        if not colon or not name or not all(size.isdecimal() for size in sizes):
            raise CompileError(f"{option}: expected NAME:1x3x224x224, found '{part}'")
        if name in shapes:
            raise CompileError(f"{option}: input '{name}' is given twice")
        shapes[name] = tuple(map(int, sizes))
    return shapes
