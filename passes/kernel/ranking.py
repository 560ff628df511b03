"""The largest elements of a long axis, by merge sort of keys that hold an element's order and its place.

Numbers of up to 32 bits become 32 bits that compare as they do; 30 more bits are the place along the axis, so no two
keys are equal, and sorting is stable. Each 64 elements are sorted by comparing all pairs, then runs are merged, of
which no more stays than is asked for; of a very long axis only the parts with the least elements are sorted at all.
Numbers of 64 bits are sorted by their lower halves and then by their upper ones.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.core import Block, Region, Value
from ...ir.declare import Op
from ...ir.dialects import nn
from ...ir.dialects.nn.base import tensor_type
from ...ir.dialects.nn.sorting import BEYOND
from ...ir.symbols import Dim, add, ceildiv, mul
from ...ir.types import Scalar, TensorType, f32, i1, i32, i64
from ..rewrite import Rewriter, pattern

SHORT = 32
"""Elements of an axis whose largest are found in one launch, by comparing all of them for each result."""
PART = 64
"""Elements that are sorted by comparing all pairs."""
MANY = 1 << 14
"""Elements of which those that cannot be among the first are dropped before they are sorted."""
PLACE_BITS = 30
_PLACE = (1 << PLACE_BITS) - 1
_LOW = (1 << 32) - 1


@pattern(nn.TopK)
def long_top_k(op: nn.TopK, rw: Rewriter) -> None:
    """top_k(x) = elements of x at the places of the sorted keys"""
    type, last = tensor_type(op.x), tensor_type(op.x).rank - 1
    size = type.dims[op.axis]
    if isinstance(size, int) and 0 < size <= SHORT:
        return
    emit = _Emit(rw)
    if size == 0:
        rw.replace(op, [emit.full(0, t.dims, t.scalar) for t in map(tensor_type, op.results)])
        return
    order = [*(i for i in range(last + 1) if i != op.axis), op.axis]
    x = op.x if op.axis == last else emit(nn.Transpose(op.x, tuple(order)))
    places = _places(emit, x, op.k, op.largest)
    if op.axis != last:
        places = emit(nn.Transpose(places, tuple(map(order.index, range(last + 1)))))
    rw.replace(op, [emit(nn.GatherElements(op.x, places, op.axis)), places])


@dataclass(frozen=True)
class _Emit:
    rw: Rewriter

    def __call__(self, op: Op) -> Value:
        return self.rw.insert(op).result

    def number(self, value: float, dtype: Scalar = i64) -> Value:
        return self(nn.Constant.of(value, dtype))

    def full(self, value: float, dims: tuple[Dim, ...], dtype: Scalar) -> Value:
        return self(nn.BroadcastTo(self.number(value, dtype), result_types=[TensorType(dims, dtype)]))

    def reshape(self, x: Value, dims: tuple[Dim, ...]) -> Value:
        return self(nn.Reshape(x, result_types=[tensor_type(x).with_shape(dims)]))


def _places(emit: _Emit, x: Value, k: Dim, largest: bool) -> Value:
    """The places of the first k elements along the last axis."""
    keys = _ordered(emit, x)
    if largest:
        keys = [emit(nn.Sub(emit.number(_LOW), key)) for key in keys]
    *lower, upper = keys
    if not lower:
        return _first(emit, upper, k)
    axis = tensor_type(x).rank - 1
    places = _first(emit, lower[0], tensor_type(x).dims[-1])
    again = _first(emit, emit(nn.GatherElements(upper, places, axis)), k)
    return emit(nn.GatherElements(places, again, axis))


def _ordered(emit: _Emit, x: Value) -> list[Value]:
    """Numbers of 32 bits, in i64, that compare as the elements do; two for each of 64 bits, the lower half first."""
    dtype = tensor_type(x).scalar
    if dtype.is_float:
        return _ordered_floats(emit, x)
    if dtype.bits <= 32:
        wide = emit(nn.Cast(x, i64))
        return [wide] if dtype.is_unsigned else [emit(nn.Add(wide, emit.number(1 << 31)))]
    lower, upper = _halves(emit, x if dtype == i64 else emit(nn.BitCast(x, i64)))
    if dtype.is_unsigned:
        return [lower, emit(nn.And(upper, emit.number(_LOW)))]
    return [lower, emit(nn.Add(upper, emit.number(1 << 31)))]


def _halves(emit: _Emit, x: Value) -> tuple[Value, Value]:
    return emit(nn.And(x, emit.number(_LOW))), emit(nn.ShiftRight(x, emit.number(32)))


def _ordered_floats(emit: _Emit, x: Value) -> list[Value]:
    """The bits of negative numbers but the sign are turned over; both zeros are equal, not-a-number is the largest."""
    dtype = tensor_type(x).scalar
    wide = x if dtype.bits >= 32 else emit(nn.Cast(x, f32))
    dtype, bits = (i32, 32) if dtype.bits <= 32 else (i64, 64)
    zero = emit.number(0, tensor_type(wide).scalar)
    raw = emit(nn.BitCast(emit(nn.Where(emit(nn.Eq(wide, zero)), zero, wide)), dtype))
    magnitude = emit.number((1 << (bits - 1)) - 1, dtype)
    sign = emit(nn.ShiftRight(raw, emit.number(bits - 1, dtype)))
    ordered = emit(nn.Xor(raw, emit(nn.And(sign, magnitude))))
    ordered = emit(nn.Where(emit(nn.IsNan(wide)), magnitude, ordered))
    if bits == 32:
        return [emit(nn.Add(emit(nn.Cast(ordered, i64)), emit.number(1 << 31)))]
    lower, upper = _halves(emit, ordered)
    return [lower, emit(nn.Add(upper, emit.number(1 << 31)))]


def _first(emit: _Emit, keys: Value, k: Dim) -> Value:
    """The places of the k least of `keys`, numbers of 32 bits, along the last axis; of equal ones the first."""
    type = tensor_type(keys)
    *lead, size = type.dims
    place = emit(nn.Iota(type.rank - 1, result_types=[TensorType((*(1 for _ in lead), size), i64)]))
    numbered = emit(nn.Add(emit(nn.Mul(keys, emit.number(1 << PLACE_BITS))), place))
    if isinstance(k, int) and isinstance(size, int) and size >= MANY:
        numbered = _candidates(emit, numbered, size, k)
    return emit(nn.And(_least(emit, numbered, k), emit.number(_PLACE)))


def _least(emit: _Emit, x: Value, k: Dim) -> Value:
    """The k least elements along the last axis, in order."""
    type = tensor_type(x)
    runs = _sorted_parts(emit, x)
    y = _merged(emit, runs, k) if isinstance(type.dims[-1], int) else _merged_at_run_time(emit, runs)
    return emit(nn.Slice(y, (0,) * type.rank, (*type.dims[:-1], k), (1,) * type.rank))


def _candidates(emit: _Emit, x: Value, size: int, k: int) -> Value:
    """The elements of the k parts that have the least ones: no other part has one of the k least of all."""
    width = 1 << (size // max(k, 1)).bit_length() // 2  # about as many parts are left to sort as elements
    if width < 4 or not k:
        return x
    *lead, _ = tensor_type(x).dims
    last = len(lead)
    padded = _filled_up(emit, x, width)
    parts = emit.reshape(padded, (*lead, -(-size // width), width))
    first = _least(emit, emit(nn.Reduce(parts, "min", (last + 1,))), k)
    part = emit(nn.And(first, emit.number(_PLACE & -width)))
    inside = emit(nn.Iota(last + 1, result_types=[TensorType((*(1 for _ in lead), 1, width), i64)]))
    places = emit(nn.Add(emit.reshape(part, (*lead, k, 1)), inside))
    return emit(nn.GatherElements(padded, emit.reshape(places, (*lead, k * width)), last))


def _filled_up(emit: _Emit, x: Value, width: int) -> Value:
    """x with what is beyond all elements behind it, so that parts of `width` fill the last axis."""
    type = tensor_type(x)
    *lead, size = type.dims
    whole = mul(ceildiv(size, width), width)
    if whole == size:
        return x
    high = (*(0 for _ in lead), add(whole, mul(size, -1)))
    return emit(nn.Pad(x, (0,) * type.rank, high, value=float(BEYOND)))


def _sorted_parts(emit: _Emit, x: Value) -> Value:
    """x with every `PART` elements along the last axis sorted, and filled up with what is beyond."""
    type = tensor_type(x)
    *lead, size = type.dims
    parts = ceildiv(size, PART)
    whole = mul(parts, PART)
    x = _filled_up(emit, x, PART)
    this = emit.reshape(x, (*lead, parts, PART, 1))
    other = emit.reshape(x, (*lead, parts, 1, PART))
    last = type.rank + 1
    rank = emit(nn.Reduce(emit(nn.Cast(emit(nn.Lt(other, this)), i64)), "add", (last,)))
    wanted = emit(nn.Iota(last - 1, result_types=[TensorType((*(1 for _ in lead), 1, PART, 1), i64)]))
    found = emit(nn.Eq(emit.reshape(rank, (*lead, parts, 1, PART)), wanted))
    y = emit(nn.Reduce(emit(nn.Where(found, other, emit.number(BEYOND))), "min", (last,)))
    return emit.reshape(y, (*lead, whole))


def _merged(emit: _Emit, x: Value, k: Dim) -> Value:
    run = PART
    while (size := tensor_type(x).dims[-1]) != run and isinstance(size, int) and size > run:
        keeps = isinstance(k, int) and k <= run
        x = emit(nn.MergeRuns(x, emit.number(run), run if keeps else 0))
        run = run if keeps else 2 * run
    return x


def _merged_at_run_time(emit: _Emit, x: Value) -> Value:
    """As many merges as the size of a run needs."""
    type = tensor_type(x)
    number, body = TensorType((), i64), Block([TensorType((), i64), TensorType((), i1), type, TensorType((), i64)])
    _, _, runs, run = body.arguments
    merged = body.append(nn.MergeRuns(runs, run)).result
    longer = body.append(nn.Add(run, run)).result
    size = body.append(nn.Size(type.dims[-1])).result
    body.append(nn.Yield((body.append(nn.Lt(longer, size)).result, merged, longer)))
    start = emit.number(PART)
    goes_on = emit(nn.Lt(start, emit(nn.Size(type.dims[-1]))))
    loop = nn.Loop(Region(body), condition=goes_on, initial=(x, start), result_types=[type, number])
    return emit.rw.insert(loop).results[0]
