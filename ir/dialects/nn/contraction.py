"""Matrix products and attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from ... import symbols
from ...core import Value
from ...loop_nest import Body, E
from ...numpy_body import computing_type, convert, widen
from ...symbols import Dim
from ...types import Scalar, TensorType, Type, i64
from .arithmetic import Add, Div, Eq, Le, Max, Mul, Sub, Where
from .base import (
    Array,
    Emit,
    NnOp,
    bind,
    broadcast_index,
    broadcast_shapes,
    require_same,
    scalar_type,
    shape,
    tensor_type,
)
from .constants import Constant, Iota
from .elementwise import Cast, Exp
from .normalization import Softmax
from .reduction import Reduce
from .views import BroadcastTo, Reshape

Precision = Literal["ieee", "tf32"]
_LOWEST = -float(np.finfo(np.float32).max)


def exact_matmul(a: Array, b: Array, dtype: Scalar) -> Array:
    """np.matmul in a type that holds the sums: f32 for narrow floats, f64 (through BLAS) for integers up to 16 bits."""
    a, b = widen(a), widen(b)
    if dtype.is_integer and max(a.dtype.itemsize, b.dtype.itemsize) <= 2:
        return convert(np.matmul(a.astype(np.float64), b.astype(np.float64)), dtype)
    if dtype.is_integer:
        a, b = a.astype(dtype.numpy), b.astype(dtype.numpy)
    return convert(np.matmul(a, b), dtype)


class MatMul(NnOp, name="nn.matmul"):
    """The matrix product of the last two axes of a and b, the axes before them broadcast. ONNX MatMul, Gemm.

    `trans_a` and `trans_b` exchange the last two axes of an operand. Elements are added in f32 or wider; `to` is the
    result's element type, that of a by default. `precision` allows tensor cores to round f32 operands to tf32.

    Example: %y = "nn.matmul"(%a, %b) {trans_b = true} : (tensor<7x2x3xf32>, tensor<4x3xf32>) -> tensor<7x2x4xf32>
    """

    a: Value
    b: Value
    trans_a: bool = False
    trans_b: bool = False
    to: Scalar | None = None
    precision: Precision = "ieee"

    def infer(self) -> list[Type]:
        a, b = tensor_type(self.a), tensor_type(self.b)
        self.require(a.rank >= 2 and b.rank >= 2, f"needs operands of rank 2 or more, found {a} and {b}")
        mixed = a.scalar.is_integer and b.scalar.is_integer
        self.require(a.dtype == b.dtype or mixed, f"operand types differ: {a.dtype} and {b.dtype}")
        m, k = _matrix(a.dims, self.trans_a)
        other, n = _matrix(b.dims, self.trans_b)
        require_same(self, k, other, "inner dimensions")
        return [TensorType((*broadcast_shapes(self, [a.dims[:-2], b.dims[:-2]]), m, n), self.to or a.dtype)]

    @property
    def inner(self) -> Dim:
        """How many products each element of the result is the sum of."""
        return _matrix(shape(self.a), self.trans_a)[1]

    def evaluate(self, a: Array, b: Array) -> Array:
        a = a.swapaxes(-1, -2) if self.trans_a else a
        b = b.swapaxes(-1, -2) if self.trans_b else b
        return exact_matmul(a, b, self.to or scalar_type(self.a))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        *batch, m, n = index
        dtype = computing_type(self.to or scalar_type(self.a))

        def term(at: tuple[Dim, ...]) -> E:
            (k,) = at
            a = body.read(self.a, broadcast_index(self.a, (*batch, *((k, m) if self.trans_a else (m, k)))))
            b = body.read(self.b, broadcast_index(self.b, (*batch, *((n, k) if self.trans_b else (k, n)))))
            return body.apply("mul", body.cast(a, dtype), body.cast(b, dtype))

        return body.reduce("add", (self.inner,), term)


def _matrix(dims: tuple[Dim, ...], transposed: bool) -> tuple[Dim, Dim]:
    rows, columns = dims[-2:]
    return (columns, rows) if transposed else (rows, columns)


class Attention(NnOp, name="nn.attention"):
    """softmax(scale q kᵀ + mask) v. ONNX Attention.

    q is [batch, heads, queries, size], k and v are [batch, heads', keys, size] where heads' divides heads: that many
    query heads read each key head. The mask, floats to add or i1 to keep, broadcasts to [batch, heads, queries, keys].
    `scale` is 1 / √size by default. With `causal` query i sees the keys up to `offset` + i. Softmax is in f32. A query
    that sees no key at all gives zeros.

    Example: %y = "nn.attention"(%q, %k, %v) {causal = true}
        : (tensor<1x8x5x64xf16>, tensor<1x8x5x64xf16>, tensor<1x8x5x64xf16>) -> tensor<1x8x5x64xf16>
    """

    q: Value
    k: Value
    v: Value
    mask: Value | None = None
    scale: float | None = None
    causal: bool = False
    offset: Dim = 0
    precision: Precision = "ieee"
    has_loop_nest = False
    sized = True

    def infer(self) -> list[Type]:
        q, k, v = tensor_type(self.q), tensor_type(self.k), tensor_type(self.v)
        self.require(q.rank == k.rank == v.rank == 4, f"needs operands of rank 4, found {q}, {k} and {v}")
        self.require(q.dtype == k.dtype == v.dtype, f"operand types differ: {q.dtype}, {k.dtype} and {v.dtype}")
        require_same(self, q.dims[3], k.dims[3], "sizes of a query and a key")
        require_same(self, k.dims[2], v.dims[2], "numbers of keys and values")
        require_same(self, k.dims[1], v.dims[1], "numbers of key and value heads")
        heads, groups = q.dims[1], k.dims[1]
        whole = not (isinstance(heads, int) and isinstance(groups, int)) or heads % groups == 0
        self.require(whole, f"has {heads} query heads, no multiple of its {groups} key heads")
        if self.mask is not None:
            broadcast_shapes(self, [(*q.dims[:3], k.dims[2]), shape(self.mask)])
        return [TensorType((*q.dims[:3], v.dims[3]), q.dtype)]

    @property
    def factor(self) -> float:
        """What scores are multiplied by."""
        size = shape(self.q)[3]
        if self.scale is None and not isinstance(size, int):
            self.fail("needs the attribute 'scale' where the size of a head is symbolic")
        return self.scale if self.scale is not None else 1 / math.sqrt(size)  # type: ignore[arg-type]

    def evaluate(self, q: Array, k: Array, v: Array, mask: Array | None, *, sizes: dict[str, int]) -> Array:
        dtype = q.dtype
        q, k, v = widen(q), widen(k), widen(v)
        if k.shape[1] != q.shape[1]:
            k, v = (np.repeat(t, q.shape[1] // k.shape[1], axis=1) for t in (k, v))
        scores = np.matmul(q, k.swapaxes(-1, -2)) * np.float32(self.factor).astype(q.dtype)
        if mask is not None:
            scores = np.where(mask, scores, -np.inf) if mask.dtype == np.bool_ else scores + widen(mask)
        if self.causal:
            rows, columns = np.ogrid[: scores.shape[-2], : scores.shape[-1]]
            scores = np.where(columns <= rows + bind([self.offset], sizes)[0], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True, initial=_LOWEST))
        total = weights.sum(-1, keepdims=True)
        return np.matmul(weights / np.where(total == 0, 1, total), v).astype(dtype)

    def decompose(self, emit: Emit) -> Value:
        """Two matrix products around a softmax."""
        k, v = (self._for_each_query_head(tensor, emit) for tensor in (self.k, self.v))
        dtype = scalar_type(self.q)
        wide = computing_type(dtype)
        scores = emit(MatMul(self.q, k, trans_b=True, to=wide, precision=self.precision))
        scores = emit(Mul(scores, emit(Constant.of(self.factor, wide))))
        lowest = emit(Constant.of(-np.inf, wide))
        if self.mask is not None and scalar_type(self.mask).is_bool:
            scores = emit(Where(self.mask, scores, lowest))
        elif self.mask is not None:
            mask = self.mask if scalar_type(self.mask) == wide else emit(Cast(self.mask, wide))
            scores = emit(Add(scores, mask))
        if self.causal:
            scores = emit(Where(self._visible(tensor_type(scores), emit), scores, lowest))
        weights = self._softmax(scores, emit)
        narrowed = weights if dtype == wide else emit(Cast(weights, dtype))
        return emit(MatMul(narrowed, v, precision=self.precision))

    @property
    def may_hide_all_keys(self) -> bool:
        """Whether a query may see no key."""
        return self.mask is not None or (self.causal and not (isinstance(self.offset, int) and self.offset >= 0))

    def _softmax(self, scores: Value, emit: Emit) -> Value:
        """Softmax along keys; zeros where all scores are -inf."""
        if not self.may_hide_all_keys:
            return emit(Softmax(scores, 3))
        wide = scalar_type(scores)
        top = emit(Max(emit(Reduce(scores, "max", (3,), True)), emit(Constant.of(_LOWEST, wide))))
        weights = emit(Exp(emit(Sub(scores, top))))
        total = emit(Reduce(weights, "add", (3,), True))
        one, zero = emit(Constant.of(1, wide)), emit(Constant.of(0, wide))
        return emit(Div(weights, emit(Where(emit(Eq(total, zero)), one, total))))

    def _for_each_query_head(self, tensor: Value, emit: Emit) -> Value:
        """Keys or values with each head repeated for the query heads that read it."""
        type, heads = tensor_type(tensor), shape(self.q)[1]
        batch, groups, keys, size = type.dims
        if groups == heads:
            return tensor
        members = symbols.floordiv(heads, groups)
        apart = emit(Reshape(tensor, result_types=[type.with_shape((batch, groups, 1, keys, size))]))
        spread = emit(BroadcastTo(apart, result_types=[type.with_shape((batch, groups, members, keys, size))]))
        return emit(Reshape(spread, result_types=[type.with_shape((batch, heads, keys, size))]))

    def _visible(self, scores: TensorType, emit: Emit) -> Value:
        """Which keys each query sees, in the shape of the scores, so that their kernel computes it."""
        grid = [scores.with_dtype(i64)]
        query = emit(Iota(2, start=self.offset, result_types=grid))
        return emit(Le(emit(Iota(3, result_types=grid)), query))
