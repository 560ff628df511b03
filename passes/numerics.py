"""`--check-numerics`: translation validation by example.

Before the first pass and after every one, the module is interpreted on the same seeded inputs. A pass may move each
result by its declared tolerance (EXACT: not at all); where one moves further, the pass and the first op that departs
are named. Modules of the `onnx` and `plan` dialects have no meaning on NumPy: passes from and to them are left out.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..ir.core import Operation
from ..ir.diagnostics import CompileError, Diagnostic, InternalError
from ..ir.dialects.builtin import Func, Module
from ..ir.interpreter import argument_names
from ..ir.profile import Profile
from ..ir.symbols import Symbol, free_symbols, substitute
from ..ir.tile_interpreter import CallResults, TileInterpreter
from ..ir.types import Scalar, TensorType
from .base import PassContext, is_builtin
from .manager import Event, Instrument

_NOT_INTERPRETED = ("onnx", "plan")
_SIZES = (2, 3, 5, 7)  # of symbols without a usual value: different ones, so that mixed-up dimensions show
_SMALLEST_NORM = 1e-30
_ROUNDING = {"f16": 1e-2, "bf16": 5e-2, "f8E4M3FN": 0.2, "f8E5M2": 0.4}


@dataclass(frozen=True)
class Evaluation:
    """What a module computes: the results of `main`, by ONNX node the value of the last op that bears its name, and the
    results of every call of a kernel."""

    results: tuple[np.ndarray, ...]
    by_node: dict[str, tuple[Operation, np.ndarray]]
    calls: Sequence[CallResults]


@dataclass
class CheckNumerics(Instrument):
    """Compares the module before and after each pass."""

    seed: int = 0
    compared: int = field(default=0, init=False)
    _inputs: dict[str, np.ndarray] = field(default_factory=dict, init=False)
    _before: Evaluation | None = field(default=None, init=False)

    def before_pass(self, event: Event) -> None:
        if self._before is None and is_interpretable(event.module):
            self._inputs = self._inputs or sample_inputs(event.module, self.seed)
            self._before = evaluate(event.module, self._inputs)

    def after_pass(self, event: Event) -> None:
        before, self._before = self._before, None
        if not is_interpretable(event.module):
            return
        self._inputs = self._inputs or sample_inputs(event.module, self.seed)
        self._before = evaluate(event.module, self._inputs, before.calls if before is not None else ())
        if before is not None:
            self.compared += 1
            _compare(event, before, self._before)

    def after_pipeline(self, module: Module, context: PassContext) -> None:
        print(f"check-numerics: {self.compared} passes compared on sample inputs, none departs", file=sys.stderr)


def is_interpretable(module: Module) -> bool:
    """Whether every op of the module has a meaning on NumPy."""
    return not any(op.name.partition(".")[0] in _NOT_INTERPRETED for op in module.walk())


def sample_inputs(module: Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Seeded inputs of `main` by name: normal floats, integers 0 and 1, symbols at their profile's usual size."""
    types = [argument.type for argument in module.main.block.arguments]
    tensors = [type for type in types if isinstance(type, TensorType)]
    names = sorted({s for type in tensors for dim in type.dims for s in map(str, free_symbols(dim))})
    profile = Profile.of(module)
    sizes: dict[str | Symbol, int] = {}
    for i, name in enumerate(names):
        sizes[name] = profile.ranges[name].opt if name in profile.ranges else _SIZES[i % len(_SIZES)]
    inputs: dict[str, np.ndarray] = {}
    for name, type in zip(argument_names(module.main), tensors, strict=True):
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        shape = [int(str(substitute(dim, sizes))) for dim in type.dims]  # type: ignore[arg-type]
        floats = type.scalar.is_float
        numbers = generator.standard_normal(shape) if floats else generator.integers(0, 2, shape)
        inputs[name] = numbers.astype(type.scalar.numpy)
    return inputs


def evaluate(module: Module, inputs: dict[str, np.ndarray], expected: Sequence[CallResults] = ()) -> Evaluation:
    """Interpret the module; of large tile programs some workers, where results are expected. Raises CompileError where
    an op refuses."""
    by_node: dict[str, tuple[Operation, np.ndarray]] = {}

    def note(op: Operation, results: Sequence[Any]) -> None:
        if op.operands and op.location.names and len(results) == 1:
            by_node[op.location.names[-1]] = (op, np.asarray(results[0]))

    interpreter = TileInterpreter(module, note, expected)
    return Evaluation(interpreter.run(inputs), by_node, interpreter.calls)


def relative_error(found: np.ndarray, expected: np.ndarray) -> float:
    """‖found − expected‖ / ‖expected‖; infinite where shapes differ or only one of them is finite."""
    if found.shape != expected.shape:
        return float("inf")
    a, b = found.astype(np.float64).ravel(), expected.astype(np.float64).ravel()
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return float("inf")
    return float(np.linalg.norm(a[finite] - b[finite])) / max(float(np.linalg.norm(b[finite])), _SMALLEST_NORM)


def rounding(module: Module) -> float:
    """How far results move where a pass rounds at other places, by the narrowest float type of the module."""
    types = (result.type for op in module.walk() for result in op.results)
    scalars = {type.dtype.name for type in types if isinstance(type, TensorType) and isinstance(type.dtype, Scalar)}
    return max((_ROUNDING[name] for name in scalars & _ROUNDING.keys()), default=0.0)


def _compare(event: Event, before: Evaluation, after: Evaluation) -> None:
    tolerance = event.transform.tolerance
    if tolerance > 0:
        tolerance = max(tolerance, rounding(event.module))
    names = _result_names(event.module.main)
    for name, found, expected in zip(names, after.results, before.results, strict=True):
        error = relative_error(found, expected)
        if error > tolerance:
            kind = InternalError if is_builtin(type(event.transform)) else CompileError
            allowed = "no change is allowed" if tolerance == 0 else f"{tolerance:.0e} is allowed"
            message = f"pass '{event.transform.name}' changed output '{name}' by {error:.2e}, {allowed}"
            raise kind(Diagnostic(message, notes=_first_departure(before, after, tolerance)))


def _first_departure(before: Evaluation, after: Evaluation, tolerance: float) -> tuple[str, ...]:
    """Where the first ONNX node is whose value differs, as a note; nothing where no node can be compared."""
    for node, (op, found) in after.by_node.items():
        if node in before.by_node:
            expected = before.by_node[node][1]
            comparable = found.shape == expected.shape
            if comparable and (error := relative_error(found, expected)) > tolerance:
                return (f"first departs at '{op.name}', from ONNX node '{node}': by {error:.2e}",)
    return ()


def _result_names(main: Func) -> list[str]:
    attributes = main.res_attrs or ()
    names: list[str] = []
    for i in range(len(main.block.terminator.operands)):
        given = dict(attributes[i].items).get("kw.name") if i < len(attributes) else None
        names.append(str(getattr(given, "value", i)))
    return names
