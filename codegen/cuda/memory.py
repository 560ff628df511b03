"""Loads, stores, gathers and copies in CUDA C."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...ir.core import Value
from ...ir.diagnostics import InternalError
from ...ir.dialects import tile
from ...ir.layout import Layout, Modes
from ...ir.types import MemRefType, Scalar, VectorType
from .pointwise import constant
from .values import Memory, Registers, Tile, c_type, digit_terms
from .writer import parenthesized, times, total

if TYPE_CHECKING:
    from .kernel import KernelEmitter

UPDATES = {
    ("add", True): "old + {value}",
    ("add", False): "old + {value}",
    ("mul", True): "old * {value}",
    ("mul", False): "old * {value}",
    ("max", True): "maximum(old, {value})",
    ("max", False): "max(old, {value})",
    ("min", True): "minimum(old, {value})",
    ("min", False): "min(old, {value})",
}
"""What takes the place of `old` in memory, for floats and for integers."""
WIDEST = 16
"""Bytes of the widest access of one thread."""


@dataclass(frozen=True)
class Box:
    """Where the elements of a register tile lie in a memref: the attributes of `tile.load` and `tile.store`."""

    memory: Memory
    start: tuple[str, ...]
    dims: tuple[int, ...]
    steps: tuple[int, ...]
    checked: tuple[int, ...]
    layout: Layout

    def vector(self, alignment: int) -> int:
        """How many elements one access of a thread moves."""
        fast = self.memory.contiguous_dim
        if fast is None or not self.layout.registers:
            return 1
        mode = self.layout.registers[0]
        along = [v for v, d in enumerate(self.dims) if d == fast and self.steps[v] == 1]
        unit = tuple(1 if [v] == along else 0 for v in range(len(self.dims)))
        if len(along) != 1 or mode.strides != unit:
            return 1
        most = max(1, min(alignment, WIDEST) // self.memory.dtype.bytes)
        return max(n for n in (1, 2, 4, 8, 16) if n <= most and mode.size % n == 0)


class MemoryEmitter:
    """Spells the ops that touch memory; a part of `KernelEmitter`."""

    def __init__(self, kernel: KernelEmitter) -> None:
        self.kernel = kernel
        self.writer = kernel.writer

    # Coordinates

    def thread_coordinate(self, layout: Layout, dim: int, scale: int = 1) -> str:
        """Where a thread's elements begin along a dim of a tile."""
        lanes = digit_terms(layout.lanes, dim, "lane", scale)
        warps = digit_terms(layout.warps, dim, "warp", scale)
        text = total(lanes, warps)
        return text if text == "0" else self.writer.hoisted("int", text, "place")

    def coordinate(self, layout: Layout, dim: int, register: str | int, scale: int = 1, step: int = 1) -> str:
        """The position along a tile's dim of the element in a register, whose number `step` divides."""
        place = digit_terms(layout.registers, dim, register, scale, step)
        return total(self.thread_coordinate(layout, dim, scale), place)

    def index_of(self, box: Box, register: str | int, step: int = 1) -> list[str]:
        """The memref index of the element in a register, one text a memref dim; `step` divides its number."""
        texts = []
        for d, first in enumerate(box.start):
            parts = [
                self.coordinate(box.layout, v, register, box.steps[v], step)
                for v, dim in enumerate(box.dims)
                if dim == d
            ]
            texts.append(total(*(p for p in (first, *parts) if p != "0")))
        return texts

    def named(self, texts: Sequence[str]) -> list[str]:
        """Constants for indices that are more than a name."""
        names = []
        for text in texts:
            if text.isidentifier() or text.isdigit():
                names.append(text)
            else:
                name = self.writer.fresh("at")
                self.writer.line(f"const {self.kernel.index} {name} = {text};")
                names.append(name)
        return names

    def inside(self, box: Box, index: Sequence[str]) -> str:
        """The condition that an index is in the memref along the checked dims."""
        tests = [self.within(index[d], box.memory.shape[d]) for d in box.checked]
        return " && ".join(tests)

    def within(self, index: str, size: str | int) -> str:
        unsigned = f"unsigned {self.kernel.index}".replace("unsigned int", "unsigned")
        bound = f"{size}u" if isinstance(size, int) else f"({unsigned}){parenthesized(size)}"
        return f"({unsigned}){parenthesized(index)} < {bound}"

    # Loads

    def load(self, op: tile.Load) -> None:
        memory = self.kernel.memory(op.memref)
        start = tuple(self.kernel.scalar(v) for v in op.start)
        if not isinstance(op.result.type, VectorType):
            self._load_scalar(op, memory, start)
            return
        layout = self.kernel.layout_of(op.result)
        box = Box(memory, start, op.dims, op.steps, op.checked, layout)
        target = self.kernel.new_registers(op.result)
        if op.instruction is not None:
            self._load_matrices(box, target, op.instruction)
            return
        vector = box.vector(op.alignment)
        with self.writer.unrolled(layout.register_count, vector) as i:
            index = self.named(self.index_of(box, i, vector))
            self._read(box, index, target, i, vector, op.fill)

    def _load_scalar(self, op: tile.Load, memory: Memory, start: tuple[str, ...]) -> None:
        assert isinstance(op.result.type, Scalar)
        text = f"*({memory.address(start)})"
        box = Box(memory, start, (), (), op.checked, Layout((), (), (), ()))
        if op.checked:
            text = f"{self.inside(box, start)} ? {text} : {constant(op.fill, op.result.type)}"
        self.kernel.define_scalar(op.result, text)

    def _read(self, box: Box, index: Sequence[str], target: Registers, i: str, vector: int, fill: float) -> None:
        write = self.writer.line
        dtype = target.dtype
        move = f"move<{vector * dtype.bytes}>(&{target.at(i)}, {box.memory.address(index)});"
        if vector == 1:
            move = f"{target.at(i)} = *({box.memory.address(index)});"
        if not box.checked:
            write(move)
            return
        default = constant(fill, dtype)
        if vector == 1:
            write(f"{target.at(i)} = {self.inside(box, index)} ? *({box.memory.address(index)}) : {default};")
            return
        # `alignment` says that an access is inside or outside as a whole.
        with self.writer.block(f"if ({self.inside(box, index)})"):
            write(move)
        with self.writer.block("else"), self.writer.unrolled(vector, variable="j") as j:
            write(f"{target.name}[{total(i, j)}] = {default};")

    def _load_matrices(self, box: Box, target: Registers, instruction: str) -> None:
        """`ldmatrix`: a word of registers (two 16-bit elements or one of 32) an 8x8 matrix."""
        self._move_matrices(box, target, instruction)

    def _move_matrices(self, box: Box, registers: Tile, instruction: str) -> None:
        transposed = instruction.endswith(".trans")
        stores = instruction.startswith("stmatrix")
        per_word = 4 // registers.dtype.bytes
        count = 4 if ".x4" in instruction else 2
        step = per_word * count
        name = f"{'store' if stores else 'load'}{'' if count == 4 else '_two'}_matrices"
        name += "_transposed" if transposed else ""
        rows, columns = self._matrix_dims(box.layout, per_word)
        row_dim = columns if transposed else rows
        base = list(box.layout.register_offsets[:step:per_word])
        with self.writer.unrolled(box.layout.register_count, step) as i:
            index = []
            for d, first in enumerate(box.start):
                parts: list[str] = [first]
                for v, dim in enumerate(box.dims):
                    if dim != d:
                        continue
                    parts.append(str(digit_terms(box.layout.warps, v, "warp")))
                    parts.append(self._matrix_offset([o[v] for o in base], count))
                    parts.append("lane % 8" if v == row_dim else "0")
                    hoisted = total(*(p for p in parts[1:] if p != "0"))
                    parts = [first, self.writer.hoisted("int", hoisted, "matrix") if hoisted != "0" else "0"]
                    parts.append(str(digit_terms(box.layout.registers, v, i, 1, step)))
                index.append(total(*(p for p in parts if p != "0")))
            arguments = [f"&{registers.at(i)}", box.memory.address(index)]
            self.writer.line(f"{name}({', '.join(reversed(arguments) if stores else arguments)});")

    def _matrix_dims(self, layout: Layout, per_word: int) -> tuple[int, int]:
        """The dims along which lanes 0, 4, 8 … and the elements of lanes 0, 1, 2, 3 go."""
        if [mode.size for mode in layout.lanes] != [4, 8] or max(layout.lanes[0].strides) != per_word:
            raise InternalError(f"'ldmatrix' cannot load the layout {layout}")
        words, rows = layout.lanes
        return rows.strides.index(1), words.strides.index(per_word)

    def _matrix_offset(self, offsets: Sequence[int], count: int) -> str:
        """Where matrix `lane / 8` begins; `offsets` are those of the matrices 0 to count - 1."""
        one = times("lane / 8 % 2", offsets[1] - offsets[0])
        if count == 2:
            return str(one)
        if offsets[3] - offsets[2] != offsets[1] - offsets[0]:
            raise InternalError("'ldmatrix' needs matrices at regular offsets")
        return total(one, times("lane / 16", offsets[2] - offsets[0]))

    # Stores

    def store(self, op: tile.Store) -> None:
        memory = self.kernel.memory(op.memref)
        start = tuple(self.kernel.scalar(v) for v in op.start)
        if not isinstance(op.value.type, VectorType):
            box = Box(memory, start, (), (), op.checked, Layout((), (), (), ()))
            tests = ["thread == 0", *([self.inside(box, start)] if op.checked else [])]
            with self.writer.block(f"if ({' && '.join(tests)})"):
                self.writer.line(self._put(memory, start, self.kernel.scalar(op.value), op.combine))
            return
        value = self.kernel.tile(op.value)
        box = Box(memory, start, op.dims, op.steps, op.checked, value.layout)
        if op.instruction is not None:
            self._move_matrices(box, self.kernel.registers(op.value), op.instruction)
            return
        vector = 1 if op.combine else box.vector(op.alignment)
        with self.once(value.layout), self.writer.unrolled(value.layout.register_count, vector) as i:
            index = self.named(self.index_of(box, i, vector))
            self._write(box, index, value, i, vector, op.combine)

    def once(self, layout: Layout) -> AbstractContextManager[None]:
        """A block that one of the threads that hold the same element runs."""
        tests = [*self._first_of(layout.lanes, "lane"), *self._first_of(layout.warps, "warp")]
        return self.writer.block(f"if ({' && '.join(tests)})" if tests else "")

    def _first_of(self, modes: Modes, number: str) -> list[str]:
        tests = []
        below = 1
        for position, mode in enumerate(modes):
            if mode.repeats:
                text = number if below == 1 else f"{number} / {below}"
                tests.append(f"{text} == 0" if position == len(modes) - 1 else f"{text} % {mode.size} == 0")
            below *= mode.size
        return tests

    def _write(self, box: Box, index: Sequence[str], value: Tile, i: str, vector: int, combine: str | None) -> None:
        write = self.writer.line
        if vector == 1:
            text = self._put(box.memory, index, value.at(i), combine)
            write(f"if ({self.inside(box, index)}) {text}" if box.checked else text)
            return
        source = f"&{value.at(i)}"
        if not isinstance(value, Registers):
            name = self.writer.fresh("part")
            write(f"alignas(16) {c_type(value.dtype, self.kernel.index)} {name}[{vector}];")
            for j in range(vector):
                write(f"{name}[{j}] = {value.at(total(i, j))};")
            source = name
        move = f"move<{vector * value.dtype.bytes}>({box.memory.address(index)}, {source});"
        if not box.checked:
            write(move)
            return
        with self.writer.block(f"if ({self.inside(box, index)})"):
            write(move)

    def _put(self, memory: Memory, index: Sequence[str], value: str, combine: str | None) -> str:
        if combine is None:
            return f"*({memory.address(index)}) = {value};"
        if combine == "add" and memory.dtype.name in ("f32", "f64", "i32"):
            return f"atomicAdd({memory.address(index)}, {value});"
        if combine in ("max", "min") and memory.dtype.name in ("i32", "i64"):
            return f"atomic{combine.capitalize()}({memory.address(index)}, {value});"
        new = UPDATES[combine, memory.dtype.is_float].format(value=value)
        return f"update({memory.address(index)}, [&]({c_type(memory.dtype)} old) {{ return {new}; }});"

    # Gathers and scatters

    def gather(self, op: tile.Gather, element: Callable[[Value], str]) -> str:
        """One element of a gather; `element` gives the text of an operand's element."""
        memory = self.kernel.memory(op.memref)
        text = f"*({memory.address([parenthesized(element(v)) for v in op.indices])})"
        if op.mask is None:
            return text
        fill = constant(op.fill, tile.register_type(memory.dtype))
        return f"{parenthesized(element(op.mask))} ? {text} : {fill}"

    def scatter(self, op: tile.Scatter) -> None:
        memory = self.kernel.memory(op.memref)
        value = self.kernel.tile(op.value)

        with self.once(value.layout), self.writer.unrolled(value.layout.register_count) as i:
            index = [parenthesized(self.kernel.element(v, i)) for v in op.indices]
            put = self._put(memory, index, value.at(i), op.combine)
            self.writer.line(put if op.mask is None else f"if ({self.kernel.element(op.mask, i)}) {put}")

    # Copies

    def copy(self, op: tile.Copy | tile.CopyAsync) -> None:
        """A box from memref to memref, cut into chunks that the threads take in turn."""
        source, target = self.kernel.memory(op.source), self.kernel.memory(op.target)
        per_chunk = max(op.width // source.dtype.bytes, 1)
        chunks = math.prod(op.sizes) // per_chunk
        threads = self.kernel.threads
        whole, rest = divmod(chunks, threads)
        if whole:
            with self.writer.unrolled(whole) as i:
                self._chunk(op, source, target, total("thread", times(i if whole > 1 else 0, threads)), per_chunk)
        if rest:
            with self.writer.block(f"if (thread < {rest})"):
                self._chunk(op, source, target, total("thread", whole * threads), per_chunk)

    def _chunk(
        self, op: tile.Copy | tile.CopyAsync, source: Memory, target: Memory, number: str, per_chunk: int
    ) -> None:
        (chunk,) = self.named([number])
        position = self._position(chunk, op.sizes, per_chunk)
        index: dict[str, list[str]] = {}
        for side, start, dims in (
            ("from", op.source_start, op.source_dims),
            ("to", op.target_start, op.target_dims),
        ):
            texts = [[self.kernel.scalar(v)] for v in start]
            for v, dim in enumerate(dims):
                texts[dim].append(position[v])
            index[side] = [total(*(t for t in parts if t != "0")) for parts in texts]
        from_ = self.named(index["from"])
        if isinstance(op, tile.CopyPixelsAsync):
            from_ = self.pixel_index(op, from_)
        width = per_chunk * source.dtype.bytes
        if isinstance(op, tile.CopyAsync):
            self._copy_async(op, source, target, from_, index["to"], width)
        else:
            self._copy_now(op, source, target, from_, index["to"], width)

    def _position(self, chunk: str, sizes: Sequence[int], per_chunk: int) -> list[str]:
        """The box position where chunk number `chunk` (row-major) begins."""
        counts = [*sizes[:-1], sizes[-1] // per_chunk]
        texts: list[str] = []
        below = 1
        for v in reversed(range(len(counts))):
            last = math.prod(counts[:v]) == 1
            text = chunk if below == 1 else f"{chunk} / {below}"
            if counts[v] == 1:
                text = "0"
            elif not last:
                text = f"{text} % {counts[v]}"
            texts.append(str(times(text, per_chunk)) if v == len(counts) - 1 else text)
            below *= counts[v]
        return list(reversed(texts))

    def pixel_index(self, op: tile.CopyPixelsAsync, index: Sequence[str]) -> list[str]:
        """Where an output pixel's input lies; `index` has its number, offsets along the spatial axes, the channel."""
        pixel, *offsets, channel = index
        places: list[str] = []
        for size, step, offset in reversed(list(zip(op.out, op.steps, offsets, strict=True))):
            places += self.named([total(times(f"{pixel} % {size}", step), offset)])
            (pixel,) = self.named([f"{pixel} / {size}"])
        return [pixel, *reversed(places), channel]

    def _valid_bytes(self, op: tile.Copy | tile.CopyAsync, source: Memory, index: Sequence[str], width: int) -> str:
        """How many bytes of a chunk lie in the source."""
        fast = op.source_dims[-1]
        size = source.shape[fast]
        per_chunk = width // source.dtype.bytes
        exact = isinstance(size, int) and size % per_chunk == 0
        tests = [self.within(index[d], source.shape[d]) for d in op.checked if d != fast or exact or per_chunk == 1]
        text = str(width)
        if fast in op.checked and not exact and per_chunk > 1:
            left = f"{parenthesized(size)} - {parenthesized(index[fast])}"
            text = f"min(max((int)({left}) * {source.dtype.bytes}, 0), {width})"
        return f"{' && '.join(tests)} ? {text} : 0" if tests else text

    def _copy_async(
        self, op: tile.CopyAsync, source: Memory, target: Memory, index: list[str], to: list[str], width: int
    ) -> None:
        there = target.address(to)
        if not op.checked:
            self.writer.line(f"copy_async<{width}>({there}, {source.address(index)});")
            return
        valid = self.writer.fresh("valid")
        self.writer.line(f"const int {valid} = {self._valid_bytes(op, source, index, width)};")
        here = f"{valid} ? {source.address(index)} : {source.pointer}"
        self.writer.line(f"copy_async<{width}>({there}, {here}, {valid});")

    def _copy_now(
        self, op: tile.Copy, source: Memory, target: Memory, index: list[str], to: list[str], width: int
    ) -> None:
        if width > source.dtype.bytes and not op.checked:
            self.writer.line(f"move<{width}>({target.address(to)}, {source.address(index)});")
            return
        for j in range(width // source.dtype.bytes):
            one, there = ([*texts[:-1], total(texts[-1], j)] for texts in (index, to))
            text = f"*({source.address(one)})"
            if op.checked:
                tests = " && ".join(self.within(one[d], source.shape[d]) for d in op.checked)
                text = f"{tests} ? {text} : {constant(op.fill, source.dtype)}"
            self.writer.line(f"*({target.address(there)}) = {text};")

    def prefetch(self, op: tile.Prefetch) -> None:
        """One hint a 128-byte line."""
        source = self.kernel.memory(op.memref)
        per_line = max(128 // source.dtype.bytes, 1)
        sizes = [*op.sizes[:-1], -(-op.sizes[-1] // per_line) * per_line] if op.sizes else [1]
        lines = math.prod(sizes) // per_line
        with self.writer.block(f"for (int i = thread; i < {lines}; i += {self.kernel.threads})"):
            position = self._position("i", sizes, per_line)
            index = [total(self.kernel.scalar(v), p) for v, p in zip(op.start, position, strict=True)]
            self.writer.line(f"prefetch_l2({source.address(index)});")


def memory_of_argument(name: str, type: MemRefType, shape: Sequence[str | int]) -> Memory:
    """A dense kernel argument."""
    strides: list[str | int] = []
    for d in range(len(shape)):
        product: str | int = 1
        for size in shape[d + 1 :]:
            product = times(product, size)
        strides.append(product)
    return Memory(name, type.dtype, tuple(shape), tuple(strides))
