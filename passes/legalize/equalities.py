"""Sizes that a model treats as one although its inputs name them differently.

Exporters give each input dimensions of its own (`s18`, `s43`) and then add the tensors. Two sizes that are not 1 and
are broadcast together must be equal; where both are symbols of inputs, one symbol serves for both, and a symbol that
meets a number is that number.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import symbols
from ...ir.core import Operation
from ...ir.diagnostics import CompileError
from ...ir.dialects import nn
from ...ir.dialects.builtin import Func
from ...ir.equalities import Equality
from ...ir.profile import Profile, Range
from ...ir.symbols import Dim, Expr
from ...ir.types import TensorType, Type
from .content import dims

Pair = tuple[Dim, Dim]


class Equalities:
    """Pairs of different expressions that must have equal values for the model to run."""

    def __init__(self) -> None:
        self.pairs: dict[Pair, tuple[str, ...]] = {}
        """With the names of the first node that needs them to be equal."""

    def learn(self, op: Operation) -> None:
        for a, b in _required(op):
            if a != 1 and b != 1:
                self.need(a, b, op.location.names)

    def need(self, a: Dim, b: Dim, nodes: tuple[str, ...]) -> None:
        if a != b and (b, a) not in self.pairs:
            self.pairs[a, b] = nodes

    def needed(self) -> list[Equality]:
        """What is left for a run to check."""
        return [Equality(a, b, nodes) for (a, b), nodes in self.pairs.items()]

    def renaming(self, function: Func) -> dict[str, Dim]:
        """For each symbol that must equal a number, or one of an earlier input, that."""
        order: dict[Dim, int] = {symbols.symbol(name): i for i, name in enumerate(input_symbols(function))}
        root: dict[Dim, Dim] = {}

        def find(dim: Dim) -> Dim:
            while dim in root:
                dim = root[dim]
            return dim

        for pair in self.pairs:
            if all(isinstance(dim, int) or dim in order for dim in pair):
                first, second = sorted(map(find, pair), key=lambda dim: order.get(dim, -1))
                if first != second and not isinstance(second, int):
                    root[second] = first
        return {str(dim): find(dim) for dim in root}

    def limits(self) -> dict[str, int]:
        """The symbols of inputs that equal `min(symbol, number)`: positions in a table of that many rows."""
        found: dict[str, int] = {}
        for a, b in ((a, b) for pair in self.pairs for a, b in (pair, pair[::-1])):
            if symbols.is_run_time(str(a)):
                continue
            for number in _numbers(b):
                if str(a).isidentifier() and b == symbols.minimum(a, number):
                    found[str(a)] = min(number, found.get(str(a), number))
        return found


def _numbers(dim: Dim) -> Iterator[int]:
    """The numbers that a minimum has among its arguments."""
    for monomial, _ in dim.terms if isinstance(dim, Expr) else ():
        for atom in monomial:
            yield from (arg for arg in getattr(atom, "args", ()) if isinstance(arg, int))


def narrowed(profile: Profile, renaming: dict[str, Dim], limits: dict[str, int]) -> Profile:
    """The profile with one range for symbols that are one now, within `limits`. Raises CompileError if one is empty."""
    ranges: dict[str, Range] = {}
    for name, given in [*profile.ranges.items(), *((name, Range(1, 1, limit)) for name, limit in limits.items())]:
        size = renaming.get(name)
        if isinstance(size, int):
            if size < given.min or (given.max is not None and size > given.max):
                raise CompileError(f"dimension '{name}' can only be {size} in the model, which its profile leaves out")
            continue
        name = str(size or name)
        known = ranges.get(name, given)
        tops = [top for top in (known.max, given.max) if top is not None]
        least, most = max(known.min, given.min), min(tops, default=None)
        if most is not None and least > most:
            raise CompileError(
                f"dimension '{name}' is at least {least} in the profile and at most {most} in the model; "
                "give smaller shapes"
            )
        usual = max(known.opt, given.opt, least)
        ranges[name] = Range(least, usual if most is None else min(usual, most), most)
    return Profile(ranges)


def input_symbols(function: Func) -> Iterator[str]:
    """The symbols that inputs have as sizes, in order of appearance."""
    for argument in function.block.arguments:
        shape = argument.type.shape if isinstance(argument.type, TensorType) else None
        yield from (str(dim) for dim in shape or () if isinstance(dim, Expr) and str(dim).isidentifier())


def _required(op: Operation) -> Iterator[Pair]:
    """The sizes that `op` needs to be equal."""
    match op:
        case nn.Elementwise():
            yield from _aligned([dims(v) for v in op.operands])
        case nn.MatMul():
            a, b = dims(op.a), dims(op.b)
            yield from _aligned([a[:-2], b[:-2]])
            yield op.inner, b[-1] if op.trans_b else b[-2]
        case nn.Concat():
            for other in op.tensors[1:]:
                for axis, pair in enumerate(zip(dims(op.tensors[0]), dims(other), strict=True)):
                    if axis != op.axis:
                        yield pair
        case nn.BroadcastTo():
            yield from _aligned([dims(op.x), dims(op.results[0])])
        case nn.LayerNorm() | nn.RmsNorm():
            yield from (pair for v in op.operands[1:] for pair in _aligned([dims(op.x), dims(v)]))
        case nn.BatchNorm() | nn.InstanceNorm() | nn.GroupNorm():
            yield from ((dims(op.x)[1], dims(v)[0]) for v in op.operands[1:])
        case nn.Conv() | nn.ConvTranspose():
            x, w = dims(op.x), dims(op.w)
            plain = isinstance(op, nn.Conv)
            yield x[1], symbols.mul(w[1], op.group) if plain else w[0]
            if op.bias is not None:
                yield dims(op.bias)[0], w[0] if plain else symbols.mul(w[1], op.group)
        case nn.Attention():
            q, k, v = dims(op.q), dims(op.k), dims(op.v)
            yield from ((q[0], k[0]), (k[0], v[0]), (q[3], k[3]), (k[1], v[1]), (k[2], v[2]))
            if op.mask is not None:
                yield from _aligned([(*q[:3], k[2]), dims(op.mask)])
        case nn.Rnn() | nn.Gru() | nn.Lstm():
            yield from _recurrent(op)
        case _:
            return


def _recurrent(op: nn.Rnn | nn.Gru | nn.Lstm) -> Iterator[Pair]:
    x, batch_axis = dims(op.x), 0 if op.batch_first else 1
    if op.w is not None:
        yield x[2], dims(op.w)[2]
    if op.sequence_lengths is not None:
        yield x[batch_axis], dims(op.sequence_lengths)[0]
    for state in (op.initial_h, op.initial_c if isinstance(op, nn.Lstm) else None):
        if state is not None:
            yield from ((x[batch_axis], dims(state)[batch_axis]), (op.hidden, dims(state)[2]))


def _aligned(shapes: list[tuple[Dim, ...]]) -> Iterator[Pair]:
    """The pairs of sizes that are broadcast together."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    for i, first in enumerate(padded):
        for second in padded[i + 1 :]:
            yield from zip(first, second, strict=True)


def rename(function: Func, renaming: dict[str, Dim]) -> None:
    """Replace symbols in the types of all values of a function of the onnx dialect."""
    for argument in function.block.arguments:
        argument.type = _renamed(argument.type, renaming)
    for op in function.walk():
        for result in op.results:
            result.type = _renamed(result.type, renaming)
    function.update_type()


def _renamed(type: Type, renaming: dict[str, Dim]) -> Type:
    if not isinstance(type, TensorType) or type.shape is None:
        return type
    return type.with_shape([symbols.substitute(dim, renaming) for dim in type.shape])
