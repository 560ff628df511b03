"""Symbolic integers: one canonical form, text that reads back, simplification by ranges."""

from __future__ import annotations

import random

import pytest

from kernelwright.ir import symbols as s

N, I, R = (s.symbol(name) for name in "nir")


def test_equal_polynomials_are_equal() -> None:
    assert N * I + I == I * (N + 1)
    assert (N + 1) * (N - 1) == N * N - 1
    assert N - N == 0


@pytest.mark.parametrize(
    "text", ["n", "2 * n + 1", "n // 2", "(n + 1) // 2 * 4", "ceildiv(n, 128)", "min(i, n) % 7", "-n"]
)
def test_text_reads_back(text: str) -> None:
    value = s.parse(text)
    assert s.parse(str(value)) == value


@pytest.mark.parametrize("text", ["n +", "f(n)", "n / 2", "1.5", "n ** 2", "True", "'x'"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an integer expression"):
        s.parse(text)


def test_division_by_a_divisor_is_exact() -> None:
    assert (4 * I + 8) // 4 == I + 2
    assert (N * I) // N == I
    assert (8 * I + R) % 4 == R % 4


def test_ranges_decide_division_and_remainder() -> None:
    ranges = {"r": (0, 3)}
    assert s.simplify((4 * I + R) // 4, ranges) == I
    assert s.simplify((4 * I + R) % 4, ranges) == R
    assert s.simplify(s.minimum(R, 5), ranges) == R


def test_linear_part() -> None:
    assert s.linear_part(3 * I * N + R, "i") == (3 * N, R)
    assert s.linear_part(I * I, "i") is None
    assert s.linear_part(I // 2, "i") is None


def _evaluate(text: str, bindings: dict[str, int]) -> int:
    names = {"ceildiv": lambda a, b: -(-a // b), "min": min, "max": max}
    return eval(text, names, dict(bindings))


def test_building_and_simplifying_keep_the_value() -> None:
    rng = random.Random(0)

    def build(depth: int) -> s.Dim:
        if depth == 0:
            return rng.choice([N, I, R, rng.randint(-5, 9)])
        a, b = build(depth - 1), build(depth - 1)
        pick = rng.randint(0, 6)
        positive = rng.randint(1, 8)
        return [
            lambda: s.add(a, b), lambda: s.mul(a, b), lambda: s.floordiv(a, positive), lambda: s.mod(a, positive),
            lambda: s.ceildiv(a, positive), lambda: s.minimum(a, b), lambda: s.maximum(a, b),
        ][pick]()  # fmt: skip

    for _ in range(500):
        value = build(3)
        bindings = {"n": rng.randint(1, 20), "i": rng.randint(0, 7), "r": rng.randint(0, 3)}
        expected = _evaluate(str(value), bindings)
        assert s.substitute(value, bindings) == expected
        ranges = {"n": (1, 20), "i": (0, 7), "r": (0, 3)}
        simple = s.simplify(value, ranges)
        assert s.substitute(simple, bindings) == expected
        low, high = s.bounds(value, ranges)
        assert low <= expected <= high
