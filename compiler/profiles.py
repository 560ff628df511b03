"""The profile of a module: the values that the symbolic dimensions of its inputs may take, from `--min-shapes`,
`--opt-shapes` and `--max-shapes`. It travels as the module attribute `kw.profile`.
"""

from __future__ import annotations

from ..ir.diagnostics import CompileError, suggest
from ..ir.dialects.builtin import Func, Module
from ..ir.profile import Profile, Range
from ..ir.symbols import Expr
from ..ir.types import TensorType
from .options import CompileOptions, Shapes


def attach(module: Module, options: CompileOptions) -> None:
    """Write the profile that the options ask for into `module`. Raises CompileError for shapes that do not fit."""
    low, best, high = (
        _symbols(module, shapes, option)
        for shapes, option in (
            (options.min_shapes, "--min-shapes"),
            (options.opt_shapes, "--opt-shapes"),
            (options.max_shapes, "--max-shapes"),
        )
    )
    profile: dict[str, Range] = {}
    for name in sorted({*low, *best, *high}):
        least = low.get(name, 1)
        most = high.get(name)
        usual = best.get(name, most if most is not None else least)
        if not least <= usual or (most is not None and usual > most):
            raise CompileError(
                f"the profile of dimension '{name}' needs min <= opt <= max, found {least}, {usual}, {most}"
            )
        profile[name] = Range(least, usual, most)
    if profile:
        Profile(profile).attach(module)


def input_types(main: Func) -> dict[str, TensorType]:
    """The inputs of a model by their ONNX names; sequences and optionals have no shape and are left out."""
    types = zip(input_names(main), (argument.type for argument in main.block.arguments), strict=True)
    return {name: type for name, type in types if isinstance(type, TensorType)}


def input_names(main: Func) -> list[str]:
    """The ONNX names of the arguments, `arg0`, … where they have none."""
    attributes = main.arg_attrs or ()
    names: list[str] = []
    for i, argument in enumerate(main.block.arguments):
        given = dict(attributes[i].items).get("kw.name") if i < len(attributes) else None
        names.append(str(getattr(given, "value", None) or argument.name or f"arg{i}"))
    return names


def _symbols(module: Module, shapes: Shapes, option: str) -> dict[str, int]:
    """The value that `shapes` give to each symbolic dimension."""
    inputs = input_types(module.main)
    values: dict[str, int] = {}
    for name, shape in shapes.items():
        if name not in inputs:
            known = ", ".join(inputs)
            raise CompileError(
                f"{option}: the model has no input '{name}'{suggest(name, inputs) or f'; it has {known}'}"
            )
        dims = inputs[name].dims
        if len(dims) != len(shape):
            raise CompileError(f"{option}: input '{name}' has rank {len(dims)}, the shape given has {len(shape)}")
        for dim, size in zip(dims, shape, strict=True):
            if isinstance(dim, int) and dim != size:
                raise CompileError(f"{option}: input '{name}' has size {dim} where {size} is given")
            if isinstance(dim, Expr) and str(dim).isidentifier() and values.setdefault(str(dim), size) != size:
                raise CompileError(f"{option}: dimension '{dim}' is both {values[str(dim)]} and {size}")
    return values
