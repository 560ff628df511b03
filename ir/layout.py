"""Which thread of a GPU's thread block holds which element of a register tile.

A `Layout` maps a register number, a lane (thread of a warp) and a warp to the coordinates of an element. Each of the
three numbers is cut into digits, the fastest first, and a `Mode` says how many values its digit takes and how far one
step of it moves along every dim of the tile:

    coordinates = sum of digit * strides over all modes of registers, lanes and warps

So blocked loads, the fragments of matrix instructions, slices of rows and broadcasts are one kind of thing. Strides of
zero repeat the same element (in other lanes, in other warps). As text, an attribute of the op that makes the tile:

    "registers 2@(0,1) 2@(8,0); lanes 4@(0,2) 8@(1,0); warps 4@(16,0)"
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property

from .attributes import ArrayAttr, Attribute, StringAttr
from .core import BlockArgument, Operation, OpResult, Value
from .types import VectorType

ATTRIBUTE = "tile.layout"
LANES = 32
Coordinates = tuple[int, ...]


@dataclass(frozen=True)
class Mode:
    """A digit with `size` values; one step of it moves by `strides` in the tile."""

    size: int
    strides: Coordinates

    @property
    def repeats(self) -> bool:
        """Whether all values of the digit stand for the same element."""
        return not any(self.strides)

    def __str__(self) -> str:
        return f"{self.size}@({','.join(map(str, self.strides))})"


Modes = tuple[Mode, ...]


@dataclass(frozen=True)
class Layout:
    """See the module. Digits with one value are left out and digits that continue each other are joined."""

    shape: Coordinates
    registers: Modes
    lanes: Modes
    warps: Modes

    @staticmethod
    def of(shape: Sequence[int], registers: Iterable[Mode], lanes: Iterable[Mode], warps: Iterable[Mode]) -> Layout:
        """The layout of these modes. Raises ValueError unless they reach every element of `shape` and no other."""
        layout = Layout(tuple(shape), _joined(registers), _joined(lanes), _joined(warps))
        if digits(layout.lanes) != LANES:
            raise ValueError(f"a layout needs {LANES} lanes, found {digits(layout.lanes)}")
        layout._check()
        return layout

    def _check(self) -> None:
        for dim, size in enumerate(self.shape):
            reach = 1 + sum((m.size - 1) * m.strides[dim] for m in self.modes)
            if reach != size:
                raise ValueError(f"a layout reaches {reach} of {size} elements along dim {dim}: {self}")
        if math.prod(m.size for m in self.modes if not m.repeats) != math.prod(self.shape):
            raise ValueError(f"a layout does not hold every element of {self.shape} once: {self}")

    @property
    def modes(self) -> Modes:
        return self.registers + self.lanes + self.warps

    @property
    def register_count(self) -> int:
        """Elements a thread holds."""
        return digits(self.registers)

    @property
    def threads(self) -> int:
        return LANES * digits(self.warps)

    @cached_property
    def register_offsets(self) -> tuple[Coordinates, ...]:
        """How far each register's element lies from that of register 0."""
        return offsets(self.registers, len(self.shape))

    def coordinates(self, register: int, thread: int) -> Coordinates:
        """The element that register of that thread holds."""
        lane, warp = thread % LANES, thread // LANES
        parts = [self.register_offsets[register]]
        parts += [
            offset_of(number, modes, len(self.shape)) for number, modes in ((lane, self.lanes), (warp, self.warps))
        ]
        return tuple(map(sum, zip(*parts, strict=True))) if self.shape else ()

    # Layouts made from others

    def drop(self, axes: Iterable[int]) -> Layout:
        """The tile without the dims `axes`: a slice, the result of a reduction, the source of a broadcast."""
        gone = set(axes)
        kept = [d for d in range(len(self.shape)) if d not in gone]
        parts = [_select(modes, kept) for modes in (self.registers, self.lanes, self.warps)]
        registers = tuple(m for m in parts[0] if not m.repeats)
        return Layout.of([self.shape[d] for d in kept], registers, parts[1], parts[2])

    def squeeze(self, axes: Iterable[int]) -> Layout:
        """The same tile with size 1 along `axes`: the source of a broadcast along them."""
        gone = set(axes)
        shape = [1 if d in gone else n for d, n in enumerate(self.shape)]

        def flat(modes: Modes) -> list[Mode]:
            return [Mode(m.size, tuple(0 if d in gone else s for d, s in enumerate(m.strides))) for m in modes]

        return Layout.of(shape, [m for m in flat(self.registers) if not m.repeats], flat(self.lanes), flat(self.warps))

    def slice(self, sizes: Sequence[int]) -> Layout:
        """The layout of a box of `sizes`, which ends between registers. Raises ValueError where it does not."""

        def cut(mode: Mode) -> Mode:
            for size, stride in zip(sizes, mode.strides, strict=True):
                if stride:
                    mode = Mode(min(mode.size, max(size // stride, 1)), mode.strides)
            return mode

        return Layout.of(sizes, map(cut, self.registers), self.lanes, self.warps)

    def transpose(self, permutation: Sequence[int]) -> Layout:
        """The layout of the transposed tile: its dim i is dim `permutation[i]` of this one."""
        parts = [_select(modes, permutation) for modes in (self.registers, self.lanes, self.warps)]
        return Layout.of([self.shape[d] for d in permutation], *parts)

    def reshape(self, shape: Sequence[int]) -> Layout | None:
        """The layout of the tile under another shape (row-major), every element where it was; None if there is none."""
        parts = []
        for modes in (self.registers, self.lanes, self.warps):
            new: list[Mode] = []
            for mode in modes:
                cut = _cut(mode, self.shape, shape)
                if cut is None:
                    return None
                new += cut
            parts.append(new)
        try:
            return Layout.of(shape, *parts)
        except ValueError:
            return None

    # Text

    def __str__(self) -> str:
        parts = (("registers", self.registers), ("lanes", self.lanes), ("warps", self.warps))
        return "; ".join(" ".join((name, *map(str, modes))) for name, modes in parts)

    def to_attribute(self) -> Attribute:
        return StringAttr(str(self))

    @staticmethod
    def parse(text: str, shape: Sequence[int]) -> Layout:
        """Read the text form. Raises ValueError for anything else."""
        parts = [part.split() for part in text.split(";")]
        if [part[:1] for part in parts] != [["registers"], ["lanes"], ["warps"]]:
            raise ValueError(f"{text!r} is not a layout: expected 'registers …; lanes …; warps …'")
        return Layout.of(shape, *([_parse_mode(word, len(shape)) for word in part[1:]] for part in parts))


def digits(modes: Modes) -> int:
    """How many values the digits of `modes` take together."""
    return math.prod(m.size for m in modes)


def offset_of(number: int, modes: Modes, rank: int) -> Coordinates:
    """Where the digits of `number` lead."""
    total = [0] * rank
    for mode in modes:
        number, digit = divmod(number, mode.size)
        for d in range(rank):
            total[d] += digit * mode.strides[d]
    return tuple(total)


def offsets(modes: Modes, rank: int) -> tuple[Coordinates, ...]:
    """`offset_of` for every value."""
    return tuple(offset_of(number, modes, rank) for number in range(digits(modes)))


def blocked(
    shape: Sequence[int],
    threads: int,
    vector: int = 1,
    order: Sequence[int] | None = None,
    warp_order: Sequence[int] | None = None,
) -> Layout:
    """Neighbouring lanes hold neighbouring elements: along `order[0]` each thread has `vector` elements side by side.

    `order` lists the dims from the fastest in memory to the slowest (default: from the last to the first); warps are
    spread along `warp_order`. Threads that are left over repeat elements, elements left over take more registers.
    """
    rank = len(shape)
    order = tuple(order) if order is not None else tuple(reversed(range(rank)))
    left, done = list(shape), [1] * rank

    def take(dim: int, wanted: int) -> Mode:
        size = math.gcd(left[dim], wanted)
        mode = Mode(size, tuple(done[dim] if d == dim else 0 for d in range(rank)))
        left[dim] //= size
        done[dim] *= size
        return mode

    def spread(count: int, dims: Sequence[int]) -> list[Mode]:
        modes = []
        for dim in dims:
            mode = take(dim, count)
            count //= mode.size
            modes.append(mode)
        return [*modes, Mode(count, (0,) * rank)]

    inner = [take(order[0], vector)] if order else []
    lanes = spread(LANES, order)
    warps = spread(threads // LANES, warp_order if warp_order is not None else order)
    return Layout.of(shape, [*inner, *(take(dim, left[dim]) for dim in order)], lanes, warps)


def _joined(modes: Iterable[Mode]) -> Modes:
    """Without digits of one value; a digit that goes on where the one before it ends is joined to it."""
    result: list[Mode] = []
    for mode in modes:
        if mode.size == 1:
            continue
        last = result[-1] if result else None
        if last is not None and mode.strides == tuple(last.size * s for s in last.strides):
            result[-1] = Mode(last.size * mode.size, last.strides)
        else:
            result.append(mode)
    return tuple(result)


def _select(modes: Modes, dims: Sequence[int]) -> Modes:
    return tuple(Mode(m.size, tuple(m.strides[d] for d in dims)) for m in modes)


def row_major(shape: Sequence[int]) -> Coordinates:
    """Strides of a dense tile."""
    return tuple(math.prod(shape[d + 1 :]) for d in range(len(shape)))


def _cut(mode: Mode, old: Sequence[int], new: Sequence[int]) -> list[Mode] | None:
    """The digits of `mode` in a tile of shape `new`; one digit may be cut where it crosses a dim of `new`."""
    size, step = mode.size, sum(s * r for s, r in zip(mode.strides, row_major(old), strict=True))
    if step == 0:
        return [Mode(size, (0,) * len(new))]
    result = []
    while size > 1:
        place = next((d for d, r in enumerate(row_major(new)) if r <= step and new[d] > 1), None)
        if place is None:
            return None
        stride, uneven = divmod(step, row_major(new)[place])
        room = new[place] // stride if stride else 0
        take = min(size, room)
        if uneven or take < 2 or size % take or (take < size and new[place] % stride):
            return None
        result.append(Mode(take, tuple(stride if d == place else 0 for d in range(len(new)))))
        size //= take
        step *= take
    return result


def _parse_mode(word: str, rank: int) -> Mode:
    match = re.fullmatch(r"(\d+)@\(([\d,]*)\)", word)
    strides = tuple(int(s) for s in match[2].split(",") if s) if match else ()
    if match is None or len(strides) != rank:
        raise ValueError(f"{word!r} is not a mode of a layout of rank {rank}: expected 'size@(stride,…)'")
    return Mode(int(match[1]), strides)


def layout_of(value: Value) -> Layout | None:
    """The layout of a register tile: what the op that makes it says; the body of a loop carries what the loop gives."""
    result = _carrier(value)
    if result is None or not isinstance(value.type, VectorType):
        return None
    attribute = result.op.attributes.get(ATTRIBUTE)
    if isinstance(attribute, ArrayAttr):
        attribute = attribute.values[result.index]
    if not isinstance(attribute, StringAttr) or not attribute.value:
        return None
    return _parse(attribute.value, value.type.shape)


def set_layout(value: Value, layout: Layout) -> None:
    """Write the layout of a register tile to the op that makes it. Raises ValueError for a tile that no op makes."""
    result = _carrier(value)
    if result is None:
        raise ValueError("a register tile without an op has no layout")
    op = result.op
    if len(op.results) == 1:
        op.attributes[ATTRIBUTE] = layout.to_attribute()
        return
    old = op.attributes.get(ATTRIBUTE)
    texts: list[Attribute] = list(old.values) if isinstance(old, ArrayAttr) else [StringAttr("") for _ in op.results]
    texts[result.index] = layout.to_attribute()
    op.attributes[ATTRIBUTE] = ArrayAttr(tuple(texts))


def _carrier(value: Value) -> OpResult | None:
    """The op result that holds the layout of `value`."""
    if isinstance(value, OpResult):
        return value
    assert isinstance(value, BlockArgument)
    loop = value.block.parent.parent if value.block.parent else None
    if isinstance(loop, Operation) and loop.name == "scf.for" and value.index >= 1:
        return loop.results[value.index - 1]
    return None


_parse = cache(Layout.parse)
