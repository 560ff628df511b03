"""Thread blocks that compute a tile of a contraction: sizes, and which of them suit a problem."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...ir import symbols
from ...ir.dialects import kernel
from ...ir.profile import Profile
from ...ir.symbols import Dim
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .cluster import clustered_multiprocessors, has_clusters
from .cuda_stages import SPAN
from .plans import estimate
from .schedule import Schedule
from .strategies import AnyTarget

SUMS_PADDING = 8
"""Floats behind a row of what the blocks of a cluster exchange, so that a fragment's rows lie in different banks."""


@dataclass(frozen=True)
class BlockSchedule(Schedule):
    """A block computes `m` x `n` of the result, `k` of the inner dimension at a time, with `stages` in flight.

    `warps_m` x `warps_n` warps share it. With `splits` so many blocks, a cluster, share the inner dimension.
    """

    subject = "a block"

    m: int
    n: int
    k: int
    warps_m: int
    warps_n: int
    stages: int
    splits: int = 1

    @property
    def threads(self) -> int:
        return 32 * self.warps_m * self.warps_n

    def shared_bytes(self, dtype: Scalar) -> int:
        sums = self.m * (self.n + SUMS_PADDING) * 4 if self.splits > 1 else 0
        return self.stages * (self.m + self.n) * self.k * dtype.bytes + sums


@dataclass(frozen=True)
class Work:
    """A contraction as the model of time sees it: `batch` products of rows x inner by inner x columns.

    `gathered`: an operand is loaded element by element, each step waiting for memory; `run` positions of the inner
    dimension belong to one tap. Of a convolution's `taps`, all but the first read the left operand from the cache.
    `beside` operands of what follows have an element for each one of the result.
    """

    rows: int
    columns: int
    inner: int
    batch: int
    dtype: Scalar
    instruction: str
    gathered: bool = False
    run: int = 1
    taps: int = 1
    beside: int = 0


@dataclass(frozen=True)
class _Candidate:
    m: int
    n: int
    warps_m: int
    warps_n: int


# Large tiles read shared memory less often; small ones give all multiprocessors work.
_CANDIDATES = (
    _Candidate(128, 128, 2, 4),
    _Candidate(128, 64, 4, 2),
    _Candidate(64, 128, 2, 4),
    _Candidate(64, 64, 2, 2),
    _Candidate(64, 32, 4, 1),
    _Candidate(32, 64, 2, 2),
    _Candidate(32, 32, 2, 2),
    _Candidate(16, 64, 1, 4),
    _Candidate(16, 32, 1, 4),
)
MOST_STAGES = 6
# Seconds, fitted to products of 1 to 128 rows on an H200.
START = 1.2e-6
"""Before and after the loop of a block."""
STEP = 6.0e-8
"""A step of the loop: a barrier and what it costs to fill the pipeline again."""
COPY = 1.2e-8
"""One copy of 16 bytes by each thread."""
SLICE = 3.0e-8
"""From loading fragments to the matrix instruction's result."""
EXCHANGE = 9.0e-7
"""Two meetings of a cluster, and what its blocks read of each other."""
SPLITS = (1, 2, 4, 8)
SPLIT_ROUNDS = 2
"""The most blocks a multiprocessor that split products have."""
GATHERED_STEP = 5.0e-7
"""A step that waits for its loads from global memory."""
GATHERED_ELEMENT = 1.2e-8
"""One element gathered by each thread."""
GATHERED_ELEMENTS = 96
"""The most elements that each thread holds on their way to shared memory."""
EPILOGUE = 3.5e-6
"""What 128 x 128 elements of a multiprocessor's second and later blocks take after their products."""
SUSTAINED = 0.48
"""The part of the peak rate that warp matrix instructions reach."""
L2_BANDWIDTH = 5.0e12
"""Bytes a second from the cache that all multiprocessors share, roughly."""
UNKNOWN = 12
"""What a symbolic size is taken for where the module has no profile."""


def usual_sizes(func: kernel.Func) -> Callable[[Dim], int]:
    """Sizes as they usually are: with the values of the module's profile for its symbols."""
    module = func.parent_op
    profile = Profile.of(module) if module is not None else Profile()

    def number(size: Dim) -> int:
        known = {name: r.opt for name, r in profile.ranges.items()}
        return estimate(symbols.substitute(size, known), UNKNOWN)

    return number


def instruction_of(dtype: Scalar, precision: str) -> str | None:
    """The matrix instruction for operands of a type; None where there is none."""
    if dtype.name in ("f16", "bf16"):
        return "mma.m16n8k16"
    if dtype.name == "f32":
        return "mma.m16n8k8" if precision == "tf32" else "fma"
    return None


