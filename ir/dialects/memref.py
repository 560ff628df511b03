"""Memory by the element: upstream's `memref`. Run on NumPy, a memref is an array, and a view of it an array's view."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Value
from ..declare import PURE, Op
from ..types import MemRefType, Type, index

DYNAMIC = -(1 << 63)
"""Stands in `static_…` attributes for a number that an operand gives."""


class MemRefOp(Op):
    def memref_type(self, value: Value) -> MemRefType:
        """The type of a memref. Raises VerifyError for another."""
        if not isinstance(value.type, MemRefType):
            self.fail(f"takes a memref, found {value.type}")
        return value.type

    def check_indices(self, memref: Value, indices: tuple[Value, ...]) -> MemRefType:
        """The type of `memref`, which has as many dims as there are indices. Raises VerifyError."""
        type = self.memref_type(memref)
        fits = len(indices) == len(type.shape) and all(i.type == index for i in indices)
        self.require(fits, f"takes {len(type.shape)} indices into {type}, found {len(indices)}")
        return type


class Load(MemRefOp, name="memref.load"):
    """One element."""

    memref: Value
    indices: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return [self.check_indices(self.memref, self.indices).dtype]

    def evaluate(self, memref: Any, *indices: Any) -> Any:
        return memref[tuple(map(int, indices))]


class Store(MemRefOp, name="memref.store"):
    """Write one element."""

    value: Value
    memref: Value
    indices: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        type = self.check_indices(self.memref, self.indices)
        self.require(self.value.type == type.dtype, f"stores {self.value.type} into {type}")
        return []

    def evaluate(self, value: Any, memref: Any, *indices: Any) -> None:
        memref[tuple(map(int, indices))] = value


class Alloca(MemRefOp, name="memref.alloca"):
    """Memory as long as the function or kernel runs, of arbitrary contents; `result_types` says its type."""

    dynamic_sizes: tuple[Value, ...] = ()
    symbol_operands: tuple[Value, ...] = ()
    alignment: int | None = None

    def verify(self) -> None:
        super().verify()
        dynamic = self.memref_type(self.result).shape.count(None)
        self.require(len(self.dynamic_sizes) == dynamic, f"has {len(self.dynamic_sizes)} sizes for {dynamic} '?'")

    def evaluate(self, *sizes: Any) -> Any:
        type = self.memref_type(self.result)
        given = iter(sizes)
        shape = tuple(int(next(given)) if size is None else size for size in type.shape)
        return np.frombuffer(b"\x5a" * (int(np.prod(shape)) * type.dtype.bytes), type.dtype.numpy).reshape(shape).copy()


class Dim(MemRefOp, name="memref.dim", traits=(PURE,)):
    """The size of dim `index`."""

    source: Value
    index: Value

    def infer(self) -> list[Type]:
        self.memref_type(self.source)
        self.require(self.index.type == index, f"takes an index, found {self.index.type}")
        return [index]

    def evaluate(self, source: Any, dim: Any) -> Any:
        return np.int64(np.shape(source)[int(dim)])


class SubView(MemRefOp, name="memref.subview", traits=(PURE,)):
    """A box of a memref; `static_…` hold the numbers known, `DYNAMIC` where the next operand gives one."""

    source: Value
    offsets: tuple[Value, ...]
    sizes: tuple[Value, ...]
    strides: tuple[Value, ...]
    static_offsets: tuple[int, ...]
    static_sizes: tuple[int, ...]
    static_strides: tuple[int, ...]

    def verify(self) -> None:
        super().verify()
        rank = len(self.memref_type(self.source).shape)
        for name, numbers, operands in (
            ("offsets", self.static_offsets, self.offsets),
            ("sizes", self.static_sizes, self.sizes),
            ("strides", self.static_strides, self.strides),
        ):
            self.require(len(numbers) == rank, f"has {len(numbers)} {name} for {rank} dims")
            dynamic = numbers.count(DYNAMIC)
            self.require(dynamic == len(operands), f"has {len(operands)} operands for {dynamic} dynamic {name}")

    def evaluate(self, source: Any, *numbers: Any) -> Any:
        given = iter(numbers)

        def bind(static: tuple[int, ...]) -> list[int]:
            return [int(next(given)) if n == DYNAMIC else n for n in static]

        offsets, sizes, strides = map(bind, (self.static_offsets, self.static_sizes, self.static_strides))
        boxes = zip(offsets, sizes, strides, strict=True)
        view = source[tuple(slice(o, o + n * s, s) for o, n, s in boxes)]
        wanted = len(self.memref_type(self.result).shape)
        # A rank-reducing view drops dims of size 1, the leading ones first.
        while view.ndim > wanted:
            view = view.squeeze(next(d for d, n in enumerate(view.shape) if n == 1))
        return view
