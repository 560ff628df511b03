"""`vector` ops, index tiles, reductions and matrix products."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.attributes import DenseArrayAttr
from ...ir.core import Operation
from ...ir.dialects import tile
from .arithmetic import extremum
from .bf16 import dot
from .builder import Builder, Lanes
from .emitter import KernelEmitter, handles
from .narrow import extend, is_narrow, truncate
from .tiles import BLOCK, Tile, coordinates, extract, flatten, part_lanes, rearrange, shape_of, splat, transpose_blocks

_INTEGER = {"add": "add", "mul": "mul", "and": "and", "or": "or", "xor": "xor", "max": "smax", "min": "smin"}


@handles("vector.broadcast", "vector.splat")
def broadcast(emitter: KernelEmitter, op: Operation) -> None:
    """Trailing dims match; a size of one repeats."""
    source = emitter.tile(op.operands[0])
    shape, _ = shape_of(op.result.type)
    padding = len(shape) - len(source.shape)

    def source_of(flat: int) -> int:
        index = coordinates(flat, shape)[padding:]
        return flatten([0 if n == 1 else i for i, n in zip(index, source.shape, strict=True)], source.shape)

    emitter.set_tile(op.result, rearrange(emitter.builder, source, shape, source_of))


@handles("vector.shape_cast")
def shape_cast(emitter: KernelEmitter, op: Operation) -> None:
    shape, _ = shape_of(op.result.type)
    source = emitter.tile(op.operands[0])
    emitter.set_tile(op.result, rearrange(emitter.builder, source, shape, lambda flat: flat))


@handles("vector.transpose")
def transpose(emitter: KernelEmitter, op: Operation) -> None:
    source = emitter.tile(op.operands[0])
    permutation = op.attributes["permutation"]
    assert isinstance(permutation, DenseArrayAttr)
    shape, _ = shape_of(op.result.type)
    if tuple(permutation.values) == (1, 0) and shape[0] % BLOCK == 0 and shape[1] >= BLOCK // 4:
        emitter.set_tile(op.result, transpose_blocks(emitter.builder, source))
        return

    def source_of(flat: int) -> int:
        index = [0] * len(shape)
        for i, axis in zip(coordinates(flat, shape), permutation.values, strict=True):
            index[int(axis)] = i
        return flatten(index, source.shape)

    emitter.set_tile(op.result, rearrange(emitter.builder, source, shape, source_of))


@handles("vector.extract")
def vector_extract(emitter: KernelEmitter, op: Operation) -> None:
    """The element or sub-tile at a static position of the leading dims."""
    source = emitter.tile(op.operands[0])
    position = op.attributes["static_position"]
    assert isinstance(position, DenseArrayAttr)
    shape, _ = shape_of(op.result.type)
    start = flatten([*map(int, position.values), *[0] * len(shape)], source.shape)
    emitter.set_tile(op.result, rearrange(emitter.builder, source, shape, lambda flat: start + flat))


@handles("tile.iota")
def iota(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.Iota)
    shape, dtype = shape_of(op.result.type)
    lanes = part_lanes(shape, dtype)
    count = lanes.count or 1
    parts = []
    for first in range(0, math.prod(shape), count):
        values = [coordinates(first + lane, shape)[op.axis] for lane in range(count)]
        if lanes.count is None:
            parts.append(str(values[0]))
        elif len(set(values)) == 1:
            parts.append(lanes.constant(values[0]))
        else:
            parts.append("<" + ", ".join(f"i64 {value}" for value in values) + ">")
    emitter.set_parts(op.result, parts)


@handles("tile.convert_layout", "tile.mma_wait")
def same(emitter: KernelEmitter, op: Operation) -> None:
    """Layouts and asynchronous products are a GPU's matter."""
    emitter.set_tile(op.result, emitter.tile(op.operands[0]))


# Reductions


