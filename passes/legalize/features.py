"""Operators of ai.onnx.ml on rows of features."""

from __future__ import annotations

import math

from ...ir import symbols
from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import f32, i64
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

DOMAIN = "ai.onnx.ml"


def _row(n: Node, name: str, like: Value) -> Value | None:
    """An attribute of floats, one number or one a feature."""
    values = n.floats(name)
    return None if not values else n.constant(list(values), scalar(like))


@legalize("ArrayFeatureExtractor", domain=DOMAIN)
def array_feature_extractor(n: Node) -> Value:
    """Columns of x; a vector counts as one row."""
    x, index = n[0], n[1]
    count = symbols.product(dims(index))
    if len(dims(x)) == 1:
        x = n.unsqueeze(x, [0])
    return n(nn.Gather(x, n.reshape(n.cast(index, i64), [count]), len(dims(x)) - 1))


@legalize("Binarizer", domain=DOMAIN)
def binarizer(n: Node) -> Value:
    return n.cast(n(nn.Gt(n[0], n.like(n.float("threshold"), n[0]))), scalar(n[0]))


@legalize("Scaler", domain=DOMAIN)
def scaler(n: Node) -> Value:
    """(x - offset) * scale"""
    y = n.cast(n[0], f32)
    if (offset := _row(n, "offset", y)) is not None:
        y = n(nn.Sub(y, offset))
    return y if (scale := _row(n, "scale", y)) is None else n(nn.Mul(y, scale))


@legalize("Imputer", domain=DOMAIN)
def imputer(n: Node) -> Value:
    """One value replaced by others, one a feature or one for all."""
    x = n[0]
    is_float = scalar(x).is_float
    values = n.floats("imputed_value_floats") if is_float else n.ints("imputed_value_int64s")
    if not values:
        raise InvalidError(f"it has no values for {scalar(x)}")
    wanted = n.float("replaced_value_float") if is_float else n.int("replaced_value_int64")
    missing = n(nn.IsNan(x)) if math.isnan(wanted) else n(nn.Eq(x, n.like(wanted, x)))
    return n(nn.Where(missing, n.constant(list(values), scalar(x)), x))


@legalize("Normalizer", domain=DOMAIN)
def normalizer(n: Node) -> Value:
    """Rows over their largest element, their sum or their length."""
    x = n.cast(n[0], f32)
    last, norm = len(dims(x)) - 1, n.choice("norm", "MAX", "L1", "L2")
    if norm == "MAX":
        size = n.reduce(x, "max", [last], True)
    elif norm == "L1":
        size = n.reduce(n(nn.Abs(x)), "add", [last], True)
    else:
        size = n(nn.Sqrt(n.reduce(n(nn.Mul(x, x)), "add", [last], True)))
    return n(nn.Div(x, n(nn.Where(n(nn.Eq(size, n.like(0, size))), n.like(1, size), size))))


@legalize("LinearRegressor", domain=DOMAIN)
def linear_regressor(n: Node) -> Value:
    x, targets = n.cast(n[0], f32), n.int("targets", 1)
    width = n.static(x, len(dims(x)) - 1, "the number of features")
    weights = n.floats("coefficients") or ()
    if len(weights) != targets * width:
        raise InvalidError(f"'coefficients' has {len(weights)} numbers for {targets} targets of {width} features")
    table = n.reshape(n.constant(list(weights), f32), [targets, width])
    y = n(nn.MatMul(x, table, trans_b=True))
    if (intercepts := _row(n, "intercepts", y)) is not None:
        y = n(nn.Add(y, intercepts))
    if n.choice("post_transform", "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT") != "NONE":
        raise UnsupportedError(f"post_transform '{n.str('post_transform')}'")
    return y


@legalize("FeatureVectorizer", domain=DOMAIN)
def feature_vectorizer(n: Node) -> Value:
    """The inputs side by side, as floats."""
    parts: list[Value] = []
    for x, width in zip(n.inputs, n.ints("inputdimensions") or [dims(x)[-1] for x in n.inputs], strict=True):
        row = n.cast(x if len(dims(x)) > 1 else n.unsqueeze(x, [0]), f32)
        parts.append(n.narrow(row, 1, 0, width))
    return n.concat(parts, 1)
