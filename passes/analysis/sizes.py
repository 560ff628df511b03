"""Sizes that depend on symbols, where one number must do: when buffers are ordered and memory is compared."""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.dialects.builtin import Module
from ...ir.profile import Profile
from ...ir.symbols import Dim, free_symbols, substitute

TYPICAL_SIZE = 64
"""What an unbounded symbolic dimension is taken for; any other value still works."""


def typical_sizes(module: Module) -> dict[str, int]:
    """The optimum of each symbol's profile."""
    return {name: known.opt for name, known in Profile.of(module).ranges.items()}


def size_at(size: Dim, sizes: Mapping[str, int]) -> int:
    """A size where symbols have the values of `sizes`, others `TYPICAL_SIZE`."""
    known = substitute(size, {name: sizes.get(name, TYPICAL_SIZE) for name in free_symbols(size)})
    assert isinstance(known, int)
    return known
