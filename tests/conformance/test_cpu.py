"""ONNX's own backend tests on the CPU. A case of expected_failures.txt that passes fails until its line is gone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from onnx_suite import Case, Recorder, cases, expected_failures

pytestmark = pytest.mark.slow

CASES = cases("cpu")
EXPECTED = expected_failures(Path(__file__).with_name("expected_failures.txt"))


@pytest.fixture(autouse=True)
def models_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where ONNX's runner writes the data it makes for the light models."""
    monkeypatch.setenv("ONNX_HOME", str(tmp_path_factory.getbasetemp() / "onnx"))


def parameters() -> list[object]:
    parameters: list[object] = []
    for case in CASES:
        label = f"{case.kind}/{case.name}"
        reason = EXPECTED.get(label)
        run = not (reason or "").startswith("crashes")  # the whole run would end with it
        strict = not (reason or "").startswith("random")
        marks = [pytest.mark.xfail(reason=reason, strict=strict, run=run)] if reason else []
        parameters.append(pytest.param(case, id=label, marks=marks))
    return parameters


@pytest.mark.parametrize("case", parameters())
def test_onnx(case: Case, record_property: Callable[[str, object], None]) -> None:
    record_property("kind", case.kind)
    Recorder.host_steps = 0
    case.run()
    record_property("host_steps", Recorder.host_steps)


def test_every_expected_failure_is_a_case() -> None:
    assert EXPECTED.keys() - {f"{case.kind}/{case.name}" for case in CASES} == set()
