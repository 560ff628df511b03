"""What a convolution's kernel computes on its input before it multiplies: element-wise ops, means of windows apart.

Means of windows apart, which read every element once, take element-wise ops in front of them too.

What stands in front of a convolution is most often the end of another kernel, and belongs there. A batch norm and
activation of a joined tensor (DenseNet), or a gate (squeeze-and-excite), has no such kernel: computed where the
convolution loads its input, it costs no launch and no memory.
"""

from __future__ import annotations

from enum import Enum, auto

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import tensor_type
from ...ir.target import CpuTarget, CudaTarget
from ..analysis.prologues import carried_operand

# What costs less than loading its operand. Others would be computed again for every block of output channels.
_CHEAP = (
    nn.Add, nn.Sub, nn.Mul, nn.Max, nn.Min, nn.Neg, nn.Abs, nn.Clip, nn.Cast, nn.Relu, nn.LeakyRelu, nn.Prelu,
    nn.HardSigmoid, nn.HardSwish,
)  # fmt: skip
_MAKERS = (nn.MatMul, nn.Conv, nn.ConvTranspose, nn.MaxPool, nn.AvgPool, nn.SumPool, nn.Resize, nn.Reduce)
"""Ops whose kernels take the element-wise ops that follow."""


class Prologue(Enum):
    """What convolutions compute on their inputs."""

    NONE = auto()
    CHANNELS = auto()  # functions of an element and of numbers that belong to its channel
    ALL = auto()


def prologue_on(target: CpuTarget | CudaTarget | None) -> Prologue:
    """What a target computes on the way: on GPUs inputs are copied as they lie, and computed on fragments."""
    return Prologue.CHANNELS if isinstance(target, CudaTarget) else Prologue.ALL


def convolution_behind(op: Operation, members: set[Operation]) -> nn.Conv | None:
    """The convolution among the ops of a kernel whose input `op` helps to make, with nothing but such ops between."""
    for result in op.results:
        for user in result.users:
            if user not in members:
                continue
            if isinstance(user, nn.Conv) and user.x is result:
                return user
            passes_on = isinstance(user, nn.Elementwise) or (isinstance(user, nn.AvgPool) and user.x is result)
            if passes_on and (found := convolution_behind(user, members)) is not None:
                return found
    return None


def prologue_objection(op: Operation, conv: nn.Conv, prologue: Prologue) -> str | None:
    """Why `conv`, whose input `op` helps to make, does not compute it while it loads; None where it does."""
    if isinstance(op, nn.AvgPool) and prologue is Prologue.CHANNELS:
        return f"'{conv.name}' copies its input as it lies"
    if isinstance(op, nn.AvgPool):
        if not _has_windows_apart(op):
            return f"'{conv.name}' would compute windows that overlap"
    elif not isinstance(op, nn.Elementwise):
        return f"'{conv.name}' computes no such op on its input"
    elif not isinstance(op, _CHEAP):
        return f"'{conv.name}' would compute it again for every block of channels"
    is_conversion = isinstance(op, nn.Cast)
    if prologue is Prologue.CHANNELS and (reason := _copy_objection(op, conv)) is not None:
        return reason
    reason = _convolution_objection(conv, is_conversion)
    return _passing_objection(op) if reason is None else reason


def pool_behind(op: Operation, members: set[Operation]) -> nn.AvgPool | None:
    """The pool of windows apart among the ops of a kernel whose input `op` helps to make, element by element."""
    users = {user for result in op.results for user in result.users if user in members}
    if len(users) != 1:
        return None
    (user,) = users
    if isinstance(user, nn.AvgPool):
        return user if _has_windows_apart(user) else None
    return pool_behind(user, members) if isinstance(user, nn.Elementwise) else None


def pool_objection(op: Operation, pool: nn.AvgPool) -> str | None:
    """Why `pool`, whose input `op` helps to make, does not compute it while it loads; None where it does."""
    if not isinstance(op, _CHEAP):
        return f"'{pool.name}' computes no such op on its input"
    return _passing_objection(op)


def _passing_objection(op: Operation) -> str | None:
    """Why `op` is not computed where its result is read once and again."""
    if not op.results[0].has_one_use:
        return "others read it too"
    user = op.results[0].users[0]
    if isinstance(user, nn.Elementwise) and not _is_full(op.results[0], user):
        return "it is broadcast, and would be computed again for every element"
    if (maker := _maker_of(op)) is not None:
        return f"it belongs to the kernel of '{maker.name}', which makes its operand"
    return None


def _copy_objection(op: Operation, conv: nn.Conv) -> str | None:
    """Why a convolution that copies its input as it lies does not compute `op` on fragments of it."""
    if isinstance(op, nn.Cast):
        return None if _has_window(conv) else f"'{conv.name}' copies its input in its own type"
    if not isinstance(op, nn.Elementwise) or carried_operand(op) is None:
        return f"'{conv.name}' copies one image, and what belongs to its channels"
    return None


def _has_windows_apart(pool: nn.AvgPool) -> bool:
    """Whether every element of its input is in one window at most."""
    apart = all(size <= stride for size, stride in zip(pool.kernel, pool.strides, strict=True))
    return apart and not any(pool.pads) and all(step == 1 for step in pool.dilations) and not pool.ceil_mode


def _convolution_objection(conv: nn.Conv, is_conversion: bool) -> str | None:
    """Why a convolution takes no prologue: its input would be computed once for every tap and every reader.

    A conversion costs nothing beside loading its operand, and keeps the zeros of the padding.
    """
    if not is_conversion and _has_window(conv):
        return f"'{conv.name}' would compute it for every tap"
    if conv.group != 1:
        return f"'{conv.name}' has groups"
    x = tensor_type(conv.x)
    if not isinstance(conv.w.owner, nn.Constant) or not all(isinstance(dim, int) for dim in x.dims[1:]):
        return f"'{conv.name}' has weights or sizes that are not known"
    if not x.scalar.is_float or x.scalar.bits > 32:
        return f"'{conv.name}' is computed in {x.scalar}"
    return None


def _has_window(conv: nn.Conv) -> bool:
    return any(size != 1 for size in conv.kernel) or any(conv.pads)


def _maker_of(op: Operation) -> Operation | None:
    """The op whose kernel can end with `op`: element-wise ops read by nobody else lead to it."""
    if not isinstance(op, nn.Elementwise):
        return None
    for operand in op.operands:
        maker = operand.owner
        if not _is_full(operand, op) or not operand.has_one_use:
            continue
        if isinstance(maker, _MAKERS):
            return maker
        if isinstance(maker, nn.Elementwise) and (found := _maker_of(maker)) is not None:
            return found
    return None


def _is_full(operand: Value, op: Operation) -> bool:
    return tensor_type(operand).dims == tensor_type(op.results[0]).dims
