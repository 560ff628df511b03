"""Join convolutions of one tensor: the 1x1 branches of Inception."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np

from ...ir.attributes import DenseAttr
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module, Return
from ...ir.dialects.nn.base import shape, tensor_type
from ...ir.location import UNKNOWN, Location, fuse
from ...ir.symbols import product
from ..base import Pass, PassContext
from .match import producer

GROWTH = 2
"""How many times the channels of the input the joined result may have. It lives as long as the last of its parts is
needed, and a large one (the shortcut of a residual block) would then be kept beside what is added to it."""
ALIGNED = 8
"""Elements at whose multiples a part may begin, so that kernels can read it where it lies in any type."""


class JoinConvolutions(Pass):
    """Compute convolutions that read the same tensor with the same geometry as one, with joined weights.

    The results are slices of channels, which lie in one piece where the batch is one image. Results that are parts of a
    concatenation are put to that end of the joined one where the concatenation goes on, so that its other parts can be
    made beside them and nothing is copied. Where some branches end with `relu` and others with nothing, the joined one
    ends with the maximum of each channel's bound: zero, or minus infinity.

    Before:
        %0 = "nn.conv"(%x, %w) {…} : (tensor<1x192x35x35xf32>, tensor<64x192x1x1xf32>) -> tensor<1x64x35x35xf32>
        %1 = "nn.conv"(%x, %v) {…} : (tensor<1x192x35x35xf32>, tensor<48x192x1x1xf32>) -> tensor<1x48x35x35xf32>
    After:
        %w2 = "nn.concat"(%w, %v) {axis = 0 : i64} : … -> tensor<112x192x1x1xf32>
        %2 = "nn.conv"(%x, %w2) {…} : (tensor<1x192x35x35xf32>, tensor<112x192x1x1xf32>) -> tensor<1x112x35x35xf32>
        %0 = "nn.slice"(%2) {starts = array<i64: 0, 0, 0, 0>, ends = array<i64: 1, 64, 35, 35>, …} : …
        %1 = "nn.slice"(%2) {starts = array<i64: 0, 64, 0, 0>, ends = array<i64: 1, 112, 35, 35>, …} : …
    """

    name = "join-convolutions"

    def run(self, module: Module, context: PassContext) -> None:
        families: dict[Hashable, list[_Branch]] = {}
        for op in module.main.block:
            if isinstance(op, nn.Conv) and op.group == 1 and (branch := _Branch.of(op)) is not None:
                families.setdefault(branch.key, []).append(branch)
        for family in families.values():
            if len(family) < 2:
                continue
            for branches in _sequences([one for one in family if _may_join(one, context)], context):
                if _is_too_large(branches):
                    context.remark(branches[0].conv, "not joined: the result would be much larger than the input")
                    continue
                _join(branches)
                context.count("joined", len(branches))
                context.mark_changed()


@dataclass(frozen=True, eq=False)
class _Branch:
    """A convolution with constant weights, and the activation that alone reads it."""

    conv: nn.Conv
    weights: nn.Constant
    bias: nn.Constant | None
    activation: nn.Elementwise | None

    @staticmethod
    def of(conv: nn.Conv) -> _Branch | None:
        weights = producer(conv.w, nn.Constant)
        bias = producer(conv.bias, nn.Constant) if conv.bias is not None else None
        if weights is None or (conv.bias is not None and bias is None):
            return None
        users = conv.result.users
        only = users[0] if len(users) == 1 else None
        unary = isinstance(only, nn.Elementwise) and len(only.operands) == 1 and only.result.type == conv.result.type
        return _Branch(conv, weights, bias, only if unary else None)  # type: ignore[arg-type]

    @property
    def result(self) -> Value:
        return self.conv.result if self.activation is None else self.activation.result

    @property
    def channels(self) -> int:
        size = shape(self.conv.w)[0]
        assert isinstance(size, int)
        return size

    @property
    def ends_plainly(self) -> bool:
        """With `relu` or nothing, which one kernel can do to different channels."""
        return self.activation is None or isinstance(self.activation, nn.Relu)

    @property
    def key(self) -> Hashable:
        """Branches with equal keys can be one."""
        conv = self.conv
        ending: Hashable = "bound"
        if not self.ends_plainly:
            assert self.activation is not None
            ending = (self.activation.name, tuple(sorted((k, str(v)) for k, v in self.activation.attributes.items())))
        geometry = (conv.kernel, conv.strides, conv.pads, conv.dilations)
        return id(conv.x), geometry, conv.to, conv.precision, tensor_type(conv.w).dtype, ending

    @property
    def whole(self) -> nn.Concat | None:
        """The first concatenation of channels that this is a part of."""
        return next((user for user in self.result.users if isinstance(user, nn.Concat) and user.axis == 1), None)

    @property
    def position(self) -> int:
        assert self.whole is not None
        return self.whole.tensors.index(self.result)


def _may_join(branch: _Branch, context: PassContext) -> bool:
    type = tensor_type(branch.result)
    reason = None
    if type.dims[0] != 1:
        reason = "their channels lie apart where there are several images"
    elif not isinstance(pixels := product(type.dims[2:]), int) or branch.channels * pixels % ALIGNED:
        reason = "its part of the result would begin at no aligned place"
    elif any(isinstance(user, Return) for user in branch.result.users):
        reason = "the function returns it"
    if reason is not None:
        context.remark(branch.conv, f"not joined with a convolution of the same tensor: {reason}")
    return reason is None


def _is_too_large(branches: Sequence[_Branch]) -> bool:
    inputs = shape(branches[0].conv.w)[1]
    assert isinstance(inputs, int)
    return sum(one.channels for one in branches) > GROWTH * inputs


def _sequences(family: Sequence[_Branch], context: PassContext) -> list[list[_Branch]]:
    """Which branches are joined, in which order, so that those of a concatenation can lie in it."""
    whole = next((one.whole for one in family if one.whole is not None), None)
    parts = sorted((one for one in family if one.whole is whole is not None), key=lambda one: one.position)
    others = [one for one in family if one.whole is None]
    for one in family:
        if one.whole is not None and one not in parts:
            context.remark(one.conv, "not joined with a convolution of the same tensor: each is in a concatenation")
    if whole is None or not parts:
        found = [others]
    else:
        positions = [one.position for one in parts]
        in_a_row = positions == list(range(positions[0], positions[0] + len(parts)))
        if in_a_row and positions[0] == 0:
            found = [[*others, *parts]]
        elif in_a_row and positions[-1] == len(whole.tensors) - 1:
            found = [[*parts, *others]]
        else:
            found = [others, parts] if in_a_row else [others]
            for one in parts:
                context.remark(one.conv, "not joined with all convolutions of the same tensor: it is amid others")
    return [branches for branches in found if len(branches) > 1]


def _join(branches: Sequence[_Branch]) -> None:
    first = min((one.conv for one in branches), key=_place)
    block = first.parent
    assert block is not None
    activations = [one.activation for one in branches if one.activation is not None]
    location = fuse([op.location for op in (*(one.conv for one in branches), *activations)])

    def emit(op: nn.NnOp, location: Location = location) -> Value:
        op.location = location
        block.insert_before(op, first)
        return op.results[0]

    def joined(constants: Sequence[nn.Constant]) -> Value:
        # Copies, since a constant may stand behind the first convolution.
        copies = [block.insert_before(one.clone(), first).results[0] for one in constants]
        return emit(nn.Concat(tuple(copies), 0))

    weights = joined([one.weights for one in branches])
    bias = joined([_bias_of(one) for one in branches]) if any(one.bias for one in branches) else None
    whole = emit(
        nn.Conv(first.x, weights, first.strides, first.pads, first.dilations, bias, 1, first.to, first.precision)
    )
    whole = _activated(whole, branches, emit)
    dims = tensor_type(whole).dims
    ends = list(accumulate(one.channels for one in branches))
    for one, end in zip(branches, ends, strict=True):
        starts = (0, end - one.channels, *(0 for _ in dims[2:]))
        part = emit(
            nn.Slice(whole, starts, (dims[0], end, *dims[2:]), (1,) * len(dims)), UNKNOWN
        )  # it computes no node
        part.name = one.result.name
        one.result.replace_all_uses_with(part)
    for one in branches:
        if one.activation is not None:
            one.activation.erase()
        one.conv.erase()


def _place(op: nn.Conv) -> int:
    assert op.parent is not None
    return next(i for i, other in enumerate(op.parent) if other is op)


def _bias_of(branch: _Branch) -> nn.Constant:
    if branch.bias is not None:
        return branch.bias
    dtype = tensor_type(branch.conv.w).scalar
    return nn.Constant(DenseAttr(np.zeros(branch.channels, dtype.numpy)))


def _activated(whole: Value, branches: Sequence[_Branch], emit: Callable[[nn.NnOp], Value]) -> Value:
    """The joined convolution with what all branches, or some of them, end with."""
    endings = [one.activation for one in branches]
    first = endings[0]
    if all(one is None for one in endings):
        return whole
    if first is not None and all(one is not None for one in endings):
        make: Any = first.__class__  # Any: one of many ops with attributes of their own
        return emit(make(whole, **{field.name: getattr(first, field.name) for field in first.definition.attributes}))
    bounds = [np.full(one.channels, -np.inf if one.activation is None else 0.0) for one in branches]
    result = tensor_type(whole)
    array = np.concatenate(bounds).astype(result.scalar.numpy).reshape(-1, *(1,) * (result.rank - 2))
    return emit(nn.Max(whole, emit(nn.Constant(DenseAttr(array)))))
