"""Run ONNX's backend tests and keep the table: `python benchmarks/conformance.py [--target cpu] [--processes 1]`.

Writes benchmarks/results/conformance_TARGET.json: the counts by kind and of the cases on tensors of numbers, and every
case that fails.
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
PYTEST = (sys.executable, "-m", "pytest", "-q", "--tb=line", "--max-worker-restart=99")


def run(target: str, processes: int) -> ElementTree.Element:
    """The JUnit report of the tests."""
    parallel = ["-n", str(processes)] if processes > 1 else []
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        tests = ROOT / "tests" / "conformance" / f"test_{target}.py"
        subprocess.run(
            [*PYTEST, *parallel, str(tests), f"--junitxml={report}", "-ojunit_family=xunit1"],
            cwd=ROOT,
            check=False,
        )
        return ElementTree.parse(report).getroot()


def table(report: ElementTree.Element) -> dict[str, object]:
    """Counts by kind, and the names of the cases that failed, expectedly or not."""
    counts: dict[str, Counter[str]] = {}
    numeric: Counter[str] = Counter()
    failed: list[str] = []
    for case in report.iter("testcase"):
        properties = {p.get("name", ""): p.get("value", "") for p in case.iter("property")}
        if not case.get("name", "").startswith("test_onnx["):
            continue
        bad = any(case.find(tag) is not None for tag in ("failure", "error", "skipped"))
        outcome = "failed" if bad else "with_host_step" if properties.get("host_steps", "0") != "0" else "passed"
        name = case.get("name", "").removeprefix("test_onnx[").removesuffix("]")
        counts.setdefault(name.partition("/")[0], Counter())[outcome] += 1
        numeric[outcome] += properties.get("numeric", "True") == "True"
        if bad:
            failed.append(name)
    return {
        "onnx": onnx.__version__,
        "opset": onnx.defs.onnx_opset_version(),
        "seconds": round(sum(float(suite.get("time", 0)) for suite in report.iter("testsuite")), 1),
        "all": dict(sum(counts.values(), Counter())),
        "numeric": dict(numeric),
        "kinds": {kind: dict(count) for kind, count in counts.items()},
        "failed": failed,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", default="cpu")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    target = arguments.target
    result = table(run(target, arguments.processes))
    path = ROOT / "benchmarks" / "results" / f"conformance_{target}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n")
    print(f"{path.relative_to(ROOT)}: {result['all']}")


if __name__ == "__main__":
    main()
