"""rematerialize: what is cheap to compute is not kept in memory while much else is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from ...ir.core import Block, Operation, Value
from ...ir.dialects import kernel, nn
from ...ir.dialects.builtin import Module, Return
from ...ir.dialects.nn.base import tensor_type
from ...ir.symbols import mul
from ...ir.types import Scalar, TensorType
from ..analysis.sizes import size_at, typical_sizes
from ..base import EXACT, Pass, PassContext
from .joining import is_pointwise


class Rematerialize(Pass):
    """Compute the result of an element-wise kernel again, or later, where that lowers the most memory in use at once.

    Its operands must be there then: weights, inputs of the model, or what is still needed. A step must lower the peak
    by the share `saving`; a value that is read late only is made late, which costs nothing.

    Before:
        %mask = "kernel.call"(%x) {callee = @mask} : (tensor<64xf32>) -> tensor<64x64xf32>
        %a = "kernel.call"(%mask) {callee = @use} : (tensor<64x64xf32>) -> tensor<64xf32>
        %b = "kernel.call"(%a) {callee = @large} : (tensor<64xf32>) -> tensor<64xf32>
        %c = "kernel.call"(%b, %mask) {callee = @use_again} : (tensor<64xf32>, tensor<64x64xf32>) -> tensor<64xf32>
    After:
        %mask = "kernel.call"(%x) {callee = @mask} : (tensor<64xf32>) -> tensor<64x64xf32>
        %a = "kernel.call"(%mask) {callee = @use} : (tensor<64x64xf32>) -> tensor<64xf32>
        %b = "kernel.call"(%a) {callee = @large} : (tensor<64xf32>) -> tensor<64xf32>
        %again = "kernel.call"(%x) {callee = @mask} : (tensor<64xf32>) -> tensor<64x64xf32>
        %c = "kernel.call"(%b, %again) {callee = @use_again} : (tensor<64xf32>, tensor<64x64xf32>) -> tensor<64xf32>
    """

    name = "rematerialize"
    tolerance = EXACT

    saving: float = 0.05

    def run(self, module: Module, context: PassContext) -> None:
        sizes = typical_sizes(module)
        while True:
            memory = _Memory(module.main.block, sizes)
            peak, at = memory.peak()
            choices = [(memory.peak_with(split)[0], split) for split in memory.splits(at)]
            least, split = min(choices, key=lambda choice: choice[0], default=(peak, None))
            if split is None or least > peak * (1 - self.saving):
                return
            _make_late(split, module.main.block)
            context.count("kernels run again" if split.kept else "kernels run later")


@dataclass(frozen=True)
class _Span:
    """A tensor takes memory from one op to another, both counted."""

    first: int
    last: int
    bytes: int


@dataclass(frozen=True)
class _Split:
    """Ops that read the result of a call late, in order; its memory for early readers, if any, and for these."""

    call: kernel.Call
    late: tuple[Operation, ...]
    kept: _Span | None
    again: _Span


class _Memory:
    """What the tensors of a block take while its ops run. Reshapes, slices and concatenations are in memory that is
    there; inputs, weights and results have memory of their own."""

    def __init__(self, block: Block, sizes: Mapping[str, int]) -> None:
        self.block = block
        self.order = {op: number for number, op in enumerate(block)}
        self.uses: dict[Value, list[int]] = {}
        returned = {base for op in block if isinstance(op, Return) for v in op.operands for base in _bases(v)}
        for op in block:
            if not isinstance(op, _IN_PLACE):
                for reader in op.walk():
                    for value in reader.operands:
                        for base in _bases(value):
                            self.uses.setdefault(base, []).append(self.order[op])
        self.spans: dict[Value, _Span] = {}
        for op in block:
            for value in op.results:
                if not isinstance(op, (*_IN_PLACE, nn.Constant)) and value not in returned and _has_size(value):
                    first, last = self.order[op], max(self.uses.get(value, [self.order[op]]))
                    type = tensor_type(value)
                    self.spans[value] = _Span(first, last, size_at(mul(type.size, type.scalar.bytes), sizes))

    def peak(self) -> tuple[int, int]:
        """The most bytes in use at once, and the number of the op where they are."""
        return _peak(self.spans.values())

    def peak_with(self, split: _Split) -> tuple[int, int]:
        """The same if a call is split."""
        others = (span for value, span in self.spans.items() if value is not split.call.results[0])
        return _peak((*others, split.again, *([split.kept] if split.kept else [])))

    def splits(self, at: int) -> Iterator[_Split]:
        """The calls whose result is kept while the op `at` runs without reading it, and which can run after that."""
        for value, span in self.spans.items():
            call = value.owner
            if not span.first < at < span.last or not isinstance(call, kernel.Call) or not is_pointwise(call):
                continue
            places = {user: self._place(user) for user in value.users}
            early = [number for number in places.values() if number <= at]
            if at in self.uses[value] or any(isinstance(u, _IN_PLACE) and n <= at for u, n in places.items()):
                continue
            late = tuple(sorted((user for user in places if places[user] > at), key=places.__getitem__))
            start = places[late[0]]
            if all(self._is_there(operand, start) for operand in call.operands):
                again = replace(span, first=start)
                kept = replace(span, last=max(early)) if early else None
                yield _Split(call, late, kept, again)

    def _place(self, op: Operation) -> int:
        return next(self.order[around] for around in op.ancestors() if around in self.order)

    def _is_there(self, value: Value, when: int) -> bool:
        """Whether a value is in memory at the op numbered `when` in any case."""
        bases = _bases(value)
        return all(base not in self.spans or self.spans[base].last >= when for base in bases)


_IN_PLACE = (nn.Reshape, nn.Slice, nn.Concat)


def _bases(value: Value) -> tuple[Value, ...]:
    """The values whose memory `value` is in."""
    op = value.owner
    if not isinstance(op, _IN_PLACE):
        return (value,)
    return tuple(base for operand in op.operands for base in _bases(operand))


def _has_size(value: Value) -> bool:
    """Whether a value is a tensor of numbers; others are objects of the host."""
    type = value.type
    return isinstance(type, TensorType) and type.shape is not None and isinstance(type.dtype, Scalar)


def _peak(spans: Iterable[_Span]) -> tuple[int, int]:
    """The most bytes in use at once, and the op from which on they are."""
    changes: Counter[int] = Counter()
    for span in spans:
        changes[span.first] += span.bytes
        changes[span.last + 1] -= span.bytes
    most = at = now = 0
    for number in sorted(changes):
        now += changes[number]
        if now > most:
            most, at = now, number
    return most, at


def _make_late(split: _Split, block: Block) -> None:
    """Run the call again before the first op that reads it late."""
    before = next(op for op in split.late[0].ancestors() if op.parent is block)
    again = block.insert_before(split.call.clone(), before)
    for user in split.late:
        for index, operand in enumerate(user.operands):
            if operand is split.call.results[0]:
                user.set_operand(index, again.results[0])
    if not split.call.results[0].uses:
        split.call.erase()
