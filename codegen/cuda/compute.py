"""Reductions, matrix products and moves between threads in CUDA C."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...ir.attributes import DenseArrayAttr
from ...ir.core import Operation, Value
from ...ir.diagnostics import CompileError, Diagnostic, InternalError
from ...ir.dialects import tile, vector
from ...ir.layout import Layout, Modes, row_major
from ...ir.types import Scalar, VectorType
from .pointwise import constant, convert_float
from .values import Mapped, Registers, c_type, is_narrow, register_map, register_number
from .writer import times, total

if TYPE_CHECKING:
    from .kernel import KernelEmitter

_NEUTRAL = {"add": 0.0, "mul": 1.0, "max": -math.inf, "min": math.inf, "or": 0, "xor": 0, "and": -1}
_COMBINE = {
    "add": "{a} + {b}", "mul": "{a} * {b}", "max": "maximum({a}, {b})", "min": "minimum({a}, {b})",
    "and": "{a} & {b}", "or": "{a} | {b}", "xor": "{a} ^ {b}",
}  # fmt: skip
_F32 = Scalar("f32")


def view_table(op: Operation, source: Layout, result: Layout) -> tuple[int, ...]:
    """For each register of a view the register of its source. Raises InternalError where other threads hold it."""
    lost = len(result.shape) - len(source.shape)
    match op.name:
        case "vector.broadcast":
            fixed = [d for d, n in enumerate(source.shape) if n == 1]
            expected = result.drop(range(lost)).squeeze(fixed)
            places = [[0 if d in fixed else n for d, n in enumerate(o[lost:])] for o in result.register_offsets]
        case "vector.transpose":
            permutation = op.attributes["permutation"]
            assert isinstance(permutation, DenseArrayAttr)
            inverse = sorted(range(len(source.shape)), key=lambda d: permutation.values[d])
            expected = result.transpose(inverse)
            places = [[o[inverse[d]] for d in range(len(inverse))] for o in result.register_offsets]
        case "vector.extract_strided_slice":
            assert isinstance(op, vector.ExtractStridedSlice)
            first, _ = op.box
            expected = source if result == source.slice(result.shape) else None
            places = [[a + b for a, b in zip(first, o, strict=True)] for o in result.register_offsets]
        case _:
            expected = result.reshape(source.shape)
            places = [_unravel(_ravel(o, result.shape), source.shape) for o in result.register_offsets]
    if expected is None or (expected.lanes, expected.warps) != (source.lanes, source.warps):
        raise InternalError(f"'{op.name}' needs its operand in the layout {expected}, found {source}")
    return tuple(register_number(source, place) for place in places)


def _ravel(index: Sequence[int], shape: Sequence[int]) -> int:
    return sum(i * s for i, s in zip(index, row_major(shape), strict=True))


def _unravel(flat: int, shape: Sequence[int]) -> list[int]:
    return [flat // s % n for s, n in zip(row_major(shape), shape, strict=True)]


class ComputeEmitter:
    """A part of `KernelEmitter`."""

    def __init__(self, kernel: KernelEmitter) -> None:
        self.kernel = kernel
        self.writer = kernel.writer

    def _start(self, memref: Value) -> str:
        memory = self.kernel.memory(memref)
        return memory.address(["0"] * len(memory.shape))

    # Reductions

    def reduce(self, op: tile.Reduce) -> None:
        """Over a thread's registers, then its warp's lanes by shuffles, then the warps through shared memory."""
        source = self.kernel.tile(op.source)
        dropped = source.layout.drop(op.axes)
        result = self.kernel.layout_of(op.result) if isinstance(op.result.type, VectorType) else dropped
        if (result.lanes, result.warps) != (dropped.lanes, dropped.warps):
            raise InternalError(f"'tile.reduce' gives the layout {dropped}, not {result}")
        wide = _F32 if is_narrow(source.dtype) else source.dtype
        partial = Registers(self.writer.fresh(op.result.name, "sum" if op.kind == "add" else op.kind), wide, result)
        self.kernel.declare(partial)
        kept = [d for d in range(len(source.layout.shape)) if d not in op.axes]
        table = [register_number(result, [o[d] for d in kept]) for o in source.layout.register_offsets]
        self._fill(partial, _neutral(op.kind, wide))
        self._combine_registers(op.kind, partial, source, table)
        self._combine_lanes(op, partial, source.layout)
        self._combine_warps(op, partial, source.layout)
        self._finish(op, partial)

    def _fill(self, registers: Registers, text: str) -> None:
        with self.writer.unrolled(registers.layout.register_count) as i:
            self.writer.line(f"{registers.at(i)} = {text};")

    def _combine_registers(self, kind: str, partial: Registers, source: object, table: Sequence[int]) -> None:
        assert hasattr(source, "layout")
        layout: Layout = source.layout  # type: ignore[attr-defined]
        place = register_map([m.size for m in layout.registers], table, "i")
        if place is None:
            raise InternalError(f"registers of {layout} are reduced in no regular order")
        with self.writer.unrolled(layout.register_count) as i:
            target = partial.at(place if i == "i" else table[0])
            element = convert_float(source.at(i), source.dtype, partial.dtype)  # type: ignore[attr-defined]
            self.writer.line(f"{target} = {_combined(kind, target, element, partial.dtype)};")

    def _combine_lanes(self, op: tile.Reduce, partial: Registers, source: Layout) -> None:
        masks = []
        below = 1
        for mode in source.lanes:
            if any(mode.strides[d] for d in op.axes):
                masks += [below << bit for bit in range(mode.size.bit_length() - 1)]
            below *= mode.size
        for mask in reversed(masks):
            with self.writer.unrolled(partial.layout.register_count) as i:
                other = f"__shfl_xor_sync(0xffffffff, {partial.at(i)}, {mask})"
                if partial.dtype.is_bool:
                    other = f"(bool)__shfl_xor_sync(0xffffffff, (int){partial.at(i)}, {mask})"
                self.writer.line(f"{partial.at(i)} = {_combined(op.kind, partial.at(i), other, partial.dtype)};")

    def _combine_warps(self, op: tile.Reduce, partial: Registers, source: Layout) -> None:
        number, count = _reduced_digit(source.warps, op.axes, "warp")
        if count == 1:
            return
        if op.scratch is None:
            raise CompileError(Diagnostic("'tile.reduce' across warps needs scratch memory", op.location))
        layout, elements = partial.layout, math.prod(partial.layout.shape)
        dtype = c_type(partial.dtype, self.kernel.index)
        scratch = f"reinterpret_cast<{dtype}*>({self._start(op.scratch)})"
        first = [text for text in (_reduced_digit(source.lanes, op.axes, "lane")[0],) if text != "0"]
        test = f"if ({first[0]} == 0)" if first else ""
        with self.writer.block(test), self.writer.unrolled(layout.register_count) as i:
            self.writer.line(f"{scratch}[{total(times(number, elements), self._place(layout, i))}] = {partial.at(i)};")
        self.kernel.barrier()
        self._fill(partial, _neutral(op.kind, partial.dtype))
        with self.writer.unrolled(count, variable="w") as w, self.writer.unrolled(layout.register_count) as i:
            other = f"{scratch}[{total(times(w, elements), self._place(layout, i))}]"
            self.writer.line(f"{partial.at(i)} = {_combined(op.kind, partial.at(i), other, partial.dtype)};")
        self.kernel.barrier()

    def _place(self, layout: Layout, register: str) -> str:
        """The row-major number of the element in a register."""
        terms = [
            times(self.kernel.memory_ops.coordinate(layout, d, register), stride)
            for d, stride in enumerate(row_major(layout.shape))
        ]
        return total(*terms)

    def _finish(self, op: tile.Reduce, partial: Registers) -> None:
        target = op.result.type.dtype if isinstance(op.result.type, VectorType) else op.result.type
        assert isinstance(target, Scalar)
        if not isinstance(op.result.type, VectorType):
            self.kernel.define_scalar(op.result, convert_float(partial.at(0), partial.dtype, target))
        elif target == partial.dtype:
            self.kernel.values[op.result] = partial
        else:
            registers = self.kernel.new_registers(op.result)
            with self.writer.unrolled(partial.layout.register_count) as i:
                self.writer.line(f"{registers.at(i)} = {convert_float(partial.at(i), partial.dtype, target)};")

    # Moves

    def convert_layout(self, op: tile.ConvertLayout) -> None:
        source, target = self.kernel.tile(op.source), self.kernel.layout_of(op.result)
        if (source.layout.lanes, source.layout.warps) == (target.lanes, target.warps):
            table = tuple(register_number(source.layout, place) for place in target.register_offsets)
            moved = self.kernel.new_registers(op.result)
            self.kernel.copy_registers(moved, Mapped(source, table, source.dtype, target))
            return
        if op.scratch is None:
            raise CompileError(Diagnostic("'tile.convert_layout' across threads needs scratch memory", op.location))
        dtype = c_type(source.dtype, self.kernel.index)
        scratch = f"reinterpret_cast<{dtype}*>({self._start(op.scratch)})"
        with self.kernel.memory_ops.once(source.layout), self.writer.unrolled(source.layout.register_count) as i:
            self.writer.line(f"{scratch}[{self._place(source.layout, i)}] = {source.at(i)};")
        self.kernel.barrier()
        moved = self.kernel.new_registers(op.result)
        with self.writer.unrolled(target.register_count) as i:
            self.writer.line(f"{moved.at(i)} = {scratch}[{self._place(target, i)}];")
        self.kernel.barrier()

    # Matrix products

    def mma(self, op: tile.Mma) -> None:
        if op.is_asynchronous:
            self.kernel.asynchronous.mma(op)
            return
        acc = self.accumulator(op)
        a, b = self.kernel.registers(op.a), self.kernel.registers(op.b)
        if op.instruction == "fma":
            self._multiply_add(op, acc, a, b)
        elif op.instruction in ("mma.m16n8k16", "mma.m16n8k8", "mma3.m16n8k8"):
            self._warp_mma(op, acc, a, b)
        else:
            raise CompileError(Diagnostic(f"'{op.instruction}' has no CUDA C yet", op.location))
        self.kernel.values[op.result] = acc

    def accumulator(self, op: tile.Mma) -> Registers:
        """The array of `acc`, in place where nobody else reads the old values."""
        old = self.kernel.tile(op.acc)
        if isinstance(old, Registers) and op.acc.has_one_use and old.layout == self.kernel.layout_of(op.result):
            return old
        acc = self.kernel.new_registers(op.result)
        self.kernel.copy_registers(acc, old)
        return acc

    def _warp_mma(self, op: tile.Mma, acc: Registers, a: Registers, b: Registers) -> None:
        """One instruction a 16x8 part of the accumulator and step along K."""
        depth = int(op.instruction.rpartition("k")[2])
        sizes = (4, 8 if depth == 16 else 4, 4 if depth == 16 else 2)
        products = [
            (
                register_number(acc.layout, position),
                register_number(a.layout, _oriented((position[0], k), op.trans_a)),
                register_number(b.layout, _oriented((k, position[1]), op.trans_b)),
            )
            for k in range(0, a.layout.shape[0 if op.trans_a else 1], depth)
            for position in acc.layout.register_offsets[:: sizes[0]]
        ]
        counts = [m.size for m in acc.layout.registers]
        steps = [*_split_after(counts, sizes[0]), len(products) * sizes[0] // acc.layout.register_count]
        maps = [register_map(steps, [p[n] for p in products], "i") for n in range(3)]
        function = op.instruction.replace(".", "_")
        if None in maps:
            for registers in products:
                args = (t.at(r) for t, r in zip((acc, a, b), registers, strict=True))
                self.writer.line(f"{function}({', '.join(f'&{arg}' for arg in args)});")
            return
        with self.writer.unrolled(len(products)) as i:
            places = maps if i == "i" else products[0]
            args = (t.at(str(r)) for t, r in zip((acc, a, b), places, strict=True))
            self.writer.line(f"{function}({', '.join(f'&{arg}' for arg in args)});")

    def _multiply_add(self, op: tile.Mma, acc: Registers, a: Registers, b: Registers) -> None:
        """`fma` for every element and step along K."""
        sizes = [m.size for m in acc.layout.registers]
        for k in range(a.layout.shape[0 if op.trans_a else 1]):
            rows = [register_number(a.layout, _oriented((o[0], k), op.trans_a)) for o in acc.layout.register_offsets]
            columns = [register_number(b.layout, _oriented((k, o[1]), op.trans_b)) for o in acc.layout.register_offsets]
            with self.writer.unrolled(len(rows)) as i:
                row = register_map(sizes, rows, "i") if i == "i" else str(rows[0])
                column = register_map(sizes, columns, "i") if i == "i" else str(columns[0])
                if row is None or column is None:
                    raise InternalError(f"the operands of 'tile.mma' do not fit the layout {acc.layout}")
                x = convert_float(a.at(row), a.dtype, acc.dtype)
                y = convert_float(b.at(column), b.dtype, acc.dtype)
                self.writer.line(f"{acc.at(i)} += {x} * {y};")


def _oriented(position: tuple[int, int], transposed: bool) -> tuple[int, int]:
    return (position[1], position[0]) if transposed else position


def _split_after(sizes: Sequence[int], count: int) -> list[int]:
    """The digits above the first `count` values."""
    rest = list(sizes)
    while count > 1:
        shared = math.gcd(rest[0], count)
        rest[0] //= shared
        count //= shared
        if rest[0] == 1:
            rest.pop(0)
    return rest


def _reduced_digit(modes: Modes, axes: Sequence[int], number: str) -> tuple[str, int]:
    """The digits of lanes or warps that run along reduced axes, as one number, and how many values it has."""
    terms: list[str | int] = []
    below = count = 1
    for position, mode in enumerate(modes):
        if any(mode.strides[d] for d in axes):
            text = number if below == 1 else f"{number} / {below}"
            last = position == len(modes) - 1
            text = text if last else f"{text} % {mode.size}"
            terms.append(times(text, count) if count > 1 else text)
            count *= mode.size
        below *= mode.size
    return total(*terms), count


def _neutral(kind: str, dtype: Scalar) -> str:
    value = _NEUTRAL[kind]
    if dtype.is_float:
        return constant(value, dtype)
    if dtype.is_bool:
        return constant(kind in ("and", "mul", "min"), dtype)
    bits = 64 if dtype.name == "index" else dtype.bits
    if kind in ("max", "min"):
        value = -(1 << bits - 1) if kind == "max" else (1 << bits - 1) - 1
    return constant(value, dtype)


def _combined(kind: str, a: str, b: str, dtype: Scalar) -> str:
    form = _COMBINE[kind]
    if not dtype.is_float and kind in ("max", "min"):
        form = f"{kind}({{a}}, {{b}})"
    return form.format(a=a, b=b)
