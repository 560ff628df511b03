"""What the installed `onnx` package knows of operators: their schemas by domain, name and opset."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import onnx
import onnx.defs
import onnx.version_converter

from ...ir.diagnostics import CompileError, Diagnostic, suggest
from ...ir.dialects.onnx import DOMAIN

OLDEST_OPSET = 7
_OWN_DOMAINS = ("", DOMAIN, "ai.onnx.ml", "ai.onnx.preview", "ai.onnx.preview.training")


def schema_of(domain: str, operator: str, opset: int) -> onnx.defs.OpSchema | None:
    """The schema of the operator's version in `opset`, or None where there is none."""
    domain = "" if domain == DOMAIN else domain
    try:
        return onnx.defs.get_schema(operator, opset, domain)
    except onnx.defs.SchemaError:
        return None


def opset_versions(proto: onnx.ModelProto) -> dict[str, int]:
    """The operator set versions of a model by domain, ONNX's own as `ai.onnx`."""
    return {opset.domain or DOMAIN: opset.version for opset in proto.opset_import}


def upgraded(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A model older than `OLDEST_OPSET` as one of that version, where ONNX can convert it; any other as it is."""
    opset = opset_versions(proto).get(DOMAIN, OLDEST_OPSET)
    if opset >= OLDEST_OPSET:
        return proto
    try:
        return onnx.version_converter.convert_version(proto, OLDEST_OPSET)
    except Exception:  # whatever the converter throws: the version is then told as too old
        return proto


def check_opsets(proto: onnx.ModelProto, origin: str) -> None:
    """Raise CompileError for a model that is older or newer than what can be read."""
    opset = opset_versions(proto).get(DOMAIN)
    newest = onnx.defs.onnx_opset_version()
    if opset is not None and opset < OLDEST_OPSET:
        raise CompileError(
            f"{origin} uses opset {opset}; {OLDEST_OPSET} is the oldest supported; "
            f"convert it with onnx.version_converter.convert_version(model, {OLDEST_OPSET})"
        )
    if opset is not None and opset > newest:
        raise CompileError(
            f"{origin} uses opset {opset}; the installed onnx {onnx.__version__} knows opsets up to {newest}; "
            "upgrade onnx"
        )


def unknown_operators(proto: onnx.ModelProto, origin: str) -> None:
    """Raise one CompileError that names every operator of ONNX's domains that no schema describes."""
    versions = opset_versions(proto)
    local = {(function.domain, function.name) for function in proto.functions}
    unknown: dict[tuple[str, str], list[str]] = {}
    for node in _nodes(proto.graph.node):
        own = node.domain in _OWN_DOMAINS and (node.domain, node.op_type) not in local
        version = versions.get(node.domain or DOMAIN)
        if own and version is not None and schema_of(node.domain, node.op_type, version) is None:
            unknown.setdefault((node.domain or DOMAIN, node.op_type), []).append(node_name(node))
    if unknown:
        diagnostics = [
            Diagnostic(
                f"{origin} uses '{operator}', which {domain} opset {versions[domain]} lacks"
                f"{suggest(operator, _operators(domain))}",
                notes=(f"{len(nodes)} node{'s' * (len(nodes) > 1)}: {some(nodes)}",),
            )
            for (domain, operator), nodes in unknown.items()
        ]
        raise CompileError(*diagnostics)


def _operators(domain: str) -> set[str]:
    domain = "" if domain == DOMAIN else domain
    return {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == domain}


def _nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
                yield from _nodes(graph.node)


def node_name(node: onnx.NodeProto) -> str:
    """The node's name; a node without one is known by its first output."""
    return node.name or next((name for name in node.output if name), node.op_type)


def some(names: list[str], count: int = 3) -> str:
    """The first few of `names` in quotes."""
    rest = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(f"'{name}'" for name in names[:count]) + rest
