"""Random graphs give what they ought to, computed in every way: by the interpreter at nn level, as CPU code with all
passes, without one and without any, and by the tile programs of CUDA.

Any range of seeds by hand: `make fuzz SEEDS=0:2000`.
"""

from __future__ import annotations

import warnings
from random import Random

import pytest
from fuzzing.build import build
from fuzzing.check import Failure, check
from fuzzing.families import FAMILIES
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

GRAPHS = 60


@pytest.mark.slow
@seed(2026)
@settings(
    max_examples=GRAPHS,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
@given(st.randoms(use_true_random=False))
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_random_graphs(random: Random) -> None:
    explain(check(build(random)))


@pytest.mark.slow
@pytest.mark.parametrize("family", [family.name for family in FAMILIES])
def test_every_family(family: str) -> None:
    """One graph of each family of operators alone, so that none goes untested."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        graph = next(g for n in range(100) if (g := build(Random(n), family)).nodes)
        explain(check(graph))


def explain(failures: list[Failure]) -> None:
    assert not failures, "\n".join(f"{failure}\n{failure.model}" for failure in failures)
