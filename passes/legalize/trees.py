"""Ensembles of decision trees: all trees are walked at once, a step a level, by reading tables."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ...ir.core import Value
from ...ir.dialects import nn
from ...ir.types import f32, i1, i64
from .classification import class_labels, classified, transformed
from .content import dims, scalar
from .node import Node
from .registry import InvalidError, UnsupportedError, legalize

DOMAIN = "ai.onnx.ml"
MODES = ("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "BRANCH_MEMBER")
_COMPARISONS: tuple[type[nn.Binary], ...] = (nn.Le, nn.Lt, nn.Ge, nn.Gt, nn.Eq, nn.Ne)
_MEMBER = 6


@dataclass
class _Forest:
    """Tables with an entry for each node; a leaf's branches lead to itself. `roots` has the first node of each tree."""

    features: np.ndarray
    splits: np.ndarray
    modes: np.ndarray
    then: np.ndarray
    otherwise: np.ndarray
    missing: np.ndarray
    roots: np.ndarray
    weights: np.ndarray
    """What each leaf adds to each target, [nodes, targets]."""
    has_weight: np.ndarray
    members: np.ndarray | None = None
    """The values that a test for membership accepts, [nodes, most values], the rest not-a-number."""

    @property
    def depth(self) -> int:
        """The most branches on a way from a root to a leaf. Raises InvalidError where branches lead in a circle."""
        level, reached = 0, set(self.roots.tolist())
        while any(self.then[node] != node for node in reached):
            reached = {int(table[node]) for node in reached for table in (self.then, self.otherwise)}
            level += 1
            if level > self.then.size:
                raise InvalidError("its branches lead in a circle")
        return level


def _leaves(n: Node, forest: _Forest) -> Value:
    """The leaf of each row of x in each tree, [rows, trees]."""
    x = n[0]
    every = np.concatenate([forest.then, forest.otherwise, forest.roots])
    if ((every < 0) | (every >= forest.then.size)).any():
        raise InvalidError("a branch leads to a node that does not exist")
    width = n.static(x, 1, "the number of features")
    if (forest.features >= width).any() or (forest.features < 0).any():
        raise InvalidError(f"it asks for feature {forest.features.max()} of {width}")
    at = n.broadcast(n.constant(forest.roots[None], i64), [dims(x)[0], forest.roots.size])
    tables = {name: n.constant(getattr(forest, name), i64) for name in ("features", "modes", "then", "otherwise")}
    splits = n.constant(forest.splits, scalar(x))
    for _ in range(forest.depth):
        value = n(nn.GatherElements(x, n(nn.Gather(tables["features"], at)), 1))
        holds = _tested(n, forest, value, n(nn.Gather(splits, at)), n(nn.Gather(tables["modes"], at)), at)
        if forest.missing.any():
            follows = n(nn.Gather(n.constant(forest.missing, i1), at))
            holds = n(nn.Or(holds, n(nn.And(follows, n(nn.IsNan(value))))))
        at = n(nn.Where(holds, n(nn.Gather(tables["then"], at)), n(nn.Gather(tables["otherwise"], at))))
    return at


def _tested(n: Node, forest: _Forest, value: Value, split: Value, mode: Value, at: Value) -> Value:
    """Whether the tests of nodes hold; only those that occur are computed."""
    result: Value | None = None
    for kind in sorted(set(forest.modes.tolist())):
        if kind == _MEMBER:
            assert forest.members is not None
            accepted = n(nn.Gather(n.constant(forest.members, scalar(value)), at))
            holds = n.reduce(n(nn.Eq(n.unsqueeze(value, [2]), accepted)), "or", [2])
        else:
            holds = n(_COMPARISONS[kind](value, split))
        result = holds if result is None else n(nn.Where(n(nn.Eq(mode, n.constant(kind, i64))), holds, result))
    assert result is not None
    return result


