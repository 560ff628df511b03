"""Shapes and reductions of vectors: upstream's `vector`, as far as tile programs use it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..attributes import ArrayAttr, IntegerAttr, OpaqueAttr
from ..core import Value
from ..declare import PURE, Op
from ..types import MemRefType, Type, VectorType, index
from .arith import scalar_or_array, unsigned
from .math import fused_multiply_add

REDUCTIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": np.add,
    "mul": np.multiply,
    "minsi": np.minimum,
    "maxsi": np.maximum,
    "minui": lambda a, b: np.where(unsigned(a) < unsigned(b), a, b),
    "maxui": lambda a, b: np.where(unsigned(a) > unsigned(b), a, b),
    "minnumf": np.fmin,
    "maxnumf": np.fmax,
    "minimumf": np.minimum,
    "maximumf": np.maximum,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


def kind(name: str) -> OpaqueAttr:
    """The attribute `#vector.kind<name>`."""
    return OpaqueAttr("vector.kind", name)


class VectorOp(Op, traits=(PURE,)):
    def vector(self, value: Value) -> VectorType:
        """The type of a vector operand or result. Raises VerifyError for another."""
        if not isinstance(value.type, VectorType):
            self.fail(f"takes vectors, found {value.type}")
        return value.type

    def combine(self, attribute: OpaqueAttr) -> Callable[[Any, Any], Any]:
        """What `#vector.kind<…>` does to two arrays. Raises VerifyError for an unknown kind."""
        known = attribute.name == "vector.kind" and attribute.body in REDUCTIONS
        self.require(known, f"has no reduction {attribute}; there are {', '.join(REDUCTIONS)}")
        return REDUCTIONS[attribute.body]


class Broadcast(VectorOp, name="vector.broadcast"):
    """Repeat a scalar or vector along new leading dims and dims of size 1; `result_types` says to which shape."""

    source: Value

    def verify(self) -> None:
        super().verify()
        source, target = self.source.type, self.vector(self.result)
        shape, dtype = (source.shape, source.dtype) if isinstance(source, VectorType) else ((), source)
        tail = target.shape[len(target.shape) - len(shape) :]
        fits = len(shape) <= len(target.shape) and all(a in (1, b) for a, b in zip(shape, tail, strict=True))
        self.require(fits and dtype == target.dtype, f"does not broadcast {source} to {target}")

    def evaluate(self, source: Any) -> Any:
        return np.broadcast_to(source, self.vector(self.result).shape)


class ShapeCast(VectorOp, name="vector.shape_cast"):
    """The same elements, in row-major order, in another shape, which `result_types` says."""

    source: Value

    def verify(self) -> None:
        super().verify()
        source, target = self.vector(self.source), self.vector(self.result)
        same = np.prod(source.shape) == np.prod(target.shape) and source.dtype == target.dtype
        self.require(same, f"does not cast {source} to {target}")

    def evaluate(self, source: Any) -> Any:
        return np.reshape(source, self.vector(self.result).shape)


class Transpose(VectorOp, name="vector.transpose"):
    """Result dim `i` is source dim `permutation[i]`."""

    source: Value
    permutation: tuple[int, ...]

    def infer(self) -> list[Type]:
        source = self.vector(self.source)
        complete = sorted(self.permutation) == list(range(len(source.shape)))
        self.require(complete, f"needs a permutation of the {len(source.shape)} dims, found {self.permutation}")
        return [VectorType(tuple(source.shape[d] for d in self.permutation), source.dtype)]

    def evaluate(self, vector: Any) -> Any:
        return np.transpose(vector, self.permutation)


class ExtractStridedSlice(VectorOp, name="vector.extract_strided_slice"):
    """The box of `sizes` at `offsets`; `strides` are all 1."""

    source: Value
    offsets: ArrayAttr
    sizes: ArrayAttr
    strides: ArrayAttr

    @staticmethod
    def at(vector: Value, offsets: Sequence[int], sizes: Sequence[int]) -> ExtractStridedSlice:
        boxes = [integers(numbers) for numbers in (offsets, sizes, [1] * len(sizes))]
        return ExtractStridedSlice(vector, *boxes)

    @property
    def box(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Offsets and sizes as numbers."""
        offsets, sizes, strides = (numbers(field) for field in (self.offsets, self.sizes, self.strides))
        self.require(set(strides) <= {1}, "takes strides of 1 alone")
        return offsets, sizes

    def infer(self) -> list[Type]:
        source = self.vector(self.source)
        offsets, sizes = self.box
        fits = len(offsets) == len(sizes) == len(source.shape)
        fits = fits and all(o >= 0 and o + n <= m for o, n, m in zip(offsets, sizes, source.shape, strict=True))
        self.require(fits, f"has no box of {sizes} at {offsets} in {source}")
        return [VectorType(sizes, source.dtype)]

    def evaluate(self, vector: Any) -> Any:
        offsets, sizes = self.box
        return vector[tuple(slice(o, o + n) for o, n in zip(offsets, sizes, strict=True))]


def integers(numbers: Sequence[int]) -> ArrayAttr:
    """Numbers as upstream's arrays of i64."""
    return ArrayAttr(tuple(IntegerAttr(n) for n in numbers))


def numbers(attribute: ArrayAttr) -> tuple[int, ...]:
    return tuple(value.value for value in attribute.values if isinstance(value, IntegerAttr))


class Step(VectorOp, name="vector.step"):
    """0, 1, 2, … as `index`."""

    def verify(self) -> None:
        super().verify()
        found = self.vector(self.result)
        self.require(len(found.shape) == 1 and found.dtype == index, f"gives a vector of indices, not {found}")

    def evaluate(self) -> Any:
        return np.arange(self.vector(self.result).shape[0], dtype=np.int64)


