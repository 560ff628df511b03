"""Steps that the host takes part in: host functions, sizes read from memory, branches and loops.

A back end runs stretches of device steps; this module runs everything between them, the same way for all.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import numpy as np

from . import host
from .dtypes import OBJECT, numpy_dtype
from .errors import SizeError
from .expressions import evaluate, names
from .layout import Layout, lay_out_segment
from .layout import Place as Location
from .plan import Copy, Equality, Fill, Host, If, Launch, Loop, Native, Place, Plan, Read, Step
from .profile import StepTime, label
from .shapes import unequal

DeviceStep = Launch | Native | Copy | Fill
Action = Callable[[dict[str, int]], None]
"""One thing to do; gets the values of the symbols and may add to them."""


class Backend(Protocol):
    """What the control flow needs of a device. Buffers are given by their place in the plan."""

    def stretch(self, steps: Sequence[DeviceStep]) -> Action:
        """An action that runs consecutive device steps."""
        ...

    def to_host(self, buffer: int, offset: int, size: int) -> np.ndarray:
        """`size` bytes of a buffer as a u8 array that the host can read, and write where it is host memory."""
        ...

    def object(self, buffer: int) -> np.ndarray:
        """The place of an object: an array of objects without dimensions."""
        ...

    def from_host(self, buffer: int, content: np.ndarray) -> None:
        """Put what the host wrote to the array of to_host() back, where that was a copy."""
        ...

    def place(self, segment: int, places: Mapping[int, Location], arena_bytes: int) -> None:
        """Give buffers of a later segment, whose arena has `arena_bytes`, their memory."""
        ...


class ControlFlow:
    """The steps of a plan as actions on a back end."""

    def __init__(self, plan: Plan, layout: Layout, backend: Backend, timed: bool = False) -> None:
        """Where `timed`, the launches inside native functions are steps of their own, and `times` is filled."""
        self.times: list[StepTime] = []
        self._plan = plan
        self._layout = layout
        self._backend = backend
        self._timed = timed
        self._buffers = {buffer.name: index for index, buffer in enumerate(plan.buffers)}
        self._places = list(layout.places)
        self.actions = self._prepare(plan.steps)

    def run(self) -> dict[str, int]:
        """Run all steps; the values of all symbols, those that steps computed included."""
        symbols = dict(self._layout.symbols)
        self._places = list(self._layout.places)
        self.times.clear()
        for action in self.actions:
            action(symbols)
        return symbols

    def _prepare(self, steps: Sequence[Step]) -> list[Action]:
        actions: list[Action] = []
        stretch: list[DeviceStep] = []
        for step in steps:
            if isinstance(step, Native) and self._timed and step.launches:
                stretch += step.launches
            elif isinstance(step, Launch | Native | Copy | Fill):
                stretch.append(step)
            else:
                if stretch:
                    actions.append(self._backend.stretch(stretch))
                    stretch = []
                actions.append(self._action(step))
        return [*actions, self._backend.stretch(stretch)] if stretch else actions

    def _action(self, step: Host | Read | Place | If | Loop) -> Action:
        match step:
            case Host():
                return self._host(step)
            case Read():
                return self._read(step)
            case Place():
                return self._place(step)
            case If():
                return self._branch(step)
            case Loop():
                return self._loop(step)

    def _host(self, step: Host) -> Action:
        def run(symbols: dict[str, int]) -> None:
            start = time.perf_counter()
            inputs = [self._array(name, symbols) for name in step.inputs]
            outputs = [self._array(name, symbols) for name in step.outputs]
            symbols.update(host.call(step, inputs, outputs))
            for name, array in zip(step.outputs, outputs, strict=True):
                if array.dtype != object:
                    self._backend.from_host(self._buffers[name], array)
            if self._timed:
                self.times.append(StepTime(*label(self._plan, step), time.perf_counter() - start))

        return run

    def _read(self, step: Read) -> Action:
        dtype, buffer = numpy_dtype(step.dtype), self._buffers[step.buffer]
        size = dtype.itemsize * len(step.symbols)
        needed = _equalities_of(self._plan, step.symbols)

        def run(symbols: dict[str, int]) -> None:
            content = self._backend.to_host(buffer, evaluate(step.offset, symbols), size)
            values = content.view(dtype).tolist()
            symbols.update(zip(step.symbols, map(int, values), strict=True))
            if min(values) < 0:
                raise SizeError(
                    f"the model computed the size {min(values)} ('{step.symbols[values.index(min(values))]}')"
                )
            for equality in needed:
                _check(equality, symbols)

        return run

    def _place(self, step: Place) -> Action:
        slots = [slot for slot, buffer in enumerate(self._plan.buffers) if buffer.segment == step.segment]

        def run(symbols: dict[str, int]) -> None:
            self._places, size = lay_out_segment(self._plan, step.segment, symbols, self._places)
            self._backend.place(step.segment, {slot: self._places[slot] for slot in slots}, size)

        return run

    def _branch(self, step: If) -> Action:
        then, otherwise = self._prepare(step.then), self._prepare(step.otherwise)

        def run(symbols: dict[str, int]) -> None:
            for action in then if evaluate(step.condition, symbols) else otherwise:
                action(symbols)

        return run

    def _loop(self, step: Loop) -> Action:
        body = self._prepare(step.body)

        def run(symbols: dict[str, int]) -> None:
            done = 0
            if step.induction:
                symbols[step.induction] = done
            trips = None if step.trip_count is None else evaluate(step.trip_count, symbols)
            while (trips is None or done < trips) and evaluate(step.condition, symbols):
                for action in body:
                    action(symbols)
                done += 1
                if step.induction:
                    symbols[step.induction] = done

        return run

    def _array(self, name: str, symbols: dict[str, int]) -> np.ndarray:
        """A buffer as an array: of its shape, or flat and with room for the most where the shape is not known yet."""
        index = self._buffers[name]
        buffer, place = self._plan.buffers[index], self._places[index]
        if buffer.dtype == OBJECT:
            return self._backend.object(index)
        dtype = numpy_dtype(buffer.dtype)
        shape: tuple[int, ...] = (place.bytes // dtype.itemsize,)
        if buffer.shape is not None and all(names(size) <= symbols.keys() for size in buffer.shape):
            shape = tuple(evaluate(size, symbols) for size in buffer.shape)
        return self._backend.to_host(index, 0, math.prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


def _equalities_of(plan: Plan, symbols: Sequence[str]) -> list[Equality]:
    """The equalities that mention any of `symbols`."""
    return [e for e in plan.equalities if (names(e.left) | names(e.right)) & set(symbols)]


def _check(equality: Equality, symbols: Mapping[str, int]) -> None:
    """Raise SizeError where both sizes are known and differ."""
    if names(equality.left) | names(equality.right) <= symbols.keys() and (text := unequal(equality, symbols)):
        raise SizeError(text, "the model computes these sizes from its data; check its inputs")


def fill_element(step: Fill, symbols: Mapping[str, int]) -> bytes:
    """The bytes of one element of a fill."""
    value = evaluate(step.value, symbols) if isinstance(step.value, str) else step.value
    return np.array(value).astype(numpy_dtype(step.dtype)).tobytes()
