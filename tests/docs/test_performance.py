"""The page of figures is what the results say."""

from __future__ import annotations

import importlib.util
from pathlib import Path

REPORT = Path(__file__).resolve().parents[2] / "benchmarks" / "report.py"


def test_the_page_is_current() -> None:
    spec = importlib.util.spec_from_file_location("report", REPORT)
    assert spec is not None
    assert spec.loader is not None
    report = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(report)
    assert report.PAGE.read_text() == report.page(), "run `make docs`"
