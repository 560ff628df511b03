"""Operators that read at regions and offsets which are values, and determinants."""

from __future__ import annotations

import functools
import math

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import f32, i64
from .content import dims, scalar
from .contraction import window
from .node import Node
from .registry import legalize
from .sampling import interpolated, linear_taps


@legalize("DeformConv")
def deform_conv(n: Node) -> Value:
    """Inputs: x, w, offset, bias, mask. Each tap of w reads x where its offset says, between the elements."""
    x, w, bias, mask = n[0], n[1], n.get(3), n.get(4)
    rank = len(dims(x)) - 2
    kernel = [n.static(w, axis, "the kernel's size") for axis in range(2, rank + 2)]
    taps, groups = functools.reduce(lambda a, b: a * b, kernel), n.int("offset_group", 1)
    batch, channels = dims(x)[:2]
    results = dims(n[2])[2:]
    count, per_group = symbols.mul(batch, groups), symbols.floordiv(channels, groups)
    offset = n.cast(n.reshape(n[2], [count, *kernel, rank, *results]), f32)
    moved = [n(nn.Add(_tap_places(n, kernel, results, i), n.index(offset, rank + 1, i))) for i in range(rank)]
    places = [n.reshape(place, [count, taps, *results]) for place in moved]
    grouped = n.reshape(x, [count, per_group, *dims(x)[2:]])
    read = interpolated(n, grouped, [linear_taps(n, place) for place in places], "zeros")
    if mask is not None:
        read = n(nn.Mul(read, n.reshape(mask, [count, 1, taps, *results])))
    columns = n.reshape(read, [batch, symbols.mul(channels, taps), *results])
    rows = n.reshape(w, [dims(w)[0], symbols.mul(dims(w)[1], taps), *[1] * rank])
    ones, none = (1,) * rank, (0,) * (2 * rank)
    return n(nn.Conv(columns, rows, ones, none, ones, bias, group=n.int("group", 1)))


def _tap_places(n: Node, kernel: list[int], results: tuple[Dim, ...], axis: int) -> Value:
    """Where the taps read without offsets, [1, kernel.., results..]."""
    rank = len(kernel)
    strides, dilations = window(n, rank)
    pads = n.ints("pads") or (0,) * (2 * rank)
    shape: list[Dim] = [1] * (1 + 2 * rank)
    tap_shape, result_shape = list(shape), list(shape)
    tap_shape[1 + axis], result_shape[1 + rank + axis] = kernel[axis], results[axis]
    tap = n(nn.Mul(n.iota(tap_shape, 1 + axis), n.constant(dilations[axis], i64)))
    start = n(nn.Mul(n.iota(result_shape, 1 + rank + axis), n.constant(strides[axis], i64)))
    return n.cast(n(nn.Sub(n(nn.Add(tap, start)), n.constant(pads[axis], i64))), f32)


@legalize("RoiAlign")
def roi_align_10(n: Node) -> Value:
    return _roi_align(n, half_pixel=False)


@legalize("RoiAlign", since=16)
def roi_align(n: Node) -> Value:
    return _roi_align(n, n.choice("coordinate_transformation_mode", "half_pixel", "output_half_pixel") == "half_pixel")


def _roi_align(n: Node, half_pixel: bool) -> Value:
    """Inputs: x [batch, channels, height, width], regions [count, 4] and the image of each."""
    x, average = n[0], n.choice("mode", "avg", "max") == "avg"
    sizes = (n.int("output_height", 1), n.int("output_width", 1))
    axes = [_RoiAxis(n, axis, sizes[axis], half_pixel) for axis in range(2)]
    images = n(nn.Gather(x, n.cast(n[2], i64), 0))
    reads = [_weighted(n, images, row, column) for row in axes[0].taps for column in axes[1].taps]
    total = functools.reduce(lambda a, b: n((nn.Add if average else nn.Max)(a, b)), reads)
    split = n.reshape(total, [*dims(images)[:2], sizes[0], axes[0].samples, sizes[1], axes[1].samples])
    if average:
        count = n(nn.Max(n(nn.Mul(axes[0].count, axes[1].count)), n.constant(1, f32)))
        pooled = n(nn.Div(n.reduce(split, "add", [3, 5]), n.unsqueeze(count, [2, 3])))
        return n.cast(pooled, scalar(x))
    seen = n(nn.And(n.unsqueeze(axes[0].counts, [1, 2, 4, 5]), n.unsqueeze(axes[1].counts, [1, 2, 3, 4])))
    pooled = n.reduce(n(nn.Where(seen, split, n.constant(-math.inf, f32))), "max", [3, 5])
    return n.cast(n(nn.Where(n(nn.IsInf(pooled, positive=False)), n.constant(0, f32), pooled)), scalar(x))


