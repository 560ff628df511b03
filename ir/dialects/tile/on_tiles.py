"""Comparing, choosing and converting register tiles.

These are ops of `arith` under names of their own where they work on vectors: xDSL's `arith` has them for scalars only,
and every dump is to be read by upstream's tools.
"""

from __future__ import annotations

from .. import arith


class CmpI(arith.CmpI, name="tile.cmpi"):
    """Compare integers of two register tiles; `predicate` is that of `arith.cmpi`."""


class CmpF(arith.CmpF, name="tile.cmpf"):
    """Compare floats of two register tiles; `predicate` is that of `arith.cmpf`."""


class Select(arith.Select, name="tile.select"):
    """true_value where condition, a register tile of i1 or a scalar, holds, false_value elsewhere."""


class ExtSI(arith.ExtSI, name="tile.extsi"):
    """Wider integers of the same signed values, as `arith.extsi`."""


class ExtUI(arith.ExtUI, name="tile.extui"):
    """Wider integers of the same unsigned values, as `arith.extui`."""


class TruncI(arith.TruncI, name="tile.trunci"):
    """The low bits, as `arith.trunci`."""


class SIToFP(arith.SIToFP, name="tile.sitofp"):
    """Signed integers as floats, as `arith.sitofp`."""


class UIToFP(arith.UIToFP, name="tile.uitofp"):
    """Unsigned integers as floats, as `arith.uitofp`."""


class FPToSI(arith.FPToSI, name="tile.fptosi"):
    """Floats rounded towards zero, signed, as `arith.fptosi`."""


class FPToUI(arith.FPToUI, name="tile.fptoui"):
    """Floats rounded towards zero, unsigned, as `arith.fptoui`."""


class IndexCast(arith.IndexCast, name="tile.index_cast"):
    """Between `index` and integers, as `arith.index_cast`."""


ON_TILES = {
    f"arith.{cls.op_name.removeprefix('tile.')}": cls.op_name
    for cls in (CmpI, CmpF, Select, ExtSI, ExtUI, TruncI, SIToFP, UIToFP, FPToSI, FPToUI, IndexCast)
}
"""The name an op of `arith` has where it works on register tiles."""
