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

    def _alloc(self, name: str, shape: tuple[int, ...], dtype: Scalar, stages: int | None) -> Value:
        """Panels of 128 bytes a row, swizzled as TMA and `wgmma` expect."""
        op = tile.Alloc(1024, SPAN, stages, result_types=[MemRefType(shape, dtype, "shared")])
        op.result.name = name
        return self.body.builder.effect(op).results[0]

    def _barriers(self, name: str, count: int, arrivals: int) -> Value:
        op = tile.AllocBarriers(count, arrivals)
        op.result.name = name
        return self.body.builder.effect(op).results[0]

    # Phases

    def _wait(self, barriers: Value, slot: Dim, parity: Value) -> None:
        self.body.builder.effect(tile.Wait(barriers, self._code(slot), parity))

    def _arrive(self, barriers: Value, slot: Dim, bytes: int = 0) -> None:
        self.body.builder.effect(tile.Arrive(barriers, self._code(slot), bytes))

    def _next(self, stage: Value, parity: Value, stages: int) -> tuple[Value, Value]:
        """The stage after this one, and the parity of its phase."""
        apply = self.body.elements.apply
        now, one = Element(stage, index), self.body.elements.constant(1, index)
        zero, last = (self.body.elements.constant(n, index) for n in (0, stages - 1))
        wraps = apply("eq", now, last)
        after = apply("select", wraps, zero, apply("add", now, one))
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

    def _code(self, value: Dim) -> Value:
        return self.body.indices.scalar_code(value)

    def _codes(self, *values: Dim) -> tuple[Value, ...]:
        return tuple(map(self._code, values))
