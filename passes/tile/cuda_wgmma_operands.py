"""What TMA loads of the operands of a product, and where it lies in shared memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ...ir.core import Value
from ...ir.symbols import Dim
from ...ir.types import MemRefType
from .cuda_stages import SPAN, BoxOperand, PixelsOperand

MOST_DIMS = 5
"""Dims of a tensor that TMA knows."""
TmaOperand = BoxOperand | PixelsOperand


def tma_operand(operand: object) -> str | None:
    """Why TMA cannot load an operand; None where it can."""
    if isinstance(operand, PixelsOperand):
        return _out_of_reach(operand)
    if not isinstance(operand, BoxOperand):
        return "an operand is no box of memory"
    if operand.width < 16:
        return "rows of an operand do not begin at multiples of 16 bytes"
    if len(operand.memory.shape) > MOST_DIMS:
        return f"an operand has more than {MOST_DIMS} dims"
    return None


_CORNERS = {3: 1 << 15, 4: 1 << 7, 5: 1 << 3}
"""How far TMA's corners may be from an image, by its rank; a tap may be twice as far from the first corner."""
_MOST_STEPS = 8


def _out_of_reach(operand: PixelsOperand) -> str | None:
    """Why TMA cannot walk the pixels of an image; None where it can."""
    shape = operand.memory.shape
    reach = _CORNERS.get(len(shape))
    if reach is None:
        return f"TMA walks the pixels of images of 3 to {MOST_DIMS} dims"
    for low, out, step, size in zip(operand.corner, operand.out, operand.steps, shape[1:-1], strict=True):
        high = low + (out - 1) * step + 1 - size
        if not isinstance(high, int) or not (-reach <= low < reach and -reach <= high < reach and step <= _MOST_STEPS):
            return "TMA cannot walk so far out of the image"
    return None


def is_k_major(operand: TmaOperand) -> bool:
    """Whether elements along k lie side by side."""
    return isinstance(operand, PixelsOperand) or operand.inner_dim > operand.outer_dim


@dataclass(frozen=True)
class TilePlace:
    """The tile of the result that a block is at: its batch, first row and first column."""

    batch: tuple[Dim, ...]
    row: Dim
    column: Dim


@dataclass
class Operand:
    """One operand in shared memory: `size` rows or columns by `k` a stage, in panels of 128 bytes."""

    read: Callable[[Sequence[Dim]], TmaOperand]
    size: int
    k: int
    memory: Value
    k_major: bool

    @property
    def panel(self) -> int:
        """Elements of a panel's row."""
        type = self.memory.type
        assert isinstance(type, MemRefType)
        return SPAN // type.dtype.bytes
