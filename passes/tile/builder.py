"""Building tile programs: ops placed in the outermost loop that has their operands, equal ops made once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ...ir.attributes import Attribute, BoolAttr, FloatAttr, IntegerAttr
from ...ir.core import Block, Operation, Region, Value
from ...ir.declare import PURE, REGISTRY
from ...ir.dialects import arith, math, scf, tile, vector
from ...ir.location import UNKNOWN, Location
from ...ir.types import MemRefType, Scalar, Type, VectorType, index

UPSTREAM = (arith, math, vector)
"""The dialects whose ops are made by name."""


@dataclass
class Scope:
    """A block under construction; `memo` has the pure ops in it. Loads stay inside a `conditional` block, everything
    inside one for some threads of the worker alone (`own`)."""

    block: Block
    level: int
    conditional: bool = False
    own: bool = False
    memo: dict[Any, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Role:
    """What `groups` groups of `warps` warps do; `build` is given the number of the group."""

    warps: int
    build: Callable[[Value], None]
    groups: int = 1
    registers: int | None = None


class Builder:
    """Appends ops to nested blocks.

    A pure op goes to the outermost open block where all its operands are known, so loop-invariant code never enters a
    loop; a second equal op is the first one. Blocks are linked into their parents when they are complete, so appending
    to an outer block while an inner one is open puts the op before the loop.
    """

    def __init__(self, block: Block, location: Location = UNKNOWN) -> None:
        self.scopes = [Scope(block, 0)]
        self.location = location
        self.homes: dict[Value, Scope] = dict.fromkeys(block.arguments, self.scopes[0])
        self.written: set[Value] = set()
        """Memrefs in global memory that the program writes and reads."""

    @property
    def depth(self) -> int:
        """The number of open blocks around the current one."""
        return len(self.scopes) - 1

    def is_open(self, value: Value) -> bool:
        """Whether `value` may be used here."""
        home = self.homes.get(value)
        return home is not None and home.level <= self.depth and self.scopes[home.level] is home

    def make(
        self,
        name: str,
        operands: Sequence[Value],
        results: Sequence[Type],
        attributes: Mapping[str, Attribute] | None = None,
        regions: Sequence[Region] = (),
    ) -> Operation:
        """An op by name, as its declared class where there is one."""
        if name in tile.ON_TILES and any(isinstance(v.type, VectorType) for v in operands):
            name = tile.ON_TILES[name]
        cls = REGISTRY.get(name)
        if cls is None:
            return Operation(name, operands, results, attributes, regions, self.location)
        return cls.build(operands, results, dict(attributes or {}), regions, self.location)

    def pure(self, op: Operation, reads_memory: bool = False) -> Value:
        """The result of a pure op, or of an equal one that is already there."""
        level = max((self.homes[v].level for v in op.operands), default=0)
        level = max(level, self._innermost_own())
        if reads_memory:
            level = max(level, self._innermost_conditional())
        scope = self.scopes[level]
        types = tuple(r.type for r in op.results)
        key = (op.name, op.operands, types, tuple(sorted(op.attributes.items(), key=lambda item: item[0])))
        if (known := scope.memo.get(key)) is not None:
            op.drop_operands()
            return known
        self._append(op, level)
        scope.memo[key] = op.results[0]
        return op.results[0]

    def effect(self, op: Operation) -> Operation:
        """Append an op with an effect where the program stands."""
        return self._append(op, self.depth)

    def _append(self, op: Operation, level: int) -> Operation:
        op.location = self.location
        self.scopes[level].block.append(op)
        for result in op.results:
            self.homes[result] = self.scopes[level]
        return op

    def _innermost_conditional(self) -> int:
        return max((i for i, scope in enumerate(self.scopes) if scope.conditional), default=0)

    def _innermost_own(self) -> int:
        return max((i for i, scope in enumerate(self.scopes) if scope.own), default=0)

    # Scalars

    def constant(self, value: float | bool, dtype: Scalar) -> Value:
        """A scalar constant in its register type."""
        return self.pure(arith.Constant(constant_attribute(value, dtype)))

    def op(self, name: str, operands: Sequence[Value], result: Type, **attributes: Attribute) -> Value:
        """The result of a pure op of an upstream dialect."""
        return self.pure(self.make(name, operands, (result,), attributes))

    # Control flow

    @contextmanager
    def inside(self, block: Block, conditional: bool = False, own: bool = False) -> Generator[Block]:
        """Build in `block`, which the caller links into an op afterwards."""
        self.scopes.append(Scope(block, len(self.scopes), conditional, own))
        for argument in block.arguments:
            self.homes[argument] = self.scopes[-1]
        yield block
        self.scopes.pop()

    def loop(
        self,
        bounds: tuple[Value, Value, Value],
        start: Sequence[Value],
        body: Callable[[Value, Sequence[Value]], Sequence[Value]],
        *,
        pure: bool = False,
        unroll: int | None = None,
    ) -> list[Value]:
        """`scf.for` over bounds (lower, upper, step) that carries values; gives their last ones.

        A `pure` loop has no effect but its results, and is placed like any pure op.
        """
        block = Block([index, *(v.type for v in start)])
        with self.inside(block):
            carried = body(block.arguments[0], block.arguments[1:])
            self.effect(scf.Yield(tuple(carried)))
        op = scf.For(*bounds, tuple(start), Region(block), unroll)
        self._append(op, self._level_of(op) if pure else self.depth)
        return list(op.results)

    def branch(self, condition: Value, then: Callable[[], None], otherwise: Callable[[], None] | None = None) -> None:
        """`scf.if` without results."""
        regions: list[Region] = []
        for part in (then, otherwise):
            block = Block()
            if part is not None:
                with self.inside(block, conditional=True):
                    part()
                    self.effect(scf.Yield())
            regions.append(Region(block) if part is not None else Region())
        self.effect(scf.If(condition, *regions))

    def roles(self, *roles: Role) -> None:
        """`tile.roles`; every role's program is built with the number of its group."""
        regions = []
        for role in roles:
            block = Block([index])
            with self.inside(block, own=True):
                role.build(block.arguments[0])
                self.effect(tile.End())
            regions.append(Region(block))
        warps, groups, registers = zip(*((r.warps, r.groups, r.registers) for r in roles), strict=True)
        self.effect(tile.Roles(tuple(regions), warps, groups, None if None in registers else registers))

    def elect(self, body: Callable[[], None]) -> None:
        """`tile.elect`."""
        block = Block()
        with self.inside(block, own=True):
            body()
            self.effect(tile.End())
        self.effect(tile.Elect(Region(block)))

    def _level_of(self, op: Operation) -> int:
        if any(map(self._reads_written, op.walk())):
            return self.depth
        level = max((self.homes[v].level for v in free_values(op)), default=0)
        return max(level, self._innermost_conditional(), self._innermost_own())

    def _reads_written(self, op: Operation) -> bool:
        """Whether an op reads memory that the program writes."""
        if not isinstance(op, tile.Load | tile.Gather):
            return False
        type = op.memref.type
        return op.memref in self.written or (isinstance(type, MemRefType) and type.space != "")


