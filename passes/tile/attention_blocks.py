"""Thread blocks of attention on a GPU: how heads and queries are shared among them, and sizes."""

from __future__ import annotations

from collections.abc import Callable
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
        step = 8 * max(4, self.warps_n, self.splits)
        size, value = (-(-n // step) * step for n in (heads.size, heads.value))
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


@dataclass(frozen=True)
class Problem:
    """An attention at its usual sizes: `programs` of `rows` queries by `keys`, of which they see the part `seen`."""

    programs: int
    rows: int
    keys: int
    seen: float
    size: int
    value: int

    @staticmethod
    def of(root: Attention, heads: Heads, number: Callable[[Dim], int]) -> Problem:
        batch, rows, keys = (number(n) for n in (heads.batch, heads.rows, heads.keys))
        hidden = min(rows, keys) / 2 if root.causal and not heads.packed else 0
        return Problem(batch * heads.programs, rows, keys, 1 - hidden / keys, heads.size, heads.value)

    @property
    def key_bytes(self) -> int:
        """Of all keys and values, 16 bits an element."""
        return 2 * self.programs * self.keys * (self.size + self.value)


# Seconds, fitted to an H200 whose launches overlap.
START = 2.0e-6
"""Before and after the loop of a block of many queries."""
START_DECODING = 1.0e-6
KEY = (8e-9, -1.3e-8, 4.2e-10)
"""What a key takes in a block of many queries, at least; this, and this an element of a head."""
DECODED_KEY = (1.8e-8, 1.1e-10)
"""The same for few queries."""
CROWDED = (-3e-11, 2.4e-12)
"""What a query and a key take where a multiprocessor has several blocks: this, and this an element of a head."""


def seconds(schedule: AttentionSchedule, problem: Problem, target: CudaTarget) -> float:
    """The time of a whole attention in 16-bit floats."""
    width = max(problem.size, problem.value, 32)
    if schedule.rows <= DECODING:
        blocks = problem.programs * -(-problem.rows // schedule.rows) * schedule.splits
        key = DECODED_KEY[0] + DECODED_KEY[1] * width
        return START_DECODING + -(-blocks // target.multiprocessors) * problem.keys / schedule.splits * key
    key, crowded = max(KEY[0], KEY[1] + KEY[2] * width), CROWDED[0] + CROWDED[1] * width
    cells = problem.programs * problem.rows * problem.keys * problem.seen / target.multiprocessors
    return START + max(problem.keys * key, cells * crowded)


def attention_instruction(dtype: Scalar, precision: str) -> str | None:
    """The matrix instruction for operands of a type; None where there is none."""
    if dtype.name in ("f16", "bf16"):
        return "mma.m16n8k16"
    if dtype.name == "f32":
        return "mma.m16n8k8" if precision == "tf32" else "mma3.m16n8k8"
    return None


def attention_candidates(
    heads: Heads, usual: tuple[int, int, int], dtype: Scalar, target: CudaTarget
) -> list[AttentionSchedule]:
    """Blocks that fit, for usual numbers of (batch, rows, keys): first the one that should be fastest."""
    batch, rows, keys = usual
    width = max(heads.size, heads.value)
    if width > WIDEST_HEAD:
        return []
    decoding = _decoding(batch * heads.programs, keys, target) if rows <= DECODING else []
    large = _candidates(width * dtype.bytes // 2)

    def is_enough(schedule: AttentionSchedule) -> bool:
        blocks = batch * heads.programs * -(-rows // schedule.rows)
        return blocks >= ENOUGH * target.multiprocessors or schedule.rows <= SMALLEST

    ordered = [*decoding, *filter(is_enough, large), *(one for one in large if not is_enough(one))]
    return [one for one in ordered if one.shared_bytes(heads, dtype) <= target.shared_bytes_per_block]


def _decoding(programs: int, keys: int, target: CudaTarget) -> list[AttentionSchedule]:
    """Blocks for few queries, first those that give all multiprocessors some keys."""
    usual = _splits(programs, keys, target)
    others = [n for n in (1, 2, 4, 8) if n != usual and has_clusters(target) and n * FEWEST_KEYS <= 2 * keys]
    shapes = [(64, 4, 3), (64, 4, 2), (128, 4, 2), (64, 1, 3)]
    return [
        AttentionSchedule(DECODING, step, 1, warps, stages, 0, splits)
        for splits in (usual, *others)
        for step, warps, stages in shapes
    ]


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


def multiple(size: int, step: int) -> int:
    """The least multiple of `step` that is not below `size`."""
    return -(-size // step) * step
