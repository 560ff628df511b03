"""`kernelwright passes`: the passes with their help and options."""

from __future__ import annotations

import inspect

import click

from ...ir.diagnostics import CompileError, suggest
from ...passes.base import PASSES, Pass, default_of, load_builtin_passes, value_text
from ...passes.options import option_fields, type_text
from .. import plugins


@click.command("passes")
@click.argument("name", required=False)
@click.option("--load-pass", "load", multiple=True, metavar="FILE", help="Load passes from a Python file (repeatable).")
def command(name: str | None, load: tuple[str, ...]) -> None:
    """List all passes, or describe the pass NAME with its options."""
    load_builtin_passes()
    plugins.load_entry_points()
    for file in load:
        plugins.load_file(file)
    if name is None:
        width = max(map(len, PASSES))
        for known, cls in sorted(PASSES.items()):
            click.echo(f"{known:<{width}}  {_summary(cls)}")
    elif name in PASSES:
        click.echo(_description(PASSES[name]))
    else:
        raise CompileError(f"no pass is called '{name}'{suggest(name, PASSES)}")


def _summary(cls: type[Pass]) -> str:
    return (inspect.getdoc(cls) or "").partition("\n\n")[0].replace("\n", " ")


def _description(cls: type[Pass]) -> str:
    lines = [cls.name, "", inspect.getdoc(cls) or ""]
    options = option_fields(cls)
    if options:
        lines += ["", "options:"]
    for option, (field, hint) in options.items():
        lines.append(f"  {option}=…  {type_text(hint)}, by default {value_text(default_of(field)) or 'empty'}")
    return "\n".join(lines)
