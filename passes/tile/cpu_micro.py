"""The outer-product micro-kernel of CPU contractions: a register tile of accumulators that a loop adds products to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseArrayAttr, DenseAttr
from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.symbols import Dim, Expr
from ...ir.target import CpuTarget
from ...ir.types import Scalar, VectorType, f32, i64
from .access import Memory
from .body import TileBody

SPARE_REGISTERS = 4
"""Vector registers kept from the accumulators: a row of the right operand and a broadcast factor."""
MOST_ACCUMULATORS = 16
"""More gain nothing: these hide the latency of two multiply-adds a cycle, and narrow panels stay in the caches."""


@dataclass(frozen=True)
class MicroTile:
    """Accumulators of `rows` broadcast factors by `columns` vector lanes."""

    rows: int
    columns: int


def micro_tiles(target: CpuTarget) -> list[MicroTile]:
    """The register tiles that fit the target's registers, the tallest for each width."""
    lanes = target.lanes(32)
    accumulators = min(target.vector_registers - SPARE_REGISTERS, MOST_ACCUMULATORS)
    found = []
    for vectors in (1, 2, 3, 4):
        # A taller tile gains nothing once a row of vectors is used by this many rows.
        rows = min(accumulators // vectors, 14)
        found.append(MicroTile(rows, vectors * lanes))
    return found


def best_micro_tile(
    target: CpuTarget, rows: Dim, columns: int, inner: Dim = 256, finish: Callable[[MicroTile], float] | None = None
) -> MicroTile:
    """The register tile that covers a `rows` x `columns` result in the least time, in equal tiles."""
    return timed_micro_tile(target, rows, columns, inner, finish)[1]


def timed_micro_tile(
    target: CpuTarget, rows: Dim, columns: int, inner: Dim = 256, finish: Callable[[MicroTile], float] | None = None
) -> tuple[float, MicroTile]:
    """The best register tile for a `rows` x `columns` result behind its time, in multiply-adds of a vector."""
    return ranked_micro_tiles(target, rows, columns, inner, finish)[0]


def ranked_micro_tiles(
    target: CpuTarget, rows: Dim, columns: int, inner: Dim = 256, finish: Callable[[MicroTile], float] | None = None
) -> list[tuple[float, MicroTile]]:
    """The register tiles for a `rows` x `columns` result with their times, the least first.

    A step of a tile costs its multiply-adds and part of its loads: one a row, one a vector of columns. `finish` is what
    a tile costs beyond its `inner` steps.
    """
    lanes = target.lanes(32)
    steps = inner if isinstance(inner, int) else 256

    def time(option: MicroTile) -> float:
        vectors = option.columns // lanes
        step = max(option.rows * vectors, 4) + 0.25 * (option.rows + vectors)
        count = -(-rows // option.rows) if isinstance(rows, int) else 64 / option.rows
        return count * -(-columns // option.columns) * (steps * step + (finish(option) if finish else 0))

    options = []
    for option in micro_tiles(target):
        height = option.rows
        if isinstance(rows, int) and rows > 0:
            height = -(-rows // -(-rows // option.rows))  # equal tiles instead of a thin last one
            options += [MicroTile(n, option.columns) for n in range(max(height // 2, 1), height) if rows % n == 0]
        options.append(MicroTile(max(height, 1), option.columns))
    ranked = sorted(dict.fromkeys(options), key=lambda option: (time(option), -option.rows))
    return [(time(option), option) for option in ranked]


def unroll_of(extent: Dim, limit: int = 4) -> int:
    """The largest number of steps up to `limit` that divides a loop's extent."""
    if not isinstance(extent, int) or extent == 0:
        return 1
    return next(n for n in range(limit, 0, -1) if extent % n == 0)


def zeros(body: TileBody, rows: int, columns: int) -> Value:
    """Accumulators before the first product."""
    type = VectorType((rows, columns), f32)
    value = DenseAttr(np.zeros((rows, columns), np.float32), type)
    return body.builder.op("arith.constant", (), type, value=value)


def multiply_add(body: TileBody, a: Value, b: Value, acc: Value) -> Value:
    """acc + a @ b."""
    return body.builder.pure(tile.Mma(a, b, acc))


def multiply_pairs(body: TileBody, a: Value, b: Value, acc: Value, paired: bool = True) -> Value:
    """acc + a @ b of bf16 by pairs along the inner dim; with `paired`, b's neighbours along it are neighbours."""
    return body.builder.pure(tile.Mma(a, b, acc, tile.DOT_BF16, paired=paired))


def as_matrix(body: TileBody, value: Value, rows: int, columns: int) -> Value:
    """A register tile under another shape of as many elements."""
    type = VectorType((rows, columns), f32)
    return value if value.type == type else body.builder.op("vector.shape_cast", (value,), type)


def transposed(body: TileBody, value: Value) -> Value:
    assert isinstance(value.type, VectorType)
    rows, columns = value.type.shape
    permutation = DenseArrayAttr(i64, (1, 0))
    return body.builder.op(
        "vector.transpose", (value,), VectorType((columns, rows), value.type.dtype), permutation=permutation
    )


def accumulate(
    body: TileBody, extent: Dim, unroll: int, acc: Value, step: Callable[[Expr, int, Value], Value]
) -> Value:
    """A loop over [0, extent) in which `step(position, part of the unrolled step, acc)` adds products."""

    def loop_body(counter: Value, carried: Sequence[Value]) -> Sequence[Value]:
        position = body.indices.scalar(counter, extent, unroll)
        total = carried[0]
        for part in range(unroll):
            total = step(position, part, total)
        return [total]

    return body.loop(extent, unroll, [acc], loop_body)[0]


def over_share(body: TileBody, share: Dim, size: int, extent: int, step: Callable[[Dim], None]) -> None:
    """`step(position)` for the positions below `extent` in a share of `size` of them."""
    if size == 1:
        step(share)
        return
    first = share * size
    last = symbols.minimum(first + size, extent) if extent % size else first + size

    def each(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
        step(body.indices.scalar(counter, extent))
        return ()

    body.loop(last, 1, (), each, first=first)


def column_of(body: TileBody, memory: Memory, start: Dim, rows: int, step: int) -> Value:
    """`rows` scalars from flat memory, `step` elements apart, as a matrix of one column of f32."""
    load = tile.Load(
        memory.value,
        (body.indices.scalar_code(start),),
        (0, -1),
        (step, 1),
        result_types=[VectorType((rows, 1), memory.dtype)],
    )
    return _in_f32(body, memory, load)


def row_of(body: TileBody, memory: Memory, start: Dim, columns: int, step: int) -> Value:
    """`columns` scalars from flat memory, `step` elements apart, as a matrix of one row of f32."""
    load = tile.Load(
        memory.value,
        (body.indices.scalar_code(start),),
        (-1, 0),
        (1, step),
        result_types=[VectorType((1, columns), memory.dtype)],
    )
    return _in_f32(body, memory, load)


def _in_f32(body: TileBody, memory: Memory, load: tile.Load) -> Value:
    value = body.builder.pure(load) if memory.is_constant else body.builder.effect(load).results[0]
    if memory.dtype == f32:
        return value
    type = value.type
    assert isinstance(type, VectorType)
    return body.builder.op("arith.extf", (value,), VectorType(type.shape, f32))


def is_float_up_to_f32(dtype: Scalar) -> bool:
    """Whether products of `dtype` are computed in f32."""
    return dtype.is_float and dtype.bits <= 32
