"""Control flow: ops with regions, which read values from around them and end with `nn.yield`."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from ...core import Region, Value
from ...declare import TERMINATOR, Op
from ...types import TensorType, Type, i1, i64
from .base import Array, NnOp, shape, tensor_type


class Yield(Op, name="nn.yield", traits=(TERMINATOR,)):
    """The results of a region.

    Example: "nn.yield"(%x) : (tensor<4xf32>) -> ()
    """

    values: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return []


Runs = Generator[tuple[Region, tuple[Array, ...]], tuple[Array, ...], tuple[Array, ...]]
"""Asks for regions to be run with arguments, is sent what they yield, and returns the op's results."""


class _Control(NnOp):
    has_loop_nest = False

    def _require_yields(self, region: Region, count: int) -> Yield:
        last = region.block.last
        if not isinstance(last, Yield):
            self.fail("needs a region that ends with nn.yield")
        self.require(
            len(last.operands) == count, f"needs a region that yields {count} values, not {len(last.operands)}"
        )
        return last

    def _require_type(self, yielded: Value, wanted: Type) -> None:
        found = tensor_type(yielded)
        fits = isinstance(wanted, TensorType) and (found.dtype, found.rank) == (wanted.dtype, wanted.rank)
        self.require(fits, f"yields {found} where {wanted} is expected")


class If(_Control, name="nn.if"):
    """What one of two regions yields. ONNX If.

    Example: %y = "nn.if"(%c) ({ "nn.yield"(%a) : (tensor<4xf32>) -> () }, { "nn.yield"(%b) : (tensor<4xf32>) -> () })
        : (tensor<i1>) -> tensor<4xf32>
    """

    condition: Value
    then: Region
    otherwise: Region

    def verify(self) -> None:
        super().verify()
        self.require(self.condition.type == TensorType((), i1), f"needs a condition of i1, found {self.condition.type}")
        for region in (self.then, self.otherwise):
            last = self._require_yields(region, len(self.results))
            for yielded, result in zip(last.operands, self.results, strict=True):
                self._require_type(yielded, result.type)

    def control(self, condition: Array) -> Runs:
        return (yield (self.then if condition else self.otherwise, ()))


class Loop(_Control, name="nn.loop"):
    """A region repeated up to `trip_count` times while its condition holds. ONNX Loop, Scan.

    The region's arguments are the iteration (i64), the condition (i1) and the carried values; it yields the next
    condition, the next carried values and any values to collect. The results are the last carried values, then what
    was collected, stacked along a new first axis: an entry for each iteration there was, and any numbers in the others.

    Example: %y = "nn.loop"(%n, %go, %x) ({
        ^bb0(%i: tensor<i64>, %c: tensor<i1>, %v: tensor<4xf32>): "nn.yield"(%c, %v) : (tensor<i1>, tensor<4xf32>) -> ()
        }) {operandSegmentSizes = array<i32: 1, 1, 1>} : (tensor<i64>, tensor<i1>, tensor<4xf32>) -> tensor<4xf32>
    """

    body: Region
    trip_count: Value | None = None
    condition: Value | None = None
    initial: tuple[Value, ...] = ()

    def verify(self) -> None:
        super().verify()
        arguments = [a.type for a in self.body.block.arguments]
        expected = [TensorType((), i64), TensorType((), i1)]
        self.require(arguments[:2] == expected, "needs a region of an iteration (i64) and a condition (i1)")
        carried = len(self.initial)
        self.require(
            len(arguments) == 2 + carried, f"needs a region of {2 + carried} arguments, found {len(arguments)}"
        )
        last = self._require_yields(self.body, 1 + len(self.results))
        for yielded, result in zip(last.operands[1 : 1 + carried], self.results, strict=False):
            self._require_type(yielded, result.type)
        for yielded, result in zip(last.operands[1 + carried :], self.results[carried:], strict=True):
            collected = tensor_type(result)
            self.require(collected.rank == len(shape(yielded)) + 1, f"collects {yielded.type} as {collected}")

    def control(self, trip_count: Array | None, condition: Array | None, *initial: Array) -> Runs:
        live = np.asarray(True if condition is None else condition)
        values, collected = initial, [[] for _ in self.results[len(initial) :]]
        iteration = 0
        while live and (trip_count is None or iteration < trip_count):
            live, *results = yield (self.body, (np.asarray(iteration, np.int64), live, *values))
            values = tuple(results[: len(initial)])
            for rows, row in zip(collected, results[len(initial) :], strict=True):
                rows.append(row)
            iteration += 1
        return (*values, *(self._stack(rows, i) for i, rows in enumerate(collected, len(initial))))

    def _stack(self, rows: list[Any], result: int) -> Array:
        type = tensor_type(self.results[result])
        most = type.dims[0] if isinstance(type.dims[0], int) else len(rows)
        row = rows[0].shape if rows else [size if isinstance(size, int) else 0 for size in type.dims[1:]]
        stacked = np.zeros([most, *row], type.scalar.numpy)
        for place, values in enumerate(rows):
            stacked[place] = values
        return stacked
