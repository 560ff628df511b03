"""Follow sizes through a module: those that are known become numbers, and result types follow from operand types."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...ir import symbols
from ...ir.core import Operation, Value
from ...ir.declare import Op
from ...ir.diagnostics import CompileError
from ...ir.dialects.builtin import Func, Module
from ...ir.equalities import Equality, attach, equalities
from ...ir.profile import Profile
from ...ir.symbols import Dim, Expr
from ...ir.types import TensorType
from ..base import EXACT, Pass, PassContext

Rewrite = Callable[[Dim], Dim]


class InferShapes(Pass):
    """Put numbers for the symbols that `sizes` gives, or that the module's profile leaves one value, simplify size
    expressions by the profile's ranges, and infer the types of all results again.

        func.func @main(%x: tensor<?x3xf32, #kw.dims<"batch">>) -> tensor<?x3xf32, #kw.dims<"batch">> {
          %0 = "nn.relu"(%x) : …

    becomes, with `sizes=batch:4`,

        func.func @main(%x: tensor<4x3xf32>) -> tensor<4x3xf32> {
          %0 = "nn.relu"(%x) : (tensor<4x3xf32>) -> tensor<4x3xf32>
    """

    name = "infer-shapes"
    tolerance = EXACT
    sizes: tuple[str, ...] = ()

    def run(self, module: Module, context: PassContext) -> None:
        profile = Profile.of(module)
        fixed: dict[str, Dim] = {name: r.min for name, r in profile.ranges.items() if r.min == r.max}
        fixed |= dict(map(_assignment, self.sizes))
        ranges = {
            name: (float(r.min), float("inf") if r.max is None else float(r.max)) for name, r in profile.ranges.items()
        }

        def rewrite(dim: Dim) -> Dim:
            return symbols.simplify(symbols.substitute(dim, fixed), ranges)

        for op in module.walk():
            changed = sum(_rewrite_types(op, rewrite)) + _rewrite_attributes(op, rewrite) + _infer(op)
            context.count("types", changed)
        for op in module.walk():
            if isinstance(op, Func):
                op.update_type()
                _rewrite_equalities(op, rewrite)


def _assignment(text: str) -> tuple[str, Dim]:
    name, colon, size = text.partition(":")
    if not colon or not size.isdecimal():
        raise CompileError(f"option 'sizes' of pass 'infer-shapes' needs NAME:SIZE, found '{text}'")
    return name, int(size)


def _rewrite_types(op: Operation, rewrite: Rewrite) -> list[bool]:
    """Which of the values that `op` defines, as results or in its regions, got another type."""
    values: list[Value] = [*op.results]
    values += [argument for region in op.regions for block in region.blocks for argument in block.arguments]
    return [_set_type(value, _rewritten(value.type, rewrite)) for value in values]


def _rewritten(type: Any, rewrite: Rewrite) -> Any:
    if not isinstance(type, TensorType) or type.shape is None:
        return type
    return type.with_shape([rewrite(dim) for dim in type.shape])


def _set_type(value: Value, type: Any) -> bool:
    if value.type == type:
        return False
    value.type = type
    return True


def _rewrite_attributes(op: Operation, rewrite: Rewrite) -> int:
    """How many attributes that hold sizes changed."""
    if not isinstance(op, Op):
        return 0
    changed = 0
    for field in op.definition.attributes:
        value = getattr(op, field.name)
        if isinstance(value, Expr):
            new: Any = rewrite(value)
        elif isinstance(value, tuple) and any(isinstance(part, Expr) for part in value):
            new = tuple(rewrite(part) for part in value)
        else:
            continue
        if new != value:
            setattr(op, field.name, new)
            changed += 1
    return changed


def _rewrite_equalities(function: Func, rewrite: Rewrite) -> None:
    """Drop what holds now. Raises CompileError for what cannot."""
    needed = [Equality(rewrite(e.left), rewrite(e.right), e.nodes) for e in equalities(function)]
    for equality in needed:
        left, right = equality.left, equality.right
        if isinstance(left, int) and isinstance(right, int) and left != right:
            names = ", ".join(f"'{name}'" for name in equality.nodes) or "the model"
            raise CompileError(f"{names}: sizes that must be equal are {left} and {right}; give other shapes")
    attach(function, (e for e in needed if e.left != e.right))


def _infer(op: Operation) -> int:
    """How many results have another type now that the operands' types are known."""
    if not isinstance(op, Op) or not op.infers() or not op.results:
        return 0
    return sum(_set_type(result, type) for result, type in zip(op.results, op.infer(), strict=True))
