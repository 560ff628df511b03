"""Thread blocks of attention by `wgmma`: sizes, and which of them suit a problem."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .attention_blocks import FEWEST_KEYS, Heads, Problem, multiple
from .cuda_stages import SPAN
from .schedule import Schedule
from .wgmma_blocks import ROWS, WARPGROUP

WIDEST_HEAD = 256
REGISTERS = {2: (24, 240), 3: (32, 160)}
"""Registers a thread of the producer and of the consumers, by the number of groups that share keys."""
_SPARE = 2048
"""Shared memory that barriers and alignment take at most."""


@dataclass(frozen=True)
class WgmmaAttentionSchedule(Schedule):
    """A block takes `keys` keys at a time, `stages` of them under way, for `groups` groups of four warps.

    Without `splits` each group has 64 queries of its own, and with `turns` the groups start their products one after
    the other. Else all have the same 64 queries and each every `groups`-th of the blocks of keys, which are split among
    `splits` blocks, a cluster.
    """

    subject = "attention by wgmma"

    groups: int
    keys: int
    stages: int
    turns: int = 0
    splits: int = 0

    @property
    def rows(self) -> int:
        return ROWS if self.splits else self.groups * ROWS

    @property
    def cluster(self) -> int:
        """Blocks that share the keys of a tile of queries."""
        return max(self.splits, 1)

    @property
    def registers(self) -> tuple[int, int] | None:
        """Of the producer and of the consumers, where an even share is too few."""
        return None if self.splits else REGISTERS.get(self.groups)

    @property
    def producers(self) -> int:
        """Warps of the producer: a whole group where it gives registers away."""
        return 1 if self.registers is None else WARPGROUP

    @property
    def threads(self) -> int:
        return 32 * (WARPGROUP * self.groups + self.producers)

    def shared_bytes(self, heads: Heads, dtype: Scalar) -> int:
        """With what barriers and alignment take at most."""
        size, value = widths(heads, dtype)
        elements = self.rows * size + self.stages * self.keys * (size + value)
        gathered = 4 * self.groups * self.kept_rows(heads) * (value + 2) if self.splits else 0
        return elements * dtype.bytes + gathered + _SPARE

    def kept_rows(self, heads: Heads) -> int:
        """Rows of a tile that may be queries."""
        return min(self.rows, multiple(heads.rows, 8)) if isinstance(heads.rows, int) else self.rows


def widths(heads: Heads, dtype: Scalar) -> tuple[int, int]:
    """Elements of a query or key and of a value in whole panels."""
    panel = SPAN // dtype.bytes
    return multiple(heads.size, panel), multiple(heads.value, panel)


def ranked(heads: Heads, problem: Problem, dtype: Scalar, target: CudaTarget) -> list[WgmmaAttentionSchedule]:
    """Blocks that fit, the one whose model time is least first."""
    width = max(widths(heads, dtype))
    if width > WIDEST_HEAD:
        return []
    shapes = _streams(problem, width) if problem.rows <= ROWS else list(_SHAPES[width])
    fitting = [one for one in shapes if one.shared_bytes(heads, dtype) <= target.shared_bytes_per_block]
    return sorted(fitting, key=lambda one: seconds(one, heads, problem, dtype, target))


_S = WgmmaAttentionSchedule
# Seconds, fitted to an H200 whose launches overlap.
_SHAPES = {
    64: {_S(3, 128, 3): 6.6e-11, _S(2, 192, 2): 7.2e-11, _S(2, 128, 3): 7.7e-11, _S(1, 128, 2): 1.1e-10},
    128: {_S(2, 176, 2, 1): 1.08e-10, _S(2, 128, 2, 1): 1.11e-10, _S(1, 128, 2): 1.9e-10},
    192: {_S(2, 80, 2, 1): 1.6e-10, _S(1, 64, 2): 2.9e-10},
    256: {_S(2, 64, 2, 1): 2.0e-10, _S(1, 64, 2): 3.5e-10},
}
"""By the width of a head: blocks, and what a query and a key take one alone on a multiprocessor."""
BLOCK = 3.0e-6
"""Before the first and after the last keys of a block."""
MOST_TOGETHER = 3
"""Blocks of one group on a multiprocessor, which fill its tensor cores."""
CROWDED = 1.4
"""How much longer they then take than groups of one block."""
STREAM = 3.0e-6
"""Where keys are split: the launch, and the last products."""
EXCHANGE = 3.0e-7
"""What another block of the cluster adds to that."""
STREAMED = 0.77
"""The part of the memory's bandwidth that keys are then read with."""
STEP = (4.3e-7, 9.6e-12)
"""What a block takes from one of its steps to the next: this, and this a byte of keys and values."""


def seconds(
    schedule: WgmmaAttentionSchedule, heads: Heads, problem: Problem, dtype: Scalar, target: CudaTarget
) -> float:
    """The time of the whole attention: rounds of blocks, or what memory takes."""
    width = max(widths(heads, dtype))
    if schedule.splits:
        steps = -(-problem.keys // (schedule.keys * schedule.splits * schedule.groups))
        rounds = math.ceil(problem.programs * schedule.splits / (2 * target.multiprocessors))
        step = STEP[0] + STEP[1] * schedule.keys * sum(widths(heads, dtype)) * dtype.bytes
        memory = problem.key_bytes / (STREAMED * target.bandwidth)
        return STREAM + EXCHANGE * schedule.splits + max(memory, rounds * steps * step)
    cells = _SHAPES[width]
    blocks = -(-problem.rows // schedule.rows) * problem.programs
    room = target.shared_bytes_per_multiprocessor // (schedule.shared_bytes(heads, dtype) + 1024)
    together, cell = 1, cells[schedule]
    if schedule.groups == 1:
        together = min(-(-blocks // target.multiprocessors), room, MOST_TOGETHER)
        cell = max(cell, together * CROWDED * min(cells.values()))
    rounds = blocks / (target.multiprocessors * together)
    loop = -(-problem.keys // schedule.keys) * schedule.keys * schedule.rows * cell
    if problem.seen == 1:
        return math.ceil(rounds) * (BLOCK + loop)
    return max(BLOCK + loop, rounds * (BLOCK + problem.seen * loop))


def _streams(problem: Problem, width: int) -> list[WgmmaAttentionSchedule]:
    """Blocks for few queries, the keys in 1 to 8 parts."""
    parts = [n for n in (8, 4, 2, 1) if n == 1 or n * FEWEST_KEYS <= problem.keys]
    return [_S(*shape, 0, splits) for shape in _STREAMS[width] for splits in parts]


_STREAMS = {64: ((1, 64, 4), (1, 32, 6)), 128: ((1, 64, 2), (1, 32, 4)), 192: ((1, 32, 3),), 256: ((1, 32, 3),)}
"""Groups, keys and stages where memory is what takes time: two blocks fit on a multiprocessor or more."""
