"""ONNX's backend tests as named cases, and the list of those expected to fail."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
from onnx.backend.test import BackendTest

from kernelwright.backend import Backend, PreparedModel
from kernelwright.runtime.plan import Host, walk


@dataclass(frozen=True)
class Case:
    """One test of ONNX's on one device: `kind` is node, simple, real, pytorch-converted or pytorch-operator."""

    kind: str
    name: str
    run: Callable[[], None]


class Recorder(Backend):
    """The backend under test. A model that cannot be compiled fails: it is not skipped as incompatible."""

    host_steps: int = 0

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        prepared = super().prepare(model, device, **kwargs)
        cls.host_steps = sum(isinstance(step, Host) for step in walk(prepared.engine.plan.steps))
        return prepared


_KINDS = {
    "OnnxBackendNodeModelTest": "node",
    "OnnxBackendSimpleModelTest": "simple",
    "OnnxBackendRealModelTest": "real",
    "OnnxBackendPyTorchConvertedModelTest": "pytorch-converted",
    "OnnxBackendPyTorchOperatorModelTest": "pytorch-operator",
}


def cases(device: str) -> list[Case]:
    """All cases of the installed ONNX for a device, `cpu` or `cuda`, in the order of their names."""
    found: list[Case] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the cases' data overflows on purpose
        classes = BackendTest(Recorder, __name__).test_cases
    for class_name, cls in classes.items():
        names = sorted(name for name in vars(cls) if name.startswith("test_") and name.endswith(f"_{device}"))
        found += [Case(_KINDS[class_name], name, getattr(cls(name), name)) for name in names]
    return found


def expected_failures(path: Path) -> dict[str, str]:
    """Reasons by `kind/name`. Raises ValueError for a line without a reason, or a case that is listed twice."""
    reasons: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, reason = line.partition("  ")
        if not reason.strip() or name in reasons:
            raise ValueError(f"{path.name}: expected 'kind/name  reason', each name once, found '{line}'")
        reasons[name] = reason.strip()
    return reasons
