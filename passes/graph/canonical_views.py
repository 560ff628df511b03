"""Canonical forms of views: what does not move an element is no op or a reshape, and neighbours merge."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import broadcast_shapes, scalar_type, tensor_type
from ...ir.symbols import Dim, product
from ..rewrite import Rewriter, canonicalization
from .match import constant, number, producer


@canonicalization(nn.Identity, nn.Reshape, nn.BroadcastTo)
def view_to_the_same_type(op: nn.Identity | nn.Reshape | nn.BroadcastTo, rw: Rewriter) -> None:
    """reshape(x) = x where the type stays"""
    if op.x.type == op.result.type:
        rw.replace(op, op.x)


@canonicalization(nn.Cast)
def cast_to_the_same_type(op: nn.Cast, rw: Rewriter) -> None:
    """cast(x) = x where the type stays"""
    if op.x.type == op.result.type:
        rw.replace(op, op.x)


@canonicalization(nn.Cast)
def cast_of_cast(op: nn.Cast, rw: Rewriter) -> None:
    """cast(cast(x)) = cast(x) where the type between holds every x"""
    inner = producer(op.x, nn.Cast)
    if inner is not None and holds_all(inner.to.name, scalar_type(inner.x).name):
        rw.replace(op, nn.Cast(inner.x, op.to), merging=[inner])


_FLOAT_DIGITS = {"f64": (53, 1024), "f32": (24, 128), "bf16": (8, 128), "f16": (11, 16)}


def holds_all(wide: str, narrow: str) -> bool:
    """Whether every value of the element type `narrow` is one of `wide`."""
    if wide == narrow:
        return True
    if wide in _FLOAT_DIGITS and narrow in _FLOAT_DIGITS:
        return all(a >= b for a, b in zip(_FLOAT_DIGITS[wide], _FLOAT_DIGITS[narrow], strict=True))
    if wide[0] == narrow[0] == "i" and wide != "index" and narrow != "index":
        return narrow != "i1" and int(wide[1:]) >= int(narrow[1:])
    return False


@canonicalization(nn.Reshape)
def reshape_of_reshape(op: nn.Reshape, rw: Rewriter) -> None:
    """reshape(reshape(x)) = reshape(x)"""
    if (inner := producer(op.x, nn.Reshape)) is not None:
        rw.replace(op, nn.Reshape(inner.x, result_types=[op.result.type]), merging=[inner])


@canonicalization(nn.Transpose)
def transpose_of_ones(op: nn.Transpose, rw: Rewriter) -> None:
    """transpose(x) = reshape(x) where only axes of size 1 move"""
    dims = tensor_type(op.x).dims
    moved = [axis for axis in op.perm if dims[axis] != 1]
    if moved == sorted(moved):
        rw.replace(op, nn.Reshape(op.x, result_types=[op.result.type]))


@canonicalization(nn.Transpose)
def transpose_of_transpose(op: nn.Transpose, rw: Rewriter) -> None:
    """transpose(transpose(x)) = transpose(x)"""
    if (inner := producer(op.x, nn.Transpose)) is not None:
        rw.replace(op, nn.Transpose(inner.x, tuple(inner.perm[axis] for axis in op.perm)), merging=[inner])


@canonicalization(nn.Transpose)
def transpose_of_reshape(op: nn.Transpose, rw: Rewriter) -> None:
    """transpose(reshape(transpose(x))) = reshape(transpose(x)) where only whole groups of regrouped axes move

    Exporters merge batch and heads before they transpose keys.
    """
    inner = producer(op.x, nn.Reshape)
    perm = order_before_reshape(inner, op.perm) if inner is not None else None
    if inner is None or perm is None:
        return
    turned = rw.insert(nn.Transpose(inner.x, perm)).result
    rw.replace(op, nn.Reshape(turned, result_types=[op.result.type]), merging=[inner])


def order_before_reshape(op: nn.Reshape, perm: Sequence[int]) -> tuple[int, ...] | None:
    """The permutation of a reshaped transpose that gives the same as `perm` behind the reshape; None where groups of
    axes that the reshape regroups do not stay whole."""
    if producer(op.x, nn.Transpose) is None:
        return None
    before, after = tensor_type(op.x).dims, tensor_type(op.result).dims
    groups = _regrouped_axes(before, after)
    moved = [axis for axis in perm if after[axis] != 1]
    order: list[int] = []
    while moved:
        group = next((g for _, g in groups if g and g == moved[: len(g)]), None)
        if group is None:
            return None
        order += next(axes for axes, g in groups if g == group)
        moved = moved[len(group) :]
    return (*order, *(axis for axis in range(len(before)) if axis not in order))


@canonicalization(nn.Reshape)
def reshape_of_transpose(op: nn.Reshape, rw: Rewriter) -> None:
    """reshape(transpose(x)) = transpose(reshape(x)) where axes are split alone

    Behind the reshape, the transpose meets others, and products that read it where it lies.
    """
    inner = producer(op.x, nn.Transpose)
    if inner is None:
        return
    source, before, after = tensor_type(inner.x), tensor_type(op.x).dims, tensor_type(op.result).dims
    groups = _regrouped_axes(before, after)
    ones = [axis for axis, dim in enumerate(after) if dim == 1]
    if any(len(axes) != 1 for axes, _ in groups) or len(groups) != sum(dim != 1 for dim in before):
        return
    parts = {inner.perm[axes[0]]: group for axes, group in groups}
    order = [*ones, *(axis for old in range(source.rank) for axis in parts.get(old, ()))]
    if sorted(order) != list(range(len(after))):
        return
    split = rw.insert(
        nn.Reshape(inner.x, result_types=[source.with_shape(tuple(after[axis] for axis in order))])
    ).result
    perm = tuple(order.index(axis) for axis in range(len(after)))
    rw.replace(op, nn.Transpose(split, perm), merging=[inner])


@canonicalization(nn.Slice)
def slice_of_transpose(op: nn.Slice, rw: Rewriter) -> None:
    """slice(transpose(x)) = transpose(slice(x))"""
    inner = producer(op.x, nn.Transpose)
    if inner is None:
        return
    where = [inner.perm.index(axis) for axis in range(len(inner.perm))]
    starts, ends = (tuple(part[axis] for axis in where) for part in (op.starts, op.ends))
    part = rw.insert(nn.Slice(inner.x, starts, ends, tuple(op.steps[axis] for axis in where))).result
    rw.replace(op, nn.Transpose(part, inner.perm), merging=[inner])


def _regrouped_axes(before: tuple[Dim, ...], after: tuple[Dim, ...]) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes, none of size 1, that a reshape makes of each other."""
    sides = [[axis for axis, dim in enumerate(dims) if dim != 1] for dims in (before, after)]
    ends = [
        {product(dims[a] for a in axes[:n]): n for n in range(1, len(axes) + 1)}
        for dims, axes in zip((before, after), sides, strict=True)
    ]
    groups, start = [], (0, 0)
    for size, end in ends[0].items():
        if (other := ends[1].get(size)) is not None:
            groups.append((sides[0][start[0] : end], sides[1][start[1] : other]))
            start = (end, other)
    return groups


