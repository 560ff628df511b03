"""Text in, text out: collects .mlir files with RUN lines and checks what the command prints, in this process.

    // RUN: kernelwright opt %s --pass-pipeline='cse' | filecheck %s
    // CHECK: "nn.relu"

`%s` is the file itself and `%t` a path in a fresh folder. A line without `| filecheck` only has to succeed, and
`not kernelwright …` has to fail; its standard error is then what is checked.
"""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from filecheck.finput import FInput
from filecheck.matcher import Matcher
from filecheck.options import Options
from filecheck.parser import Parser

from kernelwright.compiler.cli import main
from kernelwright.passes.base import PASSES, is_builtin

_RUN = re.compile(r"//\s*RUN:\s*(.*)")


class MismatchError(Exception):
    """What a RUN line printed does not match the file's CHECK lines."""


class FileCheckFile(pytest.File):
    def collect(self) -> Iterable[pytest.Item]:
        for i, line in enumerate(run_lines(self.path)):
            yield FileCheckItem.from_parent(self, name=f"run{i}", line=line)


class FileCheckItem(pytest.Item):
    def __init__(self, *, line: str, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.line = line

    def runtest(self) -> None:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            self._run(self.line.replace("%s", str(self.path)).replace("%t", str(Path(folder) / "out")))

    def _run(self, line: str) -> None:
        command, _, check = line.partition(" | filecheck ")
        words = shlex.split(command)
        fails = words[0] == "not"
        code, out, err = run_command(words[2:] if fails else words[1:])
        if (code != 0) != fails:
            raise MismatchError(f"{command}\nexited with {code}\n{err}")
        if check:
            self._match(shlex.split(check), err if fails else out)

    def _match(self, arguments: list[str], text: str) -> None:
        options = Options(match_filename=arguments[0])
        for argument in arguments[1:]:
            name, _, value = argument.lstrip("-").partition("=")
            if name == "check-prefix":
                options.check_prefixes = [value]
        matcher = Matcher(options, FInput("<output>", text), Parser.from_opts(options))
        matcher.stderr = io.StringIO()
        if matcher.run() != 0:
            raise MismatchError(f"{matcher.stderr.getvalue()}\noutput was:\n{text}")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: object = None) -> str:
        if isinstance(excinfo.value, MismatchError):
            return str(excinfo.value)
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}: {self.line}"


def run_lines(path: Path) -> Iterator[str]:
    """The commands of a file's RUN lines; a line that ends in a backslash goes on in the next."""
    pending = ""
    for found in _RUN.finditer(path.read_text()):
        pending += found.group(1).strip()
        if pending.endswith("\\"):
            pending = pending[:-1]
            continue
        yield pending
        pending = ""


def run_command(arguments: list[str]) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of the command line, run in this process.

    Passes that the command loaded are forgotten afterwards, as if the process had ended.
    """
    out, err = io.StringIO(), io.StringIO()
    code = 0
    known = dict(PASSES)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(arguments)
        except SystemExit as done:
            code = int(done.code or 0)
    for name in [name for name, cls in PASSES.items() if name not in known and not is_builtin(cls)]:
        del PASSES[name]
    return code, out.getvalue(), err.getvalue()


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix == ".mlir" and next(run_lines(file_path), None):
        return FileCheckFile.from_parent(parent, path=file_path)
    return None
