"""ONNX's own backend tests on an NVIDIA GPU; `-n auto` compiles on all cores, a process each with its own context."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from onnx_suite import Case, cases, expected_failures, parameters, run

from kernelwright.runtime.cuda_driver import Driver
from kernelwright.runtime.errors import DeviceError

pytestmark = [pytest.mark.gpu, pytest.mark.slow]

EXPECTED = expected_failures(Path(__file__).with_name("expected_failures.txt"))


@pytest.fixture(autouse=True)
def usable_device() -> Iterator[None]:
    """An illegal access ruins the context for all that follows in its process: that ends, and xdist starts another."""
    yield
    try:
        driver = Driver()
        driver.free(driver.allocate(1))
    except DeviceError:
        if "PYTEST_XDIST_WORKER" in os.environ:
            os._exit(1)
        raise


@pytest.mark.parametrize("case", parameters(cases("cuda"), EXPECTED))
def test_onnx(case: Case, record_property: Callable[[str, object], None]) -> None:
    run(case, record_property)
