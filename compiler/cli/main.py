"""The entry point: the list of commands and the one place where errors become text and an exit code."""

from __future__ import annotations

import sys
from importlib import import_module

import click

from ... import __version__
from ...ir.diagnostics import suggest
from .errors import report

_COMMANDS = {
    "compile": "Compile an ONNX model, or IR of any phase, into a plan.",
    "run": "Run a plan on given or random inputs.",
    "opt": "Read IR, run passes, print IR.",
    "inspect": "Say what a plan, an IR file or a model holds.",
    "bench": "Measure a plan's latency and throughput.",
    "check": "Compile a model and compare its results with ONNX Runtime.",
    "passes": "List the passes with their options.",
    "ops": "List the ops of the dialects.",
    "targets": "List the targets.",
}


class LazyGroup(click.Group):
    """A group whose help comes from a table and whose commands from modules of this package."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        return import_module(f".{cmd_name}", __package__).command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            known = suggest(args[0], _COMMANDS) or "; `kernelwright --help` lists the commands"
            raise click.UsageError(f"no command is called '{args[0]}'{known}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="kernelwright")
@click.option("-v", "--verbose", is_flag=True, help="Show the traceback of errors too.")
def cli(verbose: bool) -> None:
    """Kernelwright: an open inference compiler for ONNX models.

    \b
    kernelwright compile model.onnx -o model.plan
    kernelwright run model.plan --random-inputs
    """


def main(args: list[str] | None = None) -> None:
    """Run the command line and exit: 0 for success, 1 for an error, 2 for wrong usage."""
    args = sys.argv[1:] if args is None else args
    # An option with an optional value would take the file name that follows it; only `--remarks=NODE` gives one.
    args = ["--remarks=*" if arg == "--remarks" else arg for arg in args]
    verbose = "-v" in args or "--verbose" in args
    try:
        code = cli.main(args, prog_name="kernelwright", standalone_mode=False)
    except BaseException as error:
        code = report(error, verbose)
    sys.exit(code if isinstance(code, int) else 0)
