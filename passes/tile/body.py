"""`TileBody`: loop nests of `nn` ops as tile programs.

Reading a tensor that an op of the kernel makes asks that op's `element`; reading an argument becomes a `tile.load`
where its index is affine in lanes, else a `tile.gather`. Elements read twice at one index are computed once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...ir.attributes import DenseAttr, DenseResourceAttr
from ...ir.core import Block, OpResult, Value
from ...ir.dialects.nn.base import NnOp, scalar_type
from ...ir.loop_nest import Index, Reduction
from ...ir.numpy_body import is_small, neutral
from ...ir.symbols import Dim, Expr
from ...ir.types import Scalar, TensorType, f32, index
from . import access
from .access import Memory
from .builder import Builder
from .elements import Element, Elements, computing_type
from .indices import Indices
from .merging import Read, merge_dims
from .reductions import Columns, Reducer


@dataclass
class Sample:
    """What evaluating something once showed: the element and the reads of memory behind it."""

    element: Element
    reads: list[Read]


class TileBody:
    """A `Body` whose elements are SSA values; `memories` has the memref of each tensor argument."""

    def __init__(self, builder: Builder, memories: dict[Value, Memory]) -> None:
        self.builder = builder
        self.elements = Elements(builder)
        self.indices = Indices(self.elements)
        self.memories = memories
        self.bound: dict[Value, Callable[[Index], Element]] = {}
        """Tensors whose elements a strategy gives itself: the accumulator of a root, values kept in scratch."""
        self.limits: dict[int, tuple[Dim, Dim]] = {}
        """Lanes that may go beyond the data: the index that walks them, and its extent."""
        self.columns: Columns | None = None
        self.turns_in_shared = False
        """Tiles whose memory runs along another lane than their result's go through shared memory."""
        self._known: dict[object, Element] = {}
        self._numbers: dict[Value, Dim] = {}
        self._lanes: list[set[int]] = [set()]
        self._unsure = 0
        self._reads: list[Read] | None = None

    # Body

    def read(self, tensor: Value, index: Sequence[Dim], outside: float | None = None) -> Element:
        place = tuple(self.indices.normalize(i) for i in index)
        key = (tensor, place, outside, self._unsure > 0)
        known = self._known.get(key)
        if known is not None and self.builder.is_open(known.value):
            return known
        if tensor in self.memories:
            made = self._read_memory(tensor, place, outside)
        elif outside is not None:
            made = self._read_within(tensor, place, outside)
        else:
            made = self._compute(tensor, place)
        self._known[key] = made
        return made

    def constant(self, value: float | bool, dtype: Scalar) -> Element:
        return self.elements.constant(value, computing_type(dtype))

    def number(self, value: Dim, dtype: Scalar) -> Element:
        element = self.elements.cast(self.indices.code(value), computing_type(dtype))
        self._numbers[element.value] = value
        return element

    def as_index(self, element: Element) -> Expr:
        # An integer that came from an index is that index still; its type says Expr, a plain number is one too.
        known = self._numbers.get(element.value)
        return self.indices.data(element) if known is None else known  # type: ignore[return-value]

    def apply(self, function: str, *args: Element) -> Element:
        return self.elements.apply(function, *args)

    def cast(self, element: Element, dtype: Scalar, saturate: bool = True) -> Element:
        if saturate and is_small(dtype) and element.dtype != dtype:
            element = self.elements.saturate(self.elements.cast(element, f32), dtype)
        return self.elements.cast(self.elements.cast(element, dtype), computing_type(dtype))

    def bitcast(self, element: Element, source: Scalar, target: Scalar) -> Element:
        bits = self.elements.cast(element, source)
        return self.elements.cast(self.elements.emit("arith.bitcast", (bits,), target), computing_type(target))

    def reduce(self, kind: Reduction, extents: Sequence[Dim], term: Callable[[Index], Element]) -> Element:
        if not extents:
            return term(())
        walks, sample = self.probe(extents, term)
        first = self.elements.constant(neutral(kind, sample.element.dtype), sample.element.dtype)
        if 0 in extents:
            return first
        if self._reads is not None:
            self._reads.extend(sample.reads)
            return self.elements.spread(first, sample.element.lanes)
        groups = merge_dims(self.indices, walks, extents, sample.reads)
        return Reducer(self, kind, term, first, sample.element.lanes).run(groups)

    def fold(
        self, extent: Dim, start: Sequence[Element], step: Callable[[Dim, Sequence[Element]], Sequence[Element]]
    ) -> Sequence[Element]:
        state = self._settled(extent, start, step)

        def body(counter: Value, values: Sequence[Value]) -> Sequence[Value]:
            carried = [Element(v, s.dtype, s.lanes) for v, s in zip(values, state, strict=True)]
            stepped = step(self.indices.scalar(counter, extent), carried)
            return [self.elements.spread(n, s.lanes).value for n, s in zip(stepped, state, strict=True)]

        last = self.loop(extent, 1, [s.value for s in state], body, pure=True)
        return [Element(v, s.dtype, s.lanes) for v, s in zip(last, state, strict=True)]

    def _settled(
        self, extent: Dim, start: Sequence[Element], step: Callable[[Dim, Sequence[Element]], Sequence[Element]]
    ) -> list[Element]:
        """The start elements spread along all lanes that stepping adds."""
        state = list(start)
        while True:
            stepped: list[Element] = []
            with self._probing([extent]) as (walks, _):
                stepped.extend(step(walks[0], state))
            lanes = [tuple(sorted({*s.lanes, *n.lanes})) for s, n in zip(state, stepped, strict=True)]
            if lanes == [s.lanes for s in state]:
                return state
            state = [self.elements.spread(s, wider) for s, wider in zip(state, lanes, strict=True)]

    # For strategies

    def loop(
        self,
        extent: Dim,
        step: int,
        start: Sequence[Value],
        body: Callable[[Value, Sequence[Value]], Sequence[Value]],
        *,
        first: Dim = 0,
        pure: bool = False,
    ) -> list[Value]:
        """A loop over [first, extent) in steps, carrying values."""
        bounds = (self.indices.scalar_code(first), self.indices.scalar_code(extent), self.indices.scalar_code(step))
        return self.builder.loop(bounds, start, body, pure=pure)

    def store(self, memory: Memory, index: Sequence[Dim], element: Element) -> None:
        """Store an element along the lanes of `index`, as the memory's type."""
        access.store(self, memory, tuple(self.indices.normalize(i) for i in index), element)

    def probe(self, extents: Sequence[Dim], evaluate: Callable[[Index], Element]) -> tuple[list[Expr], Sample]:
        """Evaluate something at any index below `extents` for what it shows: that index, and a sample."""
        with self._probing(extents) as (walks, reads):
            element = evaluate(tuple(walks))
        return walks, Sample(element, reads)

    @contextmanager
    def _probing(self, extents: Sequence[Dim]) -> Generator[tuple[list[Expr], list[Read]]]:
        """Build in a block that is thrown away; what it leaves outside is unused and erased in the end."""
        outer, known = self._reads, self._known
        self._reads, self._known = [], {}
        block = Block([index] * len(extents))
        with self.builder.inside(block):
            pairs = zip(block.arguments, extents, strict=True)
            yield [self.indices.scalar(argument, extent) for argument, extent in pairs], self._reads
        for op in block:
            op.drop_operands()
        self._reads, self._known = outer, known

    @contextmanager
    def rehearsal(self) -> Generator[None]:
        """Build what is only meant to load memory here: what is bound and read inside is forgotten, loads are found
        again when what needs them is built."""
        known, bound = self._known, self.bound
        self._known, self.bound = dict(known), dict(bound)
        yield
        self._known, self.bound = known, bound

    def inside_lanes(self, lanes: Sequence[int]) -> Element | None:
        """Where positions along `lanes` are within the data; None where all are."""
        mask: Element | None = None
        for lane in lanes:
            if lane in self.limits:
                one = self.indices.compare("lt", *self.limits[lane])
                mask = one if mask is None else self.apply("and", mask, one)
        return mask

    # Reading

    def _read_memory(self, tensor: Value, place: Index, outside: float | None) -> Element:
        if self._reads is not None:
            self._reads.append(Read(tensor, place, outside is not None or self._unsure > 0))
        unsure = outside is not None or self._unsure > 0
        element = access.load(self, self.memories[tensor], place, unsure, outside or 0.0)
        return self.elements.cast(element, computing_type(element.dtype))

    def _read_within(self, tensor: Value, place: Index, outside: float) -> Element:
        """An element computed in the kernel, or `outside` where the index leaves its tensor."""
        type = tensor.type
        assert isinstance(type, TensorType)
        pairs = zip(place, type.dims, strict=True)
        unsure = [(i, size) for i, size in pairs if not self.indices.within(i, size)]
        if not unsure:
            return self.read(tensor, place)
        mask = self.indices.inside(*unsure[0])
        for i, size in unsure[1:]:
            mask = self.apply("and", mask, self.indices.inside(i, size))
        self._unsure += 1
        element = self.read(tensor, place)
        self._unsure -= 1
        return self.apply("select", mask, element, self.elements.constant(outside, element.dtype))

    def _compute(self, tensor: Value, place: Index) -> Element:
        if tensor in self.bound:
            return self.bound[tensor](place)
        assert isinstance(tensor, OpResult) and isinstance(tensor.op, NnOp), f"{tensor} is not computed in the kernel"
        if tensor.op.name == "nn.constant":
            return self._constant(tensor.op)
        self._lanes.append(set().union(*map(self.indices.lanes_of, place)))
        element = tensor.op.element(self, place, tensor.index)
        self._lanes.pop()
        return element

    def _constant(self, op: NnOp) -> Element:
        """The element of a constant of one value; larger ones are arguments of the kernel."""
        value = op.attributes["value"]
        assert isinstance(value, DenseAttr | DenseResourceAttr) and value.array is not None
        flat = value.array.reshape(-1)
        op.require(
            flat.size and flat.tobytes() == flat[:1].tobytes() * flat.size,
            "of more than one value must be an argument of a kernel",
        )
        return self.constant(flat[0].item(), scalar_type(op.result))

    @property
    def current_lanes(self) -> set[int]:
        """The lanes along which the element being computed varies."""
        return self._lanes[-1]
