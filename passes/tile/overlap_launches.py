"""overlap-launches: programmatic dependent launch from the start of every kernel.

Strategies place the wait for the launch before where their loads of weights are on the way. Without this pass the next
launch starts when the blocks of this one end; with it, when the last of them has started: what it takes to launch is
hidden, and so is what the next kernel does before it waits. Its blocks take the places that are free then, and would
crowd on few multiprocessors where several fit on one. So every kernel asks for enough shared memory that none gets more
than an even share of its blocks. On an H200 a product of BERT-base at 128 rows takes 0.4 to 1.2 us less with both, and
up to 30 % more with the first alone.
"""

from __future__ import annotations

from ...ir.core import Operation
from ...ir.dialects import kernel, tile
from ...ir.dialects.builtin import Module
from ...ir.symbols import product
from ...ir.target import CudaTarget, Target
from ..base import EXACT, Pass, PassContext
from .cluster import clustered_multiprocessors
from .cuda_blocks import usual_sizes

FIRST_CAPABILITY = 90
"""The first GPUs whose launches can start before the one before is over."""
RESERVED = 1024
"""Shared memory of a multiprocessor that every block takes beside its own."""
LARGEST_SHARE = 4
"""With more blocks a multiprocessor, uneven shares make little difference."""


class OverlapLaunches(Pass):
    """Let the next launch start while a kernel runs, and each kernel wait for the one before it.

    A kernel first says that its successor may start, and waits for its predecessor before it touches memory; where
    its program already waits, later than its loads of weights, only the first is added. `shared_bytes` keeps more
    blocks than an even share off a multiprocessor. Kernels that meet at grid barriers are launched as ever.

    Before:
        %0 = "tile.program_id"() {axis = 0 : i64} : () -> index
    After:
        "tile.trigger_dependents"() : () -> ()
        "tile.wait_dependencies"() : () -> ()
        %0 = "tile.program_id"() {axis = 0 : i64} : () -> index
    """

    name = "overlap-launches"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module)
        if not isinstance(target, CudaTarget) or not overlaps(target):
            return
        for function in module.block:
            if isinstance(function, kernel.Func) and function.is_tiled and not _meets(function):
                _overlap(function, context)
                _spread(function, target)


def overlaps(target: object) -> bool:
    """Whether launches on a target can overlap."""
    return isinstance(target, CudaTarget) and target.compute_capability >= FIRST_CAPABILITY


def _meets(function: kernel.Func) -> bool:
    return any(isinstance(op, tile.GridBarrier) for op in function.walk())


def _overlap(function: kernel.Func, context: PassContext) -> None:
    ops = list(function.walk())
    added: list[Operation] = []
    if not any(isinstance(op, tile.TriggerDependents) for op in ops):
        added.append(tile.TriggerDependents())
    if not any(isinstance(op, tile.WaitDependencies) for op in ops):
        added.append(tile.WaitDependencies())
    first = function.block.first
    assert first is not None
    for op in added:
        function.block.insert_before(op, first)
    context.count("kernels", len(added) > 0)


def _spread(function: kernel.Func, target: CudaTarget) -> None:
    """Let no multiprocessor take more than an even share of the blocks; all clusters should be at work at once."""
    blocks = usual_sizes(function)(product(function.grid or ()))
    share = -(-blocks // clustered_multiprocessors(target, product(function.cluster or ())))
    if share <= LARGEST_SHARE:
        function.shared_bytes = target.shared_bytes_per_multiprocessor // (share + 1) - RESERVED + 16
