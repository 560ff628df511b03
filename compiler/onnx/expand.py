"""Operators that have no legalization of their own, replaced by the operators that their schemas define them by."""

from __future__ import annotations

import onnx
import onnx.defs
import onnx.inliner

from ...ir.dialects.onnx import DOMAIN
from ...passes.legalize.legalize_onnx import is_legalized
from .model import Model, graphs, infer_shapes
from .schemas import opset_versions, schema_of

_ROUNDS = 4
"""Bodies use operators that are defined by others in turn."""


def expand_functions(model: Model) -> None:
    """Expand in place, in all subgraphs; an operator that cannot be expanded stays."""
    stuck: set[tuple[str, str]] = set()
    for _ in range(_ROUNDS):
        wanted = _expandable(model.proto) - stuck
        if not wanted:
            return
        for operator in sorted(wanted):
            try:
                expanded = onnx.inliner.inline_selected_functions(model.proto, [operator], inline_schema_functions=True)
            except Exception:  # the inliner asserts where it lacks types; the operator is then told as unsupported
                stuck.add(operator)
                continue
            model.proto.CopyFrom(expanded)
        infer_shapes(model)


def _expandable(proto: onnx.ModelProto) -> set[tuple[str, str]]:
    """The domains and names of operators to expand, whose nodes are given their default attributes."""
    versions = opset_versions(proto)
    found: set[tuple[str, str]] = set()
    for graph in graphs(proto.graph):
        for node in graph.node:
            domain = node.domain or DOMAIN
            opset = versions.get(domain, 1)
            schema = schema_of(domain, node.op_type, opset)
            if schema is None or is_legalized(domain, node.op_type, opset):
                continue
            # The stubs of onnx lack these two properties.
            if getattr(schema, "has_function", False) or getattr(schema, "has_context_dependent_function", False):
                found.add((node.domain, node.op_type))
                _spell_defaults(node, schema)
    return found


def _spell_defaults(node: onnx.NodeProto, schema: onnx.defs.OpSchema) -> None:
    """Give `node` the attributes it leaves out: the inliner drops references to them otherwise."""
    given = {attribute.name for attribute in node.attribute}
    for name, attribute in schema.attributes.items():
        if name not in given and attribute.default_value.type != onnx.AttributeProto.UNDEFINED:
            node.attribute.append(attribute.default_value)
