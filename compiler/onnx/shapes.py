"""Dimensions: ONNX's `dim_param` texts as symbols of the IR, and the shapes a user gives for the inputs."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping, Sequence

import onnx

from ...ir import symbols
from ...ir.diagnostics import CompileError, suggest
from ...ir.symbols import Dim

Shapes = Mapping[str, Sequence[int | str]]


class SymbolTable:
    """Identifiers for the dimension names of a model, one for each, unique.

    `dim_param` may be any text. Inputs define symbols; an expression over them (`past + seq`), which exporters write,
    is understood as one; any other text is a name.
    """

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self.bindings: dict[str, Dim] = {}
        """What the user's shapes say of the model's own symbols."""

    def define(self, text: str) -> Dim:
        """The symbol that `text` names, made on first sight."""
        if text not in self._names:
            self._names[text] = self._unique(_identifier(text))
        return self._bound(symbols.symbol(self._names[text]))

    def dim(self, text: str) -> Dim:
        """The size that `text` means: a known name, an expression over known names, or a new name."""
        if text in self._names:
            return self.define(text)
        try:
            value = symbols.parse(text)
        except (ValueError, ZeroDivisionError, RecursionError):
            return self.define(text)
        known = isinstance(value, symbols.Expr) and symbols.free_symbols(value) <= set(self._names)
        if not known:
            return self.define(text)
        return self._bound(symbols.substitute(value, {raw: symbols.symbol(name) for raw, name in self._names.items()}))

    def bind(self, name: str, size: Dim, origin: str) -> None:
        """Fix the model's symbol `name`. Raises CompileError where it is fixed to another size already."""
        if (known := self.bindings.get(name, size)) != size:
            raise CompileError(f"the given shapes make '{name}' both {known} and {size} (at {origin}); give one size")
        self.bindings[name] = size

    def _bound(self, dim: Dim) -> Dim:
        return symbols.substitute(dim, self.bindings)

    def _unique(self, name: str) -> str:
        taken, candidate, count = set(self._names.values()), name, 1
        while candidate in taken:
            count += 1
            candidate = f"{name}_{count}"
        return candidate


def _identifier(text: str) -> str:
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "dim"
    if name[0].isdigit():
        name = "d" + name
    return name + "_" if keyword.iskeyword(name) else name


def input_shapes(
    inputs: Sequence[onnx.ValueInfoProto], table: SymbolTable, shapes: Shapes
) -> dict[str, tuple[Dim, ...]]:
    """The shape of every tensor input: as the model says, with `shapes` in place of what it leaves open.

    Raises CompileError for unknown names, wrong ranks, sizes that contradict the model and inputs without a rank.
    """
    names = [value.name for value in inputs]
    for name in shapes:
        if name not in names:
            raise CompileError(f"the model has no input '{name}'{suggest(name, names)}; it has {', '.join(names)}")
    tensors = [value for value in inputs if value.type.HasField("tensor_type")]
    declared = {value.name: _declared(value, table) for value in tensors if value.type.tensor_type.HasField("shape")}
    given = {name: tuple(table.define(d) if isinstance(d, str) else d for d in dims) for name, dims in shapes.items()}
    for name, dims in given.items():
        for axis, (own, new) in enumerate(_paired(name, declared.get(name), dims)):
            _agree(name, axis, own, new, table)
    result: dict[str, tuple[Dim, ...]] = {}
    for name in (value.name for value in tensors):
        dims = declared.get(name, given.get(name))
        if dims is None:
            raise CompileError(f"input '{name}' has no rank in the model; give its shape with --shapes {name}:…")
        result[name] = tuple(symbols.substitute(dim, table.bindings) for dim in dims)
    return result


def _declared(value: onnx.ValueInfoProto, table: SymbolTable) -> tuple[Dim, ...]:
    """The model's own shape; dimensions without name and size are called after the input."""
    dims: list[Dim] = []
    for axis, dim in enumerate(value.type.tensor_type.shape.dim):
        if dim.HasField("dim_value"):
            dims.append(dim.dim_value)
        else:
            dims.append(table.dim(dim.dim_param) if dim.dim_param else table.define(f"{value.name}_d{axis}"))
    return tuple(dims)


def _paired(name: str, own: tuple[Dim, ...] | None, given: tuple[Dim, ...]) -> list[tuple[Dim, Dim]]:
    if own is None:
        return []
    if len(own) != len(given):
        raise CompileError(
            f"input '{name}' has {len(own)} dimensions ({_text(own)}) and the given shape {len(given)} ({_text(given)})"
        )
    return list(zip(own, given, strict=True))


def _agree(name: str, axis: int, own: Dim, new: Dim, table: SymbolTable) -> None:
    if own == new:
        return
    if isinstance(own, int):
        raise CompileError(f"input '{name}' has the fixed size {own} in dimension {axis}; the given shape says {new}")
    text = str(own)
    if not text.isidentifier():
        raise CompileError(
            f"input '{name}' has the size '{own}' in dimension {axis}; give the sizes of "
            f"{', '.join(sorted(symbols.free_symbols(own)))} at other inputs instead"
        )
    table.bind(text, new, f"input '{name}'")


def _text(dims: tuple[Dim, ...]) -> str:
    return "x".join(map(str, dims))
