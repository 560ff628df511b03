"""Structured control flow: upstream's `scf`.

Each op with regions says in `control` what it does: a generator that yields `(region, arguments)`, is sent what the
region's terminator passes on, and returns the op's results. Any interpreter can drive it, also one that pauses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..attributes import UnitAttr
from ..core import Region, Value
from ..declare import TERMINATOR, Control, Op
from ..types import Type, i1


class Yield(Op, name="scf.yield", traits=(TERMINATOR,)):
    """Ends a region of `scf.for`, `scf.if` or `scf.while`; its operands are what the region gives."""

    values: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return []


class For(Op, name="scf.for"):
    """Run `body` for lower, lower + step, … below upper; it takes the index and the carried values and yields new ones.

    Example:
        %sum = "scf.for"(%lower, %upper, %step, %zero) ({
        ^bb0(%i: index, %acc: f32):
          %next = "arith.addf"(%acc, %x) : (f32, f32) -> f32
          "scf.yield"(%next) : (f32) -> ()
        }) : (index, index, index, f32) -> f32
    """

    lower: Value
    upper: Value
    step: Value
    inits: tuple[Value, ...]
    body: Region
    unroll: int | None = None
    unsignedCmp: UnitAttr | None = None  # noqa: N815, upstream's name

    def infer(self) -> list[Type]:
        return [v.type for v in self.inits]

    def verify(self) -> None:
        super().verify()
        bounds = [self.lower.type, self.upper.type, self.step.type]
        self.require(bounds == [bounds[0]] * 3, f"has bounds of other types: {', '.join(map(str, bounds))}")
        carried = [v.type for v in self.inits]
        _arguments(self, self.body, [bounds[0], *carried])
        _yields(self, self.body, carried)

    def control(self, lower: Any, upper: Any, step: Any, *carried: Any) -> Control:
        self.require(step > 0, f"has the step {step}, which must be positive")
        values: Sequence[Any] = carried
        kind = type(lower)
        for i in range(int(lower), int(upper), int(step)):
            values = yield self.body, (kind(i), *values)
        return values


class If(Op, name="scf.if"):
    """Run `then` where the condition holds, else `otherwise`, which may be empty where there are no results."""

    condition: Value
    then: Region
    otherwise: Region

    def infer(self) -> list[Type]:
        return _yielded(self, self.then)

    def verify(self) -> None:
        self.require(len(self.regions) == 2 and self.then.blocks, "has two regions, the first one not empty")
        super().verify()
        self.require(self.condition.type == i1, f"takes an i1, found {self.condition.type}")
        self.require(self.otherwise.blocks or not self.results, "has results and no second region")
        for region in self.regions:
            if region.blocks:
                _arguments(self, region, [])
                _yields(self, region, [r.type for r in self.results])

    def control(self, condition: Any) -> Control:
        region = self.then if condition else self.otherwise
        return (yield region, ()) if region.blocks else ()


class Condition(Op, name="scf.condition", traits=(TERMINATOR,)):
    """Ends the first region of `scf.while`: whether to go on, and the values for the second region or the results."""

    condition: Value
    values: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return []


class While(Op, name="scf.while"):
    """Run `before`, and as long as its `scf.condition` holds `after`, whose values go back to `before`."""

    inits: tuple[Value, ...]
    before: Region
    after: Region

    def infer(self) -> list[Type]:
        return [v.type for v in self.before.block.terminator.operands[1:]]

    def verify(self) -> None:
        self.require(len(self.regions) == 2, f"has two regions, found {len(self.regions)}")
        last = self.before.block.last
        self.require(isinstance(last, Condition), "must end its first region with scf.condition")
        super().verify()
        initial = [v.type for v in self.inits]
        _arguments(self, self.before, initial)
        _arguments(self, self.after, [r.type for r in self.results])
        _yields(self, self.after, initial)

    def control(self, *inits: Any) -> Control:
        values: Sequence[Any] = inits
        while True:
            goes_on, *passed = yield self.before, values
            if not goes_on:
                return passed
            values = yield self.after, passed


def _arguments(op: Op, region: Region, types: list[Type]) -> None:
    found = [a.type for a in region.block.arguments]
    op.require(found == types, f"has a region of ({_text(found)}) where ({_text(types)}) follows")


def _yielded(op: Op, region: Region) -> list[Type]:
    last = region.block.last
    op.require(isinstance(last, Yield), "must end its region with scf.yield")
    return [v.type for v in region.block.terminator.operands]


def _yields(op: Op, region: Region, types: list[Type]) -> None:
    found = _yielded(op, region)
    op.require(found == types, f"has a region that yields ({_text(found)}) where ({_text(types)}) follows")


def _text(types: list[Type]) -> str:
    return ", ".join(map(str, types))
