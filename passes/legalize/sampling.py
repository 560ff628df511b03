"""Operators that read at computed places, and those that undo a sliding window."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import Scalar, f32, f64, i1, i64
from .content import dims, scalar
from .contraction import padding, window
from .node import Node
from .registry import legalize
from .run_time import Integers


@legalize("AffineGrid")
def affine_grid(n: Node) -> Value:
    """theta [batch, rank, rank + 1] of the places in an image [batch, channels, spatial…], which lie in [-1, 1]."""
    theta, (batch, _, *sizes) = n[0], n.sizes(1)
    rank = len(sizes)
    n.require(dims(theta)[1:] == (rank, rank + 1), f"theta is {theta.type} for an image of {rank} spatial axes")
    wide = f64 if scalar(theta) == f64 else f32
    count = symbols.product(sizes)
    columns = [n.reshape(_evenly(n, sizes, axis, wide), (1, count, 1)) for axis in reversed(range(rank))]
    grid = n.concat([*columns, n.full(1, (1, count, 1), wide)], 2)
    moved = n.cast(n(nn.MatMul(grid, n.cast(theta, wide), trans_b=True)), scalar(theta))
    n.equal(dims(theta)[0], batch)
    return n.reshape(moved, (dims(theta)[0], *sizes, rank))


def _evenly(n: Node, sizes: Sequence[Dim], axis: int, dtype: Scalar) -> Value:
    """-1 to 1 along an axis: at the centres of its first and last element, or at their outer edges."""
    place, count = n.cast(n.iota(sizes, axis), dtype), n.cast(n.number(sizes[axis]), dtype)
    one, two = n.constant(1, dtype), n.constant(2, dtype)
    place = n(nn.Mul(place, two))
    if n.flag("align_corners"):
        count = n(nn.Max(n(nn.Sub(count, one)), one))
    else:
        place = n(nn.Add(place, one))
    return n(nn.Sub(n(nn.Div(place, count)), one))


@legalize("GridSample")
def grid_sample(n: Node) -> Value:
    """x [batch, channels, sizes…] at grid [batch, places…, axes], whose last dimension counts axes from the back."""
    x, grid = n[0], n[1]
    mode = n.choice("mode", "linear", "bilinear", "nearest", "cubic", "bicubic")
    pads = n.choice("padding_mode", "zeros", "border", "reflection")
    rank = len(dims(x)) - 2
    fits = len(dims(grid)) == rank + 2 and dims(grid)[-1] == rank
    found = ", ".join(map(str, dims(grid)))
    n.require(fits, f"a grid of [{found}]; expected {rank + 2} dimensions, the last of size {rank}")
    rounds = mode == "nearest"
    # Cubic interpolation pads what each tap reads; the others pad the coordinate.
    own = "zeros" if mode in ("cubic", "bicubic") else pads
    coordinates = [_coordinate(n, x, n.index(grid, rank + 1, rank - 1 - i), i + 2, own, rounds) for i in range(rank)]
    if rounds:
        return read_places(n, x, [n(nn.Round(c)) for c in coordinates], pads)
    if own == pads and mode not in ("cubic", "bicubic"):
        return interpolated(n, x, [linear_taps(n, c) for c in coordinates], pads)
    taps = [
        [(_padded(n, x, place, axis + 2, pads), weight) for place, weight in cubic_taps(n, c)]
        for axis, c in enumerate(coordinates)
    ]
    return interpolated(n, x, taps, pads)


Taps = Sequence[tuple[Value, Value]]
"""Whole places along an axis, and the weight of what is read there."""


def interpolated(n: Node, x: Value, taps: Sequence[Taps], pads: str) -> Value:
    """The sum over all combinations of the axes' taps, [batch, channels, results…]; places are [batch, results…]."""
    total: Value | None = None
    for choice in itertools.product(*taps):
        weight = functools.reduce(lambda a, b: n(nn.Mul(a, b)), [weight for _, weight in choice])
        read = read_places(n, x, [place for place, _ in choice], pads)
        term = n(nn.Mul(read, n.cast(n.unsqueeze(weight, [1]), scalar(x))))
        total = term if total is None else n(nn.Add(total, term))
    assert total is not None
    return total


def linear_taps(n: Node, coordinate: Value) -> Taps:
    low = n(nn.Floor(coordinate))
    fraction, one = n(nn.Sub(coordinate, low)), n.like(1, coordinate)
    return [(low, n(nn.Sub(one, fraction))), (n(nn.Add(low, one)), fraction)]


