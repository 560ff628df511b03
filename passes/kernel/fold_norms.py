"""fold-norms: normalizations between matrix products, computed at both ends instead of in between."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir.core import Block, Operation, Value
from ...ir.declare import Op
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.location import Location
from ...ir.symbols import Dim
from ...ir.target import Target
from ...ir.types import Scalar, TensorType, f16, f32
from ..base import Pass, PassContext
from ..graph.match import constant
from ..tile.epilogue import SPANS
from ..tile.packing import packed_constant
from ..tile.strategies import AnyTarget, specialized
from .groups import is_unit_reshape
from .outline import kernel_of

Emit = Callable[[Op], Value]
Norm = nn.LayerNorm | nn.RmsNorm

HEADROOM = 2.0**-4
"""What a sum kept in f32 because it may leave the range of f16 is multiplied with where products read it as f16."""


class FoldNorms(Pass):
    """Let products read rows as they are, and scale and shift their results as the normalization would have theirs.

    With c the sums of the columns of scale · w, rounded as the product reads it,

        norm(x) @ w = ((x @ (scale · w)) - mean(x) · c) / deviation(x) + bias @ w

    The product that makes x sums up x and x² over spans of columns, and what reads the normalized rows makes mean and
    deviation of these: the normalization takes no launch, and no memory but its sums. A residual connection
    normalizes x as it reads it. All weights are known; they are scaled when the model is compiled.

    Sums in f32 err less than x · w does for the mean that an x of 16 bits carries along: this is for products of such
    rows alone. Nothing happens unless every reader is one or a sum beside one, and the target has strategies that take
    both ends.

    Before:
        %x = "nn.add"(%0, %r) : (tensor<5x768xf16>, tensor<5x768xf16>) -> tensor<5x768xf16>
        %n = "nn.layer_norm"(%x, %scale) {axis = 1 : i64, epsilon = 1.0e-05 : f64, …} : (…) -> tensor<5x768xf16>
        %y = "nn.matmul"(%n, %w) : (tensor<5x768xf16>, tensor<768x64xf16>) -> tensor<5x64xf16>
    After, in short:
        %sums = "nn.reduce"(%x as 5x12x64) {kind = "add", axes = array<i64: 2>} : … -> tensor<5x12xf32>
        %squares = "nn.reduce"(%x · %x as 5x12x64) {kind = "add", axes = array<i64: 2>} : … -> tensor<5x12xf32>
        %mean, %factor = … of "nn.reduce"(%sums), "nn.reduce"(%squares) : … -> tensor<5x1xf32>
        %0 = "nn.matmul"(%x, %scaled_w) {to = f32} : (tensor<5x768xf16>, tensor<768x64xf16>) -> tensor<5x64xf32>
        %y = (%0 - %mean · %c) · %factor as f16
    """

    name = "fold-norms"
    tolerance = 5e-3

    def run(self, module: Module, context: PassContext) -> None:
        if not Target.has(module):
            return
        target = Target.of(module)
        for norm in [op for op in module.main.block if isinstance(op, nn.LayerNorm | nn.RmsNorm)]:
            found = _Folding.of(norm, target)
            if isinstance(found, str):
                context.remark(norm, f"a kernel of its own: {found}")
            else:
                found.rewrite()
                context.count("normalizations")


@dataclass(frozen=True)
class _Reader:
    """A use of the normalized rows, or of what reshapes and casts make of them."""

    op: nn.NnOp
    operand: int


@dataclass(frozen=True)
class _Folding:
    """A normalization, the product that makes its rows, and its readers: products, and sums beside products."""

    norm: Norm
    source: Sequence[Operation]
    products: Sequence[nn.MatMul]
    sums: Sequence[_Reader]

    @staticmethod
    def of(norm: Norm, target: AnyTarget) -> _Folding | str:
        """What is to be folded, or why nothing is."""
        type = tensor_type(norm.x)
        last = type.dims[-1]
        if norm.axis != type.rank - 1 or not isinstance(last, int) or any(last % span for span in SPANS):
            return "its rows are not the last axis, or no whole number of spans"
        if any(constant(v) is None for v in norm.operands[1:]):
            return "its scale or bias is not known"
        source = _product_behind(norm.x)
        if source is None:
            return "no product makes its rows"
        readers = list(_readers(norm.result))
        products = [r.op for r in readers if isinstance(r.op, nn.MatMul) and _multiplies_rows(r)]
        sums = [r for r in readers if r.op not in products]
        if not products:
            return "no product of 16-bit rows and known weights reads it"
        if any(tensor_type(op.a).dtype != tensor_type(products[0].a).dtype for op in products):
            return "products read it in different types"
        other = next((r.op for r in sums if not _is_beside_product(r, type)), None)
        if other is not None:
            return f"'{other.name}' reads it too"
        found = _Folding(norm, source, products, sums)
        return found._objection(target) or found

    def _objection(self, target: AnyTarget) -> str | None:
        """Why the target has no strategy for one of the ends."""
        if specialized(self._source_kernel(), target) is None:
            return f"no strategy of {target.name} sums up the rows as '{self.source[0].name}' makes them"
        for op in self.products:
            if specialized(self._product_kernel(op), target) is None:
                return f"no strategy of {target.name} scales rows behind '{op.name}'"
        return None

    # Numbers

    @property
    def x(self) -> Value:
        return self.norm.x

    @property
    def read(self) -> Scalar:
        """The type that products read rows in."""
        return tensor_type(self.products[0].a).scalar

    @property
    def headroom(self) -> float:
        return HEADROOM if tensor_type(self.x).dtype == f32 and self.read == f16 else 1.0

    @property
    def scale(self) -> np.ndarray:
        assert self.norm.scale is None or constant(self.norm.scale) is not None
        columns = tensor_type(self.x).dims[-1:]
        found = np.ones(columns, np.float32) if self.norm.scale is None else constant(self.norm.scale)  # type: ignore[arg-type]
        return np.asarray(found, np.float32)

    @property
    def bias(self) -> np.ndarray | None:
        """None where it is zero."""
        value = self.norm.bias if isinstance(self.norm, nn.LayerNorm) else None
        found = None if value is None else constant(value)
        return None if found is None or not found.any() else np.asarray(found, np.float32)

    # The two ends

    def _wide(self, emit: Emit) -> Value:
        """The rows in f32 as their sums are of them; computed again for every use, which may be in another kernel."""
        x = self.x if tensor_type(self.x).dtype == f32 else emit(nn.Cast(self.x, f32))
        return x if self.headroom == 1 else _times(x, self.headroom, emit)

    def _sums(self, wide: Callable[[Emit], Value], emit: Emit) -> tuple[Value, Value]:
        """The sums of spans of columns, and those of squares."""

        def spans(value: Value) -> Value:
            type = tensor_type(value)
            *outer, last = type.dims
            assert isinstance(last, int)
            split = emit(nn.Reshape(value, result_types=[type.with_shape((*outer, last // SPANS[0], SPANS[0]))]))
            return emit(nn.Reduce(split, "add", (type.rank,)))

        x = wide(emit)
        return spans(wide(emit)), spans(emit(nn.Mul(x, x)))

    def _statistics(self, sums: Value, squares: Value, emit: Emit) -> tuple[Value | None, Value]:
        """The mean of every row, where the norm subtracts it, and what it multiplies with."""
        count = tensor_type(self.x).dims[-1]
        assert isinstance(count, int)

        def mean(value: Value) -> Value:
            return _times(emit(nn.Reduce(value, "add", (tensor_type(value).rank - 1,), True)), 1 / count, emit)

        variance, center = mean(squares), None
        if isinstance(self.norm, nn.LayerNorm):
            center = mean(sums)
            variance = emit(nn.Sub(variance, emit(nn.Mul(center, center))))
            variance = emit(nn.Max(variance, _number(0.0, emit)))
        epsilon = _number(self.norm.epsilon * self.headroom**2, emit)
        return center, emit(nn.Rsqrt(emit(nn.Add(variance, epsilon))))

    def _product(
        self, op: nn.MatMul, rows: Value, weights: Sequence[Value | None], sums: Sequence[Value], emit: Emit
    ) -> Value:
        """What `op` makes of the normalized rows; `weights` are scaled, then the sums of their columns, and of bias."""
        w, columns, shift = weights
        assert w is not None and columns is not None
        mean, factor = self._statistics(sums[0], sums[1], emit)
        result = emit(nn.MatMul(rows, w, False, op.trans_b, to=f32, precision=op.precision))
        if mean is not None:
            result = emit(nn.Sub(result, emit(nn.Mul(mean, columns))))
        result = emit(nn.Mul(result, factor))
        result = result if shift is None else emit(nn.Add(result, shift))
        wanted = tensor_type(op.result).scalar
        return result if wanted == f32 else emit(nn.Cast(result, wanted))

    def _normalized(self, sums: Sequence[Value], emit: Emit) -> Value:
        """The normalized rows, element by element."""
        wide = self._wide(emit)
        mean, factor = self._statistics(sums[0], sums[1], emit)
        y = wide if mean is None else emit(nn.Sub(wide, mean))
        y = emit(nn.Mul(y, factor))
        bias = self.norm.bias if isinstance(self.norm, nn.LayerNorm) else None
        for value, combine in ((self.norm.scale, nn.Mul), (bias, nn.Add)):
            if value is not None:
                y = emit(combine(y, _widened(value)))
        return y

    # As kernels, to ask strategies about

    def _source_kernel(self) -> kernel.Func:
        inside = set(self.source)
        inputs = dict.fromkeys(v for op in self.source for v in op.operands if v.owner not in inside)
        func = kernel_of(self.source, list(inputs), [self.x])
        terminator = func.block.terminator
        (x,) = terminator.operands
        emit = _emit_before(terminator)

        def wide(emit: Emit) -> Value:
            value = x if tensor_type(x).dtype == f32 else emit(nn.Cast(x, f32))
            return value if self.headroom == 1 else _times(value, self.headroom, emit)

        narrow = [] if tensor_type(x).dtype == self.read else [emit(nn.Cast(wide(emit), self.read))]
        terminator.set_operands([x, *narrow, *self._sums(wide, emit)])
        return func

    def _product_kernel(self, op: nn.MatMul) -> kernel.Func:
        a, b, n = tensor_type(op.a), tensor_type(op.b), tensor_type(op.result).dims[-1]
        sums = TensorType(self._sums_shape(a.dims), f32)
        block = Block([a, b, TensorType((n,), f32), sums, sums])
        func = kernel_of([], [], [])
        func.body.blocks.clear()
        func.body.add_block(block)
        block.append(kernel.Return(()))
        rows, w, columns, *both = block.arguments
        result = self._product(op, rows, (w, columns, columns), both, _emit_before(block.terminator))
        block.terminator.set_operands([result])
        return func

    def _sums_shape(self, rows: Sequence[Dim]) -> tuple[Dim, ...]:
        last = rows[-1]
        assert isinstance(last, int)
        return (*rows[:-1], last // SPANS[0])

    # Rewriting

    def rewrite(self) -> None:
        assert isinstance(self.x.owner, Operation) and self.x.owner.next is not None
        behind = _emit_before(self.x.owner.next, self.norm.location)
        narrow = self.x if tensor_type(self.x).dtype == self.read else behind(nn.Cast(self._wide(behind), self.read))
        sums = self._sums(self._wide, behind)
        for op in self.products:
            self._rewrite_product(op, narrow, sums)
        for reader in self.sums:
            emit = _emit_before(self._place_for(reader), self.norm.location)
            value = reader.op.operands[reader.operand]
            normalized = self._normalized(sums, emit)
            wanted = tensor_type(value).scalar
            normalized = normalized if wanted == f32 else emit(nn.Cast(normalized, wanted))
            reader.op.set_operand(reader.operand, normalized)
        _erase_unread(self.norm)

    def _place_for(self, reader: _Reader) -> Operation:
        """Where the rows are normalized for a sum: before its product, so that kernels are formed around that."""
        before = _product_beside(reader)
        assert before is not None and isinstance(self.x.owner, Operation)
        here = before.parent is self.x.owner.parent and self.x.owner.is_before(before)
        return before if here else reader.op

    def _rewrite_product(self, op: nn.MatMul, narrow: Value, sums: Sequence[Value]) -> None:
        emit = _emit_before(op, op.location)
        dims = tensor_type(op.a).dims
        rows = _reshaped(narrow, dims, emit)
        both = [_reshaped(value, self._sums_shape(dims), emit) for value in sums]
        result = self._product(op, rows, self._weights(op), both, emit)
        assert isinstance(result.owner, Operation)
        result.name = op.result.name
        op.result.replace_all_uses_with(result)
        old = op.a
        op.erase()
        if isinstance(old.owner, Operation):
            _erase_unread(old.owner)

    def _weights(self, op: nn.MatMul) -> tuple[Value, Value, Value | None]:
        """The scaled weights, the sums of their columns, and the products with the bias."""
        dtype = tensor_type(op.b).scalar
        inner = 1 if op.trans_b else 0

        def column(vector: np.ndarray) -> np.ndarray:
            return vector[None, :] if op.trans_b else vector[:, None]

        def scaled(w: np.ndarray) -> np.ndarray:
            return (w.astype(np.float32) * column(self.scale)).astype(dtype.numpy)

        def columns(w: np.ndarray) -> np.ndarray:
            return w.astype(np.float32).sum(inner, dtype=np.float64).astype(np.float32)

        tag = f"norm_{zlib.crc32(self.scale.tobytes()):08x}"
        bias, shift = self.bias, None
        if bias is not None:

            def shifts(w: np.ndarray) -> np.ndarray:
                products = w.astype(np.float32) * column(bias)
                return products.sum(inner, dtype=np.float64).astype(np.float32)

            shift = packed_constant(op.b, f"{tag}_{zlib.crc32(bias.tobytes()):08x}", shifts, f32)
        weights = op.b if (self.scale == 1).all() else packed_constant(op.b, tag, scaled)
        return weights, packed_constant(weights, "columns", columns, f32), shift


def _emit_before(anchor: Operation, location: Location | None = None) -> Emit:
    def emit(op: Op) -> Value:
        op.location = location or anchor.location
        assert anchor.parent is not None
        return anchor.parent.insert_before(op, anchor).results[0]

    return emit


def _number(value: float, emit: Emit) -> Value:
    return emit(nn.Constant.of(value, f32))


def _widened(value: Value) -> Value:
    """A constant in f32."""
    return value if tensor_type(value).dtype == f32 else packed_constant(value, "wide", _as_f32, f32)


def _as_f32(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32)


def _times(value: Value, factor: float, emit: Emit) -> Value:
    return emit(nn.Mul(value, _number(factor, emit)))


def _reshaped(value: Value, dims: Sequence[Dim], emit: Emit) -> Value:
    type = tensor_type(value).with_shape(tuple(dims))
    return value if tensor_type(value) == type else emit(nn.Reshape(value, result_types=[type]))


def _erase_unread(op: Operation) -> None:
    """Erase an op, and those that only led to it, where nobody reads it."""
    for user in {user for result in op.results for user in result.users}:
        if isinstance(user, nn.Cast | nn.Reshape):
            _erase_unread(user)
    if op.parent is not None and not any(result.uses for result in op.results):
        operands = op.operands
        op.erase()
        for value in operands:
            if isinstance(value.owner, nn.Cast | nn.Reshape | nn.Constant | nn.LayerNorm | nn.RmsNorm):
                _erase_unread(value.owner)


def _readers(value: Value) -> Iterator[_Reader]:
    """What reads the rows of a value, through reshapes that keep them and casts."""
    last = tensor_type(value).dims[-1]
    for user, index in value.uses:
        keeps = isinstance(user, nn.Reshape) and tensor_type(user.result).dims[-1:] == (last,)
        if keeps or (isinstance(user, nn.Cast) and user.to.is_float):
            yield from _readers(user.results[0])
        else:
            yield _Reader(user, index)  # type: ignore[arg-type]


def _multiplies_rows(reader: _Reader) -> bool:
    """Whether a product multiplies 16-bit rows by a known matrix that is not needed otherwise."""
    op = reader.op
    if not isinstance(op, nn.MatMul) or reader.operand != 0 or op.a is op.b or op.trans_a:
        return False
    weights = tensor_type(op.b)
    known = weights.rank == 2 and constant(op.b) is not None and op.b.has_one_use
    return known and weights.scalar.is_float and weights.scalar.bytes == 2


def _is_beside_product(reader: _Reader, rows: TensorType) -> bool:
    """Whether an element-wise op adds the rows to what comes from a product, in whose kernel it can be."""
    same = tensor_type(reader.op.operands[reader.operand]).dims == rows.dims
    return isinstance(reader.op, nn.Elementwise) and same and _product_beside(reader) is not None


def _product_beside(reader: _Reader) -> nn.MatMul | None:
    """The product that another operand of a reader comes from."""
    others = (v for i, v in enumerate(reader.op.operands) if i != reader.operand)
    found = (_product_behind(v) for v in others if v.has_one_use)
    first = next((ops[0] for ops in found if ops is not None), None)
    return first if isinstance(first, nn.MatMul) else None


def _product_behind(value: Value) -> list[nn.NnOp] | None:
    """The product that rows come from, and the element-wise ops behind it that nobody else reads, in order."""
    op = value.owner
    if isinstance(op, nn.MatMul):
        return [op]
    if not isinstance(op, nn.Elementwise) and not (isinstance(op, nn.Reshape) and is_unit_reshape(op)):
        return None
    found = [ops for v in op.operands if v.has_one_use and (ops := _product_behind(v)) is not None]
    return [*found[0], op] if len(found) == 1 else None