def _aggregated(n: Node, forest: _Forest, leaves: Value, how: str) -> Value:
    """The leaves' weights combined by target, [rows, targets]."""
    dtype = scalar(n[0])
    if how in ("SUM", "AVERAGE"):
        total = n.reduce(n(nn.Gather(n.constant(forest.weights, dtype), leaves)), "add", [1])
        return total if how == "SUM" else n(nn.Div(total, n.like(forest.roots.size, total)))
    if how not in ("MIN", "MAX"):
        raise InvalidError(f"aggregate_function '{how}'; expected SUM, AVERAGE, MIN or MAX")
    limit = float(np.finfo(dtype.numpy).max) * (1 if how == "MIN" else -1)
    weights = np.where(forest.has_weight, forest.weights, limit)
    return n.reduce(n(nn.Gather(n.constant(weights, dtype), leaves)), "min" if how == "MIN" else "max", [1])


@legalize("TreeEnsemble", domain=DOMAIN, since=5)
def tree_ensemble(n: Node) -> Value:
    forest = _ensemble(n)
    how = ("AVERAGE", "SUM", "MIN", "MAX")[n.int("aggregate_function", 1)]
    post = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")[n.int("post_transform")]
    return transformed(n, _aggregated(n, forest, _leaves(n, forest), how), post)


def _ensemble(n: Node) -> _Forest:
    """The tables of TreeEnsemble, whose leaves have numbers of their own and stand behind the nodes here."""
    splits, modes = n.array("nodes_splits"), n.array("nodes_modes")
    targets, weights = _ints(n, "leaf_targetids"), n.array("leaf_weights")
    if splits is None or modes is None or weights is None:
        raise InvalidError("'nodes_splits', 'nodes_modes' or 'leaf_weights' is missing")
    inner, leaves = splits.size, weights.size
    self_loop = np.arange(inner, inner + leaves)
    branches = {
        name: np.concatenate([_ints(n, f"nodes_{name}nodeids") + inner * _ints(n, f"nodes_{name}leafs"), self_loop])
        for name in ("true", "false")
    }
    roots = _ints(n, "tree_roots")
    # A tree of one leaf is a node whose branches both lead there.
    table = np.zeros((inner + leaves, n.int("n_targets")), weights.dtype)
    if targets.size != leaves or (targets < 0).any() or (targets >= table.shape[1]).any():
        raise InvalidError(f"'leaf_targetids' are not {leaves} of {table.shape[1]} targets")
    table[self_loop, targets] = weights
    has = np.zeros(table.shape, bool)
    has[self_loop, targets] = True
    missing = n.ints("nodes_missing_value_tracks_true")
    return _Forest(
        _padded(_ints(n, "nodes_featureids"), leaves),
        _padded(splits, leaves),
        _padded(modes.astype(np.int64), leaves, int(modes[0])),
        branches["true"],
        branches["false"],
        _padded(np.array(missing or (0,) * inner, bool), leaves),
        roots,
        table,
        has,
        _members(n, modes, leaves),
    )


def _members(n: Node, modes: np.ndarray, leaves: int) -> np.ndarray | None:
    """The sets of `membership_values`, which not-a-number ends, by node."""
    if not (modes == _MEMBER).any():
        return None
    given = n.array("membership_values")
    parts = [] if given is None else np.split(given, np.flatnonzero(np.isnan(given)) + 1)
    sets = [part[~np.isnan(part)] for part in parts]
    nodes = np.flatnonzero(modes == _MEMBER)
    if len(sets) < nodes.size:
        raise InvalidError(f"'membership_values' has {len(sets)} sets for {nodes.size} nodes that test for membership")
    table = np.full((modes.size + leaves, max(1, *(part.size for part in sets))), math.nan)
    for node, part in zip(nodes, sets, strict=False):
        table[node, : part.size] = part
    return table


def _ints(n: Node, name: str) -> np.ndarray:
    values = n.ints(name)
    if values is None:
        raise InvalidError(f"'{name}' is missing")
    return np.array(values, np.int64)


def _padded(table: np.ndarray, leaves: int, fill: float = 0) -> np.ndarray:
    return np.concatenate([table, np.full(leaves, fill, table.dtype)])