def cubic_taps(n: Node, coordinate: Value) -> Taps:
    """Cubic convolution with a = -0.75."""
    low, one = n(nn.Floor(coordinate)), n.like(1, coordinate)
    t = n(nn.Sub(coordinate, low))
    rest = n(nn.Sub(one, t))
    a = -0.75
    near, far = (a + 2, -a - 3, 0.0, 1.0), (a, -5 * a, 8 * a, -4 * a)
    weights = [
        _polynomial(n, far, n(nn.Add(t, one))),
        _polynomial(n, near, t),
        _polynomial(n, near, rest),
        _polynomial(n, far, n(nn.Add(rest, one))),
    ]
    return [(n(nn.Add(low, n.like(k - 1, low))), weight) for k, weight in enumerate(weights)]


def _polynomial(n: Node, coefficients: Sequence[float], x: Value) -> Value:
    """The polynomial with `coefficients`, the highest power's first."""
    value = n.like(coefficients[0], x)
    for coefficient in coefficients[1:]:
        value = n(nn.Add(n(nn.Mul(value, x)), n.like(coefficient, x)))
    return value


def _coordinate(n: Node, x: Value, place: Value, axis: int, pads: str, nearest: bool) -> Value:
    """From [-1, 1] to indices along an axis: the border cells' centres, or their edges, are at -1 and 1."""
    dtype = scalar(place)
    size, one, half = n.size(x, axis, dtype), n.like(1, place), n.like(0.5, place)
    last = n(nn.Sub(size, one))
    shifted = n(nn.Add(place, one))
    if n.flag("align_corners"):
        at = n(nn.Mul(n(nn.Mul(shifted, half)), last))
        low, high = n.like(0, place), last
    else:
        at = n(nn.Mul(n(nn.Sub(n(nn.Mul(shifted, size)), one)), half))
        low, high = n.like(-0.5, place), n(nn.Sub(size, half))
    return _kept(n, n(nn.Round(at)) if nearest else at, last, low, high, pads)


def _padded(n: Node, x: Value, place: Value, axis: int, pads: str) -> Value:
    """A whole place moved into x, as the padding says."""
    size = n.size(x, axis, scalar(place))
    last = n(nn.Sub(size, n.like(1, place)))
    if n.flag("align_corners"):
        return _kept(n, place, last, n.like(0, place), last, pads)
    return _kept(n, place, last, n.like(-0.5, place), n(nn.Sub(size, n.like(0.5, place))), pads)


def _kept(n: Node, at: Value, last: Value, low: Value, high: Value, pads: str) -> Value:
    if pads == "border":
        return n(nn.Min(n(nn.Max(at, n.like(0, at))), last))
    return _reflected(n, at, low, high) if pads == "reflection" else at


def _reflected(n: Node, at: Value, low: Value, high: Value) -> Value:
    """`at` mirrored at both ends until it is between them."""
    length = n(nn.Sub(high, low))
    period = n(nn.Add(length, length))
    distance = n(nn.Fmod(n(nn.Abs(n(nn.Sub(at, low)))), period))
    folded = n(nn.Sub(length, n(nn.Abs(n(nn.Sub(distance, length))))))
    return n(nn.Add(low, folded))


def read_places(n: Node, x: Value, places: list[Value], pads: str) -> Value:
    """x [batch, channels, sizes…] at whole places [batch, results…]; outside it is 0, or the nearest element."""
    batch, channels, *sizes = dims(x)
    flat: Value | None = None
    inside: Value | None = None
    for axis, place in enumerate(places):
        index = n.cast(place, i64)
        size, zero = n.size(x, axis + 2), n.constant(0, i64)
        fits = n(nn.And(n(nn.Ge(index, zero)), n(nn.Lt(index, size))))
        inside = fits if inside is None else n(nn.And(inside, fits))
        limited = n(nn.Min(n(nn.Max(index, zero)), n(nn.Sub(size, n.constant(1, i64)))))
        flat = limited if flat is None else n(nn.Add(n(nn.Mul(flat, size)), limited))
    assert flat is not None and inside is not None
    results = dims(flat)[1:]
    count = symbols.product(results)
    row = n.broadcast(n.reshape(flat, [batch, 1, count]), [batch, channels, count])
    read = n(nn.GatherElements(n.reshape(x, [batch, channels, symbols.product(sizes)]), row, 2))
    read = n.reshape(read, [batch, channels, *results])
    return read if pads != "zeros" else n(nn.Where(n.unsqueeze(inside, [1]), read, n.like(0, read)))


