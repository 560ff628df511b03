"""Thread blocks that compute a tile of a contraction: sizes, and which of them suit a problem."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...ir.attributes import DictAttr, IntegerAttr
from ...ir.symbols import Dim, product
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .plans import estimate


@dataclass(frozen=True)
class BlockSchedule:
    """A block computes `m` x `n` of the result, `k` of the inner dimension at a time, with `stages` in flight.

    `warps_m` x `warps_n` warps share it.
    """

    m: int
    n: int
    k: int
    warps_m: int
    warps_n: int
    stages: int

    @property
    def threads(self) -> int:
        return 32 * self.warps_m * self.warps_n

    def shared_bytes(self, dtype: Scalar) -> int:
        return self.stages * (self.m + self.n) * self.k * dtype.bytes

    def to_attribute(self) -> DictAttr:
        return DictAttr.of({f.name: IntegerAttr(getattr(self, f.name)) for f in fields(self)})

    @staticmethod
    def from_attribute(attribute: DictAttr) -> BlockSchedule:
        """The schedule a kernel carries. Raises ValueError where it is not one of a contraction's blocks."""
        values = {name: value.value for name, value in attribute.items if isinstance(value, IntegerAttr)}
        if values.keys() != {f.name for f in fields(BlockSchedule)}:
            raise ValueError(f"not the schedule of a block: {attribute}")
        return BlockSchedule(**values)


@dataclass(frozen=True)
class _Candidate:
    """A block tile, and what part of a multiprocessor's peak it reaches when one multiprocessor is full of them."""

    m: int
    n: int
    warps_m: int
    warps_n: int
    efficiency: float


# Large tiles read shared memory less often; small ones give all multiprocessors work.
_CANDIDATES = (
    _Candidate(128, 128, 2, 4, 1.0),
    _Candidate(128, 64, 4, 2, 0.85),
    _Candidate(64, 128, 2, 4, 0.85),
    _Candidate(64, 64, 2, 2, 0.6),
    _Candidate(64, 32, 4, 1, 0.4),
    _Candidate(32, 64, 2, 2, 0.4),
    _Candidate(32, 32, 2, 2, 0.25),
    _Candidate(16, 64, 1, 4, 0.25),
    _Candidate(16, 32, 1, 4, 0.15),
)
_SPAN = 128
"""Bytes of the inner dimension in one stage: a row of shared memory that swizzling spreads over all banks."""
_START = 3000.0
"""What a block costs before and after its loop, in multiply-adds per thread block lane of the model below."""


def instruction_of(dtype: Scalar, precision: str) -> str | None:
    """The matrix instruction for operands of a type; None where there is none."""
    if dtype.name in ("f16", "bf16"):
        return "mma.m16n8k16"
    if dtype.name == "f32":
        return "mma.m16n8k8" if precision == "tf32" else "fma"
    return None


def choose_block(
    rows: Dim, columns: Dim, inner: Dim, batch: Dim, dtype: Scalar, instruction: str, target: CudaTarget
) -> BlockSchedule:
    """The block whose model time is least: waves of blocks times the time of one."""
    m, n, k, count = (estimate(size, 128) for size in (rows, columns, inner, product((batch,))))
    best: tuple[float, BlockSchedule] | None = None
    for candidate in _CANDIDATES:
        schedule = _schedule(candidate, dtype, instruction, k, target)
        if instruction == "fma" and candidate.m * candidate.n < 1024:
            continue
        blocks = -(-m // candidate.m) * -(-n // candidate.n) * count
        resident = _resident(schedule, dtype, target)
        waves = -(-blocks // (target.multiprocessors * resident))
        # A few small blocks side by side use a multiprocessor better than one of them does.
        together = min(resident, -(-blocks // target.multiprocessors))
        speed = min(1.0, candidate.efficiency * (1 + 0.5 * (together - 1)))
        time = waves * together * (candidate.m * candidate.n * (k + 64) / speed + _START * 128)
        if best is None or time < best[0]:
            best = (time, schedule)
    assert best is not None
    return best[1]


def _schedule(c: _Candidate, dtype: Scalar, instruction: str, inner: int, target: CudaTarget) -> BlockSchedule:
    depth = (_SPAN if instruction != "fma" else 64) // dtype.bytes
    # No stage beyond what there is to load.
    stages = min(4, max(2, -(-inner // depth)))
    schedule = BlockSchedule(c.m, c.n, depth, c.warps_m, c.warps_n, stages)
    while schedule.stages > 2 and schedule.shared_bytes(dtype) > target.shared_bytes_per_block * 3 // 4:
        schedule = BlockSchedule(c.m, c.n, depth, c.warps_m, c.warps_n, schedule.stages - 1)
    return schedule


def _resident(schedule: BlockSchedule, dtype: Scalar, target: CudaTarget) -> int:
    """Blocks that fit on a multiprocessor at once."""
    accumulators = schedule.m * schedule.n // schedule.threads
    registers = min(accumulators * 2 + 64, target.registers_per_thread)
    limits = (
        target.shared_bytes_per_multiprocessor // (schedule.shared_bytes(dtype) + 1024),
        target.registers_per_multiprocessor // (registers * schedule.threads),
        target.threads_per_multiprocessor // schedule.threads,
    )
    return max(min(*limits, 8), 1)
