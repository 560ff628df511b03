"""From the shapes of a run's inputs to the values of the plan's symbols."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from .errors import InputError, nearest
from .expressions import Expression, evaluate, is_symbol, names
from .plan import Equality, Plan, Shape, Symbol, TensorSpec


class ShapeBinder:
    """Gives values to the input symbols of a plan, within a profile.

    A dimension that is one plain symbol binds it; every other dimension is checked once all symbols have values.
    """

    def __init__(self, plan: Plan, profile: Mapping[str, Symbol] | None = None) -> None:
        self._inputs = plan.inputs
        self._equalities = plan.equalities
        self._profile = dict(profile or input_profile(plan))

    def bind(self, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
        """Values of the input symbols, given the shape of each input in order of the plan.

        Raises InputError that names the input: rank, a dimension that differs, a symbol outside the profile, or sizes
        that the model needs to be equal.
        """
        symbols: dict[str, int] = {}
        origins: dict[str, str] = {}
        for spec, shape in zip(self._inputs, shapes, strict=True):
            if len(shape) != len(spec.shape):
                raise InputError(
                    f"input '{spec.name}': expected rank {len(spec.shape)} {_text(spec.shape)}, "
                    f"found rank {len(shape)} {_text(shape)}"
                )
            for axis, (expected, found) in enumerate(zip(spec.shape, shape, strict=True)):
                if isinstance(expected, str) and is_symbol(expected) and expected not in symbols:
                    self._check_profile(spec, axis, expected, found)
                    symbols[expected] = found
                    origins[expected] = f"input '{spec.name}', dimension {axis}"
        for spec, shape in zip(self._inputs, shapes, strict=True):
            self._check(spec, shape, symbols, origins)
        for equality in self._equalities:
            if not names(equality.left) | names(equality.right) <= symbols.keys():
                continue  # compared once the steps have computed its sizes
            _check_equality(equality, symbols, origins)
        return symbols

    def largest(self) -> dict[str, int] | None:
        """The symbols at the top of the profile; None where one is unbounded."""
        tops = {name: symbol.max for name, symbol in self._profile.items()}
        return None if None in tops.values() else {name: top for name, top in tops.items() if top is not None}

    def _check_profile(self, spec: TensorSpec, axis: int, name: str, found: int) -> None:
        symbol = self._profile.get(name)
        if symbol is None or (symbol.min <= found and (symbol.max is None or found <= symbol.max)):
            return
        allowed = f"at least {symbol.min}" if symbol.max is None else f"{symbol.min} to {symbol.max}"
        raise InputError(
            f"input '{spec.name}': dimension {axis} ('{name}') is outside the profile: "
            f"expected {allowed}, found {found}",
            "compile the model with a wider profile (--min-shapes, --max-shapes), or give an input inside it",
        )

    def _check(
        self, spec: TensorSpec, shape: tuple[int, ...], symbols: Mapping[str, int], origins: Mapping[str, str]
    ) -> None:
        for axis, (expected, found) in enumerate(zip(spec.shape, shape, strict=True)):
            value = evaluate(expected, symbols)
            if value == found:
                continue
            what = f"{value}"
            if isinstance(expected, str):
                source = f" from {origins[expected]}" if expected in origins else ""
                what = f"{value} ('{expected}'{source})"
            raise InputError(
                f"input '{spec.name}': dimension {axis}: expected {what}, found {found}; "
                f"expected shape {_text(spec.shape)}, found {_text(shape)}"
            )


def input_profile(plan: Plan) -> dict[str, Symbol]:
    """The symbols that inputs bind, by name."""
    return {symbol.name: symbol for symbol in plan.symbols if symbol.origin == "input"}


def narrowed(plan: Plan, ranges: Mapping[str, tuple[int, int]]) -> dict[str, Symbol]:
    """The plan's profile with the (min, max) of some symbols narrowed; raises InputError where that is no narrowing."""
    profile = input_profile(plan)
    for name, (low, high) in ranges.items():
        symbol = profile.get(name)
        if symbol is None:
            note = nearest(name, profile)
            known = ", ".join(f"'{known}'" for known in profile) or "none"
            raise InputError(
                f"profile: the plan has no symbol '{name}', its symbols are: {known}", *([note] if note else [])
            )
        if low > high or low < symbol.min or (symbol.max is not None and high > symbol.max):
            top = "unbounded" if symbol.max is None else symbol.max
            raise InputError(
                f"profile: '{name}' from {low} to {high} is not inside the plan's profile, {symbol.min} to {top}"
            )
        profile[name] = Symbol(name, low, None, high)
    return profile


def _check_equality(equality: Equality, symbols: Mapping[str, int], origins: Mapping[str, str]) -> None:
    text = unequal(equality, symbols)
    if text is None:
        return
    used = sorted({*names(equality.left), *names(equality.right)})
    given = ", ".join(f"'{name}' = {symbols[name]} (from {origins[name]})" for name in used)
    raise InputError(f"{text}; found {given}", "give inputs whose sizes agree")


def unequal(equality: Equality, symbols: Mapping[str, int]) -> str | None:
    """What is wrong with two sizes that must be equal; None where they are."""
    left, right = evaluate(equality.left, symbols), evaluate(equality.right, symbols)
    if left == right:
        return None
    nodes = ", ".join(f"'{node}'" for node in equality.onnx_nodes) or "the model"
    return f"{nodes} needs {_size(equality.left, left)} and {_size(equality.right, right)} to be equal"


def _size(expression: Expression, value: int) -> str:
    return f"'{expression}' = {value}" if isinstance(expression, str) else str(value)


def _text(shape: Shape | Iterable[int]) -> str:
    return f"[{', '.join(map(str, shape))}]"
