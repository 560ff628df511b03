"""Every `nn` op: its types, its NumPy meaning and its loop nest agree."""

from __future__ import annotations

import numpy as np
import pytest
from nn_cases import CASES, Case

from kernelwright.ir.core import Operation, Value
from kernelwright.ir.declare import REGISTRY
from kernelwright.ir.dialects import nn
from kernelwright.ir.dialects.nn.base import result_scalar, result_sizes
from kernelwright.ir.numpy_body import evaluate_element

WITHOUT_CASES = {"nn.constant", "nn.if", "nn.loop", "nn.read_sizes", "nn.yield"}


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    found, expected = found.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
    finite = np.isfinite(expected)
    difference = np.abs(found[finite] - expected[finite])
    return float(np.max(difference / (1 + np.abs(expected[finite])), initial=0.0))


def run(op: nn.NnOp, arrays: list[np.ndarray], sizes: dict[str, int]) -> tuple[np.ndarray, ...]:
    results = op.interpret(arrays, sizes)
    for position, result in enumerate(results):
        assert result.shape == result_sizes(op, sizes, position)
        assert result.dtype == result_scalar(op, position).numpy
    assert len(results) == len(op.results)
    return results


def test_every_op_has_a_case() -> None:
    declared = {name for name in REGISTRY if name.startswith("nn.")}
    assert {case.op(case.arrays()).name for case in CASES} == declared - WITHOUT_CASES


@pytest.mark.parametrize("name", [name for name in REGISTRY if name.startswith("nn.")])
def test_every_op_says_what_it_means(name: str) -> None:
    text = REGISTRY[name].__doc__ or ""
    assert "ONNX" in text or name in ("nn.yield", "nn.constant")
    assert f'"{name}"' in text.partition("Example:")[2]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_loop_nest_computes_what_evaluate_does(case: Case) -> None:
    arrays = case.arrays()
    op = case.op(arrays)
    op.verify()
    for position, expected in enumerate(run(op, arrays, case.sizes)):
        if op.has_loop_nest:
            found = evaluate_element(op, arrays, expected.shape, position, **case.sizes)
            assert found.dtype == expected.dtype
            assert relative_error(found, expected) < 2e-6


@pytest.mark.parametrize(
    "case", [c for c in CASES if not c.name.startswith(("Cast", "BitCast")) and not c.types], ids=str
)
def test_narrow_floats_are_computed_wide(case: Case) -> None:
    wide = case.arrays()
    if not any(array.dtype == np.float32 for array in wide):
        return
    narrow = [array.astype(np.float16) if array.dtype == np.float32 else array for array in wide]
    rounded = [array.astype(np.float32) if array.dtype == np.float16 else array for array in narrow]
    op, wide_op = case.op(narrow), case.op(rounded)
    if op.results[0].type.dtype != wide_op.results[0].type.dtype:  # type: ignore[union-attr]
        for found, expected in zip(
            op.interpret(narrow, case.sizes), wide_op.interpret(rounded, case.sizes), strict=True
        ):
            assert relative_error(found, expected.astype(found.dtype)) < 2e-3


def decomposed(op: nn.NnOp, arrays: list[np.ndarray], sizes: dict[str, int]) -> np.ndarray:
    """The value of `op.decompose`, each op of it evaluated as it is emitted; compound ones decompose in turn."""
    values: dict[Value, np.ndarray] = dict(zip(op.operands, arrays, strict=True))

    def emit(inner: Operation) -> Value:
        assert isinstance(inner, nn.NnOp)
        inner.verify()
        if inner.compound:
            return inner.decompose(emit)
        (values[inner.result],) = inner.interpret([values[v] for v in inner.operands], sizes)
        return inner.result

    result = op.decompose(emit)
    assert result.type == op.result.type
    return values[result]


@pytest.mark.parametrize(
    "case", [c for c in CASES if type(c.op(c.arrays())).decompose is not nn.NnOp.decompose], ids=str
)
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_decomposition_keeps_the_value(case: Case, dtype: type) -> None:
    arrays = [a.astype(dtype) if a.dtype == np.float32 else a for a in case.arrays()]
    op = case.op(arrays)
    (expected,) = run(op, arrays, case.sizes)
    assert relative_error(decomposed(op, arrays, case.sizes), expected) < (2e-6 if dtype is np.float32 else 2e-3)
