"""One way of running a CUDA plan: fixed shapes, fixed addresses, and the CUDA graphs captured for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np

from .control import Action, ControlFlow, DeviceStep
from .cuda_device import CudaDevice
from .cuda_program import CudaProgram
from .layout import Layout, Place, roots
from .plan import Plan
from .profile import StepTime, label

HOST, COPIED = 0, -1
Route = int
"""How an input reaches the plan, or an output leaves it: through pinned memory (HOST), by a copy between the context's
own GPU memory and the caller's (COPIED), or, where it is an address, in the caller's GPU memory itself."""


Late = tuple[Literal["arena", "output"], int]
"""The arena of a segment after the first, or an output that lies in one: memory that a run asks for."""


class Transfer(NamedTuple):
    """A copy between pinned memory and the context's own GPU memory."""

    target: int
    source: int
    bytes: int


class CudaBinding:
    """The steps of a plan with all addresses filled in. A graph is captured on the first run and replayed later."""

    def __init__(
        self,
        plan: Plan,
        device: CudaDevice,
        layout: Layout,
        addresses: Sequence[int],
        transfers: tuple[Sequence[Transfer], Sequence[Transfer]],
        objects: Mapping[int, np.ndarray],
        late: Callable[[Late, int], int],
        stream: int,
        capture_stream: int | None,
        timed: bool = False,
    ) -> None:
        """`transfers` come before and after the steps. `late` gives the address of that many bytes.

        Without a `capture_stream` no graphs are used.
        """
        self._plan = plan
        self._device = device
        self._driver = device.driver
        self._layout = layout
        self._addresses = list(addresses)
        self._late = late
        self.outputs: dict[int, int] = {}
        """The addresses of the outputs that the last run placed."""
        self._roots = roots(plan)
        self._arenas = {0: _arena_base(layout, addresses)}
        self._before, self._after = transfers
        self._objects = objects
        self._stream = stream
        self._capture_stream = capture_stream
        self._timed = timed
        self._programs: list[CudaProgram] = []
        self._graphs: dict[int, int] = {}
        self._control = ControlFlow(plan, layout, self, timed)
        # the usual plan: all of it is one graph, transfers included
        self._whole = (
            capture_stream is not None
            and not timed
            and len(self._control.actions) == len(self._programs) == 1
            and self._programs[0].is_static
        )

    @property
    def times(self) -> list[StepTime]:
        return self._control.times

    def run(self) -> Mapping[str, int]:
        """Put everything onto the stream; returns the symbols. Waits for the GPU only where the host needs a value."""
        if self._whole:
            self._replay(0, self._everything)
            return self._layout.symbols
        self._transfer(self._before, self._stream)
        symbols = self._control.run()
        self._transfer(self._after, self._stream)
        return symbols

    def close(self) -> None:
        for graph in self._graphs.values():
            self._driver.destroy_graph(graph)
        self._graphs.clear()

    # The back end of the control flow

    def stretch(self, steps: Sequence[DeviceStep]) -> Action:
        program = CudaProgram(self._plan, self._device, self._layout, self._addresses, steps, not self._timed)
        number = len(self._programs)
        self._programs.append(program)
        if self._timed:
            return lambda symbols: self._time(program, symbols)
        if self._capture_stream is None or not program.is_static:
            return lambda symbols: program.issue(self._stream, symbols)
        return lambda symbols: self._replay(number, lambda stream: program.issue(stream, symbols))

    def to_host(self, buffer: int, offset: int, size: int) -> np.ndarray:
        content = np.empty(size, np.uint8)
        if size:
            self._driver.copy(content.ctypes.data, self._addresses[buffer] + offset, size, self._stream)
            self._driver.synchronize(self._stream)
        return content

    def object(self, buffer: int) -> np.ndarray:
        return self._objects[buffer]

    def from_host(self, buffer: int, content: np.ndarray) -> None:
        if content.nbytes:
            self._driver.copy(self._addresses[buffer], content.ctypes.data, content.nbytes, self._stream)
            self._driver.synchronize(self._stream)

    def place(self, segment: int, places: Mapping[int, Place], arena_bytes: int) -> None:
        self._arenas[segment] = self._late(("arena", segment), arena_bytes)
        for slot, place in places.items():
            root = self._roots.get((place.root, place.key))
            if root is None:
                base = self._arenas[int(place.key)]
            elif root == slot:
                base = self.outputs[int(place.key)] = self._late(("output", int(place.key)), place.bytes)
            else:
                base = self._addresses[root]
            self._addresses[slot] = base + place.offset

    def _everything(self, stream: int) -> None:
        self._transfer(self._before, stream)
        self._programs[0].issue(stream, self._layout.symbols)
        self._transfer(self._after, stream)

    def _transfer(self, transfers: Sequence[Transfer], stream: int) -> None:
        for target, source, size in transfers:
            self._driver.copy(target, source, size, stream)

    def _replay(self, number: int, issue: Callable[[int], None]) -> None:
        """Launch graph `number`, captured from `issue` the first time."""
        graph = self._graphs.get(number)
        if graph is None:
            graph = self._graphs[number] = self._capture(issue)
        self._driver.launch_graph(graph, self._stream)

    def _capture(self, issue: Callable[[int], None]) -> int:
        # on a stream of its own: the caller's may be the default stream, which cannot be captured
        stream = self._capture_stream
        assert stream is not None
        self._driver.begin_capture(stream)
        try:
            issue(stream)
        except BaseException:
            self._driver.abort_capture(stream)
            raise
        return self._driver.end_capture(stream)

    def _time(self, program: CudaProgram, symbols: dict[str, int]) -> None:
        """Run with an event before and after each step: in a graph, so that the host's pace is not measured."""
        driver = self._driver
        events = [driver.create_event(timing=True) for _ in range(len(program.steps) + 1)]
        if self._capture_stream is None or not program.is_static:
            program.issue(self._stream, symbols, lambda index: driver.record(events[index], self._stream))
        else:
            capture = self._capture_stream
            graph = self._capture(
                lambda stream: program.issue(
                    stream, symbols, lambda index: driver.record_in_graph(events[index], capture)
                )
            )
            driver.launch_graph(graph, self._stream)
            driver.synchronize(self._stream)
            driver.destroy_graph(graph)
        for step, start, end in zip(program.steps, events[:-1], events[1:], strict=True):
            self.times.append(StepTime(*label(self._plan, step), driver.seconds_between(start, end)))
        for event in events:
            driver.destroy_event(event)


def _arena_base(layout: Layout, addresses: Sequence[int]) -> int:
    """Where the arena of segment 0 begins; 0 where nothing lies in it."""
    pairs = zip(layout.places, addresses, strict=True)
    return next((address - place.offset for place, address in pairs if place.root == "arena"), 0)
