"""Operators that compute sizes or only move elements."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseAttr, DenseResourceAttr
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import i64
from . import run_time
from .content import dims, scalar
from .node import Node, normal_axis
from .registry import InvalidError, UnsupportedError, legalize
from .run_time_broadcast import is_run_time, one_or

# A size may be 0, but slices are read for sizes from 1 on: x[-1:] of a sequence is one element, not min(n, 1).
_ONE = (1.0, math.inf)


def at_least_one(value: Dim) -> dict[str, tuple[float, float]]:
    return {name: _ONE for name in symbols.free_symbols(value) if not symbols.is_run_time(name)}


def simplified(value: Dim) -> Dim:
    return symbols.simplify(value, at_least_one(value))


@legalize("Constant")
def constant(n: Node) -> Value:
    value = n.attribute("value")
    if not isinstance(value, DenseAttr | DenseResourceAttr):
        raise UnsupportedError("string constants")
    return n(nn.Constant(value))


@legalize("ConstantOfShape")
def constant_of_shape(n: Node) -> Value:
    shape = n.sizes_of(n[0]) or n.declared() or n.sizes(0)
    value = n.array("value")
    if value is None:
        value = np.zeros(1, np.float32)
    return n.broadcast(n.reshape(n(nn.Constant(DenseAttr(value))), ()), shape)


@legalize("Shape")
def shape(n: Node) -> Value:
    rank = len(dims(n[0]))
    start, end = (_clamped(n.int(name, default), rank) for name, default in (("start", 0), ("end", rank)))
    return n.narrow(n(nn.ShapeOf(n[0])), 0, start, max(start, end))


def _clamped(position: int, rank: int) -> int:
    return min(max(position + rank if position < 0 else position, 0), rank)


@legalize("Size")
def size(n: Node) -> Value:
    return n.reduce(n(nn.ShapeOf(n[0])), "mul", [0])


@legalize("Reshape")
def reshape(n: Node) -> Value:
    target = n.sizes_of(n[1])
    if target is None:
        declared = n.declared()
        return run_time.reshape(n) if declared is None else n.reshape(n[0], declared)
    return n.reshape(n[0], reshaped(n, dims(n[0]), target))


def reshaped(n: Node, old: Sequence[Dim], target: Sequence[Dim]) -> list[Dim]:
    """The sizes that Reshape's 0 (the same) and -1 (what is left) stand for."""
    new = list(target)
    wrong = [dim for dim in new if isinstance(dim, int) and dim < -1]
    n.require(not wrong and new.count(-1) <= 1, f"a shape of {new}; expected sizes, of which one may be -1")
    if not n.flag("allowzero"):
        new = [old[i] if dim == 0 and i < len(old) else dim for i, dim in enumerate(new)]
    if -1 not in new:
        return new
    open_axis = new.index(-1)
    known = symbols.product(dim for i, dim in enumerate(new) if i != open_axis)
    new[open_axis] = _quotient(old, [dim for i, dim in enumerate(new) if i != open_axis], known)
    return new


def _quotient(old: Sequence[Dim], others: Sequence[Dim], known: Dim) -> Dim:
    """The product of `old` over `known`, equal sizes cancelled first, so that sums divide too."""
    if known == 0:
        return 0
    left, divisors = list(old), []
    for dim in others:
        if dim in left:
            left.remove(dim)
        else:
            divisors.append(dim)
    return symbols.floordiv(symbols.product(left), symbols.product(divisors))


@legalize("Flatten")
def flatten(n: Node) -> Value:
    shape = dims(n[0])
    axis = n.int("axis", 1)
    if not -len(shape) <= axis <= len(shape):
        raise InvalidError(f"axis {axis} is outside the {len(shape)} dimensions")
    axis = axis + len(shape) if axis < 0 else axis
    return n.reshape(n[0], [symbols.product(shape[:axis]), symbols.product(shape[axis:])])


def _axes(n: Node, since: int, index: int = 1) -> tuple[int, ...] | None:
    """Axes that were an attribute before opset `since` and are an input from then on."""
    if n.opset < since:
        return n.ints("axes")
    return n.ints_of(index, "'axes'") if n.get(index) is not None else None


@legalize("Squeeze")
def squeeze(n: Node) -> Value:
    shape = dims(n[0])
    if n.get(1) is not None and n.constant_of(n[1]) is None and (declared := n.declared()) is not None:
        return n.reshape(n[0], declared)
    axes = _axes(n, 13)
    if axes is None:
        return n.squeeze(n[0], [i for i, dim in enumerate(shape) if dim == 1])
    gone = [normal_axis(axis, len(shape)) for axis in axes]
    for axis in gone:
        n.require(shape[axis] == 1 or not isinstance(shape[axis], int), f"axis {axis} has size {shape[axis]}, not 1")
    return n.squeeze(n[0], gone)


