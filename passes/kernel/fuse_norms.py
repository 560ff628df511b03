"""fuse-norms: a matrix product and the normalization of its rows, or of its operand's, in one launch."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.core import Operation, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.target import Target
from ..base import Pass, PassContext
from ..tile.strategies import AnyTarget, specialized
from .groups import Kind, is_unit_reshape, kind_of, trailing_axes
from .joining import JoinedCalls, readers


class FuseNorms(Pass):
    """Join kernels that reduce rows (layer norm, RMS norm) with the matrix product before or after them.

    The product before is preferred: its rows are normalized as they are complete. What other kernels read of the first
    of the two is a result of the joined one too. Only kernels that a strategy of the target is made for are joined.

    Before:
        %x = "kernel.call"(%a, %w, %r) {callee = @matmul} : (…) -> tensor<1x5x8xf32>
        %y = "kernel.call"(%x, %scale) {callee = @layer_norm} : (…) -> tensor<1x5x8xf32>
    After:
        %x, %y = "kernel.call"(%a, %w, %r, %scale) {callee = @matmul_norm} : (…) -> (…)
    """

    name = "fuse-norms"

    def run(self, module: Module, context: PassContext) -> None:
        if not Target.has(module):
            return
        target = Target.of(module)
        joined = JoinedCalls(module, "norm")
        calls = [op for op in module.main.block if isinstance(op, kernel.Call)]
        order = {op: place for place, op in enumerate(module.main.block)}
        for call in calls:
            if call.parent is None or not _normalizes_rows(call):
                continue
            pairs = [*_products_before(call), *_products_after(call)]
            fused = any(_join(pair, order, joined, target) for pair in pairs)
            context.count("normalizations", int(fused))
            if pairs and not fused:
                context.remark(call, "not fused with a matrix product: no strategy of the target takes both")
        joined.drop_unused()


_Pair = tuple[kernel.Call, kernel.Call]


def _normalizes_rows(call: kernel.Call) -> bool:
    """Whether a kernel is reductions over the last dim and element-wise ops, with a result of the reduced shape."""
    if len(call.results) != 1:
        return False
    reductions = [op for op in call.kernel.block if isinstance(op, nn.Reduce)]
    shapes = {tensor_type(op.x).dims for op in reductions}
    plain = all(
        isinstance(op, nn.Reduce | kernel.Return) or kind_of(op) is Kind.ELEMENTWISE or is_unit_reshape(op)
        for op in call.kernel.block
    )
    return plain and shapes == {tensor_type(call.results[0]).dims} and all(trailing_axes(op) == 1 for op in reductions)


def _product(call: kernel.Call) -> nn.MatMul | None:
    """The matrix product of a kernel that has one, and no reduction."""
    roots = [op for op in call.kernel.block if kind_of(op) not in (Kind.ELEMENTWISE, Kind.VIEW)]
    roots = [op for op in roots if not isinstance(op, kernel.Return | nn.Reshape)]
    return roots[0] if len(roots) == 1 and isinstance(roots[0], nn.MatMul) and len(call.results) == 1 else None


def _products_before(norm: kernel.Call) -> Iterator[_Pair]:
    """The product whose result a normalization is of."""
    for value in norm.operands:
        made = _origin(value)
        same_rows = tensor_type(made).dims[-1:] == tensor_type(norm.results[0]).dims[-1:]
        if isinstance(made.owner, kernel.Call) and same_rows and _product(made.owner) is not None:
            yield made.owner, norm


def _products_after(norm: kernel.Call) -> Iterator[_Pair]:
    """The first product that reads what a normalization makes."""
    for user in readers(norm.results[0]):
        if isinstance(user, kernel.Call) and (product := _product(user)) is not None and user.parent is norm.parent:
            pairs = zip(user.kernel.block.arguments, user.operands, strict=True)
            if any(argument is product.a and _origin(v) is norm.results[0] for argument, v in pairs):
                yield norm, user
                return


def _origin(value: Value) -> Value:
    while isinstance(value.owner, nn.Reshape):
        value = value.owner.x
    return value


def _join(pair: _Pair, order: dict[Operation, int], joined: JoinedCalls, target: AnyTarget) -> bool:
    first, second = pair
    between, final = first.results[0], second.results[0]
    others = [user for user in readers(between) if user is not second]
    if any(order.get(user, 0) <= order[second] for user in others):
        return False
    call = None
    overwritten = [first.operands[position] for position in first.kernel.in_place or ()]
    overwritten = [value for value in overwritten if value not in second.operands]
    for results in ([final], [between, final])[bool(others) :]:  # the first of the two may need memory in any case
        if call is None:
            call = joined.join(pair, results, lambda func: specialized(func, target) is not None)
            if call is not None and len(results) > 1:
                places = (call.operands.index(value) for value in overwritten)
                call.kernel.in_place = tuple(places) or None
    if call is not None:
        order[call] = order[second]
    return call is not None
