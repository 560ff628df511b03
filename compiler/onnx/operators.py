"""The page of ONNX's operators, made from the legalizations: `python -m kernelwright.compiler.onnx.operators`."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import onnx.defs

from ...ir.dialects import nn
from ...ir.dialects.onnx import DOMAIN
from ...passes.legalize import registry
from ...passes.legalize.host_operators import OPERATORS as ON_HOST
from ...passes.legalize.node import Node
from .schemas import OLDEST_OPSET

_HEADER = """\
# ONNX's operators

Made from the legalizations in `passes/legalize` by `make docs`, with the schemas of ONNX's operator set {opset}.
Operators run the same way on CPUs and GPUs. *Kernels* are compiled from the `nn` ops that are named (what only moves
elements or counts is left out); *views* cost nothing, or are part of other kernels; *definition* means the operators
that its schema defines it by; *host* steps run ONNX's reference evaluator, for the reason that is given. Strings,
sequences, optionals and maps are the host's whatever the operator. Versions are operator sets in which an operator
changed, from {oldest} on; older models are converted.
"""
_GLUE = (
    nn.BroadcastTo, nn.Cast, nn.Concat, nn.Constant, nn.DimOf, nn.Identity, nn.Iota, nn.Reshape, nn.ShapeOf, nn.Slice,
    nn.Transpose, nn.Where,
)  # fmt: skip
_HELPERS = (nn.Cast, nn.Constant, nn.DimOf, nn.Reshape, nn.ShapeOf, nn.Slice)
_GROUPS = {
    "floats": ("double", "float", "float16", "bfloat16"),
    "float8": ("float8e4m3fn", "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"),
    "float8e8m0": ("float8e8m0",),
    "float4": ("float4e2m1",),
    "integers": ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    "int4": ("int4", "uint4"),
    "int2": ("int2", "uint2"),
    "bool": ("bool",),
    "complex": ("complex64", "complex128"),
    "strings": ("string",),
}


def operators_page() -> str:
    """The page: a table for each domain."""
    schemas: dict[str, dict[str, list[onnx.defs.OpSchema]]] = {}
    for schema in onnx.defs.get_all_schemas_with_history():
        if not schema.deprecated:
            domain = schema.domain or DOMAIN
            schemas.setdefault(domain, {}).setdefault(schema.name, []).append(schema)
    parts = [_HEADER.format(opset=onnx.defs.onnx_opset_version(), oldest=OLDEST_OPSET)]
    for domain in sorted(schemas):
        rows = [_row(domain, name, schemas[domain][name]) for name in sorted(schemas[domain])]
        parts.append(_table(domain, ("operator", "versions", "element types", "runs"), rows))
    others = {domain for domain, _ in registry.registered()} - schemas.keys()
    for domain in sorted(others):
        names = registry.operators(domain)
        rows = [(f"`{name}`", _kernels(name, registry.legalization(domain, name, 1))) for name in names]
        parts.append(_table(domain, ("operator", "runs"), rows))
    return "\n".join(parts)


def _table(domain: str, headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"## {domain}", "", _line(headers), _line(("---",) * len(headers)), *map(_line, rows)]
    return "\n".join(lines) + "\n"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _row(domain: str, name: str, versions: list[onnx.defs.OpSchema]) -> tuple[str, ...]:
    newest = max(versions, key=lambda schema: schema.since_version)
    return f"`{name}`", _versions(domain, versions), _types(newest), _runs(domain, newest)


def _versions(domain: str, versions: list[onnx.defs.OpSchema]) -> str:
    since = sorted(schema.since_version for schema in versions)
    if domain != DOMAIN:
        return ", ".join(map(str, since))
    old = [version for version in since if version <= OLDEST_OPSET]
    return ", ".join(map(str, [*old[-1:], *(version for version in since if version > OLDEST_OPSET)]))


def _types(schema: onnx.defs.OpSchema) -> str:
    """What the tensors among the operands may hold, in groups; a group's members where it is not whole."""
    texts = {text for constraint in schema.type_constraints for text in constraint.allowed_type_strs}
    texts |= {operand.type_str for operand in (*schema.inputs, *schema.outputs)}
    held = {text.removeprefix("tensor(").removesuffix(")") for text in texts if text.startswith("tensor(")}
    found: list[str] = []
    for group, members in _GROUPS.items():
        present = [member for member in members if member in held]
        found += [group] if len(present) == len(members) else present
    found += [kind for kind in ("seq", "optional", "map") if any(text.startswith(kind) for text in texts)]
    return ", ".join(found)


def _runs(domain: str, schema: onnx.defs.OpSchema) -> str:
    reason = ON_HOST.get(domain, {}).get(schema.name)
    function = registry.legalization(domain, schema.name, schema.since_version)
    if function is not None:
        return _kernels(schema.name, function) + (f"; host: {reason}" if reason else "")
    # The stubs of onnx lack these two properties.
    if getattr(schema, "has_function", False) or getattr(schema, "has_context_dependent_function", False):
        return "definition" + (f"; host: {reason}" if reason else "")
    return f"host: {reason}" if reason else "host"


def _kernels(name: str, function: registry.Legalization | None) -> str:
    assert function is not None
    ops = set(_ops(function, set()))
    own = name.lower()
    named = [op for op in ops if op not in _GLUE or op.__name__.lower() == own] or ops - set(_HELPERS)
    texts = sorted(op.op_name.removeprefix("nn.") for op in named)
    return f"kernels: {' '.join(texts)}" if texts else "views"


def _ops(function: Callable[..., Any], seen: set[object]) -> Iterator[type[nn.NnOp]]:
    """The `nn` ops that a function, or one that it calls, may make."""
    if not isinstance(function, types.FunctionType) or function in seen:
        return
    seen.add(function)
    values = [cell.cell_contents for cell in function.__closure__ or ()]
    for name in _names(function.__code__):
        values += [getattr(nn, name, None), function.__globals__.get(name), getattr(Node, name, None)]
    for value in values:
        if isinstance(value, type) and issubclass(value, nn.NnOp) and hasattr(value, "op_name"):
            yield value
        elif isinstance(value, tuple):
            yield from (item for item in value if isinstance(item, type) and issubclass(item, nn.NnOp))
        else:
            yield from _ops(value, seen)  # type: ignore[arg-type]


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


if __name__ == "__main__":
    print(operators_page(), end="")
