"""A random graph of a few nodes."""

from __future__ import annotations

from random import Random

from . import contractions, control, elementwise, indexing, reductions, views
from .families import FAMILIES
from .graph import OPSETS, Graph
from .oracle import RefusedError

MODULES = (contractions, control, elementwise, indexing, reductions, views)
"""The modules whose import registers the families."""


def build(random: Random, only: str | None = None) -> Graph:
    """A graph with at least one node, of all families or `only` one."""
    graph = Graph(random, opset=random.choice(OPSETS), special=random.random() < 0.15)
    families = [f for f in FAMILIES if f.since <= graph.opset and only in (None, f.name)]
    wanted = random.randint(1, 2 if graph.special else 6)
    for _ in range(4 * wanted):
        (chosen,) = random.choices(families, [f.weight for f in families])
        try:
            chosen.generate(graph)
        except RefusedError:
            continue
        if len(graph.nodes) >= wanted:
            break
    return graph
