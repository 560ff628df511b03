"""Thread blocks of `wgmma` products: sizes, and which of them suit a problem."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .cluster import clustered_multiprocessors
from .cuda_blocks import Work
from .schedule import Schedule

WARPGROUP = 4
"""Warps that issue one instruction together."""
ROWS = 64
"""Rows of the result that one instruction computes."""
WIDEST = 256
"""Columns of the widest instruction, and the most elements along a dim of a TMA box."""
SPAN = 128
"""Bytes of a row of operands in shared memory."""
_REGISTERS = {2: (40, 232)}
"""Registers a thread of the producer and of the consumers, by the number of groups, where an even share is too few."""
EXCHANGE_PADDING = 8
"""Floats behind a row of what blocks exchange, so that a fragment's rows lie in different banks."""
_SPARE = 2048
"""Shared memory that alignment takes at most."""


@dataclass(frozen=True)
class WgmmaSchedule(Schedule):
    """A tile of the result has `m` x `n` elements; `k` of the inner dimension are multiplied at a time.

    `groups` warpgroups multiply. With `pingpong` each has tiles of its own, else each has `m` / `groups` rows of one.
    `stages` tiles of the operands are under way. A result leaves in chunks of `chunk` columns. Tiles follow each other
    along `band` rows of tiles first, so that blocks at work share operands in the cache. With `splits` the inner
    dimension is split among so many blocks, a cluster, which compute a tile together. So many operands of what follows
    are loaded `beside` the product's.
    """

    subject = "a wgmma product"

    m: int
    n: int
    k: int
    groups: int
    pingpong: int
    stages: int
    chunk: int
    band: int
    splits: int = 1
    beside: int = 0

    @property
    def threads(self) -> int:
        return 32 * WARPGROUP * (1 + self.groups)

    @property
    def group_rows(self) -> int:
        return self.m if self.pingpong else self.m // self.groups

    @property
    def tiles_at_once(self) -> int:
        """Tiles of the result that a block works on."""
        return self.groups if self.pingpong else 1

    def stage_bytes(self, dtype: Scalar) -> int:
        return (self.m + self.n) * self.k * dtype.bytes

    def read_bytes(self, dtype: Scalar) -> int:
        """What the instructions of a step read: each its rows and all columns."""
        return (self.m + self.m // ROWS * self.n) * self.k * dtype.bytes

    def shared_bytes(self, dtype: Scalar, result_bytes: int) -> int:
        """With what barriers and alignment take at most."""
        staging = self.groups * ROWS * self.chunk * result_bytes * (1 + self.beside)
        if self.splits > 1:
            staging = self.groups * self.group_rows * (self.n + EXCHANGE_PADDING) * 4
        return self.stages * self.stage_bytes(dtype) + staging + _SPARE

    @property
    def producer_registers(self) -> int | None:
        return _REGISTERS.get(self.groups, (None, None))[0]

    @property
    def consumer_registers(self) -> int | None:
        return _REGISTERS.get(self.groups, (None, None))[1]


@dataclass(frozen=True)
class _Tile:
    m: int
    n: int
    groups: int
    pingpong: bool = False


_TILES = (
    _Tile(128, 256, 2),
    _Tile(256, 128, 2),
    _Tile(128, 192, 2),
    _Tile(128, 128, 2, True),
    _Tile(128, 128, 2),
    _Tile(128, 64, 2),
    _Tile(64, 256, 1),
    _Tile(64, 192, 1),
    _Tile(64, 128, 1),
    _Tile(64, 64, 1),
)
POWERS = (64, 128, 256)
"""Widths of tiles that need not divide the columns."""
MOST_STAGES = 12
BAND = 8
SPLITS = (1, 2, 4, 8)
# Seconds, fitted to 76 products and convolutions of 49 to 401,408 rows on an H200 (`benchmarks/cost_model.py` checks
# them); the error is 10 %.
START = 9.0e-7
"""Before the first products of a launch and after the last ones."""
STEP = 1.0e-8
"""Waiting for a stage and handing it back."""
LATENCY = 1.95e-6
"""From asking for a stage to having it: with so many stages, so many steps begin in that time at most."""
EPILOGUE = 1.95e-6
"""What 128 x 128 elements of a group take after its products."""
EXCHANGE = 1.9e-6
"""Two meetings of a cluster, and what its blocks read of each other."""
ROWS_KERNEL = 1.7e-6
"""A kernel of its own for the norm of a few hundred rows."""
SUSTAINED = 0.805
"""The part of the peak rate that the power of the card allows."""
SHARED_BANDWIDTH = 2.25e11
"""Bytes a second of one multiprocessor's shared memory: what TMA writes and `wgmma` reads."""
MEMORY = 0.82
"""The part of the memory's bandwidth that operands and results have together."""


def candidates(work: Work, target: CudaTarget, result: Scalar) -> list[WgmmaSchedule]:
    """All blocks that fit."""
    found = []
    span = SPAN // work.dtype.bytes
    for tile in _TILES:
        if tile.n not in POWERS and work.columns % tile.n:
            continue
        for k in (span, 2 * span) if tile.groups == 1 else (span,):
            if work.run % k and work.run > 1:
                continue
            steps = -(-work.inner // k)
            tiles = -(-work.rows // tile.m) * -(-work.columns // tile.n) * work.batch
            for splits in SPLITS:
                room = clustered_multiprocessors(target, splits)
                if splits > 1 and (tile.pingpong or steps < 2 * splits or tiles * splits > room):
                    break
                schedule = _deepest(tile, k, -(-steps // splits), splits, work, target, result)
                found += [schedule] if schedule is not None else []
    return found


def _deepest(
    tile: _Tile, k: int, steps: int, splits: int, work: Work, target: CudaTarget, result: Scalar
) -> WgmmaSchedule | None:
    """With as many stages as fit."""
    chunk = math.gcd(tile.n, 128 if result.bytes <= 2 else 64)
    beside = min(work.beside, 1) if splits == 1 else 0
    for stages in range(min(MOST_STAGES, max(2, steps * (2 if tile.pingpong else 1))), 1, -1):
        schedule = WgmmaSchedule(
            tile.m, tile.n, k, tile.groups, int(tile.pingpong), stages, chunk, BAND, splits, beside
        )
        if schedule.shared_bytes(work.dtype, result.bytes) <= target.shared_bytes_per_block:
            return schedule
    return None


def seconds(schedule: WgmmaSchedule, work: Work, target: CudaTarget) -> float:
    """The time of the whole product: rounds of tiles, or what memory takes."""
    tiles = -(-work.rows // schedule.m) * -(-work.columns // schedule.n) * work.batch * schedule.splits
    blocks = min(tiles, target.multiprocessors)
    rounds = -(-tiles // blocks)
    steps = -(-work.inner // (schedule.k * schedule.splits))
    kind = "tf32" if work.dtype.name == "f32" else work.dtype.name
    rate = SUSTAINED * target.matrix_flops[kind] / target.multiprocessors
    products = 2 * schedule.m * schedule.n * schedule.k / rate
    moved = schedule.stage_bytes(work.dtype) + schedule.read_bytes(work.dtype)
    step = max(products, moved / SHARED_BANDWIDTH) + STEP
    bytes = work.batch * work.dtype.bytes / target.bandwidth
    operands = (work.rows / work.taps + work.columns) * work.inner
    finish = EPILOGUE * schedule.group_rows * schedule.n / (128 * 128)
    later = finish / steps if not schedule.pingpong else 0.0
    first = min(rounds * steps, schedule.stages)
    loop = first * step + (rounds * steps - first) * max(step, LATENCY / schedule.stages - later)
    exchange = EXCHANGE if schedule.splits > 1 else 0.0
    busy = loop + exchange + (finish if schedule.pingpong else rounds * finish)
    results = work.rows * work.columns * (1 + work.beside)
    return START + max(busy, (operands + results) * bytes / MEMORY)
