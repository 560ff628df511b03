"""Warp roles, barriers with phases, TMA copies and warpgroup matrix products in CUDA C."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from ...ir.core import Block, BlockArgument, Operation, Region, Value
from ...ir.diagnostics import CompileError, Diagnostic
from ...ir.dialects import tile
from ...ir.symbols import Dim
from ...ir.types import MemRefType, Scalar, VectorType
from ...ir.types import index as index_type
from ...runtime.plan import PixelWalk
from .values import BarrierArray, Memory, Registers, ScalarValue, Splat, register_map, register_number
from .writer import total

if TYPE_CHECKING:
    from .kernel import KernelEmitter

ATOM_ROWS = 8
"""Rows of 128 bytes after which the pattern of swizzled shared memory repeats."""
SPAN = 128
FIRST_ROLE_BARRIER = 1


@dataclass(frozen=True)
class MapParameter:
    """A tensor map that a kernel takes: of which argument, its sizes and the box of a copy, outermost dim first."""

    argument: int
    dtype: Scalar
    shape: tuple[Dim, ...]
    box: tuple[int, ...]
    swizzle: int
    pixels: PixelWalk | None = None


class AsyncEmitter:
    """A part of `KernelEmitter`."""

    def __init__(self, kernel: KernelEmitter) -> None:
        self.kernel = kernel
        self.writer = kernel.writer
        self.maps: dict[MapParameter, str] = {}

    # Roles

    def roles(self, op: tile.Roles) -> None:
        """One branch a role; within, `warp` and `thread` count from the start of the group."""
        total_warps = sum(w * g for w, g in zip(op.warps, op.group_counts, strict=True))
        if 32 * total_warps != self.kernel.threads:
            raise CompileError(
                Diagnostic(f"the roles take {32 * total_warps} threads of {self.kernel.threads}", op.location)
            )
        first, barrier = 0, FIRST_ROLE_BARRIER
        for number, region in enumerate(op.bodies):
            warps, groups = op.warps[number], op.group_counts[number]
            end = first + warps * groups
            header = f"if (threadIdx.x < {32 * end})" if number == 0 else f"else if (threadIdx.x < {32 * end})"
            header = "else" if number and end == total_warps else header
            with self.writer.scope(header):
                if op.registers is not None:
                    self._limit_registers(op, number)
                self._group(region, first, warps, groups, barrier)
            first, barrier = end, barrier + groups

    def _limit_registers(self, op: tile.Roles, number: int) -> None:
        assert op.registers is not None
        threads = [w * g for w, g in zip(op.warps, op.group_counts, strict=True)]
        average = sum(n * r for n, r in zip(threads, op.registers, strict=True)) / sum(threads)
        verb = "increase" if op.registers[number] > average else "decrease"
        self.writer.line(f"{verb}_registers<{op.registers[number]}>();")

    def _group(self, region: Region, first: int, warps: int, groups: int, barrier: int) -> None:
        threads = 32 * warps
        outside = self.kernel.threads, self.kernel.barrier_text
        number = "0"
        from_start = "(int)threadIdx.x" if first == 0 else f"((int)threadIdx.x - {32 * first})"
        if groups > 1:
            number = self.writer.fresh("group")
            # The same in a warp for the compiler too, which else runs wgmma one by one.
            self.writer.line(f"const int {number} = __shfl_sync(0xffffffff, {from_start} / {threads}, 0);")
        for argument in region.block.arguments:
            self.kernel.values[argument] = ScalarValue(number, index_type)
        self.kernel.threads = threads
        self.kernel.barrier_text = f"sync_group({total(barrier, number)}, {threads});"
        start = len(self.writer.lines)
        self.kernel.block(region.block)
        self.kernel.threads, self.kernel.barrier_text = outside
        code = "\n".join(line.text for line in (*self.writer.lead, *self.writer.lines[start:]))
        inside = from_start if groups == 1 else f"{from_start} % {threads}"
        if re.search(r"\bwarp\b", code):
            # From lane 0, so that the compiler knows it to be the same in the warp.
            self.writer.lead_line(f"const int warp = __shfl_sync(0xffffffff, {inside} / 32, 0);", first=True)
        if re.search(r"\bthread\b", code):
            self.writer.lead_line(f"const int thread = {inside};", first=True)

    def elect(self, op: tile.Elect) -> None:
        """`elect.sync` rather than a number: the compiler then knows that one thread runs the block."""
        with self.writer.block("if (warp == 0 && elect_one())"):
            self.kernel.block(op.body.block)
        self.writer.line("__syncwarp();")

    # Barriers

    def alloc_barriers(self, op: tile.AllocBarriers) -> None:
        start = self.kernel.reserve(8 * op.count, 8)
        name = self.writer.fresh(op.result.name, "barriers")
        text = f"unsigned long long* {name} = reinterpret_cast<unsigned long long*>(shared + {start});"
        self.writer.lead_line(text)
        self.kernel.values[op.result] = BarrierArray(name)
        self.writer.line(f"if (thread == 0) init_barriers<{op.count}>({name}, {op.arrivals});")

    def _slot(self, barriers: Value, slot: Value) -> str:
        array = self.kernel.values[barriers]
        assert isinstance(array, BarrierArray)
        return total(array.name, self.kernel.scalar(slot)).removesuffix(" + 0")

    def arrive(self, op: tile.Arrive) -> None:
        slot = self._slot(op.barriers, op.slot)
        call = f"arrive_expecting({slot}, {op.bytes});" if op.bytes else f"arrive({slot});"
        if _is_elected(op):
            self.writer.line(call)
            return
        self.writer.line("__syncwarp();")
        self.writer.line(f"if (lane == 0) {call}")

    def wait(self, op: tile.Wait) -> None:
        self.writer.line(f"wait_phase({self._slot(op.barriers, op.slot)}, {self.kernel.scalar(op.parity)});")

    # TMA

    def copy(self, op: tile.CopyAsync) -> None:
        """One box of an argument's tensor map."""
        loads = op.source_is_checked
        outer, inner = (op.source, op.target) if loads else (op.target, op.source)
        start, near = (op.source_start, op.target_start) if loads else (op.target_start, op.source_start)
        dims, near_dims = (op.source_dims, op.target_dims) if loads else (op.target_dims, op.source_dims)
        memory = self.kernel.memory(inner)
        self._check_box(op, memory, near_dims, dims)
        map_name = self.map_of(op, outer, dims, memory.swizzle)
        offset = total(*(t for t in [memory.offset([self.kernel.scalar(v) for v in near])] if t != "0"))
        place = memory.pointer if offset == "0" else f"{memory.pointer} + {offset}"
        coordinates = ", ".join(self.kernel.scalar(v) for v in reversed(start))
        if loads:
            assert op.barriers is not None and op.slot is not None
            slot = self._slot(op.barriers, op.slot)
            self.writer.line(f"tma_load_{len(start)}d({place}, &{map_name}, {slot}, {coordinates});")
        else:
            self.writer.line(f"tma_store_{len(start)}d(&{map_name}, {place}, {coordinates});")

    def copy_pixels(self, op: tile.CopyPixelsAsync) -> None:
        """Pixels of an argument's image: the place that the first output pixel's window begins at, and how far in the
        window the tap is."""
        memory = self.kernel.memory(op.target)
        self._check_box(op, memory, op.target_dims, op.source_dims)
        map_name = self.map_of_pixels(op, memory.swizzle)
        first, *offsets, channel = (self.kernel.scalar(v) for v in op.source_start)
        offset = memory.offset([self.kernel.scalar(v) for v in op.target_start])
        place = memory.pointer if offset == "0" else f"{memory.pointer} + {offset}"
        assert op.barriers is not None and op.slot is not None
        slot = self._slot(op.barriers, op.slot)
        windows = self.kernel.memory_ops.pixel_index(op, [first, *map(str, op.corner), channel])
        taps = [total(text, -low) for text, low in zip(offsets, op.corner, strict=True)]
        coordinates = ", ".join((*reversed(windows), *reversed(taps)))
        self.writer.line(f"tma_load_pixels_{len(windows)}d({place}, &{map_name}, {slot}, {coordinates});")

    def map_of_pixels(self, op: tile.CopyPixelsAsync, swizzle: int) -> str:
        """The parameter that describes how the copies of a convolution walk its image."""
        shape = self._shape_of(op.source)
        pixels, channels = op.sizes
        axes = list(zip(op.corner, op.out, op.steps, shape[1:-1], strict=True))[::-1]
        upper = [low + (out - 1) * step + 1 - int(str(size)) for low, out, step, size in axes]
        walk = PixelWalk(tuple(axis[0] for axis in axes), tuple(upper), op.steps[::-1])
        return self._map(op.source, shape, (pixels, channels), swizzle, walk)

    def _check_box(self, op: tile.CopyAsync, memory: Memory, near: Sequence[int], far: Sequence[int]) -> None:
        """TMA fills shared memory densely, in the order of the tensor's dims."""
        dense = 1
        fits = list(far) == sorted(set(far)) and max(op.sizes) <= 256
        for size, dim in zip(reversed(op.sizes), reversed(near), strict=True):
            fits = fits and (size == 1 or memory.strides[dim] == dense)
            dense *= size
        span = op.sizes[-1] * memory.dtype.bytes
        fits = fits and (not memory.swizzle or span <= memory.swizzle)
        if not fits:
            raise CompileError(Diagnostic(f"TMA cannot copy a box of {op.sizes} at once", op.location))

    def map_of(self, op: tile.CopyAsync, memref: Value, dims: Sequence[int], swizzle: int) -> str:
        """The parameter that describes boxes of an argument."""
        shape = self._shape_of(memref)
        box = [1] * len(shape)
        for size, dim in zip(op.sizes, dims, strict=True):
            box[dim] = size
        return self._map(memref, shape, tuple(box), swizzle, None)

    def _shape_of(self, memref: Value) -> tuple[Dim, ...]:
        if not isinstance(memref, BlockArgument) or memref not in self.kernel.function.block.arguments:
            raise CompileError(
                Diagnostic("TMA copies arguments of a kernel as they are", self.kernel.function.location)
            )
        return self.kernel.function.argument_shapes()[memref.index]

    def _map(
        self, memref: Value, shape: tuple[Dim, ...], box: tuple[int, ...], swizzle: int, pixels: PixelWalk | None
    ) -> str:
        assert isinstance(memref, BlockArgument) and isinstance(memref.type, MemRefType)
        key = MapParameter(memref.index, memref.type.dtype, shape, box, swizzle, pixels)
        if key not in self.maps:
            self.maps[key] = self.writer.fresh(f"{memref.name or 'arg'}_map")
        return self.maps[key]

    # Matrix products

    def mma(self, op: tile.Mma) -> None:
        """A group of `wgmma` that the tile is cut into, k outermost; where `acc` is zero the first ones add nothing."""
        start = self.kernel.tile(op.acc)
        fresh = isinstance(start, Splat) and float(start.text.strip("()f")) == 0
        acc = self.kernel.new_registers(op.result) if fresh else self.kernel.compute.accumulator(op)
        self.kernel.values[op.result] = acc
        instruction = op.instruction.partition(".")[2]
        n, depth = (int(part) for part in re.findall(r"n(\d+)k(\d+)", instruction)[0])
        b = self.kernel.memory(op.b)
        a = self.kernel.registers(op.a) if isinstance(op.a.type, VectorType) else self.kernel.memory(op.a)
        left, right = self._left(a, op.trans_a), self._matrix(b, not op.trans_b, "b")
        rows, columns = _group_tile(acc)
        places = [
            (k, i, j) for k in range(0, op.depth, depth) for i in range(0, rows, 64) for j in range(0, columns, n)
        ]
        tables = [
            [register_number(acc.layout, (i, j)) for _, i, j in places],
            [left.offset(i, k) for k, i, _ in places],
            [right.offset(j, k) for k, _, j in places],
        ]
        sizes = [columns // n, rows // 64, op.depth // depth]
        parts = sizes[0] * sizes[1]
        function = f"{left.prefix}wgmma_{instruction}_{_INSTRUCTION_TYPES[b.dtype.name]}"
        if depth == 16:
            flags = [int(not op.trans_b)] if isinstance(a, Registers) else [int(op.trans_a), int(not op.trans_b)]
            function += f"<{', '.join(map(str, flags))}>"
        self.writer.line("start_products();")
        texts = [register_map(sizes, table, "i") for table in tables]
        with self.writer.unrolled(len(places) if None not in texts else 1) as i:
            for one in range(1 if i == "i" or None not in texts else len(places)):
                at = [str(t) for t in texts] if i == "i" else [str(table[one]) for table in tables]
                first = str(one >= parts).lower() if i == "0" else f"i >= {parts}"
                operands = f"{left.at(at[1])}, {right.at(at[2])}, {first if fresh else 'true'}"
                self.writer.line(f"{function}(&{acc.at(at[0])}, {operands});")
        self.writer.line("commit_products();")

    def _left(self, a: Registers | Memory, transposed: bool) -> _Matrix | _Fragment:
        return _Fragment(a) if isinstance(a, Registers) else self._matrix(a, transposed, "a")

    def _matrix(self, memory: Memory, turned: bool, hint: str) -> _Matrix:
        """An operand in shared memory, with its descriptor."""
        name = self.writer.fresh(f"{hint}_matrix")
        side = _Matrix(name, memory, turned)
        place = memory.pointer if memory.start == "0" else f"{memory.pointer} + {memory.start}"
        leading, stride = side.strides
        self.writer.line(f"const unsigned long long {name} = matrix_descriptor({place}, {leading}, {stride});")
        return side

    def mma_wait(self, op: tile.MmaWait) -> None:
        acc = self.kernel.tile(op.acc)
        assert isinstance(acc, Registers)
        if op.pending and not op.finished:
            self.writer.line(f"wait_products<{op.pending}>();")
        else:
            self.writer.line(f"finish_products<{op.pending}>({acc.name});")
        self.kernel.values[op.result] = acc


_INSTRUCTION_TYPES = {"f16": "f16", "bf16": "bf16", "f32": "tf32"}


@dataclass(frozen=True)
class _Fragment:
    """The left operand of `wgmma` in registers."""

    registers: Registers
    prefix: ClassVar[str] = "registers_"

    def offset(self, row: int, k: int) -> int:
        return register_number(self.registers.layout, (row, k))

    def at(self, offset: str) -> str:
        return f"&{self.registers.at(offset)}"


@dataclass(frozen=True)
class _Matrix:
    """An operand of `wgmma` in shared memory, and the name of its descriptor; `turned`: its rows walk k, and M or N
    lies side by side."""

    name: str
    memory: Memory
    turned: bool
    prefix: ClassVar[str] = ""

    def __post_init__(self) -> None:
        *_, columns = self.memory.shape
        row_bytes = int(self.memory.strides[-2]) * self.memory.dtype.bytes
        fits = self.memory.swizzle == SPAN and row_bytes == SPAN and int(columns) * self.memory.dtype.bytes == SPAN
        if not fits or self.memory.strides[-1] != 1:
            raise CompileError(Diagnostic("'wgmma' reads panels of 128 bytes that are swizzled over 128 bytes"))

    @property
    def panel(self) -> int:
        """Bytes from one panel to the next."""
        return int(self.memory.strides[0]) * self.memory.dtype.bytes if len(self.memory.shape) == 3 else 0

    @property
    def strides(self) -> tuple[int, int]:
        """The descriptor's strides: between panels, where M or N runs through them, and between groups of rows."""
        return (self.panel or 16) if self.turned else 16, ATOM_ROWS * SPAN

    def offset(self, outer: int, k: int) -> int:
        """How far the part at (row or column, k) lies from the start, as the descriptor counts: 16 bytes."""
        row, column = (k, outer) if self.turned else (outer, k)
        panel, inside = divmod(column * self.memory.dtype.bytes, SPAN)
        return (panel * self.panel + row * SPAN + inside) // 16

    def at(self, offset: str) -> str:
        return self.name if offset == "0" else f"advanced({self.name}, {offset})"


def _group_tile(acc: Registers) -> tuple[int, int]:
    """The part of the accumulator that one warpgroup has."""
    offsets = acc.layout.register_offsets
    return max(o[0] for o in offsets) // 64 * 64 + 64, max(o[1] for o in offsets) // 8 * 8 + 8


def _is_elected(op: Operation) -> bool:
    """Whether one thread runs an op."""
    block: Block | None = op.parent
    while block is not None and block.parent is not None and (parent := block.parent.parent) is not None:
        if isinstance(parent, tile.Elect):
            return True
        if isinstance(parent, tile.Roles):
            return False
        block = parent.parent
    return False
