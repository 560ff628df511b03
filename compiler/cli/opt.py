"""`kernelwright opt`: read IR, run passes, print IR."""

from __future__ import annotations

from pathlib import Path

import click

from ...ir.diagnostics import CompileError
from ...passes.manager import Step
from ...passes.options import parse_pipeline
from .. import phases
from ..expectations import compare, expected_errors
from ..host import resolve
from ..irfile import read_module, read_text, write_module
from ..options import PassOptions
from ..reproducers import configuration
from ..session import Session
from .options import FILE, pass_options

_SPLIT = "// -----"


@click.command("opt")
@click.argument("file")
@click.option("--pass-pipeline", "pipeline", metavar="PASSES", help="e.g. 'canonicalize,fuse-vertical{max-ops=8},cse'.")
@click.option("-o", "--output", type=FILE, help="Write here, weights beside it, instead of to standard output.")
@click.option("--target", metavar="TARGET", help="Set the target of the module.")
@click.option(
    "--split-input-file", "split", is_flag=True, help=f"Treat what stands between '{_SPLIT}' lines by itself."
)
@click.option("--verify-diagnostics", is_flag=True, help="Expect the errors that // expected-error comments announce.")
@pass_options
def command(
    file: str,
    pipeline: str | None,
    output: Path | None,
    target: str | None,
    split: bool,
    verify_diagnostics: bool,
    passes: PassOptions,
) -> None:
    """Read the IR in FILE (`-`: standard input), run passes over it, print the result.

    Without --pass-pipeline, the pipeline that a crash reproducer names in its first lines is run; any other file is
    verified and printed.
    """
    text = read_text(file)
    if pipeline is None and (recorded := configuration(text)):
        # A reproducer's own options are parsed as if they stood on the command line.
        arguments = [file, *recorded, *(["--output", str(output)] if output else [])]
        command.main(arguments, prog_name="kernelwright opt", standalone_mode=False)
        return
    pieces = text.split(_SPLIT + "\n") if split else [text]
    results: list[str] = []
    line = 0
    for piece in pieces:
        # Empty lines before the piece keep the line numbers of the file.
        whole = "\n" * line + piece
        result = _run(file, whole, pipeline or "", output, target, passes, verify_diagnostics)
        results += [] if result is None else [result]
        line += piece.count("\n") + 1
    if output is None and results:
        click.echo(f"\n{_SPLIT}\n".join(results))


def _run(
    file: str,
    text: str,
    pipeline: str,
    output: Path | None,
    target: str | None,
    passes: PassOptions,
    verify_diagnostics: bool,
) -> str | None:
    """The module of `text` after the pipeline; None where it failed as announced."""
    expected = expected_errors(text) if verify_diagnostics else []
    session = Session(passes)
    try:
        module = read_module(file, text)
        if target is not None:
            resolve(target).attach(module)
        session.run(module, [Step(transform, phases.of(module) or "") for transform in parse_pipeline(pipeline)])
    except CompileError as error:
        if not verify_diagnostics:
            raise
        compare(file, expected, error)
        return None
    compare(file, expected, None)
    session.finish()
    if output is not None:
        write_module(output, module)
    return str(module)
