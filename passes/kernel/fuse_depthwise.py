"""fuse-depthwise: a 1x1 convolution, the depthwise one that reads it, and the mean of its planes in one launch."""

from __future__ import annotations

from collections.abc import Iterator

from ...ir.core import Operation
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.target import Target
from ..base import Pass, PassContext
from ..tile.strategies import AnyTarget, specialized
from .joining import JoinedCalls, readers


class FuseDepthwise(Pass):
    """Join a depthwise convolution's kernel with that of the 1x1 convolution whose result it alone reads, and with the
    mean of each plane of its result, as squeeze-and-excite has it.

    Only kernels that a strategy of the target is made for are joined.

    Before:
        %0 = "kernel.call"(%x, %w) {callee = @expand} : (…) -> tensor<1x96x56x56xf32>
        %1 = "kernel.call"(%0, %v) {callee = @depthwise} : (…) -> tensor<1x96x56x56xf32>
        %2 = "kernel.call"(%1) {callee = @mean} : (…) -> tensor<1x96x1x1xf32>
    After:
        %1, %2 = "kernel.call"(%x, %w, %v) {callee = @expand_planes} : (…) -> (…)
    """

    name = "fuse-depthwise"

    def run(self, module: Module, context: PassContext) -> None:
        if not Target.has(module):
            return
        target = Target.of(module)
        joined = JoinedCalls(module, "planes")
        for call in [op for op in module.main.block if isinstance(op, kernel.Call)]:
            if call.parent is None or not _is_depthwise(call):
                continue
            options = list(_options(call))
            fused = any(_join(call, calls, joined, target) for calls in options)
            context.count("depthwise convolutions", int(fused))
            if options and not fused:
                context.remark(call, "not fused with its neighbours: no strategy of the target takes them together")
        joined.drop_unused()


def _join(call: kernel.Call, calls: list[kernel.Call], joined: JoinedCalls, target: AnyTarget) -> bool:
    """Join `calls`, whose results from that of `call` on others read."""
    results = [other.results[0] for other in calls[calls.index(call) :]]
    return joined.join(calls, results, lambda func: specialized(func, target) is not None) is not None


def _options(call: kernel.Call) -> Iterator[list[kernel.Call]]:
    """The calls to join with a depthwise convolution's, the most first."""
    before, after = _expansion(call), _mean(call)
    if before is not None and after is not None:
        yield [before, call, after]
    if before is not None:
        yield [before, call]
    if after is not None:
        yield [call, after]


def _is_depthwise(call: kernel.Call) -> bool:
    roots = [op for op in call.kernel.block if isinstance(op, nn.Conv)]
    alone = len(roots) == 1 and len(call.results) == 1 and roots[0].group > 1
    return alone and tensor_type(roots[0].w).dims[1] == 1


def _expansion(call: kernel.Call) -> kernel.Call | None:
    """The call of the 1x1 convolution that makes what a depthwise convolution alone reads."""
    root = next(op for op in call.kernel.block if isinstance(op, nn.Conv))
    for argument, value in zip(call.kernel.block.arguments, call.operands, strict=True):
        made = value.owner
        if argument is not root.x or not isinstance(made, kernel.Call) or made.parent is not call.parent:
            continue
        roots = [op for op in made.kernel.block if isinstance(op, nn.Conv)]
        alone = len(made.results) == 1 and all(reader is call for reader in readers(value))
        return made if alone and len(roots) == 1 else None
    return None


def _mean(call: kernel.Call) -> kernel.Call | None:
    """The call that takes the mean of each plane, if it comes before all others that read the planes."""
    users: list[Operation] = list(dict.fromkeys(readers(call.results[0])))
    means = [user for user in users if isinstance(user, kernel.Call) and _is_mean(user)]
    if len(means) != 1 or means[0].parent is not call.parent:
        return None
    first = all(user is means[0] or (user.parent is call.parent and means[0].is_before(user)) for user in users)
    return means[0] if first else None


def _is_mean(call: kernel.Call) -> bool:
    ops = [op for op in call.kernel.block if not isinstance(op, kernel.Return)]
    return len(ops) == 1 and isinstance(ops[0], nn.Reduce) and ops[0].kind == "mean"