@canonicalization(nn.BroadcastTo)
def broadcast_of_broadcast(op: nn.BroadcastTo, rw: Rewriter) -> None:
    """broadcast_to(broadcast_to(x)) = broadcast_to(x)"""
    if (inner := producer(op.x, nn.BroadcastTo)) is not None:
        rw.replace(op, nn.BroadcastTo(inner.x, result_types=[op.result.type]), merging=[inner])


@canonicalization(nn.BroadcastTo)
def broadcast_that_only_adds_ones(op: nn.BroadcastTo, rw: Rewriter) -> None:
    """broadcast_to(x) = reshape(x) where it repeats nothing"""
    before, after = tensor_type(op.x).dims, tensor_type(op.result).dims
    if after != before and after == (1,) * (len(after) - len(before)) + before:
        rw.replace(op, nn.Reshape(op.x, result_types=[op.result.type]))


@canonicalization(nn.Elementwise)
def elementwise_of_broadcast(op: nn.Elementwise, rw: Rewriter) -> None:
    """f(broadcast_to(x), y) = f(x, y) where y has the shape already"""
    if isinstance(op, nn.Clip) or len(op.operands) < 2:
        return
    for position, operand in enumerate(op.operands):
        inner = producer(operand, nn.BroadcastTo)
        if inner is None:
            continue
        values = [*op.operands]
        values[position] = inner.x
        if _broadcast(op, values) == tensor_type(op.result).dims:
            op.set_operand(position, inner.x)
            rw.modified(op)
            return


