"""Attention on CPUs next to float64 on awkward shapes: masks, causal, grouped heads, blocks of keys, symbolic sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from native import NativeKernel, runs_here
from weights import OneKernel

from kernelwright.compiler.host import host
from kernelwright.ir import target
from kernelwright.ir.dialects import nn
from kernelwright.ir.symbols import Dim, symbol
from kernelwright.ir.target import CpuTarget
from kernelwright.ir.tile_interpreter import run_kernel
from kernelwright.ir.types import SCALARS, TensorType
from kernelwright.passes.tile import cpu_attention

SEQ, PAST = symbol("seq"), symbol("past")


@dataclass
class Problem:
    """Attention of `queries` and `keys`; with `symbolic` they are called seq and past + seq."""

    queries: int
    keys: int
    size: int = 8
    width: int = 8
    batch: int = 1
    heads: int = 2
    groups: int = 2
    mask: tuple[int, ...] | None = None
    keeps: bool = False
    causal: bool = False
    offset: int = 0
    symbolic: bool = False
    dtype: str = "f32"

    def arrays(self) -> list[np.ndarray]:
        rng = np.random.default_rng(self.queries * 100 + self.keys)
        shapes = [
            (self.batch, self.heads, self.queries, self.size),
            (self.batch, self.groups, self.keys, self.size),
            (self.batch, self.groups, self.keys, self.width),
        ]
        made = [rng.standard_normal(shape).astype(SCALARS[self.dtype].numpy) for shape in shapes]
        if self.mask is not None:
            chance = rng.random(self.mask)
            made.append(chance < 0.6 if self.keeps else np.where(chance < 0.8, chance, -np.inf).astype(np.float32))
        return made

    def kernel(self) -> OneKernel:
        names: dict[int, Dim] = {self.queries: SEQ, self.keys: PAST + SEQ} if self.symbolic else {}

        def dims(array: np.ndarray) -> tuple[Dim, ...]:
            first = array.ndim - 2
            return tuple(names.get(int(d), int(d)) if i >= first else int(d) for i, d in enumerate(array.shape))

        types = [TensorType(dims(array), kind) for array, kind in zip(self.arrays(), self._dtypes(), strict=True)]
        offset: Dim = PAST if self.symbolic and self.offset else self.offset

        def build(emit: Any, arguments: Any) -> Any:  # Any: ops of any class
            return emit(nn.Attention(*arguments, scale=0.3, causal=self.causal, offset=offset))

        return OneKernel(types, {}, build)

    def _dtypes(self) -> list[Any]:
        mask = [] if self.mask is None else [SCALARS["i1" if self.keeps else "f32"]]
        return [SCALARS[self.dtype]] * 3 + mask

    def expected(self) -> np.ndarray:
        q, k, v, *mask = (array if array.dtype == bool else array.astype(np.float64) for array in self.arrays())
        k, v = (np.repeat(x, self.heads // self.groups, axis=1) for x in (k, v))
        scores = 0.3 * q @ k.swapaxes(-1, -2)
        for one in mask:
            scores = np.where(one, scores, -np.inf) if self.keeps else scores + one
        if self.causal:
            rows, columns = np.ogrid[: self.queries, : self.keys]
            scores = np.where(columns <= rows + self.offset, scores, -np.inf)
        top = scores.max(-1, keepdims=True)
        weights = np.exp(scores - np.where(np.isfinite(top), top, 0))
        total = weights.sum(-1, keepdims=True)
        return weights / np.where(total == 0, 1, total) @ v


PROBLEMS = {
    "square": Problem(64, 64, 64, 64),
    "primes": Problem(37, 29, 17, 13, batch=2, heads=3, groups=3),
    "one-query": Problem(1, 65, 64, 64, heads=12, groups=12),
    "one-key": Problem(5, 1),
    "one-of-all": Problem(1, 1, 1, 1, heads=1, groups=1),
    "narrow-values": Problem(7, 9, 5, 1),
    "wide-values": Problem(19, 33, 8, 100),
    "one-head": Problem(130, 70, 24, 40, heads=1, groups=1),
    "grouped": Problem(9, 21, heads=6, groups=2, batch=2),
    "multi-query": Problem(3, 21, heads=4, groups=1),
    "padding": Problem(20, 31, mask=(2, 1, 1, 31), keeps=True, batch=2),
    "mask-of-all": Problem(20, 31, mask=(2, 20, 31)),
    "mask-of-heads": Problem(17, 6, mask=(1, 2, 1, 6)),
    "hides-all-keys": Problem(18, 3, mask=(1, 1, 18, 3), keeps=True),
    "causal": Problem(50, 50, causal=True),
    "causal-long": Problem(100, 64, 16, 16, causal=True, offset=-3),
    "causal-on-a-cache": Problem(5, 23, causal=True, offset=18),
    "causal-masked": Problem(33, 33, mask=(1, 1, 1, 33), causal=True),
    "symbolic": Problem(21, 30, 16, 16, symbolic=True),
    "symbolic-cache": Problem(3, 45, 16, 16, causal=True, offset=42, symbolic=True),
    "symbolic-one": Problem(1, 18, 8, 8, causal=True, offset=17, symbolic=True, mask=(1, 1, 1, 18)),
    "f16": Problem(11, 13, 16, 16, dtype="f16"),
}
LEVELS = [target.builtin(name) for name in ("cpu-avx2", "cpu-avx512", "cpu-neon")]


def check(problem: Problem, found: np.ndarray) -> None:
    expected = problem.expected()
    error = np.linalg.norm(found.reshape(expected.shape).astype(np.float64) - expected)
    assert error <= (1e-3 if problem.dtype == "f16" else 1e-6) * np.linalg.norm(expected)


def sizes(problem: Problem) -> dict[str, int]:
    return {"seq": problem.queries, "past": problem.keys - problem.queries} if problem.symbolic else {}


@pytest.mark.parametrize("block", ["whole", "blocks"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_on_this_machine(name: str, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = PROBLEMS[name]
    if block == "blocks":  # a few keys at a time
        monkeypatch.setattr(cpu_attention, "MOST_SCORES", 4 * 7 * 16)
    func = problem.kernel().tile(host())
    assert func.tactic == "attention"
    check(problem, NativeKernel(func)(problem.arrays(), sizes(problem))[0])


@pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.name)
@pytest.mark.parametrize("name", ["primes", "one-query", "causal-masked", "mask-of-all"])
def test_at_other_levels(name: str, level: CpuTarget) -> None:
    problem = PROBLEMS[name]
    func = problem.kernel().tile(level)
    assert func.tactic == "attention"
    if runs_here(level):
        check(problem, NativeKernel(func, level)(problem.arrays(), sizes(problem))[0])


@pytest.mark.parametrize("name", ["primes", "causal-masked", "symbolic-cache", "narrow-values"])
def test_tile_interpreter(name: str) -> None:
    problem = PROBLEMS[name]
    func = problem.kernel().tile(host())
    check(problem, run_kernel(func, problem.arrays(), sizes(problem))[0])
