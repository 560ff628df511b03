"""Join matrix products of one tensor with several weights: queries, keys and values of attention."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.location import UNKNOWN, Location, fuse
from ..base import Pass, PassContext
from .match import producer

_VIEWS = (nn.Reshape, nn.Transpose, nn.Slice, nn.BroadcastTo)


class JoinProducts(Pass):
    """Compute matrix products that read the same rows as one, with their weights (and biases) side by side.

    One product of all columns has less overhead and reads the rows once. The results are slices, which only other
    products and attention may read, by way of views: those take a slice as it lies, so that nothing is copied.

    Before:
        %q = "nn.matmul"(%x, %wq) : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
        %k = "nn.matmul"(%x, %wk) : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    After:
        %w = "nn.concat"(%wq, %wk) {axis = 1 : i64} : (tensor<8x8xf32>, tensor<8x8xf32>) -> tensor<8x16xf32>
        %0 = "nn.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x16xf32>) -> tensor<4x16xf32>
        %q = "nn.slice"(%0) {starts = array<i64: 0, 0>, ends = array<i64: 4, 8>, …} : (…) -> tensor<4x8xf32>
        %k = "nn.slice"(%0) {starts = array<i64: 0, 8>, ends = array<i64: 4, 16>, …} : (…) -> tensor<4x8xf32>
    """

    name = "join-products"

    def run(self, module: Module, context: PassContext) -> None:
        joinable: dict[Hashable, list[_Product]] = {}
        for op in module.main.block:
            if isinstance(op, nn.MatMul) and (product := _Product.of(op)) is not None:
                joinable.setdefault(product.key, []).append(product)
        for products in joinable.values():
            if len(products) < 2:
                continue
            read_by_products = [one for one in products if _is_only_read_by_products(one.result)]
            for one in products:
                if one not in read_by_products:
                    context.remark(one.op, "not joined with a product of the same rows: others than products read it")
            if len(read_by_products) > 1:
                _join(read_by_products)
                context.count("joined", len(read_by_products))
                context.mark_changed()


@dataclass(frozen=True)
class _Product:
    """A product with a constant matrix, and the bias that is added to it if there is one."""

    op: nn.MatMul
    weights: nn.Constant
    bias: nn.Constant | None
    result: Value

    @staticmethod
    def of(op: nn.MatMul) -> _Product | None:
        weights = producer(op.b, nn.Constant)
        if weights is None or tensor_type(op.b).rank != 2 or op.trans_a or tensor_type(op.a).rank < 2:
            return None
        users = op.result.users
        add = users[0] if len(users) == 1 else None
        if isinstance(add, nn.Add) and add.result.type == op.result.type:
            other = add.b if add.a is op.result else add.a
            bias = producer(other, nn.Constant)
            if bias is not None and tensor_type(other).dims == tensor_type(op.result).dims[-1:]:
                return _Product(op, weights, bias, add.result)
        return _Product(op, weights, None, op.result)

    @property
    def last(self) -> Operation:
        """The op that makes the result: the product, or the addition of its bias."""
        assert isinstance(self.result.owner, Operation)
        return self.result.owner

    @property
    def columns(self) -> int:
        size = tensor_type(self.op.result).dims[-1]
        assert isinstance(size, int)
        return size

    @property
    def key(self) -> Hashable:
        """Products with equal keys can be one."""
        op = self.op
        types = (tensor_type(op.b).dtype, tensor_type(op.result).dtype)
        return id(op.a), op.trans_b, op.to, op.precision, types, self.bias is not None


def _is_only_read_by_products(value: Value) -> bool:
    users = value.users
    return bool(users) and all(
        isinstance(user, nn.MatMul | nn.Attention)
        or (isinstance(user, _VIEWS) and _is_only_read_by_products(user.results[0]))
        for user in users
    )


def _join(products: Sequence[_Product]) -> None:
    first = products[0].op
    block = first.parent
    assert block is not None
    location = fuse([*(one.op.location for one in products), *(one.last.location for one in products)])

    def emit(op: nn.NnOp, location: Location = location) -> Value:
        op.location = location
        block.insert_before(op, first)
        return op.results[0]

    def side_by_side(constants: Sequence[nn.Constant], axis: int) -> Value:
        # Copies, since a constant may stand behind the first product.
        copies = [block.insert_before(one.clone(), first).results[0] for one in constants]
        return emit(nn.Concat(tuple(copies), axis))

    weights = side_by_side([one.weights for one in products], 0 if first.trans_b else 1)
    whole = emit(nn.MatMul(first.a, weights, trans_b=first.trans_b, to=first.to, precision=first.precision))
    biases = [one.bias for one in products if one.bias is not None]
    if biases:
        whole = emit(nn.Add(whole, side_by_side(biases, 0)))
    rows = tensor_type(whole).dims[:-1]
    ends = list(accumulate(one.columns for one in products))
    for one, end in zip(products, ends, strict=True):
        starts = (*(0 for _ in rows), end - one.columns)
        part = emit(nn.Slice(whole, starts, (*rows, end), (1,) * (len(rows) + 1)), UNKNOWN)  # it computes no node
        part.name = one.result.name
        one.result.replace_all_uses_with(part)
    for one in products:
        if one.last is not one.op:
            one.last.erase()
        one.op.erase()