@legalize("Col2Im")
def col2im(n: Node) -> Value:
    """Columns [batch, channels * taps, places] added up where they overlap: a transposed convolution."""
    if n.constant_of(n[1]) is None or n.constant_of(n[2]) is None:
        return _gathered_image(n)
    image, block = n.ints_of(1, "the image's shape"), n.ints_of(2, "the block's shape")
    rank, taps = len(block), math.prod(block)
    strides, dilations = window(n, rank)
    pads = n.ints("pads") or (0,) * (2 * rank)
    batch, rows, _ = dims(n[0])
    places = [
        (size + pads[i] + pads[rank + i] - dilations[i] * (block[i] - 1) - 1) // strides[i] + 1
        for i, size in enumerate(image)
    ]
    channels = n.static(n[0], 1, "the number of channels") // taps
    unit = np.tile(np.eye(taps).reshape(taps, 1, *block), (channels, *[1] * (rank + 1)))
    x = n.reshape(n[0], [batch, rows, *places])
    reached = [(p - 1) * s + d * (k - 1) + 1 for p, s, d, k in zip(places, strides, dilations, block, strict=True)]
    extra = tuple(size + pads[i] + pads[rank + i] - reached[i] for i, size in enumerate(image))
    kernel = n.constant(unit, scalar(x))
    return n(nn.ConvTranspose(x, kernel, strides, pads, dilations, output_pads=extra, group=channels))


def _gathered_image(n: Node) -> Value:
    """Where the shapes are of run time: every element of the image takes what each tap put there."""
    ints, rank = Integers(n), n.static(n[1], 0, "the number of dimensions")
    declared = n.declared()
    image = declared[2:] if declared is not None else n.sizes(1)
    batch, rows, places = dims(n[0])
    block = [n.reshape(n.cast(n.index(n[2], 0, i), i64), ()) for i in range(rank)]
    taps = symbols.floordiv(rows, declared[1]) if declared is not None else symbols.product(n.sizes(2))
    strides, dilations = window(n, rank)
    pads = n.ints("pads") or (0,) * (2 * rank)
    tap, place, inside = n.iota([taps, *[1] * rank], 0), n.constant(0, i64), n.constant(True, i1)
    step = n.constant(1, i64)
    for i in reversed(range(rank)):
        at = n.iota([1, *(image[i] if i == k else 1 for k in range(rank))], i + 1)
        offset = ints.sub(ints.add(at, pads[i]), ints.mul(n(nn.Mod(tap, block[i])), dilations[i]))
        tap = ints.floordiv(tap, block[i])
        reach = ints.add(ints.mul(ints.sub(block[i], 1), dilations[i]), 1 - pads[i] - pads[rank + i])
        count = ints.add(ints.floordiv(ints.sub(n.number(image[i]), reach), strides[i]), 1)
        window_number = ints.floordiv(offset, strides[i])
        starts_there = ints.equal(n(nn.Mod(offset, n.constant(strides[i], i64))), 0)
        fits = n(nn.And(n(nn.Ge(window_number, ints.number(0))), n(nn.Lt(window_number, count))))
        inside = n(nn.And(inside, n(nn.And(starts_there, fits))))
        place, step = ints.add(place, n(nn.Mul(window_number, step))), n(nn.Mul(step, count))
    channels, size = symbols.floordiv(rows, taps), symbols.product(image)
    index = n.reshape(ints.clamp(place, 0, n.number(symbols.add(places, -1))), [1, 1, taps, size])
    columns = n.reshape(n[0], [batch, channels, taps, places])
    read = n(nn.GatherElements(columns, n.broadcast(index, [batch, channels, taps, size]), 3))
    kept = n(nn.Where(n.reshape(n.broadcast(inside, [taps, *image]), [taps, size]), read, n.like(0, read)))
    return n.reshape(n.reduce(kept, "add", [2]), [batch, channels, *image])