@legalize("Unsqueeze")
def unsqueeze(n: Node) -> Value:
    if n.get(1) is not None and n.constant_of(n[1]) is None and (declared := n.declared()) is not None:
        return n.reshape(n[0], declared)
    axes = _axes(n, 13) or ()
    rank = len(dims(n[0])) + len(axes)
    return n.unsqueeze(n[0], [normal_axis(axis, rank) for axis in axes])


@legalize("Transpose")
def transpose(n: Node) -> Value:
    rank = len(dims(n[0]))
    return n.transpose(n[0], n.ints("perm") or tuple(reversed(range(rank))))


@legalize("Concat")
def concat(n: Node) -> Value:
    axis = n.axis(len(dims(n[0])), default=1)
    return n.concat(n.inputs, axis)


@legalize("Expand")
def expand(n: Node) -> Value:
    own, target = dims(n[0]), n.sizes_of(n[1]) or n.declared() or n.sizes(1)
    rank = max(len(own), len(target))
    padded = [(1,) * (rank - len(shape)) + tuple(shape) for shape in (own, target)]
    # A size of 1 in the target keeps the operand's.
    return n.broadcast(
        n[0], [b if a == 1 else a if b == 1 else _expanded(n, a, b) for a, b in zip(*padded, strict=True)]
    )


def _expanded(n: Node, own: Dim, target: Dim) -> Dim:
    if isinstance(own, int) and isinstance(target, int) and own != target:
        raise InvalidError(f"size {own} cannot be expanded to {target}")
    if not is_run_time(target):
        return own if isinstance(own, int) else target
    size = own if isinstance(own, int) else symbols.maximum(own, target)  # the run may find a 1
    n.equal(target, one_or(target, size))
    return size


@legalize("Tile")
def tile(n: Node) -> Value:
    repeats = n.sizes_of(n[1])
    if repeats is None and (declared := n.declared()) is not None:
        repeats = tuple(symbols.floordiv(new, old) for new, old in zip(declared, dims(n[0]), strict=True))
    repeats = repeats or n.sizes(1)
    n.require(len(repeats) == len(dims(n[0])), f"{len(repeats)} repeats for {len(dims(n[0]))} dimensions")
    return n[0] if all(r == 1 for r in repeats) else n(nn.Tile(n[0], repeats))


@legalize("Split")
def split(n: Node) -> list[Value]:
    shape = dims(n[0])
    axis = n.axis(len(shape))
    sizes: Sequence[Dim] | None = n.ints("split")
    if sizes is None and n.get(1) is not None:
        sizes = n.sizes_of(n[1])
        shapes = [n.declared(i) for i in range(len(n.op.results))]
        if sizes is None and all(shapes):
            sizes = [shape[axis] for shape in shapes if shape is not None]
        if sizes is None:
            sizes = n.sizes(1)
            n.equal(functools.reduce(symbols.add, sizes, 0), shape[axis])
    if sizes is None:
        count = n.int("num_outputs", len(n.op.results))
        part = symbols.ceildiv(shape[axis], count)
        sizes = [part] * (count - 1)
        sizes.append(symbols.add(shape[axis], symbols.mul(part, 1 - count)))
    total = functools.reduce(symbols.add, sizes, 0)
    both = isinstance(total, int) and isinstance(shape[axis], int)
    n.require(not both or total == shape[axis], f"parts of {list(sizes)} for an axis of size {shape[axis]}")
    results: list[Value] = []
    start: Dim = 0
    for size in sizes:
        end = symbols.add(start, size)
        results.append(n.narrow(n[0], axis, start, end))
        start = end
    return results


@legalize("Slice")
def slice_attributes(n: Node) -> Value:
    starts, ends = n.ints("starts") or (), n.ints("ends") or ()
    return _slice(n, starts, ends, n.ints("axes"), None)


@legalize("Slice", since=10)
def slice(n: Node) -> Value:
    starts, ends = n.sizes_of(n[1]), n.sizes_of(n[2])
    late = [i for i in (3, 4) if n.get(i) is not None and n.constant_of(n[i]) is None]
    if starts is None or ends is None or late:
        return run_time.slice_(n)
    axes = n.ints_of(3, "'axes'") if n.get(3) is not None else None
    steps = n.ints_of(4, "'steps'") if n.get(4) is not None else None
    return _slice(n, starts, ends, axes, steps)