@legalize("TreeEnsembleRegressor", domain=DOMAIN)
def tree_ensemble_regressor(n: Node) -> Value:
    """The older form: nodes are named by tree and number, and leaves are nodes too."""
    forest = _numbered(n, "target", n.int("n_targets", 1))
    how = n.choice("aggregate_function", "SUM", "AVERAGE", "MIN", "MAX")
    y = _aggregated(n, forest, _leaves(n, forest), how)
    if (base := n.floats("base_values")) is not None:
        y = n(nn.Add(y, n.constant(list(base), scalar(y))))
    return transformed(n, y)


@legalize("TreeEnsembleClassifier", domain=DOMAIN)
def tree_ensemble_classifier(n: Node) -> list[Value]:
    """The leaves add to the scores of classes; to that of one where there are two, of which the other has the rest."""
    labels = class_labels(n, "classlabels_int64s")
    ids = sorted(set(_ints(n, "class_ids").tolist()))
    forest = _numbered(n, "class", max(len(labels), *(i + 1 for i in ids)))
    scores = _aggregated(n, forest, _leaves(n, forest), "SUM")
    if (base := n.floats("base_values")) is not None:
        scores = n(nn.Add(scores, n.constant(list(base), scalar(scores))))
    scores = n.cast(scores, f32)
    if len(ids) > 1 or len(labels) != 2:
        return classified(n, scores, labels)
    score = n.narrow(scores, 1, ids[0], ids[0] + 1)
    plain = n.str("post_transform", "NONE") == "NONE"
    other = n(nn.Sub(n.constant(1, f32), score)) if plain else n(nn.Neg(score))
    return classified(n, n.concat([other, score], 1), labels)


def _numbered(n: Node, prefix: str, count: int) -> _Forest:
    """The tables of a forest whose leaves add to `count` targets or classes, as attributes named `prefix` say."""
    if not scalar(n[0]).is_float:
        raise UnsupportedError(f"features of {scalar(n[0])}")
    trees, numbers = _ints(n, "nodes_treeids").tolist(), _ints(n, "nodes_nodeids").tolist()
    place = {key: i for i, key in enumerate(zip(trees, numbers, strict=True))}
    modes = n.strings("nodes_modes") or ()
    is_leaf = np.array([mode == "LEAF" for mode in modes])
    known = [mode for mode in modes if mode != "LEAF"]
    if any(mode not in MODES[:_MEMBER] for mode in known):
        raise InvalidError(f"a node's mode is none of LEAF, {', '.join(MODES[:_MEMBER])}")
    default = MODES.index(known[0]) if known else 0
    branches = [
        np.array([i if is_leaf[i] else _node(place, trees[i], int(to)) for i, to in enumerate(_ints(n, name))])
        for name in ("nodes_truenodeids", "nodes_falsenodeids")
    ]
    weights = np.zeros((len(modes), count), np.float32)
    has = np.zeros(weights.shape, bool)
    targets = [_ints(n, f"{prefix}_{name}") for name in ("treeids", "nodeids", "ids")]
    entries = zip(*targets, n.floats(f"{prefix}_weights") or (), strict=True)
    for tree, number, target, weight in entries:
        node = _node(place, int(tree), int(number))
        weights[node, target] += weight
        has[node, target] = True
    return _Forest(
        np.where(is_leaf, 0, _ints(n, "nodes_featureids")),
        np.array(n.floats("nodes_values") or (0.0,) * len(modes), np.float32),
        np.array([default if leaf else MODES.index(mode) for mode, leaf in zip(modes, is_leaf, strict=True)]),
        branches[0],
        branches[1],
        np.array(n.ints("nodes_missing_value_tracks_true") or (0,) * len(modes), bool),
        np.array([trees.index(tree) for tree in dict.fromkeys(trees)], np.int64),
        weights,
        has,
    )


def _node(place: dict[tuple[int, int], int], tree: int, number: int) -> int:
    if (tree, number) not in place:
        raise InvalidError(f"node {number} of tree {tree} does not exist")
    return place[tree, number]
