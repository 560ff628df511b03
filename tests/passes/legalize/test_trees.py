"""Decision trees and operators on rows of features next to ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx.helper import make_graph, make_model, make_node, make_opsetid, make_tensor, make_tensor_value_info
from onnx_graphs import compare, normal

from kernelwright.ir.diagnostics import CompileError

FLOAT = onnx.TensorProto.FLOAT


def model(
    operator: str, shapes: dict[str, list[int]], result: list[int], attributes: dict[str, Any], version: int = 3
) -> onnx.ModelProto:
    node = make_node(operator, list(shapes), ["y"], domain="ai.onnx.ml", **attributes)
    inputs = [make_tensor_value_info(name, FLOAT, shape) for name, shape in shapes.items()]
    graph = make_graph([node], "m", inputs, [make_tensor_value_info("y", FLOAT, result)])
    imports = [make_opsetid("", 18), make_opsetid("ai.onnx.ml", version)]
    return make_model(graph, opset_imports=imports, ir_version=10)


def trees(modes: list[str]) -> dict[str, Any]:
    """Two trees: one of three levels whose leaves have weights for two targets, one that is a leaf."""
    return {
        "nodes_treeids": [0] * 5 + [1],
        "nodes_nodeids": [0, 1, 2, 3, 4, 7],
        "nodes_featureids": [1, 2, 0, 0, 0, 0],
        "nodes_modes": [modes[0], modes[1], "LEAF", "LEAF", "LEAF", "LEAF"],
        "nodes_values": [0.5, -0.25, 0.0, 0.0, 0.0, 0.0],
        "nodes_truenodeids": [1, 3, 0, 0, 0, 0],
        "nodes_falsenodeids": [2, 4, 0, 0, 0, 0],
        "nodes_missing_value_tracks_true": [1, 0, 0, 0, 0, 0],
        "target_treeids": [0, 0, 0, 0, 1],
        "target_nodeids": [2, 3, 3, 4, 7],
        "target_ids": [0, 0, 1, 1, 0],
        "target_weights": [1.5, -2.0, 3.0, 0.5, 10.0],
        "n_targets": 2,
    }


@pytest.mark.parametrize("how", ["SUM", "AVERAGE", "MIN", "MAX"])
@pytest.mark.parametrize("modes", ["LEQ GT", "LT LT", "EQ GTE"])
def test_regressor(how: str, modes: str) -> None:
    x = normal(17, 3)
    x[:4, 1] = [0.5, np.nan, np.inf, -np.inf]
    x[4:7, 2] = [-0.25, np.nan, 0]
    attributes: dict[str, Any] = trees([f"BRANCH_{mode}" for mode in modes.split()]) | {"aggregate_function": how}
    if how in ("MIN", "MAX"):  # ONNX Runtime gives 0, without the base, to targets without a weight
        attributes |= {"target_treeids": [0, 0, 0, 1], "target_nodeids": [2, 3, 4, 7], "target_ids": [0] * 4}
        attributes |= {"target_weights": [1.5, -2.0, 0.5, 10.0], "n_targets": 1, "base_values": [0.25]}
    compare(model("TreeEnsembleRegressor", {"x": [17, 3]}, [17, attributes["n_targets"]], attributes), {"x": x})


def test_ensemble_with_sets() -> None:
    """The second node tests whether its feature is one of three numbers."""
    attributes = {
        "n_targets": 2,
        "nodes_featureids": [0, 1],
        "nodes_splits": make_tensor("s", FLOAT, [2], [0.5, 0.0]),
        "nodes_modes": make_tensor("m", onnx.TensorProto.UINT8, [2], [0, 6]),
        "nodes_truenodeids": [1, 1],
        "nodes_trueleafs": [0, 1],
        "nodes_falsenodeids": [0, 2],
        "nodes_falseleafs": [1, 1],
        "leaf_targetids": [0, 1, 0],
        "leaf_weights": make_tensor("w", FLOAT, [3], [5.25, 12.125, -4.0]),
        "membership_values": make_tensor("v", FLOAT, [4], [1.0, 2.5, 7.0, float("nan")]),
        "tree_roots": [0],
        "post_transform": 0,
        "aggregate_function": 1,
    }
    x = np.array([[0, 1], [0.5, 2.5], [0, 3], [9, 7], [np.nan, 1]], np.float32)
    compare(model("TreeEnsemble", {"x": [5, 2]}, [5, 2], attributes, version=5), {"x": x}, "onnx")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nodes_truenodeids": [1, 9, 0, 0, 0, 0]}, "node 9 of tree 0 does not exist"),
        ({"nodes_truenodeids": [1, 0, 0, 0, 0, 0]}, "lead in a circle"),
        ({"nodes_featureids": [1, 3, 0, 0, 0, 0]}, "feature 3 of 3"),
        ({"nodes_modes": ["BRANCH_LEQ", "BRANCH", *["LEAF"] * 4]}, "mode is none of"),
    ],
)
def test_trees_that_are_none(change: dict[str, Any], message: str) -> None:
    attributes = trees(["BRANCH_LEQ", "BRANCH_LEQ"]) | change
    with pytest.raises(CompileError, match=message):
        compare(model("TreeEnsembleRegressor", {"x": [7, 3]}, [7, 2], attributes), {"x": normal(7, 3)})


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Binarizer", {"threshold": 0.25}),
        ("Scaler", {"offset": [0.5, -1.0, 2.0], "scale": [2.0, 3.0, 0.5]}),
        ("Scaler", {"offset": [0.5], "scale": [2.0]}),
        ("Imputer", {"imputed_value_floats": [1.0, 2.0, 3.0], "replaced_value_float": float("nan")}),
        ("Imputer", {"imputed_value_floats": [7.0], "replaced_value_float": 0.0}),
        ("Normalizer", {"norm": "L1"}),
        ("Normalizer", {"norm": "L2"}),
        ("Normalizer", {"norm": "MAX"}),
    ],
)
def test_rows_of_features(operator: str, attributes: dict[str, Any]) -> None:
    x = np.abs(normal(5, 3)) if attributes.get("norm") == "MAX" else normal(5, 3)
    if operator == "Imputer":
        x[1, 2], x[3, 0] = np.nan, 0
    compare(model(operator, {"x": [5, 3]}, [5, 3], attributes), {"x": x})


def test_linear_regressor() -> None:
    attributes: dict[str, Any] = {
        "coefficients": [0.5, 1.0, -2.0, 3.0, 0.25, 1.5],
        "intercepts": [1.0, -1.0],
        "targets": 2,
    }
    compare(model("LinearRegressor", {"x": [5, 3]}, [5, 2], attributes), {"x": normal(5, 3)})


def test_feature_vectorizer() -> None:
    made = model("FeatureVectorizer", {"a": [5, 3], "b": [5, 2]}, [5, 5], {"inputdimensions": [3, 2]})
    compare(made, {"a": normal(5, 3), "b": normal(5, 2, seed=1)})


def classifier(operator: str, width: int, attributes: dict[str, Any], version: int = 3) -> onnx.ModelProto:
    node = make_node(operator, ["x"], ["y", "z"], domain="ai.onnx.ml", **attributes)
    outputs = [
        make_tensor_value_info("y", onnx.TensorProto.INT64, [9]),
        make_tensor_value_info("z", FLOAT, [9, None]),
    ]
    graph = make_graph([node], "m", [make_tensor_value_info("x", FLOAT, [9, width])], outputs)
    imports = [make_opsetid("", 18), make_opsetid("ai.onnx.ml", version)]
    return make_model(graph, opset_imports=imports, ir_version=10)


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("labels", [[3, 1, 7], [5, 2]])
def test_linear_classifier(post: str, labels: list[int]) -> None:
    count = len(labels)
    attributes = {
        "coefficients": normal(count * 4).tolist(),
        "intercepts": normal(count, seed=1).tolist(),
        "classlabels_ints": labels,
        "post_transform": post,
    }
    compare(classifier("LinearClassifier", 4, attributes), {"x": normal(9, 4, seed=2)})


@pytest.mark.parametrize("post", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("classes", [[0, 1, 1, 2, 0], [0, 1, 1, 0, 0], [0, 0, 0, 0, 0]])
def test_tree_ensemble_classifier(post: str, sign: int, classes: list[int]) -> None:
    attributes = trees(["BRANCH_LEQ", "BRANCH_LT"])
    attributes = {name.replace("target_", "class_"): value for name, value in attributes.items() if name != "n_targets"}
    weights = np.abs(normal(5, seed=3)) * np.where(np.arange(5) == 2, sign, 1)
    attributes |= {
        "class_ids": classes,
        "class_weights": weights.tolist(),
        "classlabels_int64s": [4, 6, 8][: max(2, max(classes) + 1)],
        "post_transform": post,
    }
    # Of two classes ONNX Runtime has a definition of its own.
    judge = "onnxruntime" if max(classes) == 2 else "onnx"
    compare(classifier("TreeEnsembleClassifier", 3, attributes), {"x": normal(9, 3)}, judge)


@pytest.mark.parametrize("kind", ["LINEAR", "POLY", "RBF", "SIGMOID"])
def test_svm_regressor(kind: str) -> None:
    attributes = {
        "rho": [0.3],
        "coefficients": normal(5, seed=1).tolist(),
        "kernel_type": kind,
        "kernel_params": [0.4, 0.2, 2.0],
        "support_vectors": normal(20, seed=2).tolist(),
        "n_supports": 5,
    }
    compare(model("SVMRegressor", {"x": [9, 4]}, [9, 1], attributes), {"x": normal(9, 4)})


@pytest.mark.parametrize("keys", ["floats", "int64s"])
@pytest.mark.parametrize("values", ["floats", "int64s"])
def test_codes_of_numbers(keys: str, values: str) -> None:
    types = {"floats": (FLOAT, np.float32), "int64s": (onnx.TensorProto.INT64, np.int64)}
    kinds = {"floats": float, "int64s": int}
    table: dict[str, Any] = {"default_float": -2.0, "default_int64": -3}
    table[f"keys_{keys}"] = list(map(kinds[keys], [3, 5, 9]))
    table[f"values_{values}"] = list(map(kinds[values], [7, 1, 4]))
    node = make_node("LabelEncoder", ["x"], ["y"], domain="ai.onnx.ml", **table)
    given, made = (make_tensor_value_info(n, types[k][0], [2, 3]) for n, k in (("x", keys), ("y", values)))
    imports = [make_opsetid("", 18), make_opsetid("ai.onnx.ml", 2)]
    built = make_model(make_graph([node], "m", [given], [made]), opset_imports=imports, ir_version=10)
    compare(built, {"x": np.array([[9, 3, 4], [5, 5, 0]], types[keys][1])})


def test_one_hot_encoder() -> None:
    attributes = {"cats_int64s": [2, 0, 5], "zeros": 1}
    compare(model("OneHotEncoder", {"x": [4]}, [4, 3], attributes), {"x": np.array([5, 2, 1, 0], np.float32)})