def _slice(
    n: Node, starts: Sequence[Dim], ends: Sequence[Dim], axes: Sequence[int] | None, steps: Sequence[int] | None
) -> Value:
    shape = dims(n[0])
    full: list[tuple[Dim, Dim, int]] = [(0, dim, 1) for dim in shape]
    axes = range(len(starts)) if axes is None else [normal_axis(axis, len(shape)) for axis in axes]
    for i, axis in enumerate(axes):
        full[axis] = _bounds(shape[axis], starts[i], ends[i], steps[i] if steps else 1)
    if all(bounds == (0, dim, 1) for bounds, dim in zip(full, shape, strict=True)):
        return n[0]
    return n(nn.Slice(n[0], *map(tuple, zip(*full, strict=True))))  # type: ignore[arg-type]


def _bounds(dim: Dim, start: Dim, end: Dim, step: int) -> tuple[Dim, Dim, int]:
    """Start and end counted from the front and within the dimension, as nn.slice wants them."""
    if dim == 0:
        return 0, 0, 1
    if step > 0:
        low, high = _limited(start, dim, 0, dim), _limited(end, dim, 0, dim)
        if isinstance(start, int) and isinstance(end, int):
            return low, simplified(symbols.maximum(low, high)), step
        return low, _not_before(low, high), step
    last = symbols.add(dim, -1)
    first, stop = _limited(start, dim, 0, last), _limited(end, dim, -1, last)
    return first, simplified(symbols.minimum(stop, first)), step


def _limited(position: Dim, dim: Dim, low: Dim, high: Dim) -> Dim:
    """`position`, from the back where it is negative, limited to [low, high]."""
    if isinstance(position, int) and position >= 2**31 - 1:
        return high
    if isinstance(position, int) and position <= -(2**31 - 1):
        return low
    if _is_negative(position):
        position = symbols.add(position, dim)
    return simplified(symbols.minimum(simplified(symbols.maximum(position, low)), high))


def _is_negative(position: Dim) -> bool:
    """Raises UnsupportedError where the sign depends on sizes."""
    if isinstance(position, int):
        return position < 0
    below, above = symbols.bounds(position, at_least_one(position))
    if below < 0 < above:
        # A difference such as total - past: what is computed as a position is one.
        return False
    return above < 0


def _not_before(low: Dim, high: Dim) -> Dim:
    """`high`, or `low` where it is known to be smaller: an empty slice. Sizes used as positions are in order."""
    difference = symbols.add(high, symbols.mul(low, -1))
    return low if symbols.bounds(difference, at_least_one(difference))[1] < 0 else high


@legalize("Range")
def range_(n: Node) -> Value:
    start, limit, delta = (n.sizes_of(n[i]) for i in range(3))
    dtype = scalar(n[0])
    if dtype.is_float:
        return _float_range(n)
    if start is None or limit is None or delta is None:
        return run_time.range_(n)
    length = symbols.ceildiv(symbols.add(limit[0], symbols.mul(start[0], -1)), delta[0])
    length = max(length, 0) if isinstance(length, int) else length
    steps = n.iota((length,), 0, dtype)
    if delta[0] != 1:
        steps = n(nn.Mul(steps, n[2]))
    return steps if start[0] == 0 else n(nn.Add(steps, n[0]))


def _float_range(n: Node) -> Value:
    if any(n.constant_of(n[i]) is None for i in range(3)):
        return run_time.range_(n)
    start, limit, delta = (float(n.numbers(i, "its length").reshape(())) for i in range(3))
    length = max(math.ceil((limit - start) / delta), 0)
    steps = n.iota((length,), 0, scalar(n[0]))
    return n(nn.Add(n(nn.Mul(steps, n[2])), n[0]))


def _image(n: Node) -> tuple[Dim, ...]:
    """The dimensions of an operand whose elements move between channels and places."""
    shape, side = dims(n[0]), n.int("blocksize")
    n.require(len(shape) == 4, f"an operand of {len(shape)} dimensions; expected 4")
    n.require(side > 0, f"blocksize {side}; expected a positive one")
    divided = [(shape[1], side * side)] if n.op.name == "onnx.DepthToSpace" else [(size, side) for size in shape[2:]]
    for size, by in divided:
        n.require(not isinstance(size, int) or size % by == 0, f"the size {size} is no multiple of {by}")
    return shape


