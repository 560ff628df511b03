"""Element-wise ops in front of a product on GPUs.

The operand is copied to shared memory as it is. What the ops make of it is computed on the fragments that leave it for
the matrix instructions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ...ir.core import BlockArgument, Value
from ...ir.dialects import kernel, tile
from ...ir.loop_nest import Index
from ...ir.symbols import Dim
from ...ir.types import MemRefType
from ..analysis.prologues import ChannelPrologue
from . import access
from .access import Memory
from .body import TileBody
from .elements import Element, computing_type
from .frame import tensor_type
from .packing import is_constant

COPY_BYTES = (16, 8, 4)
"""What one asynchronous copy can move."""


@dataclass
class FragmentPrologue:
    """What becomes of fragments of an operand that is copied from `prologue.source`.

    `value` is what the product multiplies, `index` its index at (outer position, position along the inner dimension),
    of which there are `channels`. The product's steps walk `width` of them, which its builder sets.
    """

    func: kernel.Func
    body: TileBody
    value: Value
    prologue: ChannelPrologue
    index: Callable[[Dim, Dim], Sequence[Dim]]
    channels: int
    width: int = 0
    vectors: dict[BlockArgument, Memory] = field(default_factory=dict)
    """The vectors in shared memory."""

    def copy_vectors(self, constant: bool) -> None:
        """Start to copy the vectors that are constants of the network, or those that are not, to shared memory."""
        for argument, axis in self.prologue.vectors.items():
            dtype = tensor_type(argument).scalar
            bytes = next((n for n in COPY_BYTES if self.channels * dtype.bytes % n == 0), None)
            if bytes is None or is_constant(self.func, argument.index) != constant:
                continue
            size = -(-self.width * dtype.bytes // bytes) * bytes // dtype.bytes
            alloc = tile.Alloc(result_types=[MemRefType((size,), dtype, "shared")])
            alloc.result.name = "channels"
            shared = self.body.builder.effect(alloc).results[0]
            source = self.body.memories[argument]
            zero = self.body.indices.scalar_code(0)
            checked = (axis,) if size > self.channels else ()
            starts = (zero,) * len(source.shape), (zero,)
            op = tile.CopyAsync(source.value, shared, *starts, (size,), (axis,), (0,), checked, width=bytes)
            self.body.builder.effect(op)
            self.vectors[argument] = Memory(shared, (size,))

    def apply(self, fragment: Element, outer: Dim, inner: Dim) -> Element:
        """What a fragment of the source at these positions is for the product."""
        body, dtype = self.body, fragment.dtype
        memories, bound = body.memories, body.bound
        staged = {argument: self._reader(argument) for argument in self.vectors}
        raw = body.elements.cast(fragment, computing_type(dtype))
        body.memories = {k: v for k, v in memories.items() if k is not self.prologue.source and k not in staged}
        body.bound = {**bound, self.prologue.source: lambda _: raw, **staged}
        # Vectors in shared memory are as long as the steps along the inner dimension; others end with the channels.
        arguments = {v for op in self.prologue.ops for v in op.operands if isinstance(v, BlockArgument)}
        within = self.width == self.channels or arguments <= {self.prologue.source, *staged}
        made = body.read(self.value, self.index(outer, inner), None if within else 0.0)
        body.memories, body.bound = memories, bound
        return body.elements.spread(body.elements.cast(made, dtype), fragment.lanes)

    def _reader(self, argument: BlockArgument) -> Callable[[Index], Element]:
        memory, axis = self.vectors[argument], self.prologue.vectors[argument]

        def read(place: Index) -> Element:
            element = access.load(self.body, memory, (place[axis],), False, 0.0)
            return self.body.elements.cast(element, computing_type(element.dtype))

        return read
