"""What a convolution multiplies, as a function of one tensor in memory and of numbers that belong to channels."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.core import BlockArgument, Operation, OpResult, Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import tensor_type


@dataclass(frozen=True)
class ChannelPrologue:
    """The image that a convolution reads behind element-wise `ops`, the last one first.

    `source` is the kernel's argument that it is, [n, channels, spatial…], or [n, spatial…, channels] where
    `channels_last`; `vectors` are the arguments that have a number for each channel, the axis of which is `axis`.
    """

    source: BlockArgument
    channels_last: bool
    ops: tuple[Operation, ...]
    vectors: dict[BlockArgument, int]


def channel_prologue(x: Value) -> ChannelPrologue | None:
    """The prologue that makes a convolution's input; None where it is more than one image and numbers for channels."""
    ops: list[Operation] = []
    vectors: dict[BlockArgument, int] = {}
    value = x
    while isinstance(value, OpResult) and isinstance(value.op, nn.Elementwise):
        full = carried_operand(value.op)
        if full is None or tensor_type(full).scalar != tensor_type(x).scalar:
            return None
        ops.append(value.op)
        for operand in value.op.operands:
            axis = _vector_axis(operand, value)
            if isinstance(operand, BlockArgument) and operand is not full and axis is not None:
                vectors[operand] = axis
        value = full
    rank = tensor_type(x).rank
    last = isinstance(value, OpResult) and isinstance(value.op, nn.Transpose)
    if last:
        assert isinstance(value, OpResult) and isinstance(value.op, nn.Transpose)
        if value.op.perm != (0, rank - 1, *range(1, rank - 1)):
            return None
        value = value.op.x
    return ChannelPrologue(value, last, tuple(ops), vectors) if isinstance(value, BlockArgument) else None


def carried_operand(op: nn.Elementwise) -> Value | None:
    """The one operand as large as the result of `op`, where all others have one number a channel and image at most."""
    dims = tensor_type(op.results[0]).dims
    full = [operand for operand in op.operands if tensor_type(operand).dims == dims]
    others = [operand for operand in op.operands if tensor_type(operand).dims != dims]
    if len(full) != 1 or not all(_belongs_to_channels(operand, len(dims)) for operand in others):
        return None
    return full[0]


def _belongs_to_channels(operand: Value, rank: int) -> bool:
    """Whether a tensor that is broadcast to [n, channels, spatial…] is the same at every place of an image."""
    spatial = rank - 2
    dims = tensor_type(operand).dims
    return all(dim == 1 for dim in dims[max(len(dims) - spatial, 0) :])


def _vector_axis(operand: Value, result: Value) -> int | None:
    """The axis of a tensor with one number a channel, and one for all images, along which the numbers lie."""
    dims, channels = tensor_type(operand).dims, tensor_type(result).dims[1]
    axis = len(dims) - (tensor_type(result).rank - 1)
    if axis < 0 or dims[axis] != channels or any(dim != 1 for d, dim in enumerate(dims) if d != axis):
        return None
    return axis
