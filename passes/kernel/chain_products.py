"""chain-products: small products that follow each other, and the pooling before them, in one launch."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.core import BlockArgument, Operation, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Func, Module
from ...ir.dialects.nn.base import tensor_type
from ...ir.profile import Profile
from ...ir.symbols import Dim, free_symbols, product, substitute
from ..base import Pass, PassContext
from .groups import adds_unit_dims_only, trailing_axes
from .joining import JoinedCalls

MOST_ROWS = 16
"""More rows make a matrix product, which has better kernels than one product a row."""
MOST_RESULTS = 1 << 14
"""Elements of what one link hands to the next: it stays in the nearest caches."""
MOST_WEIGHTS = 1 << 20
"""Elements of a chain's weights: reading larger ones takes longer than the launches that a chain saves."""


class ChainProducts(Pass):
    """Make one kernel of a chain of products with few rows, as the gates of squeeze-and-excite have them.

    A link's result is read by the next link alone. Links are matmuls and pointwise convolutions of single pixels by
    constant weights, with the element-wise ops in their kernels, and reductions over trailing dims, also of an image
    with its channels last in memory. All results become results of the joined kernel, so that workers find each other's
    parts of a link in memory.

    Before:
        %0 = "kernel.call"(%x) {callee = @mean} : (tensor<1x96x56x56xf32>) -> tensor<1x96x1x1xf32>
        %1 = "kernel.call"(%0, %w) {callee = @squeeze} : (…) -> tensor<1x4x1x1xf32>
        %2 = "kernel.call"(%1, %v) {callee = @excite} : (…) -> tensor<1x96x1x1xf32>
    After:
        %0, %1, %2 = "kernel.call"(%x, %w, %v) {callee = @chain} : (…) -> (…)
    """

    name = "chain-products"

    def run(self, module: Module, context: PassContext) -> None:
        profile = {name: size.opt for name, size in Profile.of(module).ranges.items()}
        joined = JoinedCalls(module, "chain")
        for chain in _chains(module.main, profile, context):
            joined.join(chain, [call.results[0] for call in chain])
            context.count("chains")
        joined.drop_unused()


@dataclass(frozen=True)
class _Link:
    """A call that may be part of a chain; `follows` is the operand that the link before makes."""

    call: kernel.Call
    weights: int
    follows: Value | None


def _chains(main: Func, profile: dict[str, int], context: PassContext) -> list[list[kernel.Call]]:
    found: list[list[_Link]] = []
    last: dict[Value, list[_Link]] = {}
    for call in [op for op in main.walk() if isinstance(op, kernel.Call)]:
        link = _as_link(call, profile)
        if isinstance(link, str):
            continue
        chain = None if link.follows is None else last.pop(link.follows, None)
        if chain is not None and sum(other.weights for other in chain) + link.weights > MOST_WEIGHTS:
            context.remark(call, f"not chained to the product before: together their weights exceed {MOST_WEIGHTS}")
            chain = None
        if chain is None:
            chain = []
            found.append(chain)
        chain.append(link)
        if (result := _handed_on(call)) is not None:
            last[result] = chain
    return [[link.call for link in chain] for chain in found if len(chain) > 1]


def _handed_on(call: kernel.Call) -> Value | None:
    """The call's result where exactly one op of the same block reads it, or a reshape of it."""
    value: Value = call.results[0]
    while True:
        users = list(value.users)
        if len(users) != 1 or users[0].parent is not call.parent:
            return None
        if not isinstance(users[0], nn.Reshape):
            return value if isinstance(users[0], kernel.Call) else None
        value = users[0].result


def _as_link(call: kernel.Call, profile: dict[str, int]) -> _Link | str:
    """The call as a link, or why it is none."""
    ops = [op for op in call.kernel.block if not isinstance(op, kernel.Return)]
    if len(call.results) != 1:
        return "it has several results"
    roots = [op for op in ops if isinstance(op, nn.Reduce) or _is_product(op)]
    if len(roots) != 1:
        return "it is not one reduction or product"
    (root,) = roots
    for op in ops:
        plain = isinstance(op, nn.Elementwise | nn.Constant) or (isinstance(op, nn.Reshape) and adds_unit_dims_only(op))
        image = isinstance(op, nn.Transpose) and isinstance(root, nn.Reduce) and op.result is root.x
        if op is not root and not plain and not image:
            return f"'{op.name}' is in its kernel"
    dims = tensor_type(root.results[0]).dims or (1,)
    batch = _number(dims[0], profile)
    count = product(dims[1:])
    if batch > MOST_ROWS or not isinstance(count, int) or count > MOST_RESULTS:
        return "its results are many"
    if tensor_type(call.results[0]).size != tensor_type(root.results[0]).size:
        return "its result is broadcast"
    if isinstance(root, nn.Reduce):
        if not trailing_axes(root):
            return "it reduces other dims than the last ones"
        return _Link(call, 0, _passed(call, root.x))
    return _product_link(call, root)


def _is_product(op: Operation) -> bool:
    return isinstance(op, nn.MatMul | nn.Conv)


def _product_link(call: kernel.Call, root: Operation) -> _Link | str:
    """A product of single pixels or rows, whose left operand is an operand of the call as it is."""
    left, right = root.operands[0], root.operands[1]
    if isinstance(root, nn.Conv):
        pixel = all(d == 1 for v in (left, right, root.result) for d in tensor_type(v).dims[2:])
        if not pixel or root.group != 1:
            return "it is not a convolution of single pixels"
    elif isinstance(root, nn.MatMul) and (tensor_type(right).rank != 2 or root.trans_a or tensor_type(left).rank != 2):
        return "it is not a product of a matrix and a vector"
    follows, weights = _passed(call, left), _passed(call, right)
    if follows is None or weights is None:
        return "its operands are computed in its kernel"
    size = tensor_type(right).size
    if not isinstance(weights.owner, nn.Constant) or not isinstance(size, int):
        return "its right operand is not a constant"
    return _Link(call, size, follows)


def _passed(call: kernel.Call, value: Value) -> Value | None:
    """What a call passes for a value of its kernel's body; None for what the kernel computes."""
    return call.operands[value.index] if isinstance(value, BlockArgument) else None


def _number(size: Dim, profile: dict[str, int]) -> int:
    """A size as it usually is; one for what the profile does not say."""
    value = substitute(size, {**dict.fromkeys(free_symbols(size), 1), **profile})
    return value if isinstance(value, int) else 1
