"""Thread blocks of `wgmma` products: sizes, and which of them suit a problem."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ...ir.attributes import DictAttr, IntegerAttr
from ...ir.target import CudaTarget
from ...ir.types import Scalar
from .cuda_blocks import Work

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
_SPARE = 2048
"""Shared memory that alignment takes at most."""


@dataclass(frozen=True)
class WgmmaSchedule:
    """A tile of the result has `m` x `n` elements; `k` of the inner dimension are multiplied at a time.

    `groups` warpgroups multiply. With `pingpong` each has tiles of its own, else each has `m` / `groups` rows of one.
    `stages` tiles of the operands are under way. A result leaves in chunks of `chunk` columns. Tiles follow each other
    along `band` rows of tiles first, so that blocks at work share operands in the cache.
    """

    m: int
    n: int
    k: int
    groups: int
    pingpong: int
    stages: int
    chunk: int
    band: int

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

    def shared_bytes(self, dtype: Scalar, result_bytes: int) -> int:
        """With what barriers and alignment take at most."""
        staging = self.groups * ROWS * self.chunk * result_bytes
        return self.stages * self.stage_bytes(dtype) + staging + _SPARE

    @property
    def producer_registers(self) -> int | None:
        return _REGISTERS.get(self.groups, (None, None))[0]

    @property
    def consumer_registers(self) -> int | None:
        return _REGISTERS.get(self.groups, (None, None))[1]

    def to_attribute(self) -> DictAttr:
        return DictAttr.of({f.name: IntegerAttr(getattr(self, f.name)) for f in fields(self)})

    @staticmethod
    def from_attribute(attribute: DictAttr) -> WgmmaSchedule:
        """The schedule a kernel carries. Raises ValueError where it is not one of these."""
        values = {name: value.value for name, value in attribute.items if isinstance(value, IntegerAttr)}
        if values.keys() != {f.name for f in fields(WgmmaSchedule)}:
            raise ValueError(f"not the schedule of a wgmma product: {attribute}")
        return WgmmaSchedule(**values)


@dataclass(frozen=True)
class _Tile:
    m: int
    n: int
    groups: int
    pingpong: bool = False


_TILES = (
    _Tile(128, 256, 2),
    _Tile(256, 128, 2),
    _Tile(128, 128, 2, True),
    _Tile(128, 128, 2),
    _Tile(128, 64, 2),
    _Tile(64, 256, 1),
    _Tile(64, 128, 1),
    _Tile(64, 64, 1),
)
MOST_STAGES = 8
BAND = 8
# Seconds, on an H200.
START = 3.0e-6
"""Launch, barriers, the first load and the last store."""
LATENCY = 6.5e-7
"""From asking for a tile to its bytes in shared memory."""
EPILOGUE = 1.0e-6
"""What a tile of 128 x 128 takes after its products."""
SUSTAINED = 0.78
"""The part of the peak rate that the power of the card allows."""
L2_BANDWIDTH = 5.5e12


def candidates(work: Work, target: CudaTarget, result: Scalar) -> list[WgmmaSchedule]:
    """All blocks that fit."""
    found = []
    k = SPAN // work.dtype.bytes
    steps = -(-work.inner // k)
    for tile in _TILES:
        chunk = min(tile.n, 128 if result.bytes <= 2 else 64)
        for stages in range(min(MOST_STAGES, max(2, steps * (2 if tile.pingpong else 1))), 1, -1):
            schedule = WgmmaSchedule(tile.m, tile.n, k, tile.groups, int(tile.pingpong), stages, chunk, BAND)
            if schedule.shared_bytes(work.dtype, result.bytes) <= target.shared_bytes_per_block:
                found.append(schedule)
                break
    return found


def seconds(schedule: WgmmaSchedule, work: Work, target: CudaTarget) -> float:
    """The time of the whole product."""
    tiles = -(-work.rows // schedule.m) * -(-work.columns // schedule.n) * work.batch
    blocks = min(tiles, target.multiprocessors)
    rounds = -(-tiles // blocks)
    steps = -(-work.inner // schedule.k)
    kind = "tf32" if work.dtype.name == "f32" else work.dtype.name
    rate = SUSTAINED * target.matrix_flops[kind] / target.multiprocessors
    product = 2 * schedule.m * schedule.n * schedule.k / rate
    load = blocks * schedule.stage_bytes(work.dtype) / L2_BANDWIDTH
    step = max(product, load, LATENCY / schedule.stages)
    finish = EPILOGUE * schedule.group_rows * schedule.n / (128 * 128)
    whole = rounds * steps * step
    return START + whole + (finish if schedule.pingpong else rounds * finish)
