"""One tile program as one CUDA kernel: values, control flow and the choice of who spells an op."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...ir.attributes import DenseAttr, IntegerAttr
from ...ir.core import Block, Operation, Value
from ...ir.diagnostics import CompileError, Diagnostic
from ...ir.dialects import kernel, tile
from ...ir.layout import Layout, layout_of
from ...ir.symbols import Call, Dim, Symbol
from ...ir.types import MemRefType, VectorType, i32
from ..program import kernel_symbols
from .asynchronous import AsyncEmitter, MapParameter
from .compute import ComputeEmitter, view_table
from .memory import MemoryEmitter, memory_of_argument
from .pointwise import constant, element_type, expression, is_pointwise
from .pointwise_loops import PointwiseLoops
from .values import BarrierArray, Counted, Mapped, Memory, Registers, ScalarValue, Splat, Tile, c_type
from .writer import Line, Writer, parenthesized, times

SHARED_ALIGNMENT = 1024
_VIEWS = ("vector.broadcast", "vector.shape_cast", "vector.transpose", "vector.extract_strided_slice", "tile.iota")


@dataclass(frozen=True)
class KernelText:
    """The body of a kernel as lines, its parameters, and how much shared memory it takes."""

    name: str
    parameters: tuple[str, ...]
    lines: tuple[Line, ...]
    shared_bytes: int
    threads: int
    cooperative: bool
    maps: tuple[MapParameter, ...] = ()
    one_a_multiprocessor: bool = False


class KernelEmitter:
    """Spells one `kernel.func`. Raises CompileError for an op that has no CUDA C."""

    def __init__(self, function: kernel.Func) -> None:
        self.function = function
        self.threads = function.threads or 32
        self.index = "int" if function.index_type == i32 else "long long"
        self.writer = Writer()
        self.values: dict[Value, ScalarValue | Tile | Memory | BarrierArray] = {}
        self.shared_bytes = 0
        self.barrier_text = "__syncthreads();"
        self.memory_ops = MemoryEmitter(self)
        self.asynchronous = AsyncEmitter(self)
        self.compute = ComputeEmitter(self)
        self.loops = PointwiseLoops(self)
        self.cooperative = any(isinstance(op, tile.GridBarrier) for op in function.walk())

    def emit(self) -> KernelText:
        parameters = [*self._pointers(), *self._sizes()]
        self._bind_arguments()
        self.block(self.function.block)
        lines = (*self.writer.lead, *self.writer.lines)
        maps = self.asynchronous.maps
        lines = (*(Line(f"  if (thread == 0) prefetch_map(&{name});") for name in maps.values()), *lines)
        parameters += [f"const __grid_constant__ TensorMap {name}" for name in maps.values()]
        uneven = any(isinstance(op, tile.Roles) and op.registers for op in self.function.walk())
        return KernelText(
            c_name(self.function.sym_name),
            tuple(parameters),
            lines,
            self.shared_bytes,
            self.threads,
            self.cooperative,
            tuple(maps),
            uneven,
        )

    # Parameters

    def _pointers(self) -> list[str]:
        written = _written_arguments(self.function)
        texts = []
        for argument in self.function.block.arguments:
            assert isinstance(argument.type, MemRefType)
            name = self.writer.fresh(argument.name, "arg")
            self.values[argument] = ScalarValue(name, argument.type.dtype)
            qualifier = "" if argument in written else "const "
            alone = "__restrict__ " if self._memory_is_still() else ""
            texts.append(f"{qualifier}{c_type(argument.type.dtype)}* {alone}{name}")
        return texts

    def _memory_is_still(self) -> bool:
        """Whether nobody writes what the kernel reads while it runs, so that loads may move anywhere.

        With a launch that starts early the memory is written until `tile.wait_dependencies`, and what blocks that meet
        hand to each other until they have met.
        """
        moving = tile.WaitDependencies | tile.GridBarrier | tile.ClusterBarrier
        return not self.function.in_place and not any(isinstance(op, moving) for op in self.function.walk())

    def _sizes(self) -> list[str]:
        """An int64 parameter for each symbol, and a constant of the index type in the body."""
        self.symbols = {}
        texts = []
        for symbol in kernel_symbols(self.function):
            name = self.writer.fresh(f"{symbol}_size", "size")
            self.symbols[symbol] = self.writer.hoisted(self.index, f"({self.index}){name}", symbol)
            texts.append(f"long long {name}")
        return texts

    def _bind_arguments(self) -> None:
        for argument, shape in zip(self.function.block.arguments, self.function.argument_shapes(), strict=True):
            pointer = self.values[argument]
            assert isinstance(pointer, ScalarValue) and isinstance(argument.type, MemRefType)
            sizes = [dim if isinstance(dim, int) else self.size(dim) for dim in shape]
            memory = memory_of_argument(pointer.text, argument.type, sizes)
            strides = [
                s if isinstance(s, int) else self.writer.hoisted(self.index, s, "stride") for s in memory.strides
            ]
            self.values[argument] = Memory(memory.pointer, memory.dtype, memory.shape, tuple(strides))

    def size(self, dim: Dim) -> str:
        """The name of a constant with the value of a size expression."""
        if isinstance(dim, int):
            return str(dim)
        return self.writer.hoisted(self.index, self._size_text(dim), "size")

    def _size_text(self, dim: Dim) -> str:
        if isinstance(dim, int):
            return str(dim)
        terms = []
        for monomial, coefficient in dim.terms:
            text: str | int = coefficient
            for atom in monomial:
                text = times(text, self.symbols[atom.name] if isinstance(atom, Symbol) else self._call_text(atom))
            terms.append(str(text))
        return " + ".join(parenthesized(t) if t.startswith("-") else t for t in terms)

    def _call_text(self, call: Call) -> str:
        args = [f"({self.index}){parenthesized(self._size_text(arg))}" for arg in call.args]
        if call.function == "mod":
            return f"({args[0]} - {args[1]} * floordiv({args[0]}, {args[1]}))"
        text = args[0]
        for arg in args[1:]:
            text = f"{call.function}({text}, {arg})"
        return text

    # Values

    def layout_of(self, value: Value) -> Layout:
        """The layout of a register tile. Raises CompileError where the pass that chooses it has not run."""
        layout = layout_of(value)
        if layout is None:
            op = value.owner
            name = op.name if isinstance(op, Operation) else "block argument"
            raise CompileError(
                Diagnostic(f"a register tile of '{name}' has no layout", self.function.location,
                           notes=("run the pass assign-layouts first",))
            )  # fmt: skip
        return layout

    def scalar(self, value: Value) -> str:
        found = self.values[value]
        assert isinstance(found, ScalarValue), f"{value.type} is not a scalar"
        return found.text

    def memory(self, value: Value) -> Memory:
        found = self.values[value]
        assert isinstance(found, Memory), f"{value.type} is not a memref"
        return found

    def tile(self, value: Value) -> Tile:
        found = self.values[value]
        assert isinstance(found, Tile), f"{value.type} is not a register tile"
        return found

    def registers(self, value: Value) -> Registers:
        """A tile as an array of its own order, copied into one where it is not."""
        found = self.tile(value)
        if isinstance(found, Registers):
            return found
        if isinstance(found, Mapped) and isinstance(found.source, Registers) and found.is_identity:
            return Registers(found.source.name, found.dtype, found.layout)
        array = self.new_registers(value)
        self.copy_registers(array, found)
        return array

    def copy_registers(self, target: Registers, source: Tile) -> None:
        """`target = source`, both of one layout."""
        count = target.layout.register_count
        if isinstance(source, Mapped) and not source.is_regular:
            for r in range(count):
                self.writer.line(f"{target.at(r)} = {source.at(r)};")
            return
        with self.writer.unrolled(count) as i:
            self.writer.line(f"{target.at(i)} = {source.at(i)};")

    def element(self, value: Value, register: str) -> str:
        """An element of an operand: of a tile the one in `register`, or the scalar itself."""
        found = self.values[value]
        return found.text if isinstance(found, ScalarValue) else self.tile(value).at(register)

    def new_registers(self, value: Value) -> Registers:
        """Declare the array of a register tile."""
        layout = self.layout_of(value)
        registers = Registers(self.writer.fresh(value.name, "v"), element_type(value), layout)
        self.declare(registers)
        self.values[value] = registers
        return registers

    def declare(self, registers: Registers) -> None:
        dtype = c_type(registers.dtype, self.index)
        count = registers.layout.register_count
        wide = "alignas(16) " if registers.dtype.bytes < 16 and count * registers.dtype.bytes >= 4 else ""
        self.writer.line(f"{wide}{dtype} {registers.name}[{count}];")

    def define_scalar(self, value: Value, text: str) -> None:
        dtype = element_type(value)
        name = self.writer.fresh(value.name, "n" if dtype.is_integer else "x")
        self.writer.line(f"const {c_type(dtype, self.index)} {name} = {text};")
        self.values[value] = ScalarValue(name, dtype)

    def base_of(self, value: Value) -> tuple[Value, bool]:
        """The tile that `value` is a view of, and whether every register holds the same element in both."""
        same = True
        while isinstance(op := value.owner, Operation) and self.is_view(op) and op.operands:
            view = self.values.get(value)
            same = same and isinstance(view, Mapped) and view.is_identity
            value = op.operands[0]
        return value, same

    def is_view(self, op: Operation) -> bool:
        return op.name in _VIEWS and bool(op.results) and isinstance(op.results[0].type, VectorType)

    # Ops

    def block(self, block: Block) -> None:
        for op in block:
            self.writer.op = op
            self._op(op)
        self.loops.flush()

    def _op(self, op: Operation) -> None:
        vector = bool(op.results) and isinstance(op.results[0].type, VectorType)
        if is_pointwise(op) and not vector:
            self._scalar_op(op)
        elif op.name == "arith.constant":
            self._constant_tile(op)
        elif is_pointwise(op) or isinstance(op, tile.Gather):
            self.loops.add(op)
        elif self.is_view(op):
            self._view(op)
        elif (simple := _SIMPLE.get(op.name)) is not None:
            simple(self, op)
        else:
            self.loops.flush()
            self.writer.op = op
            emit = _EFFECTS.get(op.name)
            if emit is None:
                raise CompileError(Diagnostic(f"'{op.name}' has no CUDA C", op.location))
            emit(self, op)

    def _scalar_op(self, op: Operation) -> None:
        text = expression(op, [self.scalar(v) for v in op.operands], self.index)
        if op.name == "arith.constant":
            self.values[op.results[0]] = ScalarValue(parenthesized(text), element_type(op.results[0]))
        else:
            self.define_scalar(op.results[0], text)

    def _constant_tile(self, op: Operation) -> None:
        value = op.attributes["value"]
        if not isinstance(value, DenseAttr) or len({x.tobytes() for x in value.array.reshape(-1)}) != 1:
            raise CompileError(Diagnostic("a constant register tile must have equal elements", op.location))
        dtype = element_type(op.results[0])
        text = parenthesized(constant(value.array.reshape(-1)[0].item(), dtype))
        self.values[op.results[0]] = Splat(text, dtype, self.layout_of(op.results[0]))

    def _view(self, op: Operation) -> None:
        """Broadcasts, casts of the shape, transposes: no code, only another way to count registers."""
        result = op.results[0]
        layout, dtype = self.layout_of(result), element_type(result)
        if isinstance(op, tile.Iota):
            base = self.memory_ops.thread_coordinate(layout, op.axis)
            self.values[result] = Counted(base, op.axis, dtype, layout)
            return
        source = op.operands[0]
        if not isinstance(source.type, VectorType):
            self.values[result] = Splat(self.scalar(source), dtype, layout)
            return
        found = self.tile(source) if source in self.values else self.loops.promise(source)
        if isinstance(found, Splat):
            self.values[result] = Splat(found.text, dtype, layout)
            return
        table = view_table(op, found.layout, layout)
        if isinstance(found, Mapped):
            found, table = found.source, tuple(found.table[register] for register in table)
        view = Mapped(found, table, dtype, layout)
        self.values[result] = view
        if not view.is_regular:
            self.loops.flush()
            array = Registers(self.writer.fresh(result.name, "v"), dtype, layout)
            self.declare(array)
            self.copy_registers(array, view)
            self.values[result] = array

    # Control flow

    def for_loop(self, op: Operation) -> None:
        lower, upper, step, *start = op.operands
        block = op.regions[0].block
        counter, *carried = block.arguments
        for result, argument, first in zip(op.results, carried, start, strict=True):
            self._declare_carried(result, argument, first)
        name = self.writer.fresh(counter.name, "n")
        self.values[counter] = ScalarValue(name, element_type(counter))
        unroll = op.attributes.get("unroll")
        if isinstance(unroll, IntegerAttr):
            self.writer.line(f"#pragma unroll {unroll.value}")
        bounds = [self.scalar(v) for v in (lower, upper, step)]
        advance = f"++{name}" if bounds[2] == "1" else f"{name} += {bounds[2]}"
        with self.writer.block(f"for ({self.index} {name} = {bounds[0]}; {name} < {bounds[1]}; {advance})"):
            self.block(block)
            self._assign([self.values[a] for a in carried], list(block.terminator.operands))

    def _declare_carried(self, result: Value, argument: Value, first: Value) -> None:
        if isinstance(result.type, VectorType):
            start = self.tile(first)
            array = start if isinstance(start, Registers) and _is_last_use(first, result) else None
            if array is None:
                array = self.new_registers(result)
                self.copy_registers(array, start)
            self.values[result] = self.values[argument] = array
            return
        dtype = element_type(result)
        name = self.writer.fresh(argument.name or result.name, "x")
        self.writer.line(f"{c_type(dtype, self.index)} {name} = {self.scalar(first)};")
        self.values[result] = self.values[argument] = ScalarValue(name, dtype)

    def _assign(self, targets: Sequence[ScalarValue | Tile | Memory | BarrierArray], values: Sequence[Value]) -> None:
        """Assign all at once: a value that is another target is read before any is written."""
        sources = [self.values[v] for v in values]
        moved = [(t, s) for t, s in zip(targets, sources, strict=True) if t != s]
        written = [t for t, _ in moved]
        for position, (target, source) in enumerate(moved):
            if source in written[:position] or (isinstance(source, Mapped) and source.source in written[:position]):
                moved[position] = (target, self._saved(source))
        for target, source in moved:
            if isinstance(target, ScalarValue):
                assert isinstance(source, ScalarValue)
                self.writer.line(f"{target.text} = {source.text};")
            else:
                assert isinstance(target, Registers) and isinstance(source, Tile)
                self.copy_registers(target, source)

    def _saved(self, source: ScalarValue | Tile | Memory | BarrierArray) -> ScalarValue | Tile:
        if isinstance(source, ScalarValue):
            name = self.writer.fresh("saved")
            self.writer.line(f"const {c_type(source.dtype, self.index)} {name} = {source.text};")
            return ScalarValue(name, source.dtype)
        assert isinstance(source, Tile)
        array = Registers(self.writer.fresh("saved"), source.dtype, source.layout)
        self.declare(array)
        self.copy_registers(array, source)
        return array

    def branch(self, op: Operation) -> None:
        targets: list[ScalarValue | Tile | Memory | BarrierArray] = []
        for result in op.results:
            if isinstance(result.type, VectorType):
                self.new_registers(result)
            else:
                name = self.writer.fresh(result.name, "x")
                self.writer.line(f"{c_type(element_type(result), self.index)} {name};")
                self.values[result] = ScalarValue(name, element_type(result))
            targets.append(self.values[result])
        for number, region in enumerate(r for r in op.regions if r.blocks):
            header = f"if ({self.scalar(op.operands[0])})" if number == 0 else "else"
            with self.writer.block(header):
                self.block(region.block)
                self._assign(targets, list(region.block.terminator.operands))

    # Order

    def barrier(self) -> None:
        """Wait for all threads that run this part of the program together."""
        self.writer.line(self.barrier_text)

    def cluster_barrier(self, op: tile.ClusterBarrier) -> None:
        self.writer.line("cluster_barrier_of_stores();" if op.stores_only else "cluster_barrier();")

    def copy_async(self, op: tile.CopyAsync) -> None:
        if op.engine != "tma":
            self.memory_ops.copy(op)
        elif isinstance(op, tile.CopyPixelsAsync):
            self.asynchronous.copy_pixels(op)
        else:
            self.asynchronous.copy(op)

    def commit_group(self, op: tile.CommitGroup) -> None:
        self.writer.line("commit_stores();" if op.engine == "tma" else "commit_group();")

    def wait_group(self, op: tile.WaitGroup) -> None:
        self.writer.line(f"wait_{'stores' if op.engine == 'tma' else 'group'}<{op.pending}>();")

    # Places

    def _alloc(self, op: tile.Alloc) -> None:
        type = op.result.type
        assert isinstance(type, MemRefType)
        if type.space != "shared":
            raise CompileError(Diagnostic(f"a GPU has no memory in the space '{type.space}'", op.location))
        sizes = [int(n or 0) for n in type.shape]
        strides = list(type.strides or memory_of_argument("", type, sizes).strides)
        span = 1 + sum((n - 1) * int(s or 0) for n, s in zip(sizes, strides, strict=True))
        alignment = max(op.alignment, SHARED_ALIGNMENT if op.swizzle else 16)
        start = self.reserve(span * type.dtype.bytes, alignment)
        name, dtype = self.writer.fresh(op.result.name, "tile"), c_type(type.dtype, self.index)
        self.writer.lead_line(f"{dtype}* {name} = reinterpret_cast<{dtype}*>(shared + {start});")
        self.values[op.result] = Memory(name, type.dtype, tuple(sizes), tuple(strides), "0", op.swizzle, "shared")  # type: ignore[arg-type]

    def reserve(self, bytes: int, alignment: int) -> int:
        """Where so much more shared memory begins."""
        start = -(-self.shared_bytes // alignment) * alignment
        self.shared_bytes = start + bytes
        return start

    def _window(self, op: tile.View) -> None:
        source = self.memory(op.source)
        type = op.result.type
        assert isinstance(type, MemRefType)
        shape = [source.shape[d] if n is None else n for d, n in zip(op.dims, type.shape, strict=True)]
        window = source.window([self.scalar(v) for v in op.start], op.dims, shape)
        start = window.start
        if not (start.isidentifier() or start.isdigit()):
            start = self.writer.fresh(op.result.name, "window")
            self.writer.line(f"const {self.index} {start} = {window.start};")
        self.values[op.result] = Memory(
            window.pointer, window.dtype, window.shape, window.strides, start, window.swizzle, window.space
        )

    def _program_id(self, op: tile.ProgramId) -> None:
        self._place(op, f"({self.index})blockIdx.{'xyz'[op.axis]}")

    def _num_programs(self, op: tile.NumPrograms) -> None:
        self._place(op, f"({self.index})gridDim.{'xyz'[op.axis]}")

    def _place(self, op: Operation, text: str) -> None:
        name = self.writer.hoisted(self.index, text, op.results[0].name or "block")
        self.values[op.results[0]] = ScalarValue(name, element_type(op.results[0]))

    def _peer(self, op: tile.Peer) -> None:
        source = self.memory(op.source)
        name, dtype = self.writer.fresh(op.source.name, "peer"), c_type(source.dtype, self.index)
        text = f"peer_memory({source.pointer}, {self.scalar(op.rank)})"
        self.writer.line(f"const {dtype}* {name} = reinterpret_cast<const {dtype}*>({text});")
        self.values[op.result] = replace(source, pointer=name)

    def _peers(self, op: tile.Peers) -> None:
        source = self.memory(op.source)
        shape, strides = (op.count, *source.shape), (0, *source.strides)
        self.values[op.result] = replace(source, shape=shape, strides=strides, of_cluster=True)

    def _flatten(self, op: tile.Flatten) -> None:
        source = self.memory(op.source)
        size: str | int = 1
        for dim in source.shape:
            size = times(size, dim)
        size = size if isinstance(size, int) else self.writer.hoisted(self.index, size, "size")
        self.values[op.result] = Memory(source.pointer, source.dtype, (size,), (1,), source.start, 0, source.space)

    def _symbol(self, op: tile.SymbolValue) -> None:
        self.values[op.result] = ScalarValue(self.size(op.value), element_type(op.result))


def c_name(name: str) -> str:
    """A kernel's name in C, one that no function of CUDA has."""
    text = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in name)
    return f"{'k_' if text[:1].isdigit() else ''}{text}_kernel"


