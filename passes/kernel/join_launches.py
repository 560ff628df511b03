"""join-launches: independent kernels of one shape that do little, in one launch."""

from __future__ import annotations

from dataclasses import dataclass, field

from ...ir.core import Operation
from ...ir.dialects import kernel
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import Dim
from ..base import Pass, PassContext
from .groups import Kind, kind_of
from .joining import JoinedCalls, is_pointwise, readers

MOST_CALLS = 32
"""The most calls that become one."""


class JoinLaunches(Pass):
    """Make one kernel, with a result for each, of kernels of element-wise ops and views whose results have one shape.

    The keys and values that a step of a language model adds to its cache are an example. None of the kernels reads what
    another makes, or it does so element by element: then the element is computed again. They run where the last of them
    ran, so whatever reads their results comes later.

    Before:
        %k = "kernel.call"(%past_key, %key) {callee = @concat} : (…) -> tensor<1x12x65x64xf32>
        %v = "kernel.call"(%past_value, %value) {callee = @concat} : (…) -> tensor<1x12x65x64xf32>
    After:
        %k, %v = "kernel.call"(%past_key, %key, %past_value, %value) {callee = @concat_joined} : (…) -> (…)
    """

    name = "join-launches"

    def run(self, module: Module, context: PassContext) -> None:
        order = {op: place for place, op in enumerate(module.main.block)}
        joined = JoinedCalls(module, "joined")
        for group in _groups([op for op in module.main.block if isinstance(op, kernel.Call)], order):
            if len(group.calls) > 1:
                joined.join(group.calls, [call.results[0] for call in group.calls])
                context.count("launches saved", len(group.calls) - 1)
        joined.drop_unused()


@dataclass
class _Group:
    """Calls that can be one."""

    dims: tuple[Dim, ...]
    calls: list[kernel.Call] = field(default_factory=list)


def _groups(calls: list[kernel.Call], order: dict[Operation, int]) -> list[_Group]:
    found: list[_Group] = []
    for call in calls:
        if not is_pointwise(call) or call.kernel.in_place is not None:
            continue
        dims = tensor_type(call.results[0]).dims
        group = next((group for group in found if group.dims == dims and _fits(call, group, order)), None)
        if group is None:
            found.append(group := _Group(dims))
        group.calls.append(call)
    return found


def _fits(call: kernel.Call, group: _Group, order: dict[Operation, int]) -> bool:
    """Whether the calls of a group can wait for `call`."""
    if len(group.calls) == MOST_CALLS:
        return False
    for member in group.calls:
        for reader in readers(member.results[0]):
            if reader is call and not _is_elementwise(call):
                return False
            if reader is not call and reader not in group.calls and _place(reader, order) < order[call]:
                return False
    return True


def _place(op: Operation, order: dict[Operation, int]) -> int:
    """Where an op, or the control flow around it, stands."""
    return next(order[around] for around in op.ancestors() if around in order)


def _is_elementwise(call: kernel.Call) -> bool:
    ops = [op for op in call.kernel.block if not isinstance(op, kernel.Return)]
    return all(kind_of(op) is Kind.ELEMENTWISE for op in ops)
