"""The bases of the `nn` dialect's ops: what every op says, and the families that say it once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from ... import scalar
from ...core import Value
from ...declare import PURE, Op
from ...loop_nest import Body, E
from ...symbols import Dim
from ...types import TensorType, Type, i1


class NnOp(Op, traits=(PURE,)):
    """An op of one meaning on tensors of static rank.

    `infer` gives the result types with symbolic shapes, `evaluate` the meaning on NumPy arrays (one array a result;
    a tuple for several; a missing optional operand is None), `element` the loop nest of result `result`.
    """

    has_loop_nest: ClassVar[bool] = True

    def evaluate(self, *operands: Any) -> Any:
        raise NotImplementedError(f"'{self.name}' has no NumPy evaluation")

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        raise NotImplementedError(f"'{self.name}' has no loop nest")


def tensor_type(value: Value) -> TensorType:
    """The type of a tensor value."""
    assert isinstance(value.type, TensorType), f"expected a tensor, found {value.type}"
    return value.type


def shape(value: Value) -> tuple[Dim, ...]:
    return tensor_type(value).dims


def broadcast_dim(op: Op, a: Dim, b: Dim) -> Dim:
    """The common size of two dimensions: equal, or one of them is 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    # Two different expressions can only be meant equal; sizes are checked when they are bound.
    op.require(not (isinstance(a, int) and isinstance(b, int)), f"cannot broadcast sizes {a} and {b}")
    return a if isinstance(a, int) else b


def broadcast_shapes(op: Op, shapes: Sequence[tuple[Dim, ...]]) -> tuple[Dim, ...]:
    """NumPy's broadcasting on symbolic shapes."""
    rank = max(map(len, shapes))
    result: tuple[Dim, ...] = (1,) * rank
    for one in shapes:
        padded = (1,) * (rank - len(one)) + tuple(one)
        result = tuple(broadcast_dim(op, a, b) for a, b in zip(result, padded, strict=True))
    return result


def broadcast_index(value: Value, index: Sequence[Dim]) -> tuple[Dim, ...]:
    """The index into an operand that is broadcast to the space of `index`."""
    dims = shape(value)
    return tuple(0 if dim == 1 else i for dim, i in zip(dims, tuple(index)[len(index) - len(dims) :], strict=True))


class Elementwise(NnOp):
    """An op whose result at an index depends on its (broadcast) operands at that index alone."""

    function: ClassVar[str]

    def infer(self) -> list[Type]:
        types = [tensor_type(v) for v in self.operands]
        for other in types[1:]:
            self.require(other.dtype == types[0].dtype, f"operand types differ: {types[0].dtype} and {other.dtype}")
        dtype = i1 if scalar.FUNCTIONS[self.function].predicate else types[0].dtype
        return [TensorType(broadcast_shapes(self, [t.dims for t in types]), dtype)]

    def evaluate(self, *operands: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(scalar.FUNCTIONS[self.function].numpy(*operands))

    def combine(self, body: Body[E], *elements: E) -> E:
        """The result's element from the operands' elements."""
        return body.apply(self.function, *elements)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return self.combine(body, *(body.read(v, broadcast_index(v, index)) for v in self.operands))


class Unary(Elementwise):
    """One operand, result of the same type."""

    x: Value


class Binary(Elementwise):
    """Two operands of one element type, broadcast against each other."""

    a: Value
    b: Value
