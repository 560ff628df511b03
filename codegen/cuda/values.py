"""What the values of a tile program are in CUDA C: scalars, arrays of registers, memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...ir.diagnostics import InternalError
from ...ir.layout import Layout, Modes
from ...ir.types import Scalar
from .writer import parenthesized, times, total

_NAMES = {
    "f64": "double",
    "f32": "float",
    "f16": "f16",
    "bf16": "bf16",
    "f8E4M3FN": "f8e4m3fn",
    "f8E4M3FNUZ": "f8e4m3fnuz",
    "f8E5M2": "f8e5m2",
    "f8E5M2FNUZ": "f8e5m2fnuz",
    "f8E8M0FNU": "f8e8m0fnu",
    "f4E2M1FN": "f4e2m1fn",
    "i1": "bool",
    "i8": "signed char",
    "i16": "short",
    "i32": "int",
    "i64": "long long",
    "i4": "signed char",
    "i2": "signed char",
    "complex<f32>": "float2",
    "complex<f64>": "double2",
}


def c_type(dtype: Scalar, index: str = "int") -> str:
    """The C type of an element, in registers and in memory; `index` is the type of indices."""
    if dtype.name == "index":
        return index
    name = dtype.name.replace("ui", "i")
    if name not in _NAMES:
        raise InternalError(f"CUDA C has no type for {dtype}")
    return _NAMES[name]


def is_narrow(dtype: Scalar) -> bool:
    """Whether arithmetic on `dtype` happens in float."""
    return dtype.is_float and dtype.bits < 32


@dataclass(frozen=True)
class ScalarValue:
    """One number, the same in all threads unless it was computed from the thread's place."""

    text: str
    dtype: Scalar


@dataclass(frozen=True)
class Registers:
    """A register tile: the array `name` with an element for each register of the layout."""

    name: str
    dtype: Scalar
    layout: Layout

    def at(self, register: str | int) -> str:
        return f"{self.name}[{register}]"


@dataclass(frozen=True)
class Splat:
    """A register tile whose elements are all the same, so that it needs no registers."""

    text: str
    dtype: Scalar
    layout: Layout

    def at(self, register: str | int) -> str:
        return self.text


@dataclass(frozen=True)
class Counted:
    """Positions along one dim of a tile, computed from the thread's place `base` and the register."""

    base: str
    dim: int
    dtype: Scalar
    layout: Layout

    def at(self, register: str | int) -> str:
        return total(self.base, digit_terms(self.layout.registers, self.dim, register))


@dataclass(frozen=True)
class Mapped:
    """Another tile's registers in another order: register r here is `table[r]` there."""

    source: Tile
    table: tuple[int, ...]
    dtype: Scalar
    layout: Layout

    @property
    def is_identity(self) -> bool:
        return self.table == tuple(range(self.source.layout.register_count))

    def at(self, register: str | int) -> str:
        if isinstance(register, int) or register.isdigit():
            return self.source.at(self.table[int(register)])
        text = self.expression(register)
        if text is None:
            raise InternalError("registers in no regular order must be copied first")
        return self.source.at(text)

    def expression(self, register: str) -> str | None:
        """The source's register as a C expression; None where it follows no rule."""
        return register_map([m.size for m in self.layout.registers], self.table, register)

    @property
    def is_regular(self) -> bool:
        return self.expression("i") is not None


Tile = Registers | Splat | Counted | Mapped


@dataclass(frozen=True)
class BarrierArray:
    """Barriers with phases: the array `name` in shared memory."""

    name: str


@dataclass(frozen=True)
class Memory:
    """A memref: `pointer` to element 0 of its allocation, the start of the window in elements, sizes and strides."""

    pointer: str
    dtype: Scalar
    shape: tuple[str | int, ...]
    strides: tuple[str | int, ...]
    start: str = "0"
    swizzle: int = 0
    space: str = ""
    of_cluster: bool = False
    """The first dim counts the blocks of a cluster, each of which has the rest at `pointer`."""

    def offset(self, index: Sequence[str | int]) -> str:
        """The element's distance from `pointer`, before swizzling."""
        terms = [times(i, s) for i, s in zip(index, self.strides, strict=True)]
        return total(self.start, *terms)

    def address(self, index: Sequence[str | int]) -> str:
        """A pointer to an element."""
        offset = self.offset(index)
        if self.swizzle:
            return f"{self.pointer} + swizzled<{self.swizzle}, {self.dtype.bytes}>({offset})"
        place = self.pointer if offset == "0" else f"{self.pointer} + {offset}"
        if self.of_cluster:
            return f"reinterpret_cast<const {c_type(self.dtype)}*>(peer_memory({place}, {index[0]}))"
        return place

    def window(self, start: Sequence[str | int], dims: Sequence[int], shape: Sequence[str | int]) -> Memory:
        """The memref that `tile.view` gives."""
        strides = tuple(self.strides[d] for d in dims)
        return replace(self, start=self.offset(start), shape=tuple(shape), strides=strides)

    @property
    def contiguous_dim(self) -> int | None:
        """The dim whose neighbours lie side by side."""
        return next((d for d in reversed(range(len(self.strides))) if self.strides[d] == 1), None)


def digit_terms(modes: Modes, dim: int, number: str | int, scale: int = 1, step: int = 1) -> str | int:
    """Where the digits of `number` (text or a constant, a multiple of `step`) lead along `dim`, as a C expression."""
    terms: list[str | int] = []
    below = 1
    number = int(number) if isinstance(number, str) and number.isdigit() else number
    for position, mode in enumerate(modes):
        stride = mode.strides[dim] * scale
        if stride and below * mode.size > step:
            if isinstance(number, int):
                digit: str | int = number // below % mode.size
            else:
                digit = _digit(number, below, mode.size, position == len(modes) - 1)
            terms.append(times(digit, stride))
        below *= mode.size
    return total(*terms) if not all(isinstance(t, int) for t in terms) else sum(t for t in terms if isinstance(t, int))


def _digit(number: str, below: int, size: int, last: bool) -> str:
    text = parenthesized(number)
    if below > 1:
        text = f"{text} / {below}"
    if not last:
        text = f"{text} % {size}"
    return text if below == 1 and last else f"({text})" if below > 1 and not last else text


def register_number(source: Layout, position: Sequence[int]) -> int:
    """The register whose element lies at `position` relative to register 0's."""
    try:
        return source.register_offsets.index(tuple(position))
    except ValueError:
        raise InternalError(f"no register lies at {tuple(position)} in {source}") from None


def register_map(sizes: Sequence[int], table: Sequence[int], variable: str) -> str | None:
    """`table[variable]` as a C expression, linear in the digits of `variable`; None where it is not linear.

    `sizes` are those of the digits, the fastest first.
    """
    digits: list[tuple[int, int, int]] = []
    below = 1
    for size in (prime for whole in sizes for prime in _primes(whole)):
        step = table[below] - table[0]
        if digits and step == digits[-1][1] * digits[-1][2]:
            first, old, coefficient = digits.pop()
            digits.append((first, old * size, coefficient))
        else:
            digits.append((below, size, step))
        below *= size
    for register, found in enumerate(table):
        if found != table[0] + sum(register // first % size * step for first, size, step in digits):
            return None
    texts: list[str | int] = [table[0]]
    for first, size, step in digits:
        if step:
            texts.append(times(_digit(variable, first, size, first * size == len(table)), step))
    return total(*texts)


def _primes(number: int) -> list[int]:
    found = []
    divisor = 2
    while number > 1:
        while number % divisor == 0:
            found.append(divisor)
            number //= divisor
        divisor += 1
    return found
