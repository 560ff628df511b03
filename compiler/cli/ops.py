"""`kernelwright ops`: the declared ops of every dialect."""

from __future__ import annotations

import inspect

import click

from ...ir import dialects
from ...ir.declare import REGISTRY, Op
from ...ir.diagnostics import CompileError, suggest


@click.command("ops")
@click.argument("name", required=False)
def command(name: str | None) -> None:
    """List all ops, those of the dialect NAME, or describe the op NAME."""
    dialects.load_all()
    known = sorted({op.partition(".")[0] for op in REGISTRY})
    if name is not None and name in REGISTRY:
        click.echo(_description(REGISTRY[name]))
        return
    if name is not None and name not in known:
        raise CompileError(f"no op or dialect is called '{name}'{suggest(name, [*REGISTRY, *known])}")
    chosen = {op: cls for op, cls in sorted(REGISTRY.items()) if name in (None, op.partition(".")[0])}
    width = max(map(len, chosen))
    for op, cls in chosen.items():
        click.echo(f"{op:<{width}}  {_summary(cls)}")


def _summary(cls: type[Op]) -> str:
    return (cls.__doc__ or "").partition("\n\n")[0].replace("\n    ", " ")


def _description(cls: type[Op]) -> str:
    definition = cls.definition
    lines = [cls.op_name, "", inspect.getdoc(cls) or ""]
    if cls.traits:
        lines += ["", f"traits: {', '.join(sorted(cls.traits))}"]
    if definition.operands:
        lines += ["", "operands:"]
    for operand in definition.operands:
        lines.append(f"  {operand.name}{' (optional)' * operand.optional}{' (any number)' * operand.variadic}")
    if definition.attributes:
        lines += ["", "attributes:"]
    for attribute in definition.attributes:
        default = "" if attribute.required else f", by default {attribute.default}"
        lines.append(f"  {attribute.name}: {attribute.codec.description}{default}")
    if definition.regions:
        lines += ["", "regions: " + ", ".join(region.name for region in definition.regions)]
    return "\n".join(lines)
