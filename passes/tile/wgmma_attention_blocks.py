"""Thread blocks of attention by `wgmma`: sizes, and which of them suit a problem."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .attention_blocks import FEWEST_KEYS, Heads, multiple
from .cuda_stages import SPAN
from .schedule import Schedule
from .wgmma_blocks import ROWS, WARPGROUP

WIDEST_HEAD = 256
REGISTERS = {1: None, 2: (24, 240), 3: (32, 160)}
"""Registers a thread of the producer and of the consumers, by the number of groups, where an even share is too few."""
_SPARE = 2048
"""Shared memory that barriers and alignment take at most."""


@dataclass(frozen=True)
class WgmmaAttentionSchedule(Schedule):
    """A block takes 64 queries for each of `groups` groups of four warps, and `keys` keys at a time, `stages` of them
    under way. The keys are split among `splits` blocks, a cluster.
    """

    subject = "attention by wgmma"

    groups: int
    keys: int
    stages: int
    splits: int = 1

    @property
    def rows(self) -> int:
        return self.groups * ROWS

    @property
    def producers(self) -> int:
        """Warps of the producer: a whole group where groups give registers away."""
        return 1 if REGISTERS[self.groups] is None else WARPGROUP

    @property
    def threads(self) -> int:
        return 32 * (WARPGROUP * self.groups + self.producers)

    def shared_bytes(self, heads: Heads, dtype: Scalar) -> int:
        """With what barriers and alignment take at most."""
        size, value = widths(heads, dtype)
        elements = self.rows * size + self.stages * self.keys * (size + value)
        gathered = 4 * self.kept_rows(heads) * (value + 2) if self.splits > 1 else 0
        return elements * dtype.bytes + gathered + _SPARE

    def kept_rows(self, heads: Heads) -> int:
        """Rows of a tile that may be queries."""
        return min(self.rows, multiple(heads.rows, 8)) if isinstance(heads.rows, int) else self.rows


def widths(heads: Heads, dtype: Scalar) -> tuple[int, int]:
    """Elements of a query or key and of a value in whole panels."""
    panel = SPAN // dtype.bytes
    return multiple(heads.size, panel), multiple(heads.value, panel)


def candidates(
    heads: Heads, usual: tuple[int, int, int], dtype: Scalar, target: CudaTarget
) -> list[WgmmaAttentionSchedule]:
    """Blocks that fit, for usual numbers of (batch, rows, keys): first the one that should be fastest."""
    batch, rows, keys = usual
    width = max(widths(heads, dtype))
    if width > WIDEST_HEAD:
        return []
    if rows <= ROWS:
        found = _decoding(batch * heads.programs, keys, width, target)
    else:
        found = [WgmmaAttentionSchedule(groups, step, stages) for groups, step, stages in _SHAPES[width]]
    return [one for one in found if one.shared_bytes(heads, dtype) <= target.shared_bytes_per_block]


_SHAPES = {
    64: ((2, 128, 3), (3, 128, 3), (2, 192, 2), (2, 64, 4)),
    128: ((2, 128, 2), (2, 64, 4), (3, 64, 2)),
    192: ((2, 64, 2), (1, 64, 2)),
    256: ((2, 64, 2), (1, 64, 2)),
}
"""Groups, keys and stages by the width of a head, the first usually the fastest on an H200."""


def _decoding(programs: int, keys: int, width: int, target: CudaTarget) -> list[WgmmaAttentionSchedule]:
    """Blocks for few queries: so many that all multiprocessors have some keys, several of them on each."""
    most = [n for n in (1, 2, 4, 8) if n == 1 or n * FEWEST_KEYS <= keys]
    enough = next((n for n in most if n * programs >= 0.9 * target.multiprocessors), most[-1])
    order = [enough, *(n for n in most if n != enough)]
    step, stages = (64, 4) if width <= 64 else (64, 3) if width <= 128 else (64, 2)
    return [WgmmaAttentionSchedule(1, step, stages, splits) for splits in order]