@canonicalization(nn.Elementwise)
def broadcast_of_elementwise(op: nn.Elementwise, rw: Rewriter) -> None:
    """f(broadcast_to(x), 2) = broadcast_to(f(x, 2)): fewer elements are computed, and few ops read the repeated ones"""
    spread = [value for value in op.operands if producer(value, nn.BroadcastTo) is not None]
    if len(spread) != 1 or not all(v is spread[0] or _is_number(v) for v in op.operands):
        return
    inner = producer(spread[0], nn.BroadcastTo)
    assert inner is not None
    small = op.clone({spread[0]: inner.x})
    assert isinstance(small, nn.Elementwise)
    type = tensor_type(op.result)
    small.results[0].type = type.with_shape(tensor_type(inner.x).dims)
    rw.replace(op, nn.BroadcastTo(rw.insert(small).result, result_types=[type]), merging=[inner])


def _is_number(value: Value) -> bool:
    return tensor_type(value).rank == 0 and producer(value, nn.Constant) is not None


def _broadcast(op: nn.Elementwise, values: list[Value]) -> tuple[Dim, ...]:
    return broadcast_shapes(op, [tensor_type(value).dims for value in values])


@canonicalization(nn.Slice)
def slice_of_everything(op: nn.Slice, rw: Rewriter) -> None:
    """slice(x) = x where it takes all of x"""
    if op.x.type == op.result.type and all(s == 0 for s in op.starts) and all(s == 1 for s in op.steps):
        rw.replace(op, op.x)


@canonicalization(nn.Slice)
def slice_of_slice(op: nn.Slice, rw: Rewriter) -> None:
    """slice(slice(x)) = slice(x) where no step is negative"""
    inner = producer(op.x, nn.Slice)
    if inner is None or min((*op.steps, *inner.steps), default=1) < 1:
        return
    starts, ends, steps = [], [], []
    for outer_range, inner_range in zip(_ranges(op), _ranges(inner), strict=True):
        (start, end, step), (offset, _, stride) = outer_range, inner_range
        starts.append(offset + start * stride)
        # The end is behind the last element that is taken, which the inner range holds.
        ends.append(offset + (end - 1) * stride + 1)
        steps.append(step * stride)
    if 0 not in tensor_type(op.result).dims:
        rw.replace(op, nn.Slice(inner.x, tuple(starts), tuple(ends), tuple(steps)), merging=[inner])


def _ranges(op: nn.Slice) -> list[tuple[Dim, Dim, int]]:
    return list(zip(op.starts, op.ends, op.steps, strict=True))


@canonicalization(nn.Tile)
def tile_once(op: nn.Tile, rw: Rewriter) -> None:
    """tile(x) = x where it repeats nothing"""
    if all(count == 1 for count in op.repeats):
        rw.replace(op, op.x)


@canonicalization(nn.Pad)
def pad_by_nothing(op: nn.Pad, rw: Rewriter) -> None:
    """pad(x) = x where nothing is added"""
    if all(width == 0 for width in (*op.low, *op.high)):
        rw.replace(op, op.x)


@canonicalization(nn.Flip)
def flip_of_nothing(op: nn.Flip, rw: Rewriter) -> None:
    """flip(x) = x where no axis has a second element"""
    if all(tensor_type(op.x).dims[axis] == 1 for axis in op.axes):
        rw.replace(op, op.x)


@canonicalization(nn.Concat)
def concat_of_one(op: nn.Concat, rw: Rewriter) -> None:
    """concat(x) = x, and empty parts are left out"""
    parts = tuple(t for t in op.tensors if tensor_type(t).dims[op.axis] != 0) or op.tensors[:1]
    if len(parts) == 1:
        rw.replace(op, parts[0])
    elif len(parts) < len(op.tensors):
        rw.replace(op, nn.Concat(parts, op.axis))


