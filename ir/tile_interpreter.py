"""Running tile programs on NumPy: workers one after the other, with the rules of spaces, barriers and copies checked.

A worker runs as a generator that stops where it has to wait for others, so grid barriers and warp roles work too.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from .core import Block, Operation, Value
from .diagnostics import CompileError, Diagnostic
from .dialects import kernel, tile
from .dialects.builtin import Module
from .interpreter import Interpreter, OnOp, by_field, drive, steps
from .symbols import Dim, substitute
from .types import MemRefType, Scalar, TensorType, VectorType

Runtime = Any  # a NumPy scalar or array, or a memory
Paused = Iterator[str]
CallResults = tuple[str, tuple[Any, ...]]
"""The kernel that was called, and what it gave."""


class TileInterpreter(Interpreter):
    """Runs modules whose kernels are tile programs, or not yet.

    `calls` are the results of all kernel calls of the last `run`, in order. Where `expected` has them of another form
    of the module, only some workers of large tile programs run, and all other elements are taken from there.
    """

    def __init__(self, module: Module, on_op: OnOp | None = None, expected: Sequence[CallResults] = ()) -> None:
        super().__init__(module, on_op)
        self.expected = expected
        self.calls: list[CallResults] = []

    def is_whole(self, op: Operation) -> bool:
        return isinstance(op, kernel.Call)

    def evaluate(self, op: Operation, operands: Sequence[Any]) -> tuple[Any, ...]:
        if not isinstance(op, kernel.Call):
            return super().evaluate(op, operands)
        if op.kernel.is_tiled:
            results = self._tiled(op, operands)
        else:
            results = tuple(drive(steps(op.kernel.body, operands, self.is_whole), self.evaluate))
        self.calls.append((op.callee.name, results))
        return results

    def _tiled(self, op: kernel.Call, operands: Sequence[Any]) -> tuple[Any, ...]:
        number = len(self.calls)
        same = number < len(self.expected) and self.expected[number][0] == op.callee.name
        found = run_kernel(op.kernel, operands, self.symbols, self.expected[number][1] if same else None)
        results = []
        for result, array in zip(op.results, found, strict=True):
            assert isinstance(result.type, TensorType)
            results.append(array.reshape([_size(dim, self.symbols) for dim in result.type.dims]))
        if self.on_op is not None:
            self.on_op(op, results)
        return tuple(results)


def run_kernel(
    func: kernel.Func,
    inputs: Sequence[np.ndarray],
    sizes: Mapping[str, int],
    expected: Sequence[np.ndarray] | None = None,
) -> list[np.ndarray]:
    """The results of a tile program for its inputs, flat and in the types of its memrefs.

    `sizes` gives the model's symbols. With `expected` results, no more than `SAMPLE` workers (or clusters) run where
    they are independent, and what they do not write is as expected. Raises ExecutionError where the program breaks a
    rule of the dialect.
    """
    grid = tuple(_size(dim, sizes) for dim in func.grid or ())
    number = math.prod(grid) // math.prod(func.cluster or (1,))
    if expected is None or number <= SAMPLE or not _are_independent(func):
        return _run_workers(func, inputs, sizes, range(number))
    sample = sorted({round(i * (number - 1) / (SAMPLE - 1)) for i in range(SAMPLE)})
    found = _run_workers(func, inputs, sizes, sample)
    return [_completed(*pair) for pair in zip(found, expected, strict=True)]


SAMPLE = 12
"""How many workers of a launch tell of all: the first, the last, and some between."""


def _are_independent(func: kernel.Func) -> bool:
    """Whether each element of the results is written by one worker, which needs no other."""
    stores = (op for op in func.walk() if isinstance(op, tile.GridBarrier | tile.Store | tile.Scatter))
    return all(not isinstance(op, tile.GridBarrier) and op.combine is None for op in stores)


def _completed(found: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """The elements that were written, as the pattern of new memory tells, and the expected ones elsewhere."""
    written = (found.reshape(*found.shape, 1).view(np.uint8) != tile.UNWRITTEN).any(axis=-1)
    return np.where(written, found, np.asarray(expected, found.dtype).reshape(found.shape))


def _run_workers(
    func: kernel.Func,
    inputs: Sequence[np.ndarray],
    sizes: Mapping[str, int],
    chosen: Sequence[int],
) -> list[np.ndarray]:
    """The results' memory after some clusters of workers, by their numbers, have run."""
    memories: list[tile.Buffer] = []
    for argument, shape in zip(func.block.arguments, func.argument_shapes(), strict=True):
        assert isinstance(argument.type, MemRefType)
        bound = tuple(_size(dim, sizes) for dim in shape)
        if len(memories) < len(inputs):
            array = np.ascontiguousarray(inputs[len(memories)], dtype=argument.type.dtype.numpy).reshape(bound)
            memories.append(tile.Buffer(array))
        else:
            memories.append(tile.Buffer.allocate(MemRefType(bound, argument.type.dtype)))
    grid = tuple(_size(dim, sizes) for dim in func.grid or ())
    agents = 1 + sum(sum(op.group_counts) for op in func.walk() if isinstance(op, tile.Roles))
    programs = itertools.product(*map(range, grid))
    workers = [tile.Worker(program, grid, sizes, tile.Agent.first(agents)) for program in programs]
    values: dict[Value, Runtime] = dict(zip(func.block.arguments, memories, strict=True))
    clusters = _clusters(func, workers)
    running = [[Frame(worker, dict(values)).program(func.block) for worker in clusters[k]] for k in chosen]
    _run_all([_together(cluster) for cluster in running])
    return [memory.array for memory in memories[len(inputs) :]]


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    bound = substitute(dim, sizes)
    if not isinstance(bound, int):
        raise tile.ExecutionError(f"the size {dim} depends on symbols without a value")
    return bound


