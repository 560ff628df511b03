"""Find attention that is spelled out, and what its masks say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ...ir import symbols
from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Module
from ...ir.dialects.nn.base import scalar_type, tensor_type
from ...ir.location import fuse
from ...ir.symbols import Dim
from ...ir.types import Scalar
from ..base import Pass, PassContext
from ..rewrite import Rewriter, apply_patterns, pattern
from .match import constant, either_way, number, producer
from .triangles import HIDDEN, hidden_triangle, shows_a_key, triangle_offset

_MOST_STEPS = 8
"""How many ops may scale and mask scores between their product and the softmax."""


class RecognizeAttention(Pass):
    """Replace softmax(q kᵀ · scale + mask) v by `nn.attention`, and causal masks by its attribute.

        %0 = "nn.matmul"(%q, %k) {trans_b = true} : …
        %1 = "nn.mul"(%0, %scale) : …
        %2 = "nn.add"(%1, %mask) : …
        %3 = "nn.softmax"(%2) {axis = 3 : i64} : …
        %y = "nn.matmul"(%3, %v) : …

    becomes

        %y = "nn.attention"(%q, %k, %v, %mask) {scale = 0.125 : f64} : …

    Operands of rank 2 and 3 get dims of size 1. Masks may be added, or select scores (`where`); several are combined.
    Keys and values that are repeated for groups of query heads are read once. A mask that says `key <= query + c` for
    all elements becomes `causal`, whether it is computed or constant. Where a mask hides all keys of a query, the
    result is zeros: exporters guard for that or leave it undefined.
    """

    name = "recognize-attention"

    def run(self, module: Module, context: PassContext) -> None:
        apply_patterns(module, [attention, causal_mask, mask_of_condition, mask_of_broadcast], context)


class _NoAttentionError(Exception):
    """Why something that looks like attention is none."""


@dataclass(frozen=True)
class _Choice:
    """Scores where the condition holds (or does not, if negated), `fill` elsewhere."""

    condition: Value
    negated: bool
    fill: float
    dtype: Scalar


@dataclass
class _Scores:
    """q kᵀ · scale, what is added to it, and which of it counts; `ops` compute that."""

    product: nn.MatMul
    scale: float = 1.0
    biases: list[Value] = field(default_factory=list)
    choices: list[_Choice] = field(default_factory=list)
    ops: list[Operation] = field(default_factory=list)


@pattern(nn.MatMul)
def attention(op: nn.MatMul, rw: Rewriter) -> None:
    """softmax(q kᵀ · scale + mask) v = attention(q, k, v, mask)"""
    weights, guards = _unguarded(op.a)
    softmax = producer(weights, nn.Softmax)
    steps = [] if softmax is None or op.trans_a else _steps_to_product(softmax.x)
    if softmax is None or not steps:
        return
    try:
        _require(softmax.axis == tensor_type(weights).rank - 1, "its softmax is not along the keys")
        known: list[Operation] = [op, *guards]
        alone = all(user in known for value in (weights, *(g.results[0] for g in guards)) for user in value.users)
        _require(alone, "its weights are read by others")
        scores = _scores(steps)
        _check_operands(op, scores.product)
    except _NoAttentionError as reason:
        rw.remark(op, f"no attention: {reason}")
        return
    scores.ops = [*guards, softmax, *steps]
    _replace(op, scores, rw)


def _require(condition: bool, reason: str) -> None:
    if not condition:
        raise _NoAttentionError(reason)


def _unguarded(value: Value) -> tuple[Value, list[Operation]]:
    """The weights behind casts, and behind `where(is_nan(weights), 0, weights)`."""
    ops: list[Operation] = []
    while True:
        cast, choice = producer(value, nn.Cast), producer(value, nn.Where)
        test = None if choice is None else producer(choice.condition, nn.IsNan)
        if cast is not None and scalar_type(cast.x).is_float and cast.to.is_float:
            ops, value = [*ops, cast], cast.x
        elif choice is not None and test is not None and test.x is choice.b and number(choice.a) == 0:
            ops, value = [*ops, choice, test], choice.b
        else:
            return value, ops


def _steps_to_product(value: Value, most: int = _MOST_STEPS) -> list[Operation]:
    """The ops that make `value` of a product by scaling and masking it, the last first and the product last.

    Empty where `value` is no such scores.
    """
    op = value.owner
    if isinstance(op, nn.MatMul):
        return [op]
    if most == 0 or not isinstance(op, nn.Add | nn.Mul | nn.Div | nn.Cast | nn.Where):
        return []
    for operand in _possible_scores(op):
        if tensor_type(operand).dims == tensor_type(value).dims and (inner := _steps_to_product(operand, most - 1)):
            return [op, *inner]
    return []


def _possible_scores(op: Operation) -> tuple[Value, ...]:
    if isinstance(op, nn.Where):
        return (op.a,) if number(op.b) is not None else (op.b,)
    return op.operands if isinstance(op, nn.Add | nn.Mul) else op.operands[:1]


def _scores(steps: list[Operation]) -> _Scores:
    """What steps to a product do to it."""
    *later, product = steps
    assert isinstance(product, nn.MatMul)
    _require(all(len(set(op.results[0].users)) == 1 for op in steps), "its scores are read by others")
    found = _Scores(product, ops=steps)
    before = product.result
    for op in reversed(later):
        if isinstance(op, nn.Mul | nn.Div):
            _scale(found, op.b if op.a is before else op.a, isinstance(op, nn.Div))
        elif isinstance(op, nn.Add):
            found.biases.append(op.b if op.a is before else op.a)
        elif isinstance(op, nn.Where):
            _choose(found, op, before)
        before = op.results[0]
    return found


def _scale(found: _Scores, value: Value, divides: bool) -> None:
    factor = number(value)
    if factor is None or not math.isfinite(factor) or factor == 0:
        raise _NoAttentionError("its scores are scaled by no number")
    _require(not found.biases and not found.choices, "its mask is scaled too")
    found.scale *= 1 / float(factor) if divides else float(factor)


def _choose(found: _Scores, op: nn.Where, scores: Value) -> None:
    """where(condition, scores, fill), or where(condition, fill, scores)."""
    negated = scores is op.b
    fill = number(op.a if negated else op.b)
    if fill is None or not fill <= HIDDEN:
        raise _NoAttentionError("its scores are replaced by numbers that leave a weight")
    found.choices.append(_Choice(op.condition, negated, float(fill), scalar_type(op.a)))


def _check_operands(op: nn.MatMul, product: nn.MatMul) -> None:
    types = [tensor_type(x) for x in (product.a, product.b, op.b)]
    _require(not product.trans_a, "its queries are transposed")
    _require(len({t.rank for t in types}) == 1 and 2 <= types[0].rank <= 4, "its operands have not one rank, up to 4")
    _require(len({t.dims[:-2] for t in types}) == 1, "its queries, keys and values are broadcast")
    _require(all(t.dtype == tensor_type(op.result).dtype for t in types), "its operands have several types")


def _replace(op: nn.MatMul, scores: _Scores, rw: Rewriter) -> None:
    product = scores.product
    k = product.b if product.trans_b else _swapped(product.b, rw)
    v = _swapped(op.b, rw) if op.trans_b else op.b
    q, k, v = (_with_rank_4(x, rw) for x in (product.a, k, v))
    k, v = _without_repetition(k, rw), _without_repetition(v, rw)
    new = nn.Attention(q, k, v, _mask(scores, rw), scale=scores.scale, precision=op.precision)
    if tensor_type(op.result).rank == 4:
        rw.replace(op, new, merging=scores.ops)
        return
    y = rw.insert(new)
    rw.replace(op, nn.Reshape(y.result, result_types=[op.result.type]), merging=scores.ops)


def _swapped(value: Value, rw: Rewriter) -> Value:
    """`value` with its last two axes exchanged."""
    rank = tensor_type(value).rank
    return rw.insert(nn.Transpose(value, (*range(rank - 2), rank - 1, rank - 2))).result


def _with_rank_4(x: Value, rw: Rewriter) -> Value:
    type = tensor_type(x)
    if type.rank == 4:
        return x
    return rw.insert(nn.Reshape(x, result_types=[type.with_shape((1,) * (4 - type.rank) + type.dims)])).result


def _without_repetition(x: Value, rw: Rewriter) -> Value:
    """Keys or values before each head is repeated for the query heads that read it."""
    whole = producer(x, nn.Reshape)
    spread = None if whole is None else producer(whole.x, nn.BroadcastTo)
    if spread is None:
        return x
    before, after = tensor_type(spread.x), tensor_type(spread.result)
    if before.rank != 5 or after.rank != 5 or before.dims[2] != 1:
        return x
    batch, groups, _, keys, size = before.dims
    members = after.dims[2]
    wanted = (batch, symbols.mul(groups, members), keys, size)
    if after.dims != (batch, groups, members, keys, size) or tensor_type(x).dims != wanted:
        return x
    return rw.insert(nn.Reshape(spread.x, result_types=[before.with_shape((batch, groups, keys, size))])).result


def _mask(scores: _Scores, rw: Rewriter) -> Value | None:
    """One mask: a condition, or numbers to add."""
    conditions: list[Value] = []
    biases = list(scores.biases)
    for choice in scores.choices:
        condition = rw.insert(nn.Not(choice.condition)).result if choice.negated else choice.condition
        if choice.fill == -np.inf:
            conditions.append(condition)
        else:
            biases.append(_numbers(condition, choice.dtype, choice.fill, rw))
    bias = _combined(biases, lambda a, b: nn.Add(*_of_one_type(a, b, rw)), rw)
    condition = _combined(conditions, nn.And, rw)
    if bias is None or condition is None:
        return bias if condition is None else condition
    lowest = rw.insert(nn.Constant.of(-np.inf, scalar_type(bias))).result
    return rw.insert(nn.Where(condition, bias, lowest)).result


def _numbers(condition: Value, dtype: Scalar, fill: float, rw: Rewriter) -> Value:
    """0 where the condition holds, `fill` elsewhere."""
    zero, hidden = (rw.insert(nn.Constant.of(number, dtype)).result for number in (0, fill))
    return rw.insert(nn.Where(condition, zero, hidden)).result


def _of_one_type(a: Value, b: Value, rw: Rewriter) -> tuple[Value, Value]:
    wide = max(scalar_type(a), scalar_type(b), key=lambda dtype: dtype.bits)
    a, b = (x if scalar_type(x) == wide else rw.insert(nn.Cast(x, wide)).result for x in (a, b))
    return a, b


def _combined(values: list[Value], join: Callable[[Value, Value], nn.NnOp], rw: Rewriter) -> Value | None:
    total = values[0] if values else None
    for value in values[1:]:
        assert total is not None
        total = rw.insert(join(total, value)).results[0]
    return total


_Split = tuple[Value | None, Dim | None]
"""What is left of a mask without a triangle, and the triangle's offset (none where the mask hid nothing)."""


