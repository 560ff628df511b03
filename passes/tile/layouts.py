"""The layouts that ops ask for: matrix fragments, coalesced accesses, and what follows from an op's other tiles."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...ir.attributes import DenseArrayAttr
from ...ir.core import Operation, Value
from ...ir.dialects import tile
from ...ir.layout import LANES, Layout, Mode, blocked
from ...ir.types import MemRefType, VectorType

WIDEST = 16
"""Bytes of the widest access of a thread."""


def fragments(
    instruction: str, m: int, n: int, k: int, warps: tuple[int, int], paired: bool = False
) -> tuple[Layout, Layout, Layout]:
    """Layouts of A (MxK), B (KxN) and the accumulator for warp matrix instructions, `warps` of them along M and N.

    `paired`: a thread has neighbours along K, as it has along N in an accumulator; with 16-bit operands it always has.
    Raises ValueError where the tile is no multiple of the instruction's.
    """
    depth = int(instruction.rpartition("k")[2])
    (tall, uneven_m), (wide, uneven_n), (deep, uneven_k) = (
        divmod(m, 16 * warps[0]),
        divmod(n, 8 * warps[1]),
        divmod(k, depth),
    )
    if uneven_m or uneven_n or uneven_k:
        raise ValueError(f"a tile of {m}x{n}x{k} is not made of '{instruction}' for {warps[0]}x{warps[1]} warps")
    rows, columns = Mode(warps[0], (16 * tall, 0)), Mode(warps[1], (0, 8 * wide))
    same_rows, same_columns = Mode(warps[0], (0, 0)), Mode(warps[1], (0, 0))
    # 16-bit operands come in pairs along K, 32-bit ones one by one. The order along K is free if both agree in it.
    pair, half, lane = (2, 8, 2) if depth == 16 else (1, 1, 2) if paired else (1, 4, 1)
    a = Layout.of(
        (m, k),
        [Mode(pair, (0, 1)), Mode(2, (8, 0)), Mode(2, (0, half)), Mode(tall, (16, 0)), Mode(deep, (0, depth))],
        [Mode(4, (0, lane)), Mode(8, (1, 0))],
        [rows, same_columns],
    )
    b = Layout.of(
        (k, n),
        [Mode(pair, (1, 0)), Mode(2, (half, 0)), Mode(wide, (0, 8)), Mode(deep, (depth, 0))],
        [Mode(4, (lane, 0)), Mode(8, (0, 1))],
        [same_rows, columns],
    )
    acc = Layout.of(
        (m, n),
        [Mode(2, (0, 1)), Mode(2, (8, 0)), Mode(tall, (16, 0)), Mode(wide, (0, 8))],
        [Mode(4, (0, 2)), Mode(8, (1, 0))],
        [rows, columns],
    )
    return a, b, acc


def warpgroup_fragments(m: int, n: int, k: int, depth: int, warps: tuple[int, int]) -> tuple[Layout, Layout, Layout]:
    """Layouts of A in registers, B (always in shared memory) and the accumulator for `wgmma`, four warps a group.

    Raises ValueError where the tile is no multiple of the instruction's.
    """
    (tall, uneven_m), (wide, uneven_n), (deep, uneven_k) = (
        divmod(m, 16 * warps[0]),
        divmod(n, 8 * warps[1]),
        divmod(k, depth),
    )
    if uneven_m or uneven_n or uneven_k or warps[0] % 4:
        raise ValueError(f"a tile of {m}x{n}x{k} is not made of 'wgmma' for {warps[0]}x{warps[1]} warps")
    groups = [Mode(4, (16, 0)), Mode(warps[0] // 4, (64 * tall, 0))]
    pair, half = (2, 8) if depth == 16 else (1, 4)
    a = Layout.of(
        (m, k),
        [Mode(pair, (0, 1)), Mode(2, (8, 0)), Mode(2, (0, half)), Mode(deep, (0, depth)), Mode(tall, (64, 0))],
        [Mode(4, (0, pair)), Mode(8, (1, 0))],
        [*groups, Mode(warps[1], (0, 0))],
    )
    acc = Layout.of(
        (m, n),
        [Mode(2, (0, 1)), Mode(2, (8, 0)), Mode(wide, (0, 8)), Mode(tall, (64, 0))],
        [Mode(4, (0, 2)), Mode(8, (1, 0))],
        [*groups, Mode(warps[1], (0, 8 * wide))],
    )
    return a, acc, acc


def multiply_add(m: int, n: int, k: int, threads: int) -> tuple[Layout, Layout, Layout]:
    """Layouts for plain multiply-adds: each thread has rows and runs of four columns of the accumulator."""
    run = math.gcd(n, 4)
    across = math.gcd(n // run, 8)
    down = LANES // across
    left = threads // LANES
    warps_down = math.gcd(m // math.gcd(m, down), left)
    while warps_down * warps_down > left and warps_down % 2 == 0:
        warps_down //= 2
    warps_across = math.gcd(n // (run * across), left // warps_down)
    spare = left // (warps_down * warps_across)
    real_down = math.gcd(m, down)
    acc = Layout.of(
        (m, n),
        [
            Mode(run, (0, 1)),
            Mode(m // (real_down * warps_down), (real_down * warps_down, 0)),
            Mode(n // (run * across * warps_across), (0, run * across * warps_across)),
        ],
        [Mode(across, (0, run)), Mode(real_down, (1, 0)), Mode(down // real_down, (0, 0))],
        [Mode(warps_down, (real_down, 0)), Mode(warps_across, (0, run * across)), Mode(spare, (0, 0))],
    )
    return _with_depth(acc.squeeze((1,)), k, 1), _with_depth(acc.squeeze((0,)), k, 0), acc


def _with_depth(layout: Layout, k: int, axis: int) -> Layout:
    """A tile of size 1 along `axis` made `k` deep, all in registers."""
    shape = tuple(k if d == axis else n for d, n in enumerate(layout.shape))
    depth = Mode(k, tuple(int(d == axis) for d in range(2)))
    registers = [depth, *layout.registers] if axis == 1 else [*layout.registers, depth]
    return Layout.of(shape, registers, layout.lanes, layout.warps)


def of_mma(op: tile.Mma, threads: int) -> tuple[Layout, Layout, Layout]:
    """Layouts of the operands as they stand (transposed ones transposed) and of the result."""
    m, n = _shape(op.result)
    k = op.depth
    if op.instruction == "fma":
        a, b, acc = multiply_add(m, n, k, threads)
    else:
        op.require(op.warps is not None and len(op.warps) == 2, "needs 'warps': how many along M and N")
        assert op.warps is not None
        warps = (op.warps[0], op.warps[1])
        if op.is_asynchronous:
            depth = int(op.instruction.rpartition("k")[2])
            a, b, acc = warpgroup_fragments(m, n, k, depth, warps)
        else:
            a, b, acc = fragments(op.instruction, m, n, k, warps, op.paired)
    return (a.transpose((1, 0)) if op.trans_a else a), (b.transpose((1, 0)) if op.trans_b else b), acc


def of_access(op: tile.Load | tile.Store, threads: int, reduced: Sequence[int]) -> Layout:
    """Neighbouring threads at neighbouring addresses; warps side by side along dims that are not `reduced`."""
    value = op.result if isinstance(op, tile.Load) else op.value
    shape = _shape(value)
    memref = op.memref.type
    assert isinstance(memref, MemRefType)
    order = sorted(range(len(shape)), key=lambda v: (-op.dims[v], op.steps[v]) if op.dims[v] >= 0 else (1, 0))
    vector = 1
    if order and op.dims[order[0]] == len(memref.shape) - 1 and op.steps[order[0]] == 1:
        vector = max(min(op.alignment, WIDEST) // memref.dtype.bytes, 1)
    while vector > 1 and math.prod(shape) < vector * threads:
        vector //= 2
    return blocked(shape, threads, vector, order, _warp_order(order, reduced))


def of_tile(value: Value, threads: int, reduced: Sequence[int]) -> Layout:
    """A layout where nothing asks for a better one: along the last dim first."""
    shape = _shape(value)
    order = list(reversed(range(len(shape))))
    return blocked(shape, threads, 1, order, _warp_order(order, reduced))


def _warp_order(order: Sequence[int], reduced: Sequence[int]) -> list[int]:
    return sorted(order, key=lambda d: d in reduced)


def source_of_broadcast(result: Layout, source: Sequence[int]) -> Layout:
    """The layout of what is broadcast, so that every thread has what it repeats."""
    fixed = [d for d, n in enumerate(source) if n == 1]
    return result.drop(range(len(result.shape) - len(source))).squeeze(fixed)


def source_of_reduction(result: Layout, source: Sequence[int], axes: Sequence[int]) -> Layout | None:
    """The layout of rows whose sums come as `result`: lanes that have the same sum share the row. None where no lanes
    have."""
    axis = len(source) - 1
    if tuple(axes) != (axis,) or not result.shape or not any(mode.repeats for mode in result.lanes):
        return None
    size = source[axis]
    sharing = math.gcd(size, math.prod(mode.size for mode in result.lanes if mode.repeats))
    run = math.gcd(size // sharing, 4)

    def longer(mode: Mode, step: int = 0) -> Mode:
        return Mode(mode.size, (*mode.strides, step))

    lanes, step = [], run
    for mode in result.lanes:
        taken = mode.repeats and step * mode.size <= run * sharing
        lanes.append(longer(mode, step if taken else 0))
        step *= mode.size if taken else 1
    first, rest = Mode(run, (0,) * axis + (1,)), Mode(size // step, (0,) * axis + (step,))
    registers = [first, *map(longer, result.registers), rest]
    return Layout.of(source, registers, lanes, map(longer, result.warps))


def permutation_of(op: Operation) -> tuple[int, ...]:
    attribute = op.attributes["permutation"]
    assert isinstance(attribute, DenseArrayAttr)
    return tuple(map(int, attribute.values))


def inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    return tuple(sorted(range(len(permutation)), key=lambda d: permutation[d]))


def matrix_load(op: tile.Load, layout: Layout) -> str | None:
    """The `ldmatrix` that loads a tile in this layout; None where none does."""
    found = None if op.checked else _matrix_move(op, layout)
    return None if found is None else f"ldmatrix.{found}"


def matrix_store(op: tile.Store, layout: Layout) -> str | None:
    """The `stmatrix` that stores a tile in this layout; None where none does."""
    plain = not op.checked and op.combine is None and not any(m.repeats for m in layout.modes)
    assert isinstance(op.memref.type, MemRefType)
    found = _matrix_move(op, layout) if plain and op.memref.type.dtype.bytes == 2 else None
    return None if found is None else f"stmatrix.{found}"


def _matrix_move(op: tile.Load | tile.Store, layout: Layout) -> str | None:
    """How many 8x8 matrices an instruction moves between shared memory and a layout, and whether transposed."""
    memref = op.memref.type
    assert isinstance(memref, MemRefType)
    bytes = memref.dtype.bytes
    per_word = 4 // bytes if bytes in (2, 4) else 0
    if memref.space != "shared" or not per_word or op.alignment < WIDEST or not layout.registers:
        return None
    if isinstance(op.memref.owner, tile.Peer | tile.Peers):  # which these instructions do not reach
        return None
    if [mode.size for mode in layout.lanes] != [4, 8] or any(step != 1 for step in op.steps):
        return None
    words, rows = layout.lanes
    if per_word not in words.strides or 1 not in rows.strides or sum(words.strides) != per_word:
        return None
    first = layout.registers[0]
    if per_word == 2 and first.strides != tuple(int(s > 0) for s in words.strides):
        return None
    count = 4 if layout.register_count % (4 * per_word) == 0 and _regular(layout, per_word) else 2
    if layout.register_count % (count * per_word):
        return None
    fast = len(memref.shape) - 1
    if op.dims[words.strides.index(per_word)] == fast:
        return f"x{count}"
    if per_word == 2 and op.dims[rows.strides.index(1)] == fast:
        return f"x{count}.trans"
    return None


def _regular(layout: Layout, per_word: int) -> bool:
    """Whether every four words of registers lie at the corners of one parallelogram."""
    words = layout.register_offsets[::per_word]
    corners = {
        tuple(tuple(b - a for a, b in zip(words[first], word, strict=True)) for word in words[first : first + 4])
        for first in range(0, len(words), 4)
    }
    if len(corners) > 1:
        return False
    ((_, one, two, three),) = corners
    return all(d == b + c for b, c, d in zip(one, two, three, strict=True))


def _shape(value: Value) -> tuple[int, ...]:
    assert isinstance(value.type, VectorType)
    return value.type.shape
