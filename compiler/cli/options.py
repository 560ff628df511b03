"""Options that several commands share: passes, targets, shapes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from ...ir.target import Target
from ..host import resolve
from ..options import PRECISIONS, PassOptions, TuningOptions, parse_shapes

Command = Callable[..., Any]  # Any: click passes what the options say


def _comma_list(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(name for name in value.split(",") if name)


def _shapes(_: click.Context, parameter: click.Parameter, value: str) -> dict[str, tuple[int, ...]]:
    return parse_shapes(value, parameter.opts[0])


def _target(_: click.Context, __: click.Parameter, value: str) -> Target:
    return resolve(value)


FILE = click.Path(path_type=Path)

_PASS_OPTIONS = [
    click.option("--disable-pass", "disabled", multiple=True, metavar="NAME", help="Leave a pass out (repeatable)."),
    click.option("--load-pass", "load", multiple=True, metavar="FILE", help="Load passes from Python (repeatable)."),
    click.option("--print-ir-before", "print_before", default="", metavar="PASSES", callback=_comma_list,
                 help="Print the IR before these passes."),
    click.option("--print-ir-after", "print_after", default="", metavar="PASSES", callback=_comma_list,
                 help="Print the IR after these passes."),
    click.option("--print-ir-after-all", "print_after_all", is_flag=True, help="Print the IR after every pass."),
    click.option("--print-ir-after-change", "print_after_change", is_flag=True,
                 help="Print the IR after the passes that changed it."),
    click.option("--print-ir-after-failure", "print_after_failure", is_flag=True,
                 help="Print the IR that a failing pass leaves."),
    click.option("--print-ir-tree-dir", "tree", metavar="DIR", type=FILE,
                 help="Print into files below DIR, a folder for each phase."),
    click.option("--verify-each", is_flag=True, help="Verify the IR after every pass."),
    click.option("--check-numerics", is_flag=True,
                 help="Evaluate the module before and after every pass and stop where results depart."),
    click.option("--timing", is_flag=True, help="Print the time of every pass, as a tree."),
    click.option("--remarks", metavar="[=NODE]",
                 help="Say why passes left something undone, for all ONNX nodes or for one."),
    click.option("--crash-reproducer", metavar="FILE", type=FILE,
                 help="Where a pass fails, write the IR before it and the passes that remain."),
]  # fmt: skip

_TUNING_OPTIONS = [
    click.option("--tune", is_flag=True, help="Time candidates for each kernel on this machine: builder level 3."),
    click.option("--builder-level", "level", type=click.IntRange(0, 5), metavar="0..5",
                 help="How many candidates are timed: 0 none, 1 two, 2 four, 3 eight, 4 sixteen, 5 all."),
    click.option("--timing-cache", "cache", type=FILE, metavar="FILE",
                 help="Take times from FILE, and add new ones. Without --tune, only those it has."),
    click.option("--avg-timing", "runs", type=click.IntRange(1), default=4, show_default=True, metavar="N",
                 help="Take the median time of a candidate over N runs."),
    click.option("--error-on-cache-miss", "error_on_miss", is_flag=True,
                 help="A time that the cache lacks is an error; nothing is timed."),
    click.option("--force-tactic", "force", multiple=True, metavar="NODE=STRATEGY",
                 help="Give the kernel of an ONNX node this strategy (repeatable)."),
]  # fmt: skip

_TARGET = click.option(
    "--target", default="cpu", show_default=True, callback=_target, metavar="TARGET",
    help="cpu (this machine), a name of `kernelwright targets`, or a .json file.",
)  # fmt: skip
_PRECISION = click.option(
    "--precision", type=click.Choice(PRECISIONS), default="fp32", show_default=True, help="Arithmetic of the plan."
)
_SHAPES = click.option("--shapes", default="", callback=_shapes, metavar="NAME:1x3x224x224,…", help="Sizes of inputs.")
_PROFILE = [
    click.option(f"--{which}-shapes", default="", callback=_shapes, metavar="NAME:…", help=text)
    for which, text in (
        ("min", "The smallest shapes that the plan takes."),
        ("opt", "The shapes that the plan is tuned for."),
        ("max", "The largest shapes that the plan takes."),
    )
]


def pass_options(command: Command) -> Command:
    """Add the options of passes; the command receives them as one argument `passes: PassOptions`."""
    names = {field.name for field in fields(PassOptions)}

    @functools.wraps(command)
    def with_passes(**values: Any) -> Any:
        own = {name: values.pop(name) for name in list(values) if name in names}
        return command(passes=PassOptions(**own), **values)

    return _decorated(with_passes, _PASS_OPTIONS)


def model_options(command: Command) -> Command:
    """Add target, precision and shapes."""
    return _decorated(command, [_TARGET, _PRECISION, _SHAPES, *_PROFILE])


def shapes_option(command: Command) -> Command:
    return _decorated(command, [_SHAPES])


def tuning_options(command: Command) -> Command:
    """Add the options of tuning; the command receives them as one argument `tuning: TuningOptions`."""

    @functools.wraps(command)
    def with_tuning(
        tune: bool,
        level: int | None,
        cache: Path | None,
        runs: int,
        error_on_miss: bool,
        force: tuple[str, ...],
        **values: Any,
    ) -> Any:
        chosen = level if level is not None else 3 if tune or cache is not None or error_on_miss else 0
        measure = tune or level is not None
        return command(tuning=TuningOptions(chosen, cache, runs, measure, error_on_miss, force), **values)

    return _decorated(with_tuning, _TUNING_OPTIONS)


def _decorated(command: Command, options: list[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command