@handles("tile.reduce")
def reduce(emitter: KernelEmitter, op: Operation) -> None:
    assert isinstance(op, tile.Reduce)
    builder, source = emitter.builder, emitter.tile(op.source)
    half = is_narrow(source.dtype)
    lanes = source.lanes
    parts = list(source.parts)
    if half:
        parts, lanes = [extend(builder, source.dtype, lanes, p) for p in parts], lanes.of("float")
    rank = len(source.shape)
    across = rank - 1 in op.axes
    groups = _groups(source, [a for a in op.axes if a != rank - 1], across)
    reduced = [_tree(builder, op.kind, lanes, [parts[i] for i in group]) for group in groups]
    if across:
        reduced = [_across(builder, op.kind, lanes, part) for part in reduced]
        lanes = Lanes(lanes.element)
    if half:
        reduced = [truncate(builder, source.dtype, lanes, p) for p in reduced]
    shape, dtype = shape_of(op.result.type)
    if not across or not shape:
        emitter.set_parts(op.result, reduced)
        return
    column = Tile((len(reduced), 1), dtype, tuple(reduced))
    emitter.set_tile(op.result, rearrange(builder, column, shape, lambda flat: flat))


def _groups(source: Tile, axes: Sequence[int], across: bool) -> list[list[int]]:
    """Which parts combine to one, for each part of the result in order."""
    per_row = max(source.shape[-1] // (source.lanes.count or 1), 1)
    outer = (*source.shape[:-1], per_row)
    merged = {*axes, *([len(outer) - 1] if across else [])}
    groups: dict[tuple[int, ...], list[int]] = {}
    for part in range(len(source.parts)):
        index = coordinates(part, outer)
        key = tuple(i for axis, i in enumerate(index) if axis not in merged)
        groups.setdefault(key, []).append(part)
    return list(groups.values())


def _tree(builder: Builder, kind: str, lanes: Lanes, parts: list[str]) -> str:
    """Combine parts pairwise, which keeps the chain of dependences short."""
    while len(parts) > 1:
        pairs = [parts[i : i + 2] for i in range(0, len(parts), 2)]
        parts = [combine(builder, kind, lanes, *pair) if len(pair) == 2 else pair[0] for pair in pairs]
    return parts[0]


def combine(builder: Builder, kind: str, lanes: Lanes, a: str, b: str) -> str:
    """One step of a reduction."""
    if kind in ("max", "min"):
        if lanes.is_float:
            return extremum(builder, lanes, kind, a, b)
        return builder.intrinsic(_INTEGER[kind], lanes, a, b)
    instruction = f"f{kind} reassoc contract" if lanes.is_float else _INTEGER[kind]
    return builder.define(kind, f"{instruction} {lanes} {a}, {b}")


def _across(builder: Builder, kind: str, lanes: Lanes, part: str) -> str:
    """Combine the lanes of one part."""
    if lanes.count is None:
        return part
    scalar = Lanes(lanes.element)
    if not lanes.is_float:
        return builder.call(kind, scalar, f"llvm.vector.reduce.{_INTEGER[kind]}.{lanes.suffix}", [(lanes, part)])
    if kind in ("max", "min"):
        return builder.call(kind, scalar, f"llvm.vector.reduce.f{kind}imum.{lanes.suffix}", [(lanes, part)])
    name, start = f"llvm.vector.reduce.f{kind}.{lanes.suffix}", scalar.constant(-0.0 if kind == "add" else 1.0)
    builder.declarations.add(f"declare {scalar} @{name}({scalar}, {lanes})")
    return builder.define(kind, f"call reassoc contract {scalar} @{name}({scalar} {start}, {lanes} {part})")


# Matrix products


@handles("tile.mma")
def mma(emitter: KernelEmitter, op: Operation) -> None:
    """For each k a column of scalars times a row of vectors, by fused multiply-adds into the accumulators."""
    assert isinstance(op, tile.Mma)
    if op.instruction == tile.DOT_BF16:
        dots(emitter, op)
        return
    if op.instruction != "fma":
        op.fail(f"has no LLVM code for the instruction '{op.instruction}'")
    builder = emitter.builder
    a, b, acc = emitter.tile(op.a), emitter.tile(op.b), emitter.tile(op.acc)
    if op.trans_a:
        a = _transposed(builder, a)
    if op.trans_b:
        b = _transposed(builder, b)
    (rows, depth), per_row = a.shape, len(acc.parts) // acc.shape[0]
    parts = list(acc.parts)
    for k in range(depth):
        row = [_widened(builder, b, p, acc) for p in b.parts[k * per_row : (k + 1) * per_row]]
        for m in range(rows):
            scalar = _element(builder, a, m * depth + k, acc)
            factor = splat(builder, scalar, acc.lanes)
            for n in range(per_row):
                parts[m * per_row + n] = _multiply_add(builder, acc.lanes, factor, row[n], parts[m * per_row + n])
    emitter.set_tile(op.result, acc.with_parts(parts))


def dots(emitter: KernelEmitter, op: tile.Mma) -> None:
    """For each pair of k a column of pairs, each for all lanes, times a row of pairs."""
    builder = emitter.builder
    a, b, acc = (emitter.tile(value) for value in (op.a, op.b, op.acc))
    (rows, depth), columns = a.shape, acc.shape[1]
    rows_of_b = b.shape[0]
    if not op.paired:  # neighbours along k come together
        rows_of_b //= 2
        b = rearrange(builder, b, (rows_of_b, 2 * columns), lambda flat: _unpaired(flat, columns))
    width = math.gcd(acc.lanes.count or 1, (b.lanes.count or 1) // 2)
    cut = rearrange(builder, acc, (acc.shape[0] * columns // width, width), lambda flat: flat)
    pairs = rearrange(builder, b, (rows_of_b * columns // width, 2 * width), lambda flat: flat)
    lanes, parts, per_row = cut.lanes, list(cut.parts), columns // width
    right = [builder.define("pairs", f"bitcast {pairs.lanes} {part} to {lanes.of('i32')}") for part in pairs.parts]
    factors = rearrange(builder, a, (rows * depth // 2, 2), lambda flat: flat)
    for k in range(depth // 2):
        for m in range(rows):
            factor = factors.parts[m * (depth // 2) + k]
            pair = builder.define("pair", f"bitcast {factors.lanes} {factor} to i32")
            for n in range(per_row):
                place = m * per_row + n
                parts[place] = dot(builder, lanes, parts[place], pair, right[k * per_row + n])
    emitter.set_tile(op.result, rearrange(builder, cut.with_parts(parts), acc.shape, lambda flat: flat))


def _unpaired(flat: int, columns: int) -> int:
    """Where element `flat` of rows of pairs is in rows of elements."""
    row, place = divmod(flat, 2 * columns)
    return (2 * row + place % 2) * columns + place // 2


def _transposed(builder: Builder, source: Tile) -> Tile:
    rows, columns = source.shape
    return rearrange(builder, source, (columns, rows), lambda flat: flat % rows * columns + flat // rows)


def _element(builder: Builder, source: Tile, flat: int, acc: Tile) -> str:
    """An element of a tile as a scalar of the accumulator's type."""
    part, lane = divmod(flat, source.lanes.count or 1)
    scalar = extract(builder, source.parts[part], source.lanes, lane)
    return _convert(builder, source, Lanes(source.lanes.element), scalar, acc)


def _widened(builder: Builder, source: Tile, part: str, acc: Tile) -> str:
    return _convert(builder, source, source.lanes, part, acc)


def _convert(builder: Builder, source: Tile, lanes: Lanes, value: str, acc: Tile) -> str:
    to = lanes.of(acc.lanes.element)
    if lanes == to:
        return value
    if not source.dtype.is_float:
        return builder.define("wide", f"sext {lanes} {value} to {to}")
    return extend(builder, source.dtype, lanes, value)


def _multiply_add(builder: Builder, lanes: Lanes, a: str, b: str, c: str) -> str:
    if lanes.is_float:
        return builder.intrinsic("fma", lanes, a, b, c, hint="acc")
    product = builder.define("product", f"mul {lanes} {a}, {b}")
    return builder.define("acc", f"add {lanes} {c}, {product}")
