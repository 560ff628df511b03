"""Classifiers, regressions and codes of ai.onnx.ml whose labels are numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import SCALARS, Scalar, f32, f64, i64
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

DOMAIN = "ai.onnx.ml"


def class_labels(n: Node, name: str) -> tuple[int, ...]:
    labels = n.ints(name)
    if not labels:
        raise UnsupportedError("labels that are text")
    return labels


def transformed(n: Node, scores: Value, how: str | None = None) -> Value:
    """The scores [rows, classes] after the node's `post_transform`."""
    how = how or n.str("post_transform", "NONE")
    if how == "NONE":
        return scores
    if how == "LOGISTIC":
        return n(nn.Sigmoid(scores))
    if how == "SOFTMAX":
        return n(nn.Softmax(scores, 1))
    raise UnsupportedError(f"post_transform '{how}'")


def classified(n: Node, scores: Value, labels: Sequence[int]) -> list[Value]:
    """The label of the greatest score of each row, and the transformed scores."""
    best = n(nn.ArgMax(scores, 1, keep_dims=False))
    return [n(nn.Gather(n.constant(list(labels), i64), best)), transformed(n, scores)]


def _rows(n: Node) -> Value:
    """The features as f32 or f64 rows."""
    x = n[0] if len(dims(n[0])) > 1 else n.unsqueeze(n[0], [0])
    return x if scalar(x) == f64 else n.cast(x, f32)


def _linear(n: Node, x: Value, width: int) -> Value:
    """x times the rows of `coefficients`, plus `intercepts`."""
    weights = n.floats("coefficients") or ()
    if not width or len(weights) % width:
        raise InvalidError(f"'coefficients' has {len(weights)} numbers for rows of {width} features")
    table = n.constant(np.array(weights).reshape(-1, width), scalar(x))
    y = n(nn.MatMul(x, table, trans_b=True))
    intercepts = n.floats("intercepts")
    return n(nn.Add(y, n.constant(list(intercepts), scalar(x)))) if intercepts else y


@legalize("LinearClassifier", domain=DOMAIN)
def linear_classifier(n: Node) -> list[Value]:
    """A score for each label; one score stands for the second of two labels, and its negative for the first."""
    x, labels = _rows(n), class_labels(n, "classlabels_ints")
    scores = n.cast(_linear(n, x, n.static(x, 1, "the number of features")), f32)
    count = dims(scores)[1]
    if count == 1 and len(labels) == 2:
        scores = n.concat([n(nn.Neg(scores)), scores], 1)
    elif count != len(labels):
        raise InvalidError(f"{count} scores for {len(labels)} labels")
    return classified(n, scores, labels)


@legalize("SVMRegressor", domain=DOMAIN)
def svm_regressor(n: Node) -> Value:
    """The weighted kernels of the features with each support vector, or their product with the coefficients."""
    x = n.cast(_rows(n), f32)
    width, count = n.static(x, 1, "the number of features"), n.int("n_supports")
    if n.str("post_transform", "NONE") != "NONE":
        raise UnsupportedError(f"post_transform '{n.str('post_transform')}'")
    coefficients, vectors = n.floats("coefficients") or (), n.floats("support_vectors") or ()
    if not count:
        count, vectors, coefficients = 1, coefficients, (1.0,)
    if len(coefficients) != count or len(vectors) != count * width:
        raise InvalidError(f"{len(vectors)} numbers in {count} support vectors of {width} features")
    kernels = _kernel(n, x, np.array(vectors, np.float32).reshape(count, width))
    y = n(nn.MatMul(kernels, n.constant(np.array(coefficients).reshape(count, 1), f32)))
    y = n(nn.Add(y, n.constant((n.floats("rho") or (0.0,))[0], f32)))
    if n.flag("one_class"):
        return n(nn.Where(n(nn.Gt(y, n.constant(0, f32))), n.constant(1, f32), n.constant(-1, f32)))
    return y


def _kernel(n: Node, x: Value, vectors: np.ndarray) -> Value:
    """The kernel of each row of x with each vector, [rows, vectors]."""
    gamma, offset, degree = n.floats("kernel_params") or (0.0, 0.0, 0.0)
    kind = n.choice("kernel_type", "LINEAR", "POLY", "RBF", "SIGMOID") if n.int("n_supports") else "LINEAR"
    product = n(nn.MatMul(x, n.constant(vectors, f32), trans_b=True))
    if kind == "LINEAR":
        return product
    if kind == "RBF":
        apart = n(nn.Sub(n.unsqueeze(x, [1]), n.constant(vectors[None], f32)))
        distance = n.reduce(n(nn.Mul(apart, apart)), "add", [2])
        return n(nn.Exp(n(nn.Mul(distance, n.constant(-gamma, f32)))))
    moved = n(nn.Add(n(nn.Mul(product, n.constant(gamma, f32))), n.constant(offset, f32)))
    return n(nn.Tanh(moved)) if kind == "SIGMOID" else n(nn.Pow(moved, n.constant(degree, f32)))


@legalize("OneHotEncoder", domain=DOMAIN)
def one_hot_encoder(n: Node) -> Value:
    """1 where an element is the category of the last axis."""
    categories = n.ints("cats_int64s")
    if not categories or not n.flag("zeros", True):
        raise UnsupportedError("categories that are text, or that must be known")
    x = n.cast(n[0], i64)
    return n.cast(n(nn.Eq(n.unsqueeze(x, [len(dims(x))]), n.constant(list(categories), i64))), f32)


@legalize("LabelEncoder", domain=DOMAIN, since=2)
def label_encoder(n: Node) -> Value:
    """What a table of numbers has for each element, or the default."""
    keys, values = _table(n, "keys"), _table(n, "values")
    if keys is None or values is None or keys[0].size != values[0].size:
        raise UnsupportedError("labels that are text")
    (numbers, _), (codes, dtype) = keys, values
    x = n.unsqueeze(n[0], [len(dims(n[0]))])
    equal = n(nn.Eq(x, n.constant(numbers, scalar(x))))
    if np.isnan(numbers.astype(np.float64)).any():
        equal = n(nn.Or(equal, n(nn.And(n(nn.IsNan(x)), n.constant(np.isnan(numbers), SCALARS["i1"])))))
    last = len(dims(x)) - 1
    place = n(nn.ArgMax(n.cast(equal, f32), last, keep_dims=False))
    known = n.reduce(equal, "or", [last])
    return n(nn.Where(known, n(nn.Gather(n.constant(codes, dtype), place)), n.constant(_default(n, dtype), dtype)))


def _table(n: Node, name: str) -> tuple[np.ndarray, Scalar] | None:
    """The numbers of an attribute, which is a tensor or a list, and their type."""
    if (array := n.array(f"{name}_tensor")) is not None:
        return (array, _TYPES[array.dtype.name]) if array.dtype.name in _TYPES else None
    if (floats := n.floats(f"{name}_floats")) is not None:
        return np.array(floats, np.float32), f32
    if (ints := n.ints(f"{name}_int64s")) is not None:
        return np.array(ints, np.int64), i64
    return None


_TYPES = {"float32": f32, "float64": f64, "int64": i64, "int32": SCALARS["i32"], "int16": SCALARS["i16"]}


def _default(n: Node, dtype: Scalar) -> float:
    if (array := n.array("default_tensor")) is not None:
        return array.reshape(-1)[0].item()
    return n.float("default_float") if dtype.is_float else n.int("default_int64", -1)