@pattern(nn.Attention)
def causal_mask(op: nn.Attention, rw: Rewriter) -> None:
    """attention(q, k, v, where(key <= query + c, 0, -inf)) = attention(q, k, v) {causal, offset = c}"""
    split = None if op.mask is None or op.causal else _without_triangle(op.mask, op, rw)
    if split is None:
        return
    mask, offset = split
    causal, start = offset is not None, 0 if offset is None else offset
    new = nn.Attention(op.q, op.k, op.v, mask, op.scale, causal, start, op.precision)
    rw.replace(op, new)


def _without_triangle(mask: Value, op: nn.Attention, rw: Rewriter) -> _Split | None:
    """Take a triangle out of a mask; None where there is none. Nothing is inserted before it is found."""
    if isinstance(mask.owner, nn.BroadcastTo):
        return _without_triangle(mask.owner.x, op, rw)
    if scalar_type(mask).is_bool:
        offset = triangle_offset(mask) if _covers_scores(mask, op) else None
        return (None, offset) if offset is not None else _of_either(mask, nn.And, op, rw)
    if isinstance(mask.owner, nn.Add):
        return _of_either(mask, nn.Add, op, rw)
    if (array := constant(mask)) is not None:
        return _of_constant(array, op)
    return _of_selection(mask, op, rw)


