"""Placing buffers: never two live ones in one place, close to the lower bound, exact orders for dynamic sizes."""

from __future__ import annotations

import itertools
import random

from kernelwright.ir.dialects import plan
from kernelwright.ir.types import TensorType, f32
from kernelwright.passes.analysis.liveness import Lifetime, conflict
from kernelwright.passes.plan.assign_offsets import place


def _lifetime(label: str, start: int, end: int, size: int) -> Lifetime:
    arena = plan.Arena(label, result_types=[plan.buffer_type(TensorType((size // 4,), f32))])
    return Lifetime(arena, start, end, size)


def _sizes(lives: list[Lifetime]) -> dict[plan.Arena, int]:
    return {life.op: life.bytes for life in lives if isinstance(life.bytes, int)}


def _random_lifetimes(rng: random.Random, count: int) -> list[Lifetime]:
    lives = []
    for i in range(count):
        start = rng.randrange(count)
        lives.append(_lifetime(f"b{i}", start, start + rng.randrange(6), 256 * rng.randint(1, 40)))
    return lives


def test_live_buffers_never_overlap() -> None:
    rng = random.Random(0)
    for _ in range(50):
        lives = _random_lifetimes(rng, 30)
        sizes = _sizes(lives)
        offsets = place(lives, sizes)
        for i, a in enumerate(lives):
            for b in lives[:i]:
                if conflict(a, b):
                    apart = offsets[a.op] + sizes[a.op] <= offsets[b.op] or offsets[b.op] + sizes[b.op] <= offsets[a.op]
                    assert apart


def test_a_chain_reaches_the_lower_bound() -> None:
    """In a chain of layers each buffer lives from its producer to the next step."""
    rng = random.Random(1)
    lives = [_lifetime(f"b{i}", i, i + 1, 256 * rng.randint(1, 40)) for i in range(40)]
    sizes = _sizes(lives)
    offsets = place(lives, sizes)
    total = max(offsets[op] + sizes[op] for op in offsets)
    neighbours = itertools.pairwise(lives)
    assert total == max(sizes[a.op] + sizes[b.op] for a, b in neighbours)