class _RoiAxis:
    """Where the samples of every region lie along an axis of x, all regions having room for as many."""

    def __init__(self, n: Node, axis: int, size: int, half_pixel: bool) -> None:
        self.n = n
        self.length = n.size(n[0], axis + 2, f32)
        scale = n.constant(n.float("spatial_scale", 1.0), f32)
        start, end = (n.cast(n.narrow(n[1], 1, i, i + 1), f32) for i in (1 - axis, 3 - axis))
        start, end = (n(nn.Mul(edge, scale)) for edge in (start, end))
        if half_pixel:
            start, end = (n(nn.Sub(edge, n.constant(0.5, f32))) for edge in (start, end))
        extent = n(nn.Sub(end, start))
        if not half_pixel:
            extent = n(nn.Max(extent, n.constant(1, f32)))
        cell = n(nn.Div(extent, n.constant(size, f32)))
        ratio = n.int("sampling_ratio")
        self.samples: Dim = ratio
        """The most samples that a cell of any region has along the axis."""
        self.count = n.constant(ratio, f32)
        """How many each region has, [regions, 1] or one number."""
        if ratio <= 0:
            self.count = n(nn.Max(n(nn.Ceil(cell)), n.constant(0, f32)))
            (self.samples,) = n.read(n.cast(n.reduce(self.count, "max", [0]), i64))
        sample = n.cast(n.iota([1, 1, self.samples], 2), f32)
        places = n(nn.Div(n(nn.Add(sample, n.constant(0.5, f32))), self._wide(self.count)))
        offset = n(nn.Add(n.cast(n.iota([1, size, 1], 1), f32), places))
        place = n(nn.Add(self._wide(start), n(nn.Mul(offset, self._wide(cell)))))
        self.counts = n.index(n(nn.Lt(sample, self._wide(self.count))), 1, 0)
        """Which samples are a region's own, [regions or 1, samples]."""
        inside = n(nn.And(n.unsqueeze(self.counts, [1]), self._near(place)))
        self.taps = self._taps(place, inside, [dims(start)[0], symbols.mul(size, self.samples)])
        """The two places that every sample reads, and their weights: [regions, cells * samples]."""

    def _wide(self, x: Value) -> Value:
        return self.n.unsqueeze(x, [2]) if dims(x) else x

    def _near(self, place: Value) -> Value:
        n = self.n
        return n(nn.And(n(nn.Ge(place, n.constant(-1, f32))), n(nn.Le(place, self.length))))

    def _taps(self, place: Value, inside: Value, shape: list[Dim]) -> list[tuple[Value, Value]]:
        n = self.n
        zero, one = n.constant(0, f32), n.constant(1, f32)
        last = n(nn.Sub(self.length, one))
        kept = n(nn.Min(n(nn.Max(n(nn.Where(inside, place, zero)), zero)), last))
        low = n(nn.Floor(kept))
        part, visible = n(nn.Sub(kept, low)), n.cast(inside, f32)
        high = n(nn.Min(n(nn.Add(low, one)), last))
        weights = (n(nn.Mul(n(nn.Sub(one, part)), visible)), n(nn.Mul(part, visible)))
        return [
            (n.reshape(n.cast(where, i64), shape), n.reshape(weight, shape))
            for where, weight in zip((low, high), weights, strict=True)
        ]


def _weighted(n: Node, images: Value, row: tuple[Value, Value], column: tuple[Value, Value]) -> Value:
    """The elements at rows and columns of each region times their weights: [regions, channels, rows, columns]."""
    count, channels, height, width = dims(images)
    rows, columns = dims(row[0])[1], dims(column[0])[1]
    flat = n(nn.Add(n(nn.Mul(n.unsqueeze(row[0], [2]), n.size(images, 3))), n.unsqueeze(column[0], [1])))
    total = symbols.mul(rows, columns)
    index = n.broadcast(n.reshape(flat, [count, 1, total]), [count, channels, total])
    read = n(nn.GatherElements(n.reshape(images, [count, channels, symbols.mul(height, width)]), index, 2))
    weight = n(nn.Mul(n.unsqueeze(row[1], [2]), n.unsqueeze(column[1], [1])))
    read = n.cast(n.reshape(read, [count, channels, rows, columns]), f32)
    return n(nn.Mul(read, n.unsqueeze(weight, [1])))


