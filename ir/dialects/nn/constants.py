"""Constants, and sizes as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...attributes import Attribute, DenseAttr, DenseResourceAttr
from ...core import Value
from ...declare import Op
from ...loop_nest import Body, E
from ...numpy_body import convert
from ...symbols import Dim
from ...types import Scalar, TensorType, Type, i64
from .base import Array, NnOp, bind, require_axis, result_scalar, result_sizes, shape, tensor_type


class Constant(NnOp, name="nn.constant"):
    """A tensor known at compile time: `dense` inline or `dense_resource` by name. ONNX Constant and initializers.

    Example: %y = "nn.constant"() {value = dense<[1.0, 2.0]> : tensor<2xf32>} : () -> tensor<2xf32>
    """

    value: Attribute

    @staticmethod
    def of(value: Any, dtype: Scalar) -> Constant:
        """An inline constant of `value` (anything NumPy makes an array of) as `dtype`."""
        return Constant(DenseAttr(convert(np.asarray(value), dtype)))

    def infer(self) -> list[Type]:
        value = self.value
        if not isinstance(value, DenseAttr | DenseResourceAttr):
            self.fail(f"needs a dense or dense_resource value, found {value}")
        return [value.type]

    @property
    def array(self) -> np.ndarray:
        """The elements. Raises VerifyError where the IR was read without its weights."""
        value = self.value
        array = value.array if isinstance(value, DenseAttr | DenseResourceAttr) else None
        if array is None:
            self.fail(f"has no elements for {value}; read the IR together with its weights")
        return array

    @property
    def is_splat(self) -> bool:
        """Whether all elements are one number, as far as an inline value or a single element tells."""
        value = self.value
        if not isinstance(value, DenseAttr) or not value.array.size:
            return False
        content = value.array.tobytes()  # bits: a not-a-number equals nothing, and zeros of both signs are equal
        return content == content[: value.array.itemsize] * value.array.size

    def evaluate(self) -> Array:
        return self.array

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        self.require(self.is_splat, "has a loop nest only where all elements are one number")
        return body.constant(self.array.flat[0].item(), tensor_type(self.result).scalar)


class Iota(NnOp, name="nn.iota"):
    """`start` plus the index along `axis` at every place; the result type says the shape. ONNX Range.

    Example: %y = "nn.iota"() {axis = 0 : i64, start = 0 : i64} : () -> tensor<4xi64>
    """

    axis: int = 0
    start: Dim = 0
    sized = True

    def verify(self) -> None:
        super().verify()
        require_axis(self, self.axis, tensor_type(self.result).rank)

    def evaluate(self, *, sizes: Mapping[str, int]) -> Array:
        dims = result_sizes(self, sizes)
        (start,) = bind([self.start], sizes)
        along = np.arange(start, start + dims[self.axis])
        along = along.reshape([-1 if i == self.axis else 1 for i in range(len(dims))])
        return convert(np.broadcast_to(along, dims), result_scalar(self))

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return body.number(index[self.axis] + self.start, result_scalar(self))


class Size(NnOp, name="nn.size"):
    """A size expression as a number. ONNX Shape and integer arithmetic.

    Example: %y = "nn.size"() {value = "past + seq"} : () -> tensor<i64>
    """

    value: Dim
    sized = True

    def infer(self) -> list[Type]:
        return [TensorType((), i64)]

    def evaluate(self, *, sizes: Mapping[str, int]) -> Array:
        return np.asarray(bind([self.value], sizes)[0], np.int64)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return body.number(self.value, i64)


class DimOf(NnOp, name="nn.dim"):
    """The size of x along `axis`. ONNX Shape and Gather.

    Example: %y = "nn.dim"(%x) {axis = 0 : i64} : (tensor<?x3xf32, #kw.dims<"batch">>) -> tensor<i64>
    """

    x: Value
    axis: int

    def infer(self) -> list[Type]:
        require_axis(self, self.axis, tensor_type(self.x).rank)
        return [TensorType((), i64)]

    def evaluate(self, x: Array) -> Array:
        return np.asarray(x.shape[self.axis], np.int64)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        return body.number(shape(self.x)[self.axis], i64)


class ShapeOf(NnOp, name="nn.shape_of"):
    """The sizes of x along all axes. ONNX Shape.

    Example: %y = "nn.shape_of"(%x) : (tensor<?x3xf32, #kw.dims<"batch">>) -> tensor<2xi64>
    """

    x: Value

    def infer(self) -> list[Type]:
        return [TensorType((tensor_type(self.x).rank,), i64)]

    def evaluate(self, x: Array) -> Array:
        return np.asarray(x.shape, np.int64)

    def element(self, body: Body[E], index: Sequence[Dim], result: int = 0) -> E:
        dims = shape(self.x)
        size = body.number(dims[-1] if dims else 0, i64)
        for axis in reversed(range(len(dims) - 1)):
            here = body.apply("eq", body.number(index[0], i64), body.number(axis, i64))
            size = body.apply("select", here, body.number(dims[axis], i64), size)
        return size


class ReadSizes(Op, name="nn.read_sizes"):
    """The elements of x become the values of `symbols`, for the types of all ops that follow in the block.

    That is how a size gets into types that only the data say: the number of elements that are not 0, a shape that is
    So sizes get into types that only the data say. No element may be negative. Not pure, since all that mentions the
    symbols depends on it. ONNX NonZero, Reshape.

    Example: "nn.read_sizes"(%x) {symbols = ["run_0", "run_1"]} : (tensor<2xi64>) -> ()
    """

    x: Value
    symbols: tuple[str, ...]
    sized = True

    def infer(self) -> list[Type]:
        return []

    def verify(self) -> None:
        super().verify()
        wanted = TensorType((len(self.symbols),), i64)
        self.require(bool(self.symbols) and self.x.type == wanted, f"needs a {wanted}, found {self.x.type}")

    def evaluate(self, x: Array, *, sizes: dict[str, int]) -> tuple[Array, ...]:
        self.require(not (x < 0).any(), f"reads the sizes {x.tolist()}; none may be negative")
        sizes.update(zip(self.symbols, map(int, x), strict=True))
        return ()
