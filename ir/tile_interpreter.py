"""Running tile programs on NumPy: workers one after the other, with the rules of spaces, barriers and copies checked.

A worker runs as a generator that stops where it has to wait for others, so grid barriers and warp roles work too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from . import scalar
from .attributes import BoolAttr, DenseArrayAttr, DenseAttr, FloatAttr, IntegerAttr
from .core import Block, Operation, Value
from .diagnostics import Diagnostic
from .dialects import kernel, tile
from .symbols import Dim, substitute
from .types import MemRefType, Scalar, VectorType

Runtime = Any  # a NumPy scalar or array, a Python integer for an index, or a memory
Paused = Iterator[str]

_ORDERED = (
    *("false", "oeq", "ogt", "oge", "olt", "ole", "one", "ord"),
    *("ueq", "ugt", "uge", "ult", "ule", "une", "uno", "true"),
)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
_INTEGER = ("eq", "ne", "slt", "sle", "sgt", "sge", "ult", "ule", "ugt", "uge")


def run_kernel(func: kernel.Func, inputs: Sequence[np.ndarray], sizes: Mapping[str, int]) -> list[np.ndarray]:
    """The results of a tile program for its inputs, flat and in the types of its memrefs.

    `sizes` gives the model's symbols. Raises ExecutionError where the program breaks a rule of the dialect.
    """
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
    workers = []
    for program in itertools.product(*map(range, grid)):
        frame = Frame(tile.Worker(program, grid, sizes), dict(zip(func.block.arguments, memories, strict=True)))
        workers.append(frame.block(func.block))
    _run_all(workers)
    return [memory.array for memory in memories[len(inputs) :]]


def _size(dim: Dim, sizes: Mapping[str, int]) -> int:
    bound = substitute(dim, sizes)
    if not isinstance(bound, int):
        raise tile.ExecutionError(f"the size {dim} depends on symbols without a value")
    return bound


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
    """The values of one worker."""

    def __init__(self, worker: tile.Worker, values: dict[Value, Runtime]) -> None:
        self.worker = worker
        self.values = values

    def block(self, block: Block) -> Paused:
        """Run the ops of a block, stopping where the worker has to wait."""
        for op in block:
            if op.regions:
                yield from self._structured(op)
                continue
            operands = [self.values[v] for v in op.operands]
            if isinstance(op, tile.TileOp):
                while not op.ready(self.worker, *operands):
                    yield "blocked"
                if isinstance(op, tile.GridBarrier):
                    yield "grid"
            self._set(op, self._evaluate(op, operands))

    def _evaluate(self, op: Operation, operands: list[Runtime]) -> Runtime:
        try:
            if isinstance(op, tile.TileOp):
                return op.interpret(self.worker, *operands)
            function = _FUNCTIONS.get(op.name)
            if function is None:
                op.require(op.name in _ENDS, "has no meaning in a tile program")
                return None
            with np.errstate(all="ignore"):
                return function(op, *operands)
        except tile.ExecutionError as error:
            where = Diagnostic(f"'{op.name}': {error.diagnostics[0].message}", op.location)
            raise tile.ExecutionError(where) from None

    def _set(self, op: Operation, results: Runtime) -> None:
        if len(op.results) == 1:
            self.values[op.results[0]] = _as_type(results, op.results[0])
        elif op.results:
            self.values.update(zip(op.results, results, strict=True))

    def _structured(self, op: Operation) -> Paused:
        if op.name == "scf.for":
            yield from self._for(op)
        elif op.name == "scf.if":
            yield from self._if(op)
        elif isinstance(op, tile.Roles):
            yield from self._roles(op)
        else:
            op.fail("has no meaning in a tile program")

    def _for(self, op: Operation) -> Paused:
        lower, upper, step, *carried = (self.values[v] for v in op.operands)
        body = op.regions[0].block
        for counter in range(int(lower), int(upper), int(step)):
            self.values.update(zip(body.arguments, [counter, *carried], strict=True))
            yield from self.block(body)
            carried = [self.values[v] for v in body.terminator.operands]
        self.values.update(zip(op.results, carried, strict=True))

    def _if(self, op: Operation) -> Paused:
        region = op.regions[0 if self.values[op.operands[0]] else 1]
        if region.blocks:
            yield from self.block(region.block)
            self.values.update(zip(op.results, (self.values[v] for v in region.block.terminator.operands), strict=True))

    def _roles(self, op: tile.Roles) -> Paused:
        """Roles take turns; when all are blocked in one round, the worker waits for others or for ever."""
        running = [self.block(region.block) for region in op.bodies]
        while running:
            pauses = [(role, next(role, None)) for role in running]
            running = [role for role, pause in pauses if pause is not None]
            if running and len(running) == len(pauses) and not self._any_ready(op):
                yield "blocked"

    def _any_ready(self, op: tile.Roles) -> bool:
        """Whether a wait in some role could be passed now."""
        waits = (inner for inner in op.walk() if isinstance(inner, tile.Wait))
        known = (w for w in waits if all(v in self.values for v in w.operands))
        return any(w.ready(self.worker, *(self.values[v] for v in w.operands)) for w in known)


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


def _unsigned(value: Runtime) -> Runtime:
    array = np.asarray(value)
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.kind == "i" else array


def _signless(value: Runtime, like: Runtime) -> Runtime:
    dtype = np.asarray(like).dtype
    array = np.asarray(value)
    return array.view(dtype) if array.dtype.kind == "u" and dtype.kind == "i" else array


def _constant(op: Operation) -> Runtime:
    value = op.attributes["value"]
    if isinstance(value, DenseAttr):
        return value.array
    assert isinstance(value, IntegerAttr | FloatAttr | BoolAttr)
    return value.value


def _compare_floats(op: Operation, a: Runtime, b: Runtime) -> Runtime:
    name = _ORDERED[_predicate(op)]
    unordered = np.isnan(a) | np.isnan(b)
    if name in ("true", "false"):
        return np.full(np.shape(a), name == "true")
    if name in ("ord", "uno"):
        return unordered if name == "uno" else ~unordered
    result = _COMPARE[name[1:]](a, b)
    return result | unordered if name[0] == "u" else result & ~unordered


def _compare_integers(op: Operation, a: Runtime, b: Runtime) -> Runtime:
    name = _INTEGER[_predicate(op)]
    if name[0] == "u":
        a, b = _unsigned(a), _unsigned(b)
    return _COMPARE[name[-2:]](a, b)


def _predicate(op: Operation) -> int:
    predicate = op.attributes["predicate"]
    assert isinstance(predicate, IntegerAttr)
    return predicate.value


def _convert(op: Operation, value: Runtime) -> Runtime:
    type = op.results[0].type
    assert isinstance(type, Scalar | VectorType)
    scalar_type = type.dtype if isinstance(type, VectorType) else type
    return np.asarray(value).astype(scalar_type.numpy)


def _convert_unsigned(op: Operation, value: Runtime) -> Runtime:
    return _convert(op, _unsigned(value))


def _to_unsigned(op: Operation, value: Runtime) -> Runtime:
    type = op.results[0].type
    assert isinstance(type, Scalar | VectorType)
    bits = (type.dtype if isinstance(type, VectorType) else type).bytes
    return np.asarray(value).astype(f"u{bits}").view(f"i{bits}")


def _shape_cast(op: Operation, value: Runtime) -> Runtime:
    type = op.results[0].type
    assert isinstance(type, VectorType)
    return np.reshape(value, type.shape)


def _broadcast(op: Operation, value: Runtime) -> Runtime:
    type = op.results[0].type
    assert isinstance(type, VectorType)
    return np.broadcast_to(value, type.shape)


def _transpose(op: Operation, value: Runtime) -> Runtime:
    permutation = op.attributes["permutation"]
    assert isinstance(permutation, DenseArrayAttr)
    return np.transpose(value, [int(p) for p in permutation.values])


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda op, *args: function(*args)


def _on_unsigned(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda op, *args: _signless(function(*map(_unsigned, args)), args[0])


def _table() -> dict[str, Callable[..., Any]]:
    table: dict[str, Callable[..., Any]] = {}
    for entry in scalar.FUNCTIONS.values():
        for name in (entry.float_op, entry.int_op):
            if name is not None:
                table[name] = _plain(entry.numpy)
        if entry.unsigned_op is not None:
            table[entry.unsigned_op] = _on_unsigned(entry.numpy)
    conversions = ("extf", "truncf", "sitofp", "fptosi", "extsi", "trunci", "index_cast")
    table |= {f"arith.{name}": _convert for name in conversions}
    table |= {f"arith.{name}": _convert_unsigned for name in ("extui", "uitofp", "index_castui")}
    return table | {
        "arith.fptoui": _to_unsigned,
        "arith.constant": _constant,
        "arith.cmpf": _compare_floats,
        "arith.cmpi": _compare_integers,
        "arith.floordivsi": _plain(np.floor_divide),
        "arith.ceildivsi": _plain(lambda a, b: -(-a // b)),
        "math.fma": _plain(lambda a, b, c: a * b + c),
        "vector.broadcast": _broadcast,
        "vector.shape_cast": _shape_cast,
        "vector.transpose": _transpose,
    }


_FUNCTIONS = _table()
_ENDS = ("scf.yield", "kernel.return", "tile.end")
