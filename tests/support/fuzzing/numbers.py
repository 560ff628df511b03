"""Element types, and arrays of numbers that are worth a try."""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np

F32, F64, F16 = (np.dtype(t) for t in (np.float32, np.float64, np.float16))
BF16 = np.dtype(ml_dtypes.bfloat16)
BOOL = np.dtype(np.bool_)
I8, I16, I32, I64 = (np.dtype(t) for t in (np.int8, np.int16, np.int32, np.int64))
U8, U16, U32, U64 = (np.dtype(t) for t in (np.uint8, np.uint16, np.uint32, np.uint64))
SMALL_FLOATS = tuple(
    np.dtype(t)
    for t in (ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e4m3fnuz, ml_dtypes.float8_e5m2, ml_dtypes.float8_e5m2fnuz)
)

FLOATS = (F32, F32, F32, F64, F16, BF16)  # f32 is what most models compute with
SIGNED = (I8, I16, I32, I64)
UNSIGNED = (U8, U16, U32, U64)
INTS = SIGNED + UNSIGNED
NUMBERS = FLOATS + (I32, I64) + INTS
ANY = (*NUMBERS, BOOL)

# No number near the largest of f32: whether a sum of such overflows depends on its order.
_SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 0.5, -2.5, 1e-42, 65504.0, -1e15)


def is_float(dtype: np.dtype) -> bool:
    """Whether a type is a floating-point one, those of ml_dtypes included."""
    return dtype.kind == "f" or (dtype.kind == "V" and not dtype.name.startswith(("int", "uint")))


def epsilon(dtype: np.dtype) -> float:
    """The distance from 1 to the next number."""
    return float(ml_dtypes.finfo(dtype).eps) if is_float(dtype) else 0.0


def smallest(dtype: np.dtype) -> float:
    """The least normal number."""
    return float(ml_dtypes.finfo(dtype).smallest_normal) if is_float(dtype) else 0.0


def numbers(rng: np.random.Generator, dtype: np.dtype, shape: Sequence[int], special: bool = False) -> np.ndarray:
    """Random numbers: normal ones, whole ones and halves, or (`special`) with the ends of the type among them."""
    if dtype == BOOL:
        return rng.random(shape) < 0.5
    if not is_float(dtype):
        return _integers(rng, dtype, shape, special)
    if rng.random() < 0.3:
        array = rng.integers(-8, 9, shape) / 2  # equal ones and ties among them
    else:
        array = rng.standard_normal(shape) * rng.choice([0.3, 1.0, 1.0, 4.0])
    if special:
        array = np.where(rng.random(shape) < 0.25, rng.choice(_SPECIAL, shape), array)
    with np.errstate(all="ignore"):
        return np.asarray(array).astype(dtype)


def _integers(rng: np.random.Generator, dtype: np.dtype, shape: Sequence[int], special: bool) -> np.ndarray:
    limits = np.iinfo(dtype)
    low, high = max(limits.min, -5), 6
    array = rng.integers(low, high, shape, dtype)
    if special:
        ends = np.array([limits.min, limits.max, limits.max - 1, 0, 1], dtype)
        array = np.where(rng.random(shape) < 0.3, rng.choice(ends, shape), array)
    return np.asarray(array, dtype)
