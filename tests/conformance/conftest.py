"""The table of a conformance run, printed at its end."""

from __future__ import annotations

from collections import Counter

import pytest

OUTCOMES = ("passed", "with host step", "failed")


def outcome_of(report: pytest.TestReport) -> str:
    if not report.passed:
        return "failed"
    return "with host step" if dict(report.user_properties).get("host_steps") else "passed"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            properties = dict(getattr(report, "user_properties", ()))
            if isinstance(report, pytest.TestReport) and report.when == "call" and "kind" in properties:
                counts.setdefault(str(properties["kind"]), Counter())[outcome_of(report)] += 1
    if not counts:
        return
    counts["all"] = sum(counts.values(), Counter())
    terminalreporter.section("ONNX conformance")
    terminalreporter.write_line(f"{'kind':20}" + "".join(f"{name:>16}" for name in (*OUTCOMES, "of")))
    for kind, count in counts.items():
        numbers = (*(count[name] for name in OUTCOMES), count.total())
        terminalreporter.write_line(f"{kind:20}" + "".join(f"{number:>16}" for number in numbers))
