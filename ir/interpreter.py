"""Running the IR on NumPy: the meaning of every phase, without a compiler.

    outputs = Interpreter(module).run({"input": x})

An op says its meaning in one of two ways. Without control flow: `evaluate(*operands)`, arrays to an array (or a tuple
of them); a missing optional operand is None, a variadic one stands for its values, and an op that is `sized` also takes
`sizes=`, the value of every symbol. With control flow: `control(*operands)`, a generator that yields
`(region, arguments)`, is sent what that region's terminator passes on, and returns the op's results.

`steps` is the loop under it, for interpreters of other kinds: it hands out one op at a time and can be left waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

import numpy as np

from . import symbols
from .attributes import ArrayAttr, DictAttr, StringAttr
from .core import Block, Operation, Region, Value
from .declare import Op
from .diagnostics import CompileError, Diagnostic, InternalError, suggest
from .dialects.builtin import Func, Module
from .symbols import Dim
from .types import Scalar, TensorType

Step = tuple[Operation, tuple[Any, ...]]
OnOp = Callable[[Operation, Sequence[Any]], None]


class Interpreter:
    """Runs functions of one module; `on_op` is called with each op and its results.

    `symbols` holds the values of the symbolic sizes of the inputs of the last `run`.
    """

    def __init__(self, module: Module, on_op: OnOp | None = None) -> None:
        self.module = module
        self.on_op = on_op
        self.symbols: dict[str, int] = {}

    def run(
        self, inputs: Mapping[str, np.ndarray] | Sequence[np.ndarray], function: str = "main"
    ) -> tuple[np.ndarray, ...]:
        """The results of `function` for `inputs`: in order, or by name (`kw.name`, else the argument's name).

        Raises CompileError where they do not fit the function's type.
        """
        func = self.module.lookup(function)
        if not isinstance(func, Func):
            raise CompileError(f"@{function} is a '{func.name}', not a function")
        arrays = _in_order(func, inputs)
        self.symbols = bind_sizes(func, arrays)
        with np.errstate(all="ignore"):
            return tuple(drive(steps(func.body, arrays, self.is_whole), self.evaluate))

    def is_whole(self, op: Operation) -> bool:
        """Whether `evaluate` takes care of `op` although it has control flow of its own; for subclasses."""
        return False

    def evaluate(self, op: Operation, operands: Sequence[Any]) -> tuple[Any, ...]:
        """The results of an op without control flow. Raises CompileError for one that has no meaning here."""
        function = getattr(op, "evaluate", None)
        if function is None:
            raise CompileError(Diagnostic(f"'{op.name}' has no evaluation on NumPy", op.location))
        sizes = {"sizes": self.symbols} if getattr(op, "sized", False) else {}
        returned = function(*by_field(op, operands), **sizes)
        results = returned if isinstance(returned, tuple) else () if returned is None else (returned,)
        _check(op, results)
        if self.on_op is not None:
            self.on_op(op, results)
        return results


def steps(
    region: Region, arguments: Sequence[Any], is_whole: Callable[[Operation], bool] = lambda op: False
) -> Generator[Step, Sequence[Any], Sequence[Any]]:
    """Run `region`: yields each op that has no control flow, or `is_whole`, with its operands and is sent its results.

    Returns the operands of the region's terminator. A value is let go after the last op that reads it.
    """
    return (yield from _Frame(is_whole).run(region, arguments))


def drive(
    running: Generator[Step, Sequence[Any], Sequence[Any]],
    evaluate: Callable[[Operation, Sequence[Any]], Sequence[Any]],
) -> Sequence[Any]:
    """Run `steps` to their end, with `evaluate` giving each op's results."""
    results: Sequence[Any] | None = None
    try:
        while True:
            op, operands = next(running) if results is None else running.send(results)
            results = evaluate(op, operands)
    except StopIteration as stop:
        return stop.value


class _Frame:
    """The values of one run, and for each block which of them end where."""

    def __init__(self, is_whole: Callable[[Operation], bool]) -> None:
        self.is_whole = is_whole
        self.values: dict[Value, Any] = {}
        self.endings: dict[Block, dict[Operation, list[Value]]] = {}

    def run(self, region: Region, arguments: Sequence[Any]) -> Generator[Step, Sequence[Any], Sequence[Any]]:
        block = region.block
        values = self.values
        values.update(zip(block.arguments, arguments, strict=True))
        endings = self.endings.get(block)
        if endings is None:
            endings = self.endings[block] = _endings(block)
        for op in block:
            operands = tuple(values[v] for v in op.operands)
            if op is block.last:
                return operands
            control = getattr(op, "control", None)
            if control is None or self.is_whole(op):
                results = yield op, operands
            else:
                results = yield from self._control(control, op, operands)
            del operands
            values.update(zip(op.results, results, strict=True))
            for value in endings.get(op, ()):
                values.pop(value, None)
        return ()

    def _control(
        self, control: Callable[..., Any], op: Operation, operands: Sequence[Any]
    ) -> Generator[Step, Sequence[Any], Sequence[Any]]:
        running = control(*by_field(op, operands))
        passed: Sequence[Any] | None = None
        try:
            while True:
                region, arguments = next(running) if passed is None else running.send(passed)
                passed = yield from self.run(region, arguments)
        except StopIteration as stop:
            return stop.value


def _endings(block: Block) -> dict[Operation, list[Value]]:
    """For each op of `block`, the values of the block that nobody reads after it."""
    found: dict[Operation, list[Value]] = {}

    def note(value: Value, definition: Operation) -> None:
        last = definition
        for user in value.users:
            around = next((op for op in user.ancestors() if op.parent is block), definition)
            last = around if last.is_before(around) else last
        found.setdefault(last, []).append(value)

    for op in block:
        for value in op.results:
            note(value, op)
    if block.first is not None:
        for argument in block.arguments:
            note(argument, block.first)
    return found


def by_field(op: Operation, operands: Sequence[Any]) -> list[Any]:
    """`operands` as `evaluate` and `control` take them: None for each optional operand that is missing."""
    if not isinstance(op, Op) or not any(f.optional for f in op.definition.operands):
        return list(operands)
    found: list[Any] = []
    rest = iter(operands)
    for field, size in zip(op.definition.operands, op.segment_sizes(), strict=True):
        found += [next(rest) for _ in range(size)] if size or not field.optional else [None]
    return found


def _check(op: Operation, results: Sequence[Any]) -> None:
    if len(results) != len(op.results):
        raise InternalError(f"'{op.name}' evaluates to {len(results)} results, not {len(op.results)}")
    for result, value in zip(op.results, results, strict=True):
        type = result.type
        if not isinstance(type, TensorType) or not isinstance(type.dtype, Scalar):
            continue
        found = np.asarray(value)
        fits = type.shape is None or (
            found.ndim == len(type.shape)
            and all(n == d for n, d in zip(found.shape, type.shape, strict=True) if isinstance(d, int))
        )
        if not fits or found.dtype != type.dtype.numpy:
            message = f"'{op.name}' evaluates to {found.dtype}{list(found.shape)}, which is no {type}"
            raise InternalError(Diagnostic(message, op.location))


# Inputs and sizes


def argument_names(func: Func) -> list[str]:
    """What the arguments of `func` are called: `kw.name`, else the name in the text, else their number."""
    names = [a.name or str(i) for i, a in enumerate(func.block.arguments)]
    attributes = func.attributes.get("arg_attrs")
    for i, dictionary in enumerate(attributes.values if isinstance(attributes, ArrayAttr) else ()):
        name = dict(dictionary.items).get("kw.name") if isinstance(dictionary, DictAttr) else None
        if isinstance(name, StringAttr):
            names[i] = name.value
    return names


def _in_order(func: Func, inputs: Mapping[str, np.ndarray] | Sequence[np.ndarray]) -> list[np.ndarray]:
    names = argument_names(func)
    if not isinstance(inputs, Mapping):
        if len(inputs) != len(names):
            raise CompileError(f"@{func.sym_name} takes {len(names)} inputs, got {len(inputs)}")
        return [np.asarray(array) for array in inputs]
    for name in inputs:
        if name not in names:
            raise CompileError(f"@{func.sym_name} has no input '{name}'{suggest(name, names)}")
    missing = [name for name in names if name not in inputs]
    if missing:
        raise CompileError(f"@{func.sym_name} needs the inputs {', '.join(map(repr, missing))}")
    return [np.asarray(inputs[name]) for name in names]


def bind_sizes(func: Func, arrays: Sequence[np.ndarray]) -> dict[str, int]:
    """The values of the symbols in the types of `func`'s arguments that the shapes of `arrays` imply.

    Raises CompileError where an array's rank, dtype or a size does not fit.
    """
    bound: dict[str, int] = {}
    sizes: list[tuple[str, Dim, int]] = []
    for name, argument, array in zip(argument_names(func), func.block.arguments, arrays, strict=True):
        type = argument.type
        if not isinstance(type, TensorType) or type.shape is None:
            continue
        if isinstance(type.dtype, Scalar) and array.dtype != type.dtype.numpy:
            raise CompileError(f"input '{name}' is {array.dtype}, expected {type.dtype}")
        if array.ndim != len(type.shape):
            raise CompileError(f"input '{name}' has shape {list(array.shape)}, expected {type}")
        sizes += [(name, dim, n) for dim, n in zip(type.shape, array.shape, strict=True)]
    # A plain symbol first; then what an expression of one unknown symbol says about it.
    for _, dim, size in sorted(sizes, key=lambda entry: len(str(entry[1]))):
        rest = symbols.substitute(dim, bound)
        unknown = symbols.free_symbols(rest)
        if len(unknown) == 1:
            symbol = next(iter(unknown))
            part = symbols.linear_part(rest, symbol)
            if part is not None and all(isinstance(p, int) for p in part):
                slope, offset = part
                bound[symbol] = (size - int(offset)) // int(slope)  # type: ignore[arg-type]
    for name, dim, size in sizes:
        expected = symbols.substitute(dim, bound)
        if isinstance(expected, int) and expected != size:
            raise CompileError(f"input '{name}' has size {size} where {dim} is {expected}")
    return bound
