"""Fourier transforms and the mel scale next to ONNX's reference, which uses NumPy's."""

from __future__ import annotations

import numpy as np
import pytest
from onnx_graphs import check, compare, graph, normal


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize(("inverse", "onesided"), [(0, 0), (0, 1), (1, 0)])
@pytest.mark.parametrize("length", [7, 8])
def test_dft(parts: int, inverse: int, onesided: int, length: int) -> None:
    """A one-sided transform is of real numbers."""
    if onesided and parts == 2:
        pytest.skip("a spectrum that is no conjugate of itself")
    node = f"DFT<inverse = {inverse}, onesided = {onesided}>(x)"
    bins = length // 2 + 1 if onesided else length
    text = f"(float[3, {length}, {parts}] x) => (float[3, {bins}, 2] y) {{ y = {node} }}"
    check(text, judge="onnx", x=normal(3, length, parts))


@pytest.mark.parametrize("given", [5, 7, 12])
def test_dft_of_another_length(given: int) -> None:
    text = f"""(double[2, 7, 3, 1] x) => (double[2, {given}, 3, 2] y) <int64 n = {{{given}}}, int64 a = {{1}}> {{
        y = DFT(x, n, a)
    }}"""
    check(text, judge="onnx", x=normal(2, 7, 3, 1, dtype=np.float64))


@pytest.mark.parametrize("length", [6, 7])
def test_real_signals_from_half_spectra(length: int) -> None:
    text = f"""(float[2, 4, 2] x) => (float[2, {length}, 1] y) <int64 n = {{{length}}}> {{
        y = DFT<inverse = 1, onesided = 1>(x, n)
    }}"""
    spectrum = np.fft.rfft(normal(2, length), axis=1)
    x = np.stack([spectrum.real, spectrum.imag], -1).astype(np.float32)
    check(text, judge="onnx", x=x)


@pytest.mark.parametrize("axis", [-2, 0, 1, 2])
def test_dft_along_an_axis_of_run_time(axis: int) -> None:
    text = "(float[4, 4, 4, 2] x, int64 a) => (float[4, 4, 4, 2] y) { y = DFT(x, , a) }"
    check(text, judge="onnx", x=normal(4, 4, 4, 2), a=np.array(axis))


@pytest.mark.parametrize("onesided", [0, 1])
@pytest.mark.parametrize("window", ["", "w"])
def test_stft(onesided: int, window: str) -> None:
    bins = 5 if onesided else 8
    text = f"""(float[2, 21, 1] x, float[8] w, int64 step) => (float[2, 5, {bins}, 2] y) <int64 n = {{8}}> {{
        y = STFT<onesided = {onesided}>(x, step, {window}, n)
    }}"""
    check(text, judge="onnx", x=normal(2, 21, 1), w=np.abs(normal(8)), step=np.array(3))


@pytest.mark.parametrize("length", [7, 8])
def test_stft_of_a_frame_length_of_run_time(length: int) -> None:
    """Five bins are those of eight elements or of nine; the value decides."""
    frames = (21 - length) // 3 + 1
    text = f"""(float[2, 21, 1] x, int64 step, int64 n) => (float[2, {frames}, {length // 2 + 1}, 2] y) {{
        y = STFT(x, step, , n)
    }}"""
    check(text, judge="onnx", x=normal(2, 21, 1), step=np.array(3), n=np.array(length))


def test_mel_weights() -> None:
    text = """(int64 mels, int64 n, int64 rate, float low, float high) => (float[9, 6] y) {
        y = MelWeightMatrix(mels, n, rate, low, high)
    }"""
    numbers = {"mels": np.array(6), "n": np.array(16), "rate": np.array(8192)}
    edges = {"low": np.array(0, np.float32), "high": np.array(4096, np.float32)}
    compare(graph(text), {**numbers, **edges}, "onnx")


@pytest.mark.parametrize("length", [5, 12])
def test_dft_of_a_length_that_no_shape_tells(length: int) -> None:
    text = "(float[2, 7, 1] x, int64 n) => (float[2, k, 2] y) { y = DFT<onesided = 1>(x, n) }"
    check(text, judge="onnx", x=normal(2, 7, 1), n=np.array(length))


def test_stft_of_frames_that_no_shape_tells() -> None:
    text = "(float[2, 21, 1] x, int64 step, int64 n) => (float[2, f, k, 2] y) { y = STFT(x, step, , n) }"
    check(text, judge="onnx", x=normal(2, 21, 1), step=np.array(4), n=np.array(9))
