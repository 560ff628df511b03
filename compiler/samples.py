"""Inputs for trying a plan out: files, or seeded random numbers."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping

import numpy as np

from ..ir.diagnostics import CompileError, suggest
from ..runtime.dtypes import numpy_dtype
from ..runtime.errors import InputError
from ..runtime.expressions import evaluate, names
from ..runtime.plan import Plan, TensorSpec
from .options import Shapes

Arrays = dict[str, np.ndarray]


def read_inputs(assignments: Iterable[str]) -> Arrays:
    """Arrays by name from texts `NAME=FILE.npy`. Raises CompileError."""
    arrays: Arrays = {}
    for assignment in assignments:
        name, equals, file = assignment.rpartition("=")
        if not equals:
            raise CompileError(f"--input: expected NAME=FILE.npy, found '{assignment}'")
        try:
            arrays[name] = np.load(file, allow_pickle=False)
        except OSError as error:
            raise CompileError(
                f"input '{name}': cannot read '{file}': {(error.strerror or str(error)).lower()}"
            ) from None
        except (ValueError, EOFError, zipfile.BadZipFile):
            raise CompileError(f"input '{name}': '{file}' is not a .npy file") from None
    return arrays


def random_inputs(plan: Plan, shapes: Shapes, seed: int = 0, given: Mapping[str, np.ndarray] | None = None) -> Arrays:
    """An array for every input of a plan that is not `given`.

    Floats are normally distributed, integers are 0 or 1: valid as ids, masks and indices alike. Symbolic dimensions
    take their value from `shapes`, the given arrays, else the profile's usual value, else 1.
    """
    given = given or {}
    symbols = symbol_values(plan, {**shapes, **{name: array.shape for name, array in given.items()}})
    generator = np.random.default_rng(seed)
    return {spec.name: _random(spec, symbols, generator) for spec in plan.inputs if spec.name not in given}


def symbol_values(plan: Plan, shapes: Shapes) -> dict[str, int]:
    """A value for each symbolic dimension of the inputs. Raises CompileError for a shape of no input or other rank."""
    specs = {spec.name: spec for spec in plan.inputs}
    values = {s.name: s.opt or s.min or 1 for s in plan.symbols}
    for name, shape in shapes.items():
        if name not in specs:
            raise CompileError(f"the plan has no input '{name}'{suggest(name, specs)}; it has {', '.join(specs)}")
        dims = specs[name].shape
        if len(dims) != len(shape):
            raise InputError(f"input '{name}' has rank {len(dims)}, the shape given has {len(shape)}")
        for dim, size in zip(dims, shape, strict=True):
            if isinstance(dim, str) and dim.isidentifier():
                values[dim] = size
            elif isinstance(dim, int) and dim != size:
                raise InputError(f"input '{name}' is compiled for {list(dims)}, found {list(shape)}")
    return values


def _random(spec: TensorSpec, symbols: Mapping[str, int], generator: np.random.Generator) -> np.ndarray:
    shape = [evaluate(dim, {**dict.fromkeys(names(dim), 1), **symbols}) for dim in spec.shape]
    dtype = numpy_dtype(spec.dtype)
    if spec.dtype.startswith(("f", "bf")):
        return generator.standard_normal(shape, np.float32).astype(dtype)
    return generator.integers(0, 2, shape).astype(dtype)