def instruction_depth(instruction: str) -> int:
    """The extent along the inner dimension that one instruction adds over."""
    return 4 if instruction == "fma" else int(instruction.rpartition("k")[2])


def ranked_blocks(work: Work, target: AnyTarget) -> list[BlockSchedule]:
    """All blocks that fit a GPU, the one whose model time is least first."""
    assert isinstance(target, CudaTarget)
    tiles = [c for c in _CANDIDATES if work.instruction != "fma" or c.m * c.n >= 1024]
    found = [schedule for tile in tiles for schedule in _depths(tile, work, target)]
    return sorted(found, key=lambda schedule: seconds(schedule, work, target))


def _depths(c: _Candidate, work: Work, target: CudaTarget) -> list[BlockSchedule]:
    """The tile with different extents of a step along the inner dimension."""
    unit = (SPAN if work.instruction != "fma" else SPAN // 2) // work.dtype.bytes
    found = []
    for depth in _gathered_depths(c, work, unit) if work.gathered else (unit, 2 * unit, 4 * unit):
        steps = -(-work.inner // depth)
        if depth > unit and (c.m * c.n > 4096 or (steps < 2 and not work.gathered)):
            continue
        found += [s for splits in SPLITS if (s := _deepest(c, depth, steps, splits, work, target)) is not None]
    return found


def _deepest(
    c: _Candidate, depth: int, steps: int, splits: int, work: Work, target: CudaTarget
) -> BlockSchedule | None:
    """The tile with as many stages as there is room and use for; None where its clusters do not pay or fit."""
    if splits > 1:
        blocks = -(-work.rows // c.m) * -(-work.columns // c.n) * work.batch * splits
        room = SPLIT_ROUNDS * clustered_multiprocessors(target, splits)
        if not has_clusters(target) or steps < 2 * splits or blocks > room:
            return None
    # A step's copies replace those of the step before: with a stage more than steps all are under way at once.
    useful = -(-steps // splits) + (not work.gathered)
    for stages in range(min(MOST_STAGES, max(useful, 2)), 1, -1):
        schedule = BlockSchedule(c.m, c.n, depth, c.warps_m, c.warps_n, stages, splits)
        if schedule.shared_bytes(work.dtype) <= min(target.shared_bytes_per_block * 3 // 4, 128 * 1024):
            return schedule
    return None


def _gathered_depths(c: _Candidate, work: Work, unit: int) -> list[int]:
    """Few long steps wait less often for single elements. Those longer than the least are within a tap."""
    longest = GATHERED_ELEMENTS * 32 * c.warps_m * c.warps_n // c.n
    return [unit, *(n for n in range(unit + 16, longest + 1, 16) if work.run % n == 0)]


def seconds(schedule: BlockSchedule, work: Work, target: CudaTarget) -> float:
    """The time of the whole contraction: waves of blocks, or the traffic of all."""
    blocks = -(-work.rows // schedule.m) * -(-work.columns // schedule.n) * work.batch * schedule.splits
    resident = _resident(schedule, work.dtype, target)
    room = clustered_multiprocessors(target, schedule.splits)
    waves = -(-blocks // (room * resident))
    together = min(resident, -(-blocks // room))
    steps = -(-work.inner // (schedule.k * schedule.splits))
    step = STEP + COPY * (schedule.m + schedule.n) * schedule.k * work.dtype.bytes / 16 / schedule.threads
    if work.gathered:
        step += GATHERED_STEP + GATHERED_ELEMENT * schedule.n * schedule.k / schedule.threads
    depth = instruction_depth(work.instruction)
    slice = SLICE + together * schedule.m * schedule.n * depth / _rate(work, target)
    traffic = blocks * (schedule.m + schedule.n) * work.inner / schedule.splits * work.dtype.bytes / L2_BANDWIDTH
    exchange = EXCHANGE if schedule.splits > 1 else 0.0
    finish = EPILOGUE * schedule.m * schedule.n / (128 * 128) * max(blocks / room - 1, 0.0)
    return START + exchange + max(waves * steps * (step + schedule.k // depth * slice), traffic) + finish


def _rate(work: Work, target: CudaTarget) -> float:
    """Multiply-adds a second of one multiprocessor."""
    if work.instruction == "fma":
        peak = target.fp32_flops
    else:
        peak = target.matrix_flops["tf32" if work.dtype.name == "f32" else work.dtype.name]
    return SUSTAINED * peak / 2 / target.multiprocessors


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
