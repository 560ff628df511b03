"""Canonical forms of matrix products: transposes are attributes, reshapes stand before and factors behind them."""

from __future__ import annotations

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import scalar_type, tensor_type
from ...ir.symbols import Dim
from ..rewrite import Rewriter, canonicalization
from .canonical_views import order_before_reshape
from .match import either_way, number, producer


def _exchanged(value: Value) -> Value | None:
    """x where `value` is x with its last two axes exchanged."""
    op = producer(value, nn.Transpose)
    if op is None:
        return None
    rank = tensor_type(value).rank
    return op.x if op.perm == (*range(rank - 2), rank - 1, rank - 2) else None


@canonicalization(nn.MatMul)
def matmul_of_transposed(op: nn.MatMul, rw: Rewriter) -> None:
    """matmul(transpose(a), b) = matmul(a, b) {trans_a}"""
    a, b = _exchanged(op.a), _exchanged(op.b)
    if a is None and b is None:
        return
    new = nn.MatMul(
        a or op.a,
        b or op.b,
        op.trans_a != (a is not None),
        op.trans_b != (b is not None),
        to=op.to,
        precision=op.precision,
    )
    rw.replace(op, new)


@canonicalization(nn.MatMul)
def matmul_of_permuted_rows(op: nn.MatMul, rw: Rewriter) -> None:
    """matmul(transpose(a), w) = transpose(matmul(a, w)) where only rows move

    A product reads rows as they lie; the transpose then meets the views behind it.
    """
    inner = producer(op.a, nn.Transpose)
    if inner is None or op.trans_a or tensor_type(op.b).rank != 2 or inner.perm[-1] != tensor_type(op.a).rank - 1:
        return
    product = rw.insert(nn.MatMul(inner.x, op.b, trans_b=op.trans_b, to=op.to, precision=op.precision))
    rw.replace(op, nn.Transpose(product.result, inner.perm), merging=[inner])


@canonicalization(nn.Elementwise)
def elementwise_of_permuted_product(op: nn.Elementwise, rw: Rewriter) -> None:
    """f(transpose(matmul(a, w)), bias) = transpose(f(matmul(a, w), bias)) where only rows move"""
    first, *others = op.operands
    inner = producer(first, nn.Transpose)
    if inner is None or not first.has_one_use or inner.perm[-1] != tensor_type(first).rank - 1:
        return
    if not _is_rowwise(inner.x) or any(producer(o, nn.Constant) is None or tensor_type(o).rank > 1 for o in others):
        return
    copy = op.clone({first: inner.x})
    assert isinstance(copy, nn.NnOp)
    copy.results[0].type = copy.infer()[0]
    rw.replace(op, nn.Transpose(rw.insert(copy).results[0], inner.perm), merging=[inner])


def _is_rowwise(value: Value) -> bool:
    """Whether a product makes `value`, with element-wise ops behind it that are the same for every row."""
    chain = _rowwise_chain(value)
    return bool(chain) or (value.has_one_use and producer(value, nn.MatMul) is not None)


@canonicalization(nn.Transpose)
def transpose_of_product_of_transposed(op: nn.Transpose, rw: Rewriter) -> None:
    """transpose(matmul(reshape(transpose(a)), w)) = matmul(reshape(transpose(a)), w) where only rows move

    So attention's result is turned once.
    """
    matmul = producer(op.x, nn.MatMul)
    if matmul is None or matmul.trans_a or not op.x.has_one_use or tensor_type(matmul.b).rank != 2:
        return
    regrouped = producer(matmul.a, nn.Reshape)
    if regrouped is None or op.perm[-1] != len(op.perm) - 1 or order_before_reshape(regrouped, op.perm) is None:
        return
    turned = rw.insert(nn.Transpose(matmul.a, op.perm)).result
    product = nn.MatMul(turned, matmul.b, trans_b=matmul.trans_b, to=matmul.to, precision=matmul.precision)
    rw.replace(op, product, merging=[matmul])


@canonicalization(nn.MatMul)
def factor_behind_matmul(op: nn.MatMul, rw: Rewriter) -> None:
    """matmul(a · c, b) = matmul(a, b) · c for a number c and computed a and b, as queries and keys are

    The factor then joins the kernel of the product. Before weights it may belong to an activation function.
    """
    if op.to is not None or any(producer(operand, nn.Constant) is not None for operand in op.operands):
        return
    for position, operand in enumerate((op.a, op.b)):
        scaled = producer(operand, nn.Mul)
        if scaled is None or not operand.has_one_use or not scalar_type(operand).is_float:
            continue
        for x, factor in either_way(scaled):
            if (value := number(factor)) is None or x.type != operand.type:
                continue
            a, b = (x, op.b) if position == 0 else (op.a, x)
            product = rw.insert(nn.MatMul(a, b, op.trans_a, op.trans_b, precision=op.precision, location=op.location))
            scalar = rw.insert(nn.Constant.of(value, scalar_type(factor)))
            rw.replace(op, nn.Mul(product.result, scalar.result), merging=[scaled])
            return


@canonicalization(nn.Reshape)
def reshape_of_matmul(op: nn.Reshape, rw: Rewriter) -> None:
    """reshape(matmul(a, w) + b) = matmul(reshape(a), w) + b where only rows are regrouped

    Exporters flatten [batch, seq, features] to rows around a product. With the reshape before it, what follows in the
    original shape can join the product's kernel.
    """
    chain = _rowwise_chain(op.x)
    matmul = producer(chain[-1].operands[0] if chain else op.x, nn.MatMul)
    rows, columns = tensor_type(op.result).dims[:-1], tensor_type(op.result).dims[-1:]
    if matmul is None or not rows or matmul.trans_a or not matmul.result.has_one_use:
        return
    a, b = tensor_type(matmul.a), tensor_type(matmul.b)
    if a.rank != 2 or b.rank != 2 or columns != tensor_type(matmul.result).dims[1:]:
        return
    if symbols.product(rows) != a.dims[0]:
        return
    value = _on_rows(matmul, rows, rw)
    for step in reversed(chain):
        copy = step.clone({step.operands[0]: value})
        assert isinstance(copy, nn.NnOp)
        copy.results[0].type = copy.infer()[0]
        value = rw.insert(copy).results[0]
    rw.replace(op, value)


def _on_rows(matmul: nn.MatMul, rows: tuple[Dim, ...], rw: Rewriter) -> Value:
    """The product for rows in the shape `rows`."""
    type = tensor_type(matmul.a)
    regrouped = rw.insert(nn.Reshape(matmul.a, result_types=[type.with_shape((*rows, type.dims[1]))])).result
    new = nn.MatMul(regrouped, matmul.b, trans_b=matmul.trans_b, to=matmul.to, precision=matmul.precision)
    new.location = matmul.location
    return rw.insert(new).result


def _rowwise_chain(value: Value) -> list[nn.Elementwise]:
    """The element-wise ops that make `value`, the last first, whose other operands are the same for every row."""
    chain: list[nn.Elementwise] = []
    while value.has_one_use and (op := producer(value, nn.Elementwise)) is not None:
        first, *others = op.operands
        if tensor_type(first).dims != tensor_type(value).dims or any(tensor_type(other).rank > 1 for other in others):
            break
        if any(producer(other, nn.Constant) is None for other in others):
            break  # a run-time operand may be defined behind the product
        chain.append(op)
        value = first
    return chain if producer(value, nn.MatMul) is not None and value.has_one_use else []
