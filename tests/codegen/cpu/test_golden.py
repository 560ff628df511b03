"""The LLVM IR of a few kernels, to the letter: a refactoring shows that it changed nothing.

`pytest --update-golden` writes the files anew; read their difference.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from weights import OneKernel

from kernelwright.codegen.cpu import kernel_source
from kernelwright.ir import target
from kernelwright.ir.dialects import nn
from kernelwright.ir.location import Location
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.types import Scalar, TensorType, f16, f32, i64

FOLDER = Path(__file__).parent / "golden"
BATCH = symbol("batch")


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


def tensor(*shape: Dim, dtype: Scalar = f32) -> TensorType:
    return TensorType(shape, dtype)


def named(op: nn.NnOp, name: str) -> nn.NnOp:
    op.location = Location((name,))
    return op


def gelu_after_matmul(emit, values):  # type: ignore[no-untyped-def]
    x, w, bias = values
    product = emit(named(nn.MatMul(x, w), "/layer/MatMul"))
    return emit(named(nn.Gelu(emit(named(nn.Add(product, bias), "/layer/Add"))), "/layer/Gelu"))


def conv_and_relu(emit, values):  # type: ignore[no-untyped-def]
    x, w, bias = values
    conv = nn.Conv(x, w, (1, 1), (1, 1, 1, 1), (1, 1), bias)
    return emit(named(nn.Relu(emit(named(conv, "/conv/Conv"))), "/conv/Relu"))


KERNELS = {
    "element_wise": OneKernel([tensor(5, 33)] * 2, {}, lambda emit, v: emit(nn.Mul(emit(nn.Exp(v[0])), v[1]))),
    "half_precision": OneKernel([tensor(7, dtype=f16)] * 2, {}, lambda emit, v: emit(nn.Add(*v))),
    "symbolic_rows": OneKernel(
        [tensor(BATCH, 24)], {}, lambda emit, v: emit(nn.Reduce(v[0], "max", (1,), True)),
    ),
    "transpose": OneKernel([tensor(6, 20)], {}, lambda emit, v: emit(nn.Transpose(v[0], (1, 0)))),
    "compare_and_cast": OneKernel(
        [tensor(3, 20)] * 2, {}, lambda emit, v: emit(nn.Cast(emit(nn.Lt(*v)), i64))
    ),
    "matmul_gelu": OneKernel(
        [tensor(8, 32), tensor(32, 48), tensor(48)], {1: zeros(32, 48), 2: zeros(48)}, gelu_after_matmul
    ),
    "conv_relu": OneKernel(
        [tensor(1, 3, 6, 14), tensor(16, 3, 3, 3), tensor(16)], {1: zeros(16, 3, 3, 3), 2: zeros(16)}, conv_and_relu
    ),
    "max_pool": OneKernel(
        [tensor(1, 4, 8, 16)], {}, lambda emit, v: emit(nn.MaxPool(v[0], (2, 2), (2, 2), (0, 0, 0, 0), (1, 1)))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KERNELS)
def test_source(name: str, golden: Callable[[Path, str], None]) -> None:
    one = KERNELS[name]
    one.func.onnx = tuple(dict.fromkeys(n for op in one.func.block for n in op.location.names)) or None
    golden(FOLDER / f"{name}.ll", kernel_source([one.tile(target.builtin("cpu-avx512"))]).text)
