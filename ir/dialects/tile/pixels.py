"""Copies of the pixels that a convolution multiplies with one tap of its kernel: implicit GEMM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .boxes import box_index
from .copies import CopyAsync


class CopyPixelsAsync(CopyAsync, name="tile.copy_pixels_async"):
    """Start a copy from an image [n, spatial…, c] in global memory: a row of the box is an output pixel's input.

    Output pixels are numbered in row-major order of (n, `out`…). Row r of the box [rows, columns] is the input at
    (n, position · `steps` + offset, channel …) of pixel r + first; `source_start` is (first, an offset for each spatial
    axis, channel). What is outside of the image, at a border or behind the last image, reads as zero. By all threads,
    or by TMA by one, where no offset is below `corner`; the rest is as for `tile.copy_async`.
    """

    out: tuple[int, ...] = ()
    steps: tuple[int, ...] = ()
    corner: tuple[int, ...] = ()

    def verify(self) -> None:
        super().verify()
        source = self.memref_type(self.source, "source")
        rank = len(source.shape)
        self.require(len(self.out) == len(self.steps) == rank - 2, f"needs a size and a step an axis of {source}")
        self.require(self.source_dims == (0, rank - 1), f"walks pixels and channels, found {self.source_dims}")
        self.require(self.fill == 0, "fills with zeros")
        by_tma = self.engine == "tma"
        self.require(len(self.corner) == by_tma * (rank - 2), "has the least offset of every axis where TMA copies")
        self.require(set(self.checked) >= set(range(rank - 1)), "checks all but the channels")

    def index(self, source: Any, start: Sequence[Any]) -> tuple[tuple[np.ndarray, ...], np.ndarray | None]:
        first, *offsets, channel = (int(value) for value in start)
        for offset, least in zip(offsets, self.corner, strict=False):
            self.require(offset >= least, f"starts at {offset}, before its corner at {least}")
        rows, columns = self.sizes
        pixel = np.arange(first, first + rows, dtype=np.int64)
        where: list[np.ndarray] = []
        for size, step, offset in reversed(list(zip(self.out, self.steps, offsets, strict=True))):
            where.insert(0, pixel % size * step + offset)
            pixel = pixel // size
        where = [np.broadcast_to(place[:, None], (rows, columns)) for place in (pixel, *where)]
        where.append(np.broadcast_to(channel + np.arange(columns), (rows, columns)))
        inside = np.ones((rows, columns), bool)
        for d, (place, size) in enumerate(zip(where, source.array.shape, strict=True)):
            good = (place >= 0) & (place < size)
            self.require(d in self.checked or good.all(), f"leaves dim {d} of size {size}")
            inside &= good
        return tuple(np.where(inside, place, 0) for place in where), inside

    def places(self, operands: Sequence[Any]) -> Any:
        source, target, *rest = operands
        rank = len(self.source_start)
        starts = rest[:rank], rest[rank : rank + len(self.target_start)]
        there = box_index(target, starts[1], self.sizes, self.target_dims, (1, 1), ())
        return self.index(source, starts[0]), there
