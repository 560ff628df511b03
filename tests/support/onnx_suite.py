"""ONNX's backend tests as named cases, and the list of those expected to fail."""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnx
import pytest
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

    host_steps: Sequence[str] = ()
    """What the last model ran on the host: operators, and why."""
    numeric: bool = True

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        cls.numeric = is_numeric(model)
        prepared = super().prepare(model, device, **kwargs)
        cls.host_steps = [described(step) for step in walk(prepared.engine.plan.steps) if isinstance(step, Host)]
        return prepared


_KINDS = {
    "OnnxBackendNodeModelTest": "node",
    "OnnxBackendSimpleModelTest": "simple",
    "OnnxBackendRealModelTest": "real",
    "OnnxBackendPyTorchConvertedModelTest": "pytorch-converted",
    "OnnxBackendPyTorchOperatorModelTest": "pytorch-operator",
}


def described(step: Host) -> str:
    """The operator of a host step, and why no kernel does it."""
    node = json.loads(str(step.attributes["arguments"]))["graph"]["nodes"][-1]
    return f"{node['operator']}: {step.attributes['reason']}"


def is_numeric(model: onnx.ModelProto) -> bool:
    """Whether all inputs and results are dense tensors of numbers."""
    types = [value.type for value in (*model.graph.input, *model.graph.output)]
    return all(t.HasField("tensor_type") and t.tensor_type.elem_type != onnx.TensorProto.STRING for t in types)


@functools.cache
def _classes() -> Mapping[str, type]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # making the cases' data overflows on purpose
        return BackendTest(Recorder, __name__).test_cases


def cases(device: str) -> list[Case]:
    """All cases of the installed ONNX for a device, `cpu` or `cuda`, in the order of their names."""
    found: list[Case] = []
    for class_name, cls in _classes().items():
        names = sorted(name for name in vars(cls) if name.startswith("test_") and name.endswith(f"_{device}"))
        found += [Case(_KINDS[class_name], name, getattr(cls(name), name)) for name in names]
    return found


def parameters(cases: Sequence[Case], reasons: Mapping[str, str]) -> list[object]:
    """Each case as a parameter of a test; those with a reason to fail have to."""
    parameters: list[object] = []
    for case in cases:
        label = f"{case.kind}/{case.name}"
        reason = reasons.get(label) or reasons.get(label.rpartition("_")[0])
        run = not (reason or "").startswith("crashes")  # the whole run would end with it
        strict = not (reason or "").startswith("random")
        marks = [pytest.mark.xfail(reason=reason, strict=strict, run=run)] if reason else []
        parameters.append(pytest.param(case, id=label, marks=marks))
    return parameters


def run(case: Case, record_property: Callable[[str, object], None]) -> None:
    """Run a case; its kind, host steps and whether it is one of numbers go into the report, however it ends."""
    Recorder.host_steps, Recorder.numeric = (), True
    record_property("kind", case.kind)
    try:
        case.run()
    finally:
        record_property("host_steps", len(Recorder.host_steps))
        record_property("on_host", "; ".join(dict.fromkeys(Recorder.host_steps)))
        record_property("numeric", Recorder.numeric)


def expected_failures(path: Path) -> dict[str, str]:
    """Reasons by `kind/name`, or `kind/name_device` for one device alone.

    Raises ValueError for a line without a reason, or a case that is listed twice.
    """
    reasons: dict[str, str] = {}
    for line in path.read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        name, _, reason = line.partition("  ")
        if not reason.strip() or name in reasons:
            raise ValueError(f"{path.name}: expected 'kind/name  reason', each name once, found '{line}'")
        reasons[name] = reason.strip()
    return reasons
