"""`kernelwright check`: a model's results beside ONNX Runtime's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from ...ir.diagnostics import CompileError, Diagnostic
from ...ir.target import Target
from ..comparison import TOLERANCES, errors, first_departure, load_model, reference
from ..driver import compile_model
from ..options import CompileOptions, PassOptions, Shapes
from ..samples import random_inputs, read_inputs
from .format import table
from .options import FILE, model_options, pass_options
from .progress import progress_bar


@click.command("check")
@click.argument("model", type=FILE)
@model_options
@click.option(
    "--rtol", type=float, help="Relative error allowed  [default: 2e-5 fp32, 5e-3 tf32, 1e-2 fp16, 5e-2 bf16]."
)
@click.option("--input", "inputs", multiple=True, metavar="NAME=FILE.npy", help="An input (repeatable).")
@click.option("--seed", default=0, show_default=True, help="Of the random numbers for the other inputs.")
@pass_options
def command(
    model: Path,
    target: Target,
    precision: str,
    shapes: Shapes,
    min_shapes: Shapes,
    opt_shapes: Shapes,
    max_shapes: Shapes,
    rtol: float | None,
    inputs: tuple[str, ...],
    seed: int,
    passes: PassOptions,
) -> None:
    """Compile MODEL, run it, and compare every output with ONNX Runtime.

    The error is ‖ours − theirs‖ / ‖theirs‖. Where one is too large, the first ONNX node whose result departs is
    named, and the command fails.
    """
    tolerance = TOLERANCES[precision] if rtol is None else rtol
    options = CompileOptions(target, precision, {}, min_shapes, opt_shapes, max_shapes, passes=passes)
    with progress_bar() as report:
        compiled = compile_model(model, options, report)
    given = read_inputs(inputs)
    with compiled.engine() as engine:
        arrays = {**random_inputs(engine.plan, shapes, seed, given), **given}
        ours = engine.run(arrays)
    theirs = reference(model, arrays)
    found = errors(ours, theirs)
    click.echo(_text(ours, found, tolerance))
    if all(error <= tolerance for error in found.values()):
        return

    def build(exposed: Any) -> Any:
        return compile_model(exposed, replace(options, passes=PassOptions(load=passes.load, add=passes.add))).engine()

    departure = first_departure(load_model(model), arrays, build, tolerance)
    wrong = [name for name, error in found.items() if error > tolerance]
    note = str(departure) if departure else "no single node departs: it takes the fusions of the whole model"
    raise CompileError(Diagnostic(f"{len(wrong)} of {len(found)} outputs differ from ONNX Runtime", notes=(note,)))


def _text(ours: dict[str, Any], found: dict[str, float], tolerance: float) -> str:
    rows = [
        [name, str(np.asarray(ours[name]).dtype), "x".join(map(str, np.asarray(ours[name]).shape)), f"{error:.2e}",
         "ok" if error <= tolerance else f"above {tolerance:.0e}"]
        for name, error in found.items()
    ]  # fmt: skip
    return table(["output", "type", "shape", "error", ""], rows, right=(3,))
