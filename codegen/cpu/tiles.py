"""How a register tile is held: a list of LLVM vectors, row by row.

`vector<6x64xf32>` is six `<64 x float>`. A last dimension of more than `MAX_LANES` is cut into equal parts, one of a
single element is held in scalars, and a scalar value is a tile of one part. LLVM maps a part to the machine's vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ...ir.types import Scalar, Type, VectorType
from .builder import Builder, Lanes, scalar_type

MAX_LANES = 64
BLOCK = 16
"""Rows and columns of the squares that large matrices are transposed in."""


@dataclass(frozen=True)
class Tile:
    """The parts of a value. `shape` is () for a scalar."""

    shape: tuple[int, ...]
    dtype: Scalar
    parts: tuple[str, ...]

    @property
    def lanes(self) -> Lanes:
        return part_lanes(self.shape, self.dtype)

    def with_parts(self, parts: Iterable[str], dtype: Scalar | None = None) -> Tile:
        """A tile of the same shape."""
        return Tile(self.shape, dtype or self.dtype, tuple(parts))


def shape_of(type: Type) -> tuple[tuple[int, ...], Scalar]:
    """The shape and element type of a scalar or vector type."""
    if isinstance(type, VectorType):
        return type.shape, type.dtype
    assert isinstance(type, Scalar), f"{type} is not held in registers"
    return (), type


def lane_count(shape: Sequence[int]) -> int:
    """Lanes of one part of a tile: all of the last dim, or a power of two of them that LLVM does not have to widen."""
    last = shape[-1] if shape else 1
    power = last & -last
    if last <= MAX_LANES and (power == last or power < BLOCK):
        return last
    if power >= BLOCK:
        return min(power, MAX_LANES)
    return next((n for n in range(MAX_LANES, 7, -1) if last % n == 0), last)


def part_count(shape: Sequence[int]) -> int:
    return math.prod(shape) // max(lane_count(shape), 1)


def part_lanes(shape: Sequence[int], dtype: Scalar) -> Lanes:
    """The LLVM type of the parts of a tile."""
    count = lane_count(shape)
    return Lanes(scalar_type(dtype), None if count == 1 else count)


def mask(indices: Iterable[int | None]) -> str:
    """A shuffle mask; None is any lane."""
    lanes = ["i32 poison" if i is None else f"i32 {i}" for i in indices]
    if all(lane == "i32 0" for lane in lanes):
        return f"<{len(lanes)} x i32> zeroinitializer"
    return f"<{len(lanes)} x i32> <{', '.join(lanes)}>"


def splat(builder: Builder, scalar: str, lanes: Lanes) -> str:
    """The scalar in every lane."""
    if lanes.count is None:
        return scalar
    if not scalar.startswith("%"):
        return f"splat ({lanes.element} {scalar})"
    one = builder.define("lane", f"insertelement {lanes} poison, {lanes.element} {scalar}, i64 0")
    return builder.define("splat", f"shufflevector {lanes} {one}, {lanes} poison, {mask([0] * lanes.count)}")


def extract(builder: Builder, part: str, lanes: Lanes, lane: int) -> str:
    """One lane of a part as a scalar."""
    if lanes.count is None:
        return part
    if part.startswith("splat"):
        return part.partition("(")[2].rstrip(")").partition(" ")[2]
    return builder.define("lane", f"extractelement {lanes} {part}, i64 {lane}")


def rearrange(builder: Builder, source: Tile, shape: tuple[int, ...], source_of: Callable[[int], int]) -> Tile:
    """A tile of `shape` whose element number i (row-major) is element `source_of(i)` of `source`."""
    have, want = source.lanes, part_lanes(shape, source.dtype)
    width = have.count or 1
    parts = []
    for first in range(0, math.prod(shape), want.count or 1):
        places = [divmod(source_of(first + lane), width) for lane in range(want.count or 1)]
        parts.append(_gather_lanes(builder, source.parts, have, want, places))
    return Tile(shape, source.dtype, tuple(parts))


def _gather_lanes(
    builder: Builder, parts: Sequence[str], have: Lanes, want: Lanes, places: Sequence[tuple[int, int]]
) -> str:
    """One part of type `want` whose lanes are at `places` (part, lane) of parts of type `have`."""
    used = list(dict.fromkeys(part for part, _ in places))
    if want.count is None:
        return extract(builder, parts[used[0]], have, places[0][1])
    if len(used) == 1 and parts[used[0]].startswith("splat"):
        return parts[used[0]]
    if have.count is None:
        return _from_scalars(builder, [parts[part] for part, _ in places], want)
    if len(used) == 1 and have == want and [lane for _, lane in places] == list(range(want.count)):
        return parts[used[0]]
    if len(used) <= 2:
        first, second = parts[used[0]], parts[used[-1]] if len(used) == 2 else "poison"
        indices = [lane + (have.count if part != used[0] else 0) for part, lane in places]
        return builder.define("shuffle", f"shufflevector {have} {first}, {have} {second}, {mask(indices)}")
    return _blend(builder, parts, have, want, places)


def _from_scalars(builder: Builder, scalars: Sequence[str], want: Lanes) -> str:
    assert want.count is not None
    if len(set(scalars)) == 1:
        return splat(builder, scalars[0], want)
    value = "poison"
    for lane, scalar in enumerate(scalars):
        value = builder.define("lanes", f"insertelement {want} {value}, {want.element} {scalar}, i64 {lane}")
    return value


def _blend(builder: Builder, parts: Sequence[str], have: Lanes, want: Lanes, places: Sequence[tuple[int, int]]) -> str:
    """Lanes of three and more parts: each part is spread to where its lanes belong, then joined."""
    assert want.count is not None
    result, filled = "", [False] * want.count
    for used in dict.fromkeys(part for part, _ in places):
        spread = mask(lane if part == used else None for part, lane in places)
        moved = builder.define("spread", f"shufflevector {have} {parts[used]}, {have} poison, {spread}")
        if not result:
            result = moved
        else:
            choose = [
                i if filled[i] else want.count + i if part == used else None for i, (part, _) in enumerate(places)
            ]
            result = builder.define("join", f"shufflevector {want} {result}, {want} {moved}, {mask(choose)}")
        filled = [done or part == used for done, (part, _) in zip(filled, places, strict=True)]
    return result


def transpose_blocks(builder: Builder, source: Tile) -> Tile:
    """The transpose of a matrix whose columns are a multiple of `BLOCK`, square by square in log2(BLOCK) steps."""
    rows, columns = source.shape
    across = columns // BLOCK
    squares = -(-rows // BLOCK)
    chunks = rearrange(builder, source, (rows * across, BLOCK), lambda flat: flat)
    lanes, turned = chunks.lanes, []
    for square in range(squares):
        for column in range(across):
            used = range(square * BLOCK, min((square + 1) * BLOCK, rows))
            block = [chunks.parts[row * across + column] for row in used]
            turned += _transpose_square(builder, lanes, block + ["poison"] * (BLOCK - len(block)))
    stacked = Tile((squares, columns, BLOCK), source.dtype, tuple(turned))

    def source_of(flat: int) -> int:
        column, row = divmod(flat, rows)
        return (row // BLOCK * columns + column) * BLOCK + row % BLOCK

    return rearrange(builder, stacked, (columns, rows), source_of)


def _transpose_square(builder: Builder, lanes: Lanes, rows: list[str]) -> list[str]:
    """Exchange bit after bit of the row's number with that of the lane's."""
    bit = 1
    while bit < BLOCK:
        low = mask(lane - bit + BLOCK if lane & bit else lane for lane in range(BLOCK))
        high = mask(lane + BLOCK if lane & bit else lane + bit for lane in range(BLOCK))
        for i in range(BLOCK):
            if not i & bit and not rows[i] == rows[i | bit] == "poison":
                pair = f"{lanes} {rows[i]}, {lanes} {rows[i | bit]}"
                rows[i] = builder.define("low", f"shufflevector {pair}, {low}")
                rows[i | bit] = builder.define("high", f"shufflevector {pair}, {high}")
        bit *= 2
    return rows


def strides_of(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    return tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))


def coordinates(flat: int, shape: Sequence[int]) -> tuple[int, ...]:
    """The index of element number `flat` of a row-major shape."""
    return tuple(flat // stride % size for size, stride in zip(shape, strides_of(shape), strict=True))


def flatten(index: Sequence[int], shape: Sequence[int]) -> int:
    """The number of the element at `index`."""
    return sum(i * stride for i, stride in zip(index, strides_of(shape), strict=True))
