"""Compute in a narrower type where a network bears it."""

from __future__ import annotations

from typing import Literal

import numpy as np

from ...ir.attributes import DenseAttr, StringAttr
from ...ir.core import Block, Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.types import SCALARS, Scalar, TensorType, f32
from ..base import Pass, PassContext
from .keep_wide import is_contraction, wide_values

_NARROW = {"fp16": "f16", "bf16": "bf16", "tf32": "tf32", "fp32": ""}


class LowerPrecision(Pass):
    """Move f32 arithmetic to f16 or bf16, or allow matrix products to round their operands to tf32.

        %0 = "nn.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
        return %0 : tensor<4x8xf32>

    becomes, with `to=f16`,

        %0 = "nn.cast"(%x) {to = f16} : (tensor<4x8xf32>) -> tensor<4x8xf16>
        %1 = "nn.cast"(%w) {to = f16} : (tensor<8x8xf32>) -> tensor<8x8xf16>
        %2 = "nn.matmul"(%0, %1) : (tensor<4x8xf16>, tensor<8x8xf16>) -> tensor<4x8xf16>
        %3 = "nn.cast"(%2) {to = f32} : (tensor<4x8xf16>) -> tensor<4x8xf32>
        return %3 : tensor<4x8xf32>

    Inputs and outputs keep their types. Statistics of normalizations, attention scores, sums, exponentials, powers,
    numbers made from integers and sums along a residual stream stay in f32 (`keep_wide`). Without `to`, the module's
    `kw.precision` says what is wanted.
    """

    name = "lower-precision"
    tolerance = 0.1
    to: Literal["", "f16", "bf16", "tf32"] = ""

    def run(self, module: Module, context: PassContext) -> None:
        wanted = self.to or _wanted(module)
        if wanted == "tf32":
            _allow_tf32(module, context)
        elif wanted:
            _Lowering(module, SCALARS[wanted], context).run()


def _wanted(module: Module) -> str:
    precision = module.attributes.get("kw.precision")
    return _NARROW.get(precision.value, "") if isinstance(precision, StringAttr) else ""


def _allow_tf32(module: Module, context: PassContext) -> None:
    for op in module.walk():
        if is_contraction(op) and op.operands and _is_f32(op.operands[0]) and op.precision != "tf32":
            op.precision = "tf32"
            context.count("products in tf32")


def _is_f32(value: Value) -> bool:
    return isinstance(value.type, TensorType) and value.type.dtype == f32


