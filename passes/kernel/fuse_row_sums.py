"""fuse-row-sums: a matrix product and the sums of its rows that normalizations need, in one launch."""

from __future__ import annotations

from ...ir.core import Operation
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.target import Target
from ..base import Pass, PassContext
from ..tile.strategies import specialized
from .groups import Kind, kind_of, trailing_axes
from .joining import Accept, JoinedCalls, readers


class FuseRowSums(Pass):
    """Join the kernels that sum up spans of the rows of a matrix product, or convert them, with the product's.

    What `fold-norms` makes of a normalization is such sums. Kernels are joined where a strategy of the target is made
    for the whole, and nothing before the last of them reads the product.

    Before:
        %x = "kernel.call"(%a, %w) {callee = @matmul} : (…) -> tensor<5x768xf32>
        %s = "kernel.call"(%x) {callee = @sums} : (tensor<5x768xf32>) -> tensor<5x12xf32>
    After:
        %x, %s = "kernel.call"(%a, %w) {callee = @matmul_sums} : (…) -> (tensor<5x768xf32>, tensor<5x12xf32>)
    """

    name = "fuse-row-sums"

    def run(self, module: Module, context: PassContext) -> None:
        if not Target.has(module):
            return
        target = Target.of(module)
        joined = JoinedCalls(module, "sums")
        for call in [op for op in module.main.block if isinstance(op, kernel.Call)]:
            if call.parent is None or not _multiplies(call):
                continue
            followers = _followers(call)
            if not any(_sums(other) for other in followers):
                continue
            fused = _join(call, followers, joined, lambda func: specialized(func, target) is not None)
            context.count("products", int(fused))
            if not fused:
                context.remark(call, "sums of its rows have kernels of their own: no strategy of the target takes both")
        joined.drop_unused()


def _multiplies(call: kernel.Call) -> bool:
    """Whether a kernel is around one matrix product."""
    roots = [op for op in call.kernel.block if kind_of(op) in (Kind.ROOT, Kind.OPAQUE)]
    roots = [op for op in roots if not isinstance(op, kernel.Return | nn.Reshape)]
    return len(call.results) == 1 and len(roots) == 1 and isinstance(roots[0], nn.MatMul)


def _followers(call: kernel.Call) -> list[kernel.Call]:
    """The calls that read nothing but what a call makes, element by element or to sum it up, in order."""
    found = dict.fromkeys(user for user in readers(call.results[0]) if isinstance(user, kernel.Call))
    alone = [user for user in found if len(user.operands) == len(user.results) == 1 and _is_plain(user)]
    return sorted(alone, key=_place)


def _place(call: kernel.Call) -> int:
    assert call.parent is not None
    return list(call.parent).index(call)


def _is_plain(call: kernel.Call) -> bool:
    return all(
        isinstance(op, nn.Reshape | kernel.Return)
        or kind_of(op) is Kind.ELEMENTWISE
        or (isinstance(op, nn.Reduce) and trailing_axes(op) == 1)
        for op in call.kernel.block
    )


def _sums(call: kernel.Call) -> bool:
    return any(isinstance(op, nn.Reduce) for op in call.kernel.block)


def _join(call: kernel.Call, followers: list[kernel.Call], joined: JoinedCalls, accept: Accept) -> bool:
    last, inside = followers[-1], [call, *followers]
    others = [user for user in readers(call.results[0]) if user not in inside]
    outside = [user for other in followers for user in readers(other.results[0])]
    if any(user in inside for user in outside) or any(_reads_before(user, last) for user in (*others, *outside)):
        return False
    made = ([call.results[0]] if others else []) + [other.results[0] for other in followers]
    overwritten = [call.operands[position] for position in call.kernel.in_place or ()] if others else []
    new = joined.join([call, *followers], made, accept)
    if new is not None:
        new.kernel.in_place = tuple(new.operands.index(value) for value in overwritten) or None
    return new is not None


def _reads_before(user: Operation, last: Operation) -> bool:
    return user.parent is last.parent and user.is_before(last)