class Fma(VectorOp, name="vector.fma"):
    """lhs * rhs + acc, rounded once."""

    lhs: Value
    rhs: Value
    acc: Value

    def infer(self) -> list[Type]:
        self.require(self.lhs.type == self.rhs.type == self.acc.type, "takes three vectors of one type")
        return [self.vector(self.lhs)]

    def evaluate(self, lhs: Any, rhs: Any, acc: Any) -> Any:
        return fused_multiply_add(lhs, rhs, acc)


class OuterProduct(VectorOp, name="vector.outerproduct"):
    """lhs[i] * rhs[j], combined with acc[i, j]."""

    lhs: Value
    rhs: Value
    acc: Value
    kind: OpaqueAttr = kind("add")

    def infer(self) -> list[Type]:
        lhs, rhs = self.vector(self.lhs), self.vector(self.rhs)
        result = VectorType((*lhs.shape, *rhs.shape), lhs.dtype)
        self.require(len(result.shape) == 2 and lhs.dtype == rhs.dtype, f"takes two of rank 1, found {lhs} and {rhs}")
        self.require(self.acc.type == result, f"accumulates into {result}, found {self.acc.type}")
        self.combine(self.kind)
        return [result]

    def evaluate(self, lhs: Any, rhs: Any, acc: Any) -> Any:
        if self.kind == kind("add") and lhs.dtype.kind != "i":
            return fused_multiply_add(lhs[:, None], rhs[None, :], acc)
        return self.combine(self.kind)(acc, lhs[:, None] * rhs[None, :])


class Reduction(VectorOp, name="vector.reduction"):
    """The elements of a vector of rank 1 combined into a scalar, and with `acc` where there is one."""

    source: Value
    acc: Value | None = None
    kind: OpaqueAttr = kind("add")
    fastmath: OpaqueAttr | None = None

    def infer(self) -> list[Type]:
        source = self.vector(self.source)
        self.require(len(source.shape) == 1, f"takes a vector of rank 1, found {source}")
        self.require(self.acc is None or self.acc.type == source.dtype, f"has an accumulator that is no {source.dtype}")
        self.combine(self.kind)
        return [source.dtype]

    def evaluate(self, vector: Any, acc: Any = None) -> Any:
        result = _fold(self.combine(self.kind), vector, 0)
        return scalar_or_array(result if acc is None else self.combine(self.kind)(result, acc))


class MultiReduction(VectorOp, name="vector.multi_reduction"):
    """`reduction_dims` of the source combined, and with `acc`, which has the result's type."""

    source: Value
    acc: Value
    kind: OpaqueAttr
    reduction_dims: tuple[int, ...]

    def infer(self) -> list[Type]:
        source = self.vector(self.source)
        dims = self.reduction_dims
        self.require(set(dims) <= set(range(len(source.shape))), f"has no dims {dims} in {source}")
        kept = tuple(size for d, size in enumerate(source.shape) if d not in dims)
        result: Type = VectorType(kept, source.dtype) if kept else source.dtype
        self.require(self.acc.type == result, f"accumulates into {result}, found {self.acc.type}")
        self.combine(self.kind)
        return [result]

    def evaluate(self, source: Any, acc: Any) -> Any:
        function = self.combine(self.kind)
        result = source
        for dim in sorted(self.reduction_dims, reverse=True):
            result = _fold(function, result, dim)
        return scalar_or_array(np.asarray(function(result, acc)).astype(np.asarray(source).dtype))


def _fold(function: Callable[[Any, Any], Any], array: Any, axis: int) -> Any:
    result, *rest = np.moveaxis(array, axis, 0)
    for part in rest:
        result = function(result, part)
    return np.asarray(result)


class Load(VectorOp, name="vector.load"):
    """A vector of contiguous elements from a memref at `indices`; `result_types` says how many."""

    traits = frozenset()
    base: Value
    indices: tuple[Value, ...]

    def verify(self) -> None:
        super().verify()
        _check_access(self, self.base.type, self.vector(self.result), len(self.indices))

    def evaluate(self, base: Any, *indices: Any) -> Any:
        return base[_window(indices, self.vector(self.result).shape)].copy()


class Store(VectorOp, name="vector.store"):
    """Write a vector to contiguous elements of a memref at `indices`."""

    traits = frozenset()
    value: Value
    base: Value
    indices: tuple[Value, ...]

    def infer(self) -> list[Type]:
        _check_access(self, self.base.type, self.vector(self.value), len(self.indices))
        return []

    def evaluate(self, value: Any, base: Any, *indices: Any) -> None:
        base[_window(indices, np.shape(value))] = value


def _check_access(op: Op, memref: Type, vector: VectorType, indices: int) -> None:
    if not isinstance(memref, MemRefType):
        op.fail(f"takes a memref, found {memref}")
    op.require(memref.dtype == vector.dtype, f"has a vector of {vector.dtype} and a memref of {memref.dtype}")
    op.require(indices == len(memref.shape), f"takes {len(memref.shape)} indices, found {indices}")


def _window(indices: tuple[Any, ...], shape: tuple[int, ...]) -> tuple[Any, ...]:
    """The index of a box of `shape` in the last dims, starting at `indices`."""
    leading = len(indices) - len(shape)
    starts = [int(i) for i in indices]
    return (*starts[:leading], *(slice(s, s + n) for s, n in zip(starts[leading:], shape, strict=True)))