class _Lowering:
    """Gives every f32 value of a module its new type, from the first op to the last."""

    def __init__(self, module: Module, narrow: Scalar, context: PassContext) -> None:
        self.module = module
        self.narrow = narrow
        self.context = context
        self.wide = wide_values(module)
        self.casts: dict[tuple[Value, Scalar], Value] = {}

    def run(self) -> None:
        ops = [op for op in self.module.walk() if _touches_f32(op)]
        for op in ops:
            if not isinstance(op, nn.NnOp) or op.regions:
                self._read(op, dict.fromkeys(op.operands, f32))
            elif not isinstance(op, nn.Constant):
                self._lower(op)

    def _lower(self, op: nn.NnOp) -> None:
        """Let `op` read its operands, and make its results, in the types they should have."""
        result_is_wide = any(result in self.wide for result in op.results)
        if isinstance(op, nn.Cast):
            self._lower_cast(op)
            return
        if isinstance(op, nn.Attention):
            self._read(op, dict.fromkeys((op.q, op.k, op.v), self.narrow))
        elif is_contraction(op):
            self._read(op, dict.fromkeys(op.operands, self.narrow))
            if result_is_wide and isinstance(op, nn.MatMul | nn.Conv | nn.ConvTranspose):
                op.to = f32
        elif isinstance(op, nn.Softmax | nn.LogSoftmax | nn.LayerNorm | nn.RmsNorm):
            # Statistics are in f32 anyway: the op takes what there is, and what reads it casts.
            self._read(op, {op.operands[0]: self._found(op.operands[0])})
        elif _compares(op):
            self._read(op, dict.fromkeys(op.operands, f32) if len(op.operands) > 1 else {})
        else:
            wanted = f32 if result_is_wide else self.narrow
            self._read(op, dict.fromkeys(op.operands, wanted))
        self._update_results(op)
        self.context.count("ops lowered", int(not result_is_wide))

    def _lower_cast(self, op: nn.Cast) -> None:
        # A cast reads whatever there is, unless integers are made, which a narrow float holds too few of.
        if _is_f32(op.x) and not op.to.is_float:
            self._read(op, {op.x: f32})
        elif op.to == f32 and op.result not in self.wide:
            op.to = self.narrow
        self._update_results(op)

    def _found(self, value: Value) -> Scalar:
        return f32 if value in self.wide else self.narrow

    def _read(self, op: Operation, wanted: dict[Value, Scalar]) -> None:
        for position, value in enumerate(op.operands):
            if value in wanted and self._is_lowered(value):
                op.set_operand(position, self._as(value, wanted[value]))

    def _is_lowered(self, value: Value) -> bool:
        """Whether this is a tensor of f32, or one that was before it was lowered."""
        return isinstance(value.type, TensorType) and value.type.dtype in (f32, self.narrow)

    def _as(self, value: Value, dtype: Scalar) -> Value:
        type = value.type
        assert isinstance(type, TensorType)
        if type.dtype == dtype:
            return value
        if (value, dtype) not in self.casts:
            self.casts[value, dtype] = self._cast(value, dtype)
        return self.casts[value, dtype]

    def _cast(self, value: Value, dtype: Scalar) -> Value:
        owner = value.owner
        if isinstance(owner, nn.Constant) and isinstance(owner.value, DenseAttr):
            new: Operation = nn.Constant(DenseAttr(_saturated(owner.value.array, dtype)), location=owner.location)
        else:
            new = nn.Cast(value, dtype)
        _insert_after(new, value)
        return new.results[0]

    def _update_results(self, op: nn.NnOp) -> None:
        if op.infers():
            for result, type in zip(op.results, op.infer(), strict=True):
                result.type = type
            return
        for result in op.results:
            if isinstance(result.type, TensorType) and result.type.dtype == f32 and result not in self.wide:
                result.type = result.type.with_dtype(self.narrow)


def _touches_f32(op: Operation) -> bool:
    return any(_is_f32(value) for value in (*op.operands, *op.results))


def _compares(op: nn.NnOp) -> bool:
    """Whether floats go in and only something else comes out."""
    return not any(_is_f32(result) for result in op.results) and any(_is_f32(v) for v in op.operands)


def _saturated(array: np.ndarray, dtype: Scalar) -> np.ndarray:
    """`array` as `dtype`, where finite numbers stay finite: -3e38 in an attention mask is no infinity."""
    with np.errstate(over="ignore"):
        narrow = array.astype(dtype.numpy)
    finite = np.isfinite(array) & ~np.isfinite(narrow.astype(np.float32))
    if finite.any():
        codes = np.arange(1 << 16, dtype=np.uint16).view(dtype.numpy).astype(np.float32)
        largest = codes[np.isfinite(codes)].max()
        narrow = np.where(finite, np.clip(array, -largest, largest), narrow.astype(np.float32)).astype(dtype.numpy)
    return narrow


def _insert_after(op: Operation, value: Value) -> None:
    """Put `op` where `value` is defined, so that everything that may read the one may read the other."""
    owner = value.owner
    if isinstance(owner, Block):
        if owner.first is None:
            owner.append(op)
        else:
            owner.insert_before(op, owner.first)
        return
    if not op.location.names:
        op.location = owner.location
    assert owner.parent is not None
    owner.parent.insert_after(op, owner)