def _clusters(func: kernel.Func, workers: Sequence[tile.Worker]) -> list[list[tile.Worker]]:
    """The workers by clusters, in the order of their numbers; each knows its own."""
    if func.cluster is None:
        return [[worker] for worker in workers]
    found: dict[tuple[int, ...], list[tile.Worker]] = {}
    for worker in sorted(workers, key=lambda w: w.program[::-1]):
        place = tuple(p // n for p, n in zip(worker.program, func.cluster, strict=True))
        found.setdefault(place, []).append(worker)
    for cluster in found.values():
        for worker in cluster:
            worker.cluster = cluster
    return list(found.values())


def _together(workers: list[Paused]) -> Paused:
    """Run the workers of a cluster from one of its barriers to the next; stops where all wait for other clusters."""
    while True:
        pauses = {next(worker, None) for worker in workers}
        if len(pauses) > 1:
            raise tile.ExecutionError("some workers of a cluster ended before a barrier that others wait at")
        (pause,) = pauses
        if pause is None:
            return
        if pause != "cluster":
            yield pause


def _run_all(workers: list[Paused]) -> None:
    """Run workers to the next grid barrier, all of them, until they end."""
    while workers:
        waiting = [worker for worker in workers if (pause := next(worker, None)) is not None and _at_grid(pause)]
        if waiting and len(waiting) != len(workers):
            raise tile.ExecutionError("some workers ended before a tile.grid_barrier that others wait at")
        workers = waiting


def _at_grid(pause: str) -> bool:
    if pause != "grid":
        raise tile.ExecutionError("a worker waits for a barrier that no one will arrive at")
    return True


class Frame:
    """The values of one agent of a worker."""

    def __init__(self, worker: tile.Worker, values: dict[Value, Runtime]) -> None:
        self.worker = worker
        self.values = values

    def program(self, block: Block) -> Paused:
        """All that the agent does."""
        yield from self.block(block)
        self.worker.agent.finish()

    def block(self, block: Block) -> Generator[str, None, Sequence[Runtime]]:
        """Run the ops of a block, stopping where the worker has to wait; gives the operands of its terminator."""
        for op in block:
            operands = [self.values[v] for v in op.operands]
            if op is block.last:
                return operands
            results: Sequence[Runtime] = ()
            if isinstance(op, tile.Roles):
                yield from self._roles(op)
            elif isinstance(op, tile.Elect):
                yield from Frame(self.worker.elected(), self.values).block(op.body.block)
            elif hasattr(op, "control"):
                results = yield from self._control(op, operands)
            else:
                if isinstance(op, tile.TileOp):
                    while not op.ready(self.worker, *operands):
                        yield "blocked"
                if isinstance(op, tile.GridBarrier | tile.ClusterBarrier):
                    yield "grid" if isinstance(op, tile.GridBarrier) else "cluster"
                results = self._evaluate(op, operands)
            self.values.update(zip(op.results, results, strict=True))
        return ()

    def _control(self, op: Any, operands: Sequence[Runtime]) -> Generator[str, None, Sequence[Runtime]]:
        """An op of `scf`: it says which region runs next, and with what."""
        running = op.control(*by_field(op, operands))
        try:
            region, arguments = next(running)
            while True:
                self.values.update(zip(region.block.arguments, arguments, strict=True))
                passed = yield from self.block(region.block)
                region, arguments = running.send(passed)
        except StopIteration as stop:
            return stop.value

    def _evaluate(self, op: Operation, operands: Sequence[Runtime]) -> tuple[Runtime, ...]:
        try:
            if isinstance(op, tile.TileOp):
                found = op.interpret(self.worker, *operands)
            else:
                function = getattr(op, "evaluate", None)
                if function is None:
                    raise CompileError(Diagnostic(f"'{op.name}' has no meaning in a tile program", op.location))
                with np.errstate(all="ignore"):
                    found = function(*by_field(op, operands))
        except tile.ExecutionError as error:
            where = Diagnostic(f"'{op.name}': {error.diagnostics[0].message}", op.location)
            raise tile.ExecutionError(where) from None
        results = found if isinstance(found, tuple) else () if found is None else (found,)
        return tuple(_as_type(value, result) for value, result in zip(results, op.results, strict=True))

    def _roles(self, op: tile.Roles) -> Paused:
        """Groups take turns; when all are blocked in a round in which nothing happened, the worker waits for ever."""
        running: list[Paused] = []
        for region, warps, groups in zip(op.bodies, op.warps, op.group_counts, strict=True):
            for group in range(groups):
                frame = Frame(self.worker.fork(warps), {**self.values, **dict.fromkeys(region.block.arguments, group)})
                running.append(frame.program(region.block))
        waiting: list[Paused] = []
        while running or waiting:
            before = self.worker.events
            pauses = [(role, next(role, None)) for role in running]
            waiting += [role for role, pause in pauses if pause == "cluster"]
            left = [role for role, pause in pauses if pause not in (None, "cluster")]
            if waiting and not left:
                yield "cluster"
                left, waiting = waiting, []
            elif left and len(left) == len(running) and self.worker.events == before:
                yield "blocked"
            running = left


def _as_type(value: Runtime, result: Value) -> Runtime:
    """A value in the storage type of an SSA value, so that arithmetic wraps and rounds as the program says."""
    type = result.type
    if isinstance(type, VectorType):
        array = np.asarray(value, dtype=type.dtype.numpy)
        if array.shape != type.shape:
            raise tile.ExecutionError(f"computed a tile of shape {array.shape} for {type}")
        return array
    if isinstance(type, Scalar):
        return np.asarray(value).astype(type.numpy)[()]
    return value
