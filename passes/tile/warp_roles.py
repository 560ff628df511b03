"""What programs with warp roles are built of: barriers with phases, stages that follow each other, swizzled panels."""

from __future__ import annotations

from ...ir.core import Value
from ...ir.dialects import tile
from ...ir.symbols import Dim
from ...ir.types import MemRefType, Scalar, index
from .body import TileBody
from .cuda_stages import SPAN
from .elements import Element


class WarpRoles:
    """The base of programs under construction whose warps have roles."""

    body: TileBody

    # Memory

    def alloc(self, name: str, shape: tuple[int, ...], dtype: Scalar, stages: int | None) -> Value:
        """Panels of 128 bytes a row, swizzled as TMA and `wgmma` expect."""
        op = tile.Alloc(1024, SPAN, stages, result_types=[MemRefType(shape, dtype, "shared")])
        op.result.name = name
        return self.body.builder.effect(op).results[0]

    def barriers(self, name: str, count: int, arrivals: int) -> Value:
        op = tile.AllocBarriers(count, arrivals)
        op.result.name = name
        return self.body.builder.effect(op).results[0]

    # Phases

    def wait(self, barriers: Value, slot: Dim, parity: Value) -> None:
        self.body.builder.effect(tile.Wait(barriers, self.code(slot), parity))

    def arrive(self, barriers: Value, slot: Dim, bytes: int = 0) -> None:
        self.body.builder.effect(tile.Arrive(barriers, self.code(slot), bytes))

    def _next(self, stage: Value, parity: Value, stages: int, step: int = 1) -> tuple[Value, Value]:
        """The stage `step` stages after this one, where `step` divides their number, and the parity of its phase."""
        apply, constant = self.body.elements.apply, self.body.elements.constant
        now, last = Element(stage, index), constant(stages - step, index)
        if step == 1:
            wraps, again = apply("eq", now, last), constant(0, index)
        else:
            wraps, again = apply("ge", now, last), apply("sub", now, last)
        after = apply("select", wraps, again, apply("add", now, constant(step, index)))
        phase = apply("select", wraps, Element(self._flip(parity), index), Element(parity, index))
        return after.value, phase.value

    def _flip(self, parity: Value) -> Value:
        one = self.body.elements.constant(1, index)
        return self.body.elements.apply("sub", one, Element(parity, index)).value

    # Indices

    def _select(self, predicate: str, a: Dim, b: Dim, then: Dim, otherwise: Dim, extent: Dim) -> Dim:
        """One of two indices in [0, extent)."""
        indices = self.body.indices
        condition = indices.compare(predicate, a, b)
        chosen = self.body.elements.apply("select", condition, indices.code(then), indices.code(otherwise))
        return indices.scalar(chosen.value, extent)

    def _known(self, value: Value, extent: Dim) -> Dim:
        return self.body.indices.scalar(value, extent)

    def code(self, value: Dim) -> Value:
        return self.body.indices.scalar_code(value)

    def codes(self, *values: Dim) -> tuple[Value, ...]:
        return tuple(map(self.code, values))
