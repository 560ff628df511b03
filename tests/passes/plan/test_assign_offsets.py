"""Placing buffers: never two live ones in one place, close to the lower bound, exact orders for dynamic sizes."""

from __future__ import annotations

import itertools
import random

from kernelwright.ir.dialects import plan
from kernelwright.ir.dialects.builtin import Module
from kernelwright.ir.parser import parse
from kernelwright.ir.types import TensorType, f32
from kernelwright.passes.analysis.liveness import Lifetime, arena_lifetimes, conflict
from kernelwright.passes.base import PassContext
from kernelwright.passes.plan.assign_offsets import place
from kernelwright.passes.plan.lower_to_plan import LowerToPlan


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


def test_what_a_loop_reads_again_lives_as_long_as_the_loop() -> None:
    """Of the buffers around and in a loop, only those that an iteration makes for itself share memory."""
    module = parse(
        """module {
          "kernel.func"() ({
          ^bb0(%a: memref<8xf32>, %b: memref<8xf32>):
            "kernel.return"() : () -> ()
          }) {sym_name = "relu", grid = [1 : i64], arg_shapes = ["8", "8"]} : () -> ()
          func.func @main(%x: tensor<8xf32>) -> tensor<8xf32> {
            %n = "nn.constant"() {value = dense<40> : tensor<i64>} : () -> tensor<i64>
            %outer = "kernel.call"(%x) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
            %last = "nn.loop"(%n, %outer) ({
            ^bb0(%i: tensor<i64>, %go: tensor<i1>, %p: tensor<8xf32>):
              %first = "kernel.call"(%outer) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
              %second = "kernel.call"(%p) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
              %third = "kernel.call"(%first) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
              %fourth = "kernel.call"(%second) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
              %fifth = "kernel.call"(%third) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
              "nn.yield"(%go, %fourth) : (tensor<i1>, tensor<8xf32>) -> ()
            }) {operandSegmentSizes = array<i32: 1, 0, 1>} : (tensor<i64>, tensor<8xf32>) -> tensor<8xf32>
            %y = "kernel.call"(%last) {callee = @relu} : (tensor<8xf32>) -> tensor<8xf32>
            return %y : tensor<8xf32>
          }
        }"""
    )
    assert isinstance(module, Module)
    LowerToPlan().run(module, PassContext())
    lives = {life.op.result.name: life for life in arena_lifetimes(module.main)}
    assert not conflict(lives["first"], lives["fourth"])
    assert not conflict(lives["second"], lives["fifth"])
    for inner in ("first", "second", "third", "fourth", "fifth"):
        assert conflict(lives["outer"], lives[inner])  # the next iteration reads it
        assert conflict(lives["last"], lives[inner])  # so is what it carries
