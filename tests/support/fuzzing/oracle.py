"""What a node ought to compute: ONNX Runtime's word, or ONNX's reference evaluator's where that is the better judge."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnx.reference
import onnxruntime

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]

REFERENCE: dict[str, str] = {}
"""Operators whose kernel in ONNX Runtime is not asked, and why."""


class RefusedError(Exception):
    """No judge runs the node."""


def judge(model: onnx.ModelProto) -> Run:
    """A function from the model's inputs, in order, to its outputs. Raises RefusedError where there is none."""
    names = [value.name for value in model.graph.input]
    if not any(node.op_type in REFERENCE for node in model.graph.node):
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
        except Exception:  # there is no common class of what it throws
            pass
        else:
            return _guarded(lambda arrays: session.run(None, dict(zip(names, arrays, strict=True))))
    try:
        evaluator = onnx.reference.ReferenceEvaluator(model)
    except Exception as error:
        raise RefusedError(str(error)) from None
    return _guarded(lambda arrays: evaluator.run(None, dict(zip(names, arrays, strict=True))))


def _guarded(run: Callable[[Sequence[np.ndarray]], Any]) -> Run:
    def guarded(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                results = run(arrays)
        except Exception as error:
            raise RefusedError(str(error)) from None
        return [np.asarray(result) for result in results]

    return guarded
