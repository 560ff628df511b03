"""DLPack's table of functions, as another library offers it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from kernelwright.runtime import dlpack

LEGACY_STREAM = 1


def identity(view: Any, stream: int = LEGACY_STREAM) -> tuple[object, ...] | None:
    return dlpack.identity([view], 0, stream)


def test_identity_is_that_of_the_memory() -> None:
    utils = pytest.importorskip("cuda.core.utils")
    array = np.arange(12, dtype=np.float32).reshape(3, 4)

    def view(array: np.ndarray) -> Any:
        return utils.StridedMemoryView.from_any_interface(array, stream_ptr=-1)

    known = identity(view(array))
    assert known is not None
    assert identity(view(array)) == known
    for other in (array.copy(), array[:2], array.T, array.reshape(4, 3), array.view(np.int32)):
        assert identity(view(other)) not in (None, known)
    assert identity(view(array), LEGACY_STREAM + 1) is None


def test_tensors_without_the_table_have_no_identity() -> None:
    assert identity(np.zeros(3, np.float32)) is None
