"""The bases of the `nn` dialect's ops: what every op says, and the families that say it once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from ... import scalar, symbols
from ...core import Value
from ...declare import PURE, Op
from ...loop_nest import Body, E
from ...numpy_body import NumpyBody, convert, widen
from ...symbols import Dim, Expr
from ...types import Scalar, TensorType, Type, i1

Array = Any  # np.ndarray, whose element type is rarely known here
Emit = Callable[[Op], Value]
"""Puts an op into the IR and gives its result: what `decompose` builds with."""


class NnOp(Op, traits=(PURE,)):
    """An op of one meaning on tensors of static rank.

    `infer` gives the result types with symbolic shapes, `evaluate` the meaning on NumPy arrays (one array a result;
    a tuple for several; a missing optional operand is None), `element` the loop nest of result `result`.
    An op that is `sized` reads sizes from its attributes or result types: its `evaluate` also takes `sizes=`, the
    value of every symbol. A `compound` op has no loop nest; `decompose` spells it in ops that have one.
    """

    has_loop_nest: ClassVar[bool] = True
    sized: ClassVar[bool] = False
    compound: ClassVar[bool] = False

    def evaluate(self, *operands: Any, **sizes: Any) -> Any:
        raise NotImplementedError(f"'{self.name}' has no NumPy evaluation")

    def interpret(self, operands: Sequence[Array], sizes: Mapping[str, int]) -> tuple[Array, ...]:
        """All results, from the values of `operands` one for one and of the model's symbols."""
        given: list[Array | None] = []
        remaining = iter(operands)
        for field, count in zip(self.definition.operands, self.segment_sizes(), strict=True):
            given += [next(remaining) for _ in range(count)] if count or field.variadic else [None]
        results = self.evaluate(*given, sizes=sizes) if self.sized else self.evaluate(*given)
        return results if isinstance(results, tuple) else (results,)

    def decompose(self, emit: Emit) -> Value:
        """The same value spelled in ops with loop nests, put into the IR by `emit`."""
        raise NotImplementedError(f"'{self.name}' is not a compound op")

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        raise NotImplementedError(f"'{self.name}' has no loop nest")


def tensor_type(value: Value) -> TensorType:
    """The type of a tensor value."""
    assert isinstance(value.type, TensorType), f"expected a tensor, found {value.type}"
    return value.type


def shape(value: Value) -> tuple[Dim, ...]:
    return tensor_type(value).dims


def scalar_type(value: Value) -> Scalar:
    return tensor_type(value).scalar


def result_scalar(op: Op, result: int = 0) -> Scalar:
    return scalar_type(op.results[result])


def result_sizes(op: Op, sizes: Mapping[str, int], result: int = 0) -> tuple[int, ...]:
    """The shape of a result with every symbol bound by `sizes`."""
    return bind(shape(op.results[result]), sizes)


def bind(dims: Sequence[Dim], sizes: Mapping[str, int]) -> tuple[int, ...]:
    """The numbers that `dims` are. Raises ValueError where `sizes` lacks one of their symbols."""
    bound = tuple(symbols.substitute(dim, sizes) for dim in dims)
    for dim in bound:
        if not isinstance(dim, int):
            raise ValueError(f"the size {dim} is not known")
    return bound  # type: ignore[return-value]


def require_axis(op: Op, axis: int, rank: int) -> None:
    """Refuse an axis that is none of the operand's; axes count from the front."""
    op.require(0 <= axis < rank, f"has axis {axis} where the operand has rank {rank}")


def require_same(op: Op, a: Dim, b: Dim, what: str) -> None:
    """Refuse two sizes that are known to differ; symbolic ones are checked when they are bound."""
    op.require(not (isinstance(a, int) and isinstance(b, int)) or a == b, f"{what} differ: {a} and {b}")


def broadcast_dim(op: Op, a: Dim, b: Dim) -> Dim:
    """The common size of two dimensions: equal, or one of them is 1."""
    if a == b or b == 1:
        return a
    if a == 1:
        return b
    # Two different expressions can only be meant equal; sizes are checked when they are bound. The simpler one stays:
    # an exporter's `min(seq, 512)` beside `seq` must not spread through the graph.
    op.require(not (isinstance(a, int) and isinstance(b, int)), f"cannot broadcast sizes {a} and {b}")
    return min(a, b, key=lambda dim: (isinstance(dim, Expr), len(str(dim)), str(dim)))


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

    def evaluate(self, *operands: Array | None) -> Array:
        body = NumpyBody()
        given = (widen(operand) for operand in operands if operand is not None)
        return convert(self.combine(body, *given), result_scalar(self))

    def combine(self, body: Body[E], *elements: E) -> E:
        """The result's element from the operands' elements."""
        return body.apply(self.function, *elements)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return self.combine(body, *(body.read(v, broadcast_index(v, index)) for v in self.operands))


class Unary(Elementwise):
    """One operand, result of the same type."""

    x: Value

    @property
    def dtype(self) -> Scalar:
        return tensor_type(self.x).scalar


class Binary(Elementwise):
    """Two operands of one element type, broadcast against each other."""

    a: Value
    b: Value

    @property
    def dtype(self) -> Scalar:
        return tensor_type(self.a).scalar
