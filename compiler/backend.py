"""The standard backend interface of ONNX (`onnx.backend.base`): what ONNX's own tests and other tools drive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx.backend.base import Backend as OnnxBackend
from onnx.backend.base import BackendRep, Device, DeviceType, namedtupledict

from ..ir.diagnostics import CompileError
from ..ir.target import Target
from ..runtime.cuda_driver import Driver
from ..runtime.engine import Engine
from ..runtime.errors import DeviceError, EngineError
from . import host
from .driver import compile_model
from .options import CompileOptions

_UNPACKED = {"i4": ml_dtypes.int4, "ui4": ml_dtypes.uint4, "i2": ml_dtypes.int2, "ui2": ml_dtypes.uint2}
"""Elements below a byte travel through the runtime as bytes; ONNX has types of their own for them."""


class PreparedModel(BackendRep):
    """A compiled model, for any number of runs."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def run(self, inputs: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The outputs in order of the model; `inputs` are values in that order, a mapping by name, or one array.

        Raises EngineError where an input does not fit.
        """
        outputs = self.engine.run(self._named(inputs))
        values = [_as_declared(outputs[spec.name], spec.dtype) for spec in self.engine.outputs]
        return namedtupledict("Outputs", [spec.name for spec in self.engine.outputs])(*values)

    def _named(self, inputs: Any) -> Mapping[str, Any]:
        if isinstance(inputs, Mapping):
            return inputs
        values: Sequence[Any] = [inputs] if isinstance(inputs, np.ndarray | np.generic) else list(inputs)
        names = [spec.name for spec in self.engine.inputs]
        if len(values) > len(names):
            raise EngineError(f"expected at most {len(names)} inputs ({', '.join(names)}), found {len(values)}")
        return dict(zip(names, values, strict=False))


def _as_declared(value: Any, dtype: str) -> Any:
    return value.astype(_UNPACKED[dtype]) if dtype in _UNPACKED else value


class Backend(OnnxBackend):
    """Kernelwright for ONNX's tools. Devices: `CPU`, and `CUDA` with an optional number (`CUDA:1`)."""

    @classmethod
    def is_compatible(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> bool:
        """Whether every operator of `model` can be expressed (shapes and attributes decide, not names alone)."""
        try:
            compile_model(model, CompileOptions(target=_target(Device(device)), stop="legalize"))
        except CompileError:
            return False
        return True

    @classmethod
    def prepare(cls, model: onnx.ModelProto, device: str = "CPU", **kwargs: Any) -> PreparedModel:
        """Compile `model`. Raises CompileError for what cannot be compiled."""
        place = Device(device)
        compiled = compile_model(model, CompileOptions(target=_target(place)))
        # One worker: these models are small, and starting threads takes longer than running them.
        options = {"device": place.device_id} if place.type == DeviceType.CUDA else {"threads": 1}
        return PreparedModel(compiled.engine(**options))

    @classmethod
    def run_model(cls, model: onnx.ModelProto, inputs: Any, device: str = "CPU", **kwargs: Any) -> tuple[Any, ...]:
        """Compile and run once."""
        return cls.prepare(model, device, **kwargs).run(inputs)

    @classmethod
    def run_node(
        cls,
        node: onnx.NodeProto,
        inputs: Any,
        device: str = "CPU",
        outputs_info: Sequence[tuple[np.dtype, tuple[int, ...]]] | None = None,
        **kwargs: Any,
    ) -> tuple[Any, ...]:
        """Compile and run one node on arrays, with the newest operator set or `opset_version`."""
        arrays = [np.asarray(value) for value in inputs]
        names = [name for name in node.input if name]
        given = [_value_info(name, array) for name, array in zip(names, arrays, strict=True)]
        made = [onnx.ValueInfoProto(name=name) for name in node.output if name]
        graph = onnx.helper.make_graph([node], node.op_type, given, made)
        opsets = [onnx.helper.make_opsetid("", kwargs.pop("opset_version", onnx.defs.onnx_opset_version()))]
        if node.domain not in ("", "ai.onnx"):
            opsets.append(onnx.helper.make_opsetid(node.domain, 1))
        model = onnx.helper.make_model(graph, opset_imports=opsets)
        return cls.run_model(onnx.shape_inference.infer_shapes(model), arrays, device, **kwargs)

    @classmethod
    def supports_device(cls, device: str) -> bool:
        """CPU always; CUDA where the driver finds that many GPUs."""
        place = Device(device)
        if place.type == DeviceType.CPU:
            return True
        try:
            Driver(place.device_id)
        except DeviceError:
            return False
        return True


def _target(device: Device) -> Target:
    """The machine's own target; of a GPU the newest packaged one that it runs. Raises DeviceError without a GPU."""
    if device.type == DeviceType.CPU:
        return host.resolve("cpu")
    major, minor = Driver(device.device_id).capability
    return host.resolve("cuda:sm_90a" if (major, minor) == (9, 0) else f"cuda:sm_{major}{minor}")


def _value_info(name: str, array: np.ndarray) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


is_compatible = Backend.is_compatible
prepare = Backend.prepare
run_model = Backend.run_model
run_node = Backend.run_node
supports_device = Backend.supports_device