def _is_last_use(value: Value, result: Value) -> bool:
    """Whether only the loop that gives `result` reads `value`, once: its registers may be taken over."""
    loop = result.owner
    assert isinstance(loop, Operation)
    block = value.owner.parent if isinstance(value.owner, Operation) else value.owner
    return value.has_one_use and block is loop.parent


def _written_arguments(function: kernel.Func) -> set[Value]:
    """The arguments that a program stores to."""
    written: set[Value] = set()
    for op in function.walk():
        if isinstance(op, tile.Store | tile.Scatter):
            written.add(_allocation(op.memref))
        elif isinstance(op, tile.Copy | tile.CopyAsync):
            written.add(_allocation(op.target))
    return written


def _allocation(value: Value) -> Value:
    while isinstance(value.owner, tile.View | tile.Flatten):
        value = value.owner.source
    return value


_Emit = Callable[["KernelEmitter", "Operation"], None]


def _text(line: str) -> _Emit:
    return lambda emitter, op: emitter.writer.line(line)


# Ops that only name things: the waiting loops may still wait.
_SIMPLE: dict[str, _Emit] = {
    "tile.program_id": KernelEmitter._program_id,  # type: ignore[dict-item]
    "tile.num_programs": KernelEmitter._num_programs,  # type: ignore[dict-item]
    "tile.symbol": KernelEmitter._symbol,  # type: ignore[dict-item]
    "tile.alloc": KernelEmitter._alloc,  # type: ignore[dict-item]
    "tile.peer": KernelEmitter._peer,  # type: ignore[dict-item]
    "tile.peers": KernelEmitter._peers,  # type: ignore[dict-item]
    "tile.flatten": KernelEmitter._flatten,  # type: ignore[dict-item]
    "tile.view": KernelEmitter._window,  # type: ignore[dict-item]
    "scf.yield": lambda emitter, op: None,
    "kernel.return": lambda emitter, op: None,
}
_EFFECTS: dict[str, _Emit] = {
    "scf.for": KernelEmitter.for_loop,
    "scf.if": KernelEmitter.branch,
    "tile.load": lambda emitter, op: emitter.memory_ops.load(op),  # type: ignore[arg-type]
    "tile.store": lambda emitter, op: emitter.memory_ops.store(op),  # type: ignore[arg-type]
    "tile.scatter": lambda emitter, op: emitter.memory_ops.scatter(op),  # type: ignore[arg-type]
    "tile.copy": lambda emitter, op: emitter.memory_ops.copy(op),  # type: ignore[arg-type]
    "tile.copy_async": lambda emitter, op: emitter.copy_async(op),  # type: ignore[arg-type]
    "tile.copy_pixels_async": lambda emitter, op: emitter.copy_async(op),  # type: ignore[arg-type]
    "tile.prefetch": lambda emitter, op: emitter.memory_ops.prefetch(op),  # type: ignore[arg-type]
    "tile.reduce": lambda emitter, op: emitter.compute.reduce(op),  # type: ignore[arg-type]
    "tile.mma": lambda emitter, op: emitter.compute.mma(op),  # type: ignore[arg-type]
    "tile.convert_layout": lambda emitter, op: emitter.compute.convert_layout(op),  # type: ignore[arg-type]
    "tile.mma_wait": lambda emitter, op: emitter.asynchronous.mma_wait(op),  # type: ignore[arg-type]
    "tile.roles": lambda emitter, op: emitter.asynchronous.roles(op),  # type: ignore[arg-type]
    "tile.elect": lambda emitter, op: emitter.asynchronous.elect(op),  # type: ignore[arg-type]
    "tile.alloc_barriers": lambda emitter, op: emitter.asynchronous.alloc_barriers(op),  # type: ignore[arg-type]
    "tile.arrive": lambda emitter, op: emitter.asynchronous.arrive(op),  # type: ignore[arg-type]
    "tile.wait": lambda emitter, op: emitter.asynchronous.wait(op),  # type: ignore[arg-type]
    "tile.fence_async": _text("fence_async();"),
    "tile.commit_group": lambda emitter, op: emitter.commit_group(op),  # type: ignore[arg-type]
    "tile.wait_group": lambda emitter, op: emitter.wait_group(op),  # type: ignore[arg-type]
    "tile.end": lambda emitter, op: None,
    "tile.barrier": lambda emitter, op: emitter.barrier(),
    "tile.grid_barrier": _text("grid_barrier();"),
    "tile.cluster_barrier": lambda emitter, op: emitter.cluster_barrier(op),  # type: ignore[arg-type]
    "tile.trigger_dependents": _text("trigger_dependents();"),
    "tile.wait_dependencies": _text("wait_dependencies();"),
}
