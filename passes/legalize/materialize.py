"""Computed sizes that are used as data become constants, or arithmetic on the dimensions of the inputs."""

from __future__ import annotations

import functools

import numpy as np

from ...ir import symbols
from ...ir.attributes import DenseAttr
from ...ir.core import BlockArgument, Operation, OpResult, Value
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func
from ...ir.location import fuse
from ...ir.symbols import Call, Dim, Expr
from ...ir.types import Scalar, TensorType, i64
from .content import Contents, scalar
from .node import Builder


def materialize(function: Func, contents: Contents) -> None:
    """Replace every value of known content that an op of run time reads; what computed it is dead then."""
    first = function.block.first
    if first is None:
        return
    writer = _Writer(function, Builder(first, contents))
    for op in list(function.walk()):
        if op is function or _is_followed(op, contents):
            continue
        for i, value in enumerate(op.operands):
            content = contents.get(value)
            if content is None or _is_source(value):
                continue
            here = _mentions_run_time(content)
            new = _sizes_before(op, content, scalar(value), contents) if here else writer.write(content, scalar(value))
            if new is not None:
                op.set_operand(i, new)
                if isinstance(new.owner, nn.Constant) and isinstance(value.owner, Operation):
                    new.owner.location = fuse([new.owner.location, value.owner.location])


def _mentions_run_time(content: np.ndarray) -> bool:
    """Whether sizes in `content` have their value only from some op on."""
    found = (symbols.free_symbols(size) for size in content.flat if isinstance(size, Expr))
    return any(symbols.is_run_time(name) for names in found for name in names)


def _sizes_before(op: Operation, content: np.ndarray, dtype: Scalar, contents: Contents) -> Value:
    """A value with `content`, made in front of `op`."""
    builder = Builder(op, contents)
    numbers = [
        builder(nn.Size(size)) if isinstance(size, Expr) else builder.constant(size, i64) for size in content.flat
    ]
    row = builder.concat([builder.reshape(number, (1,)) for number in numbers], 0)
    return builder.cast(builder.reshape(row, content.shape), dtype)


def _is_followed(op: Operation, contents: Contents) -> bool:
    """Whether all of the op's results are known, so that it only computes sizes."""
    return bool(op.results) and all(contents.get(result) is not None for result in op.results)


def _is_source(value: Value) -> bool:
    """Whether `value` is in its simplest form already: reading the size of a computed tensor would keep that alive."""
    if not isinstance(value, OpResult):
        return False
    return isinstance(value.op, nn.Constant) or (
        isinstance(value.op, nn.DimOf) and isinstance(value.op.x, BlockArgument)
    )


class _Writer:
    """Makes the ops at the start of a function, each once."""

    def __init__(self, function: Func, builder: Builder) -> None:
        self.function = function
        self.builder = builder
        self.written: dict[object, Value] = {}

    def write(self, content: np.ndarray, dtype: Scalar) -> Value | None:
        """A value with `content`, or None where an input does not tell a symbol that it needs."""
        elements = tuple(content.reshape(-1).tolist())
        key = (dtype, content.shape, elements if content.dtype == object else content.tobytes())
        if key not in self.written:
            if content.dtype != object:
                self.written[key] = self.builder(nn.Constant(DenseAttr(content)))
            elif (value := self._array(content, dtype)) is not None:
                self.written[key] = value
        return self.written.get(key)

    def _array(self, content: np.ndarray, dtype: Scalar) -> Value | None:
        elements = list(content.reshape(-1))
        scalars = [self.number(element) for element in elements]
        if any(value is None for value in scalars):
            return None
        given = [value for value in scalars if value is not None]
        if len(set(elements)) == 1:
            return self.builder.broadcast(self.builder.cast(given[0], dtype), content.shape)
        row = self.builder.concat([self.builder.reshape(value, (1,)) for value in given], 0)
        return self.builder.cast(self.builder.reshape(row, content.shape), dtype)

    def number(self, value: Dim) -> Value | None:
        """An i64 tensor without dimensions that holds `value`."""
        key = ("number", value)
        if key not in self.written:
            made = self._number(value)
            if made is None:
                return None
            self.written[key] = made
        return self.written[key]

    def _number(self, value: Dim) -> Value | None:
        if isinstance(value, int):
            return self.builder.constant(value, i64)
        if (dim := self._dimension(value)) is not None:
            return dim
        total: Value | None = None
        for monomial, coefficient in value.terms:
            factors = [self._atom(atom) for atom in monomial]
            if any(factor is None for factor in factors):
                return None
            known = [factor for factor in factors if factor is not None]
            if coefficient != 1 or not known:
                known.append(self.builder.constant(coefficient, i64))
            term = functools.reduce(lambda a, b: self.builder(nn.Mul(a, b)), known)
            total = term if total is None else self.builder(nn.Add(total, term))
        return total

    def _atom(self, atom: symbols.Atom) -> Value | None:
        if not isinstance(atom, Call):
            return self._symbol(atom.name)
        args = [self.number(arg) for arg in atom.args]
        if any(arg is None for arg in args):
            return None
        a, *rest = [arg for arg in args if arg is not None]
        match atom.function:
            case "min":
                return functools.reduce(lambda x, y: self.builder(nn.Min(x, y)), rest, a)
            case "max":
                return functools.reduce(lambda x, y: self.builder(nn.Max(x, y)), rest, a)
            case "mod":
                return self.builder(nn.Mod(a, rest[0]))
            case "floordiv":
                # Division truncates: take the remainder, which has the divisor's sign, off first.
                whole = self.builder(nn.Sub(a, self.builder(nn.Mod(a, rest[0]))))
                return self.builder(nn.Div(whole, rest[0]))
            case _:
                negative = self.builder(nn.Neg(a))
                whole = self.builder(nn.Sub(negative, self.builder(nn.Mod(negative, rest[0]))))
                return self.builder(nn.Neg(self.builder(nn.Div(whole, rest[0]))))

    def _symbol(self, name: str) -> Value | None:
        """The symbol as a dimension of an input, or solved from one that is linear in it."""
        if (dim := self._dimension(symbols.symbol(name))) is not None:
            return dim
        for argument in self.function.block.arguments:
            dims = argument.type.shape if isinstance(argument.type, TensorType) else None
            for axis, dim in enumerate(dims or ()):
                linear = symbols.linear_part(dim, name) if isinstance(dim, Expr) else None
                if linear is not None and isinstance(linear[0], int) and isinstance(linear[1], int) and linear[0]:
                    known = self.dimension(argument, axis)
                    whole = self.builder(nn.Sub(known, self.builder.constant(linear[1], i64)))
                    return self.builder(nn.Div(whole, self.builder.constant(linear[0], i64)))
        return None

    def _dimension(self, value: Dim) -> Value | None:
        for argument in self.function.block.arguments:
            dims = argument.type.shape if isinstance(argument.type, TensorType) else None
            if dims and value in dims:
                return self.dimension(argument, dims.index(value))
        return None

    def dimension(self, argument: Value, axis: int) -> Value:
        key = ("dim", argument, axis)
        if key not in self.written:
            self.written[key] = self.builder(nn.DimOf(argument, axis))
        return self.written[key]
