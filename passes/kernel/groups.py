"""Which `nn` ops may share a kernel.

Groups grow from consumers to producers: walking the function backwards, an op joins the group that holds all its users
when `joins` finds no objection. Each group therefore has one sink, its last op, and merging never makes a cycle.

A group works in a *space*: the shape its elements are computed in. With a reduction over trailing dimensions inside,
the space is the reduction's input, and values of the reduced shape belong to its rows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import tensor_type
from ...ir.dialects.nn.views import splits_dims_only
from ...ir.symbols import Dim
from .prologues import Prologue, convolution_behind, pool_behind, pool_objection, prologue_objection


class Kind(Enum):
    """How an op computes an element of its result."""

    ELEMENTWISE = auto()  # from its operands' elements at the same index
    VIEW = auto()  # from one element of an operand at another index
    REDUCE = auto()  # from many elements, along dims
    ROOT = auto()  # a contraction or window with a schedule of its own; takes an epilogue
    OPAQUE = auto()  # alone


_VIEWS = (nn.Transpose, nn.Slice, nn.Flip, nn.BroadcastTo, nn.Tile, nn.Pad, nn.Concat, nn.Gather, nn.DynamicSlice)
_ROOTS = (nn.MatMul, nn.Attention, nn.Conv, nn.ConvTranspose, nn.MaxPool, nn.AvgPool, nn.SumPool, nn.Resize)
_STRIDED = (nn.Transpose, nn.Slice, nn.BroadcastTo, nn.Reshape)
_MASK = 3  # its position among the operands of attention
_STRIDED_READERS = (nn.MatMul, nn.Attention)
# Masks and indices are computed again for every head, query or slice, so they are made of these.
_CHEAP = (
    nn.Add, nn.Sub, nn.Mul, nn.Min, nn.Max, nn.Neg, nn.Abs, nn.Cast, nn.Where, nn.And, nn.Or, nn.Xor, nn.Not,
    nn.Eq, nn.Ne, nn.Lt, nn.Le, nn.Gt, nn.Ge, nn.Transpose, nn.Slice, nn.BroadcastTo, nn.Reshape,
)  # fmt: skip
_SHORT = 64
"""Elements of a reduction that a product computes again for each of its tiles."""
_SOURCES = (nn.Constant, nn.Iota, nn.Size, nn.DimOf, nn.ShapeOf)


def kind_of(op: Operation) -> Kind:
    """The kind of an `nn` op."""
    if isinstance(op, (nn.Elementwise, *_SOURCES)):
        return Kind.ELEMENTWISE
    if isinstance(op, nn.Reshape):
        return Kind.VIEW if is_linear_reshape(op) else Kind.OPAQUE
    if isinstance(op, _VIEWS):
        return Kind.VIEW
    if isinstance(op, nn.Reduce):
        return Kind.REDUCE
    return Kind.ROOT if isinstance(op, _ROOTS) else Kind.OPAQUE


def is_source(op: Operation) -> bool:
    """Whether `op` makes its value from nothing but attributes and sizes."""
    return isinstance(op, _SOURCES)


def adds_unit_dims_only(op: nn.Reshape) -> bool:
    """Whether a reshape only inserts or drops dimensions of size 1, so that its index map needs no division."""
    before, after = tensor_type(op.x).dims, tensor_type(op.result).dims
    return [d for d in before if d != 1] == [d for d in after if d != 1]


def is_linear_reshape(op: nn.Reshape) -> bool:
    """Whether a reshape splits dims and merges none: where an element stands in the operand needs no division."""
    return splits_dims_only(tensor_type(op.x).dims, tensor_type(op.result).dims)


def is_strided(op: Operation) -> bool:
    """Whether `op` reads its operand as it lies, by other strides: what products and attention take inside."""
    if isinstance(op, nn.Reshape):
        return is_linear_reshape(op)
    return isinstance(op, _STRIDED)


def same_elements(a: tuple[Dim, ...], b: tuple[Dim, ...]) -> bool:
    """Whether two shapes are equal but for dimensions of size 1."""
    return [d for d in a if d != 1] == [d for d in b if d != 1]


@dataclass(frozen=True)
class Abilities:
    """What kernels of a target do beside their root: `prologue` in front of convolutions; with `statistics`, products
    compute factors of their rows by short reductions of other tensors."""

    prologue: Prologue = Prologue.ALL
    statistics: bool = False


@dataclass(eq=False)
class Group:
    """Ops of one kernel. `rows` are the reduced dims of `space` (counted from its end) once a reduction is inside."""

    sink: Operation
    space: tuple[Dim, ...]
    root: Operation | None = None
    rows: int | None = None
    ops: set[Operation] = field(default_factory=set)
    abilities: Abilities = Abilities()


def new_group(op: Operation) -> Group:
    """The group of `op` alone."""
    group = Group(op, tensor_type(op.results[0]).dims, ops={op})
    match kind_of(op):
        case Kind.ROOT | Kind.OPAQUE:
            group.root = op
        case Kind.REDUCE:
            assert isinstance(op, nn.Reduce)
            _take_reduction(group, op)
        case Kind.ELEMENTWISE | Kind.VIEW:
            pass
    return group


def _take_reduction(group: Group, op: nn.Reduce) -> None:
    group.root = group.root or op
    trailing = trailing_axes(op)
    if trailing is not None:
        group.rows = trailing
        group.space = tensor_type(op.x).dims


def trailing_axes(op: nn.Reduce) -> int | None:
    """How many trailing dims `op` reduces, where it reduces exactly those."""
    rank = tensor_type(op.x).rank
    count = len(op.axes)
    return count if sorted(op.axes) == list(range(rank - count, rank)) else None


def join(op: Operation, group: Group) -> str | None:
    """Add `op`, all of whose users are in `group`, to it; or say why not."""
    reason = objection(op, group)
    if reason is None:
        group.ops.add(op)
        if isinstance(op, nn.Reduce) and not _is_statistic(op, group):
            _take_reduction(group, op)
        elif kind_of(op) is Kind.ROOT and group.root is None:
            group.root = op
    return reason


def objection(op: Operation, group: Group) -> str | None:
    """Why `op` cannot be computed inside `group`; None where it can."""
    if len(op.results) != 1:
        return "it has several results"
    if group.abilities.prologue is not Prologue.NONE and not is_source(op):
        conv = convolution_behind(op, group.ops)
        if conv is not None:
            return prologue_objection(op, conv, group.abilities.prologue)
        pool = pool_behind(op, group.ops)
        if pool is not None and isinstance(op, nn.Elementwise):
            return pool_objection(op, pool)
    match kind_of(op):
        case Kind.OPAQUE:
            return "it has a kernel of its own"
        case Kind.ROOT:
            return _root_objection(op, group)
        case Kind.REDUCE:
            assert isinstance(op, nn.Reduce)
            return _reduce_objection(op, group)
        case Kind.ELEMENTWISE | Kind.VIEW:
            return _pointwise_objection(op, group)


def _root_objection(op: Operation, group: Group) -> str | None:
    if group.root is not None:
        return f"the kernel already has the root '{group.root.name}'"
    in_place = reaches_sink_in_place(op.results[0], group)
    if not in_place and isinstance(op, nn.MatMul | nn.Attention) and reaches_sink_by_rows(op.result, group):
        return None
    if not same_elements(tensor_type(op.result).dims, group.space):
        return f"the kernel works on {_shape(group.space)}, not on its shape"
    if not in_place:
        return "a view or a broadcast stands between it and the kernel's result"
    return None


def reaches_sink_in_place(value: Value, group: Group) -> bool:
    """Whether every path from `value` through the group to its sink is element-wise at the same index."""
    space = tensor_type(value).dims
    pending, seen = [value], {value}
    while pending:
        for user in pending.pop().users:
            if user not in group.ops:
                continue
            plain = isinstance(user, nn.Elementwise) or is_unit_reshape(user)
            if not plain or not same_elements(tensor_type(user.results[0]).dims, space):
                return False
            if user is not group.sink and user.results[0] not in seen:
                seen.add(user.results[0])
                pending.append(user.results[0])
    return True


def reaches_sink_by_rows(value: Value, group: Group) -> bool:
    """Whether `value` becomes the group's result by element-wise ops and transposes that keep its last axis the last:
    a matmul then stores whole rows in other places."""
    while value.owner is not group.sink:
        users = {user for user in value.users if user in group.ops}
        if len(users) != 1:
            return False
        (user,) = users
        if isinstance(user, nn.Transpose):
            moves_rows = user.perm[-1] == len(user.perm) - 1
        else:
            moves_rows = isinstance(user, nn.Elementwise) or is_unit_reshape(user)
            moves_rows = moves_rows and same_elements(tensor_type(user.results[0]).dims, tensor_type(value).dims)
        if not moves_rows:
            return False
        value = user.results[0]
    return True


def _reduce_objection(op: nn.Reduce, group: Group) -> str | None:
    source, reduced = tensor_type(op.x).dims, tensor_type(op.result).dims
    trailing = trailing_axes(op)
    if _is_statistic(op, group):
        return None
    if group.root is not None and not isinstance(group.root, nn.Reduce):
        return f"the kernel already has the root '{group.root.name}'"
    if group.rows is not None:
        same = trailing == group.rows and source == group.space
        return None if same else "the kernel reduces other rows"
    if group.root is not None:
        return "the kernel already has a reduction over other dims"
    if same_elements(reduced, group.space) and reaches_sink_in_place(op.results[0], group):
        return None
    if trailing is not None and source == group.space and op.keep_dims:
        return None
    return "its result is not in the kernel's rows"


def _pointwise_objection(op: Operation, group: Group) -> str | None:
    if is_cheap(op) and _leads_to_mask(op.results[0], group):
        return None
    reader = _reader_through_views(op.result, group)
    if isinstance(reader, nn.Concat | nn.Pad) and isinstance(op, nn.Cast) and not isinstance(op.x.owner, Operation):
        return None  # an input of the network in another type: nothing else could convert it
    if isinstance(reader, nn.Concat | nn.Pad) and not is_strided(op):
        return f"'{reader.name}' would compute it for every element"
    if reader is not None and not (isinstance(reader, (*_STRIDED_READERS, nn.Concat, nn.Pad)) and is_strided(op)):
        return f"'{reader.name}' reads its operands from memory"
    if group.rows is not None and kind_of(op) is Kind.VIEW and not is_unit_reshape(op):
        return None
    return _recomputation(op, group)


def _reader_through_views(value: Value, group: Group) -> Operation | None:
    """The op of the group that reads `value`, or a view of it, and should read memory: a root, an opaque op, or one
    that reads several operands to use one of them."""
    for user in value.users:
        if user in group.ops:
            if kind_of(user) in (Kind.ROOT, Kind.OPAQUE) or isinstance(user, nn.Concat | nn.Pad):
                return user
            if kind_of(user) is Kind.VIEW and (reader := _reader_through_views(user.results[0], group)) is not None:
                return reader
    return None


def is_cheap(op: Operation) -> bool:
    """Whether computing `op` again costs less than keeping its result."""
    return isinstance(op, _CHEAP) or is_source(op)


def _leads_to_mask(value: Value, group: Group) -> bool:
    """Whether the group reads `value` for nothing but the mask of its attention."""
    return all(
        (user is group.root and isinstance(user, nn.Attention) and index == _MASK)
        or (user is not group.sink and user in group.ops and _leads_to_mask(user.results[0], group))
        for user, index in value.uses
    )


def _leads_to_index(value: Value, group: Group) -> bool:
    """Whether the group reads `value` for nothing but the indices of a gather."""
    return all(
        (isinstance(user, nn.Gather) and user.indices is value)
        or (user in group.ops and is_cheap(user) and user is not group.sink and _leads_to_index(user.results[0], group))
        for user in value.users
    )


def leave_reshapes_outside(group: Group) -> None:
    """Take the reshapes that a root's operands begin with out again: outside they cost nothing, and the root then
    reads plain memory."""
    if group.root is None or isinstance(group.root, nn.Reduce):
        return
    while leading := {op for op in group.ops if _leads_to_root(op, group)}:
        group.ops -= leading


def _leads_to_root(op: Operation, group: Group) -> bool:
    """Whether `op` is a reshape of memory that the root reads, through views at most."""
    if not isinstance(op, nn.Reshape) or op.x.owner in group.ops or op is group.sink:
        return False
    return _reader_through_views(op.result, group) is group.root


def is_unit_reshape(op: Operation) -> bool:
    return isinstance(op, nn.Reshape) and adds_unit_dims_only(op)


def _recomputation(op: Operation, group: Group) -> str | None:
    """Broadcast values are computed again for every element that reads them: refuse where that costs."""
    shape = tensor_type(op.result).dims
    if same_elements(shape, group.space) or is_source(op) or isinstance(op, nn.BroadcastTo):
        return None
    if group.rows is not None and same_elements(shape, group.space[: len(group.space) - group.rows]):
        return None
    if kind_of(op) is Kind.VIEW or tensor_type(op.result).size == 1 or _leads_to_rows(op, group):
        return None
    if is_cheap(op) and _leads_to_index(op.result, group):
        return None
    if _is_statistic(op, group) or _only_views_read(op.results[0]):
        return None
    return "it is broadcast, and would be computed again for every element"


def _only_views_read(value: Value) -> bool:
    """Whether views read a value, or what is computed of it element by element."""
    dims = tensor_type(value).dims
    for user in value.users:
        if isinstance(user, nn.Elementwise) and tensor_type(user.result).dims == dims:
            if not _only_views_read(user.result):
                return False
        elif kind_of(user) is not Kind.VIEW or isinstance(user, nn.BroadcastTo):
            return False
    return True


def _leads_to_rows(op: Operation, group: Group) -> bool:
    """Whether `op` works on the result of a reduction over trailing dims of the group's space, which can join next."""
    if group.root is not None:
        return False
    shape = tensor_type(op.results[0]).dims
    pending, seen = [op], {op}
    while pending:
        for operand in pending.pop().operands:
            maker = operand.owner
            if isinstance(maker, nn.Reduce):
                space, rows = tensor_type(maker.x).dims, tensor_type(operand).dims
                if trailing_axes(maker) and space == group.space and rows == shape:
                    return True
            elif isinstance(maker, nn.Elementwise) and tensor_type(operand).dims == shape and maker not in seen:
                seen.add(maker)
                pending.append(maker)
    return False


def _is_statistic(op: Operation, group: Group) -> bool:
    """Whether `op` makes one number for each row of the group's space by short reductions of other tensors."""
    if not group.abilities.statistics or not isinstance(group.root, nn.MatMul):
        return False
    return isinstance(op, nn.NnOp) and _is_row_value(op.results[0], group.space[:-1])


def _is_row_value(value: Value, rows: tuple[Dim, ...]) -> bool:
    op, dims = value.owner, tensor_type(value).dims
    if not same_elements(dims, (*rows, 1)) or dims[-1:] != (1,):
        return False
    if isinstance(op, nn.Reduce):
        last = tensor_type(op.x).dims[-1]
        return trailing_axes(op) == 1 and op.keep_dims and isinstance(last, int) and last <= _SHORT
    known = [v for v in getattr(op, "operands", ()) if not isinstance(v.owner, nn.Constant)]
    return isinstance(op, nn.Elementwise) and bool(known) and all(_is_row_value(v, rows) for v in known)


def _shape(dims: tuple[Dim, ...]) -> str:
    return "x".join(map(str, dims)) or "a scalar"
