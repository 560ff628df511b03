"""Thread blocks of attention on a GPU: how heads and queries are shared among them, and sizes."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...ir import symbols
from ...ir.attributes import DictAttr, IntegerAttr
from ...ir.dialects.nn.base import shape
from ...ir.dialects.nn.contraction import Attention
from ...ir.symbols import Dim
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .indices import Indices


@dataclass(frozen=True)
class AttentionSchedule:
    """A block takes `rows` queries, and `keys` keys at a time, `stages` such steps in flight.

    `warps_m` x `warps_n` warps share queries x keys. With `hoist_queries` the queries stay in registers.
    """

    rows: int
    keys: int
    warps_m: int
    warps_n: int
    stages: int
    hoist_queries: int

    @property
    def threads(self) -> int:
        return 32 * self.warps_m * self.warps_n

    def to_attribute(self) -> DictAttr:
        return DictAttr.of({f.name: IntegerAttr(getattr(self, f.name)) for f in fields(self)})

    @staticmethod
    def from_attribute(attribute: DictAttr) -> AttentionSchedule:
        """The schedule a kernel carries. Raises ValueError where it is not one of attention."""
        values = {name: value.value for name, value in attribute.items if isinstance(value, IntegerAttr)}
        if values.keys() != {f.name for f in fields(AttentionSchedule)}:
            raise ValueError(f"not the schedule of attention: {attribute}")
        return AttentionSchedule(**values)


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
) -> DictAttr | str:
    """Sizes for usual numbers of (batch, rows, keys)."""
    batch, rows, _ = usual
    programs = batch * heads.programs
    width = max(heads.size, heads.value)
    if width > 256:
        return f"heads of size {width} do not fit into registers"
    step = 64 if width * dtype.bytes <= 256 else 32
    if rows <= 16:
        schedule = AttentionSchedule(16, 64, 1, 4, 3, 0)
    elif programs * -(-rows // 128) >= target.multiprocessors and width <= 64:
        schedule = AttentionSchedule(128, step, 4, 1, 2, 1)
    elif programs * -(-rows // 64) >= target.multiprocessors or width > 128:
        schedule = AttentionSchedule(64, step, 4, 1, 2, int(width * dtype.bytes <= 256))
    else:
        schedule = AttentionSchedule(32, step, 2, 1, 2, int(width * dtype.bytes <= 256))
    return schedule.to_attribute()
