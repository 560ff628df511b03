"""Loop nests on NumPy: every element of a result at once, an index being an array of all its values.

This is how element-wise ops are evaluated, and how tests compare an op's `element` with its `evaluate`. Elements of
f16, bf16 and f8 tensors are held in f32.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import scalar, symbols
from .core import Value
from .loop_nest import Index, Reduction
from .symbols import Dim, Expr, Symbol
from .types import Scalar, TensorType, f32, scalar_of

Array = Any  # np.ndarray; an element is an array of the elements at all indices, or one that broadcasts to it

_UFUNCS: dict[str, np.ufunc] = {
    "add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum, "and": np.bitwise_and, "or": np.bitwise_or,
}  # fmt: skip
_INDEX_FUNCTIONS: dict[str, Callable[[Array, Array], Array]] = {
    "floordiv": np.floor_divide,
    "mod": np.mod,
    "ceildiv": lambda a, b: -(-a // b),
    "min": np.minimum,
    "max": np.maximum,
}


def is_narrow(dtype: Scalar) -> bool:
    """Whether elements of `dtype` are computed in f32."""
    return dtype.is_float and dtype.bits < 32


def computing_type(dtype: Scalar) -> Scalar:
    """The type in which elements of `dtype` are computed."""
    return f32 if is_narrow(dtype) else dtype


def widen(array: Array) -> Array:
    """Narrow floats in float32, everything else as it is."""
    array = np.asarray(array)
    return array.astype(np.float32) if is_narrow(scalar_of(array.dtype)) else array


def convert(array: Array, dtype: Scalar) -> Array:
    """Floats to integers truncate, anything to bool is `!= 0`, floats beyond a float's range become infinite or NaN."""
    array = np.asarray(array)
    if array.dtype == dtype.numpy:
        return array
    with np.errstate(all="ignore"):
        return widen(array).astype(dtype.numpy) if is_small(dtype) else array.astype(dtype.numpy)


def _saturate(array: Array, dtype: Scalar) -> Array:
    """`array` limited to the numbers that the 8-bit (or narrower) float `dtype` has."""
    codes = np.arange(1 << dtype.bits, dtype=np.uint8).view(dtype.numpy).astype(np.float32)
    finite = codes[np.isfinite(codes)]
    return np.where(np.isnan(array), array, np.clip(array, finite.min(), finite.max()))


def is_small(dtype: Scalar) -> bool:
    """Whether `dtype` is a float of a byte or less, to which ONNX Cast saturates."""
    return dtype.is_float and dtype.bits <= 8


def neutral(kind: Reduction, dtype: Scalar) -> Any:
    """What a reduction of nothing gives."""
    if kind in ("add", "or"):
        return 0
    if kind == "mul":
        return 1
    if dtype.is_bool:
        return kind in ("and", "min")
    if kind == "and":
        return -1 if not dtype.is_unsigned else (1 << dtype.bits) - 1
    if dtype.is_float:
        return -np.inf if kind == "max" else np.inf
    limits = np.iinfo(dtype.numpy)
    return limits.min if kind == "max" else limits.max


