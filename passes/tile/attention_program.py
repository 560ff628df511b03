"""What the programs of attention on GPUs have in common: places, masks, and softmax as the keys come block by block.

Maximum and sum of the exponentials so far are kept for every query, and what was added up before is scaled whenever the
maximum grows (Milakov and Gimelshein 2018, Dao et al. 2022). Exponentials are powers of two of scaled scores.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ...ir import symbols
from ...ir.attributes import OpaqueAttr
from ...ir.core import Value
from ...ir.dialects import kernel, tile
from ...ir.dialects.nn.base import broadcast_index, scalar_type
from ...ir.dialects.nn.contraction import Attention
from ...ir.symbols import Dim, Expr, ceildiv, floordiv, maximum, minimum
from ...ir.types import f32
from . import cluster
from .access import Memory
from .attention_blocks import Heads
from .cuda_gemm import finish
from .elements import Element
from .epilogue import placements
from .frame import open_frame, tensor_type

LOWEST = -3.4028234663852886e38
"""A finite maximum to begin with: differences from it are numbers, whatever is masked."""
LOG2_E = math.log2(math.e)
APPROXIMATE = OpaqueAttr("arith.fastmath", "afn")


@dataclass
class State:
    """What a block of keys hands to the next: of every query the largest score, the sum of the weights, the weighted
    values."""

    largest: Element
    total: Element
    values: Element

    def elements(self) -> tuple[Element, Element, Element]:
        return self.largest, self.total, self.values

    def tiles(self) -> tuple[Value, ...]:
        return tuple(element.value for element in self.elements())

    def with_tiles(self, tiles: Sequence[Value]) -> State:
        return State(*(Element(v, e.dtype, e.lanes) for v, e in zip(tiles, self.elements(), strict=True)))


@dataclass(frozen=True)
class Place:
    """Which of the `splits` programs of a cluster, and which group of its threads."""

    rank: Dim
    splits: int
    group: Dim = 0


class AttentionProgram:
    """The program of one attention under construction.

    A subclass sets `head` and `batch`, the positions `row` and `column` of what its threads compute, and the lanes
    `row_lane`, `key_lane` and `value_lane` of its register tiles.
    """

    head: Dim
    batch: Dim
    row: Expr
    column: Expr
    row_lane: Expr
    key_lane: Expr
    value_lane: Expr

    def __init__(self, func: kernel.Func, root: Attention) -> None:
        self.root = root
        heads, places = Heads.of(root), placements(func, root.result)
        assert heads is not None and places is not None
        self.heads = heads
        dims = tensor_type(root.result).dims
        self.frame = open_frame(func, [dims if place.keeps_order else place.dims for place in places])
        self.body, self.indices, self.builder = self.frame.body, self.frame.body.indices, self.frame.body.builder

    # Places

    def _position(self, first: Dim, lane: Expr, extent: Dim, size: int) -> Expr:
        """The positions of a lane, which stop at the extent."""
        position = self.indices.derived(first + lane, extent)
        if symbols.mod(extent, size) != 0:
            self.body.limits[self.indices.lane_of(lane)] = (position, extent)
        return position

    def query_at(self, outer: Sequence[Dim], row: Dim, k: Dim) -> Sequence[Dim]:
        return (outer[0], *self.heads.query(outer[1], row), k)

    def key_at(self, outer: Sequence[Dim], key: Dim, k: Dim) -> Sequence[Dim]:
        return (outer[0], self.heads.key_head(outer[1], self.indices), key, k)

    def value_at(self, outer: Sequence[Dim], column: Dim, key: Dim) -> Sequence[Dim]:
        return (outer[0], self.heads.key_head(outer[1], self.indices), key, column)

    def _visible(self, first_row: Dim, rows: int, size: int) -> tuple[Dim, Dim]:
        """How many blocks of `size` keys some of the queries from `first_row` on see, and how many all see whole."""
        keys = self.heads.keys
        steps, whole = ceildiv(keys, size), floordiv(keys, size)
        if not self.root.causal:
            return steps, whole
        first = self.root.offset + (first_row if not self.heads.packed else 0)
        last = first + (rows if not self.heads.packed else 1)
        seen, all_seen = maximum(ceildiv(last, size), 0), maximum(floordiv(first + 1, size), 0)
        return minimum(steps, seen), minimum(whole, all_seen)

    def _share(self, rank: Dim, splits: int, steps: Dim, whole: Dim) -> tuple[Dim, Dim, Dim]:
        """The first block of keys of one of `splits` programs, the end of those that all queries see whole, the end."""
        if splits == 1:
            return 0, whole, steps
        share = ceildiv(steps, splits)
        first = minimum(rank * share, steps)
        last = minimum(first + share, steps)
        if whole == steps:
            return first, last, last
        return first, minimum(maximum(whole, first), last), last

    # Masks

    @property
    def _adds_mask(self) -> bool:
        """Whether scores are scaled before their maximum is taken, since something is added to them."""
        return self.root.mask is not None and scalar_type(self.root.mask).is_float

    def _masked(self, scores: Element, key: Expr, size: int, by_place: bool) -> Element:
        """Scores of `size` keys at `key` with the mask, and `by_place` without keys that a query does not see."""
        if self.root.mask is not None:
            scores = self._masked_by_tensor(scores, key)
        return self._masked_by_place(scores, key, size) if by_place else scores

    def _masked_by_tensor(self, scores: Element, key: Expr) -> Element:
        mask = self.root.mask
        assert mask is not None
        outer = (self.batch, *self.heads.query(self.head, self.row))
        element = self.body.read(mask, broadcast_index(mask, (*outer, key)))
        if not self._adds_mask:
            return self.body.apply("select", element, scores, self.body.constant(-math.inf, f32))
        scaled = self.body.apply("mul", scores, self.body.constant(self.root.factor, f32))
        return self.body.apply("add", scaled, self.body.cast(element, f32))

    def _masked_by_place(self, scores: Element, key: Expr, size: int) -> Element:
        """Minus infinity behind the last key and, where causal, behind the query's own."""
        keep: Element | None = None
        if symbols.mod(self.heads.keys, size) != 0:
            keep = self.indices.compare("lt", key, self.heads.keys)
        if self.root.causal:
            query = self.heads.query(self.head, self.row)[1]
            seen = self.indices.compare("le", key, self.root.offset + query)
            keep = seen if keep is None else self.body.apply("and", keep, seen)
        assert keep is not None
        return self.body.apply("select", keep, scores, self.body.constant(-math.inf, f32))

    # Softmax

    def _initial(self) -> State:
        row, value = (self.indices.lane_of(lane) for lane in (self.row_lane, self.value_lane))
        spread, constant = self.body.elements.spread, self.body.constant
        zero = constant(0.0, f32)
        return State(spread(constant(LOWEST, f32), (row,)), spread(zero, (row,)), spread(zero, (row, value)))

    @property
    def _unit(self) -> Element:
        """What turns differences of scores into powers of two."""
        return self.body.constant(LOG2_E if self._adds_mask else self.root.factor * LOG2_E, f32)

    def _along_keys(self, kind: str, element: Element) -> Element:
        lane = self.indices.lane_of(self.key_lane)
        axis = element.lanes.index(lane)
        value = self.builder.pure(tile.Reduce(element.value, None, kind, (axis,)))  # type: ignore[arg-type]
        return Element(value, f32, tuple(k for k in element.lanes if k != lane))

    def _weights(self, scores: Element, largest: Element) -> Element:
        """exp(scale * (score - largest))."""
        apply = self.body.apply
        if self._adds_mask:  # masks may be as low as floats go, where products would overflow
            return self._power(apply("mul", apply("sub", scores, largest), self._unit))
        subtrahend = apply("max", apply("mul", largest, self._unit), self.body.constant(LOWEST, f32))
        return self._power(apply("sub", apply("mul", scores, self._unit), subtrahend))

    def _rescaling(self, before: Element, after: Element) -> Element:
        """By what sums change when the largest score does."""
        return self._power(self.body.apply("mul", self.body.apply("sub", before, after), self._unit))

    def _power(self, exponent: Element) -> Element:
        return self.body.elements.emit("math.exp2", (exponent,), f32, fastmath=APPROXIMATE)

    # The end

    def _parts(self, rows: int, columns: int, groups: int = 1) -> list[Memory]:
        """Shared memory for the states that `groups` of threads have of `rows` queries."""
        shapes = {"largest": (groups, rows), "totals": (groups, rows), "values": (groups, rows, columns)}
        return [cluster.shared_floats(self.body, shape, name) for name, shape in shapes.items()]

    def _gather(self, state: State, parts: Sequence[Memory], first_row: Dim, place: Place) -> State:
        """Some columns, this group's, of what all groups of a cluster have found together for the rows of `parts`.

        From here on `row` and `column` are those of what is left to the group.
        """
        body, indices = self.body, self.indices
        groups, rows, columns = map(int, parts[-1].shape)  # type: ignore[arg-type]
        lanes = (self.row_lane,), (self.row_lane,), (self.row_lane, self.value_lane)
        for memory, at, element in zip(parts, lanes, state.elements(), strict=True):
            cluster.write(body, memory, (place.group, *at), element)
        cluster.meet(body, stores_only=True)
        width = columns // (place.splits * groups)
        row, lane = indices.lane(rows), indices.lane(width)
        first = (place.rank * groups + place.group) * width
        places = (row,), (row,), (row, indices.derived(first + lane, columns))
        found = []
        for peer in range(place.splits):
            theirs = [cluster.of_peer(body, memory, peer) for memory in parts]
            for group in range(groups):
                read = (cluster.read(body, m, (group, *at)) for m, at in zip(theirs, places, strict=True))
                found.append(State(*read))
        cluster.meet(body)
        self.row = self._position(first_row, row, self.heads.rows, rows)
        self.column = self._position(first, lane, self.heads.value, columns)
        return self._merged(found)

    def _merged(self, parts: Sequence[State]) -> State:
        apply = self.body.apply
        largest = parts[0].largest
        for part in parts[1:]:
            largest = apply("max", largest, part.largest)
        total = values = self.body.constant(0.0, f32)
        for part in parts:
            scale = self._rescaling(part.largest, largest)
            total = apply("add", total, apply("mul", part.total, scale))
            values = apply("add", values, apply("mul", part.values, scale))
        return State(largest, total, values)

    def _finish(self, state: State) -> None:
        """Divide by the sums; queries that see no key get zeros."""
        apply, constant = self.body.apply, self.body.constant
        none = apply("eq", state.total, constant(0.0, f32))
        inverse = apply("div", constant(1.0, f32), apply("select", none, constant(1.0, f32), state.total))
        index = (self.batch, *self.heads.query(self.head, self.row), self.column)
        finish(self.frame, self.root.result, apply("mul", state.values, inverse), index, index)