@legalize("MaxUnpool")
def max_unpool(n: Node) -> Value:
    """Each element at its index in the flattened result, 0 elsewhere."""
    x, indices = n[0], n[1]
    kernel = n.ints("kernel_shape") or ()
    strides, _ = window(n, len(kernel))
    pads = n.ints("pads") or (0,) * (2 * len(kernel))
    grown = [
        symbols.add(symbols.mul(symbols.add(d, -1), s), k - a - b)
        for d, s, k, a, b in zip(dims(x)[2:], strides, kernel, pads[: len(kernel)], pads[len(kernel) :], strict=True)
    ]
    shape = (*dims(x)[:2], *grown)
    y = _scattered(n, x, indices, shape)
    if n.get(2) is None:
        return y
    # A larger result than the window reaches is padded at the end.
    wanted = n.declared() or n.sizes(2)
    missing = tuple(symbols.add(new, symbols.mul(old, -1)) for new, old in zip(wanted, shape, strict=True))
    return n(nn.Pad(y, (0,) * len(shape), missing)) if any(missing) else y


def _scattered(n: Node, x: Value, indices: Value, shape: tuple[Dim, ...]) -> Value:
    count = [symbols.product(dims(x))]
    blank = n.full(0, [symbols.product(shape)], scalar(x))
    return n.reshape(n(nn.ScatterElements(blank, n.reshape(indices, count), n.reshape(x, count), 0)), shape)


def max_pool_with_indices(n: Node) -> list[Value]:
    """The maxima and where each stands in the flattened operand: the best of all taps, side by side."""
    x = n[0]
    kernel = n.ints("kernel_shape") or ()
    rank = len(kernel)
    strides, dilations = window(n, rank)
    pads = padding(n, dims(x)[2:], kernel, strides, dilations)
    y = n(nn.MaxPool(x, kernel, strides, pads, dilations, ceil_mode=n.flag("ceil_mode")))
    shape = dims(y)
    taps: list[Value] = []
    places: list[Value] = []
    for tap in itertools.product(*map(range, kernel)):
        place, inside = _tap(n, x, shape, [k * d - p for k, d, p in zip(tap, dilations, pads, strict=False)], strides)
        read = n.reshape(n(nn.Gather(n.reshape(x, [symbols.product(dims(x))]), place, 0)), shape)
        taps.append(n.unsqueeze(n(nn.Where(inside, read, n.like(_lowest(x), x))), [0]))
        places.append(n.unsqueeze(place, [0]))
    best = n(nn.ArgMax(n.concat(taps, 0), 0, keep_dims=True))
    chosen = n.reshape(n.squeeze(n(nn.GatherElements(n.concat(places, 0), best, 0)), [0]), shape)
    return [y, _column_major(n, x, chosen) if n.flag("storage_order") else chosen]


def _column_major(n: Node, x: Value, flat: Value) -> Value:
    """Indices into flattened x as ones with the first spatial axis as the innermost."""
    place, index = flat, n.like(0, flat)
    for axis in reversed(range(2, len(dims(x)))):
        size = n.size(x, axis)
        index = n(nn.Add(n(nn.Mul(index, size)), n(nn.Mod(place, size))))
        place = n(nn.Div(place, size))
    spatial = n.constant(1, i64)
    for axis in range(2, len(dims(x))):
        spatial = n(nn.Mul(spatial, n.size(x, axis)))
    return n(nn.Add(n(nn.Mul(place, spatial)), index))


def _lowest(x: Value) -> float:
    dtype = scalar(x)
    return -math.inf if dtype.is_float else 0 if dtype.is_unsigned else -(2 ** (dtype.bits - 1))


def _tap(
    n: Node, x: Value, shape: tuple[Dim, ...], offsets: list[int], strides: tuple[int, ...]
) -> tuple[Value, Value]:
    """The flat index that one tap of every window reads, limited to the operand, and whether it was inside."""
    flat = n(nn.Add(n(nn.Mul(n.iota(shape, 0), n.size(x, 1))), n.iota(shape, 1)))
    inside = n.full(True, shape, i1)
    for i, (offset, stride) in enumerate(zip(offsets, strides, strict=True)):
        at = n(nn.Add(n(nn.Mul(n.iota(shape, i + 2), n.constant(stride, i64))), n.constant(offset, i64)))
        size, zero = n.size(x, i + 2), n.constant(0, i64)
        inside = n(nn.And(inside, n(nn.And(n(nn.Ge(at, zero)), n(nn.Lt(at, size))))))
        index = n(nn.Min(n(nn.Max(at, zero)), n(nn.Sub(size, n.constant(1, i64)))))
        flat = n(nn.Add(n(nn.Mul(flat, size)), index))
    return flat, inside