@legalize("DepthToSpace")
def depth_to_space(n: Node) -> Value:
    """[b, c s s, h, w] to [b, c, h s, w s]; CRD has the channels outermost, DCR innermost."""
    batch, channels, height, width = _image(n)
    side = n.int("blocksize")
    depth = symbols.floordiv(channels, side * side)
    if n.choice("mode", "DCR", "CRD") == "DCR":
        split, perm = [batch, side, side, depth, height, width], [0, 3, 4, 1, 5, 2]
    else:
        split, perm = [batch, depth, side, side, height, width], [0, 1, 4, 2, 5, 3]
    moved = n.transpose(n.reshape(n[0], split), perm)
    return n.reshape(moved, [batch, depth, symbols.mul(height, side), symbols.mul(width, side)])


@legalize("SpaceToDepth")
def space_to_depth(n: Node) -> Value:
    batch, channels, height, width = _image(n)
    side = n.int("blocksize")
    rows, columns = symbols.floordiv(height, side), symbols.floordiv(width, side)
    # CRD has the channels outermost, DCR innermost.
    perm = [0, 3, 5, 1, 2, 4] if n.choice("mode", "DCR", "CRD") == "DCR" else [0, 1, 3, 5, 2, 4]
    moved = n.transpose(n.reshape(n[0], [batch, channels, rows, side, columns, side]), perm)
    return n.reshape(moved, [batch, symbols.mul(channels, side * side), rows, columns])


@legalize("Pad")
def pad_attributes(n: Node) -> Value:
    pads = n.ints("pads") or ()
    return _pad(n, pads, range(len(dims(n[0]))), n.float("value"))


@legalize("Pad", since=11)
def pad(n: Node) -> Value:
    rank = len(dims(n[0]))
    late = [i for i in (2, 3) if n.get(i) is not None and n.constant_of(n[i]) is None]
    pads = n.sizes_of(n[1])
    if pads is None or late:
        return run_time.pad(n)
    axes = [normal_axis(a, rank) for a in n.ints_of(3, "'axes'")] if n.get(3) is not None else range(rank)
    value = n.numbers(2, "the padding value").reshape(-1) if n.get(2) is not None else None
    return _pad(n, pads, axes, float(value[0]) if value is not None and value.size else 0.0)


def _pad(n: Node, pads: Sequence[Dim], axes: Sequence[int], value: float) -> Value:
    """Negative pads cut; the others extend what is left."""
    shape = dims(n[0])
    n.require(len(pads) == 2 * len(axes), f"{len(pads)} pads for {len(axes)} axes; expected two for each")
    low: list[Dim] = [0] * len(shape)
    high: list[Dim] = [0] * len(shape)
    for i, axis in enumerate(axes):
        low[axis], high[axis] = pads[i], pads[i + len(axes)]
    x = n[0]
    for axis, dim in enumerate(shape):
        cut = [-p if isinstance(p, int) and p < 0 else 0 for p in (low[axis], high[axis])]
        x = n.narrow(x, axis, cut[0], symbols.add(dim, -cut[1]))
    positive = [tuple(max(p, 0) if isinstance(p, int) else p for p in side) for side in (low, high)]
    if not any(positive[0]) and not any(positive[1]):
        return x
    mode = n.choice("mode", "constant", "edge", "reflect", "wrap")
    return n(nn.Pad(x, positive[0], positive[1], mode=mode, value=value))  # type: ignore[arg-type]


@legalize("CenterCropPad")
def center_crop_pad(n: Node) -> Value:
    x = n[0]
    rank = len(dims(x))
    axes = [normal_axis(a, rank) for a in n.ints("axes") or range(rank)]
    declared = n.declared()
    target = [declared[axis] for axis in axes] if declared is not None else n.sizes(1)
    for axis, size in zip(axes, target, strict=True):
        own = dims(x)[axis]
        if not isinstance(own, int) or not isinstance(size, int):
            raise UnsupportedError("sizes that are only known at run time")
        if size <= own:
            start = (own - size) // 2
            x = n.narrow(x, axis, start, start + size)
        else:
            low = [(size - own) // 2 if i == axis else 0 for i in range(rank)]
            high = [size - own - (size - own) // 2 if i == axis else 0 for i in range(rank)]
            x = n(nn.Pad(x, tuple(low), tuple(high)))
    return x


@legalize("Trilu")
def trilu(n: Node) -> Value:
    """The upper (column - row >= k) or lower (column - row <= k) triangle, 0 elsewhere."""
    x, shape = n[0], dims(n[0])
    k = n.constant(0, i64) if n.get(1) is None else n.reshape(n[1], ())
    row, column = n.iota(shape[-2:], 0), n.iota(shape[-2:], 1)
    border = n(nn.Add(row, k))
    kept = n(nn.Ge(column, border) if n.flag("upper", True) else nn.Le(column, border))
    return n(nn.Where(kept, x, n.like(0, x)))
