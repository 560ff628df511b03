"""Thread blocks of attention on a GPU: how heads and queries are shared among them, and sizes."""

from __future__ import annotations

from dataclasses import dataclass

from ...ir import symbols
from ...ir.dialects.nn.base import shape
from ...ir.dialects.nn.contraction import Attention
from ...ir.symbols import Dim
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .cluster import has_clusters
from .indices import Indices
from .schedule import Schedule

WIDEST_HEAD = 256
SMALLEST = 32
"""Queries of the smallest block of more than a decoder's."""
DECODING = 16
"""The most queries of a block whose warps share keys instead of queries."""
FEWEST_KEYS = 128
"""Keys that are worth a block of their own."""
ENOUGH = 1.0
"""Blocks a multiprocessor, from which larger ones are better."""


@dataclass(frozen=True)
class AttentionSchedule(Schedule):
    """A block takes `rows` queries, and `keys` keys at a time, `stages` such steps in flight.

    `warps_m` x `warps_n` warps share queries x keys. With `hoist_queries` the queries stay in registers. The keys are
    split among `splits` blocks, a cluster.
    """

    subject = "attention"

    rows: int
    keys: int
    warps_m: int
    warps_n: int
    stages: int
    hoist_queries: int
    splits: int = 1

    @property
    def threads(self) -> int:
        return 32 * self.warps_m * self.warps_n

    def shared_bytes(self, heads: Heads, dtype: Scalar) -> int:
        """Queries and stages of keys and values, sizes of heads rounded up, and what warps exchange."""
        size, value = (-(-n // 32) * 32 for n in (heads.size, heads.value))
        elements = self.rows * size + self.stages * self.keys * (size + value)
        exchanged = self.rows * self.keys if self.splits == 1 else self.rows * (value + 2)
        return elements * dtype.bytes + 4 * exchanged


@dataclass(frozen=True)
class Heads:
    """Sizes of an attention. With `packed` the rows of a program are the query heads that share a key head, one query
    each; else they are the queries of one head."""

    batch: Dim
    heads: int
    groups: int
    queries: Dim
    keys: Dim
    size: int
    value: int

    @staticmethod
    def of(root: Attention) -> Heads | None:
        """None where heads or their sizes are symbolic."""
        batch, heads, queries, size = shape(root.q)
        groups, keys, value = shape(root.k)[1], shape(root.k)[2], shape(root.v)[3]
        if not all(isinstance(n, int) for n in (heads, groups, size, value)):
            return None
        return Heads(batch, heads, groups, queries, keys, size, value)  # type: ignore[arg-type]

    @property
    def members(self) -> int:
        """Query heads a key head."""
        return self.heads // self.groups

    @property
    def packed(self) -> bool:
        return self.queries == 1 and self.members > 1

    @property
    def programs(self) -> int:
        """Programs along the heads."""
        return self.groups if self.packed else self.heads

    @property
    def rows(self) -> Dim:
        return self.members if self.packed else self.queries

    def query(self, head: Dim, row: Dim) -> tuple[Dim, Dim]:
        """The query head and the query of a row of the program for `head`."""
        return (head * self.members + row, 0) if self.packed else (head, row)

    def key_head(self, head: Dim, indices: Indices) -> Dim:
        if self.packed or self.members == 1:
            return head
        return indices.derived(symbols.floordiv(head, self.members), self.groups)


def attention_instruction(dtype: Scalar, precision: str) -> str | None:
    """The matrix instruction for operands of a type; None where there is none."""
    if dtype.name in ("f16", "bf16"):
        return "mma.m16n8k16"
    if dtype.name == "f32":
        return "mma.m16n8k8" if precision == "tf32" else "mma3.m16n8k8"
    return None


def choose_attention(
    heads: Heads, usual: tuple[int, int, int], dtype: Scalar, target: CudaTarget
) -> AttentionSchedule | str:
    """Sizes for usual numbers of (batch, rows, keys): large tiles where there are enough of them for the machine."""
    batch, rows, keys = usual
    width = max(heads.size, heads.value)
    if width > WIDEST_HEAD:
        return f"heads of size {width} do not fit into registers"
    if rows <= DECODING:
        splits = _splits(batch * heads.programs, keys, target)
        schedule = AttentionSchedule(DECODING, 64, 1, 4, 3 if width * dtype.bytes <= 256 else 2, 0, splits)
        if schedule.shared_bytes(heads, dtype) <= target.shared_bytes_per_block:
            return schedule
    for schedule in _candidates(width * dtype.bytes // 2):
        blocks = batch * heads.programs * -(-rows // schedule.rows)
        fits = schedule.shared_bytes(heads, dtype) <= target.shared_bytes_per_block
        if fits and (blocks >= ENOUGH * target.multiprocessors or schedule.rows <= SMALLEST):
            return schedule
    return f"{target.name} has too little shared memory for heads of size {width}"


def _splits(programs: int, keys: int, target: CudaTarget) -> int:
    """How many blocks share the keys of a program, so that all multiprocessors have some."""
    if not has_clusters(target):
        return 1
    wanted = min(target.multiprocessors // programs, keys // FEWEST_KEYS)
    return next((n for n in (8, 4, 2) if n <= wanted), 1)


def _candidates(width: int) -> list[AttentionSchedule]:
    """The largest first; `width` is the size of a head in 16-bit elements. Fitted to an H200."""
    if width <= 64:
        large = AttentionSchedule(128, 64, 4, 1, 2, 1)
        return [large, AttentionSchedule(64, 64, 4, 1, 3, 1), AttentionSchedule(SMALLEST, 64, 2, 1, 2, 1)]
    if width <= 128:
        large = AttentionSchedule(128, 32, 4, 1, 2, 0)
        return [large, AttentionSchedule(64, 64, 4, 1, 2, 1), AttentionSchedule(SMALLEST, 64, 2, 1, 2, 1)]
    return [AttentionSchedule(64, 32, 4, 1, 2, 0), AttentionSchedule(SMALLEST, 32, 2, 1, 2, 0)]