@legalize("Det")
def det(n: Node) -> Value:
    """Gaussian elimination with the largest pivot of each column, step by step."""
    x = n[0]
    batch = dims(x)[:-2]
    n.require(dims(x)[-1] == dims(x)[-2], f"matrices of {list(dims(x)[-2:])}; expected square ones")
    size = n.static(x, len(batch), "the size of the matrices")
    rest = n.reshape(n.cast(x, f32) if scalar(x).bits < 32 else x, [symbols.product(batch), size, size])
    result = n.full(1, [symbols.product(batch)], scalar(rest))
    for left in range(size, 0, -1):
        rest, pivot = _eliminated(n, rest, left)
        result = n(nn.Mul(result, pivot))
    return n.cast(n.reshape(result, batch), scalar(x))


def _eliminated(n: Node, x: Value, size: int) -> tuple[Value, Value]:
    """[batch, size, size] without its first column and its pivot's row; the pivot, negated where rows change places."""
    batch = dims(x)[0]
    column = n.index(x, 2, 0)
    best = n(nn.ArgMax(n(nn.Abs(column)), 1, keep_dims=True))
    pivot = n(nn.GatherElements(column, best, 1))
    index = n.broadcast(n.unsqueeze(best, [2]), [batch, 1, size])
    row = n(nn.GatherElements(x, index, 1))
    moved = n(nn.Ne(best, n.like(0, best)))
    signed = n.reshape(n(nn.Where(moved, n(nn.Neg(pivot)), pivot)), [batch])
    if size == 1:
        return x, signed
    # The first row takes the place of the pivot's.
    here = n(nn.Eq(n.iota([1, size, 1], 1), n.unsqueeze(best, [2])))
    swapped = n.narrow(n(nn.Where(here, n.narrow(x, 1, 0, 1), x)), 1, 1, size)
    safe = n(nn.Where(n(nn.Eq(pivot, n.like(0, pivot))), n.like(1, pivot), pivot))
    factor = n(nn.Div(n.narrow(swapped, 2, 0, 1), n.unsqueeze(safe, [2])))
    reduced = n(nn.Sub(n.narrow(swapped, 2, 1, size), n(nn.Mul(factor, n.narrow(row, 2, 1, size)))))
    return reduced, signed


@legalize("MaxRoiPool")
def max_roi_pool(n: Node) -> Value:
    """Inputs: x [batch, channels, height, width] and regions [count, 5], the image of each first.

    The largest element of every cell of a grid over each region; of nothing it is 0.
    """
    x, shape = n[0], n.ints("pooled_shape") or ()
    lowest = n.like(-math.inf, x)
    image = n.cast(n.reshape(n.narrow(n[1], 1, 0, 1), [dims(n[1])[0]]), i64)
    # Columns first: [count, channels, height, columns of the grid, width], then rows.
    rows, columns = (_cells(n, axis, shape[axis]) for axis in range(2))
    read = n.unsqueeze(n(nn.Gather(x, image, 0)), [3])
    across = n.reduce(n(nn.Where(n.unsqueeze(columns, [1, 2]), read, lowest)), "max", [4])
    spread = n.unsqueeze(n.transpose(across, [0, 1, 3, 2]), [2])
    y = n.reduce(n(nn.Where(n.unsqueeze(rows, [1, 3]), spread, lowest)), "max", [4])
    return n(nn.Where(n(nn.IsInf(y, positive=False)), n.like(0, y), y))


def _cells(n: Node, axis: int, count: int) -> Value:
    """Which places along an axis of x lie in which of `count` cells of each region, [regions, cells, places]."""
    scale, half, one = n.constant(n.float("spatial_scale", 1.0), f32), n.constant(0.5, f32), n.constant(1, f32)
    edges = (n.cast(n.narrow(n[1], 1, i, i + 1), f32) for i in (2 - axis, 4 - axis))
    # Halves are rounded away from 0.
    start, end = (_rounded(n, n(nn.Mul(edge, scale)), half) for edge in edges)
    extent = n(nn.Max(n(nn.Add(n(nn.Sub(end, start)), one)), one))
    size = n(nn.Div(extent, n.constant(count, f32)))
    cell, place = n.cast(n.iota([1, count], 1), f32), n.cast(n.iota([1, 1, dims(n[0])[axis + 2]], 2), f32)
    low = n(nn.Add(n(nn.Floor(n(nn.Mul(cell, size)))), start))
    high = n(nn.Add(n(nn.Ceil(n(nn.Mul(n(nn.Add(cell, one)), size)))), start))
    above = n(nn.Ge(place, n.unsqueeze(low, [2])))
    return n(nn.And(above, n(nn.Lt(place, n.unsqueeze(high, [2])))))


def _rounded(n: Node, x: Value, half: Value) -> Value:
    return n(nn.Mul(n(nn.Sign(x)), n(nn.Floor(n(nn.Add(n(nn.Abs(x)), half))))))
