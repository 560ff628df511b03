"""The table of generators: each appends a node, or a few, of one family of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .graph import Graph

Generate = Callable[[Graph], object]


@dataclass(frozen=True)
class Family:
    name: str
    generate: Generate
    since: int
    weight: float


FAMILIES: list[Family] = []


def family(since: int = 7, weight: float = 1.0) -> Callable[[Generate], Generate]:
    """Register a generator for opsets from `since`."""

    def register(generate: Generate) -> Generate:
        FAMILIES.append(Family(generate.__name__, generate, since, weight))
        return generate

    return register
