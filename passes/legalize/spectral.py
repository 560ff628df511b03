"""Fourier transforms as products with matrices of sines and cosines, and the mel scale."""

from __future__ import annotations

import math

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.symbols import Dim
from ...ir.types import f32, f64, i64
from .content import dims, scalar
from .contraction import matrix_product
from .elementwise import data_type
from .node import Node, normal_axis
from .registry import InvalidError, legalize


@legalize("DFT")
def dft_17(n: Node) -> Value:
    return _dft(n, normal_axis(n.int("axis", 1), len(dims(n[0]))))


@legalize("DFT", since=20)
def dft(n: Node) -> Value:
    """Input 2 is the axis, the last but one by default."""
    rank = len(dims(n[0]))
    if n.get(2) is None:
        return _dft(n, rank - 2)
    return n.by_axis(2, "'axis'", lambda axis: _dft(n, axis), last=rank - 2)


def _dft(n: Node, axis: int) -> Value:
    """x [.., length, .., 1 or 2] along `axis`; a length that is given cuts x or continues it with zeros."""
    x, inverse, onesided = n[0], n.flag("inverse"), n.flag("onesided")
    rank, own = len(dims(x)), dims(x)[axis]
    if axis == rank - 1:
        raise InvalidError("the axis of real and imaginary parts")
    length, size = _length(n, axis)
    half = symbols.add(symbols.floordiv(length, 2), 1)
    rows = half if inverse and onesided else length
    if n.get(1) is not None and rows != own:
        x = _resized(n, x, axis, rows)
    bins = half if onesided and not inverse else length
    order = [i for i in range(rank) if i not in (axis, rank - 1)]
    turned = n.transpose(x, [*order, axis, rank - 1])
    result = transform(n, turned, size, bins, inverse, halved=inverse and onesided)
    return n.transpose(result, [*range(axis), rank - 2, *range(axis, rank - 2), rank - 1])


def _length(n: Node, axis: int) -> tuple[Dim, Value]:
    """The length of the transform (at most, where only a run knows it), as a size and as a value."""
    own = dims(n[0])[axis]
    halved = n.flag("inverse") and n.flag("onesided")
    if n.get(1) is None:
        length = symbols.mul(symbols.add(own, -1), 2) if halved else own
        size = n.size(n[0], axis)
        return length, n(nn.Mul(n(nn.Sub(size, n.like(1, size))), n.like(2, size))) if halved else size
    value = n.cast(n.reshape(n[1], ()), i64)
    known, declared = n.sizes_of(n[1]), n.declared()
    if known is not None:
        return known[0], value
    if declared is None:
        return n.sizes(1)[0], value
    if n.flag("onesided") and not n.flag("inverse"):
        return symbols.add(symbols.mul(declared[axis], 2), -1), value
    return declared[axis], value


def _resized(n: Node, x: Value, axis: int, rows: Dim) -> Value:
    """x cut, or continued with zeros, to a number of rows."""
    missing = symbols.maximum(symbols.add(rows, symbols.mul(dims(x)[axis], -1)), 0)
    if missing != 0:
        high = tuple(missing if i == axis else 0 for i in range(len(dims(x))))
        x = n(nn.Pad(x, (0,) * len(dims(x)), high))
    return n.narrow(x, axis, 0, rows)


def transform(n: Node, x: Value, length: Value, bins: Dim, inverse: bool = False, halved: bool = False) -> Value:
    """x [.., rows, 1 or 2] to [.., bins, 2], the rows from `length` on being no part of the signal.

    From `halved` spectra, which lack what is the conjugate of the rest, come real signals, [.., bins, 1].
    """
    *outer, rows, parts = dims(x)
    if not isinstance(parts, int) or parts > 2:
        raise InvalidError(f"a last axis of size '{parts}', expected 1 or 2 for real and imaginary parts")
    results = 1 if halved else 2
    wide = f64 if scalar(x) == f64 else f32
    matrix = n.cast(_matrix(n, (rows, parts, bins, results), length, inverse, halved), wide)
    flat = n.reshape(n.cast(x, wide), [*outer, symbols.mul(rows, parts)])
    product = matrix_product(n, flat, n.reshape(matrix, [symbols.mul(rows, parts), symbols.mul(bins, results)]))
    return n.cast(n.reshape(product, [*outer, bins, results]), scalar(x))


def _matrix(n: Node, shape: tuple[Dim, int, Dim, int], length: Value, inverse: bool, halved: bool) -> Value:
    """What each part of a row adds to each part of a bin: e^(∓2πi · row · bin / length) as real numbers of f64."""
    rows, parts, bins, results = shape
    row, bin = n.iota([rows, 1], 0), n.iota([1, bins], 1)
    # The remainder keeps angles, and their rounding, small.
    turns = n.cast(n(nn.Mod(n(nn.Mul(row, bin)), length)), f64)
    angle = n(nn.Div(n(nn.Mul(turns, n.like(2 * math.pi, turns))), n.cast(length, f64)))
    weight = _weights(n, row, length, inverse, halved)
    cosine, sine = n(nn.Mul(n(nn.Cos(angle)), weight)), n(nn.Mul(n(nn.Sin(angle)), weight))
    minus = n(nn.Neg(sine))
    # The product of a + bi with cos ∓ i sin.
    real, imaginary = [cosine, sine], [minus, cosine]
    if inverse:
        real, imaginary = [cosine, minus], [sine, cosine]
    columns = [real, imaginary][:results]
    planes = [n.concat([n.unsqueeze(column[part], [2]) for column in columns], 2) for part in range(parts)]
    return n.concat([n.unsqueeze(plane, [1]) for plane in planes], 1)


