"""Group the ops of `main` into kernels."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from ...ir.attributes import DenseAttr
from ...ir.core import Block, Operation, Value
from ...ir.dialects import host, nn
from ...ir.dialects.builtin import Func, Module, Return
from ...ir.target import CudaTarget, Target
from ...ir.types import TensorType
from ..analysis.blocks import blocks_of
from ..analysis.sub_buffers import shared_memory
from ..base import Pass, PassContext
from .groups import (
    Abilities,
    Group,
    Kind,
    is_cheap,
    is_linear_reshape,
    is_source,
    is_strided,
    join,
    kind_of,
    leave_reshapes_outside,
    new_group,
)
from .outline import KernelNames, merge_equal, outline
from .prologues import Prologue, prologue_on


class FormKernels(Pass):
    """Group the ops of `main` into kernels, each outlined as a `kernel.func` and called where its result is made.

    Around a root (matmul, attention, convolution, pooling, reduction) a kernel takes the element-wise ops that follow
    it; chains of element-wise ops and views become one kernel; reductions over the same rows and what stands between
    them (softmax, layer norm) become one. Products and attention read slices, transposes and reshapes that split dims
    where they lie, and store their rows in the order of a transpose behind them; attention computes its mask as it goes
    where that takes cheap element-wise ops. A 1x1 convolution and means of windows apart compute the scale, bias and
    activation of their input as they read it, where they do not end the kernel of another root; all other convolutions
    convert its type (unless `prologues` is false). On GPUs, products compute factors of their rows by
    short reductions of other tensors. Concatenations and
    slices along the outermost dim stay in `main` where kernels can write and read where the whole lies (unless
    `join-buffers` is false). Other reshapes stay in `main` too and cost nothing, and what has no elements
    is a constant. Equal kernels are one symbol.

    Before:
        %0 = "nn.matmul"(%x, %w) : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
        %1 = "nn.relu"(%0) : (tensor<4x8xf32>) -> tensor<4x8xf32>
    After:
        %0 = "kernel.call"(%x, %w) {callee = @matmul} : (tensor<4x8xf32>, tensor<8x8xf32>) -> tensor<4x8xf32>
    """

    name: ClassVar[str] = "form-kernels"

    fuse: bool = True
    join_buffers: bool = True
    prologues: bool = True

    def run(self, module: Module, context: PassContext) -> None:
        main, names = module.main, KernelNames(module)
        target = Target.of(module) if Target.has(module) else None
        prologue = prologue_on(target) if self.prologues else Prologue.NONE
        blocks = list(blocks_of(main))
        for block in blocks:  # outer blocks first: inner ones take copies of what they read
            _replace_empty(block)
            _copy_sources_to_users(block)
        for block in reversed(blocks):
            if self.fuse:
                _copy_views_to_products(block)
            free = _free_views(main) if self.join_buffers and block is main.block else set()
            for group in self._groups(block, free, Abilities(prologue, isinstance(target, CudaTarget)), context):
                outline(group, block, module, names)
        merge_equal(module)

    def _groups(self, block: Block, free: set[Operation], abilities: Abilities, context: PassContext) -> list[Group]:
        """The groups of a block in program order of their sinks."""
        group_of: dict[Operation, Group] = {}
        for op in reversed(block):
            if stays_in_main(op) or op in free:
                continue
            group = self._common_group(op, group_of)
            reason = join(op, group) if group is not None else None
            if group is not None and reason is None:
                group_of[op] = group
            elif isinstance(op, nn.Reshape | nn.Constant):  # memory as it is: no launch would do anything
                continue
            else:
                group_of[op] = new_group(op)
                group_of[op].abilities = abilities
                if group is not None:
                    context.remark(op, f"not fused into the kernel of {_label(group.sink)}: {reason}")
        for group in set(group_of.values()):
            leave_reshapes_outside(group)
        return [group for op in block if (group := group_of.get(op)) is not None and group.sink is op]

    def _common_group(self, op: Operation, group_of: dict[Operation, Group]) -> Group | None:
        """The group that holds every user of `op`, if there is one."""
        if not self.fuse and not is_source(op):
            return None
        # Those in a block of control flow have no group here.
        users = {group_of.get(user) for result in op.results for user in result.users}
        return users.pop() if len(users) == 1 else None


_STAYING = (Return, host.Call, nn.ReadSizes, nn.If, nn.Loop, nn.Yield)


def stays_in_main(op: Operation) -> bool:
    """Returns, weights, calls of the host, control flow and reshapes of dense tensors are no work for a kernel.

    A reshape that only splits dims, and a constant that is one number, may join a kernel. The size that says how often
    a loop runs is no value at all.
    """
    if isinstance(op, nn.Size | nn.DimOf):
        return bool(op.result.uses) and all(isinstance(user, nn.Loop) for user in op.result.users)
    if isinstance(op, nn.Reshape):
        return not is_linear_reshape(op)
    return isinstance(op, _STAYING) or (isinstance(op, nn.Constant) and not op.is_splat)


def _replace_empty(block: Block) -> None:
    """Results without elements are constants: no schedule has to divide nothing among workers."""
    for op in list(block):
        types = [result.type for result in op.results]
        if not isinstance(op, nn.NnOp) or isinstance(op, nn.Constant) or op.regions:
            continue
        if not all(isinstance(type, TensorType) and type.is_static and 0 in type.dims for type in types):
            continue
        for result in op.results:
            assert isinstance(result.type, TensorType)
            shape = [dim for dim in result.type.dims if isinstance(dim, int)]
            empty = nn.Constant(DenseAttr(np.empty(shape, result.type.scalar.numpy)))
            empty.location = op.location
            block.insert_before(empty, op)
            result.replace_all_uses_with(empty.result)
        op.erase()


def _copy_sources_to_users(block: Block) -> None:
    """Give every user of a value made from nothing a copy of its own, so that it never stands between kernels."""
    for op in reversed(block):
        shared = is_source(op) or isinstance(op, nn.BroadcastTo) or _is_made_of_sources(op, _CHAIN)
        if not shared or stays_in_main(op):
            continue
        uses = [(user, index) for user, index in op.results[0].uses if not isinstance(user, Return | nn.Yield)]
        here = [use for use in uses if use[0].parent is block]
        for user, index in uses:
            if (user, index) in here[:1]:
                continue
            copy = op.clone()
            assert user.parent is not None
            user.parent.insert_before(copy, user)
            user.set_operand(index, copy.results[0])
        if not op.results[0].uses:
            op.erase()


_CHAIN = 3
"""The most ops that follow each other of which copies are made."""


def _is_made_of_sources(op: Operation, most: int) -> bool:
    """Whether `op` computes positions or masks from indices and sizes, at little cost, in at most `most` steps."""
    if not isinstance(op, nn.Elementwise | nn.Reshape) or not is_cheap(op) or not most:
        return False
    makers = [value.owner for value in op.operands]
    return all(
        isinstance(maker, Operation) and (_is_free_source(maker) or _is_made_of_sources(maker, most - 1))
        for maker in makers
    )


def _is_free_source(op: Operation) -> bool:
    return is_source(op) and not (isinstance(op, nn.Constant) and not op.is_splat)


def _free_views(main: Func) -> set[Operation]:
    """The concatenations and slices of what kernels make, which can write and read where the whole lies."""

    def makes_memory(op: Operation) -> bool:
        return not (is_source(op) or isinstance(op, host.Call) or kind_of(op) is Kind.VIEW)

    values = {value for region in shared_memory(main, makes_memory) for value in region.offsets}
    found: list[Operation] = [op for op in main.block if isinstance(op, nn.Concat | nn.Slice) and op.result in values]
    return set(found)


def _copy_views_to_products(block: Block) -> None:
    """Give every matmul and attention that reads a transpose or slice a copy of its own, so that it reads the memory
    behind it."""
    for op in reversed(block):
        if not (is_strided(op) and _only_products_read(op.results[0])):
            continue
        for user, index in list(op.results[0].uses)[1:]:
            copy = op.clone()
            assert user.parent is not None
            user.parent.insert_before(copy, user)
            user.set_operand(index, copy.results[0])


def _only_products_read(value: Value) -> bool:
    return all(
        isinstance(user, nn.MatMul | nn.Attention) or (is_strided(user) and _only_products_read(user.results[0]))
        for user in value.users
    )


def _label(op: Operation) -> str:
    return repr(op.location.names[0]) if op.location.names else f"'{op.name}'"
