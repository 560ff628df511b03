"""Our results beside ONNX Runtime's: the error of every output, and the first ONNX node where they depart.

To find that node the model is compiled again with tensors inside it as further outputs, a few dozen at a time, and the
interval between the last right and the first wrong one is searched in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ..ir.diagnostics import CompileError
from ..passes import numerics
from ..runtime.engine import Engine

try:
    import onnxruntime
except ImportError:  # an optional dependency: only `check` needs it
    onnxruntime = None

TOLERANCES = {"fp32": 2e-5, "tf32": 5e-3, "fp16": 1e-2, "bf16": 5e-2}
"""The relative error that a precision may have."""

_PROBES = 24
Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Departure:
    """The first tensor that is wrong, and the node that makes it."""

    node: str
    op_type: str
    tensor: str
    error: float

    def __str__(self) -> str:
        return f"first departs at node '{self.node}' ({self.op_type}), tensor '{self.tensor}': error {self.error:.2e}"


def relative_error(ours: np.ndarray, theirs: np.ndarray) -> float:
    """‖ours − theirs‖ / ‖theirs‖ in double precision; infinite for another shape, or where only one is finite."""
    if ours.shape == theirs.shape and ours.dtype.kind in "OSU":
        return 0.0 if bool((ours == theirs).all()) else float("inf")
    return numerics.relative_error(ours, theirs)


def load_model(path: Path) -> onnx.ModelProto:
    """The model with its weights, those in external files too. Raises CompileError."""
    try:
        return onnx.load(str(path))
    except OSError as error:
        raise CompileError(f"cannot read '{path}': {(error.strerror or str(error)).lower()}") from None
    except Exception as error:
        raise CompileError(f"'{path}' is not an ONNX model: {error}") from None


def reference(model: onnx.ModelProto | Path, inputs: Arrays) -> dict[str, np.ndarray]:
    """ONNX Runtime's outputs by name, on the CPU. Raises CompileError where it is missing or refuses the model."""
    if onnxruntime is None:
        raise CompileError("comparing needs ONNX Runtime: pip install onnxruntime")
    source = str(model) if isinstance(model, Path) else model.SerializeToString()
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return {name: np.asarray(a) for name, a in zip(names, session.run(names, dict(inputs)), strict=True)}
    except Exception as error:
        raise CompileError(f"ONNX Runtime cannot run the model: {error}") from None


def errors(ours: Mapping[str, Any], theirs: Arrays) -> dict[str, float]:
    """The relative error of every output."""
    return {name: relative_error(np.asarray(ours[name]), expected) for name, expected in theirs.items()}


def first_departure(
    model: onnx.ModelProto, inputs: Arrays, build: Callable[[onnx.ModelProto], Engine], tolerance: float
) -> Departure | None:
    """The first node of `model` whose result is off by more than `tolerance`; None where no tensor inside it is.

    `build` compiles a model. Fusion may differ from that of the model as it is, since more tensors must be kept.
    """
    makers = {name: node for node in model.graph.node for name in node.output if name}
    candidates = list(makers)
    low, high = 0, len(candidates)  # what precedes `low` is right
    worst: tuple[str, float] | None = None
    while low < high:
        step = -(-(high - low) // _PROBES)
        probes = candidates[low + step - 1 : high : step]
        exposed = with_outputs(model, probes)
        with build(exposed) as engine:
            found = errors(engine.run(dict(inputs)), _only(reference(exposed, inputs), probes))
        wrong = next((i for i, name in enumerate(probes) if found[name] > tolerance), None)
        if wrong is None:
            break
        worst = probes[wrong], found[probes[wrong]]
        high = candidates.index(probes[wrong])
        low = candidates.index(probes[wrong - 1]) + 1 if wrong > 0 else low
    if worst is None:
        return None
    name, error = worst
    return Departure(makers[name].name or name, makers[name].op_type, name, error)


def with_outputs(model: onnx.ModelProto, names: Sequence[str]) -> onnx.ModelProto:
    """A copy of `model` with the tensors `names` as further outputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    present = {output.name for output in copy.graph.output}
    types = {value.name: value for value in onnx.shape_inference.infer_shapes(model).graph.value_info}
    for name in names:
        if name not in present:
            copy.graph.output.append(types.get(name) or onnx.ValueInfoProto(name=name))
    return copy


def _only(arrays: Arrays, names: Sequence[str]) -> dict[str, np.ndarray]:
    return {name: array for name, array in arrays.items() if name in names}
