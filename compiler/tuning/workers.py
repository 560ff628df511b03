"""Processes that compile candidates for the tuner: the passes hold Python's lock, which threads would share.

A worker is a Python that runs `serve`. It reads pickled texts of modules from its input, one after the other, and
answers each with a plan and its tensors without the weights, or with what is wrong.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ...ir.diagnostics import CompileError, InternalError
from ...ir.dialects.builtin import Module
from ...ir.parser import parse
from .alone import Built, compile_alone

ROOT = Path(__file__).absolute().parents[2]
"""The folder of the package."""


class Workers:
    """As many worker processes as threads that wait for them; each starts with its thread's first module."""

    def __init__(self, count: int) -> None:
        self._threads = ThreadPoolExecutor(max_workers=count)
        self._own = threading.local()
        self._processes: list[subprocess.Popen[bytes]] = []

    def submit(self, module: Module) -> Future[Built]:
        """The plan of a module of `standalone`; its result raises CompileError where there is none."""
        return self._threads.submit(self._compile, str(module))

    def close(self) -> None:
        """Give up what is not compiled yet, and end the processes."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.kill()
            process.wait()
        self._threads.shutdown()

    def _compile(self, text: str) -> Built:
        process = getattr(self._own, "process", None) or self._start()
        try:
            assert process.stdin is not None and process.stdout is not None
            pickle.dump(text, process.stdin)
            process.stdin.flush()
            answer = pickle.load(process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError) as error:
            raise InternalError("a process that compiles candidates has ended") from error
        if isinstance(answer, str):
            raise CompileError(answer)
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        path = os.pathsep.join(filter(None, [str(ROOT.parent), *sys.path]))
        process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
        )
        self._own.process = process
        self._processes.append(process)
        return process


@contextmanager
def workers(count: int) -> Generator[Workers]:
    """Workers that end with the block."""
    pool = Workers(count)
    try:
        yield pool
    finally:
        pool.close()


def serve() -> None:
    """Answer until the input ends. What anybody prints goes to the error output."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with contextlib.suppress(EOFError, KeyboardInterrupt, BrokenPipeError):
        while True:
            pickle.dump(_answer(pickle.load(sys.stdin.buffer)), answers)
            answers.flush()


def _answer(text: str) -> Any:
    """A Built, or the message of an error."""
    try:
        module = parse(text)
        assert isinstance(module, Module)
        return compile_alone(module)
    except CompileError as error:
        return error.diagnostics[0].message
