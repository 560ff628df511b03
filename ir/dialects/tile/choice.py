"""Comparing and choosing on register tiles.

They are `arith.cmpi`, `arith.cmpf` and `arith.select` under names of their own, for vectors: xDSL's `arith` has these
three for scalars only, and every dump is to be read by upstream's tools.
"""

from __future__ import annotations

from .. import arith

ON_TILES = {f"arith.{op}": f"tile.{op}" for op in ("cmpi", "cmpf", "select")}
"""The name an op of `arith` has where it works on register tiles."""


class CmpI(arith.CmpI, name="tile.cmpi"):
    """Compare integers of two register tiles; `predicate` is that of `arith.cmpi`."""


class CmpF(arith.CmpF, name="tile.cmpf"):
    """Compare floats of two register tiles; `predicate` is that of `arith.cmpf`."""


class Select(arith.Select, name="tile.select"):
    """true_value where condition, a register tile of i1 or a scalar, holds, false_value elsewhere."""
