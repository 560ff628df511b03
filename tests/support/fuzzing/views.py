"""Operators that move elements: shapes, slices, joins, paddings."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from onnx import numpy_helper

from .families import family
from .graph import Graph
from .numbers import ANY, BOOL, F16, F32, F64, FLOATS, I32, I64, NUMBERS, is_float

_MOVED = (F32, F32, F64, F16, I32, I64, BOOL, *ANY)


def _factors(g: Graph, count: int) -> list[int]:
    """A random shape of `count` elements."""
    sizes: list[int] = []
    while count > 1 and len(sizes) < 4:
        divisors = [d for d in range(1, count + 1) if count % d == 0]
        sizes.append(g.choose(divisors))
        count //= sizes[-1]
    if count != 1 or g.chance(0.2):
        sizes.append(count)
    g.random.shuffle(sizes)
    return sizes


@family(weight=2)
def reshape(g: Graph) -> None:
    x = g.operand(_MOVED)
    target = _factors(g, x.array.size) if x.array.size else list(x.shape)
    allow_zero = None
    if x.array.size == 0:
        g.random.shuffle(target)
        allow_zero = 1 if g.opset >= 14 else None
        if allow_zero is None:
            return
    else:
        for i in range(min(len(target), x.rank)):
            if target[i] == x.shape[i] and g.chance(0.5):
                target[i] = 0
        if target and g.chance(0.4):
            target[g.random.randrange(len(target))] = -1
    g.node("Reshape", [x, g.given(target, I64, constant=0.9)], exact=True, allowzero=allow_zero)


@family(weight=2)
def transpose(g: Graph) -> None:
    x = g.operand(_MOVED)
    perm = g.random.sample(range(x.rank), x.rank) if g.chance(0.9) else None
    g.node("Transpose", [x], exact=True, perm=perm or None)


@family()
def squeeze(g: Graph) -> None:
    x = g.operand(_MOVED)
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    axes = [axis - x.rank if g.chance(0.4) else axis for axis in ones if g.chance(0.7)]
    given = axes and g.chance(0.8)
    if not given and g.shapes.get(x.name) and any(isinstance(d, str) for d in g.shapes[x.name]):
        return  # what goes away would depend on the sizes of a run
    g.node("Squeeze", [x, g.given(axes, I64, constant=1)] if given else [x], exact=True)


@family()
def unsqueeze(g: Graph) -> None:
    x = g.operand(_MOVED, high=3)
    rank = x.rank + g.random.randint(1, 2)
    axes = [a - rank if g.chance(0.4) else a for a in g.random.sample(range(rank), rank - x.rank)]
    g.node("Unsqueeze", [x, g.given(axes, I64, constant=1)], exact=True)


@family()
def flatten(g: Graph) -> None:
    x = g.operand(_MOVED)
    g.node("Flatten", [x], exact=True, axis=g.random.randint(-x.rank, x.rank))


@family()
def expand(g: Graph) -> None:
    x = g.operand(_MOVED, high=3)
    shape = [n if n != 1 or g.chance(0.5) else g.random.randint(2, 4) for n in x.shape]
    shape = [1 if g.chance(0.3) else n for n in shape][g.random.randint(0, x.rank) if g.chance(0.3) else 0 :]
    if len(shape) == x.rank and g.chance(0.3):
        shape.insert(0, g.random.randint(1, 3))
    g.node("Expand", [x, g.given(shape, I64, constant=0.8)], exact=True)


@family(weight=2)
def slice(g: Graph) -> None:
    x = g.operand(_MOVED, low=1)
    axes = g.axes(x.rank, 1)
    starts, ends, steps = [], [], []
    for axis in axes:
        n = x.shape[axis]
        step = g.choose([1, 1, 1, 2, 3, -1, -1, -2, -5])
        start, end = g.random.randint(-n - 2, n + 2), g.random.randint(-n - 2, n + 2)
        if g.chance(0.3):
            start, end = (0, 2**62) if step > 0 else (2**31, -(2**62))
        starts.append(start)
        ends.append(end)
        steps.append(step)
    constant = 1.0 if g.chance(0.8) else 0.3
    index = g.choose([I64, I64, I32])
    if index == I32:
        limits = np.iinfo(np.int32)
        starts, ends = ([min(max(v, limits.min), limits.max) for v in values] for values in (starts, ends))
    operands = [g.given(values, index, constant) for values in (starts, ends, axes, steps)]
    g.node("Slice", [x, *operands], exact=True)


@family(weight=2)
def concat(g: Graph) -> None:
    x = g.operand(_MOVED, low=1)
    axis = g.axis(x.rank)
    operands = [x]
    for _ in range(g.random.randint(0, 3)):
        shape = list(x.shape)
        shape[axis] = g.size() if g.chance(0.6) else shape[axis]
        found = [
            t for t in g.tensors if (t.dtype, t.shape) == (x.dtype, tuple(shape)) and (t.exact or is_float(t.dtype))
        ]
        operands.append(g.choose(found) if found and g.chance(0.5) else g.new(x.dtype, shape))
    g.random.shuffle(operands)
    g.node("Concat", operands, exact=True, axis=axis)


@family(since=13)
def split(g: Graph) -> None:
    x = g.operand(_MOVED, low=1)
    axis = g.axis(x.rank)
    n = x.shape[axis]
    count = g.random.randint(1, min(4, max(n, 1)))
    if g.chance(0.6) or n % count:
        cuts = sorted(g.random.randint(0, n) for _ in range(count - 1))
        sizes = np.diff([0, *cuts, n])
        g.node("Split", [x, g.given(sizes, I64, constant=1)], count, exact=True, axis=axis)
    else:
        g.node("Split", [x], count, exact=True, axis=axis, num_outputs=count if g.opset >= 18 else None)


@family()
def tile(g: Graph) -> None:
    x = g.operand(_MOVED, low=1, high=3)
    g.node("Tile", [x, g.given([g.random.randint(0 if g.chance(0.1) else 1, 3) for _ in x.shape], I64)], exact=True)


@family(since=13)
def pad(g: Graph) -> None:
    x = g.operand((F32, F64, I32, I64), low=1)
    mode = g.choose(["constant", "constant", "reflect", "edge"] + ["wrap"] * (g.opset >= 19))
    if mode != "constant" and 0 in x.shape:
        return
    most = [3 if mode in ("constant", "edge") else n - 1 if mode == "reflect" else n for n in x.shape]
    least = [-1 if n > 3 and g.chance(0.3) else 0 for n in x.shape] if mode == "constant" else [0] * x.rank
    low, high = ([g.random.randint(a, max(b, 0)) for a, b in zip(least, most, strict=True)] for _ in range(2))
    value = g.given(np.array(1.5).astype(x.dtype)) if mode == "constant" and g.chance(0.6) else None
    g.node("Pad", [x, g.given(low + high, I64, constant=0.9), value], exact=True, mode=mode)


@family()
def space(g: Graph) -> None:
    b = g.random.randint(1, 3)
    n, c, h, w = g.random.randint(1, 2), g.random.randint(1, 3), g.random.randint(1, 4), g.random.randint(1, 4)
    if g.chance(0.5):
        x = g.new(g.choose((F32, F64)), (n, c * b * b, h, w), 0)
        g.node("DepthToSpace", [x], exact=True, blocksize=b, mode=g.choose(["DCR", "CRD"]))
    else:
        g.node("SpaceToDepth", [g.new(g.choose((F32, F64)), (n, c, h * b, w * b), 0)], exact=True, blocksize=b)


@family(since=15)
def shape(g: Graph) -> None:
    x = g.operand(_MOVED)
    start = g.random.randint(-x.rank - 1, x.rank + 1) if g.chance(0.5) else None
    end = g.random.randint(-x.rank - 1, x.rank + 1) if g.chance(0.5) else None
    g.node("Shape", [x], exact=True, start=start, end=end)
    if g.chance(0.3):
        g.node("Size", [x], exact=True)


@family(since=14)
def trilu(g: Graph) -> None:
    x = g.operand((F32, F64, I32, I64, BOOL), low=2)
    k = g.given(g.random.randint(-4, 4), I64) if g.chance(0.7) else None
    g.node("Trilu", [x, k], exact=True, upper=g.random.randint(0, 1))


@family(since=10)
def reverse_sequence(g: Graph) -> None:
    x = g.operand((F32, I64, BOOL), low=2, where=lambda t: 0 not in t.shape)
    batch = g.random.randint(0, 1)
    lengths = g.rng.integers(1, x.shape[1 - batch] + 1, x.shape[batch])
    axes: dict[str, Any] = {"batch_axis": batch, "time_axis": 1 - batch}
    g.node("ReverseSequence", [x, g.given(lengths, I64, constant=0.5)], exact=True, **axes)


@family()
def fill(g: Graph) -> None:
    kind = g.choose(["ConstantOfShape", "Range", "EyeLike"])
    if kind == "ConstantOfShape":
        dtype = g.choose((F32, F64, I32, I64, BOOL))
        value = numpy_helper.from_array(np.array([2]).astype(dtype))
        g.node(kind, [g.given(g.shape(0, 3), I64)], exact=True, value=value)
    elif kind == "Range":
        dtype = g.choose((F32, F64, I32, I64))
        delta = g.choose([-3, -1, 1, 2, 3])
        numbers = (g.random.randint(-4, 4), g.random.randint(-4, 12), delta)
        operands = [g.given(np.array(v).astype(dtype), constant=1) for v in numbers]
        g.node(kind, operands, exact=True)
    else:
        x = g.operand((F32, F64, I32, I64), low=2, high=2)
        g.node(kind, [x], exact=True, k=g.random.randint(-3, 3))


@family(since=18, weight=0.5)
def center_crop_pad(g: Graph) -> None:
    x = g.operand((F32, I64), low=1, high=3)
    axes = sorted({axis % x.rank for axis in g.axes(x.rank, 1)})
    target = [g.random.randint(1, 8) for _ in axes]
    g.node("CenterCropPad", [x, g.given(target, I64, constant=1)], exact=True, axes=axes)


@family(since=13)
def shape_arithmetic(g: Graph) -> None:
    """What exporters write to merge the last two dimensions of a tensor of any size."""
    x = g.operand(NUMBERS, low=2, where=lambda t: 0 not in t.shape)
    (sizes,) = g.node("Shape", [x], exact=True)
    head = g.node("Slice", [sizes, g.constant([0], I64), g.constant([x.rank - 2], I64)], exact=True)
    (target,) = g.node("Concat", [*head, g.constant([-1], I64)], exact=True, axis=0)
    (merged,) = g.node("Reshape", [x, target], exact=True)
    if x.dtype in FLOATS and math.prod(merged.shape) and not g.special:
        g.node("ReduceMax", [merged], exact=True, keepdims=1)
