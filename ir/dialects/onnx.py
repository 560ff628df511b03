"""The `onnx` dialect: a model as its file says it, one op a node.

An op is named after its operator, `onnx.Conv`, with the domain in between where it is not ONNX's own:
`onnx.com.microsoft.FusedMatMul`. Attributes keep ONNX's names; graph attributes are regions, in the order of the
attribute `region_names`; an omitted optional input is a value of type `none`. Which version of an operator is meant
follows from the module's `onnx.opsets = {ai.onnx = 18 : i64}`.

The operators themselves are not declared here: the ONNX checker has verified them against their schemas when they
were imported, and generic operations hold any of them, of any version and domain.
"""

from __future__ import annotations

from ..attributes import Attribute, DictAttr, IntegerAttr
from ..core import Operation, Value
from ..declare import OPEN_DIALECTS, PURE, TERMINATOR, Op
from ..types import OpaqueType, Type, none

OPEN_DIALECTS.add("onnx")

DOMAIN = "ai.onnx"
OPSETS = "onnx.opsets"
REGION_NAMES = "region_names"
CONSTANT = "onnx.Constant"

unknown = OpaqueType("onnx.unknown")
"""The type of a value that ONNX's shape inference knows nothing of: results of operators outside ONNX's domains."""


class NoValue(Op, name="onnx.NoValue", traits=(PURE,)):
    """Stands for an optional input that a node omits."""

    def infer(self) -> list[Type]:
        return [none]


class Yield(Op, name="onnx.yield", traits=(TERMINATOR,)):
    """The results of a subgraph of If, Loop or Scan."""

    values: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return []


class Sequence(Op, name="onnx.sequence", traits=(PURE,)):
    """A sequence of known elements, while operators on sequences are legalized; none is left afterwards.

    Example: %s = "onnx.sequence"(%a, %b) : (tensor<2xf32>, tensor<3xf32>) -> !onnx.seq<none>
    """

    elements: tuple[Value, ...] = ()

    def infer(self) -> list[Type]:
        return [sequence(none)]


def sequence(element: Type) -> OpaqueType:
    return OpaqueType("onnx.seq", (element,))


def optional(element: Type) -> OpaqueType:
    return OpaqueType("onnx.opt", (element,))


def mapping(key: Type, value: Type) -> OpaqueType:
    return OpaqueType("onnx.map", (key, value))


def op_name(domain: str, operator: str) -> str:
    """The name of the op for an operator: `onnx.Conv`, `onnx.com.microsoft.FusedMatMul`."""
    return f"onnx.{operator}" if domain in ("", DOMAIN) else f"onnx.{domain}.{operator}"


def operator_of(name: str) -> tuple[str, str]:
    """The domain and the operator of an op's name; the inverse of `op_name`."""
    domain, _, operator = name.removeprefix("onnx.").rpartition(".")
    return domain or DOMAIN, operator


def is_onnx(op: Operation) -> bool:
    return op.name.startswith("onnx.")


def opsets_attribute(opsets: dict[str, int]) -> DictAttr:
    return DictAttr.of({domain or DOMAIN: IntegerAttr(version) for domain, version in opsets.items()})


def opsets(module: Operation) -> dict[str, int]:
    """The operator set versions of a module, by domain."""
    attribute: Attribute | None = module.attributes.get(OPSETS)
    if not isinstance(attribute, DictAttr):
        return {}
    return {domain: value.value for domain, value in attribute.items if isinstance(value, IntegerAttr)}
