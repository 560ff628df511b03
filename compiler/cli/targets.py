"""`kernelwright targets`: the hardware that is described."""

from __future__ import annotations

import json

import click

from ...ir import target as targets
from ...ir.target import CpuTarget, CudaTarget
from ..host import host, resolve
from .format import bytes_text, count_text


@click.command("targets")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List all targets, or print the description of the target NAME as JSON (the start of one of your own)."""
    if name is not None:
        click.echo(json.dumps(resolve(name).to_dict(), indent=2))
        return
    described = [host(), *(targets.builtin(known) for known in targets.names())]
    width = max(len(target.name) for target in described)
    for target in described:
        click.echo(f"{target.name:<{width}}  {_summary(target)}")


def _summary(target: CpuTarget | CudaTarget) -> str:
    if isinstance(target, CudaTarget):
        return (
            f"{target.arch}, {target.multiprocessors} multiprocessors, "
            f"{bytes_text(target.shared_bytes_per_block)} shared memory a block, {bytes_text(target.bandwidth)}/s"
        )
    return f"{target.cpu}, {target.cores} cores, {target.vector_bits}-bit vectors, {count_text(target.flops)}flop/s"
