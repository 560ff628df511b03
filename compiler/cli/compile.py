"""`kernelwright compile`: a model to a plan, or to the IR of any phase."""

from __future__ import annotations

import time
from pathlib import Path

import click

from ...ir.target import Target
from ..driver import Compiled, compile_model, write
from ..host import default_levels
from ..irfile import check_folder
from ..options import CompileOptions, PassOptions, Shapes, TuningOptions
from ..phases import PHASES, RESUMABLE
from .format import bytes_text
from .options import FILE, model_options, pass_options, tuning_options
from .progress import progress_bar

_PHASE_HELP = "Stop after a phase and write its IR (weights beside it): " + ", ".join(PHASES) + "."


@click.command("compile")
@click.argument("model", type=FILE)
@click.option("-o", "--output", type=FILE, help="The file to write  [default: MODEL.plan, or MODEL.PHASE.mlir].")
@model_options
@click.option("--compile-to", "stop", type=click.Choice(list(PHASES)), default="binary", help=_PHASE_HELP)
@click.option(
    "--compile-from", "start", type=click.Choice(RESUMABLE), help="The phase that MODEL.mlir was written after."
)
@click.option("--no-host-fallback", is_flag=True, help="Nodes that no kernel does are errors, not steps of the host.")
@click.option("--debug-bounds", is_flag=True, help="Runs raise an error for an index outside its axis.")
@click.option(
    "--cpu-levels",
    "levels",
    metavar="LEVELS",
    help="CPUs that the plan runs on besides the target, comma-separated: avx2, avx512, avx512-bf16; or none  "
    "[default: avx2, in bf16 avx512-bf16 too].",
)
@click.option("--add-pass", "add", multiple=True, metavar="PHASE:PASSES", help="Run passes at the end of a phase.")
@tuning_options
@pass_options
def command(
    model: Path,
    output: Path | None,
    target: Target,
    precision: str,
    shapes: Shapes,
    min_shapes: Shapes,
    opt_shapes: Shapes,
    max_shapes: Shapes,
    stop: str,
    start: str | None,
    no_host_fallback: bool,
    debug_bounds: bool,
    levels: str | None,
    passes: PassOptions,
    tuning: TuningOptions,
) -> None:
    """Compile MODEL, an ONNX file or the IR of a phase (.mlir), into a plan."""
    options = CompileOptions(
        target,
        precision,
        shapes,
        min_shapes,
        opt_shapes,
        max_shapes,
        start,
        stop,
        passes,
        not no_host_fallback,
        debug_bounds,
        default_levels(target, precision) if levels is None else _levels(levels),
        tuning,
    )
    output = output or Path(f"{model.name.removesuffix(model.suffix)}{_suffix(stop, target)}")
    check_folder(output)
    started = time.perf_counter()
    with progress_bar() as report:
        compiled = compile_model(model, options, report)
        write(compiled, output, stop)
    for step in compiled.host_steps:
        click.echo(f"on the host: {', '.join(map(repr, step.nodes))}: {step.reason}")
    click.echo(f"{output}: {_summary(compiled)} in {time.perf_counter() - started:.1f} s")


def _levels(text: str) -> tuple[str, ...]:
    return () if text == "none" else tuple(f"cpu-{name.removeprefix('cpu-')}" for name in text.split(",") if name)


def _suffix(stop: str, target: Target) -> str:
    if stop in RESUMABLE:
        return f".{stop}.mlir"
    return {"source": ".cu" if target.kind == "cuda" else ".ll"}.get(stop, ".plan")


def _summary(compiled: Compiled) -> str:
    if compiled.plan is None:
        return f"{sum(1 for _ in compiled.module.walk())} ops"
    weights = sum(array.nbytes for array in compiled.tensors.values())
    return f"{len(compiled.plan.kernels)} kernels, {bytes_text(weights)}, {compiled.plan.target.name}"
