"""What the elements of a tensor are as functions of their index: numbers, index expressions, comparisons of these.

Masks, positions and bucket numbers are computed from ranges and sizes. Evaluating the loop nests of the ops on symbols
instead of numbers says what they are for every size at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.dialects.nn.base import NnOp, tensor_type
from ...ir.loop_nest import Index, Reduction
from ...ir.symbols import Dim, Expr, Interval
from ...ir.types import Scalar
from .match import constant


@dataclass(frozen=True)
class Condition:
    """Holds where `margin`, an index expression, is not negative."""

    margin: Dim

    @property
    def decided(self) -> bool | None:
        """Whether it holds everywhere or nowhere, where that shows."""
        return self.margin >= 0 if isinstance(self.margin, int) else None


TRUE, FALSE = Condition(0), Condition(-1)

Form = Dim | Condition | None
"""What is known of an element: its number, when it is true, or nothing."""

ArrayForm = Callable[[np.ndarray, Sequence[Dim]], Form]
"""The element of an array at an index, if it has a form."""


class NoFormError(Exception):
    """An element depends on more than its index."""


@dataclass
class IndexForms:
    """Evaluates loop nests on index expressions (an `ir.loop_nest.Body`).

    `extents` are the sizes that the symbols made for indices stay below, `ranges` the values of all others.
    """

    of_array: ArrayForm
    extents: dict[str, Dim] = field(default_factory=dict)
    ranges: Mapping[str, Interval] = field(default_factory=dict)
    _known: dict[tuple[Value, tuple[Dim, ...]], Form] = field(default_factory=dict)

    def place(self, tensor: Value) -> tuple[Dim, ...]:
        """Symbols for the index of any element of `tensor`; 0 along axes of one element."""
        return tuple(self._index(f"%{axis}", dim) for axis, dim in enumerate(tensor_type(tensor).dims))

    def _index(self, name: str, extent: Dim) -> Dim:
        if extent == 1:
            return 0
        self.extents[name] = extent
        return symbols.symbol(name)

    def form(self, tensor: Value, index: Sequence[Dim]) -> Form:
        """The element at `index`; None where it has no form."""
        try:
            return self.read(tensor, index)
        except NoFormError:
            return None

    def least(self, value: Dim) -> float:
        """A number that `value` is never below."""
        for name, extent in self.extents.items():
            linear = symbols.linear_part(value, name)
            if linear is None:
                continue
            slope, rest = linear
            low, high = symbols.bounds(slope, self.ranges)
            if low >= 0:
                value = rest
            elif high <= 0:
                value = rest + slope * (extent - 1)
        return symbols.bounds(value, self.ranges)[0]

    def never_negative(self, value: Dim) -> bool:
        return self.least(value) >= 0

    def read(self, tensor: Value, index: Sequence[Dim], outside: float | None = None) -> Form:
        op = tensor.owner
        if outside is not None or not isinstance(op, NnOp):
            return None
        key = (tensor, tuple(index))
        if key not in self._known:
            self._known[key] = self._element(op, key[1])
        return self._known[key]

    def _element(self, op: NnOp, index: tuple[Dim, ...]) -> Form:
        match op:
            case nn.Constant() if not op.is_splat:
                array = constant(op.result)
                return None if array is None else self.of_array(array, index)
            case nn.Concat():
                return self._joined(op, index)
            case nn.CumSum():
                return self._running_sum(op, index)
            case nn.Gather():
                return self._gathered(op, index)
            case _:
                return op.element(self, index) if op.has_loop_nest else None

    def _joined(self, op: nn.Concat, index: tuple[Dim, ...]) -> Form:
        """One form for all parts: that of the first long one, if the others continue it."""
        axis = op.axis
        at = symbols.symbol(name := f"%join{len(self.extents)}")
        self.extents[name] = tensor_type(op.result).dims[axis]
        common: Form = None
        starts: list[tuple[Dim, Form]] = []
        offset: Dim = 0
        for part in op.tensors:
            size = tensor_type(part).dims[axis]
            local = 0 if size == 1 else at - offset
            form = self.read(part, (*index[:axis], local, *index[axis + 1 :]))
            if size == 1:
                starts.append((offset, form))
            elif common is None or form == common:
                common = form
            else:
                return None
            if form is None:
                return None
            offset = symbols.add(offset, size)
        if isinstance(index[axis], int):  # one known part, which need not be like the others
            return next((form for start, form in starts if start == index[axis]), None)
        if common is None or any(_substituted(common, name, start) != form for start, form in starts):
            return None
        return _substituted(common, name, index[axis])

    def _running_sum(self, op: nn.CumSum, index: tuple[Dim, ...]) -> Form:
        """The sum of a number that is the same along the axis."""
        at, size = index[op.axis], tensor_type(op.x).dims[op.axis]
        terms = [self.read(op.x, (*index[: op.axis], place, *index[op.axis + 1 :])) for place in (at, 0)]
        if terms[0] is None or terms[0] != terms[1] or isinstance(terms[0], Condition):
            return None
        before = size - 1 - at if op.reverse else at
        return terms[0] * (before if op.exclusive else before + 1)

    def _gathered(self, op: nn.Gather, index: tuple[Dim, ...]) -> Form:
        after = op.axis + tensor_type(op.indices).rank
        place = self.read(op.indices, index[op.axis : after])
        size = tensor_type(op.x).dims[op.axis]
        if not isinstance(place, int | Expr) or not self.never_negative(place):
            return None
        if not self.never_negative(size - 1 - place):
            return None
        return self.read(op.x, (*index[: op.axis], place, *index[after:]))

    def constant(self, value: float | bool, dtype: Scalar) -> Form:
        if dtype.is_bool:
            return TRUE if value else FALSE
        return int(value) if dtype.is_integer else None

    def number(self, value: Dim, dtype: Scalar) -> Form:
        return value

    def as_index(self, element: Form) -> Expr:
        raise NoFormError

    def apply(self, function: str, *args: Form) -> Form:
        match function, args:
            case (("and" | "or" | "xor"), (Condition() as a, Condition() as b)):
                return _combined(function, a, b)
            case "select", (Condition() as chosen, a, b):
                return a if a == b else {True: a, False: b, None: None}[chosen.decided]
            case "neg", (int() | Expr() as a,):
                return -a
            case "abs", (int() | Expr() as a,):
                return a if self.never_negative(a) else -a if self.never_negative(-a) else None
            case (("add" | "sub" | "mul"), (int() | Expr() as a, int() | Expr() as b)):
                return a + b if function == "add" else a - b if function == "sub" else a * b
            case _, (int() | Expr() as a, int() | Expr() as b):
                return self._compared(function, a, b)
            case _:
                return None

    def _compared(self, function: str, a: Dim, b: Dim) -> Form:
        match function:
            case "le":
                return self._condition(b - a)
            case "lt":
                return self._condition(b - a - 1)
            case "ge":
                return self._condition(a - b)
            case "gt":
                return self._condition(a - b - 1)
            case "eq" | "ne":
                apart = self.never_negative(a - b - 1) or self.never_negative(b - a - 1)
                same = TRUE if a == b else FALSE if apart else None
                return same if function == "eq" or same is None else _negated(same)
            case "min" | "max":
                order = self._condition(b - a if function == "min" else a - b).decided
                return {True: a, False: b, None: None}[order]
            case _:
                return None

    def _condition(self, margin: Dim) -> Condition:
        if self.never_negative(margin):
            return TRUE
        return FALSE if self.never_negative(-margin - 1) else Condition(margin)

    def cast(self, element: Form, dtype: Scalar, saturate: bool = True) -> Form:
        """Integers of 32 and 64 bits hold sizes, and so does f32 up to 2²⁴."""
        if isinstance(element, Condition):
            if dtype.is_bool:
                return element
            return None if element.decided is None else int(element.decided)
        if dtype.is_bool:
            return None if element is None else self.apply("ne", element, 0)
        return element if dtype.bits >= 32 else None

    def bitcast(self, element: Form, source: Scalar, target: Scalar) -> Form:
        return None

    def reduce(self, kind: Reduction, extents: Sequence[Dim], term: Callable[[Index], Form]) -> Form:
        raise NoFormError

    def fold(
        self, extent: Dim, start: Sequence[Form], step: Callable[[Dim, Sequence[Form]], Sequence[Form]]
    ) -> Sequence[Form]:
        raise NoFormError


def _negated(condition: Condition) -> Condition:
    return Condition(-condition.margin - 1)


def _combined(function: str, a: Condition, b: Condition) -> Form:
    """`and`, `or`, `xor` of conditions one of which is decided, or which are one."""
    for one, other in ((a, b), (b, a)):
        match function, one.decided:
            case _, None:
                continue
            case ("and", True) | ("or" | "xor", False):
                return other
            case "xor", True:
                return _negated(other)
            case _:
                return one
    return a if a == b and function != "xor" else None


def _substituted(form: Form, name: str, value: Dim) -> Form:
    if isinstance(form, Condition):
        return Condition(symbols.substitute(form.margin, {name: value}))
    return None if form is None else symbols.substitute(form, {name: value})


def linear_array(array: np.ndarray, index: Sequence[Dim]) -> Form:
    """The element of an array of integers that grows evenly along each of its axes, such as 0, 1, 2, …"""
    if array.dtype.kind not in "iu" or not array.size:
        return None
    wide = array.astype(np.int64)
    origin = wide[(0,) * wide.ndim]
    total, grid = int(origin), np.full(wide.shape, origin)
    for axis, size in enumerate(wide.shape):
        if size > 1:
            step = int(wide[tuple(int(a == axis) for a in range(wide.ndim))] - origin)
            grid = grid + step * np.arange(size).reshape([-1 if a == axis else 1 for a in range(wide.ndim)])
            total = total + index[axis] * step
    return total if np.array_equal(grid, wide) else None