def free_values(op: Operation) -> Iterable[Value]:
    """The values that an op and its regions use from outside."""
    inner: set[Value] = set()
    used: dict[Value, None] = {}
    for nested in op.walk():
        used.update(dict.fromkeys(nested.operands))
        inner.update(nested.results)
        inner.update(a for region in nested.regions for block in region.blocks for a in block.arguments)
    return [v for v in used if v not in inner]


def constant_attribute(value: float | bool, dtype: Scalar) -> Attribute:
    """The attribute of a constant of an element type; unsigned numbers in two's complement."""
    if dtype.is_bool:
        return BoolAttr(bool(value))
    if dtype.is_float:
        return FloatAttr(float(value), dtype)
    number = int(value)
    bits = 64 if dtype == index else dtype.bits
    wrapped = (number + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)
    return IntegerAttr(wrapped, tile.register_type(dtype))


def erase_unused(block: Block) -> None:
    """Remove ops of a tile program whose results nobody reads, inner blocks first."""
    for op in reversed(list(block)):
        for region in op.regions:
            for inner in region.blocks:
                erase_unused(inner)
        if _removable(op) and not any(r.uses for r in op.results):
            op.erase()


def _removable(op: Operation) -> bool:
    if not op.results:
        return False
    if isinstance(op, scf.For):
        return all(_removable(inner) or isinstance(inner, scf.Yield) for inner in op.body.block)
    return isinstance(op, tile.Load | tile.Gather | tile.Alloc) or PURE in op.traits
