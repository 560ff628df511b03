"""What the host may run instead of kernels, and why. Numeric operators on dense tensors are not among it."""

from __future__ import annotations

from ...ir.core import Operation
from ...ir.dialects import onnx as dialect
from ...ir.types import OpaqueType, TensorType, Type, string

_TEXT = "text has no fixed size"
_RANDOM = "its numbers are those that ONNX's reference evaluator draws"
_LABELS = "a table of labels, which may be text"

OPERATORS: dict[str, dict[str, str]] = {
    dialect.DOMAIN: {
        "Bernoulli": _RANDOM,
        "Dropout": f"in training, {_RANDOM}",
        "ImageDecoder": "decodes the files of cameras and scanners",
        "Multinomial": _RANDOM,
        "RandomNormal": _RANDOM,
        "RandomNormalLike": _RANDOM,
        "RandomUniform": _RANDOM,
        "RandomUniformLike": _RANDOM,
        "RegexFullMatch": _TEXT,
        "StringConcat": _TEXT,
        "StringNormalizer": _TEXT,
        "StringSplit": _TEXT,
        "TfIdfVectorizer": "counts sequences of words, or of their numbers, in a vocabulary",
    },
    "ai.onnx.ml": {
        "CastMap": "reads a map",
        "CategoryMapper": _LABELS,
        "DictVectorizer": "reads a map",
        "LabelEncoder": _LABELS,
        "LinearClassifier": _LABELS,
        "OneHotEncoder": _LABELS,
        "TreeEnsembleClassifier": _LABELS,
        "ZipMap": "makes maps",
    },
}
"""Reasons by domain and operator."""

_KINDS = {"seq": "sequences", "opt": "optionals", "map": "maps"}


def reason(op: Operation) -> str | None:
    """Why the host may run `op`: its operator, or the values it reads and makes; None where a kernel should."""
    domain, operator = dialect.operator_of(op.name)
    if (listed := OPERATORS.get(domain, {}).get(operator)) is not None:
        return listed
    kinds = {kind for value in (*op.operands, *op.results) if (kind := _kind(value.type)) is not None}
    return f"no buffer holds {' and '.join(sorted(kinds))}" if kinds else None


def _kind(type: Type) -> str | None:
    if isinstance(type, TensorType):
        return "strings" if type.dtype == string else None
    return _KINDS.get(type.name.rpartition(".")[2]) if isinstance(type, OpaqueType) else None
