"""The `tile` dialect: what one worker (a thread block of a GPU, a work item of a CPU core) does.

Values are scalars (`index`, `f32`, …), register tiles `vector<…>` and memrefs in the spaces `""` (global), `"shared"`
and `"local"`. `arith`, `math`, `scf` and `vector` are upstream's. Integers are signless in registers. A `scf.for` may
carry `unroll = n`. On a GPU `tile.layout` attributes say which thread holds which element of a register tile; on a CPU
a `vector<MxN>` is M registers of N lanes.
"""

from __future__ import annotations

from .compute import DOT_BF16, ConvertLayout, Iota, Mma, MmaWait, NumPrograms, ProgramId, Reduce, SymbolValue, TileOp
from .copies import Copy, CopyAsync, Prefetch
from .memory import Alloc, Flatten, Gather, Load, Peer, Peers, Scatter, Store, View
from .on_tiles import ON_TILES, CmpF, CmpI, ExtSI, ExtUI, FPToSI, FPToUI, IndexCast, Select, SIToFP, TruncI, UIToFP
from .ordering import Agent, Barriers, ExecutionError
from .pixels import CopyPixelsAsync
from .state import UNWRITTEN, Buffer, Worker, register_type
from .sync import (
    AllocBarriers,
    Arrive,
    Barrier,
    ClusterBarrier,
    CommitGroup,
    Elect,
    End,
    FenceAsync,
    GridBarrier,
    Roles,
    TriggerDependents,
    Wait,
    WaitDependencies,
    WaitGroup,
    barriers_type,
)

__all__ = [
    "DOT_BF16",
    "ON_TILES",
    "UNWRITTEN",
    "Agent",
    "Alloc",
    "AllocBarriers",
    "Arrive",
    "Barrier",
    "Barriers",
    "Buffer",
    "ClusterBarrier",
    "CmpF",
    "CmpI",
    "CommitGroup",
    "ConvertLayout",
    "Copy",
    "CopyAsync",
    "CopyPixelsAsync",
    "Elect",
    "End",
    "ExecutionError",
    "ExtSI",
    "ExtUI",
    "FPToSI",
    "FPToUI",
    "FenceAsync",
    "Flatten",
    "Gather",
    "GridBarrier",
    "IndexCast",
    "Iota",
    "Load",
    "Mma",
    "MmaWait",
    "NumPrograms",
    "Peer",
    "Peers",
    "Prefetch",
    "ProgramId",
    "Reduce",
    "Roles",
    "SIToFP",
    "Scatter",
    "Select",
    "Store",
    "SymbolValue",
    "TileOp",
    "TriggerDependents",
    "TruncI",
    "UIToFP",
    "View",
    "Wait",
    "WaitDependencies",
    "WaitGroup",
    "Worker",
    "barriers_type",
    "register_type",
]
