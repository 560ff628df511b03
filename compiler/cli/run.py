"""`kernelwright run`: a plan on given or random inputs."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from ...runtime.engine import load
from ..options import Shapes
from ..samples import random_inputs, read_inputs
from .options import FILE, shapes_option


@click.command("run")
@click.argument("plan", type=FILE)
@click.option("--input", "inputs", multiple=True, metavar="NAME=FILE.npy", help="An input (repeatable).")
@click.option("--random-inputs", "random", is_flag=True, help="Random numbers for the inputs that are not given.")
@click.option("--seed", default=0, show_default=True, help="Of the random numbers.")
@shapes_option
@click.option("--output-dir", type=FILE, metavar="DIR", help="Write each output to DIR/NAME.npy.")
@click.option("--threads", type=int, help="Worker threads of a CPU plan  [default: physical cores].")
@click.option("--device", default=0, show_default=True, help="The number of the GPU.")
def command(
    plan: Path,
    inputs: tuple[str, ...],
    random: bool,
    seed: int,
    shapes: Shapes,
    output_dir: Path | None,
    threads: int | None,
    device: int,
) -> None:
    """Run PLAN once and print, or write, its outputs."""
    with load(plan, threads=threads, device=device) as engine:
        arrays = read_inputs(inputs)
        if random:
            arrays |= random_inputs(engine.plan, shapes, seed, arrays)
        outputs = engine.run(arrays)
    if output_dir is not None:
        output_dir.mkdir(parents=True, exist_ok=True)
    for name, array in outputs.items():
        where = ""
        if output_dir is not None:
            file = output_dir / f"{name.replace('/', '_')}.npy"
            np.save(file, array)
            where = f" -> {file}"
        click.echo(f"{name}: {array.dtype}{list(array.shape)} {_excerpt(array)}{where}")


def _excerpt(array: np.ndarray) -> str:
    flat = array.reshape(-1)[:4]
    values = ", ".join(f"{v:.6g}" if array.dtype.kind == "f" else str(v) for v in flat.tolist())
    return f"[{values}{', …' if array.size > 4 else ''}]"
