"""What callers hand to `run`: checked against the plan, and brought into the form the device needs."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, cast

import numpy as np

from . import dlpack
from .dtypes import OBJECT, dtype_name, holder, numpy_dtype, unpacked
from .errors import InputError, nearest
from .plan import Plan, TensorSpec

Tensor = np.ndarray | dlpack.View
"""Memory on the host, or on a device."""


class Arguments:
    """Checks names, types and layout of the tensors of a run. Shapes are shapes.ShapeBinder's."""

    def __init__(self, plan: Plan) -> None:
        self._inputs = [(spec, numpy_dtype(spec.dtype)) for spec in plan.inputs]
        self._outputs = {spec.name: index for index, spec in enumerate(plan.outputs)}
        self._output_specs = [(spec, numpy_dtype(spec.dtype)) for spec in plan.outputs]

    def host_inputs(self, given: Mapping[str, Any]) -> list[np.ndarray]:
        """inputs() where device memory is refused: all are arrays."""
        return cast(list[np.ndarray], self.inputs(given))

    def host_outputs(self, given: Mapping[str, Any]) -> dict[int, np.ndarray]:
        """outputs() where device memory is refused: all are arrays."""
        return cast(dict[int, np.ndarray], self.outputs(given))

    def inputs(self, given: Mapping[str, Any], stream: int | None = None) -> list[Tensor]:
        """The given inputs in order of the plan, dense and of the plan's types.

        Host tensors that are not row-major are copied. `stream` is the CUDA stream that device tensors are used on;
        without one they are refused. Raises InputError for a missing or unknown name, another element type, or a value
        that is no tensor.
        """
        if not isinstance(given, Mapping):
            raise InputError(f"inputs: expected a mapping from names to tensors, found {type(given).__name__}")
        tensors: list[Tensor] = []
        for spec, dtype in self._inputs:
            value = given.get(spec.name)
            if spec.dtype == OBJECT and spec.name in given:
                tensors.append(holder(value))
                continue
            if type(value) is not np.ndarray or value.dtype != dtype or not value.flags.c_contiguous:
                if value is None:
                    raise self._name_error(given)
                value = _converted(spec, dtype, value, stream)
            tensors.append(value)
        if len(given) != len(tensors):
            raise self._name_error(given)
        return tensors

    def outputs(self, given: Mapping[str, Any], stream: int | None = None) -> dict[int, Tensor]:
        """The given outputs by their number in the plan; each will be written in place.

        Raises InputError for an unknown name, another element type, or memory that is not dense and writable.
        """
        tensors: dict[int, Tensor] = {}
        for name, value in given.items():
            if name not in self._outputs:
                raise _unknown("output", name, self._outputs)
            index = self._outputs[name]
            spec, dtype = self._output_specs[index]
            tensors[index] = _writable(spec, dtype, value, stream)
        return tensors

    def _name_error(self, given: Mapping[str, Any]) -> InputError:
        """What is wrong with the names of `given`: one that is unknown explains more than one that is missing."""
        names = [spec.name for spec, _ in self._inputs]
        for name in given:
            if name not in names:
                return _unknown("input", name, names)
        missing = [f"'{name}'" for name in names if given.get(name) is None]
        return InputError(
            f"missing input{'s' if len(missing) > 1 else ''} {', '.join(missing)}",
            f"the plan's inputs are: {', '.join(names)}",
        )


def _unknown(what: str, name: object, known: Any) -> InputError:
    note = nearest(str(name), known)
    expected = ", ".join(f"'{known_name}'" for known_name in known) or "none"
    return InputError(f"unknown {what} '{name}', the plan's {what}s are: {expected}", *([note] if note else []))


def _converted(spec: TensorSpec, dtype: np.dtype, value: Any, stream: int | None) -> Tensor:
    """`value` as a dense tensor of the type of `spec`."""
    if isinstance(value, np.ndarray | np.generic):
        array = unpacked(np.asarray(value))
        _check_dtype("input", spec, dtype, array.dtype)
        # not ascontiguousarray: it would give a 0-d array a dimension
        return array.copy(order="C") if not array.flags.c_contiguous else array
    view = _imported("input", spec, value, stream)
    if view.device_type != dlpack.CUDA:
        array = view.numpy()
        return array if view.is_contiguous else array.copy(order="C")
    if not view.is_contiguous:
        raise InputError(
            f"input '{spec.name}': expected a dense row-major tensor, "
            f"found strides {view.strides} of shape {view.shape}",
            "make it contiguous before the run",
        )
    return view


def _writable(spec: TensorSpec, dtype: np.dtype, value: Any, stream: int | None) -> Tensor:
    if isinstance(value, np.ndarray):
        _check_dtype("output", spec, dtype, value.dtype)
        tensor, dense, writable = value, value.flags.c_contiguous, value.flags.writeable
    else:
        view = _imported("output", spec, value, stream)
        tensor = view if view.device_type == dlpack.CUDA else view.numpy()
        dense, writable = view.is_contiguous, view.writable
    if not dense or not writable:
        wrong = "read-only memory" if dense else "other strides"
        raise InputError(f"output '{spec.name}': expected a dense, writable, row-major tensor, found {wrong}")
    return tensor


def _imported(what: str, spec: TensorSpec, value: Any, stream: int | None) -> dlpack.View:
    if not hasattr(value, "__dlpack__"):
        found = type(value).__name__
        raise InputError(
            f"{what} '{spec.name}': expected a NumPy array or a DLPack tensor of {spec.dtype}, found {found}",
            f"convert it: numpy.asarray(value, dtype='{numpy_dtype(spec.dtype)}')",
        )
    device_type = None
    with contextlib.suppress(AttributeError):
        device_type = value.__dlpack_device__()[0]
    on_device = device_type in (dlpack.CUDA, dlpack.CUDA_MANAGED)
    if on_device and stream is None:
        raise InputError(
            f"{what} '{spec.name}' is in GPU memory, and the plan runs on the CPU", "move it to the host first"
        )
    try:
        view = dlpack.import_tensor(value, stream if on_device else None)
    except (BufferError, RuntimeError, TypeError) as error:
        raise InputError(f"{what} '{spec.name}': cannot take it through DLPack: {error}") from None
    if view.device_type not in (dlpack.CPU, dlpack.CUDA, dlpack.CUDA_HOST, dlpack.CUDA_MANAGED):
        raise InputError(
            f"{what} '{spec.name}' is on a device the plan cannot reach (DLPack device type {view.device_type})"
        )
    _check_dtype(what, spec, numpy_dtype(spec.dtype), numpy_dtype(view.dtype))
    return view


def _check_dtype(what: str, spec: TensorSpec, expected: np.dtype, found: np.dtype) -> None:
    if expected != found:
        raise InputError(
            f"{what} '{spec.name}': expected element type {spec.dtype}, found {dtype_name(found)}",
            "the runtime does not convert; give the tensor with the type of the model",
        )
