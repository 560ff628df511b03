"""What an op's loop nest may say.

An `nn` op with a loop nest defines `element(body, index)`: one element of its result, read from its operands at
indices that are integer expressions of the result's index. It says what is computed, not in which order: a
schedule walks the indices, and an implementer of `Body` gives each call its meaning (emit a tile program, evaluate
on NumPy, count operations and bytes). Ops of one kernel fuse because reading a tensor that another op of the kernel
makes asks that op's `element` in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, Protocol, TypeVar

from .core import Value
from .symbols import Dim, Expr
from .types import Scalar

E = TypeVar("E")
Index = tuple[Dim, ...]
Reduction = Literal["add", "mul", "max", "min", "and", "or"]


class Body(Protocol[E]):
    """The operations on elements of type `E`; a body may hold elements of f16, bf16 and f8 tensors in f32."""

    def read(self, tensor: Value, index: Sequence[Dim], outside: float | None = None) -> E:
        """The element of `tensor` at `index`; where the index may leave the tensor, `outside` is read there instead."""
        ...

    def constant(self, value: float | bool, dtype: Scalar) -> E: ...

    def number(self, value: Dim, dtype: Scalar) -> E:
        """An index expression as an element."""
        ...

    def as_index(self, element: E) -> Expr:
        """A run-time integer element as an index, for gathers."""
        ...

    def apply(self, function: str, *args: E) -> E:
        """A function of `scalar.FUNCTIONS` on elements of one type; comparisons give i1."""
        ...

    def cast(self, element: E, dtype: Scalar, saturate: bool = True) -> E:
        """Convert as ONNX Cast does (float to int truncates; to bool is `!= 0`)."""
        ...

    def bitcast(self, element: E, source: Scalar, target: Scalar) -> E:
        """The bits of an element of a `source` tensor as one of a `target` tensor, both of the same width."""
        ...

    def reduce(self, kind: Reduction, extents: Sequence[Dim], term: Callable[[Index], E]) -> E:
        """Combine `term` over all indices below `extents`; floats add in f32 or wider. Empty: the neutral element."""
        ...

    def fold(self, extent: Dim, start: Sequence[E], step: Callable[[Dim, Sequence[E]], Sequence[E]]) -> Sequence[E]:
        """A loop that carries elements: argmax, cumulative sums, searches."""
        ...
