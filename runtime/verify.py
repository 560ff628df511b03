"""Checks that a plan agrees with itself, before anything in it runs.

The hash of a plan file says that it is what the compiler wrote; this says that what the compiler wrote makes sense.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .dtypes import OBJECT, numpy_dtype
from .errors import PlanError
from .expressions import Expression, is_symbol, names
from .plan import (
    Alias,
    Arena,
    Copy,
    Fill,
    Host,
    If,
    Input,
    Launch,
    Loop,
    Native,
    Object,
    Output,
    Place,
    Plan,
    Read,
    Step,
    Weight,
    walk,
)


def verify(plan: Plan, tensors: Mapping[str, np.ndarray]) -> None:
    """Raises PlanError at the first undefined name, index out of range, or tensor that is missing or too small."""
    _Verifier(plan, tensors).run()


class _Verifier:
    def __init__(self, plan: Plan, tensors: Mapping[str, np.ndarray]) -> None:
        self.plan = plan
        self.tensors = tensors
        self.input_symbols = {symbol.name for symbol in plan.symbols if symbol.origin == "input"}
        self.symbols = {symbol.name for symbol in plan.symbols}
        self.buffers: dict[str, int] = {}
        self.segments = {buffer.name: buffer.segment for buffer in plan.buffers}
        self.placed = {0}
        self.bound = set(self.input_symbols)
        """The symbols that have values where the walk through the steps is."""
        self.kernels = {kernel.name for kernel in plan.kernels}

    def run(self) -> None:
        self._interface()
        self._buffers()
        cuda = self.plan.target.kind == "cuda"
        levels = (name for level in self.plan.levels for name in level.objects)
        for name in () if cuda else (*self.plan.objects, *levels):
            self._require(name in self.tensors, f"no tensor '{name}' with its code")
        for kernel in self.plan.kernels:
            self._require(bool(kernel.binary) or not cuda, f"kernel '{kernel.name}' has no binary")
            for tensor in filter(None, (kernel.binary, kernel.source, kernel.ptx)):
                self._require(tensor in self.tensors, f"kernel '{kernel.name}': no tensor '{tensor}'")
        for step in walk(self.plan.steps):
            self._step(step)
        for buffer in self.plan.buffers:
            placed = buffer.segment in self.placed
            self._require(placed, f"buffer '{buffer.name}': no step places segment {buffer.segment}")

    def _interface(self) -> None:
        for what, specs in (("input", self.plan.inputs), ("output", self.plan.outputs)):
            seen: set[str] = set()
            for spec in specs:
                self._require(spec.name not in seen, f"two {what}s are called '{spec.name}'")
                seen.add(spec.name)
                numpy_dtype(spec.dtype)
                known = self.input_symbols if what == "input" else self.symbols
                self._expressions(f"{what} '{spec.name}'", spec.shape, known)
        for equality in self.plan.equalities:
            self._expressions("equality", (equality.left, equality.right), self.symbols)
        given = {spec.name for spec in self.plan.outputs}
        for check in self.plan.index_checks:
            self._expressions("index check", check.sizes, self.symbols)
            for name in (check.least, check.greatest):
                self._require(name in given, f"index check: no output '{name}'")
        bound = {size for spec in self.plan.inputs for size in spec.shape if is_symbol(size)}
        for name in sorted(self.input_symbols - bound):
            self._require(False, f"no input has a dimension that is '{name}' alone, so no run can give it a value")

    def _buffers(self) -> None:
        ends: dict[int, set[str]] = {}
        for index, buffer in enumerate(self.plan.buffers):
            where, storage = f"buffer '{buffer.name}'", buffer.storage
            self._require(buffer.name not in self.buffers, f"two buffers are called '{buffer.name}'")
            known = self.symbols if buffer.segment else self.input_symbols
            self._expressions(where, (buffer.bytes,), known)
            if isinstance(storage, Input | Output):
                specs = self.plan.inputs if isinstance(storage, Input) else self.plan.outputs
                inside = 0 <= storage.index < len(specs)
                self._require(inside, f"{where}: no {type(storage).__name__.lower()} {storage.index}")
            elif isinstance(storage, Weight):
                self._weight(where, storage.tensor, buffer.bytes)
            elif isinstance(storage, Alias):
                self._require(storage.of in self.buffers, f"{where}: '{storage.of}' is not an earlier buffer")
                self._expressions(where, (storage.offset,), known)
                earlier = self.segments[storage.of] <= buffer.segment
                self._require(earlier, f"{where}: '{storage.of}' is of a later segment")
            elif isinstance(storage, Arena):
                self._expressions(where, (storage.offset,), known | ends.setdefault(buffer.segment, set()))
                ends[buffer.segment].add(f"{buffer.name}.end")
            else:
                assert isinstance(storage, Object)
                self._require(buffer.dtype == OBJECT, f"{where}: an object has the element type '{OBJECT}'")
            self.buffers[buffer.name] = index
        written = {buffer.storage.index for buffer in self.plan.buffers if isinstance(buffer.storage, Output)}
        for index, spec in enumerate(self.plan.outputs):
            self._require(index in written, f"output '{spec.name}' has no buffer")

    def _weight(self, where: str, tensor: str, size: Expression) -> None:
        self._require(tensor in self.tensors, f"{where}: no tensor '{tensor}'")
        found = self.tensors[tensor].nbytes
        self._require(not isinstance(size, int) or size <= found, f"{where}: {size} bytes, '{tensor}' has {found}")

    def _step(self, step: Step) -> None:
        if isinstance(step, Launch):
            self._launch(step)
        elif isinstance(step, Copy):
            self._used("copy", (step.src, step.dst), (step.bytes, step.src_offset, step.dst_offset))
        elif isinstance(step, Fill):
            numpy_dtype(step.dtype)
            self._used("fill", (step.dst,), (step.value,) if isinstance(step.value, str) else ())
        elif isinstance(step, Host):
            self._used(f"host function '{step.function}'", (*step.inputs, *step.outputs), ())
            self._binds(f"host function '{step.function}'", step.symbols)
            for name in (*step.inputs, *step.outputs):
                numpy_dtype(self.plan.buffers[self.buffers[name]].dtype)
        elif isinstance(step, Read):
            numpy_dtype(step.dtype)
            self._require(bool(step.symbols), f"read of '{step.buffer}': it gives no symbol a value")
            self._used("read", (step.buffer,), (step.offset,))
            self._binds(f"read of '{step.buffer}'", step.symbols)
        elif isinstance(step, Place):
            self._place(step.segment)
        elif isinstance(step, If):
            self._used("if", (), (step.condition,))
        elif isinstance(step, Loop):
            trips = () if step.trip_count is None else (step.trip_count,)
            self._binds("loop", filter(None, (step.induction,)))
            self._used("loop", (), (step.condition, *trips))
        else:
            assert isinstance(step, Native)  # its launches are walked too

    def _binds(self, where: str, symbols: Iterable[str]) -> None:
        for name in symbols:
            known = name in self.symbols - self.input_symbols
            self._require(known, f"{where}: '{name}' is no symbol that steps give a value")
            self.bound.add(name)

    def _place(self, segment: int) -> None:
        own = [buffer for buffer in self.plan.buffers if buffer.segment == segment]
        self._require(segment > 0 and bool(own), f"place: there is no later segment {segment}")
        ends = {f"{buffer.name}.end" for buffer in own}
        for buffer in own:
            offsets = (buffer.storage.offset,) if isinstance(buffer.storage, Arena | Alias) else ()
            self._expressions(f"place of segment {segment}", (buffer.bytes, *offsets), self.bound | ends)
        self.placed.add(segment)

    def _launch(self, step: Launch) -> None:
        where = f"launch of '{step.kernel}'"
        self._require(step.kernel in self.kernels, f"{where}: no such kernel")
        maps = step.tensor_maps
        sizes = [size for map_ in maps for size in (*map_.shape, *map_.strides, map_.offset)]
        self._used(where, (*step.buffers, *(map_.buffer for map_ in maps)), (*step.scalars, *step.grid, *sizes))
        for map_ in maps:
            ranks = [len(map_.shape), len(map_.strides) + 1, len(map_.box)]
            if (walk := map_.pixels) is not None:
                self._require(
                    len(map_.box) == 2, f"{where}: tensor map of '{map_.buffer}': a box of pixels has two sizes"
                )
                ranks = [*ranks[:2], *(len(part) + 2 for part in (walk.lower, walk.upper, walk.steps))]
            self._require(len(set(ranks)) == 1, f"{where}: tensor map of '{map_.buffer}' mixes ranks {tuple(ranks)}")

    def _used(self, where: str, buffers: Iterable[str], expressions: Iterable[Expression]) -> None:
        for buffer in buffers:
            self._require(buffer in self.buffers, f"{where}: no buffer '{buffer}'")
            placed = self.segments[buffer] in self.placed
            self._require(
                placed, f"{where}: buffer '{buffer}' has no place yet, which segment {self.segments[buffer]} gives"
            )
        self._expressions(where, expressions, self.bound)

    def _expressions(self, where: str, expressions: Iterable[Expression], known: set[str]) -> None:
        for expression in expressions:
            for name in sorted(names(expression) - known):
                self._require(False, f"{where}: '{expression}' mentions '{name}', which is not known there")

    def _require(self, condition: bool, message: str) -> None:
        if not condition:
            raise PlanError(f"plan '{self.plan.name}': {message}")
