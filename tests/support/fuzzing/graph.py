"""Random graphs under construction: every tensor comes with its expected numbers, and how far off they may be.

A node is evaluated by the oracle when it is added. How far a result may differ is found by evaluating it again with the
operands moved by their own errors and a few units in the last place: what the node's condition makes of that is
allowed. Where an operand is exact and the node computes exactly (views, integers, comparisons), nothing is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from . import oracle
from .numbers import BOOL, epsilon, is_float, numbers, smallest
from .oracle import RefusedError

OPSETS = (13, 17, 18, 19, 21, 22, 23)
_SIZES = (1, 1, 2, 2, 3, 3, 4, 5, 7, 8, 11, 16, 17, 33)
_MOST_ELEMENTS = 4096
_ULPS = 8.0
_SAMPLES = 3


@dataclass(frozen=True, eq=False)
class Tensor:
    """A value of the graph with its expected contents; `error` is the deviation allowed at each element, or None."""

    name: str
    array: np.ndarray
    error: np.ndarray | None = None
    constant: bool = False

    @property
    def dtype(self) -> np.dtype:
        return self.array.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.array.shape

    @property
    def rank(self) -> int:
        return self.array.ndim

    @property
    def exact(self) -> bool:
        return self.error is None


@dataclass
class Graph:
    """`random` makes every choice, so that hypothesis can shrink a graph; `special`: with NaN and the ends of types."""

    random: Random
    opset: int = 21
    special: bool = False
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    tensors: list[Tensor] = field(default_factory=list)
    inputs: list[Tensor] = field(default_factory=list)
    constants: list[Tensor] = field(default_factory=list)
    shapes: dict[str, list[int | str]] = field(default_factory=dict)
    symbols: dict[str, int] = field(default_factory=dict)
    makers: dict[str, onnx.NodeProto] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.random.getrandbits(32))
        self._count = 0
        self.annotated = self.chance(0.5)

    # Choices

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def choose(self, options: Sequence[Any]) -> Any:
        return self.random.choice(list(options))

    def size(self) -> int:
        return 0 if self.chance(0.03) else self.choose(_SIZES)

    def shape(self, low: int = 0, high: int = 4) -> tuple[int, ...]:
        shape = [self.size() for _ in range(self.random.randint(low, high))]
        while math.prod(shape) > _MOST_ELEMENTS:
            shape[shape.index(max(shape))] //= 2
        return tuple(shape)

    def axis(self, rank: int) -> int:
        """An axis of a tensor of `rank`, as often negative as not."""
        return self.random.randint(-rank, rank - 1)

    def axes(self, rank: int, low: int = 0) -> list[int]:
        """Different axes in any order, some negative."""
        count = self.random.randint(min(low, rank), rank)
        return [axis - rank if self.chance(0.4) else axis for axis in self.random.sample(range(rank), count)]

    # Operands

    def fresh(self, stem: str) -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def constant(self, array: Any, dtype: Any = None) -> Tensor:
        """An initializer."""
        tensor = Tensor(self.fresh("c"), np.asarray(array, dtype), constant=True)
        self.constants.append(tensor)
        return tensor

    def input(self, array: Any, dtype: Any = None, static: bool = False) -> Tensor:
        """An input of the model; some of its sizes are symbols, unless it is `static`."""
        tensor = Tensor(self.fresh("x"), np.asarray(array, dtype))
        self.inputs.append(tensor)
        self.tensors.append(tensor)
        self.shapes[tensor.name] = [size if static else self._declared(size) for size in tensor.shape]
        return tensor

    def _declared(self, size: int) -> int | str:
        # A symbol stands for one size in all broadcasts: one that is 1 here would be promised to equal its partners.
        if size == 1 or not self.chance(0.25):
            return size
        same = [name for name, value in self.symbols.items() if value == size]
        name = self.choose(same) if same and self.chance(0.7) else f"n{len(self.symbols)}"
        self.symbols[name] = size
        return name

    def new(
        self, dtype: np.dtype, shape: Sequence[int], constant: float = 0.3, static: bool = False, plain: bool = False
    ) -> Tensor:
        """Random numbers; `plain` ones are never special."""
        array = numbers(self.rng, dtype, shape, self.special and not plain)
        return self.given(array, constant=constant, static=static)

    def given(self, array: Any, dtype: Any = None, constant: float = 0.7, static: bool = False) -> Tensor:
        """Numbers that a node prescribes, as an initializer or, less often, an input."""
        return self.constant(array, dtype) if self.chance(constant) else self.input(array, dtype, static)

    def operand(
        self,
        dtypes: Sequence[np.dtype],
        low: int = 0,
        high: int = 4,
        exact: bool = False,
        where: Callable[[Tensor], bool] | None = None,
    ) -> Tensor:
        """A tensor of one of the types, with `low` to `high` dimensions: of the graph so far, or a new one."""
        found = [
            t
            for t in self.tensors
            if t.dtype in dtypes
            and low <= t.rank <= high
            and (t.exact or not exact)
            and (is_float(t.dtype) or t.exact)
            and (where is None or where(t))
        ]
        if found and self.chance(0.7):
            return self.choose(found[-6:])
        for _ in range(5):
            tensor = self.new(self.choose(dtypes), self.shape(low, high), 0.1)
            if where is None or where(tensor):
                return tensor
        raise RefusedError("no such operand is found")

    def partner(self, x: Tensor, constant: float = 0.3) -> Tensor:
        """A tensor that broadcasts with `x`: of its type, some dimensions missing, 1, or longer where `x` has 1."""
        found = [t for t in self.tensors if t.dtype == x.dtype and t is not x and broadcasts(t.shape, x.shape)]
        if found and self.chance(0.4):
            return self.choose(found)
        return self.new(x.dtype, self.broadcastable(x.shape), constant)

    def broadcastable(self, shape: Sequence[int]) -> tuple[int, ...]:
        sizes = list(shape[self.random.randint(0, len(shape)) if self.chance(0.4) else 0 :])
        small = math.prod(shape) <= 256
        for i, size in enumerate(sizes):
            if self.chance(0.2):
                sizes[i] = 1
            elif size == 1 and small and self.chance(0.3):
                sizes[i] = self.random.randint(2, 5)
        if small and len(sizes) == len(shape) < 4 and self.chance(0.1):
            sizes.insert(0, 2)
        return tuple(sizes)

    # Nodes

    def node(
        self,
        operator: str,
        inputs: Sequence[Tensor | None],
        outputs: int = 1,
        exact: bool = False,
        floor: float | None = None,
        domain: str = "",
        captured: Sequence[Tensor] = (),
        **attributes: Any,
    ) -> list[Tensor]:
        """Append a node; its results. Raises RefusedError, and adds nothing, where no judge evaluates it.

        A result may be off by some units in the last place of `floor`, by default of its largest element.
        """
        names = [self.fresh("t") for _ in range(outputs)]
        attributes = {key: value for key, value in attributes.items() if value is not None}
        node = helper.make_node(operator, [t.name if t else "" for t in inputs], names, domain=domain, **attributes)
        read = list({t.name: t for t in (*inputs, *captured) if t is not None}.values())
        run = oracle.judge(_single(node, read, self.opset))
        arrays = run([t.array for t in read if not t.constant])
        if any(array.size > 4 * _MOST_ELEMENTS or array.dtype == object for array in arrays):
            raise RefusedError("too large")
        errors = self._errors(run, read, arrays, exact, floor)
        results = [Tensor(name, array, error) for name, array, error in zip(names, arrays, errors, strict=True)]
        self.nodes.append(node)
        self.tensors += results
        self.makers |= dict.fromkeys(names, node)
        return results

    def _errors(
        self, run: oracle.Run, read: Sequence[Tensor], arrays: Sequence[np.ndarray], exact: bool, floor: float | None
    ) -> list[np.ndarray | None]:
        floats = any(is_float(t.dtype) for t in read) or any(is_float(a.dtype) for a in arrays)
        if not floats or (exact and all(t.exact for t in read)):
            return [None for _ in arrays]
        finest = max([epsilon(t.dtype) for t in read] + [epsilon(a.dtype) for a in arrays])
        ulps = 0.0 if exact else _ULPS * finest
        errors = [np.zeros(array.shape) for array in arrays]
        if not exact:
            sizes = [_magnitude(array) for array in arrays]
            tops = [size.max(initial=0) / 4 if floor is None else floor for size in sizes]
            errors = [
                size * (ulps * 2) + top * ulps + smallest(array.dtype)
                for size, top, array in zip(sizes, tops, arrays, strict=True)
            ]
        for _ in range(_SAMPLES):
            moved = run([self._moved(t, ulps) for t in read if not t.constant])
            for i, (array, other) in enumerate(zip(arrays, moved, strict=True)):
                if other.shape != array.shape:
                    raise RefusedError("the shape depends on rounding")
                errors[i] = np.maximum(errors[i], _distance(array, other) * 2)
        return [error if error.any() else None for error in errors]

    def _moved(self, tensor: Tensor, ulps: float) -> np.ndarray:
        """The array of an operand, each element moved by as much as it may be off, up or down."""
        if not is_float(tensor.dtype):
            return tensor.array
        wide = _wide(tensor.array)
        step = _magnitude(wide) * ulps
        if tensor.error is not None:
            step = step + np.where(np.isfinite(tensor.error), tensor.error, 0)
        sign = self.rng.choice([-1.0, 1.0], wide.shape)
        with np.errstate(all="ignore"):
            moved = np.where(np.isfinite(wide), wide + sign * step, wide)
            if tensor.error is not None:  # what may be anything may be no number
                moved = np.where(np.isfinite(tensor.error), moved, np.nan)
            return np.asarray(moved).astype(tensor.dtype)

    # The model

    def model(self, outputs: Sequence[str]) -> onnx.ModelProto:
        """The model with the tensors `outputs` as its results, and what they need."""
        nodes, needed = self._needed(outputs)
        graph = helper.make_graph(
            nodes,
            "fuzz",
            [_info(t, self.shapes[t.name]) for t in self.inputs if t.name in needed],
            [_info(t, self._told(t)) for t in self.tensors if t.name in outputs],
            [_tensor_proto(t) for t in self.constants if t.name in needed],
        )
        return _model(graph, self.opset)

    def _told(self, tensor: Tensor) -> Sequence[int | str | None]:
        """The shape of a result as the model states it: with sizes, or the rank alone where it may change."""
        return tensor.shape if self.annotated and not self.symbols else [None] * tensor.rank

    def _needed(self, outputs: Sequence[str]) -> tuple[list[onnx.NodeProto], set[str]]:
        needed, nodes = set(outputs), []
        for node in reversed(self.nodes):
            if needed & set(node.output):
                needed |= _reads(node)
                nodes.append(node)
        return nodes[::-1], needed

    def results(self) -> list[str]:
        """The tensors that nobody reads, and a few others."""
        read = set[str]().union(*(_reads(node) for node in self.nodes))
        return [name for name in self.makers if name not in read or self.chance(0.15)]

    def feeds(self, model: onnx.ModelProto) -> dict[str, np.ndarray]:
        wanted = {value.name for value in model.graph.input}
        return {t.name: t.array for t in self.inputs if t.name in wanted}


def _reads(node: onnx.NodeProto) -> set[str]:
    found = set(node.input)
    for attribute in node.attribute:
        if attribute.HasField("g"):
            found |= {output.name for output in attribute.g.output}.union(*map(_reads, attribute.g.node))
    return found


def _single(node: onnx.NodeProto, read: Sequence[Tensor], opset: int) -> onnx.ModelProto:
    given = [_info(t, t.shape) for t in read if not t.constant]
    made = [onnx.ValueInfoProto(name=name) for name in node.output]
    graph = helper.make_graph([node], "node", given, made, [_tensor_proto(t) for t in read if t.constant])
    return onnx.shape_inference.infer_shapes(_model(graph, opset))


def _model(graph: onnx.GraphProto, opset: int) -> onnx.ModelProto:
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _element(tensor: Tensor) -> int:
    return helper.np_dtype_to_tensor_dtype(tensor.dtype)


def _info(tensor: Tensor, shape: Sequence[int | str | None]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _element(tensor), list(shape))


def _tensor_proto(tensor: Tensor) -> onnx.TensorProto:
    return numpy_helper.from_array(tensor.array, tensor.name)


def _wide(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)


def _magnitude(array: np.ndarray) -> np.ndarray:
    """The absolute value of what is finite, 0 for the rest."""
    return np.abs(np.nan_to_num(_wide(array), nan=0, posinf=0, neginf=0))


def _distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """How far the numbers are apart; infinite where one is finite and the other is not, or another infinity."""
    if a.dtype == BOOL:
        return np.where(a == b, 0.0, np.inf)
    a, b = _wide(a), _wide(b)
    with np.errstate(all="ignore"):
        apart = np.abs(a - b)
    return np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.where(np.isfinite(apart), apart, np.inf))


def deviation(found: np.ndarray, tensor: Tensor) -> str | None:
    """Where `found` is not what `tensor` expects, in words; None where it is."""
    expected = tensor.array
    if found.dtype != expected.dtype or found.shape != expected.shape:
        return f"is {found.dtype}{list(found.shape)}, expected {expected.dtype}{list(expected.shape)}"
    allowed = 0.0 if tensor.error is None else tensor.error
    wrong = ~(_distance(found, expected) <= allowed)
    if not wrong.any():
        return None
    place = tuple(int(i[0]) for i in np.nonzero(wrong)) if wrong.ndim else ()
    bound = np.broadcast_to(allowed, wrong.shape)[place]
    return (
        f"differs at {int(wrong.sum())} of {wrong.size} places, first {list(place)}: "
        f"{found[place]!s}, expected {expected[place]!s} within {bound:.2g}"
    )


def broadcasts(a: Sequence[int], b: Sequence[int]) -> bool:
    """Whether the shapes do, to one that is not too large."""
    pairs = zip(reversed(a), reversed(b), strict=False)
    return all(m == n or 1 in (m, n) for m, n in pairs) and math.prod(np.broadcast_shapes(tuple(a), tuple(b))) <= 4096
