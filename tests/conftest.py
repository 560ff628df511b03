"""What the tests of every part share: upstream's tools as judges of our IR, and the GPU's presence."""

from __future__ import annotations

import ctypes
import functools
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import filecheck_plugin
import pytest

pytest_collect_file = filecheck_plugin.pytest_collect_file


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write what the golden tests generate")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Callable[[Path, str], None]:
    """`golden(file, text)`: `text` is what the file holds; with --update-golden the file is written instead."""

    def check(file: Path, text: str) -> None:
        if request.config.getoption("--update-golden"):
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        assert file.exists(), f"{file.name} is missing; write it with --update-golden"
        assert text == file.read_text(), f"{file.name} differs; if it should, write it with --update-golden"

    return check


@dataclass(frozen=True)
class UpstreamTool:
    """A tool of MLIR or xDSL that reads IR from its standard input."""

    command: tuple[str, ...]

    def __call__(self, text: str, *flags: str) -> str:
        """The tool's own printing of `text`. Fails the test with the tool's message if it refuses the text."""
        command = [*self.command, "--allow-unregistered-dialect", *flags]
        done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.fail(f"{self.command[-1]} refuses the text:\n{done.stderr[-4000:]}", pytrace=False)
        return done.stdout


@pytest.fixture(scope="session")
def mlir_opt() -> UpstreamTool:
    tool = shutil.which("mlir-opt-22")
    if tool is None:
        pytest.skip("needs mlir-opt-22 (Debian package mlir-22-tools)")
    return UpstreamTool((tool,))


@pytest.fixture(scope="session")
def xdsl_opt() -> UpstreamTool:
    pytest.importorskip("xdsl")
    return UpstreamTool((sys.executable, "-m", "xdsl.tools.xdsl_opt"))


@functools.cache
def gpu_missing() -> str | None:
    """Why no test can run on a GPU here, or None where one can."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no NVIDIA driver (libcuda.so.1)"
    count = ctypes.c_int()
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0 or count.value == 0:
        return "the NVIDIA driver finds no GPU"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and (reason := gpu_missing()):
        pytest.skip(f"needs a GPU: {reason}")
