"""sigmoid and tanh against NumPy's in more digits, and what they do with extreme numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tinydl.kernels import LINEAR, RELU, SIGMOID, TANH
from tinydl.kernels.machine.exponential import finish, smooth

WIDE = np.longdouble if np.finfo(np.longdouble).nmant > 60 else np.float64  # some machines have no wider numbers
DTYPES = [np.float32, np.float64] if WIDE is np.longdouble else [np.float32]


def exact(a: Any, activation: int) -> Any:
    a = a.astype(WIDE)
    if activation == TANH:
        return np.tanh(a)
    with np.errstate(under="ignore"):
        e = np.exp(-np.abs(a))
    return np.where(a >= 0, 1, e) / (1 + e)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("activation", [SIGMOID, TANH])
def test_the_last_digits(dtype: Any, activation: int) -> None:
    rng = np.random.default_rng(0)
    scales = 10.0 ** rng.uniform(-30, 2.5, 200_000)
    a = (rng.standard_normal(scales.size) * scales).astype(dtype)
    y, wanted = a.copy(), exact(a, activation)
    finish(y, activation)
    unit = np.spacing(np.abs(wanted).astype(dtype))  # in the last place; of a subnormal number, the smallest there is
    assert (np.abs(y - wanted) <= 3 * unit).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_numbers(dtype: Any) -> None:
    largest = np.finfo(dtype).max
    a = np.array([0, -0.0, 1e-40, 25, -25, 111, -111, 761, -761, largest, -largest, np.inf, -np.inf, np.nan] * 3, dtype)
    for activation in (SIGMOID, TANH):
        y = a.copy()
        finish(y, activation)
        np.testing.assert_allclose(y, exact(a, activation).astype(dtype), 4 * np.finfo(dtype).eps, 0)


def test_only_the_numbers_asked_for_change() -> None:
    y = np.linspace(-3, 3, 50).astype(np.float32)
    before = y.copy()
    smooth(y, 7, 20, TANH)
    np.testing.assert_allclose(y[7:27], np.tanh(before[7:27]), 1e-6)
    np.testing.assert_array_equal(np.delete(y, np.s_[7:27]), np.delete(before, np.s_[7:27]))
    for activation in (LINEAR, RELU):
        y = before.copy()
        finish(y, activation)
        np.testing.assert_array_equal(y, before)


@pytest.mark.parametrize("activation", [SIGMOID, TANH])
def test_any_division_among_threads_gives_the_same_bits(activation: int) -> None:
    a = np.random.default_rng(1).standard_normal(300_001).astype(np.float32)
    y, parts = a.copy(), a.copy()
    finish(y, activation)
    for start in range(0, a.size, 1013):
        smooth(parts, start, min(1013, a.size - start), activation)
    np.testing.assert_array_equal(y, parts)
