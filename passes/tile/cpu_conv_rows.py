"""Rows of a convolution's input in local memory: with the zeros that pad them, or made by element-wise ops there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...ir.core import BlockArgument, Value
from ...ir.dialects import tile
from ...ir.dialects.nn.convolution import Conv
from ...ir.symbols import Dim
from ...ir.types import MemRefType, f32
from .access import Memory
from .body import TileBody
from .frame import tensor_type
from .merging import Merged

VECTOR = 16
"""Pixels of a register."""
MOST = 4 * VECTOR
"""The most pixels that are computed at once."""


@dataclass(frozen=True)
class RowWindow:
    """`width` input columns from `column` on, of the rows that a group of an image reads for output row `row`.

    With `flat` a row is a whole image.
    """

    image: Dim
    group: Dim
    row: Dim
    column: Dim
    width: int
    flat: bool


def staged_rows(body: TileBody, root: Conv, window: RowWindow) -> Memory:
    """Local memory [input channel][kernel row][column] with a window of `root`'s input, zeros where that is padding."""
    channels, height = (int(n) for n in tensor_type(root.w).dims[1:3])  # type: ignore[arg-type]
    is_copied = isinstance(root.x, BlockArgument)
    shape = (channels, height, window.width)
    type = MemRefType(shape, tensor_type(root.x).scalar if is_copied else f32, "local")
    scratch = body.builder.effect(tile.Alloc(64, result_types=[type])).results[0]
    rows = input_rows(root, window, height)
    if is_copied:
        for tap, row in enumerate(rows):
            _copy(body, root, window, row, tap, scratch)
    else:
        _compute(body, root, window, rows, Memory(scratch, shape))
    return Memory(body.builder.pure(tile.Flatten(scratch)), (channels * height * window.width,))


def input_rows(root: Conv, window: RowWindow, height: int) -> list[Dim]:
    """The input row of every row of the kernel."""
    return [window.row * root.strides[0] + (tap * root.dilations[0] - root.pads[0]) for tap in range(height)]


def place_in(body: TileBody, root: Conv, window: RowWindow, row: Dim, column: Dim) -> tuple[Dim, ...]:
    """The place in an image of a column of a row."""
    image = tensor_type(root.x).dims[2:]
    return Merged((), image, body.indices).split(column) if window.flat else (row, column)


def _copy(body: TileBody, root: Conv, window: RowWindow, row: Dim, tap: int, scratch: Value) -> None:
    channels = tensor_type(root.w).dims[1]
    assert isinstance(channels, int)
    here = (window.image, window.group * channels, row, window.column)
    sizes = (channels, window.width)
    code = body.indices.scalar_code
    start, target = tuple(map(code, here)), (code(0), code(tap), code(0))
    source = body.memories[root.x].value
    body.builder.effect(tile.Copy(source, scratch, start, target, sizes, (1, 3), (0, 2), (2, 3), 0.0))


def _compute(body: TileBody, root: Conv, window: RowWindow, rows: Sequence[Dim], scratch: Memory) -> None:
    """Vectors of pixels, channel by channel. Where the convolution pads, what is made of nothing counts zero."""
    channels = scratch.shape[0]
    outside = 0.0 if any(root.pads) else None
    vector, starts = vectors(window.width)
    lane = body.indices.lane(vector)

    def step(counter: Value, _: Sequence[Value]) -> Sequence[Value]:
        channel = body.indices.scalar(counter, channels)
        for tap, row in enumerate(rows):
            for start in starts:
                place = place_in(body, root, window, row, window.column + start + lane)
                index = (window.image, window.group * channels + channel, *place)
                element = body.cast(body.read(root.x, index, outside), f32)
                body.store(scratch, (channel, tap, start + lane), element)
        return ()

    body.loop(channels, 1, (), step)


def vectors(width: int) -> tuple[int, list[int]]:
    """The size and the starts of vectors that cover `width` pixels, the last beside the one before it or over it."""
    size = width if width < VECTOR else min(width // VECTOR * VECTOR, MOST)
    return size, [*range(0, width - size, size), width - size]
