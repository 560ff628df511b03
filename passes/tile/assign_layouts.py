"""assign-layouts: which thread holds which element of every register tile."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

from ...ir import types
from ...ir.attributes import IntegerAttr
from ...ir.core import Block, Operation, Value
from ...ir.diagnostics import InternalError
from ...ir.dialects import arith, kernel, tile, vector
from ...ir.dialects.builtin import Module
from ...ir.layout import LANES, Layout, layout_of, set_layout
from ...ir.profile import Profile
from ...ir.symbols import bounds, product
from ...ir.target import CudaTarget, Target
from ...ir.types import MemRefType, VectorType, i8, i32, i64
from ..base import EXACT, Pass, PassContext
from . import layouts

INDEX_LIMIT = 1 << 31
FIRST_WITH_STMATRIX = 90
SCRATCH_ALIGNMENT = 16
_FREE = ("arith.constant", "tile.iota")


class AssignLayouts(Pass):
    """Give every register tile of a GPU program a `layout`, and move tiles between threads where two clash.

    Matrix products fix the layouts of their operands; else the largest loads and stores decide, 16 bytes a thread and
    neighbouring threads side by side. From there layouts spread through the ops that compute element by element,
    broadcast, reduce or carry. Matrix fragments move from and to shared memory by `ldmatrix` and `stmatrix`; reductions
    and moves across warps get scratch memory; `index_type` says whether 32 bits count all elements.
    """

    name = "assign-layouts"
    tolerance = EXACT

    def run(self, module: Module, context: PassContext) -> None:
        target = Target.of(module)
        if not isinstance(target, CudaTarget):
            return
        profile = Profile.of(module)
        for function in module.block:
            if isinstance(function, kernel.Func) and function.is_tiled and function.index_type is None:
                _Assignment(function, target).run()
                _set_index_type(function, profile)
                context.count("kernels")


def _set_index_type(function: kernel.Func, profile: Profile) -> None:
    ranges = {name: (r.min, math.inf if r.max is None else r.max) for name, r in profile.ranges.items()}
    largest = max((bounds(product(shape), ranges)[1] for shape in function.argument_shapes()), default=0)
    function.index_type = i32 if largest < INDEX_LIMIT else i64


class _Assignment:
    """The layouts of one program."""

    def __init__(self, function: kernel.Func, target: CudaTarget) -> None:
        self.function = function
        self.has_stmatrix = target.compute_capability >= FIRST_WITH_STMATRIX
        self.threads = function.threads or 32
        self.layouts: dict[Value, Layout] = {}
        self.scratch: Value | None = None
        self.scratch_bytes = 0
        self.windows: list[tile.View] = []
        self.reduced = {
            (*_shape(op.source),): op.axes for op in function.walk() if isinstance(op, tile.Reduce)
        }  # fmt: skip

    def run(self) -> None:
        ops = list(self.function.walk())
        for op in ops:
            if isinstance(op, tile.Mma):
                self._seed_mma(op)
        for value in self._tiles(ops):
            if (given := layout_of(value)) is not None:
                self._give(value, given)
        reductions = [op for op in ops if isinstance(op, tile.Reduce)]
        for value, layout in self._anchors(ops):
            for op in reductions:
                self._seed_reduced(op)
            if value not in self.layouts:
                self._give(value, layout())
        for value in self._tiles(ops):
            if value not in self.layouts:
                threads = self._threads_at(value.owner)
                self._give(value, layouts.of_tile(value, threads, self.reduced.get(_shape(value), ())))
        for op in ops:
            self._settle(op)
        self._check()
        self._settle_scratch()
        self._write()

    def _threads_at(self, place: object) -> int:
        """The threads that share the register tiles of an op or block: the kernel's, or those of a role's group."""
        op = place if isinstance(place, Operation) else None
        block = place if isinstance(place, Block) else op.parent if op is not None else None
        while block is not None and block.parent is not None and (op := block.parent.parent) is not None:
            if isinstance(op, tile.Roles):
                return LANES * op.warps[op.regions.index(block.parent)]
            block = op.parent
        return self.threads

    # Choosing

    def _tiles(self, ops: list[Operation]) -> Iterator[Value]:
        """All register tiles, the largest first."""
        values = [v for op in ops for v in op.results if isinstance(v.type, VectorType)]
        yield from sorted(values, key=lambda v: -math.prod(_shape(v)))

    def _anchors(self, ops: list[Operation]) -> Iterator[tuple[Value, Callable[[], Layout]]]:
        """Tiles that are loaded or stored, the largest first, with the layout that suits the access.

        Of a tile's accesses the store decides, unless it turns the tile in shared memory.
        """
        accesses: list[tuple[Value, tile.Load | tile.Store]] = []
        for op in ops:
            if isinstance(op, tile.Load) and isinstance(op.result.type, VectorType):
                accesses.append((op.result, op))
            elif isinstance(op, tile.Store) and isinstance(op.value.type, VectorType):
                accesses.append((op.value, op))
        accesses.sort(key=lambda pair: (-math.prod(_shape(pair[0])), _turns(pair[1]), isinstance(pair[1], tile.Load)))
        for value, op in accesses:
            reduced = self.reduced.get(_shape(value), ())
            yield value, partial(layouts.of_access, op, self._threads_at(op), reduced)

    def _seed_mma(self, op: tile.Mma) -> None:
        a, b, acc = layouts.of_mma(op, self._threads_at(op))
        for value, layout in ((op.result, acc), (op.acc, acc), (op.a, a), (op.b, b)):
            if isinstance(value.type, VectorType):
                self._give(value, layout)

    def _seed_reduced(self, op: tile.Reduce) -> None:
        """Where larger tiles decide how a result lies, what is reduced to it lies so that nothing has to move."""
        if op.result in self.layouts and op.source not in self.layouts:
            found = layouts.source_of_reduction(self.layouts[op.result], _shape(op.source), op.axes)
            if found is not None:
                self._give(op.source, found)

    def _give(self, value: Value, layout: Layout) -> None:
        """Set a layout and spread it to all tiles that follow from it."""
        pending = [(value, layout)]
        while pending:
            value, layout = pending.pop()
            if value in self.layouts or not isinstance(value.type, VectorType):
                continue
            self.layouts[value] = layout
            pending += self._followers(value, layout)

    def _followers(self, value: Value, layout: Layout) -> Iterator[tuple[Value, Layout]]:
        owner = value.owner
        if isinstance(owner, Operation):
            yield from self._operands_of(owner, value, layout)
        elif (loop := _loop_of(owner)) is not None:
            yield loop.results[value.index - 1], layout  # type: ignore[attr-defined]
        if isinstance(owner, Operation) and _is_free(owner):
            return  # others that read it have one of their own
        for user, index in list(value.uses):
            yield from self._results_of(user, index, layout)

    def _operands_of(self, op: Operation, result: Value, layout: Layout) -> Iterator[tuple[Value, Layout]]:
        """What the layout of a result asks of the operands."""
        for operand in _like_result(op):
            yield operand, layout
        match op.name:
            case "vector.broadcast" if isinstance(op.operands[0].type, VectorType):
                yield op.operands[0], layouts.source_of_broadcast(layout, _shape(op.operands[0]))
            case "vector.shape_cast":
                if (source := layout.reshape(_shape(op.operands[0]))) is not None:
                    yield op.operands[0], source
            case "vector.transpose":
                yield op.operands[0], layout.transpose(layouts.inverse(layouts.permutation_of(op)))
            case "scf.for":
                index = op.results.index(result)  # type: ignore[arg-type]
                block = op.regions[0].block
                yield from ((v, layout) for v in (op.operands[3 + index], block.arguments[1 + index]))
                yield block.terminator.operands[index], layout
            case "scf.if":
                index = op.results.index(result)  # type: ignore[arg-type]
                yield from ((r.block.terminator.operands[index], layout) for r in op.regions)
            case _:
                pass

    def _results_of(self, op: Operation, index: int, layout: Layout) -> Iterator[tuple[Value, Layout]]:
        """What the layout of an operand gives to results and the other operands."""
        value = op.operands[index]
        if value in _like_result(op):
            others = _like_result(op)
            yield from ((v, layout) for v in (*op.results, *others))
        elif isinstance(op, tile.Scatter):
            yield from ((v, layout) for v in op.operands if isinstance(v.type, VectorType))
        match op.name:
            case "tile.reduce" if isinstance(op.results[0].type, VectorType):
                assert isinstance(op, tile.Reduce)
                yield op.result, layout.drop(op.axes)
            case "vector.shape_cast":
                if (result := layout.reshape(_shape(op.results[0]))) is not None:
                    yield op.results[0], result
            case "vector.transpose":
                yield op.results[0], layout.transpose(layouts.permutation_of(op))
            case "vector.extract_strided_slice":
                yield op.results[0], layout.slice(_shape(op.results[0]))
            case "scf.for" if index >= 3:
                yield op.results[index - 3], layout
            case "scf.yield" if op.parent_op is not None and op.parent_op.name in ("scf.for", "scf.if"):
                yield op.parent_op.results[index], layout
            case _:
                pass

    # Settling clashes

    def _settle(self, op: Operation) -> None:
        """Bring every operand of `op` into the layout it needs."""
        wanted = dict(self._needs(op))
        operands = list(op.operands)
        for index, layout in wanted.items():
            operands[index] = self._in_layout(operands[index], layout, op)
        if operands != list(op.operands):
            op.set_operands(operands)
        if isinstance(op, tile.Reduce):
            self._settle_reduce(op)
        elif isinstance(op, tile.Mma) and op.result in self.layouts:
            self._force(op.result, layouts.of_mma(op, self._threads_at(op))[2])
        elif isinstance(op, vector.ExtractStridedSlice):
            self._force(op.result, self.layouts[op.source].slice(_shape(op.result)))
        elif isinstance(op, tile.Load) and op.result in self.layouts:
            op.instruction = layouts.matrix_load(op, self.layouts[op.result])
        elif isinstance(op, tile.Store) and op.value in self.layouts and self.has_stmatrix:
            op.instruction = layouts.matrix_store(op, self.layouts[op.value])

    def _needs(self, op: Operation) -> Iterator[tuple[int, Layout]]:
        """The operands that must have a certain layout, by their number."""
        result = next((r for r in op.results if r in self.layouts), None)
        if isinstance(op, tile.Mma):
            yield from (
                (i, lay)
                for i, lay in enumerate(layouts.of_mma(op, self._threads_at(op)))
                if op.operands[i] in self.layouts
            )
        elif isinstance(op, tile.Scatter):
            yield from ((i, self.layouts[op.value]) for i, v in enumerate(op.operands) if v in self.layouts)
        elif op.name in ("scf.for", "scf.if"):
            if op.name == "scf.for":
                pairs = enumerate(op.results, 3)
                yield from ((i, self.layouts[r]) for i, r in pairs if r in self.layouts)
        elif op.name == "scf.yield":
            parent = op.parent_op
            results = parent.results if parent is not None else []
            yield from ((i, self.layouts[r]) for i, r in enumerate(results) if r in self.layouts)
        elif result is not None:
            wanted = dict(self._operands_of(op, result, self.layouts[result]))
            yield from ((i, wanted[v]) for i, v in enumerate(op.operands) if v in wanted and v in self.layouts)

    def _check(self) -> None:
        """Raise InternalError where an op reads or gives elements that other threads hold: no interpreter sees that."""
        for op in self.function.walk():
            wanted = {op.operands[index]: layout for index, layout in self._needs(op)}
            if isinstance(op, tile.Mma):
                wanted[op.result] = layouts.of_mma(op, self._threads_at(op))[2]
            elif isinstance(op, tile.Reduce):
                wanted[op.result] = self.layouts[op.source].drop(op.axes)
            for value, layout in wanted.items():
                if value in self.layouts and self.layouts[value] != layout:
                    raise InternalError(f"a tile of '{op.name}' is {self.layouts[value]}, not {layout}")

    def _settle_reduce(self, op: tile.Reduce) -> None:
        source = self.layouts[op.source]
        if isinstance(op.result.type, VectorType):
            self._force(op.result, source.drop(op.axes))
        crossed = [m for m in source.warps if any(m.strides[a] for a in op.axes)]
        if crossed and op.scratch is None:
            elements = math.prod(n for d, n in enumerate(source.shape) if d not in op.axes)
            bytes = max(_dtype_bytes(op.source), 4)
            op.set_operands([op.source, self._scratch(elements * math.prod(m.size for m in crossed) * bytes, op)])

    def _force(self, value: Value, layout: Layout) -> None:
        """`value` comes in `layout`; whoever expects another gets a moved copy."""
        expected = self.layouts[value]
        self.layouts[value] = layout
        if expected == layout:
            return
        assert isinstance(value.owner, Operation) and value.owner.next is not None
        uses = list(value.uses)
        moved = self._converted(value, expected, value.owner.next)
        for user, index in uses:
            user.set_operand(index, moved)

    def _in_layout(self, value: Value, layout: Layout, before: Operation) -> Value:
        found = self.layouts[value]
        if found == layout:
            return value
        owner = value.owner
        if isinstance(owner, Operation) and _is_free(owner):
            copy = owner.clone()
            assert before.parent is not None
            before.parent.insert_before(copy, before)
            self.layouts[copy.results[0]] = layout
            return copy.results[0]
        if isinstance(owner, Operation) and (owner.name == "vector.broadcast" or _is_of_places(value)):
            wanted = dict(self._operands_of(owner, value, layout))
            tiles = [operand for operand in owner.operands if isinstance(operand.type, VectorType)]
            if all(operand in wanted for operand in tiles):
                copy = owner.clone({operand: self._in_layout(operand, wanted[operand], before) for operand in tiles})
                assert before.parent is not None
                before.parent.insert_before(copy, before)
                self.layouts[copy.results[0]] = layout
                return copy.results[0]
        return self._converted(value, layout, before)

    def _converted(self, value: Value, layout: Layout, before: Operation) -> Value:
        found = self.layouts[value]
        scratch = None
        if (found.lanes, found.warps) != (layout.lanes, layout.warps):
            scratch = self._scratch(math.prod(layout.shape) * _dtype_bytes(value), before)
        op = tile.ConvertLayout(value, scratch, location=before.location)
        assert before.parent is not None
        before.parent.insert_before(op, before)
        self.layouts[op.result] = layout
        return op.result

    def _scratch(self, bytes: int, before: Operation) -> Value:
        """Scratch memory for an op, at least so large: the program's, or that of a group of a role."""
        self.scratch_bytes = max(self.scratch_bytes, -(-bytes // SCRATCH_ALIGNMENT) * SCRATCH_ALIGNMENT)
        if self.scratch is None:
            op = tile.Alloc(result_types=[_bytes(bytes)])
            op.result.name = "scratch"
            block: Block = self.function.block
            assert block.first is not None
            block.insert_before(op, block.first)
            self.scratch = op.result
        if (role := self._role_of(before)) is None:
            return self.scratch
        op, number = role
        zero, first = (arith.Constant(IntegerAttr(n, types.index)) for n in (0, sum(op.group_counts[:number])))
        group = arith.AddI(first.results[0], op.bodies[number].block.arguments[0])
        window = tile.View(self.scratch, (group.results[0], zero.results[0]), (1,), result_types=[_bytes(bytes)])
        for made in (zero, first, group, window):
            assert before.parent is not None
            before.parent.insert_before(made, before)
        self.windows.append(window)
        return window.result

    def _role_of(self, op: Operation) -> tuple[tile.Roles, int] | None:
        """The roles that an op stands in, and the number of its own."""
        block = op.parent
        while block is not None and block.parent is not None and (parent := block.parent.parent) is not None:
            if isinstance(parent, tile.Roles):
                return parent, parent.regions.index(block.parent)
            block = parent.parent
        return None

    def _settle_scratch(self) -> None:
        """Give scratch memory the size that all its users need, one part a group of a role."""
        if self.scratch is None:
            return
        roles = [op for op in self.function.walk() if isinstance(op, tile.Roles)]
        whole = _bytes(self.scratch_bytes)
        self.scratch.type = whole
        if self.windows:
            groups = max(sum(op.group_counts) for op in roles)
            self.scratch.type = MemRefType((groups, self.scratch_bytes), i8, "shared")
            for window in self.windows:
                window.result.type = whole

    def _write(self) -> None:
        for op in self.function.walk():
            for result in op.results:
                if result in self.layouts:
                    set_layout(result, self.layouts[result])


def _shape(value: Value) -> tuple[int, ...]:
    return value.type.shape if isinstance(value.type, VectorType) else ()


def _turns(op: tile.Load | tile.Store) -> bool:
    """Whether a tile is stored to shared memory with its dims in another order."""
    shared = isinstance(op.memref.type, MemRefType) and op.memref.type.space == "shared"
    return isinstance(op, tile.Store) and shared and list(op.dims) != sorted(op.dims)


def _bytes(count: int) -> MemRefType:
    return MemRefType((count,), i8, "shared")


def _dtype_bytes(value: Value) -> int:
    assert isinstance(value.type, VectorType)
    return value.type.dtype.bytes


def _is_of_places(value: Value) -> bool:
    """Whether a tile follows from its elements' places and scalars alone, so that every thread can compute it."""
    op = value.owner
    if not isinstance(value.type, VectorType):
        return True
    if not isinstance(op, Operation) or not op.name.startswith(("arith.", "vector.", "tile.iota", "tile.cmpi")):
        return False
    return all(map(_is_of_places, op.operands))


def _is_free(op: Operation) -> bool:
    """Whether every reader can have a tile of its own, in its own layout, at no cost."""
    splat = op.name == "vector.broadcast" and not isinstance(op.operands[0].type, VectorType)
    return splat or op.name in _FREE


def _like_result(op: Operation) -> list[Value]:
    """The operands that hold, element by element, what the result is made of."""
    if op.name.startswith(("arith.", "math.")) or op.name in ("tile.gather", "tile.mma_wait", *tile.ON_TILES.values()):
        return [v for v in op.operands if isinstance(v.type, VectorType)]
    return []


def _loop_of(block: object) -> Operation | None:
    assert isinstance(block, Block)
    op = block.parent.parent if block.parent else None
    return op if op is not None and op.name == "scf.for" else None
