"""Resize by values, with antialiasing and of regions, next to ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, normal

COORDINATES = ["half_pixel", "half_pixel_symmetric", "align_corners", "asymmetric"]


@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
def test_scales_of_run_time(mode: str, coordinates: str) -> None:
    """The model states the shape; places follow from the scales, which rounding the sizes down does not change."""
    text = f"""(float[1, 2, 5, 4] x, float[4] s) => (float[1, 2, 3, 7] y) {{
        y = Resize<mode = "{mode}", coordinate_transformation_mode = "{coordinates}">(x, , s)
    }}"""
    check(text, judge="onnx", x=normal(1, 2, 5, 4), s=np.array([1, 1, 0.7, 1.8], np.float32))


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("exclude", [0, 1])
@pytest.mark.parametrize("sizes", [(3, 2), (4, 9), (5, 1)])
def test_antialias(mode: str, exclude: int, sizes: tuple[int, int]) -> None:
    text = f"""(float[1, 2, 7, 5] x) => (float[1, 2, {sizes[0]}, {sizes[1]}] y)
    <int64[2] s = {{{sizes[0]}, {sizes[1]}}}> {{
        y = Resize<mode = "{mode}", antialias = 1, axes = [2, 3], exclude_outside = {exclude}>(x, , , s)
    }}"""
    check(text, judge="onnx", x=normal(1, 2, 7, 5))


@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("sizes", [(3, 6), (1, 4)])
def test_regions(mode: str, sizes: tuple[int, int]) -> None:
    text = f"""(float[1, 2, 7, 5] x, float[4] r) => (float[1, 2, {sizes[0]}, {sizes[1]}] y)
    <int64[2] s = {{{sizes[0]}, {sizes[1]}}}> {{
        y = Resize<mode = "{mode}", axes = [2, 3], extrapolation_value = -2.5,
                   coordinate_transformation_mode = "tf_crop_and_resize">(x, r, , s)
    }}"""
    check(text, judge="onnx", x=normal(1, 2, 7, 5), r=np.array([0.3, 0.2, 0.9, 1.3], np.float32))


@pytest.mark.parametrize("policy", ["not_larger", "not_smaller"])
def test_sizes_of_run_time_that_keep_the_aspect(policy: str) -> None:
    shape = {"not_larger": "1, 1, 4, 7", "not_smaller": "1, 1, 5, 8"}[policy]
    text = f"""(float[1, 1, 3, 5] x, int64[2] s) => (float[{shape}] y) {{
        y = Resize<mode = "linear", axes = [2, 3], keep_aspect_ratio_policy = "{policy}">(x, , , s)
    }}"""
    check(text, judge="onnx", x=normal(1, 1, 3, 5), s=np.array([5, 7]))


def test_scales_of_run_time_before_opset_11() -> None:
    text = "(float[1, 1, 2, 3] x, float[4] s) => (float[1, 1, 4, 7] y) { y = Upsample(x, s) }"
    check(text, opset=9, x=normal(1, 1, 2, 3), s=np.array([1, 1, 2, 2.5], np.float32))
