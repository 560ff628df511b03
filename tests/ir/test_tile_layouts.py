"""Layouts of register tiles: every element once, views of them, and their text."""

from __future__ import annotations

import math

import pytest

from kernelwright.ir.layout import Layout, Mode, blocked
from kernelwright.passes.tile.layouts import fragments, multiply_add

BLOCKED = [
    ((1, 768), 128, 4),
    ((4, 1024), 128, 4),
    ((3,), 64, 1),
    ((64, 64), 128, 8),
    ((16, 3, 5), 64, 2),
    ((6, 40), 96, 4),
]


def elements(layout: Layout) -> set[tuple[int, ...]]:
    pairs = ((r, t) for r in range(layout.register_count) for t in range(layout.threads))
    return {layout.coordinates(register, thread) for register, thread in pairs}


@pytest.mark.parametrize(("shape", "threads", "vector"), BLOCKED)
def test_blocked_layouts_hold_every_element(shape: tuple[int, ...], threads: int, vector: int) -> None:
    layout = blocked(shape, threads, vector)
    assert len(elements(layout)) == math.prod(shape)
    assert layout.threads == threads
    assert Layout.parse(str(layout), shape) == layout


@pytest.mark.parametrize(("shape", "threads", "vector"), BLOCKED)
def test_reshaping_moves_no_element(shape: tuple[int, ...], threads: int, vector: int) -> None:
    layout = blocked(shape, threads, vector)
    flat = layout.reshape((math.prod(shape),))
    assert flat is not None
    assert flat.reshape(shape) == layout
    strides = [math.prod(shape[d + 1 :]) for d in range(len(shape))]
    for register in range(layout.register_count):
        for thread in (0, 1, 31, threads - 1):
            place = layout.coordinates(register, thread)
            assert flat.coordinates(register, thread) == (sum(i * s for i, s in zip(place, strides, strict=True)),)


@pytest.mark.parametrize("instruction", ["mma.m16n8k16", "mma.m16n8k8"])
def test_fragments(instruction: str) -> None:
    a, b, acc = fragments(instruction, 64, 48, 32, (2, 2))
    assert len(elements(a)) == 64 * 32
    assert len(elements(b)) == 32 * 48
    assert len(elements(acc)) == 64 * 48
    # PTX: lane 4 * g + t of warp 0 holds columns 2 * t and 2 * t + 1 of row g, then of row g + 8.
    assert [acc.coordinates(register, 4 * 3 + 2) for register in range(4)] == [(3, 4), (3, 5), (11, 4), (11, 5)]


def test_fragments_need_whole_instructions() -> None:
    with pytest.raises(ValueError, match="is not made of"):
        fragments("mma.m16n8k16", 24, 48, 32, (1, 1))


@pytest.mark.parametrize("threads", [64, 128, 256])
def test_operands_of_multiply_adds_are_slices_of_the_result(threads: int) -> None:
    a, b, acc = multiply_add(64, 32, 4, threads)
    assert (a.lanes, a.warps) == (acc.squeeze((1,)).lanes, acc.squeeze((1,)).warps)
    assert (b.lanes, b.warps) == (acc.squeeze((0,)).lanes, acc.squeeze((0,)).warps)
    assert len(elements(acc)) == 64 * 32


def test_dropped_dims_repeat() -> None:
    rows = blocked((8, 64), 128, 2).drop((1,))
    assert rows.shape == (8,)
    assert len(elements(rows)) == 8
    assert any(mode.repeats for mode in rows.lanes)


def test_a_layout_must_reach_every_element_once() -> None:
    with pytest.raises(ValueError, match="reaches 32 of 64"):
        Layout.of((64,), [], [Mode(32, (1,))], [])
    with pytest.raises(ValueError, match="needs 32 lanes"):
        Layout.of((16,), [], [Mode(16, (1,))], [])