class NumpyBody:
    """A `Body` whose elements are arrays; `tensors` has the operands of the op, `sizes` the model's symbols."""

    def __init__(self, tensors: Mapping[Value, Array] | None = None, sizes: Mapping[str, int] | None = None) -> None:
        self.tensors = tensors or {}
        self.values: dict[str, Array] = {name: np.int64(size) for name, size in (sizes or {}).items()}
        self.depth = 0
        self._names = (f"_{n}" for n in itertools.count())

    def grid(self, shape: Sequence[Dim]) -> Index:
        """New index symbols that walk `shape`; the outermost loops are the last axes of every element."""
        index: list[Dim] = []
        outer = self.depth
        self.depth += len(shape)
        for position, extent in enumerate(shape):
            axes = [1] * self.depth
            axes[position] = -1
            index.append(self._bind(np.arange(self.index(extent)).reshape(axes)))
        assert self.depth == outer + len(shape)
        return tuple(index)

    def _bind(self, value: Array) -> Expr:
        name = next(self._names)
        self.values[name] = value
        return symbols.symbol(name)

    def index(self, value: Dim) -> Array:
        """The values of an index expression."""
        if isinstance(value, int):
            return np.int64(value)
        total: Array = np.int64(0)
        for monomial, coefficient in value.terms:
            term: Array = np.int64(coefficient)
            for atom in monomial:
                if isinstance(atom, Symbol):
                    term = term * self.values[atom.name]
                else:
                    args = [self.index(arg) for arg in atom.args]
                    factor = args[0]
                    for other in args[1:]:
                        factor = _INDEX_FUNCTIONS[atom.function](factor, other)
                    term = term * factor
            total = total + term
        return total

    def read(self, tensor: Value, index: Sequence[Dim], outside: float | None = None) -> Array:
        array = self.tensors[tensor]
        positions = [self.index(i) for i in index]
        if outside is None and array.size == 0:
            # Nothing is there to read, and nobody asks: the grid is empty as well.
            return widen(np.zeros(np.broadcast_shapes(*map(np.shape, positions)), array.dtype))
        if outside is None:
            return widen(array[tuple(positions)])
        inside: Array = np.bool_(True)
        for position, size in zip(positions, array.shape, strict=True):
            inside = inside & (position >= 0) & (position < size)
        if array.size == 0:
            return np.full(np.shape(inside), outside, widen(array).dtype)
        clamped = tuple(np.clip(p, 0, size - 1) for p, size in zip(positions, array.shape, strict=True))
        found = widen(array[clamped])
        return np.where(inside, found, np.asarray(outside).astype(found.dtype))

    def constant(self, value: float | bool, dtype: Scalar) -> Array:
        return np.asarray(value).astype(computing_type(dtype).numpy)

    def number(self, value: Dim, dtype: Scalar) -> Array:
        return np.asarray(self.index(value)).astype(computing_type(dtype).numpy)

    def as_index(self, element: Array) -> Expr:
        return self._bind(np.asarray(element).astype(np.int64))

    def apply(self, function: str, *args: Array) -> Array:
        with np.errstate(all="ignore"):
            return scalar.FUNCTIONS[function].numpy(*args)

    def cast(self, element: Array, dtype: Scalar, saturate: bool = True) -> Array:
        limited = _saturate(widen(element), dtype) if saturate and is_small(dtype) else element
        return widen(convert(limited, dtype))

    def bitcast(self, element: Array, source: Scalar, target: Scalar) -> Array:
        bits = np.ascontiguousarray(convert(element, source))
        return widen(bits.view(target.numpy).reshape(np.shape(element)))

    def reduce(self, kind: Reduction, extents: Sequence[Dim], term: Callable[[Index], Array]) -> Array:
        outer = self.depth
        index = self.grid(extents)
        value = np.asarray(term(index))
        value = value.reshape((1,) * (self.depth - value.ndim) + value.shape)
        counts = tuple(int(self.index(e)) for e in extents)
        value = np.broadcast_to(value, counts + value.shape[len(counts) :])
        self.depth = outer
        initial = np.asarray(neutral(kind, scalar_of(value.dtype))).astype(value.dtype)
        axes = tuple(range(len(counts)))
        return _UFUNCS[kind].reduce(value, axis=axes, initial=initial[()], dtype=value.dtype)

    def fold(
        self, extent: Dim, start: Sequence[Array], step: Callable[[Dim, Sequence[Array]], Sequence[Array]]
    ) -> Sequence[Array]:
        state = start
        for i in range(int(self.index(extent))):
            state = step(i, state)
        return state


def evaluate_element(op: Any, operands: Sequence[Array], shape: Sequence[int], result: int = 0, **sizes: int) -> Array:
    """Result `result` of `op`, of shape `shape`, computed element by element from its loop nest."""
    tensors = {v: np.asarray(a) for v, a in zip(op.operands, operands, strict=True)}
    body = NumpyBody(tensors, sizes)
    element = op.element(body, body.grid(shape), result)
    type = op.results[result].type
    assert isinstance(type, TensorType)
    return convert(np.broadcast_to(element, tuple(shape)), type.scalar).copy()