@canonicalization(nn.Concat)
def concat_of_concat(op: nn.Concat, rw: Rewriter) -> None:
    """concat(concat(a, b), c) = concat(a, b, c) along one axis, where nobody else reads the inner one"""
    for position, part in enumerate(op.tensors):
        inner = producer(part, nn.Concat)
        if inner is not None and inner.axis == op.axis and part.has_one_use:
            parts = (*op.tensors[:position], *inner.tensors, *op.tensors[position + 1 :])
            rw.replace(op, nn.Concat(parts, op.axis), merging=[inner])
            return


@canonicalization(nn.Reduce)
def reduce_of_nothing(op: nn.Reduce, rw: Rewriter) -> None:
    """reduce(x) = reshape(x) where every reduced axis has size 1"""
    if all(tensor_type(op.x).dims[axis] == 1 for axis in op.axes):
        rw.replace(op, nn.Reshape(op.x, result_types=[op.result.type]))


@canonicalization(nn.DimOf)
def dim_is_a_size(op: nn.DimOf, rw: Rewriter) -> None:
    """dim(x) = size("batch"), which does not need x"""
    rw.replace(op, nn.Size(tensor_type(op.x).dims[op.axis]))


@canonicalization(nn.DynamicSlice)
def dynamic_slice_at_constants(op: nn.DynamicSlice, rw: Rewriter) -> None:
    """dynamic_slice(x, constant) = slice(x) where all sizes are known"""
    starts = constant(op.starts)
    before, after = tensor_type(op.x), tensor_type(op.result)
    if starts is None or not before.is_static or not after.is_static:
        return
    sizes = [(int(size), int(count)) for size, count in zip(before.dims, after.dims, strict=True)]  # type: ignore[arg-type]
    first = [max(0, min(int(s), size - count)) for s, (size, count) in zip(starts, sizes, strict=True)]
    ends = [start + count for start, (_, count) in zip(first, sizes, strict=True)]
    rw.replace(op, nn.Slice(op.x, tuple(first), tuple(ends), (1,) * len(first)))


@canonicalization(nn.Gather)
def gather_at_a_constant(op: nn.Gather, rw: Rewriter) -> None:
    """gather(x, 3) = reshape(slice(x, 3))"""
    at = number(op.indices)
    type = tensor_type(op.x)
    size = type.dims[op.axis]
    if at is None or tensor_type(op.indices).size != 1 or not isinstance(size, int):
        return
    place = int(at) + (size if at < 0 else 0)
    starts = [place if axis == op.axis else 0 for axis in range(type.rank)]
    ends = [place + 1 if axis == op.axis else dim for axis, dim in enumerate(type.dims)]
    part = rw.insert(nn.Slice(op.x, tuple(starts), tuple(ends), (1,) * type.rank)).result
    rw.replace(op, nn.Reshape(part, result_types=[op.result.type]))


@canonicalization(nn.Gather)
def gather_in_order(op: nn.Gather, rw: Rewriter) -> None:
    """gather(x, 0, 1, 2, …) = reshape(x) where every element is read in its place"""
    at = constant(op.indices)
    type = tensor_type(op.x)
    if at is not None and at.size == type.dims[op.axis] and np.array_equal(at.reshape(-1), np.arange(at.size)):
        rw.replace(op, nn.Reshape(op.x, result_types=[op.result.type]))


@canonicalization(nn.GatherNd)
def gather_nd_in_order(op: nn.GatherNd, rw: Rewriter) -> None:
    """gather_nd(x, (0, 0), (0, 1), …) = reshape(x) where every element is read in its place"""
    at = constant(op.indices)
    if at is None or at.ndim == 0 or op.batch_dims:
        return
    dims = [dim for dim in tensor_type(op.x).dims[: at.shape[-1]] if isinstance(dim, int)]
    if len(dims) == at.shape[-1] and at.size == len(dims) * math.prod(dims):
        places = np.indices(dims).reshape(len(dims), -1).T
        if np.array_equal(at.reshape(-1, len(dims)), places):
            rw.replace(op, nn.Reshape(op.x, result_types=[op.result.type]))
