"""overlap-launches: programmatic dependent launch from the start of every kernel.

Strategies place the wait for the launch before where their loads of weights are on the way. The next launch then starts
as the blocks of this one end. To start it with this one's first blocks, as this pass does, pays where every launch has
about one block a multiprocessor; where several fit, the blocks that wait crowd together on few of them: ResNet-50 in
fp32 at batch 1 took 4.6 ms on an H200 with it and 2.6 ms without. So the default pipeline leaves it out.
"""

from __future__ import annotations

from ...ir.core import Operation
from ...ir.dialects import kernel, scf, tile
from ...ir.dialects.builtin import Module
from ...ir.target import CudaTarget, Target
from ..base import EXACT, Pass, PassContext

FIRST_CAPABILITY = 90
"""The first GPUs whose launches can start before the one before is over."""


class OverlapLaunches(Pass):
    """Let the next launch start while a kernel runs, and each kernel wait for the one before it.

    A kernel first says that its successor may start, and waits for its predecessor before it touches memory; where
    its program already waits, later than its loads of weights, only the first is added. Kernels that meet at grid
    barriers are launched as ever.

    Before:
        %0 = "tile.program_id"() {axis = 0 : i64} : () -> index
    After:
        "tile.trigger_dependents"() : () -> ()
        "tile.wait_dependencies"() : () -> ()
        %0 = "tile.program_id"() {axis = 0 : i64} : () -> index
    """

    name = "overlap-launches"
    tolerance = EXACT
    early: bool = True

    def run(self, module: Module, context: PassContext) -> None:
        if not overlaps(Target.of(module)):
            return
        for function in module.block:
            if isinstance(function, kernel.Func) and function.is_tiled and not _meets(function):
                _overlap(function, context, self.early)


def overlaps(target: object) -> bool:
    """Whether launches on a target can overlap."""
    return isinstance(target, CudaTarget) and target.compute_capability >= FIRST_CAPABILITY


def _meets(function: kernel.Func) -> bool:
    return any(isinstance(op, tile.GridBarrier) for op in function.walk())


def _overlap(function: kernel.Func, context: PassContext, early: bool) -> None:
    ops = list(function.walk())
    block, added = function.block, 0
    if not any(isinstance(op, tile.WaitDependencies) for op in ops):
        assert block.first is not None
        block.insert_before(tile.WaitDependencies(), block.first)
        added += 1
    if not any(isinstance(op, tile.TriggerDependents) for op in ops):
        block.insert_before(tile.TriggerDependents(), _place(function, early))
        added += 1
    context.count("kernels", added > 0)


def _place(function: kernel.Func, early: bool) -> Operation:
    """Where the next launch may start: behind the last loop, where there is one and it is not to be `early`."""
    loops = [op for op in function.block if isinstance(op, scf.For)]
    place = loops[-1].next if loops and not early else function.block.first
    assert place is not None
    return place
