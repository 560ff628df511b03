"""Which concatenations and slices cost nothing: their parts lie side by side in memory, or inside of what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...ir.core import Operation, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func, Return
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import product

ALIGNMENT = 16
"""Bytes at whose multiples a part may begin: kernels take their arguments to be aligned so."""

Makes = Callable[[Operation], bool]


@dataclass
class SharedMemory:
    """Memory that several tensors share: where each begins, in bytes from the start, and the bytes of all."""

    offsets: dict[Value, int] = field(default_factory=dict)
    makers: set[Value] = field(default_factory=set)
    """Those that a kernel writes; the others are concatenations and slices of them."""

    @property
    def start(self) -> int:
        return min(self.offsets.values())

    @property
    def end(self) -> int:
        return max(offset + _bytes(value) for value, offset in self.offsets.items())

    @property
    def whole(self) -> Value | None:
        """A tensor that takes all of it."""
        size = self.end - self.start
        return next((value for value in self.offsets if _bytes(value) == size), None)

    def merged(self, other: SharedMemory, shift: int) -> SharedMemory | None:
        """Both, `other` beginning `shift` bytes later; None where two kernels would write the same place."""
        moved = {value: offset + shift for value, offset in other.offsets.items()}
        for a in self.makers:
            low, high = self.offsets[a], self.offsets[a] + _bytes(a)
            if any(low < moved[b] + _bytes(b) and moved[b] < high for b in other.makers):
                return None
        return SharedMemory(self.offsets | moved, self.makers | other.makers)


def origin(value: Value) -> Value:
    """The value that `value` is a reshape of."""
    while isinstance(value.owner, nn.Reshape):
        value = value.owner.x
    return value


def shared_memory(main: Func, makes_memory: Makes) -> list[SharedMemory]:
    """The regions that the concatenations and slices of `main` which cost nothing lie in, each beginning at 0.

    A concatenation along the outermost dim costs nothing where its parts can be made side by side: by ops for which
    `makes_memory`, or as concatenations and slices that cost nothing themselves. What is returned has memory of its
    own, so it must be all of its region. Later ones come first: they are the longer ones where a network adds to what
    it has (DenseNet), and one whose parts lie elsewhere already is copied.
    """
    search = _Search(main, makes_memory)
    for op in reversed(main.block):
        search.is_free(op)
    return search.regions()


class _Search:
    def __init__(self, main: Func, makes_memory: Makes) -> None:
        self.makes_memory = makes_memory
        self.returned = {origin(v) for op in main.block if isinstance(op, Return) for v in op.operands}
        self.region_of: dict[Value, SharedMemory] = {}
        self.answers: dict[Operation, bool] = {}

    def regions(self) -> list[SharedMemory]:
        found = {id(region): region for region in self.region_of.values()}
        return [SharedMemory({v: o - r.start for v, o in r.offsets.items()}, r.makers) for r in found.values()]

    def is_free(self, op: Operation) -> bool:
        """Whether a concatenation or slice costs nothing."""
        if op not in self.answers:
            self.answers[op] = False  # not while its parts are being asked
            if isinstance(op, nn.Concat):
                self.answers[op] = self._place(op.result, _parts_of(op))
            elif isinstance(op, nn.Slice):
                start = _start_of(op)
                self.answers[op] = start is not None and self._place(op.result, [(origin(op.x), -start)])
        return self.answers[op]

    def _place(self, value: Value, others: Sequence[tuple[Value, int]] | None) -> bool:
        """Make the others lie at the distances given from `value`; or nothing, where that cannot be."""
        if not others or len({other for other, _ in others}) < len(others):
            return False
        if not all(self._lies_somewhere(other) for other, _ in others):
            return False
        region = self._region(value)
        for other, distance in others:
            if other in region.offsets:
                if region.offsets[other] != region.offsets[value] + distance:
                    return False
                continue
            theirs = self._region(other)
            merged = region.merged(theirs, region.offsets[value] + distance - theirs.offsets[other])
            if merged is None:
                return False
            region = merged
        if any(v in self.returned and _bytes(v) != region.end - region.start for v in region.offsets):
            return False
        self.region_of |= dict.fromkeys(region.offsets, region)
        return True

    def _region(self, value: Value) -> SharedMemory:
        """The region of a value; one of its own where it shares none yet."""
        makers = {value} if self._is_made(value) else set()
        return self.region_of.get(value) or SharedMemory({value: 0}, makers)

    def _lies_somewhere(self, value: Value) -> bool:
        return self._is_made(value) or (isinstance(value.owner, nn.Concat | nn.Slice) and self.is_free(value.owner))

    def _is_made(self, value: Value) -> bool:
        return isinstance(value.owner, Operation) and self.makes_memory(value.owner)


def _parts_of(op: nn.Concat) -> list[tuple[Value, int]] | None:
    """The parts with their offsets in bytes, where parts are dense in the whole and begin at aligned places."""
    if product(tensor_type(op.result).dims[: op.axis]) != 1:
        return None
    parts: list[tuple[Value, int]] = []
    offset = 0
    for part in op.tensors:
        size = tensor_type(part).size
        if not isinstance(size, int) or size == 0 or offset % ALIGNMENT:
            return None
        parts.append((origin(part), offset))
        offset += size * tensor_type(part).scalar.bytes
    return parts


def _start_of(op: nn.Slice) -> int | None:
    """Where a slice begins in its operand, in bytes, if it is a dense piece of it that begins at an aligned place."""
    dims, kept = tensor_type(op.x).dims, tensor_type(op.result).dims
    cut = [axis for axis, (dim, size) in enumerate(zip(dims, kept, strict=True)) if dim != size]
    if len(cut) != 1 or product(dims[: cut[0]]) != 1 or op.steps[cut[0]] != 1:
        return None
    start, inner = op.starts[cut[0]], product(dims[cut[0] + 1 :])
    if not isinstance(start, int) or not isinstance(inner, int) or not isinstance(tensor_type(op.x).size, int):
        return None
    offset = start * inner * tensor_type(op.x).scalar.bytes
    return offset if offset % ALIGNMENT == 0 and tensor_type(op.result).size else None


def _bytes(value: Value) -> int:
    size = tensor_type(value).size
    assert isinstance(size, int)
    return size * tensor_type(value).scalar.bytes
