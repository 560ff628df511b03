"""ONNX's own backend tests on the CPU. A case of expected_failures.txt that passes fails until its line is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx_suite import Case, cases, expected_failures, parameters, run

pytestmark = pytest.mark.slow

CASES = cases("cpu")
EXPECTED = expected_failures(Path(__file__).with_name("expected_failures.txt"))


@pytest.mark.parametrize("case", parameters(CASES, EXPECTED))
def test_onnx(case: Case, record_property: Callable[[str, object], None]) -> None:
    run(case, record_property)


def test_every_expected_failure_is_a_case() -> None:
    names = {f"{case.kind}/{case.name.removesuffix('_cpu')}" for case in CASES}
    assert {name.removesuffix("_cpu").removesuffix("_cuda") for name in EXPECTED} - names == set()
