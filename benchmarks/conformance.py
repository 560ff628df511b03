"""Run ONNX's backend tests and keep the table: `python benchmarks/conformance.py [--target cpu]`.

Writes benchmarks/results/conformance_TARGET.json: the counts by kind, and every case that fails.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

import onnx

ROOT = Path(__file__).resolve().parents[1]


def run(target: str) -> ElementTree.Element:
    """The JUnit report of the tests."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tests = ROOT / "tests" / "conformance" / f"test_{target}.py"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", str(tests), f"--junitxml={report}", "-ojunit_family=xunit1"],
            cwd=ROOT,
            check=False,
        )
        return ElementTree.parse(report).getroot()


def table(report: ElementTree.Element) -> dict[str, object]:
    """Counts by kind, and the names of the cases that failed, expectedly or not."""
    counts: dict[str, Counter[str]] = {}
    failed: list[str] = []
    for case in report.iter("testcase"):
        properties = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
        if "kind" not in properties:
            continue
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        outcome = "failed" if bad else "with_host_step" if properties.get("host_steps", "0") != "0" else "passed"
        counts.setdefault(properties["kind"], Counter())[outcome] += 1
        if bad:
            failed.append(case.get("name", "").removeprefix("test_onnx[").removesuffix("]"))
    return {
        "onnx": onnx.__version__,
        "opset": onnx.defs.onnx_opset_version(),
        "seconds": round(sum(float(suite.get("time", 0)) for suite in report.iter("testsuite")), 1),
        "all": dict(sum(counts.values(), Counter())),
        "kinds": {kind: dict(count) for kind, count in counts.items()},
        "failed": failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="cpu")
    target = parser.parse_args().target
    result = table(run(target))
    path = ROOT / "benchmarks" / "results" / f"conformance_{target}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{path.relative_to(ROOT)}: {result['all']}")


if __name__ == "__main__":
    main()