def _weights(n: Node, row: Value, length: Value, inverse: bool, halved: bool) -> Value:
    """The factor of each row: an inverse is a mean, and rows that stand for their conjugates too count twice."""
    one, zero = n.constant(1, f64), n.constant(0, f64)
    limit = length
    factor = n(nn.Div(one, n.cast(length, f64))) if inverse else one
    if halved:
        double = n(nn.Mul(row, n.like(2, row)))
        single = n(nn.Or(n(nn.Eq(row, n.like(0, row))), n(nn.Eq(double, length))))
        factor = n(nn.Where(single, factor, n(nn.Mul(factor, n.constant(2, f64)))))
        limit = n(nn.Add(n(nn.Div(length, n.like(2, length))), n.like(1, length)))
    return n(nn.Where(n(nn.Lt(row, limit)), factor, zero))


@legalize("STFT")
def stft(n: Node) -> Value:
    """Inputs: signal [batch, length, 1 or 2], step, window, frame length. Frames of the signal, transformed."""
    signal, declared, onesided = n[0], n.declared(), n.flag("onesided", True)
    step = n.cast(n.reshape(n[1], ()), i64)
    length, size = _frame_length(n, onesided)
    bins = symbols.add(symbols.floordiv(length, 2), 1) if onesided else length
    if declared is not None:
        count = declared[1]
    else:
        free = symbols.add(dims(signal)[1], symbols.mul(length, -1))
        count = symbols.add(symbols.floordiv(free, n.sizes(1)[0]), 1)
    places = n(nn.Add(n(nn.Mul(n.iota([count, 1], 0), step)), n.iota([1, length], 1)))
    # Places beyond the signal are of frames that are longer than a run asks for: their weight is 0.
    last = n(nn.Sub(n.size(signal, 1), n.constant(1, i64)))
    frames = n(nn.Gather(signal, n(nn.Min(places, last)), 1))
    if (window := n.get(2)) is not None:
        frames = n(nn.Mul(frames, n.reshape(window, [length, 1])))
    return transform(n, frames, size, bins)


def _frame_length(n: Node, onesided: bool) -> tuple[Dim, Value]:
    """As `_length`, of a frame."""
    if (window := n.get(2)) is not None:
        return dims(window)[0], n.size(window, 0)
    if n.get(3) is None:
        return dims(n[0])[1], n.size(n[0], 1)
    value, known, declared = n.cast(n.reshape(n[3], ()), i64), n.sizes_of(n[3]), n.declared()
    if known is not None:
        return known[0], value
    if declared is None:
        return n.sizes(3)[0], value
    return symbols.add(symbols.mul(declared[2], 2), -1) if onesided else declared[2], value


@legalize("MelWeightMatrix")
def mel_weight_matrix(n: Node) -> Value:
    """Triangles over the bins of a spectrum, [bins, mels], whose corners are equally far apart on the mel scale."""
    declared = n.declared()
    if declared is None:
        length = symbols.add(symbols.floordiv(n.sizes(1)[0], 2), 1)
        declared = (length, n.sizes(0)[0])
    bins, mels = declared
    low, center, high = _corners(n, mels)
    place = n.iota([bins, mels], 0)
    rising = _ramp(n, n(nn.Sub(place, low)), n(nn.Sub(center, low)))
    falling = _ramp(n, n(nn.Sub(high, place)), n(nn.Sub(high, center)))
    up = n(nn.And(n(nn.Ge(place, low)), n(nn.Le(place, center))))
    down = n(nn.And(n(nn.Ge(place, center)), n(nn.Lt(place, high))))
    value = n(nn.Where(down, falling, n(nn.Where(up, rising, n.like(0, rising)))))
    return n.cast(value, data_type(n.int("output_datatype", 1)))


def _corners(n: Node, mels: Dim) -> list[Value]:
    """The bins where each triangle starts, is highest and ends, as [1, mels]."""
    length, rate = (n.cast(n.reshape(n[i], ()), f64) for i in (1, 2))
    low, high = (_to_mel(n, n.cast(n.reshape(n[i], ()), f64)) for i in (3, 4))
    count = n.cast(n(nn.Add(n.cast(n.reshape(n[0], ()), i64), n.constant(2, i64))), f64)
    step = n(nn.Div(n(nn.Sub(high, low)), count))
    found: list[Value] = []
    for offset in range(3):
        index = n.cast(n(nn.Add(n.iota([1, mels], 1), n.constant(offset, i64))), f64)
        mel = n(nn.Add(n(nn.Mul(index, step)), low))
        growth = n(nn.Exp(n(nn.Mul(mel, n.constant(math.log(10) / 2595, f64)))))
        hertz = n(nn.Mul(n(nn.Sub(growth, n.constant(1, f64))), n.constant(700, f64)))
        place = n(nn.Div(n(nn.Mul(n(nn.Add(length, n.constant(1, f64))), hertz)), rate))
        found.append(n.cast(n(nn.Floor(place)), i64))
    return found


def _to_mel(n: Node, hertz: Value) -> Value:
    ratio = n(nn.Add(n(nn.Div(hertz, n.like(700, hertz))), n.like(1, hertz)))
    return n(nn.Mul(n(nn.Log(ratio)), n.like(2595 / math.log(10), hertz)))


def _ramp(n: Node, part: Value, whole: Value) -> Value:
    """part / whole; 1 where the whole is nothing."""
    flat = n(nn.Eq(whole, n.like(0, whole)))
    quotient = n(nn.Div(n.cast(part, f32), n.cast(n(nn.Where(flat, n.like(1, whole), whole)), f32)))
    return n(nn.Where(flat, n.like(1, quotient), quotient))