def _covers_scores(mask: Value, op: nn.Attention) -> bool:
    return tensor_type(mask).dims[-2:] == (tensor_type(op.q).dims[2], tensor_type(op.k).dims[2])


def _of_either(mask: Value, join: type[nn.And | nn.Add], op: nn.Attention, rw: Rewriter) -> _Split | None:
    """The triangle in one of the two masks that `mask` combines."""
    both = producer(mask, join)
    for one, other in either_way(both) if both is not None else ():
        if (split := _without_triangle(one, op, rw)) is not None:
            left, offset = split
            return other if left is None else rw.insert(join(left, other)).results[0], offset
    return None


def _of_constant(array: np.ndarray, op: nn.Attention) -> _Split | None:
    if not array.any():
        return None, None
    if array.shape[-2:] != (tensor_type(op.q).dims[2], tensor_type(op.k).dims[2]):
        return None
    offset = hidden_triangle(array)
    return None if offset is None or offset < 0 else (None, offset)


def _of_selection(mask: Value, op: nn.Attention, rw: Rewriter) -> _Split | None:
    """The triangle in where(condition, 0, hidden), either way round."""
    choice = producer(mask, nn.Where)
    if choice is None:
        return None
    negated = number(choice.b) == 0
    kept, fill = (choice.b, number(choice.a)) if negated else (choice.a, number(choice.b))
    if fill is None or not fill <= HIDDEN or number(kept) != 0:
        return None
    if _covers_scores(choice.condition, op) and (offset := triangle_offset(choice.condition, negated)) is not None:
        return (None, offset) if fill == -np.inf or shows_a_key(offset) else None
    # Where no number is finite, a query that sees no key is nothing; else it weighs all keys, also those behind it.
    if negated or fill != -np.inf or (split := _of_either(choice.condition, nn.And, op, rw)) is None:
        return None
    left, offset = split
    assert left is not None
    return rw.insert(nn.Where(left, choice.a, choice.b)).result, offset


@pattern(nn.Attention)
def mask_of_condition(op: nn.Attention, rw: Rewriter) -> None:
    """attention(q, k, v, where(c, 0, -inf)) = attention(q, k, v, c)"""
    choice = None if op.mask is None else producer(op.mask, nn.Where)
    if choice is not None and number(choice.a) == 0 and number(choice.b) == -np.inf:
        _set_mask(op, choice.condition, rw)


@pattern(nn.Attention)
def mask_of_broadcast(op: nn.Attention, rw: Rewriter) -> None:
    """attention(q, k, v, broadcast_to(m)) = attention(q, k, v, m)"""
    if op.mask is not None and (spread := producer(op.mask, nn.BroadcastTo)) is not None:
        _set_mask(op, spread.x, rw)


def _set_mask(op: nn.Attention, mask: Value, rw: Rewriter) -> None:
    """Have `op` read what its mask is made of: it does the work of the op between from here on."""
    assert op.mask is not None and isinstance(op.mask.owner, Operation)
    op.location = fuse([op.location, op.mask.owner.location])
    op.set_operand(3, mask)
    rw.modified(op)
