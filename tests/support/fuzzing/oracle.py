"""What a node ought to compute: ONNX Runtime's word, or ONNX's reference evaluator's where that is the better judge."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.reference
import onnxruntime

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]

CODES: dict[int, type] = {
    onnx.TensorProto.FLOAT8E4M3FN: ml_dtypes.float8_e4m3fn,
    onnx.TensorProto.FLOAT8E4M3FNUZ: ml_dtypes.float8_e4m3fnuz,
    onnx.TensorProto.FLOAT8E5M2: ml_dtypes.float8_e5m2,
    onnx.TensorProto.FLOAT8E5M2FNUZ: ml_dtypes.float8_e5m2fnuz,
}
"""Types whose numbers the judges may give as bytes."""


class RefusedError(Exception):
    """No judge runs the node."""


def judge(model: onnx.ModelProto) -> Run:
    """A function from the model's inputs, in order, to its outputs. Raises RefusedError where there is none."""
    names = [value.name for value in model.graph.input]
    types = [value.type.tensor_type.elem_type for value in model.graph.output]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    except Exception:  # there is no common class of what it throws
        pass
    else:
        return _guarded(lambda arrays: session.run(None, dict(zip(names, arrays, strict=True))), types)
    try:
        evaluator = onnx.reference.ReferenceEvaluator(model)
    except Exception as error:
        raise RefusedError(str(error)) from None
    return _guarded(lambda arrays: evaluator.run(None, dict(zip(names, arrays, strict=True))), types)


def _guarded(run: Callable[[Sequence[np.ndarray]], Any], types: Sequence[int]) -> Run:
    def guarded(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                results = run(arrays)
        except Exception as error:
            raise RefusedError(str(error)) from None
        return [_decoded(np.asarray(result), type) for result, type in zip(results, types, strict=True)]

    return guarded


def _decoded(array: np.ndarray, element_type: int) -> np.ndarray:
    dtype = CODES.get(element_type)
    return array.view(dtype) if dtype is not None and array.dtype == np.uint8 else array
