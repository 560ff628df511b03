"""RoiAlign, deformable convolution and determinants."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, normal

ROIS = np.array([[0, 0, 7, 6], [1.5, 2.5, 20, 3], [-4, -1, 2, 5], [5, 5, 5, 5]], np.float32)


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
def test_roi_align(mode: str, coordinates: str) -> None:
    node = f"""RoiAlign<mode = "{mode}", coordinate_transformation_mode = "{coordinates}", output_height = 3,
        output_width = 2, sampling_ratio = 2, spatial_scale = 0.5>(x, r, b)"""
    text = f"(float[2, 3, 8, 9] x, float[4, 4] r, int64[4] b) => (float[4, 3, 3, 2] y) {{ y = {node} }}"
    x = np.abs(normal(2, 3, 8, 9))  # the maximum is of weighted elements
    check(text, x=x, r=ROIS, b=np.array([0, 1, 1, 0]))


@pytest.mark.parametrize("mode", ["avg", "max"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "output_half_pixel"])
def test_as_many_samples_as_a_region_is_large(mode: str, coordinates: str) -> None:
    node = f'RoiAlign<mode = "{mode}", coordinate_transformation_mode = "{coordinates}", output_width = 2>(x, r, b)'
    text = f"(float[2, 3, 8, 9] x, float[R, 4] r, int64[R] b) => (float[R, 3, 1, 2] y) {{ y = {node} }}"
    check(text, x=np.abs(normal(2, 3, 8, 9)), r=ROIS[:3], b=np.array([0, 1, 1]))


@pytest.mark.parametrize("mask", ["", "m"])
@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("offset_group", [1, 2])
def test_deformable_convolution(mask: str, group: int, offset_group: int) -> None:
    taps = 6 * offset_group
    attributes = f"group = {group}, offset_group = {offset_group}, pads = [1, 0, 0, 1], strides = [2, 1]"
    text = f"""(float[2, 4, 7, 6] x, float[4, {4 // group}, 3, 2] w, float[2, {2 * taps}, 3, 6] o, float[4] b,
        float[2, {taps}, 3, 6] m) => (float[2, 4, 3, 6] y) {{
        y = DeformConv<{attributes}>(x, w, o, b, {mask})
    }}"""
    weights = normal(4, 4 // group, 3, 2, seed=1)
    offsets, masks = 2 * normal(2, 2 * taps, 3, 6, seed=2), np.abs(normal(2, taps, 3, 6, seed=4))
    check(text, judge="onnx", x=normal(2, 4, 7, 6), w=weights, o=offsets, b=normal(4, seed=3), m=masks)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_determinants(size: int) -> None:
    x = normal(2, 3, size, size)
    x[0, 0] = 0
    x[0, 1] = np.eye(size)[::-1]
    x[1, 0, 0, 0] = 0
    text = f"(float[2, 3, {size}, {size}] x) => (float[2, 3] y) {{ y = Det(x) }}"
    check(text, judge="onnx", x=x)


def test_max_roi_pool() -> None:
    """Regions inside of the image, beyond it, of one element, and upside down."""
    rois = np.array([[0, 0, 0, 7, 6], [1, 1.5, 2.5, 20, 3], [1, 5, 5, 5, 5], [0, 6, 4, 2, 1]], np.float32)
    node = "MaxRoiPool<pooled_shape = [3, 2], spatial_scale = 0.7>(x, r)"
    check(
        f"(float[2, 3, 8, 9] x, float[4, 5] r) => (float[4, 3, 3, 2] y) {{ y = {node} }}", x=normal(2, 3, 8, 9), r=rois
    )
