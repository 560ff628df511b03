"""What every benchmark records beside its figures: machine, versions, date, commit; and where results are written."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("kernelwright", "numpy", "onnx", "onnxruntime", "openvino", "llvmlite", "cuda-bindings", "torch")


def environment() -> dict[str, Any]:
    """The machine and the software a result was measured with."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%MZ"),
        "commit": _output(["git", "rev-parse", "--short", "HEAD"]) or os.environ.get("KERNELWRIGHT_COMMIT", ""),
        "cpu": _cpu_name(),
        "cores": os.cpu_count(),
        "gpu": _output(["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, cwd=RESULTS.parent, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _cpu_name() -> str:
    """The processor's name and its widest vector extension."""
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    fields = dict(line.split(":", 1) for line in info.read_text().split("\n\n")[0].splitlines() if ":" in line)
    named = {key.strip(): value.strip() for key, value in fields.items()}
    flags = named.get("flags", "").split()
    widest = next((flag for flag in ("avx512f", "avx2") if flag in flags), "")
    return f"{named.get('model name', platform.processor())} {widest}".strip()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def save(name: str, figures: Any, folder: Path = RESULTS) -> Path:
    """Write `figures` with the environment to `folder/name.json`; gives the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({"environment": environment(), "figures": figures}, indent=1) + "\n")
    return path
