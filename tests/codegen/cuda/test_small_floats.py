"""The device functions that convert floats of 8 and 4 bits, compiled for the host, next to ml_dtypes."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from kernelwright.codegen.cuda.prelude import prelude

TYPES = {
    "f8e4m3fn": ml_dtypes.float8_e4m3fn,
    "f8e4m3fnuz": ml_dtypes.float8_e4m3fnuz,
    "f8e5m2": ml_dtypes.float8_e5m2,
    "f8e5m2fnuz": ml_dtypes.float8_e5m2fnuz,
    "f8e8m0fnu": ml_dtypes.float8_e8m0fnu,
    "f4e2m1fn": ml_dtypes.float4_e2m1fn,
}

HEAD = """
#include <algorithm>
#include <cmath>
#include <cstring>
using namespace std;
#define __device__
#define __forceinline__ inline
static unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
static float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
static float __int_as_float(int x) { return __uint_as_float(x); }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    compiler = shutil.which("g++")
    if compiler is None:
        pytest.skip("needs g++")
    loop = "(const {0}* x, {1}* y, int n) {{ for (int i = 0; i < n; i++) y[i] = {2}; }}\n"
    body = "".join(f'extern "C" void decode_{t}{loop.format(t, "float", "to_float(x[i])")}' for t in TYPES)
    body += "".join(f'extern "C" void encode_{t}{loop.format("float", t, f"from_float<{t}>(x[i])")}' for t in TYPES)
    functions = re.sub(r"asm\([^;]*;[^;]*;\n", "", re.sub(r'asm\("[^"]*"[^;]*\);\n', "", prelude(body)))
    folder: Path = tmp_path_factory.mktemp("small")
    (folder / "small.cpp").write_text(HEAD + functions + body)
    command = [compiler, "-w", "-O1", "-shared", "-fPIC", "small.cpp", "-o", "small.so"]
    subprocess.run(command, cwd=folder, check=True)
    return ctypes.CDLL(str(folder / "small.so"))


def call(function: object, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    assert callable(function)
    function(ctypes.c_void_p(x.ctypes.data), ctypes.c_void_p(y.ctypes.data), x.size)
    return y


def codes(name: str) -> np.ndarray:
    return np.arange(16 if name.startswith("f4") else 256, dtype=np.uint8)


@pytest.mark.parametrize("name", TYPES)
def test_every_code_is_decoded(library: ctypes.CDLL, name: str) -> None:
    found = call(getattr(library, f"decode_{name}"), codes(name), np.zeros(codes(name).size, np.float32))
    np.testing.assert_array_equal(found, codes(name).view(TYPES[name]).astype(np.float32))


@pytest.mark.parametrize("name", TYPES)
def test_numbers_between_codes_ties_and_the_rest_are_rounded(library: ctypes.CDLL, name: str) -> None:
    rng = np.random.default_rng(0)
    every = codes(name).view(TYPES[name]).astype(np.float32)
    every = np.sort(every[np.isfinite(every)])
    ties = (every[1:] + every[:-1]) / 2
    scattered = rng.standard_normal(9999) * 10.0 ** rng.integers(-7, 7, 9999)
    beside = (np.nextafter(ties, np.float32(to)) for to in (-np.inf, np.inf))
    x = np.concatenate([every, ties, *beside, scattered, [0.0, -0.0, np.inf, -np.inf]]).astype(np.float32)
    found = call(getattr(library, f"encode_{name}"), x, np.zeros(x.size, np.uint8))
    np.testing.assert_array_equal(found, x.astype(TYPES[name]).view(np.uint8))
    if not name.startswith("f4"):  # which has no code for it
        nan = call(getattr(library, f"encode_{name}"), np.full(1, np.nan, np.float32), np.zeros(1, np.uint8))
        assert np.isnan(nan.view(TYPES[name]).astype(np.float32)).all()
