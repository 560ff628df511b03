"""The table of a conformance run, printed at its end."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

OUTCOMES = ("passed", "with host step", "failed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--host-steps", action="store_true", help="list the cases with operators that the host runs")


@pytest.fixture(autouse=True)
def models_home(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where ONNX's runner writes the data it makes for the light models."""
    monkeypatch.setenv("ONNX_HOME", str(tmp_path_factory.getbasetemp() / "onnx"))


def outcome_of(report: pytest.TestReport, properties: dict[str, Any]) -> str:
    if not report.passed:
        return "failed"
    return "with host step" if properties["host_steps"] else "passed"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts: dict[str, Counter[str]] = {}
    listed: list[str] = []
    numeric: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            properties: dict[str, Any] = dict(getattr(report, "user_properties", ()))
            if isinstance(report, pytest.TestReport) and report.when == "call" and "kind" in properties:
                outcome = outcome_of(report, properties)
                counts.setdefault(str(properties["kind"]), Counter())[outcome] += 1
                numeric[outcome] += properties["numeric"]
                if properties["on_host"]:
                    numbers = " (numbers)" if properties["numeric"] else ""
                    name = report.nodeid.partition("[")[2].rstrip("]")
                    listed.append(f"{name} {'passed' if report.passed else 'failed'}{numbers}: {properties['on_host']}")
    if not counts:
        return
    counts["all"] = sum(counts.values(), Counter())
    if config.getoption("--host-steps"):
        terminalreporter.section("on the host")
        for line in sorted(listed):
            terminalreporter.write_line(line)
    terminalreporter.section("ONNX conformance")
    terminalreporter.write_line(f"{'kind':20}" + "".join(f"{name:>16}" for name in (*OUTCOMES, "of")))
    for kind, count in counts.items():
        numbers = (*(count[name] for name in OUTCOMES), count.total())
        terminalreporter.write_line(f"{kind:20}" + "".join(f"{number:>16}" for number in numbers))
    share = numeric["passed"] / max(numeric.total(), 1)
    terminalreporter.write_line(f"without a host step, of {numeric.total()} on tensors of numbers: {share:.1%}")
